//! What a node may read: addresses, deltas, code. All of it is public or encrypted.
//!
//! Nothing here waits for an execution: reads look at what is durable, not at what is in memory. Large answers go from the store
//! into the text of the reply one value at a time.

use super::{Worker, contracts};
use crate::{
    error::Refusal,
    frame::{Answer, Frame},
    reply::Writer,
    store::{HEADS, Store, snapshot_key},
    tee::Tee,
};
use contracts::{Head, SnapshotAt};
use enigma_protocol::{
    ScAddress,
    ipc::{DeltaKey, DeltaRange, OneOrMany, Options, SnapshotKey},
    json::{Hex, U64},
    limits::MAX_ITEMS,
};
use std::ops::ControlFlow;

/// Contracts read from the store at once.
const PAGE: usize = 256;
/// Longest text of one range in `next`.
const RANGE_BYTES: usize = 192;

pub(super) fn items<I>(input: OneOrMany<I>) -> Result<Vec<I>, Refusal> {
    let items = input.into_vec();
    if items.len() > MAX_ITEMS {
        return Err(Refusal::TooLarge { what: "`input`", actual: items.len(), limit: MAX_ITEMS });
    }
    Ok(items)
}

pub(super) fn one<I>(input: OneOrMany<I>) -> Result<I, Refusal> {
    let mut items = items(input)?;
    match (items.pop(), items.is_empty()) {
        (Some(item), true) => Ok(item),
        _ => Err(Refusal::Field("`input` must hold exactly one item".into())),
    }
}

/// How much a reply may hold.
struct Page {
    /// Whether the requester reads `next`.
    wanted: bool,
    limit: u64,
    options: Options,
    items: u64,
}

impl Page {
    fn of(frame: &Frame<'_>) -> Result<Self, Refusal> {
        let options: Options = frame.fields()?;
        let limit = options.limit.map_or(u64::MAX, |limit| limit.0);
        if limit == 0 {
            return Err(Refusal::Field("`limit` must be at least 1".into()));
        }
        let wanted = options.limit.is_some() || options.after.is_some() || options.offset.is_some();
        Ok(Self { wanted, limit, options, items: 0 })
    }

    fn is_full(&self) -> bool {
        self.items >= self.limit
    }

    /// Counts an item that was written, or takes note that it did not fit: whether it is in.
    fn count(&mut self, fits: bool) -> Result<bool, Refusal> {
        if fits {
            self.items = self.items.saturating_add(1);
        } else if !self.wanted || self.items == 0 {
            return Err(Refusal::ReplyTooLarge);
        }
        Ok(fits)
    }
}

impl<T: Tee, S: Store> Worker<T, S> {
    /// A contract that was not removed.
    fn head(&self, sc: ScAddress) -> Result<Head, Refusal> {
        let head = contracts::known_head(&self.store, sc)?;
        if head.import.removed { Err(Refusal::UnknownContract(sc)) } else { Ok(head) }
    }

    /// The newest delta; the last part of the snapshot where nothing else was taken in.
    fn newest(&self, sc: ScAddress, head: &Head) -> Result<Option<(u64, Vec<u8>)>, Refusal> {
        let Some(index) = head.entries.checked_sub(1) else { return Ok(None) };
        let data = match head.snapshot {
            Some(at) if head.first == head.entries => self.part(sc, &at, at.parts.saturating_sub(1))?,
            _ => contracts::load_entry(&self.store, sc, index)?,
        };
        Ok(Some((index, data)))
    }

    fn part(&self, sc: ScAddress, at: &SnapshotAt, part: u32) -> Result<Vec<u8>, Refusal> {
        let unknown = Refusal::UnknownEntry { sc, what: "snapshot part", index: part.into() };
        self.store.get("snapshot", &snapshot_key(sc, at.index, part))?.ok_or(unknown)
    }

    pub(super) fn snapshot(&self, frame: &Frame<'_>) -> Result<Answer, Refusal> {
        let SnapshotKey { address: Hex(sc), part } = one(frame.input()?)?;
        let part = part.map_or(0, |part| part.0);
        let unknown = |index| Refusal::UnknownEntry { sc, what: "snapshot part", index };
        let at = self.head(sc)?.snapshot.ok_or(unknown(part))?;
        let part = u32::try_from(part).ok().filter(|part| *part < at.parts).ok_or(unknown(part))?;
        let mut reply = frame.writer();
        reply.field("address", &Hex(sc));
        reply.field("key", &at.index);
        reply.field("parts", &at.parts);
        reply.field("part", &part);
        reply.bytes("data", &self.part(sc, &at, part)?);
        let next = part.saturating_add(1);
        if next < at.parts {
            reply.field("next", &next);
        }
        reply.finish()
    }

    pub(super) fn tip(&self, frame: &Frame<'_>) -> Result<Answer, Refusal> {
        let sc = one(frame.input::<OneOrMany<Hex<ScAddress>>>()?)?.0;
        let head = self.head(sc)?;
        let (key, data) = self.newest(sc, &head)?.unwrap_or_default();
        let mut reply = frame.writer();
        reply.field("key", &key);
        reply.bytes("data", &data);
        reply.finish()
    }

    pub(super) fn tips(&self, frame: &Frame<'_>) -> Result<Answer, Refusal> {
        let mut reply = frame.writer();
        reply.open("tips", b'[');
        for Hex(sc) in items(frame.input()?)? {
            let head = self.head(sc)?;
            if let Some((key, data)) = self.newest(sc, &head)?
                && !reply.delta(sc, key, &data)
            {
                return Err(Refusal::ReplyTooLarge);
            }
        }
        reply.close(b']');
        reply.finish()
    }

