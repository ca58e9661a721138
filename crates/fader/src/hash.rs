//! From a unit to its place: the one module that hashes.
//!
//! Which users a rollout reaches is decided by two numbers that depend on nothing but text:
//!
//! ```text
//! seed(salt, n)     = XXH3_64(utf8(salt), seed = n)
//! position(unit)    = XXH3_64(utf8(unit), seed = seed(salt, 0))   enrolment, for `percent` and `ramp`
//! place(unit)       = XXH3_64(utf8(unit), seed = seed(salt, 1))   for a split: independent of enrolment
//! threshold(micros) = floor(micros · 2^64 / 100_000_000)          micros = percent · 10^6, an exact integer
//! enrolled          = micros == 100_000_000  or  position < threshold
//! ```
//!
//! It is a promise: users keep their place for ever, so a change here is a breaking release (ADR 0001). Any language
//! with XXH3 can repeat it; `tests/data/positions.json` holds vectors.
//!
//! Everything else that is hashed in this crate (attribute names, list ids, contents) goes through this module too.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128};

use crate::percent::Percent;

/// Returns the place of `unit` in 0..2^64 that decides enrolment under `salt`: the unit is among the first so many
/// percent if this is below their [`threshold`].
///
/// ```
/// assert_eq!(fader::hash::position("new-checkout", "user-42"), 11_971_452_755_194_587_121);
/// ```
#[must_use]
pub fn position(salt: &str, unit: &str) -> u64 {
    Salt::new(salt).position(unit.as_bytes())
}

/// Returns the place of `unit` in 0..2^64 that decides its variant in a split under `salt`, independent of its
/// [`position`].
///
/// ```
/// assert_eq!(fader::hash::place("new-checkout", "user-42"), 4_537_256_112_281_565_220);
/// ```
#[must_use]
pub fn place(salt: &str, unit: &str) -> u64 {
    Salt::new(salt).place(unit.as_bytes())
}

/// Returns the position below which a unit is enrolled: `floor(micros · 2^64 / 100_000_000)`, 2^64 for 100 %.
///
/// ```
/// assert_eq!(fader::hash::threshold("50".parse()?), 1 << 63);
/// # Ok::<(), fader::ParsePercentError>(())
/// ```
#[must_use]
pub fn threshold(percent: Percent) -> u128 {
    (u128::from(percent.micros()) << 64) / u128::from(Percent::HUNDRED.micros())
}

/// The two seeds of a salt, made once when a rule is compiled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Salt {
    enrolment: u64,
    split: u64,
}

impl Salt {
    pub(crate) fn new(salt: &str) -> Self {
        Self {
            enrolment: xxh3_64_with_seed(salt.as_bytes(), 0),
            split: xxh3_64_with_seed(salt.as_bytes(), 1),
        }
    }

    #[inline]
    pub(crate) fn position(self, unit: &[u8]) -> u64 {
        xxh3_64_with_seed(unit, self.enrolment)
    }

    #[inline]
    pub(crate) fn place(self, unit: &[u8]) -> u64 {
        xxh3_64_with_seed(unit, self.split)
    }
}

/// How far the enrolled reach in 0..2^64: a [`threshold`] that fits the comparison, 2^64 included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reach {
    /// Every position: 100 %.
    pub(crate) everyone: bool,
    /// Else the positions below this one; 0 is nobody.
    pub(crate) below: u64,
}

impl Reach {
    pub(crate) const NOBODY: Self = Self {
        everyone: false,
        below: 0,
    };
    pub(crate) const EVERYONE: Self = Self {
        everyone: true,
        below: 0,
    };

    pub(crate) fn of(percent: Percent) -> Self {
        match u64::try_from(threshold(percent)) {
            Ok(below) => Self {
                everyone: false,
                below,
            },
            Err(_) => Self::EVERYONE,
        }
    }

