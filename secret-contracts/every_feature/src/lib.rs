//! Uses everything that the SDK offers. Its tests run natively and in the real runtime, and show that both do the same.
#![no_std]

/// The examples in the documents compile.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../README.md")]
    struct Examples;
    #[doc = include_str!("../../../docs/contract-authors.md")]
    struct ForAuthors;
}

use enigma_sdk::crypto::{self, Key};
use enigma_sdk::ethereum::EthereumCall;
use enigma_sdk::prelude::*;

enigma_sdk::ethereum_contract!(
    /// A contract on Ethereum.
    pub Ledger,
    "abi/Ledger.json"
);

/// A struct in arguments, results, events and the state.
#[enigma_sdk::data]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose.
    pub owner: Address,
    /// How much.
    pub change: Int<24>,
    /// What for.
    pub note: String,
    /// How sure.
    pub certainty: Certainty,
}

/// An enum is a number.
#[enigma_sdk::data]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// 0
    Low,
    /// 1
    High,
}

/// Somebody wrote an entry.
#[enigma_sdk::event]
#[derive(Debug, PartialEq, Eq)]
pub struct Written {
    /// Which.
    pub entry: Entry,
    /// How many there are.
    pub count: Uint<40>,
}

/// Nothing was left.
#[enigma_sdk::event]
#[derive(Debug, PartialEq, Eq)]
pub struct Emptied {}

/// What goes wrong.
#[enigma_sdk::error]
#[derive(Debug, PartialEq, Eq)]
pub enum Wrong {
    /// With fields, of which one has the name of what formats it.
    #[error("there are {have} entries, and {f} were asked for")]
    TooFew {
        /// What there is.
        have: u32,
        /// What was asked for.
        f: u32,
    },
    /// Without.
    #[error("nobody may do this")]
    Never,
}

/// State, nested.
#[enigma_sdk::state]
pub struct EveryFeature {
    owner: Value<Address>,
    key: Value<Key>,
    entries: List<Entry>,
    seen: Map<Address, Map<U256, bool>>,
    books: Map<String, Book>,
    rounds: List<Book>,
    received: Value<u128>,
}

/// A struct of fields.
#[enigma_sdk::state]
pub struct Book {
    pages: List<U256>,
    title: Value<String>,
}

#[enigma_sdk::contract(events(Written, Emptied))]
impl EveryFeature {
    /// Takes value.
    #[constructor(payable)]
    pub fn open(&mut self, owner: Address) {
        self.owner.set(owner);
        self.key.set(Key::random());
        self.received.set(value());
    }

    /// Emits an event.
    #[call]
    pub fn write(&mut self, entry: Entry) -> u32 {
        self.entries.push(entry.clone());
        let count = self.entries.len();
        let as_wide = Uint::<40>::try_from(count).unwrap_or(Uint::MAX);
        self.emit(Written { entry, count: as_wide });
        debug!("{count} entries");
        count
    }

    /// Emits as many events as asked for.
    #[call]
    pub fn empty(&mut self, times: u32) {
        for _ in 0..times {
            self.emit(Emptied {});
        }
    }

    /// Fails with a custom error.
    #[call]
    pub fn last(&self, count: u32) -> Result<Vec<Entry>, Wrong> {
        let have = self.entries.len();
        ensure!(count <= have, Wrong::TooFew { have, f: count });
        Ok(self.entries.iter().skip((have - count) as usize).collect())
    }

    /// Fails with a custom error that it does not return, after a change.
    #[call]
    pub fn never(&mut self) {
        self.entries.push(Entry { owner: caller(), change: Int::ZERO, note: "gone".into(), certainty: Certainty::Low });
        enigma_sdk::fail_with(&Wrong::Never)
    }

    /// Answers queries and tasks.
    #[call]
    #[query]
    pub fn count(&self) -> (u32, Address) {
        (self.entries.len(), caller())
    }

