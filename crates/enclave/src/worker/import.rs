//! Code and state that were made elsewhere: taking them in, giving them up, and taking over.
//!
//! What enters is public or encrypted, and comes from a host that may invent anything. So
//! * code is validated and its hash pinned: the hash is part of the genesis tip and of the state's key. It is not executed before
//!   an entry of its state has opened, which only an enclave with the same code under the same key can have made;
//! * an entry must be the next link of its contract's chain. Where the state key is here it must open; otherwise that is found
//!   out when the contract is loaded;
//! * a contract to whose chain something was added executes nothing until [`Worker::advance_queue`] says which records that
//!   state stands behind. Its [`Floor`] is the last state for which this was known: the chain must lead through it, also
//!   after everything was removed and taken in again. So nothing older than what was executed here is ever executed again.
//!
//! Each change of a contract is one commit, or ends the chain at one entry after the other; nothing half-done is visible.

use super::{
    Worker,
    contracts::{self, Contract, Floor, Head, Import, PartialSnapshot, Slot, SnapshotAt},
    reads::items,
    state::StateCipher,
};
use crate::{
    error::Refusal,
    frame::Frame,
    ptt::GENERATION,
    store::{Store, Write, code_key, entry_key, head_key, snapshot_key},
    tee::Tee,
};
use enigma_protocol::{
    Hash, ScAddress,
    hash::keccak256,
    ipc::{
        AddressedDelta, AdvanceInput, Advanced, Delta, DeltaError, DeltaField, DeltaRange, Done, DoneDeltas, OneOrMany,
        Response,
    },
    json::{ByteArray, Hex, U64},
    record::queue_genesis,
    state::{EntryKind, SnapshotPart, StateEntry, genesis_tip},
};
use enigma_runtime::Program;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Entries removed in one commit.
const CHUNK: usize = 1_024;

/// `address`, `bytecode` and `delta`, which stand beside `id` and `type` or in `input`.
#[derive(Deserialize)]
pub(super) struct CodeFields {
    address: Option<Hex<ScAddress>>,
    bytecode: Option<ByteArray>,
    delta: Option<DeltaField>,
    input: Option<InnerCodeFields>,
}

#[derive(Default, Deserialize)]
struct InnerCodeFields {
    address: Option<Hex<ScAddress>>,
    bytecode: Option<ByteArray>,
    delta: Option<DeltaField>,
}

/// The fields of `RemoveContract`.
#[derive(Deserialize)]
pub(super) struct AddressFields {
    address: Option<Hex<ScAddress>>,
    input: Option<OneOrMany<AddressField>>,
}

/// An address, bare or in an object.
struct AddressField(ScAddress);

impl<'de> Deserialize<'de> for AddressField {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::{Error, IntoDeserializer, MapAccess, Visitor, value::MapAccessDeserializer};
        #[derive(Deserialize)]
        struct Fields {
            address: Hex<ScAddress>,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = AddressField;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an address or {address}")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<AddressField, E> {
                Hex::deserialize(text.into_deserializer()).map(|Hex(sc)| AddressField(sc))
            }
            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<AddressField, A::Error> {
                Fields::deserialize(MapAccessDeserializer::new(fields)).map(|fields| AddressField(fields.address.0))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// The fields of `UpdateDeltas`.
#[derive(Deserialize)]
pub(super) struct DeltasFields {
    deltas: Option<OneOrMany<AddressedDelta>>,
    input: Option<DeltasInput>,
}

/// What stands in `input` where `deltas` is expected: the entries, or an object with `deltas`.
struct DeltasInput(OneOrMany<AddressedDelta>);

impl<'de> Deserialize<'de> for DeltasInput {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::{Error, MapAccess, SeqAccess, Visitor, value::SeqAccessDeserializer};
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = DeltasInput;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("deltas")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, entries: A) -> Result<DeltasInput, A::Error> {
                OneOrMany::deserialize(SeqAccessDeserializer::new(entries)).map(DeltasInput)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<DeltasInput, A::Error> {
                #[derive(Deserialize)]
                #[serde(rename_all = "lowercase")]
                enum Name {
                    Deltas,
                    Address,
                    Key,
                    Data,
                    #[serde(other)]
                    Other,
                }
                let (mut deltas, mut address, mut key, mut data) = (None, None, None, None);
                while let Some(name) = fields.next_key()? {
                    match name {
                        Name::Deltas => deltas = Some(fields.next_value()?),
                        Name::Address => address = Some(fields.next_value()?),
                        Name::Key => key = Some(fields.next_value()?),
                        Name::Data => data = Some(fields.next_value()?),
                        Name::Other => drop(fields.next_value::<serde::de::IgnoredAny>()?),
                    }
                }
                match (deltas, address, key, data) {
                    (Some(deltas), ..) => Ok(DeltasInput(deltas)),
                    (None, Some(address), Some(key), Some(data)) => {
                        Ok(DeltasInput(OneOrMany::One(AddressedDelta { address, key, data })))
                    }
                    _ => Err(A::Error::missing_field("deltas")),
                }
            }
        }
        deserializer.deserialize_any(Either)
    }
}

