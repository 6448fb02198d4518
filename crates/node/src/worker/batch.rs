//! Batches: receipts of consecutive records of one contract and epoch, committed to Ethereum together.
//!
//! A batch ends where a record transaction ends, because Ethereum keeps a queue head only there. One batch of a contract is
//! under way at a time; only its event on Ethereum, not the success of the transaction, ends it.

use super::{Ask, Worker, first_unanswered};
use crate::{
    interface::{CallId, Event, LedgerCall, LedgerCallError, RequestId, Timestamp},
    limits::{REFUSED_RETRY_MS, SUBMIT_TIMEOUT_MS},
    outbox::{Timer, backoff_ms},
    shared::{CoreFailure, Shared},
};
use enigma_protocol::{
    Address, Hash, ScAddress,
    ipc::{BatchInput, BatchResult, Request, Response},
    json::{Hex, U64},
    limits::MAX_BATCH_RECORDS,
    receipt::Receipt,
    record::Record,
};

/// The batch of one contract.
#[derive(Debug, Default)]
pub(super) struct Batch {
    state: State,
    /// When the oldest receipt without a batch came; unknown after a restart, and then long ago.
    oldest_receipt_at: Option<Timestamp>,
    attempts: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    Waiting(Timestamp),
    Signing(RequestId, Plan),
    Submitted(CallId, Timestamp),
}

/// Which records a batch closes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plan {
    first: u64,
    epoch: u64,
    to_entry: u64,
    records: Vec<Record>,
}

impl Batch {
    pub fn forget_core(&mut self) {
        if matches!(self.state, State::Signing(..)) {
            self.state = State::Idle;
        }
    }

    pub fn receipt_added(&mut self, now: Timestamp) {
        self.oldest_receipt_at.get_or_insert(now);
    }
}

impl Worker {
    /// Has a batch signed when it is time.
    pub(super) fn try_batch(&mut self, shared: &mut Shared, sc: ScAddress) {
        let now = shared.out.now;
        let Some(line) = self.lines.get(&sc) else { return };
        match line.batch.state {
            State::Idle => {}
            State::Waiting(until) | State::Submitted(_, until) if until <= now => {}
            State::Waiting(_) | State::Submitted(..) | State::Signing(..) => return,
        }
        let Some(plan) = plan(shared, sc, self.signer, line.next) else { return };
        let due_at = line.batch.oldest_receipt_at.map_or(0, |at| at.saturating_add(shared.config.batch_age_ms));
        let is_full = plan.records.len() >= MAX_BATCH_RECORDS;
        if !is_full && plan.epoch >= shared.ledger.epoch() && due_at > now {
            return shared.out.wake_at(due_at, Timer::Contract(sc));
        }
        let input = BatchInput {
            contract_address: Hex(sc),
            first_record_index: U64(plan.first),
            count: U64(plan.records.len() as u64),
        };
        let request = self.ask(shared, Ask::SignBatch(sc), Request::SignBatch { input });
        self.set_batch(sc, State::Signing(request, plan));
    }

    fn set_batch(&mut self, sc: ScAddress, state: State) {
        if let Some(line) = self.lines.get_mut(&sc) {
            line.batch.state = state;
        }
    }

    pub(super) fn batch_signed(
        &mut self,
        shared: &mut Shared,
        id: RequestId,
        sc: ScAddress,
        result: Result<Response, CoreFailure>,
    ) {
        let Some(line) = self.lines.get_mut(&sc) else { return };
        let plan = match std::mem::take(&mut line.batch.state) {
            State::Signing(request, plan) if request == id => plan,
            other => {
                line.batch.state = other;
                return;
            }
        };
        let failure = match result {
            Ok(Response::SignBatch { result }) => return self.submit_batch(shared, sc, plan, result),
            Ok(_) => {
                shared.report_unexpected("SignBatch", "it is no batch");
                return self.batch_wait(shared, sc, REFUSED_RETRY_MS);
            }
            Err(failure) => failure,
        };
        line.batch.attempts = line.batch.attempts.saturating_add(1);
        let retry = backoff_ms(line.batch.attempts);
        let wait = match failure.code {
            // The core has not executed what this node took for executed.
            CoreFailure::OUT_OF_ORDER | CoreFailure::UNKNOWN => {
                line.next = plan.first;
                retry
            }
            _ if failure.is_retryable() => retry,
            _ => REFUSED_RETRY_MS,
        };
        self.batch_wait(shared, sc, wait);
        self.advance(shared, sc);
    }