    /// Returns the percent that reaches so far: thresholds of two percents are never the same.
    #[inline]
    pub(crate) fn percent(self) -> Percent {
        if self.everyone {
            return Percent::HUNDRED;
        }
        let micros = u128::from(self.below) * u128::from(Percent::HUNDRED.micros());
        let micros = u32::try_from(micros.div_ceil(1 << 64)).ok();
        micros.and_then(Percent::from_micros).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn covers(self, position: u64) -> bool {
        self.everyone || position < self.below
    }
}

/// The hash that goes with an attribute's name.
#[inline]
pub(crate) fn attribute(name: &str) -> u64 {
    xxh3_64(name.as_bytes())
}

/// The hash of a name in tables that only loading fills: whoever writes documents has no need to aim collisions.
#[inline]
pub(crate) fn name(name: &str) -> u64 {
    xxh3_64(name.as_bytes())
}

/// `XXH3_64("fader unit")`.
const UNIT_SEED: u64 = 0xb814_3619_1015_f974;

/// Tells units apart, and chooses samples of them, independently of every salt.
#[inline]
pub(crate) fn unit(unit: &[u8]) -> u64 {
    xxh3_64_with_seed(unit, UNIT_SEED)
}

/// Hashes a text on top of another hash.
pub(crate) fn mix(hash: u64, text: &str) -> u64 {
    xxh3_64_with_seed(text.as_bytes(), hash)
}

/// Hashes names and identities for maps that only loading fills: whoever writes documents has no need to aim collisions.
#[derive(Clone, Debug, Default)]
pub(crate) struct NameHasher(u64);

pub(crate) type NameHashing = std::hash::BuildHasherDefault<NameHasher>;

impl std::hash::Hasher for NameHasher {
    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0 ^= xxh3_64(bytes);
    }

    /// A text ends with a byte of its own, which one text alone does not need.
    #[inline]
    fn write_u8(&mut self, _: u8) {}
}

/// The key of a list's id under the seed of this process.
#[inline]
pub(crate) fn list_key(id: &[u8], seed: u64) -> u64 {
    xxh3_64_with_seed(id, seed)
}

/// Tells contents apart: equal only for equal bytes, for any purpose of ours.
pub(crate) fn identity(content: &[u8]) -> u128 {
    xxh3_128(content)
}

/// An identity kept in words of eight bytes: a `u128` would align what it stands in to 16.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fingerprint([u64; 2]);

impl Fingerprint {
    pub(crate) fn get(self) -> u128 {
        let [high, low] = self.0.map(u128::from);
        high << 64 | low
    }
}

impl From<u128> for Fingerprint {
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    fn from(identity: u128) -> Self {
        Self([(identity >> 64) as u64, identity as u64])
    }
}

/// Tells pairs of contents apart.
pub(crate) fn identity_of(first: &[u8], second: &[u8]) -> u128 {
    if second.is_empty() {
        return identity(first);
    }
    let mut state = xxhash_rust::xxh3::Xxh3::new();
    state.update(&identity(first).to_le_bytes());
    state.update(&identity(second).to_le_bytes());
    state.digest128()
}

/// Tells lists of texts apart, and what is done with them.
pub(crate) fn identity_of_all<'t>(texts: impl IntoIterator<Item = &'t str>, flag: bool) -> u128 {
    texts.into_iter().fold(u128::from(flag), |all, text| {
        let pair = [all, identity(text.as_bytes())].map(u128::to_le_bytes);
        identity(pair.as_flattened())
    })
}

/// The version of a document without a revision: 16 hex digits of `XXH3_64` over its parts, one after the other.
pub(crate) fn version<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut state = xxhash_rust::xxh3::Xxh3::new();
    for part in parts {
        state.update(part);
    }
    format!("{:016x}", state.digest())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(micros: u32) -> Percent {
        Percent::from_micros(micros).unwrap()
    }

    #[test]
    fn the_seed_of_units_is_a_hash_of_their_name() {
        assert_eq!(UNIT_SEED, xxh3_64(b"fader unit"));
    }

    #[test]
    fn thresholds_are_exact() {
        assert_eq!(threshold(Percent::ZERO), 0);
        assert_eq!(threshold(percent(1)), (1_u128 << 64) / 100_000_000);
        assert_eq!(threshold(percent(50_000_000)), 1 << 63);
        assert_eq!(threshold(Percent::HUNDRED), 1 << 64);
    }

    #[test]
    fn a_position_equal_to_the_threshold_is_outside() {
        let half = Reach::of(percent(50_000_000));
        assert!(half.covers((1 << 63) - 1));
        assert!(!half.covers(1 << 63));
        assert!(!Reach::of(Percent::ZERO).covers(0));
        assert!(Reach::of(Percent::HUNDRED).covers(u64::MAX));
        assert!(!Reach::of(percent(99_999_999)).covers(u64::MAX));
    }

    #[test]
    fn enrolment_and_split_are_seeded_apart() {
        assert_ne!(position("s", "u"), place("s", "u"));
        assert_eq!(
            position("", "u"),
            xxh3_64_with_seed(b"u", xxh3_64_with_seed(b"", 0))
        );
    }
}
