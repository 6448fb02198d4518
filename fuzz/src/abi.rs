//! Solidity's ABI as contracts read it: arguments come from users, so any bytes may come.

use enigma_sdk::{
    Address, Bytes, FixedBytes, I256, Int, U256, Uint,
    abi::{Abi, Arguments, decode, decode_outputs, encode},
};

/// A struct of Solidity.
#[enigma_sdk::data]
#[derive(PartialEq)]
struct Auction {
    item: String,
    bids: Vec<(Address, U256)>,
    ends: u64,
}

/// What decodes has one canonical encoding, which decodes to the same, and is not larger than what it was read from: no
/// input makes a contract hold more than it was sent.
fn holds<T: Abi + Arguments + PartialEq>(bytes: &[u8]) {
    let Ok(value) = decode::<T>(bytes) else { return };
    let canonical = encode(&value);
    // Texts and byte strings are padded to whole words; each took at least two words of the input.
    assert!(canonical.len() <= bytes.len() * 2, "{} bytes became {}", bytes.len(), canonical.len());
    assert!(
        decode_outputs::<T>(&canonical).is_ok_and(|again| again == value),
        "results decode otherwise than arguments"
    );
    assert!(decode::<T>(&canonical).is_ok_and(|again| again == value), "the canonical encoding means something else");
    assert_eq!(encode(&decode::<T>(&canonical).expect("it decoded above")), canonical);
}

/// The first byte chooses the types, the rest is decoded.
pub fn check(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    match choice % 14 {
        0 => holds::<(U256, Address, bool)>(bytes),
        1 => holds::<(u8, i8, u16, i16, u32, i32, u64, i64, u128, i128)>(bytes),
        2 => holds::<(Bytes, String)>(bytes),
        3 => holds::<(Vec<U256>, Vec<bool>)>(bytes),
        4 => holds::<(Vec<Vec<U256>>, [u8; 3])>(bytes),
        5 => holds::<(Vec<Bytes>, Vec<String>)>(bytes),
        6 => holds::<(FixedBytes<1>, FixedBytes<20>, FixedBytes<32>)>(bytes),
        7 => holds::<((U256, (Bytes, bool)), [Bytes; 2])>(bytes),
        8 => holds::<(Vec<(Address, U256)>,)>(bytes),
        9 => holds::<(Vec<(String, Vec<[U256; 2]>)>, U256)>(bytes),
        10 => holds::<(Uint<24>, Int<40>, I256, Int<8>)>(bytes),
        11 => holds::<(Vec<Auction>, Auction)>(bytes),
        12 => holds::<(Vec<Vec<Vec<Vec<Bytes>>>>,)>(bytes),
        _ => holds::<([Vec<FixedBytes<4>>; 2], [[u16; 2]; 2], i128)>(bytes),
    }
}
