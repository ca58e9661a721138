//! What evaluation answers: a decision in one word, and the resolution made of it.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;

use crate::overrides::Forced;
use crate::ruleset::{Flag, FlagId, Variant};
use crate::snapshot::Live;

/// Why a flag resolved as it did: the reasons of [OpenFeature], spelled the same.
///
/// [OpenFeature]: https://openfeature.dev/specification/types#resolution-reason
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The flag is enabled and has no rules.
    Static,
    /// There are rules and none decided.
    Default,
    /// A rule without a percent, ramp or weights decided.
    TargetingMatch,
    /// A rule with a percent, ramp or weights decided.
    Split,
    /// The flag is disabled or killed.
    Disabled,
    /// The value may be out of date. Evaluation never gives it; [`Flags::status`](crate::Flags::status) tells.
    Stale,
    /// There is an error code.
    Error,
    /// An override decided, in a test.
    Forced,
}

impl Reason {
    /// Returns the reason's name, such as `TARGETING_MATCH`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Static => "STATIC",
            Self::Default => "DEFAULT",
            Self::TargetingMatch => "TARGETING_MATCH",
            Self::Split => "SPLIT",
            Self::Disabled => "DISABLED",
            Self::Stale => "STALE",
            Self::Error => "ERROR",
            Self::Forced => "FORCED",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What went wrong where the reason is [`Reason::Error`]: the codes of `OpenFeature`, spelled the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The document has no such flag.
    FlagNotFound,
    /// The flag has errors in the document and never had a good form.
    ParseError,
    /// No document has been loaded.
    ProviderNotReady,
    /// The context could not be read.
    InvalidContext,
}

impl ErrorCode {
    /// Returns the code's name, such as `FLAG_NOT_FOUND`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FlagNotFound => "FLAG_NOT_FOUND",
            Self::ParseError => "PARSE_ERROR",
            Self::ProviderNotReady => "PROVIDER_NOT_READY",
            Self::InvalidContext => "INVALID_CONTEXT",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An answer in one word, so that a scope can keep it in one atomic: code, variant, rule, draw.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Decision(NonZeroU64);

/// The most rules or variants that a flag may have: their numbers, one above, fit 16 bits.
pub(crate) const MAX_ITEMS: usize = u16::MAX as usize - 1;

const VARIANT: u32 = 4;
const RULE: u32 = 20;
const DRAWN: u32 = 36;
const ENROLLED: u64 = 1 << 52;
const WAVE: u64 = 1 << 53;

/// The last rule that drew, as a decision keeps it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LastDraw(u64);

impl LastDraw {
    #[inline]
    pub(crate) fn by_rule(rule: u16, enrolled: bool) -> Self {
        Self(field(rule, DRAWN) | if enrolled { ENROLLED } else { 0 })
    }

    /// Enrolled without chance, by a wave of a staged ramp.
    pub(crate) fn by_wave(rule: u16) -> Self {
        Self(field(rule, DRAWN) | ENROLLED | WAVE)
    }
}

/// Places a number, one above so that 0 is for none.
#[inline]
fn field(number: u16, shift: u32) -> u64 {
    (u64::from(number) + 1) << shift
}

impl Decision {
    /// Set by a scope when its owner asked for the flag, rather than another flag's rule.
    const ASKED: u64 = 1 << 63;
    /// Set by a scope when how it ended has been told to the sinks, or never will be.
    const SETTLED: u64 = 1 << 62;

    /// Makes a decision that serves no variant.
    #[inline]
    pub(crate) fn of(code: Code) -> Self {
        // INVARIANT: no code is 0, so nothing is added to one that is.
        Self(NonZeroU64::new(code as u64).unwrap_or(NonZeroU64::MIN))
    }

    #[inline]
    fn with(self, bits: u64) -> Self {
        Self(self.0 | bits)
    }

    #[inline]
    pub(crate) fn serving(self, variant: u16) -> Self {
        self.with(field(variant, VARIANT))
    }

    #[inline]
    pub(crate) fn by_rule(self, rule: u16) -> Self {
        self.with(field(rule, RULE))
    }

    #[inline]
    pub(crate) fn drawn(self, draw: LastDraw) -> Self {
        self.with(draw.0)
    }

    #[inline]
    pub(crate) fn to_word(self) -> u64 {
        self.0.get()
    }

    /// Reads a kept word; 0 is none.
    #[inline]
    pub(crate) fn from_word(word: u64) -> Option<Self> {
        NonZeroU64::new(word).map(Self)
    }

