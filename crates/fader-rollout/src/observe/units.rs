//! How many units a run has seen.
//!
//! Linear counting (Whang, Vander-Zanden & Taylor 1990): a unit sets the bit that its hash names, and from the number n of
//! bits that are set of m follow about −m·ln(1 − n/m) units. A map of 65,536 bits is good for some 250,000 units; a
//! second one takes one unit in 64 and is good for 30 million. It is right within some percent at any number, and costs
//! 16 KiB an arm. A bit that is set is only read, so that the threads share its line.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::hashes::Seeing;
use crate::guardrail::Arms;

const BITS: u32 = 1 << 16;

/// How many words a map has.
const WORDS: usize = (BITS / 64) as usize;

/// From so many bits on the first map is too full.
const FULL: u32 = BITS / 100 * 98;

/// The units of a run, by arm.
#[derive(Debug, Default)]
pub(crate) struct Units {
    candidate: Seen,
    stable: Seen,
}

impl Units {
    pub(crate) fn see(&self, enrolled: bool, seeing: Seeing) {
        if enrolled {
            self.candidate.see(seeing);
        } else {
            self.stable.see(seeing);
        }
    }

    /// Returns the bits that were set since the last time, of which `known` holds the words.
    pub(crate) fn news(&self, known: &mut Vec<u64>) -> Vec<u32> {
        known.resize(4 * WORDS, 0);
        let mut news = Vec::new();
        let words = self.maps().into_iter().flat_map(|map| map.words.iter());
        for ((word, known), at) in words.zip(known).zip(0_u32..) {
            let now = word.load(Ordering::Relaxed);
            let mut fresh = now & !*known;
            while fresh != 0 {
                news.push(at * 64 + fresh.trailing_zeros());
                fresh &= fresh - 1;
            }
            *known = now;
        }
        news
    }

    /// Sets bits that another process has seen.
    pub(crate) fn recall(&self, bits: &[u32]) {
        for bit in bits {
            let (map, bit) = ((bit / BITS) as usize, (bit % BITS) as usize);
            if let Some(map) = self.maps().get(map) {
                map.set(bit);
            }
        }
    }

    fn maps(&self) -> [&Map; 4] {
        let Self { candidate, stable } = self;
        [
            &candidate.all,
            &candidate.sampled,
            &stable.all,
            &stable.sampled,
        ]
    }

    /// About how many there were.
    pub(crate) fn count(&self) -> Arms {
        Arms {
            candidate: self.candidate.count(),
            stable: self.stable.count(),
        }
    }
}

#[derive(Debug, Default)]
struct Seen {
    all: Map,
    sampled: Map,
}

impl Seen {
    fn see(&self, seeing: Seeing) {
        self.all.set(seeing.bit());
        if seeing.is_sampled() {
            self.sampled.set(seeing.bit());
        }
    }

    fn count(&self) -> u32 {
        if self.all.ones() < FULL {
            self.all.count()
        } else {
            self.sampled.count().saturating_mul(64)
        }
    }
}

#[derive(Debug)]
struct Map {
    words: Box<[AtomicU64]>,
    ones: AtomicU32,
}

impl Default for Map {
    fn default() -> Self {
        Self {
            words: (0..BITS / 64).map(|_| AtomicU64::new(0)).collect(),
            ones: AtomicU32::new(0),
        }
    }
}

impl Map {
    fn set(&self, bit: usize) {
        let mask = 1 << (bit % 64);
        let Some(word) = self.words.get(bit / 64) else {
            return;
        };
        if word.load(Ordering::Relaxed) & mask == 0
            && word.fetch_or(mask, Ordering::Relaxed) & mask == 0
        {
            self.ones.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn ones(&self) -> u32 {
        self.ones.load(Ordering::Relaxed)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to 727,000"
    )]
    fn count(&self) -> u32 {
        let bits = f64::from(BITS);
        // A full map says as many as one with a single empty bit.
        let empty = f64::from(BITS.saturating_sub(self.ones()).max(1));
        (bits * (bits / empty).ln()).round() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_within_some_percent_from_one_to_thirty_million() {
        let units = Units::default();
        let mut next: u32 = 0;
        for exact in [
            1, 10, 100, 1_000, 30_000, 200_000, 300_000, 1_000_000, 30_000_000,
        ] {
            while next < exact {
                next += 1;
                for _ in 0..1 + next % 2 {
                    let unit = u64::from(next).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    units.see(true, Seeing::of(unit));
                }
            }
            let counted = f64::from(units.count().candidate);
            let error = counted / f64::from(exact) - 1.0;
            println!("{exact} units, counted {counted}");
            assert!(error.abs() < 0.04, "{exact} units, counted {counted}");
        }
        assert_eq!(units.count().stable, 0);
    }
}