    /// Answers queries only, and tries what they cannot do.
    #[query]
    pub fn try_in_query(&self, what: u8) -> u64 {
        let mut contract = EveryFeature::default();
        match what {
            0 => contract.entries.push(Entry {
                owner: caller(),
                change: Int::ZERO,
                note: String::new(),
                certainty: Certainty::Low,
            }),
            1 => contract.emit(Emptied {}),
            2 => Ledger::at(caller()).post_uint256(U256::ONE).send(),
            3 => pay_out(caller(), 1),
            4 => contract.owner.remove(),
            _ => {}
        }
        random_below(1_000)
    }

    /// Takes value.
    #[call(payable)]
    pub fn pay(&mut self) -> u128 {
        let received = self.received.get_or_default() + value();
        self.received.set(received);
        received
    }

    /// Pays out, as often as asked for.
    #[call]
    pub fn refund(&mut self, to: Address, amount: u128, times: u8) {
        ensure_caller!(self.owner.get());
        for _ in 0..times {
            pay_out(to, amount);
        }
    }

    /// Calls Ethereum, as often as asked for.
    #[call]
    pub fn publish(&mut self, ledger: Address, times: u8) {
        ensure_caller!([Address([1; 20]), ledger], "not you, {}", caller());
        let entries: Vec<_> = self.entries.iter().map(|entry| (entry.owner, entry.change, entry.note)).collect();
        for _ in 0..times {
            Ledger::at(ledger).post_tuple_array(entries.clone()).send();
        }
    }

    /// Calls Ethereum with as much data as asked for.
    #[call]
    pub fn publish_bytes(&mut self, target: Address, size: u32) {
        EthereumCall { target, data: vec![7; size as usize] }.send();
    }

    /// Hashes.
    #[call]
    pub fn hashes(&self, bytes: Bytes) -> (Bytes32, Bytes32) {
        (keccak256(&bytes), crypto::sha256(&bytes))
    }

    /// Recovers a signer.
    #[call]
    pub fn signer(&self, hash: Bytes32, signature: Bytes) -> Result<Address, &'static str> {
        let signature: [u8; 65] = signature.0.try_into().map_err(|_| "a signature has 65 bytes")?;
        crypto::recover(&hash, &signature).ok_or("nobody signed this")
    }

    /// Encrypts.
    #[call]
    pub fn seal(&self, context: Bytes, text: Bytes) -> Opened {
        let key = self.key.get().unwrap_or_else(Key::random);
        Opened { is_some: true, bytes: crypto::seal(&key, &context.0, &text.0).into() }
    }

    /// Decrypts.
    #[call]
    pub fn open_sealed(&self, context: Bytes, sealed: Bytes) -> Opened {
        let key = self.key.get().unwrap_or_else(Key::random);
        match crypto::open(&key, &context.0, &sealed.0) {
            Some(text) => Opened { is_some: true, bytes: text.into() },
            None => Opened { is_some: false, bytes: Bytes::default() },
        }
    }

    /// Writes nested state.
    #[call]
    pub fn nest(&mut self, title: String, page: U256) -> (u32, u32, bool) {
        let mut book = self.books.at_mut(&title);
        book.title.set(title.clone());
        book.pages.push(page);
        let pages = book.pages.len();
        let was_seen = self.seen.at(&caller()).get_or_default(&page);
        self.seen.at_mut(&caller()).set(&page, true);
        self.rounds.grow().title.set(title);
        (pages, self.rounds.count(), was_seen)
    }

    /// All kinds of types.
    #[allow(clippy::type_complexity)]
    #[call]
    pub fn types(
        &self,
        small: Uint<24>,
        signed: I256,
        fixed: FixedBytes<5>,
        nested: Vec<[(bool, String); 2]>,
        entries: Vec<Entry>,
    ) -> (Uint<24>, I256, FixedBytes<5>, Vec<[(bool, String); 2]>, Vec<Entry>) {
        (small, signed, fixed, nested, entries)
    }

    /// Grows and frees memory.
    #[call]
    pub fn memory(&self, rounds: u32, bytes: u32) -> u64 {
        let mut kept: Vec<Vec<u8>> = Vec::new();
        let mut sum = 0;
        for round in 0..rounds {
            let block = vec![round as u8; bytes as usize];
            sum += u64::from(block.last().copied().unwrap_or_default());
            if round % 3 == 0 {
                kept.push(block);
            }
            if round % 7 == 0 {
                kept.clear();
            }
        }
        sum + kept.iter().map(|block| u64::from(block.first().copied().unwrap_or_default())).sum::<u64>()
    }

    /// What surrounds a call.
    #[call]
    pub fn surroundings(&self) -> (Address, u64, u64, Bytes32, Bytes) {
        let random: [u8; 40] = random();
        (caller(), block_number(), block_timestamp(), enigma_sdk::task_id(), random.to_vec().into())
    }
}

