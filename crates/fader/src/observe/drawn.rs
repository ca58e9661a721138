//! A flag for which a unit of work was drawn.

use std::fmt;
use std::time::Duration;

use crate::attributes::{Attributes, Value};
use crate::decision::Decision;
use crate::evaluate::reach_of;
use crate::hash;
use crate::percent::Percent;
use crate::ruleset::condition::unit;
use crate::ruleset::{Flag, FlagId, Rule, Unit};
use crate::snapshot::Live;
use crate::time::Timestamp;

/// The two sides of a draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Arm {
    /// Drawn and not enrolled.
    Stable,
    /// Drawn and enrolled.
    Gray,
}

impl Arm {
    /// Returns the arm's name: `stable` or `gray`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Gray => "gray",
        }
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A flag for which a unit of work was drawn: who, by which rule, into which arm.
///
/// It is lent to sinks for the time of a call. Working out the unit's hash takes a hash of its bytes, all else is read.
#[derive(Clone, Copy)]
pub struct DrawnFlag<'a> {
    live: &'a Live,
    id: FlagId,
    decision: Decision,
    whose: Whose<'a>,
}

/// Whose unit of work it is, and when it began.
#[derive(Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub(crate) attributes: &'a dyn Attributes,
    pub(crate) now: Timestamp,
    pub(crate) tick: u32,
}

impl<'a> DrawnFlag<'a> {
    /// `None` for a decision that no draw took part in.
    pub(crate) fn new(
        live: &'a Live,
        id: FlagId,
        decision: Decision,
        whose: Whose<'a>,
    ) -> Option<Self> {
        decision.draw()?;
        Some(Self {
            live,
            id,
            decision,
            whose,
        })
    }

    #[inline]
    fn compiled(&self) -> Option<&'a Flag> {
        self.live.ruleset.flag(self.id).map(|flag| &**flag)
    }

    #[inline]
    fn drawing_rule(&self) -> Option<&'a Rule> {
        let (rule, _) = self.decision.draw()?;
        self.compiled()?.rules.get(usize::from(rule))
    }

    /// Returns the flag's name.
    #[must_use]
    pub fn flag(&self) -> &'a str {
        self.compiled().map_or("", |flag| &flag.name)
    }

    /// Returns the flag's number, which it keeps for the life of the handle. Numbers count the flags that the handle has
    /// ever had, from 0 on, so that a sink can keep its counts by them.
    #[inline]
    #[must_use]
    pub fn index(&self) -> u32 {
        self.id.0
    }

    /// Returns the name of the rule that drew last or, where it has none, its place, such as `rules[2]`.
    #[must_use]
    pub fn rule(&self) -> &'a str {
        self.drawing_rule().map_or("", |rule| &rule.label)
    }

    /// Returns the side on which the unit is.
    #[inline]
    #[must_use]
    pub fn arm(&self) -> Arm {
        match self.decision.draw() {
            Some((_, true)) => Arm::Gray,
            _ => Arm::Stable,
        }
    }

    /// Tells whether an open wave of a staged ramp enrolled the unit: by what it is and not by chance, so that it says
    /// nothing in a comparison of the arms.
    #[inline]
    #[must_use]
    pub fn is_wave(&self) -> bool {
        self.decision.is_wave()
    }

    /// Returns the percent of the rule under which the draw was made: the overlay's, or else the document's; of a clock
    /// ramp where it stood when the unit of work began; 100 for weights alone. Waves are not in it.
    #[inline]
    #[must_use]
    pub fn share(&self) -> Percent {
        let (Some((rule, _)), Some(drawing)) = (self.decision.draw(), self.drawing_rule()) else {
            return Percent::ZERO;
        };
        let draw = drawing.draw.as_ref();
        draw.map_or(Percent::ZERO, |draw| {
            reach_of(self.live, self.id, rule, &draw.share, self.whose.now).percent()
        })
    }

    /// Returns the tick in which the unit of work began: the number that the controller had set when the scope was made,
    /// see [`RampControl::begin_tick`](crate::RampControl::begin_tick). It is the same at its beginning and at its end;
    /// 0 where no controller runs.
    #[inline]
    #[must_use]
    pub fn tick(&self) -> u32 {
        self.whose.tick
    }

    /// Returns the variant that is served.
    #[must_use]
    pub fn variant(&self) -> Option<&'a str> {
        let variant = self.compiled()?.variant(self.decision.variant()?)?;
        Some(&variant.name)
    }

    /// Tells whether the rule that drew is a staged ramp.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        self.compiled().is_some_and(Flag::is_guarded)
    }

    /// Returns the attribute whose value is the unit, such as `visitor`; `None` where it is a constant of the process.
    #[must_use]
    pub fn by(&self) -> Option<&'a str> {
        match &self.drawing_rule()?.draw.as_ref()?.unit {
            Unit::Attribute(attribute) => Some(&attribute.name),
            Unit::Constant(_) => None,
        }
    }

    /// Returns a hash of the unit, the same under every salt and independent of every position and place:
    /// `XXH3_64(utf8(unit), seed = XXH3_64("fader unit"))`. It tells units apart, and chooses samples of them.
    #[inline]
    #[must_use]
    pub fn unit_hash(&self) -> Option<u64> {
        let mut digits = itoa::Buffer::new();
        let value = match &self.drawing_rule()?.draw.as_ref()?.unit {
            Unit::Attribute(attribute) => self.whose.attributes.get(attribute.as_name())?,
            Unit::Constant(value) => Value::as_ref(value),
        };
        unit(value, &mut digits).map(hash::unit)
    }

    /// Returns how long the unit has been known, where the attributes tell: a visitor since the cookie was made.
    #[inline]
    #[must_use]
    pub fn unit_age(&self) -> Option<Duration> {
        match &self.drawing_rule()?.draw.as_ref()?.unit {
            Unit::Attribute(attribute) => self.whose.attributes.age(attribute.as_name()),
            Unit::Constant(_) => None,
        }
    }

    /// Returns the version of the document under which the draw was made.
    #[must_use]
    pub fn version(&self) -> &'a str {
        &self.live.ruleset.version
    }

    /// Returns the version of the overlay under which the draw was made; 0 where there is none.
    #[must_use]
    pub fn overlay_version(&self) -> u64 {
        self.live.overlay.version()
    }

    /// Tells flag, arm and variant of a unit apart from all others, for removing duplicates.
    pub(crate) fn exposure_hashes(&self) -> (u64, u64) {
        let who = hash::mix(self.unit_hash().unwrap_or(0), self.flag());
        (who, hash::mix(who, self.variant().unwrap_or("")))
    }
}

/// It names no unit: what a request says of a person is not for logs.
impl fmt::Debug for DrawnFlag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrawnFlag")
            .field("flag", &self.flag())
            .field("rule", &self.rule())
            .field("arm", &self.arm())
            .field("variant", &self.variant())
            .finish_non_exhaustive()
    }
}
