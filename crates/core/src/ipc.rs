//! The door of this process: ZeroMQ requests in, replies out.
//!
//! The core is the responder. It behaves like a ROUTER socket: plain REQ sockets and DEALER sockets of any ZeroMQ library
//! connect over TCP or a local socket, several at once, and every message is answered exactly once, whatever it contains.
//! [`zmtp`] speaks the wire protocol, [`server`] bounds what peers can make this process hold, [`endpoint`] is where it listens.
//!
//! The wire protocol is written here because what stands before the trusted code has to bound every allocation: a ZeroMQ
//! library allocates what a frame header announces, which lets one header of 2^40 bytes end the process.
//!
//! Deliberately absent: what the messages mean. A [`Service`] makes one frame of one frame, and says beforehand whether that is a
//! computation.

pub mod endpoint;
pub mod server;
#[cfg(test)]
mod tests;
mod zmtp;

use enigma_enclave::Reply;
use enigma_protocol::ipc::Failure;

/// Numbers of the errors that are answered before the trusted code sees a message; see `spec/ipc.md`.
mod code {
    /// The message is not one JSON frame.
    pub const MALFORMED: u16 = 1;
    /// The message is larger than [`enigma_protocol::limits::MAX_MESSAGE_BYTES`].
    pub const TOO_LARGE: u16 = 4;
    /// A defect of this program: the handler panicked.
    pub const INTERNAL: u16 = 5;
}

/// Where a request waits for its turn and runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// It executes a contract or changes what is stored: as many at a time as there are processors, and some that wait for the
    /// disk.
    Computations,
    /// Everything else: never behind a computation.
    Reads,
}

/// What answers requests.
pub trait Service: Send + Sync + 'static {
    /// Where a request belongs; quick.
    fn pool(&self, frame: &[u8]) -> Pool;

    /// The reply to a request; it leaves when the enclave says that it may.
    fn answer(&self, frame: &[u8]) -> Reply;

    /// The reply to a request that did not get its turn.
    fn busy(&self, frame: &[u8]) -> Vec<u8>;
}

/// The reply to a message that never reached the handler, or that the handler did not survive.
fn general_error(code: u16, msg: String) -> Vec<u8> {
    let failure = Failure { id: String::new(), request_type: "Error".into(), msg, code: Some(code) };
    serde_json::to_vec(&failure).unwrap_or_else(|_| br#"{"id":"","type":"Error","msg":"internal error"}"#.to_vec())
}
