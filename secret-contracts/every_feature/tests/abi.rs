//! The SDK's ABI against that of `alloy-dyn-abi`: every value has the same bytes, and bytes that both can read mean the same. The
//! SDK's integers against those of Rust.

use alloy_dyn_abi::DynSolType;
use enigma_sdk::abi::{self, Abi, Arguments};
use enigma_sdk::{Address, Bytes, FixedBytes, I256, Int, U256, Uint};
use proptest::prelude::*;
use std::fmt::Debug;

/// A struct, as contracts have them.
#[enigma_sdk::data]
#[derive(Clone, Debug, PartialEq, Eq)]
struct Order {
    owner: Address,
    change: Int<40>,
    notes: Vec<String>,
    side: Side,
}

/// An enum, as contracts have them.
#[enigma_sdk::data]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Buy,
    Sell,
}

fn type_of<T: Abi>() -> DynSolType {
    DynSolType::parse(&format!("({})", T::TYPE)).expect("the SDK's name of a type is Solidity's")
}

/// Both encode a value to the same bytes, and read them back.
fn agree<T: Abi + PartialEq + Debug>(value: T) {
    let ty = type_of::<T>();
    let values = (value,);
    let ours = abi::encode(&values);
    let theirs = ty.abi_decode_params(&ours).expect("alloy reads what the SDK writes");
    assert_eq!(theirs.abi_encode_params(), ours);
    assert_eq!(abi::decode::<(T,)>(&ours), Ok(values));
}

/// What the SDK reads from any bytes is what alloy reads. (Alloy reads some that the SDK refuses.)
fn agree_on_bytes<T: Abi + Debug>(bytes: &[u8]) {
    let Ok(ours) = abi::decode::<(T,)>(bytes) else { return };
    let again = abi::encode(&ours);
    match type_of::<T>().abi_decode_params(bytes) {
        Ok(theirs) => assert_eq!(theirs.abi_encode_params(), again, "{ours:?} or {theirs:?}"),
        // Alloy wants the zeros after a text to be there; Solidity does not.
        Err(error) => assert!(again.len() > bytes.len(), "{ours:?} or {error}"),
    }
}

fn number() -> impl Strategy<Value = U256> {
    prop_oneof![
        any::<[u8; 32]>().prop_map(U256::from_be_bytes),
        any::<u64>().prop_map(U256::from),
        Just(U256::MAX),
        Just(U256::ZERO)
    ]
}

fn signed() -> impl Strategy<Value = I256> {
    prop_oneof![
        number().prop_map(|number| I256::from_be_bytes(number.to_be_bytes())),
        any::<i64>().prop_map(I256::from)
    ]
}

/// A number of `BITS` bits: the upper bits of a word.
fn uint<const BITS: usize>() -> impl Strategy<Value = Uint<BITS>> {
    number().prop_map(|number| {
        let mut bytes = [0; 32];
        bytes[32 - BITS / 8..].copy_from_slice(&number.to_be_bytes()[..BITS / 8]);
        U256::from_be_bytes(bytes).try_into().expect("no more bits")
    })
}

fn int<const BITS: usize>() -> impl Strategy<Value = Int<BITS>> {
    number().prop_map(|number| {
        let high = &number.to_be_bytes()[..BITS / 8];
        let mut bytes = [if high[0] >= 0x80 { 0xff } else { 0 }; 32];
        bytes[32 - BITS / 8..].copy_from_slice(high);
        I256::from_be_bytes(bytes).try_into().expect("no more bits")
    })
}

fn address() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address)
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..70).prop_map(Bytes)
}

fn order() -> impl Strategy<Value = Order> {
    let side = prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    (address(), int::<40>(), prop::collection::vec(any::<String>(), 0..4), side)
        .prop_map(|(owner, change, notes, side)| Order { owner, change, notes, side })
}

/// Bytes that are nearly an encoding: words that are small, offsets, or anything.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        4 => (0u64..16).prop_map(|n| U256::from(n * 32)),
        3 => (0u64..40).prop_map(U256::from),
        1 => number(),
    ];
    (prop::collection::vec(word, 0..24), 0usize..32).prop_map(|(words, cut)| {
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes.truncate(bytes.len().saturating_sub(if cut < 4 { cut } else { 0 }));
        bytes
    })
}

macro_rules! every_width {
    ($($name:ident $bits:literal)*) => { $(
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(16))]
            #[test]
            fn $name(unsigned in uint::<$bits>(), signed in int::<$bits>(), bytes in any::<[u8; $bits / 8]>()) {
                agree(unsigned);
                agree(signed);
                agree(vec![(unsigned, signed)]);
                agree(FixedBytes(bytes));
            }
        }
    )* };
}

every_width! {
    bits_8 8 bits_16 16 bits_24 24 bits_32 32 bits_40 40 bits_48 48 bits_56 56 bits_64 64
    bits_72 72 bits_80 80 bits_88 88 bits_96 96 bits_104 104 bits_112 112 bits_120 120 bits_128 128
    bits_136 136 bits_144 144 bits_152 152 bits_160 160 bits_168 168 bits_176 176 bits_184 184 bits_192 192
    bits_200 200 bits_208 208 bits_216 216 bits_224 224 bits_232 232 bits_240 240 bits_248 248 bits_256 256
}