fn missing(field: &str) -> Refusal {
    Refusal::Field(format!("the field `{field}` is missing"))
}

fn done(result: Result<(), Refusal>) -> Done {
    match result {
        Ok(()) => Done::default(),
        Err(refusal) => Done { status: refusal.code(), msg: Some(refusal.to_string()) },
    }
}

fn done_deltas(errors: Vec<DeltaError>) -> DoneDeltas {
    DoneDeltas { status: errors.first().map_or(0, |error| error.status), errors }
}

fn error(sc: ScAddress, key: u64, refusal: &Refusal) -> DeltaError {
    DeltaError { address: Hex(sc), key: U64(key), status: refusal.code(), msg: refusal.to_string() }
}

/// A chain that entries are added to: what is stored, and what will be written.
struct Chain<'a, S> {
    sc: ScAddress,
    head: Head,
    store: &'a crate::authentic::Authentic<S>,
    /// `None` while the state key is not here.
    cipher: Option<StateCipher>,
    fresh: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl<S: Store> Chain<'_, S> {
    fn gap(&self) -> Refusal {
        let next = match &self.head.import.partial {
            Some(partial) => {
                format!("part {} of the snapshot behind delta {}", partial.next, partial.index)
            }
            None => format!("delta {}", self.head.entries),
        };
        Refusal::Gap { sc: self.sc, next }
    }

    /// An entry that is in the chain already must be the same.
    fn same(&self, key: &[u8], data: &[u8]) -> Result<(), Refusal> {
        let stored = match self.fresh.get(key) {
            Some(fresh) => Some(fresh.clone()),
            None => self.store.get("delta", key)?,
        };
        if stored.as_deref() == Some(data) { Ok(()) } else { Err(Refusal::NotContinuing(self.sc)) }
    }

    /// Takes one entry: the next of the chain, or one that is in it.
    fn take(&mut self, key: u64, data: &[u8]) -> Result<(), Refusal> {
        let sc = self.sc;
        let entry = StateEntry::from_bytes(data).ok_or(Refusal::NotAnEntry("its bytes are not an entry"))?;
        let header = &entry.header;
        if header.sc != sc {
            return Err(Refusal::NotAnEntry("it is of another contract"));
        }
        if header.generation != GENERATION {
            return Err(Refusal::NotAnEntry("it is of another generation of the state key"));
        }
        if header.index != key {
            return Err(Refusal::NotAnEntry("its `key` is not its index"));
        }
        match header.kind {
            EntryKind::Delta => self.take_delta(&entry, data),
            EntryKind::Snapshot(part) => self.take_part(&entry, part, data),
        }
    }

    fn opens(&mut self, entry: &StateEntry) -> Result<(), Refusal> {
        match &self.cipher {
            Some(cipher) if cipher.opens(entry) => Ok(()),
            Some(_) => Err(Refusal::DoesNotOpen(self.sc)),
            None => {
                self.head.import.unverified = true;
                Ok(())
            }
        }
    }

    fn take_delta(&mut self, entry: &StateEntry, data: &[u8]) -> Result<(), Refusal> {
        let (sc, index) = (self.sc, entry.header.index);
        if index < self.head.entries {
            return if index < self.head.first { Err(self.gap()) } else { self.same(&entry_key(sc, index), data) };
        }
        if index > self.head.entries || self.head.import.partial.is_some() {
            return Err(self.gap());
        }
        if entry.header.previous_tip != self.head.tip {
            return Err(Refusal::NotContinuing(sc));
        }
        self.leads_through_floor()?;
        let entries = index.checked_add(1).ok_or(Refusal::NotContinuing(sc))?;
        self.opens(entry)?;
        self.head.place_floor();
        self.head.entries = entries;
        self.head.tip = entry.header.tip(data);
        self.head.delta_bytes = self.head.delta_bytes.saturating_add(data.len() as u64);
        self.fresh.insert(entry_key(sc, index), data.to_vec());
        Ok(())
    }

    /// Where the chain is as long as the floor, it is at it.
    fn leads_through_floor(&self) -> Result<(), Refusal> {
        match &self.head.floor {
            Some(floor) if floor.entries == self.head.entries && floor.tip != self.head.tip => {
                Err(Refusal::RollBack(self.sc))
            }
            _ => Ok(()),
        }
    }

    fn take_part(&mut self, entry: &StateEntry, part: SnapshotPart, data: &[u8]) -> Result<(), Refusal> {
        let (sc, index, previous_tip) = (self.sc, entry.header.index, entry.header.previous_tip);
        let SnapshotPart { part, parts } = part;
        let key = snapshot_key(sc, index, part);
        let partial = match self.head.import.partial {
            Some(partial) if partial.index == index && part < partial.next => return self.same(&key, data),
            Some(partial) => partial,
            None if self.head.snapshot.is_some_and(|at| at.index == index) => return self.same(&key, data),
            None => {
                let starts = self.head.entries == 0;
                if part != 0 || !(starts || index.checked_add(1) == Some(self.head.entries)) {
                    return Err(self.gap());
                }
                // A state that was executed from has all that belongs to it.
                let at_floor = |floor: Floor| (floor.entries, floor.tip) == (self.head.entries, self.head.tip);
                if !starts && (previous_tip != self.head.tip || self.head.floor.is_none_or(at_floor)) {
                    return Err(Refusal::NotContinuing(sc));
                }
                // That a chain which begins behind the floor leads through it could not be seen.
                if starts && self.head.floor.is_some_and(|floor| floor.entries > 0 && floor.entries <= index) {
                    return Err(Refusal::RollBack(sc));
                }
                PartialSnapshot { index, parts, next: 0, previous_tip, tip: previous_tip }
            }
        };
        if (partial.index, partial.parts, partial.next) != (index, parts, part) {
            return Err(self.gap());
        }
        if previous_tip != partial.tip {
            return Err(Refusal::NotContinuing(sc));
        }
        let entries = index.checked_add(1).ok_or(Refusal::NotContinuing(sc))?;
        let tip = entry.header.tip(data);
        let next = part.saturating_add(1);
        if next == parts && self.head.floor.is_some_and(|floor| floor.entries == entries && floor.tip != tip) {
            return Err(Refusal::RollBack(sc));
        }
        self.opens(entry)?;
        self.head.place_floor();
        self.fresh.insert(key, data.to_vec());
        if next < parts {
            self.head.import.partial = Some(PartialSnapshot { next, tip, ..partial });
            return Ok(());
        }
        if self.head.entries == 0 {
            self.head.first = entries;
        }
        self.head.entries = entries;
        self.head.tip = tip;
        self.head.delta_bytes = 0;
        self.head.snapshot = Some(SnapshotAt { index, parts, previous_tip: partial.previous_tip });
        self.head.import.partial = None;
        Ok(())
    }
}

