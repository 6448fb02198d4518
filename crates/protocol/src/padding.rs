//! Public size classes: what an observer may learn from a length.
//!
//! A plaintext is framed as a 4-byte big-endian length, the bytes, and zeros up to the size class: 512 bytes, above that
//! Padmé (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files", PETS 2019), which costs at most 12 %.

use alloc::vec::Vec;

/// The smallest class in bytes, frame included.
pub const SMALLEST_CLASS_BYTES: usize = 512;
const LENGTH_BYTES: usize = 4;

/// Padmé: rounds up so that only O(log log n) bits of `n` remain visible.
pub fn padme(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let exponent = n.ilog2();
    let kept_bits = exponent.ilog2().saturating_add(1);
    let mask = 1u64.checked_shl(exponent.saturating_sub(kept_bits)).unwrap_or(1).saturating_sub(1);
    n.saturating_add(mask) & !mask
}

/// The size of the class that holds `content_bytes` of content.
pub fn size_class(content_bytes: usize) -> usize {
    let framed = content_bytes.saturating_add(LENGTH_BYTES);
    usize::try_from(padme(framed as u64)).unwrap_or(framed).max(SMALLEST_CLASS_BYTES)
}

/// Frames and pads a plaintext to its size class.
pub fn pad(content: &[u8]) -> Vec<u8> {
    let mut padded = Vec::with_capacity(size_class(content.len()));
    // Contents are bounded by `limits` far below 4 GiB.
    padded.extend((content.len() as u32).to_be_bytes());
    padded.extend(content);
    padded.resize(size_class(content.len()), 0);
    padded
}

/// A decrypted text that is not a padded frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the padding of the plaintext is invalid")]
pub struct InvalidPadding;

/// Takes the content out of a padded plaintext. Only the canonical form is accepted.
///
/// # Errors
/// [`InvalidPadding`] when length, size class or the zeros are not those of [`pad`].
pub fn unpad(padded: &[u8]) -> Result<Vec<u8>, InvalidPadding> {
    let (length, rest) = padded.split_first_chunk::<LENGTH_BYTES>().ok_or(InvalidPadding)?;
    let length = u32::from_be_bytes(*length) as usize;
    let (content, zeros) = rest.split_at_checked(length).ok_or(InvalidPadding)?;
    if padded.len() != size_class(length) || zeros.iter().any(|byte| *byte != 0) {
        return Err(InvalidPadding);
    }
    Ok(content.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn padme_matches_the_paper() {
        // Table of the paper's reference implementation: cost at most 12 %, fixed points at powers of two.
        for (n, padded) in [(9, 10), (100, 104), (512, 512), (513, 544), (1000, 1024), (1 << 20, 1 << 20)] {
            assert_eq!(padme(n), padded, "{n}");
        }
    }

    #[test]
    fn small_contents_look_alike() {
        assert!([0, 1, 32, 33, 256, 508].iter().all(|n| size_class(*n) == 512));
    }

    proptest! {
        #[test]
        fn round_trip(content in proptest::collection::vec(any::<u8>(), 0..3000)) {
            prop_assert_eq!(unpad(&pad(&content)), Ok(content));
        }

        #[test]
        fn only_canonical(bytes in proptest::collection::vec(any::<u8>(), 0..1000)) {
            if let Ok(content) = unpad(&bytes) {
                prop_assert_eq!(pad(&content), bytes);
            }
        }
    }
}