proptest! {
    #[test]
    fn rusts_integers(a in any::<(u8, u16, u32, u64, u128)>(), b in any::<(i8, i16, i32, i64, i128)>(), c in any::<bool>()) {
        agree(a);
        agree(b);
        agree((a, b, c));
    }

    #[test]
    fn simple_types(number in number(), signed in signed(), address in address(), bytes in bytes(), text in any::<String>()) {
        agree(number);
        agree(signed);
        agree(address);
        agree(bytes.clone());
        agree(text.clone());
        agree((number, bytes, signed, text, address));
    }

    #[test]
    fn nested_types(
        numbers in prop::collection::vec(number(), 0..5),
        texts in prop::collection::vec(prop::array::uniform3(any::<String>()), 0..4),
        orders in prop::collection::vec(order(), 0..4),
        pairs in prop::array::uniform2((bytes(), prop::collection::vec(prop::collection::vec(any::<bool>(), 0..3), 0..3))),
    ) {
        agree(numbers);
        agree(texts.clone());
        agree(orders.clone());
        agree((texts, [orders.clone(), orders], pairs.clone()));
        agree(pairs);
    }

    #[test]
    fn any_bytes(bytes in nearly()) {
        agree_on_bytes::<u8>(&bytes);
        agree_on_bytes::<i64>(&bytes);
        agree_on_bytes::<Int<24>>(&bytes);
        agree_on_bytes::<bool>(&bytes);
        agree_on_bytes::<Address>(&bytes);
        agree_on_bytes::<FixedBytes<7>>(&bytes);
        agree_on_bytes::<Bytes>(&bytes);
        agree_on_bytes::<String>(&bytes);
        agree_on_bytes::<Vec<u16>>(&bytes);
        agree_on_bytes::<Vec<Vec<U256>>>(&bytes);
        agree_on_bytes::<[Bytes; 2]>(&bytes);
        agree_on_bytes::<Vec<(Bytes, [u8; 2])>>(&bytes);
        agree_on_bytes::<Order>(&bytes);
        agree_on_bytes::<(Vec<Order>, String)>(&bytes);
    }
}

/// Nothing is allocated for lengths that the input cannot hold.
#[test]
fn lengths_are_not_believed() {
    fn refuse<T: Arguments + Debug>(words: &[u64]) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| U256::from(*word).to_be_bytes()).collect();
        assert!(abi::decode::<T>(&bytes).is_err());
    }
    for length in [1, 1 << 20, 1 << 32, u64::MAX] {
        refuse::<(Vec<U256>,)>(&[32, length]);
        refuse::<(Vec<Vec<[U256; 4]>>,)>(&[32, 1, 32, length]);
        refuse::<(Bytes,)>(&[32, length]);
        refuse::<(Bytes,)>(&[length]);
    }
}

#[test]
fn an_enum_has_its_numbers_only() {
    assert_eq!(abi::decode(&abi::encode(&(1u8,))), Ok((Side::Sell,)));
    assert!(abi::decode::<(Side,)>(&abi::encode(&(2u8,))).is_err());
}

proptest! {
    /// Sums of small numbers are those of `i128`.
    #[test]
    fn signed_arithmetic_is_that_of_rust(a in any::<i64>(), b in any::<i64>()) {
        let (wide_a, wide_b) = (I256::from(a), I256::from(b));
        let (a, b) = (i128::from(a), i128::from(b));
        prop_assert_eq!(wide_a + wide_b, I256::from(a + b));
        prop_assert_eq!(wide_a - wide_b, I256::from(a - b));
        prop_assert_eq!(wide_a * wide_b, I256::from(a * b));
        prop_assert_eq!(wide_a.checked_div(wide_b), a.checked_div(b).map(I256::from));
        prop_assert_eq!(wide_a.checked_rem(wide_b), a.checked_rem(b).map(I256::from));
        prop_assert_eq!(wide_a.cmp(&wide_b), a.cmp(&b));
        prop_assert_eq!(wide_a.to_string(), a.to_string());
        prop_assert_eq!(a.to_string().parse::<I256>(), Ok(wide_a));
        prop_assert_eq!(i128::try_from(wide_a), Ok(a));
    }

    /// A narrow number is refused exactly when Rust's of the same width is.
    #[test]
    fn narrow_numbers_are_those_of_rust(a in any::<i32>(), b in any::<i32>()) {
        let narrow = |number: i64| Int::<32>::try_from(number).ok();
        let (x, y) = (narrow(i64::from(a)).unwrap(), narrow(i64::from(b)).unwrap());
        prop_assert_eq!(x.checked_add(y), a.checked_add(b).map(|n| narrow(i64::from(n)).unwrap()));
        prop_assert_eq!(x.checked_mul(y), a.checked_mul(b).map(|n| narrow(i64::from(n)).unwrap()));
        prop_assert_eq!(enigma_sdk::borsh::from_slice::<Int<32>>(&enigma_sdk::borsh::to_vec(&x).unwrap()).unwrap(), x);
        prop_assert_eq!(narrow(i64::from(a) << 1).is_some(), i32::try_from(i64::from(a) << 1).is_ok());
    }
}
