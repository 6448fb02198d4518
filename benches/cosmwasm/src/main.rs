//! Prints how many transfers a second `cosmwasm-vm` executes in plaintext, one after the other, as a chain executes its transactions.
//!
//! As on a chain, every call gets a fresh instance of a module that stays compiled in memory. What is left out is to its advantage:
//! state is a map in memory, and nothing is encrypted, signed, sent over a socket or made durable.

mod lower;

use anyhow::{Context, Result, anyhow, ensure};
use cosmwasm_std::{Empty, Uint256};
use cosmwasm_vm::{
    Backend, Instance, Size, call_execute, call_instantiate,
    internals::{compile_module, instance_from_module},
    testing::{MockApi, MockQuerier, MockStorage, mock_backend, mock_env, mock_info},
};
use serde_json::json;
use std::{fs, time::Instant};
use wasmer::{Engine, Module, Store};

const HOLDERS: usize = 64;
const ROUND_TASKS: usize = 5_000;
/// The best round counts.
const ROUNDS: usize = 4;
/// More than any call takes.
const GAS: u64 = 1 << 40;
const MEMORY: Size = Size::mebi(64);

fn main() -> Result<()> {
    let path = std::env::args().nth(1).context("usage: bench-cosmwasm TOKEN.wasm")?;
    let code = fs::read(&path).with_context(|| format!("cannot read {path}; `make bench` builds it"))?;
    let code = lower::lower(&code)?;
    let mut token = Token::new(&code)?;
    let mut best_s = f64::INFINITY;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        token.transfers(ROUND_TASKS)?;
        best_s = best_s.min(began.elapsed().as_secs_f64());
    }
    println!("{}", ROUND_TASKS as f64 / best_s);
    Ok(())
}

struct Token {
    module: Module,
    engine: Engine,
    /// The state; between calls.
    backend: Option<Backend<MockApi, MockStorage, MockQuerier>>,
    holders: Vec<String>,
}

impl Token {
    fn new(code: &[u8]) -> Result<Self> {
        let (module, engine) = compile_module(code, Some(MEMORY))?;
        let backend = mock_backend(&[]);
        let address = |number: usize| backend.api.addr_make(&format!("holder{number}"));
        let holders: Vec<_> = (0..HOLDERS).map(address).collect();
        let balances: Vec<_> = holders.iter().map(|holder| (holder, Uint256::MAX >> 8)).collect();
        let message = json!({ "balances": balances }).to_string();
        let mut token = Self { module, engine, backend: Some(backend), holders };
        token.with_instance(|instance, holders| {
            let info = mock_info(&holders[0], &[]);
            let done = call_instantiate::<_, _, _, Empty>(instance, &mock_env(), &info, message.as_bytes())?;
            done.into_result().map(drop).map_err(|error| anyhow!("the token was refused: {error}"))
        })?;
        Ok(token)
    }

    /// Calls a fresh instance, as a chain does.
    fn with_instance(
        &mut self,
        call: impl FnOnce(&mut Instance<MockApi, MockStorage, MockQuerier>, &[String]) -> Result<()>,
    ) -> Result<()> {
        let backend = self.backend.take().context("a call before has failed")?;
        let store = Store::new(self.engine.clone());
        let mut instance = instance_from_module(store, &self.module, backend, GAS, None)?;
        call(&mut instance, &self.holders)?;
        self.backend = instance.recycle();
        Ok(())
    }

    fn transfers(&mut self, count: usize) -> Result<()> {
        for number in 0..count {
            self.with_instance(|instance, holders| {
                let [from, to] = [number, number + 1].map(|number| &holders[number % HOLDERS]);
                let message = json!({"transfer": {"recipient": to, "amount": "1"}}).to_string();
                let info = mock_info(from, &[]);
                let done = call_execute::<_, _, _, Empty>(instance, &mock_env(), &info, message.as_bytes())?;
                ensure!(done.into_result().is_ok(), "a transfer failed");
                Ok(())
            })?;
        }
        Ok(())
    }
}
