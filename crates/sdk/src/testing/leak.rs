//! What an observer could tell of the secrets in a call.

use super::{Execution, Failure, HostCall, Tested};
use crate::Bytes;
use crate::Contract;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Debug;

// As in the protocol: gas and lengths are published rounded up.
const SMALLEST_GAS_TIER: u64 = 10_000;
const SMALLEST_SIZE_CLASS: usize = 512;
const SIZE_FRAME: usize = 4;

/// What can be seen of one task or query.
#[derive(Clone, Debug)]
pub(super) struct Step {
    signature: String,
    succeeded: bool,
    gas_used: u64,
    gas_tier: u64,
    output_bytes: usize,
    delta_bytes: usize,
    events: Vec<(String, usize)>,
    calls: Vec<HostCall>,
}

impl Step {
    pub(super) fn new(
        signature: &str,
        gas_limit: u64,
        result: &Result<Vec<u8>, Failure>,
        execution: &Execution,
        calls: Vec<HostCall>,
    ) -> Step {
        let events: Vec<_> =
            execution.emitted.iter().map(|event| (event.signature.clone(), event.data.len())).collect();
        // As they are framed: every text and list after four bytes with its length.
        let output_bytes = match result {
            Ok(output) => 8 + output.len() + events.iter().map(|(text, bytes)| 8 + text.len() + bytes).sum::<usize>(),
            Err(failure) => 8 + failure.text.len() + failure.data.len(),
        };
        let delta_bytes = execution
            .changes
            .iter()
            .map(|(key, value)| 5 + key.len() + value.as_ref().map_or(0, |value| 4 + value.len()))
            .sum();
        Step {
            signature: signature.into(),
            succeeded: result.is_ok(),
            gas_used: execution.gas_used,
            gas_tier: gas_tier(execution.gas_used, gas_limit),
            output_bytes,
            delta_bytes,
            events,
            calls,
        }
    }

    /// The differences to another, one line each; `a` and `b` are the secrets.
    fn differences(&self, other: &Step, a: &str, b: &str) -> Vec<String> {
        let mut differences = Vec::new();
        if self.signature != other.signature {
            differences.push(format!("the test calls `{}` with {a}, `{}` with {b}", self.signature, other.signature));
            return differences;
        }
        if self.succeeded != other.succeeded {
            let outcome = |step: &Step| if step.succeeded { "it succeeds" } else { "it fails" };
            differences.push(format!("{} with {a}, {} with {b}", outcome(self), outcome(other)));
        }
        let calls = self.calls.len().max(other.calls.len());
        let difference = (0..calls).find(|i| {
            let place = |step: &Step| step.calls.get(*i).map(|call| (call.import, call.key.clone()));
            place(self) != place(other)
        });
        if let Some(i) = difference {
            let (ours, theirs) = (self.calls.get(i), other.calls.get(i));
            differences.push(format!(
                "host call {}: {} with {a}, {} with {b}",
                i + 1,
                describe(ours),
                describe(theirs)
            ));
        } else if let Some((i, ours, theirs)) = written_sizes(self, other) {
            let bytes = |call: &HostCall| call.bytes.last().copied().unwrap_or_default();
            differences.push(format!(
                "host call {}: {} writes {} bytes with {a}, {} with {b}",
                i + 1,
                describe(Some(ours)),
                bytes(ours),
                bytes(theirs)
            ));
        }
        if self.events != other.events {
            let events = |step: &Step| {
                let events: Vec<_> =
                    step.events.iter().map(|(text, bytes)| format!("{text} ({bytes} bytes)")).collect();
                if events.is_empty() { "none".into() } else { events.join(", ") }
            };
            differences.push(format!("events: {} with {a}, {} with {b}", events(self), events(other)));
        }
        for (what, ours, theirs) in [
            ("the result", self.output_bytes, other.output_bytes),
            ("the change of the state", self.delta_bytes, other.delta_bytes),
        ] {
            if size_class(ours) != size_class(theirs) {
                differences.push(format!(
                    "size of {what}: {ours} bytes (seen as {}) with {a}, {theirs} bytes (seen as {}) with {b}",
                    size_class(ours),
                    size_class(theirs)
                ));
            }
        }
        if self.gas_tier != other.gas_tier {
            differences.push(format!(
                "gas: {} (seen as {}) with {a}, {} (seen as {}) with {b}",
                self.gas_used, self.gas_tier, other.gas_used, other.gas_tier
            ));
        }
        differences
    }
}

/// The first write of the state whose size differs enough to show in the size of all changes.
fn written_sizes<'a>(a: &'a Step, b: &'a Step) -> Option<(usize, &'a HostCall, &'a HostCall)> {
    if size_class(a.delta_bytes) == size_class(b.delta_bytes) {
        return None;
    }
    let calls = a.calls.iter().zip(&b.calls).enumerate();
    calls.map(|(i, (a, b))| (i, a, b)).find(|(_, a, b)| a.import == "state_set" && a.bytes != b.bytes)
}

