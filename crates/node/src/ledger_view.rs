//! Ethereum as far as everybody needs it: how far it was followed, who works, and which worker an epoch selects.

use crate::{
    interface::{LedgerBlock, LedgerEvent},
    limits::{KEPT_EPOCHS, MAX_WORKER_VERSIONS},
    outbox::Outbox,
    saved::{Cursor, Epoch, Key, Registered},
};
use enigma_protocol::{
    Address, ScAddress,
    selection::{EpochParameters, SelectionProof, WorkerStake, WorkerTree},
};
use std::collections::BTreeMap;

/// The view of one node.
#[derive(Debug, Default)]
pub(crate) struct LedgerView {
    pub newest: Option<Cursor>,
    registered: BTreeMap<Address, Registered>,
    /// The workers after the blocks in which they changed, by block.
    versions: BTreeMap<u64, Vec<WorkerStake>>,
    epochs: BTreeMap<u64, (Epoch, Option<WorkerTree>)>,
    workers_changed: bool,
}

impl LedgerView {
    pub fn restore_registered(&mut self, signer: Address, registered: Registered) {
        self.registered.insert(signer, registered);
    }

    pub fn restore_workers(&mut self, block: u64, workers: Vec<WorkerStake>) {
        self.versions.insert(block, workers);
    }

    pub fn restore_epoch(&mut self, epoch: Epoch) {
        let tree = WorkerTree::new(epoch.workers.clone()).ok();
        self.epochs.insert(epoch.parameters.epoch, (epoch, tree));
    }

    /// The first block that was not followed yet.
    pub fn next_block(&self) -> u64 {
        self.newest.map_or(0, |newest| newest.number.saturating_add(1))
    }

    /// The current epoch.
    pub fn current(&self) -> Option<&Epoch> {
        self.epochs.last_key_value().map(|(_, (epoch, _))| epoch)
    }

    /// The number of the current epoch, 0 before the first.
    pub fn epoch(&self) -> u64 {
        self.current().map_or(0, |epoch| epoch.parameters.epoch)
    }

    /// The worker of a contract in an epoch that is still known.
    pub fn select(&self, epoch: u64, sc: ScAddress) -> Option<SelectionProof> {
        let (epoch, tree) = self.epochs.get(&epoch)?;
        tree.as_ref()?.select(epoch.parameters.ticket(sc, 0)?, 0)
    }

    /// The workers as they are now, ascending.
    pub fn workers(&self) -> Vec<WorkerStake> {
        self.registered
            .iter()
            .filter(|(_, worker)| worker.logged_in && worker.stake > 0)
            .map(|(signer, worker)| WorkerStake { signer: *signer, stake: worker.stake })
            .collect()
    }

    /// The workers as they were before the newest block, and thus before its hash was known.
    pub fn workers_before_newest(&self) -> Vec<WorkerStake> {
        let newest = self.newest.map_or(0, |newest| newest.number);
        self.versions.range(..newest).next_back().map(|(_, workers)| workers.clone()).unwrap_or_default()
    }

    /// Changes the registry as an event of the newest block says.
    pub fn change_worker(&mut self, out: &mut Outbox, signer: Address, change: impl FnOnce(&mut Registered)) {
        let worker = self.registered.entry(signer).or_default();
        change(worker);
        if *worker == Registered::default() {
            self.registered.remove(&signer);
            out.erase(&Key::Registered(signer));
        } else {
            out.save(&Key::Registered(signer), worker);
        }
        self.workers_changed = true;
    }

    /// Takes note of a block after its events.
    pub fn finish_block(&mut self, out: &mut Outbox, block: &LedgerBlock) {
        let cursor = Cursor { number: block.number, hash: block.hash };
        self.newest = Some(cursor);
        out.save(&Key::Cursor, &cursor);
        if !std::mem::take(&mut self.workers_changed) {
            return;
        }
        let workers = self.workers();
        out.save(&Key::Workers(block.number), &workers);
        self.versions.insert(block.number, workers);
        while self.versions.len() > MAX_WORKER_VERSIONS {
            if let Some((oldest, _)) = self.versions.pop_first() {
                out.erase(&Key::Workers(oldest));
            }
        }
    }

    /// Takes a new epoch; says how many workers it has, `None` when its root is that of no known set.
    pub fn start_epoch(
        &mut self,
        out: &mut Outbox,
        parameters: EpochParameters,
        first_block: u64,
        oldest_open: Option<u64>,
    ) -> Option<usize> {
        let tree = self.tree_of(&parameters);
        let (workers, tree) = tree.map_or((Vec::new(), None), |(workers, tree)| (workers, Some(tree)));
        let number = parameters.epoch;
        let count = tree.as_ref().map(|_| workers.len());
        let epoch = Epoch { parameters, first_block, workers };
        out.save(&Key::Epoch(number), &epoch);
        self.epochs.insert(number, (epoch, tree));
        let keep = oldest_open.unwrap_or(number).min(number.saturating_sub(KEPT_EPOCHS));
        while let Some(oldest) =
            self.epochs.first_key_value().map(|(oldest, _)| *oldest).filter(|oldest| *oldest < keep)
        {
            self.epochs.remove(&oldest);
            out.erase(&Key::Epoch(oldest));
        }
        count
    }

    /// The newest set of workers with the root and sum of an epoch.
    fn tree_of(&self, parameters: &EpochParameters) -> Option<(Vec<WorkerStake>, WorkerTree)> {
        let present = self.workers();
        std::iter::once(&present)
            .chain(self.versions.values().rev())
            // The sum tells most sets apart without hashing them.
            .filter(|workers| total(workers) == Some(parameters.total_stake))
            .find_map(|workers| {
                let tree = WorkerTree::new(workers.clone()).ok()?;
                (tree.root() == parameters.workers_root).then(|| (workers.clone(), tree))
            })
    }
}

fn total(workers: &[WorkerStake]) -> Option<u128> {
    workers.iter().try_fold(0u128, |sum, worker| sum.checked_add(worker.stake))
}

/// Applies what an event says about workers; other events are of no concern here.
pub(crate) fn apply_worker_event(ledger: &mut LedgerView, out: &mut Outbox, event: &LedgerEvent) {
    match event {
        LedgerEvent::WorkerStaked { signer, stake } => {
            ledger.change_worker(out, *signer, |worker| worker.stake = *stake);
        }
        LedgerEvent::WorkerLoggedIn { signer } => ledger.change_worker(out, *signer, |worker| worker.logged_in = true),
        LedgerEvent::WorkerLoggedOut { signer } => {
            ledger.change_worker(out, *signer, |worker| worker.logged_in = false);
        }
        LedgerEvent::TaskRecorded { .. }
        | LedgerEvent::BatchCommitted { .. }
        | LedgerEvent::RecordsExpired { .. }
        | LedgerEvent::EpochStarted { .. }
        | LedgerEvent::KeyManagerRegistered { .. } => {}
    }
}