    /// The word's bits by which a scope notes what became of a decision.
    pub(crate) const fn bits_of(note: Note) -> u64 {
        match note {
            Note::Asked => Self::ASKED,
            Note::Settled => Self::SETTLED,
        }
    }

    /// The same, asked for by the scope's owner.
    #[inline]
    pub(crate) fn asked(self) -> Self {
        self.with(Self::ASKED)
    }

    #[inline]
    pub(crate) fn was_asked(self) -> bool {
        self.to_word() & Self::ASKED != 0
    }

    pub(crate) fn is_killed(self) -> bool {
        self.code() == Code::Disabled
    }

    pub(crate) fn was_settled(self) -> bool {
        self.to_word() & Self::SETTLED != 0
    }

    #[inline]
    fn field(self, shift: u32) -> Option<u16> {
        #[expect(clippy::cast_possible_truncation, reason = "a field of 16 bits")]
        let number = (self.to_word() >> shift) as u16;
        number.checked_sub(1)
    }

    /// Returns the variant's number, or one that no variant has.
    #[inline]
    pub(crate) fn variant_index(self) -> usize {
        ((self.to_word() >> VARIANT) as usize & 0xFFFF).wrapping_sub(1)
    }

    #[inline]
    pub(crate) fn variant(self) -> Option<u16> {
        self.field(VARIANT)
    }

    pub(crate) fn rule(self) -> Option<u16> {
        self.field(RULE)
    }

    pub(crate) fn draw(self) -> Option<(u16, bool)> {
        let enrolled = self.to_word() & ENROLLED != 0;
        self.field(DRAWN).map(|rule| (rule, enrolled))
    }

    /// Tells whether a wave of a staged ramp enrolled the unit.
    pub(crate) fn is_wave(self) -> bool {
        self.to_word() & WAVE != 0
    }

    pub(crate) fn code(self) -> Code {
        match self.to_word() & 15 {
            1 => Code::Static,
            2 => Code::Default,
            3 => Code::TargetingMatch,
            4 => Code::Split,
            5 => Code::Disabled,
            6 => Code::NotFound,
            7 => Code::SetAside,
            _ => Code::NotReady,
        }
    }
}

/// What a scope notes beside a decision that it keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Note {
    Asked,
    Settled,
}

/// How a decision came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Static = 1,
    Default = 2,
    TargetingMatch = 3,
    Split = 4,
    Disabled = 5,
    NotFound = 6,
    SetAside = 7,
    NotReady = 8,
}

impl Code {
    fn reason(self) -> Reason {
        match self {
            Self::Static => Reason::Static,
            Self::Default => Reason::Default,
            Self::TargetingMatch => Reason::TargetingMatch,
            Self::Split => Reason::Split,
            Self::Disabled => Reason::Disabled,
            Self::NotFound | Self::SetAside | Self::NotReady => Reason::Error,
        }
    }

    fn error_code(self) -> Option<ErrorCode> {
        match self {
            Self::NotFound => Some(ErrorCode::FlagNotFound),
            Self::SetAside => Some(ErrorCode::ParseError),
            Self::NotReady => Some(ErrorCode::ProviderNotReady),
            _ => None,
        }
    }
}

/// The last rule of a flag that hashed a unit, and whether the unit was among those it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Draw<'a> {
    /// The rule's name, or its place, such as `rules[2]`.
    pub rule: &'a str,
    /// Whether the unit was enrolled.
    pub enrolled: bool,
    /// Whether an open wave of a staged ramp enrolled it, by what it is and not by chance.
    pub wave: bool,
}

/// How a flag resolved: value and variant, and how that came about.
///
/// It stays good for as long as it is held, whatever is loaded meanwhile. It holds the ruleset that answered, as a
/// [`Snapshot`](crate::Snapshot) does: making one copies no text and allocates nothing, and one that is kept for long
/// keeps that version of the document in memory.
#[derive(Clone)]
pub struct Resolution {
    pub(crate) live: Arc<Live>,
    pub(crate) answer: Answer,
}

#[derive(Clone)]
pub(crate) enum Answer {
    Decided(FlagId, Decision),
    Failed(Decision),
    /// A forced value, and the variant of the flag that has it, if there is one.
    Forced(Arc<Forced>, Option<(FlagId, u16)>),
}

