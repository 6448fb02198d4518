//! Keccak-256 for the compiler: selectors of errors are computed while a contract is compiled, so that it carries neither the
//! hash function nor a call of the runtime for them. At run time, [`keccak256`](crate::keccak256) hashes.

const ROUNDS: [u64; 24] = [
    0x0000000000000001,
    0x0000000000008082,
    0x800000000000808a,
    0x8000000080008000,
    0x000000000000808b,
    0x0000000080000001,
    0x8000000080008081,
    0x8000000000008009,
    0x000000000000008a,
    0x0000000000000088,
    0x0000000080008009,
    0x000000008000000a,
    0x000000008000808b,
    0x800000000000008b,
    0x8000000000008089,
    0x8000000000008003,
    0x8000000000008002,
    0x8000000000000080,
    0x000000000000800a,
    0x800000008000000a,
    0x8000000080008081,
    0x8000000000008080,
    0x0000000080000001,
    0x8000000080008008,
];
const ROTATIONS: [u32; 24] =
    [1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44];
const PLACES: [usize; 24] = [10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1];
const RATE: usize = 136;

pub const fn keccak256(bytes: &[u8]) -> [u8; 32] {
    let mut state = [0u64; 25];
    let mut at = 0;
    let mut i = 0;
    while i < bytes.len() {
        absorb(&mut state, at, bytes[i]);
        at += 1;
        if at == RATE {
            permute(&mut state);
            at = 0;
        }
        i += 1;
    }
    absorb(&mut state, at, 0x01);
    absorb(&mut state, RATE - 1, 0x80);
    permute(&mut state);
    let mut hash = [0; 32];
    let mut i = 0;
    while i < 32 {
        hash[i] = (state[i / 8] >> (8 * (i % 8))) as u8;
        i += 1;
    }
    hash
}

const fn absorb(state: &mut [u64; 25], at: usize, byte: u8) {
    state[at / 8] ^= (byte as u64) << (8 * (at % 8));
}

const fn permute(state: &mut [u64; 25]) {
    let mut round = 0;
    while round < 24 {
        let mut parity = [0u64; 5];
        let mut x = 0;
        while x < 5 {
            parity[x] = state[x] ^ state[x + 5] ^ state[x + 10] ^ state[x + 15] ^ state[x + 20];
            x += 1;
        }
        let mut i = 0;
        while i < 25 {
            state[i] ^= parity[(i + 4) % 5] ^ parity[(i + 1) % 5].rotate_left(1);
            i += 1;
        }
        let mut moved = state[1];
        let mut i = 0;
        while i < 24 {
            let next = state[PLACES[i]];
            state[PLACES[i]] = moved.rotate_left(ROTATIONS[i]);
            moved = next;
            i += 1;
        }
        let mut row = 0;
        while row < 25 {
            let old = [state[row], state[row + 1], state[row + 2], state[row + 3], state[row + 4]];
            let mut x = 0;
            while x < 5 {
                state[row + x] = old[x] ^ (!old[(x + 1) % 5] & old[(x + 2) % 5]);
                x += 1;
            }
            row += 5;
        }
        state[0] ^= ROUNDS[round];
        round += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::keccak256;
    use sha3::{Digest, Keccak256};

    #[test]
    fn the_same_as_the_crate() {
        for length in [0, 1, 20, 135, 136, 137, 271, 272, 300] {
            let bytes: alloc::vec::Vec<u8> = (0..length).map(|i| i as u8).collect();
            assert_eq!(keccak256(&bytes)[..], Keccak256::digest(&bytes)[..], "{length}");
        }
    }
}