impl Head {
    /// A contract whose code was taken in.
    fn imported(sc: ScAddress, exe_code_hash: Hash) -> Self {
        let tip = genesis_tip(sc, exe_code_hash);
        Self {
            records: 0,
            queue_head: queue_genesis(sc),
            pre_code_hash: Hash::ZERO,
            exe_code_hash,
            entries: 0,
            tip,
            snapshot: None,
            delta_bytes: 0,
            first: 0,
            floor: Some(Floor { entries: 0, tip }),
            bare: false,
            import: Import::default(),
        }
    }

    /// The state here is no longer the one behind the last known record: from now on it must lead through that.
    fn place_floor(&mut self) {
        let (entries, tip) = (self.entries, self.tip);
        self.floor.get_or_insert(Floor { entries, tip });
    }
}

impl<T: Tee, S: Store> Worker<T, S> {
    pub(super) fn update_new_contract(&self, fields: CodeFields) -> Result<Response, Refusal> {
        let inner = fields.input.unwrap_or_default();
        let sc = fields.address.or(inner.address).ok_or_else(|| missing("address"))?.0;
        let code = fields.bytecode.or(inner.bytecode).ok_or_else(|| missing("bytecode"))?.0;
        Ok(Response::UpdateNewContract { address: Hex(sc), result: done(self.take_code(sc, &code, None)) })
    }