impl Resolution {
    fn decision(&self) -> Option<Decision> {
        match &self.answer {
            Answer::Decided(_, decision) | Answer::Failed(decision) => Some(*decision),
            Answer::Forced(..) => None,
        }
    }

    fn flag(&self) -> Option<&Flag> {
        match &self.answer {
            Answer::Decided(id, _) => self.live.ruleset.flag(*id).map(|flag| &**flag),
            _ => None,
        }
    }

    /// Returns the variant of the document that is served.
    fn served(&self) -> Option<&Variant> {
        let (id, variant) = match &self.answer {
            Answer::Decided(id, decision) => (*id, decision.variant()?),
            Answer::Forced(_, variant) => (*variant)?,
            Answer::Failed(_) => return None,
        };
        self.live.ruleset.flag(id)?.variant(variant)
    }

    /// Returns the value; `None` where the caller's default holds: the flag is unknown, set aside, or disabled without
    /// an `off` variant.
    #[must_use]
    pub fn value(&self) -> Option<&serde_json::Value> {
        match (&self.answer, self.served()) {
            (Answer::Forced(forced, _), None) => Some(&forced.value),
            (_, served) => Some(&served?.value),
        }
    }

    /// Returns the variant's name; `None` where the caller's default holds.
    #[must_use]
    pub fn variant(&self) -> Option<&str> {
        match (&self.answer, self.served()) {
            (Answer::Forced(forced, _), None) => forced.variant,
            (_, served) => Some(&served?.name),
        }
    }

    /// Returns why the flag resolved so.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.decision()
            .map_or(Reason::Forced, |decision| decision.code().reason())
    }

    /// Returns what went wrong, where the reason is [`Reason::Error`].
    #[must_use]
    pub fn error_code(&self) -> Option<ErrorCode> {
        self.decision()?.code().error_code()
    }

    /// Returns the deciding rule's name or, where it has none, its place, such as `rules[2]`.
    #[must_use]
    pub fn rule(&self) -> Option<&str> {
        self.label(self.decision()?.rule()?)
    }

    /// Returns the last rule that hashed a unit: also one that then did not decide, because the unit was not enrolled.
    #[must_use]
    pub fn draw(&self) -> Option<Draw<'_>> {
        let decision = self.decision()?;
        let (rule, enrolled) = decision.draw()?;
        Some(Draw {
            rule: self.label(rule)?,
            enrolled,
            wave: decision.is_wave(),
        })
    }

    /// Returns the version of the document that answered: its revision, or 16 hex digits of a hash of its bytes; empty
    /// before a document has been loaded.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.live.ruleset.version
    }

    /// Returns the flag's free-form metadata.
    #[must_use]
    pub fn metadata(&self) -> Option<&serde_json::Value> {
        self.flag()?.about.as_ref()?.metadata.as_ref()
    }

    fn label(&self, rule: u16) -> Option<&str> {
        Some(&self.flag()?.rules.get(usize::from(rule))?.label)
    }
}

impl fmt::Debug for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolution")
            .field("value", &self.value())
            .field("variant", &self.variant())
            .field("reason", &self.reason())
            .field("error_code", &self.error_code())
            .field("rule", &self.rule())
            .field("version", &self.version())
            .field("draw", &self.draw())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_keeps_every_part() {
        let last = u16::try_from(MAX_ITEMS).unwrap();
        for number in [None, Some(0), Some(7), Some(last)] {
            for draw in [None, Some((0, false)), Some((last, true))] {
                for code in [Code::Static, Code::Split, Code::NotReady] {
                    let mut made = Decision::of(code);
                    if let Some(number) = number {
                        made = made.serving(number).by_rule(number);
                    }
                    if let Some((rule, enrolled)) = draw {
                        made = made.drawn(LastDraw::by_rule(rule, enrolled));
                    }
                    let decision = Decision::from_word(made.to_word()).unwrap();
                    assert_eq!(
                        (decision.variant(), decision.rule(), decision.draw()),
                        (number, number, draw)
                    );
                    assert!(decision.code() == code && !decision.was_asked());
                    let asked = decision.asked();
                    assert!(asked.was_asked() && asked.draw() == draw && !asked.is_wave());
                    let wave = made.drawn(LastDraw::by_wave(last)).asked();
                    assert!(wave.is_wave() && wave.was_asked() && !wave.was_settled());
                    assert_eq!((wave.variant(), wave.rule()), (number, number));
                }
            }
        }
    }
}