    /// Visits the contracts above `after`, ascending, until one visit breaks.
    fn each_head(
        &self,
        after: Option<ScAddress>,
        mut visit: impl FnMut(ScAddress, Head) -> Result<ControlFlow<()>, Refusal>,
    ) -> Result<(), Refusal> {
        let corrupted = Refusal::Corrupted("contract");
        let mut from = HEADS.to_vec();
        if let Some(after) = after {
            from.extend(after.0);
            from.push(0);
        }
        loop {
            let page = self.store.scan("contract", HEADS, &from, PAGE)?;
            let full = page.len() >= PAGE;
            for (key, content) in page {
                let sc = key.strip_prefix(HEADS).and_then(|sc| ScAddress::try_from(sc).ok());
                let head: Option<Head> = borsh::from_slice(&content).ok();
                if visit(sc.ok_or(corrupted.clone())?, head.ok_or(corrupted.clone())?)?.is_break() {
                    return Ok(());
                }
                from = key;
            }
            if !full {
                return Ok(());
            }
            from.push(0);
        }
    }

    /// A list with an item for each contract of which `write` makes one; `write` says whether it fits, or `None` for no item.
    fn list(
        &self,
        frame: &Frame<'_>,
        name: &str,
        mut write: impl FnMut(&mut Writer, ScAddress, &Head) -> Result<Option<bool>, Refusal>,
    ) -> Result<Answer, Refusal> {
        let mut page = Page::of(frame)?;
        let mut reply = frame.writer();
        reply.open(name, b'[');
        let (mut last, mut next) = (None, None);
        self.each_head(page.options.after.map(|after| after.0), |sc, head| {
            let before = reply.mark();
            let Some(fits) = write(&mut reply, sc, &head)? else { return Ok(ControlFlow::Continue(())) };
            if page.is_full() {
                reply.back_to(before);
            } else if page.count(fits)? {
                last = Some(sc);
                return Ok(ControlFlow::Continue(()));
            }
            next = last;
            Ok(ControlFlow::Break(()))
        })?;
        reply.close(b']');
        if let Some(next) = next {
            reply.field("next", &Hex(next));
        }
        reply.finish()
    }

    pub(super) fn all_tips(&self, frame: &Frame<'_>) -> Result<Answer, Refusal> {
        self.list(frame, "tips", |reply, sc, head| {
            Ok(self.newest(sc, head)?.map(|(key, data)| reply.delta(sc, key, &data)))
        })
    }

    pub(super) fn all_addresses(&self, frame: &Frame<'_>) -> Result<Answer, Refusal> {
        self.list(frame, "addresses", |reply, sc, head| {
            Ok((head.is_deployed() && !head.import.removed).then(|| {
                let mark = reply.mark();
                reply.item(&Hex(sc));
                reply.keep(mark)
            }))
        })
    }

    pub(super) fn delta(&self, frame: &Frame<'_>) -> Result<Answer, Refusal> {
        let DeltaKey { address: Hex(sc), key: U64(index) } = one(frame.input()?)?;
        let head = self.head(sc)?;
        let mut reply = frame.writer();
        reply.bytes("delta", &self.entry(sc, &head, index)?);
        reply.finish()
    }

    /// A delta that is part of the contract's chain.
    fn entry(&self, sc: ScAddress, head: &Head, index: u64) -> Result<Vec<u8>, Refusal> {
        if index >= head.entries || index < head.first {
            return Err(Refusal::UnknownEntry { sc, what: "delta", index });
        }
        contracts::load_entry(&self.store, sc, index)
    }

    pub(super) fn deltas(&self, frame: &Frame<'_>) -> Result<Answer, Refusal> {
        let mut page = Page::of(frame)?;
        let ranges: Vec<DeltaRange> = items(frame.input()?)?;
        let mut reply = frame.writer();
        if page.wanted {
            reply.reserve(ranges.len().saturating_mul(RANGE_BYTES));
        }
        reply.open("deltas", b'[');
        let mut next = Vec::new();
        for range in ranges {
            let DeltaRange { address: Hex(sc), from: U64(from), to: U64(to) } = range;
            if !next.is_empty() {
                next.push(range);
                continue;
            }
            let head = self.head(sc)?;
            // The first index without a delta ends the request, so a range is not longer than what there is.
            for index in from..=to {
                if page.is_full() || !page.count(reply.delta(sc, index, &self.entry(sc, &head, index)?))? {
                    next.push(DeltaRange { address: Hex(sc), from: U64(index), to: U64(to) });
                    break;
                }
            }
        }
        reply.close(b']');
        if !next.is_empty() {
            reply.field("next", &next);
        }
        reply.finish()
    }

    pub(super) fn contract(&self, frame: &Frame<'_>) -> Result<Answer, Refusal> {
        let mut page = Page::of(frame)?;
        let sc = one(frame.input::<OneOrMany<Hex<ScAddress>>>()?)?.0;
        let head = self.head(sc)?;
        if !head.is_deployed() {
            return Err(Refusal::UnknownContract(sc));
        }
        let code = contracts::load_code(&self.store, sc, &head)?;
        let offset = page.options.offset.map_or(0, |offset| usize::try_from(offset.0).unwrap_or(usize::MAX));
        let end = offset.saturating_add(usize::try_from(page.limit).unwrap_or(usize::MAX)).min(code.len());
        let Some(part) = code.get(offset..end) else {
            return Err(Refusal::Field(format!("`offset` is beyond the {} bytes of the code", code.len())));
        };
        let mut reply = frame.writer();
        reply.field("address", &Hex(sc));
        let mark = reply.mark();
        reply.bytes("bytecode", part);
        let fits = reply.keep(mark);
        page.count(fits)?;
        if end < code.len() {
            reply.field("next", &end);
        }
        reply.finish()
    }
}