    pub(super) fn update_new_contract_on_deployment(&self, fields: CodeFields) -> Result<Response, Refusal> {
        let inner = fields.input.unwrap_or_default();
        let sc = fields.address.or(inner.address).ok_or_else(|| missing("address"))?.0;
        let code = fields.bytecode.or(inner.bytecode).ok_or_else(|| missing("bytecode"))?.0;
        let DeltaField(delta) = fields.delta.or(inner.delta).ok_or_else(|| missing("delta"))?;
        let result = done(self.take_code(sc, &code, Some(&delta)));
        Ok(Response::UpdateNewContractOnDeployment { address: Hex(sc), result })
    }

    fn take_code(&self, sc: ScAddress, code: &[u8], delta: Option<&Delta>) -> Result<(), Refusal> {
        Program::load(code).map_err(|error| Refusal::InvalidCode(error.to_string()))?;
        let exe_code_hash = keccak256(code);
        let contract = self.contracts.contract(sc);
        let mut slot = contract.lock_settled(&self.store)?;
        let mut head = match slot.head.clone() {
            Some(head) if head.exe_code_hash != exe_code_hash || head.bare => return Err(Refusal::OtherCode(sc)),
            Some(head) => head,
            None => Head::imported(sc, exe_code_hash),
        };
        let is_new = slot.head.is_none() || head.import.removed;
        head.import.removed = false;
        let mut chain = self.chain(sc, head);
        if let Some(Delta { key, data }) = delta {
            chain.take(key.0, &data.0)?;
        }
        let mut writes = Vec::new();
        if is_new {
            writes.push(self.store.write(code_key(sc), code)?);
        }
        self.conclude_import(chain, writes, &mut slot)
    }

