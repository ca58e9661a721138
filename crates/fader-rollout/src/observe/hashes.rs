//! Independent choices made from the hash of a unit.
//!
//! The core's hash of a unit is independent of routing. Each choice here takes bits of its own of a remix of it, so that
//! none tells anything of another: which units are kept when there are too many, who is checked for the assignment,
//! where a unit's bit is.

/// Remixes a hash: the finaliser of `SplitMix64` (Steele, Lea & Flood 2014), seeded by addition.
const fn remix(unit: u64, seed: u64) -> u64 {
    let mut bits = unit.wrapping_add(seed);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Choices for what is kept of bad units.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keeping(u64);

impl Keeping {
    pub(crate) const fn of(unit: u64) -> Self {
        Self(remix(unit, 0x9e37_79b9_7f4a_7c15))
    }

    /// At least n for one unit in 2ⁿ, up to 23.
    pub(crate) const fn level(self) -> u32 {
        (self.0 | 1 << 23).trailing_zeros()
    }

    /// A place among `count`, a power of two up to 256.
    pub(crate) const fn place(self, count: usize) -> usize {
        (self.0 >> 24 & 0xff) as usize & (count - 1)
    }

    /// 32 bits of the unit and something else, to tell them from a sum that looks like them.
    pub(crate) const fn check(self, with: u32) -> u32 {
        (remix(self.0, with as u64) >> 32) as u32
    }
}

/// Choices for what is seen of all units.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeing(u64);

impl Seeing {
    pub(crate) const fn of(unit: u64) -> Self {
        Self(remix(unit, 0x3c6e_f372_fe94_f82a))
    }

    /// One unit in 64 is asked whether the assignment is right.
    pub(crate) const fn is_checked(self) -> bool {
        self.0 >> 58 == 0
    }

    /// One unit in 64 stands for all where there are too many.
    pub(crate) const fn is_sampled(self) -> bool {
        (self.0 >> 52) & 63 == 0
    }

    /// A place in 0..2¹⁶.
    pub(crate) const fn bit(self) -> usize {
        (self.0 & 0xffff) as usize
    }
}
