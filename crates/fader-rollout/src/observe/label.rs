//! How a unit of work was drawn, in one word.

use fader::Percent;

/// Under which share, into which arm, by chance or by a wave. It is as it was at the draw, whatever is live later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Label(u32);

/// A share has millionths of a percent up to 100,000,000, which is below 2²⁷.
const SHARE: u32 = (1 << 27) - 1;
const ENROLLED: u32 = 1 << 27;
const WAVE: u32 = 1 << 28;

impl Label {
    pub(crate) const fn new(share: Percent, enrolled: bool, wave: bool) -> Self {
        let mut bits = share.micros();
        if enrolled {
            bits |= ENROLLED;
        }
        if wave {
            bits |= WAVE;
        }
        Self(bits)
    }

    pub(crate) fn share(self) -> Percent {
        Percent::from_micros(self.0 & SHARE).unwrap_or_default()
    }

    pub(crate) const fn is_enrolled(self) -> bool {
        self.0 & ENROLLED != 0
    }

    pub(crate) const fn is_wave(self) -> bool {
        self.0 & WAVE != 0
    }

    /// The same for both arms: what makes a stratum.
    pub(crate) const fn lane(self) -> Self {
        Self(self.0 & !ENROLLED)
    }

    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    /// Returns the label that has these bits, `None` if none has.
    pub(crate) fn of_bits(bits: u32) -> Option<Self> {
        let known = bits <= SHARE | ENROLLED | WAVE;
        Percent::from_micros(bits & SHARE)
            .filter(|_| known)
            .map(|_| Self(bits))
    }
}
