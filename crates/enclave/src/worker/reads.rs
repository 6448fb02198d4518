//! What a node may read: addresses, deltas, code. All of it is public or encrypted.

use super::{Worker, contracts};
use crate::{
    error::Refusal,
    store::{HEADS, Store},
    tee::Tee,
};
use contracts::Head;
use enigma_protocol::{
    ScAddress,
    ipc::{
        AddressedDelta, Addresses, Contract, Delta, DeltaData, DeltaKey, DeltaRange, Deltas, OneOrMany, Response, Tips,
    },
    json::{ByteArray, Hex, U64},
};

/// Most items that one request may name.
const MAX_ITEMS: usize = 1_024;
/// Most bytes of deltas in one reply: as decimal numbers they take almost four times as much of a frame of 16 MiB.
const MAX_REPLY_BYTES: usize = 4 << 20;
/// Contracts read from the store at once.
const PAGE: usize = 256;

/// Deltas of a reply, counted.
#[derive(Default)]
struct Collected {
    deltas: Vec<AddressedDelta>,
    bytes: usize,
}

impl Collected {
    fn push(&mut self, sc: ScAddress, key: u64, data: Vec<u8>) -> Result<(), Refusal> {
        self.bytes = self.bytes.saturating_add(data.len());
        if self.bytes > MAX_REPLY_BYTES {
            return Err(Refusal::TooLarge {
                what: "the reply (ask for less)",
                actual: self.bytes,
                limit: MAX_REPLY_BYTES,
            });
        }
        self.deltas.push(AddressedDelta { address: Hex(sc), key: U64(key), data: ByteArray(data) });
        Ok(())
    }
}

fn items<I>(input: OneOrMany<I>) -> Result<Vec<I>, Refusal> {
    let items = input.into_vec();
    if items.len() > MAX_ITEMS {
        return Err(Refusal::TooLarge { what: "`input`", actual: items.len(), limit: MAX_ITEMS });
    }
    Ok(items)
}

fn one<I>(input: OneOrMany<I>) -> Result<I, Refusal> {
    let mut items = items(input)?;
    match (items.pop(), items.is_empty()) {
        (Some(item), true) => Ok(item),
        _ => Err(Refusal::Field("`input` must hold exactly one item".into())),
    }
}

impl<T: Tee, S: Store> Worker<T, S> {
    fn newest(&self, sc: ScAddress, head: &Head) -> Result<Option<(u64, Vec<u8>)>, Refusal> {
        let Some(index) = head.entries.checked_sub(1) else { return Ok(None) };
        Ok(Some((index, contracts::load_entry(&self.store, sc, index)?)))
    }

    pub(super) fn tip(&self, input: OneOrMany<Hex<ScAddress>>) -> Result<Response, Refusal> {
        let sc = one(input)?.0;
        let head = contracts::known_head(&self.store, sc)?;
        let newest = self.newest(sc, &head)?;
        let result = newest.map_or_else(Delta::default, |(key, data)| Delta { key: U64(key), data: ByteArray(data) });
        Ok(Response::GetTip { result })
    }

    pub(super) fn tips(&self, input: OneOrMany<Hex<ScAddress>>) -> Result<Response, Refusal> {
        let mut tips = Collected::default();
        for Hex(sc) in items(input)? {
            let head = contracts::known_head(&self.store, sc)?;
            if let Some((key, data)) = self.newest(sc, &head)? {
                tips.push(sc, key, data)?;
            }
        }
        Ok(Response::GetTips { result: Tips { tips: tips.deltas } })
    }

    fn each_head(&self, mut visit: impl FnMut(ScAddress, Head) -> Result<(), Refusal>) -> Result<(), Refusal> {
        let corrupted = Refusal::Corrupted("contract");
        let mut from = HEADS.to_vec();
        loop {
            let page = self.store.scan("contract", HEADS, &from, PAGE)?;
            let full = page.len() >= PAGE;
            for (key, content) in page {
                let sc = key.strip_prefix(HEADS).and_then(|sc| ScAddress::try_from(sc).ok());
                let head: Option<Head> = borsh::from_slice(&content).ok();
                visit(sc.ok_or(corrupted.clone())?, head.ok_or(corrupted.clone())?)?;
                from = key;
            }
            if !full {
                return Ok(());
            }
            from.push(0);
        }
    }

    pub(super) fn all_tips(&self) -> Result<Response, Refusal> {
        let mut tips = Collected::default();
        self.each_head(|sc, head| match self.newest(sc, &head)? {
            Some((key, data)) => tips.push(sc, key, data),
            None => Ok(()),
        })?;
        Ok(Response::GetAllTips { result: Tips { tips: tips.deltas } })
    }

    pub(super) fn all_addresses(&self) -> Result<Response, Refusal> {
        let mut addresses = Vec::new();
        self.each_head(|sc, head| {
            if head.is_deployed() {
                addresses.push(Hex(sc));
            }
            Ok(())
        })?;
        Ok(Response::GetAllAddrs { result: Addresses { addresses } })
    }

    fn entry(&self, sc: ScAddress, index: u64) -> Result<Vec<u8>, Refusal> {
        contracts::known_head(&self.store, sc)?;
        contracts::load_entry(&self.store, sc, index)
    }

    pub(super) fn delta(&self, input: OneOrMany<DeltaKey>) -> Result<Response, Refusal> {
        let DeltaKey { address, key } = one(input)?;
        Ok(Response::GetDelta { result: DeltaData { delta: ByteArray(self.entry(address.0, key.0)?) } })
    }

    pub(super) fn deltas(&self, input: OneOrMany<DeltaRange>) -> Result<Response, Refusal> {
        let mut deltas = Collected::default();
        for DeltaRange { address, from, to } in items(input)? {
            // The first index without a delta ends the request, so a range is not longer than what there is.
            for index in from.0..=to.0 {
                deltas.push(address.0, index, self.entry(address.0, index)?)?;
            }
        }
        Ok(Response::GetDeltas { result: Deltas { deltas: deltas.deltas } })
    }

    pub(super) fn contract(&self, input: OneOrMany<Hex<ScAddress>>) -> Result<Response, Refusal> {
        let sc = one(input)?.0;
        let head = contracts::known_head(&self.store, sc)?;
        if !head.is_deployed() {
            return Err(Refusal::UnknownContract(sc));
        }
        let bytecode = ByteArray(contracts::load_code(&self.store, sc, &head)?);
        Ok(Response::GetContract { result: Contract { address: Hex(sc), bytecode } })
    }
}