/// Bytes that may be absent.
#[enigma_sdk::data]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Whether they are there.
    pub is_some: bool,
    /// The bytes.
    pub bytes: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;
    use enigma_sdk::testing::{PayOut, Task, Tested};

    const OWNER: Address = Address([0x01; 20]);
    const ALICE: Address = Address([0xa1; 20]);

    fn entry(note: &str, change: i32) -> Entry {
        let change = change.try_into().unwrap();
        Entry { owner: ALICE, change, note: note.into(), certainty: Certainty::High }
    }

    #[enigma_sdk::test]
    fn value_is_taken_where_it_is_expected(contract: &mut Tested<EveryFeature>) {
        let paying = |value| Task::by(ALICE).value(value);
        contract.by(paying(5)).open(OWNER).unwrap();
        assert_eq!(contract.by(paying(7)).pay(), Ok(12));
        let refused = "this function takes no value: call it with a value of 0";
        assert_eq!(contract.by(paying(1)).write(entry("", 0)), Err(refused.into()));
        assert_eq!(contract.by(ALICE).pay(), Ok(12));
        assert_eq!(contract.inspect(|contract| contract.received.get()), Some(12));
    }

    #[enigma_sdk::test]
    fn events(contract: &mut Tested<EveryFeature>) {
        assert_eq!(contract.by(ALICE).write(entry("one", -8_388_608)), Ok(1));
        let count = Uint::try_from(1u8).unwrap();
        assert_eq!(contract.last().events::<Written>(), [Written { entry: entry("one", -8_388_608), count }]);
        assert_eq!(contract.last().emitted[0].signature, "Written((address,int24,string,uint8),uint40)");
        assert_eq!(contract.last().events::<Emptied>(), []);
        assert_eq!(contract.last().debug, ["1 entries"]);
        contract.by(ALICE).empty(64).unwrap();
        assert_eq!(contract.last().events::<Emptied>().len(), 64);
        assert_eq!(contract.by(ALICE).empty(65), Err("the number of events is too large: the limit is 64".into()));
        assert!(contract.last().emitted.is_empty());
    }

    #[enigma_sdk::test]
    fn custom_errors(contract: &mut Tested<EveryFeature>) {
        contract.by(ALICE).write(entry("one", 1)).unwrap();
        contract.by(ALICE).write(entry("two", 2)).unwrap();
        assert_eq!(contract.by(ALICE).last(1), Ok(vec![entry("two", 2)]));
        let failure = contract.by(ALICE).last(3).unwrap_err();
        assert_eq!(failure, Wrong::TooFew { have: 2, f: 3 }.into());
        assert_eq!(failure.text, "there are 2 entries, and 3 were asked for");
        assert_eq!(failure.decode(), Some(Wrong::TooFew { have: 2, f: 3 }));
        assert_eq!(failure.data[..4], keccak256("TooFew(uint32,uint32)").0[..4]);
        assert_eq!(contract.by(ALICE).never(), Err(Wrong::Never.into()));
        assert_eq!(contract.by(ALICE).count(), Ok((2, ALICE)));
    }

    #[enigma_sdk::test]
    fn queries_change_nothing(contract: &mut Tested<EveryFeature>) {
        contract.by(ALICE).write(entry("one", 1)).unwrap();
        assert_eq!(contract.query(OWNER).count(), Ok((1, OWNER)));
        for (what, refused) in [
            (0, "a query cannot change the state"),
            (1, "a query cannot emit events"),
            (2, "a query cannot call Ethereum"),
            (3, "a query cannot pay out"),
            (4, "a query cannot change the state"),
        ] {
            assert_eq!(contract.query(ALICE).try_in_query(what), Err(refused.into()));
        }
        assert!(contract.query(ALICE).try_in_query(9).is_ok());
        assert_eq!(contract.by(ALICE).try_in_query(9), Err("no function `try_in_query(uint8)`".into()));
        assert_eq!(contract.query(ALICE).pay(), Err("no query `pay()`".into()));
        assert_eq!(contract.by(ALICE).count(), Ok((1, ALICE)));
    }

    #[enigma_sdk::test]
    fn calls_of_ethereum(contract: &mut Tested<EveryFeature>) {
        contract.by(ALICE).write(entry("one", -1)).unwrap();
        let without = "this task bought no gas for an Ethereum call (callGas is 0)";
        assert_eq!(contract.by(ALICE).publish(ALICE, 1), Err(without.into()));
        let task = Task::by(ALICE).call_gas(50_000);
        contract.by(task).publish(ALICE, 1).unwrap();
        let change = (-1).try_into().unwrap();
        let expected = Ledger::at(ALICE).post_tuple_array(vec![(ALICE, change, "one".into())]);
        assert_eq!(expected.data[..4], keccak256("post((address,int24,string)[])").0[..4]);
        assert_eq!(contract.last().ethereum_call, Some(expected));
        assert_eq!(contract.by(task).publish(ALICE, 2), Err("a task can call Ethereum only once".into()));
        assert_eq!(contract.last().ethereum_call, None);
        let stranger = contract.by(task).publish(Address([2; 20]), 1).unwrap_err();
        assert_eq!(stranger.text, "not you, 0xa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1");
        contract.by(task).publish_bytes(ALICE, 16_384).unwrap();
        assert_eq!(
            contract.by(task).publish_bytes(ALICE, 16_385),
            Err("the data of an Ethereum call is too large: the limit is 16384".into())
        );
        assert_eq!(
            contract.by(task).publish_bytes(Address::ZERO, 4),
            Err("the zero address can neither be called nor paid".into())
        );
    }

    #[enigma_sdk::test]
    fn pay_outs(contract: &mut Tested<EveryFeature>) {
        contract.by(ALICE).open(OWNER).unwrap();
        assert_eq!(contract.by(ALICE).refund(ALICE, 5, 1), Err("the caller may not do this".into()));
        contract.by(OWNER).refund(ALICE, u128::MAX, 1).unwrap();
        assert_eq!(contract.last().pay_out, Some(PayOut { to: ALICE, amount: u128::MAX }));
        assert_eq!(contract.by(OWNER).refund(ALICE, 5, 2), Err("a task can pay out only once".into()));
        let zero = "the zero address can neither be called nor paid";
        assert_eq!(contract.by(OWNER).refund(Address::ZERO, 5, 1), Err(zero.into()));
    }

    #[enigma_sdk::test]
    fn cryptography(contract: &mut Tested<EveryFeature>) {
        contract.by(ALICE).open(OWNER).unwrap();
        let bytes = |text: &str| Bytes(text.as_bytes().to_vec());
        assert_eq!(
            contract.by(ALICE).hashes(bytes("abc")).map(|(keccak, sha)| format!("{keccak} {sha}")),
            Ok("0x4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45 \
                0xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
                .into())
        );
        let sealed = contract.by(ALICE).seal(bytes("for"), bytes("a secret")).unwrap().bytes;
        let open = |contract: &mut Tested<EveryFeature>, context: &str, sealed: &Bytes| {
            let opened = contract.by(OWNER).open_sealed(bytes(context), sealed.clone()).unwrap();
            opened.is_some.then_some(opened.bytes)
        };
        assert_eq!(open(contract, "for", &sealed), Some(bytes("a secret")));
        assert_eq!(open(contract, "against", &sealed), None);
        for length in [0, 11, 12, 27, 28, 35] {
            assert_eq!(open(contract, "for", &Bytes(sealed.0[..length].to_vec())), None);
        }
        // The example of EIP-155.
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
        };
        let hash =
            FixedBytes(hex("daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53").try_into().unwrap());
        let mut signature = hex("28ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276\
             67cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d831b");
        let signer = contract.by(ALICE).signer(hash, signature.clone().into()).unwrap();
        assert_eq!(signer.to_string(), "0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f");
        signature[64] = 0;
        assert_eq!(contract.by(ALICE).signer(hash, signature.clone().into()), Ok(signer));
        for (place, byte) in [(64, 2), (64, 29), (0, 0xff)] {
            let mut wrong = signature.clone();
            wrong[place] = byte;
            if place == 0 {
                wrong[..64].fill(byte);
            }
            assert_eq!(contract.by(ALICE).signer(hash, wrong.into()), Err("nobody signed this".into()));
        }
    }

    #[enigma_sdk::test]
    fn nested_state(contract: &mut Tested<EveryFeature>) {
        let page = U256::from(7);
        assert_eq!(contract.by(ALICE).nest("a".into(), page), Ok((1, 1, false)));
        assert_eq!(contract.by(ALICE).nest("a".into(), page), Ok((2, 2, true)));
        assert_eq!(contract.by(OWNER).nest("b".into(), page), Ok((1, 3, false)));
        contract.inspect(|contract| {
            assert_eq!(contract.books.at(&"a".into()).pages.iter().collect::<Vec<_>>(), [page, page]);
            assert_eq!(contract.rounds.at(2).title.get().as_deref(), Some("b"));
        });
        // Books: a title, a length and three pages between them; seen; rounds: a length and a title each.
        assert_eq!(contract.state_entries(), 2 + 2 + 3 + 2 + 1 + 3);
        assert!(contract.state_bytes() > 300);
    }

    #[enigma_sdk::test]
    fn types(contract: &mut Tested<EveryFeature>) {
        let nested = vec![[(true, String::from("a")), (false, String::new())], Default::default()];
        let entries = vec![entry("one", -5), entry("a text that is longer than thirty-two bytes", 8_388_607)];
        let (small, fixed) = (Uint::MAX, FixedBytes(*b"fives"));
        let result = contract.by(ALICE).types(small, I256::MIN, fixed, nested.clone(), entries.clone());
        assert_eq!(result, Ok((small, I256::MIN, fixed, nested, entries)));
        let large = contract.call(ALICE, "last(uint32)", (1u64 << 32,)).unwrap_err();
        assert_eq!(large.text, "argument 1 (uint32): the value does not fit the type");
        let signature = "types(uint24,int256,bytes5,(bool,string)[2][],(address,int24,string,uint8)[])";
        let wrong = contract.call(ALICE, signature, (1u8, I256::MIN, fixed, 7u64, 8u64)).unwrap_err();
        assert_eq!(wrong.text, "argument 4 ((bool,string)[2][]): an offset or length points beyond the end");
    }

    #[enigma_sdk::test]
    fn memory_is_used_again(contract: &mut Tested<EveryFeature>) {
        let natively = EveryFeature::default().memory(400, 10_000);
        assert_eq!(contract.by(ALICE).memory(400, 10_000), Ok(natively));
        if contract.meters_gas() {
            let failure = contract.by(ALICE).memory(1, 80_000_000).unwrap_err();
            assert_eq!(failure.text, "the contract ran out of memory");
        }
    }

    #[enigma_sdk::test]
    fn surroundings(contract: &mut Tested<EveryFeature>) {
        contract.set_block(7, 1_000);
        contract.wait(25);
        contract.set_random_seed(3);
        let (caller, number, time, task, random) = contract.by(ALICE).surroundings().unwrap();
        assert_eq!((caller, number, time), (ALICE, 10, 1_025));
        // The same natively and in the runtime.
        assert_eq!(keccak256([&task.0[..], &random.0[..]].concat()).to_string(), EXPECTED);
        assert_ne!(contract.by(ALICE).surroundings().unwrap().4, random);
    }

    const EXPECTED: &str = "0x6c8473e9c4b4339986fcaa668cb02ae5bb0d7054511ab94f2aadddb9eeb84ea8";

    #[enigma_sdk::test(runtime)]
    fn gas(contract: &mut Tested<EveryFeature>) {
        contract.by(ALICE).count().unwrap();
        let used = contract.last().gas_used;
        assert!((1_000..12_000).contains(&used), "{used}");
        let task = Task::by(ALICE).gas_limit(used - 1);
        assert_eq!(contract.by(task).count().unwrap_err().text, format!("out of gas: the limit was {}", used - 1));
        assert_eq!(contract.by(Task::by(ALICE).gas_limit(used)).count(), Ok((0, ALICE)));
    }

    #[test]
    fn the_abi_lists_everything() {
        let abi = <EveryFeature as enigma_sdk::Contract>::ABI_JSON;
        for part in [
            r#"{"type":"constructor","inputs":[{"name":"owner","type":"address"}],"stateMutability":"payable"}"#,
            r#"{"type":"event","name":"Emptied","inputs":[],"anonymous":false}"#,
            r#"{"type":"error","name":"TooFew","inputs":[{"name":"have","type":"uint32"},{"name":"f","type":"uint32"}]}"#,
            r#"{"type":"function","name":"pay","inputs":[],"outputs":[{"name":"","type":"uint128"}],"stateMutability":"payable"}"#,
            r#"{"name":"entry","type":"tuple","components":[{"name":"owner","type":"address"},{"name":"change","type":"int24"},"#,
        ] {
            assert!(abi.contains(part), "{part} in {abi}");
        }
    }

    /// The leak check sees what it should see.
    mod leaks {
        extern crate std;

        use super::*;

        fn fails(run: impl FnOnce()) -> String {
            let run = std::panic::AssertUnwindSafe(run);
            let panic = std::panic::catch_unwind(run).expect_err("the secret shows");
            *panic.downcast::<String>().expect("a panic with a text")
        }

        #[enigma_sdk::test]
        fn nothing_shows(contract: &mut Tested<EveryFeature>) {
            contract.leak_check([-8_388_608, 0, 8_388_607], |contract, change| {
                contract.by(ALICE).write(entry("a", change)).unwrap();
            });
        }

        #[enigma_sdk::test]
        fn keys_show(contract: &mut Tested<EveryFeature>) {
            let report = fails(|| {
                contract.leak_check(["a", "b"], |contract, title| {
                    contract.by(ALICE).nest(title.into(), U256::ONE).unwrap();
                });
            });
            assert!(report.contains(r#""a""#) && report.contains("`books[0x"), "{report}");
        }

        #[enigma_sdk::test]
        fn failures_events_and_gas_show(contract: &mut Tested<EveryFeature>) {
            let metered = contract.meters_gas();
            let report = fails(|| {
                contract.leak_check([1u32, 40], |contract, times| contract.by(ALICE).empty(times).unwrap());
            });
            assert!(report.contains("events: Emptied() (0 bytes) with 1"), "{report}");
            assert_eq!(report.contains("gas: "), metered, "{report}");
            let report = fails(|| {
                contract.leak_check([0u32, 1], |contract, count| {
                    let _ = contract.by(ALICE).last(count);
                });
            });
            assert!(report.contains("it succeeds with 0, it fails with 1"), "{report}");
        }
    }
}
