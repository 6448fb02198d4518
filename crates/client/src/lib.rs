//! The Rust client of Enigma: private computation for Ethereum applications.
//!
//! A [`Client`] encrypts the input of a task, records its hash on Ethereum, hands the ciphertext to a node and opens the
//! result. **Nothing is sealed before the worker is verified**: the client checks, offline and in this process, that the
//! worker is the one Ethereum selected, that its evidence shows an accepted enclave configured for this very network, and
//! that the input key is bound to that evidence ([`verify::verify_worker`]).
//!
//! ```no_run
//! use enigma_client::{Client, Network, Options, TaskOptions, abi};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect(Options {
//!     ethereum_url: "http://127.0.0.1:8545".into(),
//!     node_url: "http://127.0.0.1:8546".into(),
//!     enigma: "0x5FbDB2315678afecb367f032d93F642f64180aa3".parse()?,
//!     private_key: std::fs::read_to_string("alice.key")?.into(),
//!     network: Network::Devnet,
//! })
//! .await?;
//!
//! let code = std::fs::read("millionaires_problem.wasm")?;
//! let deployment = client.deploy(code, &abi::call("construct()", &[])?, TaskOptions::default()).await?;
//! client.result(&deployment).await?.into_success()?;
//!
//! let call = abi::call("add_millionaire(address,uint256)", &[client.address().to_string(), "1000000".into()])?;
//! let task = client.call(deployment.sc(), &call, TaskOptions::default()).await?;
//! client.result(&task).await?.into_success()?;
//! # Ok(())
//! # }
//! ```
//!
//! | module | what is in it |
//! |---|---|
//! | [`verify`] | the checks before sealing and on a receipt; pure functions |
//! | [`ledger`] | what the client reads from and writes to Ethereum; contract bindings |
//! | [`node`] | JSON-RPC to a node |
//! | [`abi`] | Solidity ABI of function calls and results |
//!
//! Deliberately absent: key storage (the application brings its account's key) and retries after a failed result.

pub mod abi;
mod client;
pub mod ledger;
pub mod node;
mod task;
pub mod verify;

pub use client::{Client, ConnectError, Keep, Network, Options, TaskError, TaskOptions};
pub use enigma_protocol as protocol;
pub use enigma_protocol::output::{Event, Output};
pub use task::{Outcome, PreparedTask, Task, TaskFailed};