    fn chain(&self, sc: ScAddress, head: Head) -> Chain<'_, S> {
        let secrets = contracts::lock(&self.keys).contract(sc).ok();
        let cipher = secrets.and_then(|secrets| StateCipher::new(&secrets, sc, head.exe_code_hash).ok());
        Chain { sc, head, store: &self.store, cipher, fresh: BTreeMap::new() }
    }

    /// Commits what was added to a chain; nothing, when that is nothing.
    fn conclude_import(&self, chain: Chain<'_, S>, mut writes: Vec<Write>, slot: &mut Slot) -> Result<(), Refusal> {
        let Chain { sc, head, fresh, .. } = chain;
        if slot.head.as_ref() == Some(&head) {
            return Ok(());
        }
        writes.push(self.store.save(head_key(sc), &head)?);
        for (key, data) in fresh {
            writes.push(self.store.write(key, &data)?);
        }
        Ok(slot.advance(&self.store, writes, head, |_| None)?.wait()?)
    }

    pub(super) fn update_deltas(&self, fields: DeltasFields) -> Result<Response, Refusal> {
        let deltas = fields.deltas.or(fields.input.map(|input| input.0)).ok_or_else(|| missing("deltas"))?;
        let deltas = items(deltas)?;
        let mut by_contract: BTreeMap<ScAddress, Vec<&AddressedDelta>> = BTreeMap::new();
        for delta in &deltas {
            by_contract.entry(delta.address.0).or_default().push(delta);
        }
        let mut errors = Vec::new();
        for (sc, deltas) in by_contract {
            self.take_deltas(sc, &deltas, &mut errors);
        }
        Ok(Response::UpdateDeltas { result: done_deltas(errors) })
    }

    /// Takes entries of one contract; those up to the first that is refused are one commit.
    fn take_deltas(&self, sc: ScAddress, deltas: &[&AddressedDelta], errors: &mut Vec<DeltaError>) {
        let contract = self.contracts.contract(sc);
        let mut refused = Vec::new();
        let result = self.imports(&contract).and_then(|mut slot| {
            let head = slot.head.clone().ok_or(Refusal::UnknownContract(sc))?;
            let mut chain = self.chain(sc, head);
            for delta in deltas {
                if let Err(refusal) = chain.take(delta.key.0, &delta.data.0) {
                    refused.push(error(sc, delta.key.0, &refusal));
                }
            }
            self.conclude_import(chain, Vec::new(), &mut slot)
        });
        match result {
            Ok(()) => errors.extend(refused),
            // None of them was taken.
            Err(refusal) => errors.extend(deltas.iter().map(|delta| error(sc, delta.key.0, &refusal))),
        }
    }

    /// Locks a contract whose chain can be changed from outside.
    fn imports<'a>(&self, contract: &'a Contract) -> Result<std::sync::MutexGuard<'a, Slot>, Refusal> {
        let slot = contract.lock_settled(&self.store)?;
        match &slot.head {
            Some(head) if head.bare => Err(Refusal::Bare(contract.sc())),
            Some(head) if head.is_deployed() && !head.import.removed => Ok(slot),
            _ => Err(Refusal::UnknownContract(contract.sc())),
        }
    }

    pub(super) fn remove_contract(&self, fields: AddressFields) -> Result<Response, Refusal> {
        let input = fields.input.map(super::reads::one).transpose()?;
        let sc = fields.address.map(|Hex(sc)| sc).or(input.map(|AddressField(sc)| sc));
        let sc = sc.ok_or_else(|| missing("address"))?;
        Ok(Response::RemoveContract { address: Hex(sc), result: done(self.remove(sc)) })
    }

    fn remove(&self, sc: ScAddress) -> Result<(), Refusal> {
        let contract = self.contracts.contract(sc);
        let mut slot = contract.lock_settled(&self.store)?;
        let head = slot.head.clone().filter(|head| head.is_deployed() && !head.import.removed);
        let head = head.ok_or(Refusal::UnknownContract(sc))?;
        let mut kept = head.clone();
        kept.place_floor();
        kept.import = Import { removed: true, ..Import::default() };
        kept = Head {
            entries: 0,
            tip: genesis_tip(sc, head.exe_code_hash),
            snapshot: None,
            delta_bytes: 0,
            first: 0,
            ..kept
        };
        // Where nothing was ever executed there is nothing to remember.
        let is_blank = kept.records == 0 && kept.floor.is_none_or(|floor| floor.entries == 0);
        let write = if is_blank { (head_key(sc), None) } else { self.store.save(head_key(sc), &kept)? };
        let mut entries = (head.first..head.entries).map(|index| (entry_key(sc, index), None));
        let mut writes = vec![write, (code_key(sc), None)];
        writes.extend(self.snapshot_removal(sc, &head));
        writes.extend(entries.by_ref().take(CHUNK));
        slot.advance(&self.store, writes, (!is_blank).then_some(kept), |_| None)?.wait()?;
        // The removal is done. What of a longer chain a failure leaves cannot be reached, and is overwritten by the next one.
        loop {
            let chunk: Vec<Write> = entries.by_ref().take(CHUNK).collect();
            if chunk.is_empty() || self.store.commit(chunk).is_err() {
                return Ok(());
            }
        }
    }

    /// Removes the parts of the newest snapshot, and of one that came in part.
    fn snapshot_removal(&self, sc: ScAddress, head: &Head) -> Vec<Write> {
        let complete = head.snapshot.map(|at| (at.index, at.parts));
        let partial = head.import.partial.map(|partial| (partial.index, partial.next));
        let parts = |(index, parts): (u64, u32)| (0..parts).map(move |part| (snapshot_key(sc, index, part), None));
        complete.into_iter().chain(partial).flat_map(parts).collect()
    }

    pub(super) fn remove_deltas(&self, input: OneOrMany<DeltaRange>) -> Result<Response, Refusal> {
        let mut errors = Vec::new();
        for DeltaRange { address: Hex(sc), from: U64(from), to: U64(to) } in items(input)? {
            if let Err(refusal) = self.remove_end(sc, from, to) {
                errors.push(error(sc, from, &refusal));
            }
        }
        Ok(Response::RemoveDeltas { result: done_deltas(errors) })
    }

    fn remove_end(&self, sc: ScAddress, from: u64, to: u64) -> Result<(), Refusal> {
        let contract = self.contracts.contract(sc);
        let mut slot = self.imports(&contract)?;
        let head = slot.head.clone().ok_or(Refusal::UnknownContract(sc))?;
        // The index behind the last delta names an unfinished snapshot there.
        let ends = head.entries.saturating_add(head.import.partial.is_some().into());
        if from > to || from >= ends || from < head.first {
            return Err(Refusal::UnknownEntry { sc, what: "delta", index: from });
        }
        if to < head.entries.saturating_sub(1) {
            return Err(Refusal::LeavesGap { sc, last: head.entries.saturating_sub(1) });
        }
        let floor = head.floor.map_or(head.entries, |floor| floor.entries);
        if from < floor {
            return Err(Refusal::RollBack(sc));
        }
        if head.snapshot.is_some_and(|at| from <= at.index) {
            return Err(Refusal::BehindSnapshot(sc));
        }
        let mut head = head;
        // Parts of an unfinished snapshot behind all that go first.
        let mut writes = match head.import.partial.take() {
            Some(partial) => self.snapshot_removal(
                sc,
                &Head {
                    snapshot: None,
                    import: Import { partial: Some(partial), ..head.import.clone() },
                    ..head.clone()
                },
            ),
            None => Vec::new(),
        };
        loop {
            while head.entries > from && writes.len() < CHUNK {
                head.entries = head.entries.saturating_sub(1);
                let key = entry_key(sc, head.entries);
                let bytes = contracts::load_entry(&self.store, sc, head.entries)?;
                let entry = StateEntry::from_bytes(&bytes).ok_or(Refusal::Corrupted("delta"))?;
                head.tip = entry.header.previous_tip;
                head.delta_bytes = head.delta_bytes.saturating_sub(bytes.len() as u64);
                writes.push((key, None));
            }
            writes.push(self.store.save(head_key(sc), &head)?);
            slot.advance(&self.store, std::mem::take(&mut writes), head.clone(), |_| None)?.wait()?;
            if head.entries == from {
                return Ok(());
            }
        }
    }

    /// The host's word about final Ethereum: so many records are closed there, with this tip. A core takes over from there, and
    /// passes records that it did not execute.
    pub(super) fn advance_queue(&self, frame: &Frame<'_>) -> Result<Response, Refusal> {
        self.development_only("AdvanceQueue")?;
        let input: AdvanceInput = frame.input()?;
        if input.ledger_proof.is_some() {
            return Err(Refusal::UnsupportedField("`ledgerProof`"));
        }
        let (sc, records) = (input.contract_address.0, input.records.0);
        let contract = self.contracts.contract(sc);
        let mut slot = contract.lock_settled(&self.store)?;
        let head = slot.head.clone().filter(|head| !head.import.removed).ok_or(Refusal::UnknownContract(sc))?;
        if head.bare {
            return Err(Refusal::Bare(sc));
        }
        if records < head.records || (records == head.records && input.queue_head.0 != head.queue_head) {
            return Err(Refusal::QueueBack { sc, records: head.records });
        }
        if head.import.partial.is_some() || input.tip.0 != head.tip {
            return Err(Refusal::OtherTip { sc, tip: head.tip });
        }
        let reaches =
            |floor: Floor| floor.entries < head.entries || (floor.entries, floor.tip) == (head.entries, head.tip);
        if !head.floor.is_none_or(reaches) {
            return Err(Refusal::RollBack(sc));
        }
        // Only an entry that opens shows that this code belongs to this contract.
        if head.is_deployed() && head.entries == 0 && head.pre_code_hash == Hash::ZERO {
            return Err(Refusal::Unproven(sc));
        }
        let response = Response::AdvanceQueue { result: Advanced { records: U64(records) } };
        let advanced = Head { records, queue_head: input.queue_head.0, floor: None, ..head.clone() };
        if advanced == head {
            return Ok(response);
        }
        let writes = vec![self.store.save(head_key(sc), &advanced)?];
        let ticket = slot.advance(&self.store, writes, advanced, |live| live)?;
        contract.advanced(slot);
        ticket.wait()?;
        Ok(response)
    }
}