fn describe(call: Option<&HostCall>) -> String {
    match call {
        None => "nothing more".into(),
        Some(HostCall { import, key: None, .. }) => format!("`{import}`"),
        Some(HostCall { import, key: Some(key), .. }) => format!("`{import}` of {}", show_key(key)),
    }
}

/// The field's name, and the rest of the key as bytes.
fn show_key(key: &[u8]) -> String {
    let mut parts = key.splitn(2, |byte| *byte == 0);
    let name = String::from_utf8_lossy(parts.next().unwrap_or_default());
    match parts.next() {
        None => format!("`{name}`"),
        Some(rest) => format!("`{name}[{}]`", Bytes(rest.to_vec())),
    }
}

/// As in the protocol: gas is published in tiers.
fn gas_tier(used: u64, limit: u64) -> u64 {
    padme(used).max(SMALLEST_GAS_TIER).min(limit)
}

/// As in the protocol: lengths are published in classes.
fn size_class(bytes: usize) -> usize {
    (padme((bytes + SIZE_FRAME) as u64) as usize).max(SMALLEST_SIZE_CLASS)
}

/// Rounds up so that few leading bits remain (Nikitin et al., PETS 2019).
fn padme(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let exponent = n.ilog2();
    let mask = (1u64 << (exponent.saturating_sub(exponent.ilog2() + 1))) - 1;
    n.saturating_add(mask) & !mask
}

impl<C: Contract> Tested<C> {
    /// Runs the same tasks with each of several secrets, from the state as it is now, and fails if an observer could tell them
    /// apart: by the gas as it is published, by the keys that are read and written and the other uses of the runtime and their
    /// order, by the sizes of the result, of the events and of the change as they are published, or by whether a task failed. The
    /// message says with which secrets, and where. This contract itself stays as it is.
    ///
    /// ```
    /// # use enigma_sdk::prelude::*;
    /// # use enigma_sdk::testing::Tested;
    /// # #[enigma_sdk::state]
    /// # pub struct Safe { content: Value<U256> }
    /// # #[enigma_sdk::contract]
    /// # impl Safe {
    /// #     #[call]
    /// #     pub fn put(&mut self, secret: U256) { self.content.set(secret); }
    /// # }
    /// # const ALICE: Address = Address([0xa1; 20]);
    /// # /*
    /// #[enigma_sdk::test]
    /// # */
    /// fn what_is_put_in_does_not_show(safe: &mut Tested<Safe>) {
    ///     safe.by(ALICE).construct().unwrap();
    ///     safe.leak_check([U256::ZERO, U256::MAX], |safe, secret| safe.by(ALICE).put(secret).unwrap());
    /// }
    /// # what_is_put_in_does_not_show(&mut Tested::native());
    /// ```
    ///
    /// Natively, everything but gas is compared. Not compared: time, and memory accesses, of which an observer of the machine may
    /// see more.
    ///
    /// # Panics
    /// If a secret shows, and if there are less than two secrets.
    #[track_caller]
    pub fn leak_check<S: Debug>(&self, secrets: impl IntoIterator<Item = S>, mut run: impl FnMut(&mut Tested<C>, S)) {
        let mut record = |secret: S| {
            let name = format!("{secret:?}");
            let mut copy = self.clone();
            copy.recording = Some(Vec::new());
            run(&mut copy, secret);
            (name, copy.recording.unwrap_or_default())
        };
        let runs: Vec<_> = secrets.into_iter().map(&mut record).collect();
        let Some(((name, steps), others)) = runs.split_first().filter(|(_, others)| !others.is_empty()) else {
            panic!("a leak check compares at least two secrets");
        };
        assert!(!steps.is_empty(), "a leak check runs at least one task");
        let mut report = String::new();
        for (other_name, other_steps) in others {
            if steps.len() != other_steps.len() {
                let (a, b) = (steps.len(), other_steps.len());
                report += &format!("\n  the test runs {a} tasks with {name}, {b} with {other_name}");
            }
            for (i, (step, other)) in steps.iter().zip(other_steps).enumerate() {
                for difference in step.differences(other, name, other_name) {
                    report += &format!("\n  task {}, `{}`: {difference}", i + 1, step.signature);
                }
            }
        }
        if !report.is_empty() {
            panic!("a secret shows in what an observer sees:{report}\n  next: do the same work in every case");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_and_tiers_are_those_of_the_protocol() {
        assert_eq!((size_class(0), size_class(508), size_class(509)), (512, 512, 544));
        assert_eq!(
            (gas_tier(9_000, 50_000), gas_tier(16_001, 50_000), gas_tier(16_001, 16_100)),
            (10_000, 16_384, 16_100)
        );
    }

    #[test]
    fn keys_are_shown_with_their_field() {
        assert_eq!(show_key(b"owner"), "`owner`");
        assert_eq!(show_key(b"balances\0\x01\x02"), "`balances[0x0102]`");
    }
}
