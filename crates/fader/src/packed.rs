//! Short texts as numbers, so that one comparison tells two of them apart.
//!
//! Comparing two strings calls a function and walks both; names of attributes, country codes, plans and brands are
//! shorter than that is worth. Packing reads a text in two overlapping loads, without a loop.

/// A text of up to [`LONGEST`](Self::LONGEST) bytes: equal for equal texts only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    low: u64,
    /// The bytes from the ninth on, and the length in the topmost.
    high: u64,
}

impl Packed {
    /// The longest text that fits, in bytes.
    pub(crate) const LONGEST: usize = 15;

    /// Packs a text; `None` if it is too long.
    #[inline]
    pub(crate) fn new(text: &[u8]) -> Option<Self> {
        let len = text.len();
        let (low, rest) = match (text.first_chunk(), text.last_chunk()) {
            (Some(first), Some(last)) if len <= Self::LONGEST => {
                // In two steps, since for eight bytes there is nothing left and a shift by 64 is none.
                let last = u64::from_le_bytes(*last) >> 1 >> (8 * (16 - len) - 1);
                (u64::from_le_bytes(*first), last)
            }
            (Some(_), _) => return None,
            _ => (short(text), 0),
        };
        let high = rest | (len as u64) << 56;
        Some(Self { low, high })
    }

    /// Packs a text, or its hash where it is too long: [`is_whole`](Self::is_whole) tells which.
    #[inline]
    pub(crate) fn or_hash(text: &[u8], hash: u64) -> Self {
        // A length of 255 is none of a packed text.
        let high = u64::MAX;
        Self::new(text).unwrap_or(Self { low: hash, high })
    }

    /// Returns whether this is the text itself, so that equal means equal.
    #[inline]
    pub(crate) fn is_whole(self) -> bool {
        self.high != u64::MAX
    }

    /// Returns a few bits that tell most texts apart.
    #[inline]
    pub(crate) fn mix(self) -> u64 {
        (self.low ^ self.high).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
    }

    /// Returns the bytes that were packed.
    pub(crate) fn bytes(self) -> ([u8; 16], usize) {
        let whole = u128::from(self.low) | u128::from(self.high) << 64;
        let bytes = whole.to_le_bytes();
        (bytes, usize::from(bytes[15]))
    }
}

/// Packs a text of up to seven bytes.
#[inline]
fn short(text: &[u8]) -> u64 {
    let len = text.len();
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return u64::from(first) | u64::from(last) << (8 * (len - 4));
    }
    let byte = |at: usize| text.get(at).map_or(0, |byte| u64::from(*byte) << (8 * at));
    byte(0) | byte(1) | byte(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_apart_and_read_back() {
        let alphabet: Vec<u8> = (0..=15).chain([b'a', 0xFF]).collect();
        let mut texts: Vec<Vec<u8>> = Vec::new();
        for len in 0..=Packed::LONGEST {
            texts.push((0..len).map(|at| alphabet[at]).collect());
            for at in 0..len {
                for byte in [0, 1, 0x80, 0xFF] {
                    let mut text = vec![b'a'; len];
                    text[at] = byte;
                    texts.push(text);
                }
            }
        }
        texts.sort();
        texts.dedup();
        for a in &texts {
            let packed = Packed::new(a).unwrap();
            let (bytes, len) = packed.bytes();
            assert_eq!(&bytes[..len], a);
            for b in &texts {
                assert_eq!(packed == Packed::new(b).unwrap(), a == b, "{a:?} {b:?}");
            }
        }
        assert!(Packed::new(&[0; 16]).is_none());
    }
}