    fn submit_batch(&mut self, shared: &mut Shared, sc: ScAddress, plan: Plan, result: BatchResult) {
        let receipts: Result<Vec<_>, _> = result.receipts.into_iter().map(Receipt::try_from).collect();
        let receipts = receipts.unwrap_or_default();
        let fits = receipts.len() == plan.records.len()
            && receipts.iter().zip(&plan.records).all(|(receipt, record)| {
                receipt.sc == sc && receipt.epoch == plan.epoch && receipt.record_index == record.record_index
            });
        let selection = shared.ledger.select(plan.epoch, sc);
        let (true, Some(selection)) = (fits, selection) else {
            shared.report_unexpected("SignBatch", "its receipts are not those of the records asked for");
            return self.batch_wait(shared, sc, REFUSED_RETRY_MS);
        };
        let records = plan.records.len();
        let call = shared.out.submit(LedgerCall::CommitBatch {
            sc,
            epoch: plan.epoch,
            to_entry: plan.to_entry,
            exe_code_hash: receipts.first().map_or(Hash::ZERO, |receipt| receipt.exe_code_hash),
            records: plan.records,
            receipts,
            selection,
            signature: result.signature.0,
        });
        shared.out.report(Event::BatchSubmitted { sc, records });
        let until = shared.out.wake_in(SUBMIT_TIMEOUT_MS, Timer::Contract(sc));
        self.set_batch(sc, State::Submitted(call, until));
    }

    pub(super) fn batch_submitted(&mut self, shared: &mut Shared, id: CallId, result: Result<(), LedgerCallError>) {
        let Err(error) = result else {
            // The event tells what was committed.
            return;
        };
        let submitted = |line: &super::Line| matches!(line.batch.state, State::Submitted(call, _) if call == id);
        let Some((sc, line)) = self.lines.iter_mut().find(|(_, line)| submitted(line)) else { return };
        let sc = *sc;
        line.batch.attempts = line.batch.attempts.saturating_add(1);
        let wait = backoff_ms(line.batch.attempts);
        shared.out.report(Event::CallFailed { call: "commitBatch", error });
        self.batch_wait(shared, sc, wait);
    }

    fn batch_wait(&mut self, shared: &mut Shared, sc: ScAddress, wait_ms: u64) {
        let until = shared.out.wake_in(wait_ms, Timer::Contract(sc));
        self.set_batch(sc, State::Waiting(until));
    }

    /// Ethereum has closed records of a contract.
    pub(super) fn batch_closed(&mut self, shared: &mut Shared, sc: ScAddress) {
        let now = shared.out.now;
        let unanswered = first_unanswered(shared, sc);
        let first_open = shared.tasks.queue(sc).and_then(|queue| queue.first_key_value()).map(|(first, _)| *first);
        if let Some(line) = self.lines.get_mut(&sc) {
            let has_receipts = first_open.is_some_and(|first| first < unanswered);
            line.batch = Batch { oldest_receipt_at: has_receipts.then_some(now), ..Batch::default() };
        }
    }
}

/// The longest prefix of a queue that one batch may close.
fn plan(shared: &Shared, sc: ScAddress, signer: Address, executed_to: u64) -> Option<Plan> {
    let queue = shared.tasks.queue(sc)?;
    let recorded = |id| shared.tasks.get(id).and_then(|task| task.recorded.as_ref());
    let (first, first_id) = queue.first_key_value()?;
    let epoch = recorded(*first_id)?.record.epoch;
    let mut records = Vec::new();
    let mut whole = None;
    let mut rest = queue.iter().peekable();
    while let Some((index, id)) = rest.next() {
        let (Some(task), Some(this)) = (shared.tasks.get(*id), recorded(*id)) else { break };
        let fits = *index < executed_to
            && task.outcome.is_some()
            && this.worker == Some(signer)
            && this.record.epoch == epoch
            && *index == first.saturating_add(records.len() as u64)
            && records.len() < MAX_BATCH_RECORDS;
        if !fits {
            break;
        }
        records.push(this.record.clone());
        let next_entry = rest.peek().and_then(|(_, next)| recorded(**next)).map(|next| next.entry);
        if next_entry != Some(this.entry) {
            whole = Some((records.len(), this.entry));
        }
    }
    let (count, to_entry) = whole?;
    records.truncate(count);
    Some(Plan { first: *first, epoch, to_entry, records })
}
