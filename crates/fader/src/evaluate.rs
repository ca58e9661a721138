//! Evaluation: from a flag and attributes to a decision, without lock, allocation or panic.
//!
//! A flag is decided in this order: kill, `enabled: false`, rules, default. Rules are tried in turn and the first that
//! decides wins: its condition holds and, if it draws, the unit is enrolled.
//!
//! One evaluation serves all callers. What it may remember is a [`Memo`], what is told of it goes to an [`Observer`];
//! both are type parameters, so that an answer without them costs nothing and an explanation can't differ from it.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::attributes::{Attributes, ValueRef};
use crate::decision::{Code, Decision};
use crate::hash::Reach;
use crate::ruleset::condition::with_unit;
use crate::ruleset::{
    AttributeId, Condition, DrawRule, Flag, FlagId, Rule, SegmentId, Serve, Share, Slot, Truth,
    Unit,
};
use crate::ruleset::{Ruleset, ramp};
use crate::snapshot::{FlagOverlay, Live};
use crate::time::Timestamp;

/// One evaluation over a snapshot.
pub(crate) struct Evaluation<'e, A: ?Sized, M, O> {
    pub(crate) live: &'e Live,
    pub(crate) attributes: &'e A,
    pub(crate) now: Timestamp,
    pub(crate) memo: &'e M,
    pub(crate) observer: O,
}

impl<A: Attributes + ?Sized, M: Memo, O: Observer> Evaluation<'_, A, M, O> {
    /// Decides a flag, once.
    #[inline]
    pub(crate) fn flag(&mut self, id: FlagId) -> Decision {
        if let Some(decision) = self.memo.flag(id) {
            return decision;
        }
        let decision = match self.live.ruleset.slot(id) {
            Slot::Flag { flag, .. } => self.decide(flag, self.live.overlay_of(id)),
            Slot::Vacant => Decision::error(Code::NotFound),
            Slot::SetAside => Decision::error(Code::SetAside),
        };
        self.memo.keep_flag(id, decision);
        decision
    }

    fn decide(&mut self, flag: &Flag, overlay: Option<&FlagOverlay>) -> Decision {
        if !flag.enabled || overlay.is_some_and(|overlay| overlay.killed) {
            return Decision::new(Code::Disabled, flag.off, None, None);
        }
        if flag.rules.is_empty() {
            return Decision::new(Code::Static, Some(flag.default), None, None);
        }
        let mut last_draw = None;
        for (index, rule) in (0..).zip(&flag.rules) {
            self.observer.rule(flag, index);
            let truth = self.condition(&rule.condition);
            if truth != Truth::True {
                self.observer.outcome(Outcome::NotMatched(truth));
                continue;
            }
            let Some(draw) = &rule.draw else {
                self.observer.outcome(Outcome::Decided);
                return Decision::new(
                    Code::TargetingMatch,
                    rule.serve.one(),
                    Some(index),
                    last_draw,
                );
            };
            let reach = self.reach(draw, overlay.and_then(|overlay| overlay.reach(index)));
            match self.draw(rule, draw, reach) {
                Drawn::NoUnit => self.observer.outcome(Outcome::NoUnit),
                Drawn::Outside => last_draw = Some((index, false)),
                Drawn::Inside(variant) => {
                    let draw = Some((index, true));
                    return Decision::new(Code::Split, Some(variant), Some(index), draw);
                }
            }
        }
        Decision::new(Code::Default, Some(flag.default), None, last_draw)
    }

    /// Returns how far a draw reaches at this moment.
    fn reach(&self, draw: &DrawRule, overlay: Option<Reach>) -> Reach {
        match (&draw.share, overlay) {
            (Share::Staged, _) => Reach::Below(0),
            (_, Some(reach)) => reach,
            (Share::Percent(reach), None) => *reach,
            (Share::Clock(ramp), None) => {
                ramp::percent_at(ramp, self.now).map_or(Reach::Below(0), Reach::of)
            }
        }
    }

    #[inline]
    fn draw(&mut self, rule: &Rule, draw: &DrawRule, reach: Reach) -> Drawn {
        let (live, attributes) = (self.live, self.attributes);
        let value = match &draw.unit {
            Unit::Attribute(id) => ask(&live.ruleset, attributes, *id),
            Unit::Constant(value) => Some(value.as_ref()),
        };
        let drawn = value.and_then(|value| {
            with_unit(value, |unit| {
                let position = || draw.salt.position(unit);
                let enrolled = reach == Reach::Everyone || reach.covers(position());
                if O::RECORDS {
                    self.observer.outcome(Outcome::Drew {
                        enrolled,
                        position: position(),
                        reach,
                    });
                }
                match &rule.serve {
                    _ if !enrolled => Drawn::Outside,
                    Serve::One(variant) => Drawn::Inside(*variant),
                    Serve::Split(parts) => Drawn::Inside(split(parts, draw.salt.place(unit))),
                }
            })
        });
        drawn.unwrap_or(Drawn::NoUnit)
    }

    fn condition(&mut self, condition: &Condition) -> Truth {
        if O::RECORDS {
            self.observer.enter();
        }
        let truth = match condition {
            Condition::Constant(truth) => *truth,
            Condition::All(parts) => self.fold(parts, Truth::True, Truth::False, Truth::min),
            Condition::Any(parts) => self.fold(parts, Truth::False, Truth::True, Truth::max),
            Condition::Not(part) => self.condition(part).not(),
            Condition::Segment(id) => self.segment(*id),
            Condition::Flag { flag, variants } => self.prerequisite(*flag, variants),
            Condition::Time { from, until } => (from.is_none_or(|from| from <= self.now)
                && until.is_none_or(|until| self.now < until))
            .into(),
            Condition::Attribute { attribute, test } => {
                let ruleset = &self.live.ruleset;
                match (ask(ruleset, self.attributes, *attribute), test) {
                    (Some(value), test) => {
                        test.holds(value, |id| ruleset.list(id).map(|list| &list.ids))
                    }
                    (None, crate::ruleset::condition::Test::Exists(wanted)) => (!*wanted).into(),
                    (None, _) => Truth::Unknown,
                }
            }
        };
        if O::RECORDS {
            let found = match condition {
                Condition::Attribute { attribute, .. } => {
                    ask(&self.live.ruleset, self.attributes, *attribute)
                }
                _ => None,
            };
            self.observer
                .leave(&self.live.ruleset, condition, truth, found);
        }
        truth
    }

    /// Folds parts by Kleene's logic, up to the first that settles it.
    fn fold(
        &mut self,
        parts: &[Condition],
        start: Truth,
        settled: Truth,
        combine: fn(Truth, Truth) -> Truth,
    ) -> Truth {
        let mut truth = start;
        for part in parts {
            truth = combine(truth, self.condition(part));
            if truth == settled {
                break;
            }
        }
        truth
    }

    fn segment(&mut self, id: SegmentId) -> Truth {
        if let Some(truth) = self.memo.segment(id) {
            return truth;
        }
        // A segment that is gone is known only to a flag that kept an earlier form (ADR 0003).
        let live = self.live;
        let truth = live
            .ruleset
            .segment(id)
            .map_or(Truth::Unknown, |segment| self.condition(&segment.condition));
        self.memo.keep_segment(id, truth);
        truth
    }

    /// Holds if the flag serves one of the variants; unknown if it serves none.
    fn prerequisite(&mut self, id: FlagId, variants: &[Box<str>]) -> Truth {
        self.observer.enter_flag();
        let decision = self.flag(id);
        self.observer.leave_flag();
        let live = self.live;
        let served = decision
            .variant()
            .and_then(|index| live.ruleset.flag(id)?.variant(index));
        served
            .map(|variant| variants.contains(&variant.name))
            .into()
    }
}

#[inline]
fn ask<'a, A: Attributes + ?Sized>(
    ruleset: &Ruleset,
    attributes: &'a A,
    id: AttributeId,
) -> Option<ValueRef<'a>> {
    attributes.get(ruleset.attribute(id)?.as_name())
}

fn split(parts: &[(Reach, u16)], place: u64) -> u16 {
    // INVARIANT: weights sum to 100, so the last part that has any covers every place.
    parts
        .iter()
        .find(|(reach, _)| reach.covers(place))
        .map_or(0, |(_, variant)| *variant)
}

/// What came of a draw.
enum Drawn {
    NoUnit,
    Outside,
    Inside(u16),
}

impl Serve {
    fn one(&self) -> Option<u16> {
        match self {
            Self::One(variant) => Some(*variant),
            Self::Split(parts) => parts.first().map(|(_, variant)| *variant),
        }
    }
}

/// What an evaluation remembers of itself.
pub(crate) trait Memo {
    fn flag(&self, id: FlagId) -> Option<Decision>;
    fn keep_flag(&self, id: FlagId, decision: Decision);
    fn segment(&self, id: SegmentId) -> Option<Truth>;
    fn keep_segment(&self, id: SegmentId, truth: Truth);
}

/// Remembers nothing: for a flag that comes to everything once.
pub(crate) struct NoMemo;

impl Memo for NoMemo {
    #[inline]
    fn flag(&self, _: FlagId) -> Option<Decision> {
        None
    }
    #[inline]
    fn keep_flag(&self, _: FlagId, _: Decision) {}
    #[inline]
    fn segment(&self, _: SegmentId) -> Option<Truth> {
        None
    }
    #[inline]
    fn keep_segment(&self, _: SegmentId, _: Truth) {}
}

/// Remembers up to [`CAPACITY`](Self::CAPACITY) answers on the stack. Without it a chain of segments that each name the
/// one before it twice would take time 2ⁿ. A flag that can come to more places than it holds is evaluated with a
/// [`ScopeMemo`], see [`Recall`](crate::ruleset::Recall).
pub(crate) struct StackMemo {
    /// Open addressing: a place's number above 0, and its answer.
    entries: [Cell<(u64, u64)>; Self::SIZE],
}

impl StackMemo {
    /// How many different flags and segments it holds.
    pub(crate) const CAPACITY: usize = Self::SIZE / 2;
    const SIZE: usize = 256;

    pub(crate) const fn new() -> Self {
        Self {
            entries: [const { Cell::new((0, 0)) }; Self::SIZE],
        }
    }

    /// Finds the entry of a key, or the free one where it would go.
    fn entry(&self, key: u64) -> Option<&Cell<(u64, u64)>> {
        let start = usize::try_from(key).unwrap_or(0);
        let mut entries =
            (0..Self::SIZE).filter_map(|step| self.entries.get((start + step) % Self::SIZE));
        entries.find(|entry| matches!(entry.get().0, kept if kept == key || kept == 0))
    }

    fn recall(&self, key: u64) -> Option<u64> {
        self.entry(key)
            .map(|entry| entry.get().1)
            .filter(|answer| *answer != 0)
    }

    fn keep(&self, key: u64, answer: u64) {
        if let Some(entry) = self.entry(key) {
            entry.set((key, answer));
        }
    }

    fn flag_key(id: FlagId) -> u64 {
        u64::from(id.0) * 2 + 2
    }

    fn segment_key(id: SegmentId) -> u64 {
        u64::from(id.0) * 2 + 1
    }
}

impl Memo for StackMemo {
    fn flag(&self, id: FlagId) -> Option<Decision> {
        Decision::from_word(self.recall(Self::flag_key(id))?)
    }

    fn keep_flag(&self, id: FlagId, decision: Decision) {
        self.keep(Self::flag_key(id), decision.to_word());
    }

    fn segment(&self, id: SegmentId) -> Option<Truth> {
        match self.recall(Self::segment_key(id))? {
            1 => Some(Truth::False),
            2 => Some(Truth::Unknown),
            _ => Some(Truth::True),
        }
    }

    fn keep_segment(&self, id: SegmentId, truth: Truth) {
        self.keep(Self::segment_key(id), truth.bits());
    }
}

/// Remembers every answer of a scope: one word a flag, two bits a segment, in one allocation.
///
/// The words are atomic so that a scope can be shared. Two threads that decide the same flag at once come to the same
/// decision, and the first to store it wins.
#[derive(Debug)]
pub(crate) struct ScopeMemo {
    words: Box<[AtomicU64]>,
    flags: usize,
}

impl ScopeMemo {
    const SEGMENTS_A_WORD: usize = 32;

    pub(crate) fn new(ruleset: &Ruleset) -> Self {
        let flags = ruleset.flags.len();
        let words = flags + ruleset.segments.len().div_ceil(Self::SEGMENTS_A_WORD);
        Self {
            words: (0..words).map(|_| AtomicU64::new(0)).collect(),
            flags,
        }
    }

    fn word(&self, id: FlagId) -> Option<&AtomicU64> {
        self.words.get(..self.flags)?.get(id.index())
    }

    fn segment_bits(&self, id: SegmentId) -> Option<(&AtomicU64, usize)> {
        let word = self
            .words
            .get(self.flags + id.index() / Self::SEGMENTS_A_WORD)?;
        Some((word, id.index() % Self::SEGMENTS_A_WORD * 2))
    }

    /// Notes that the scope's owner asked for a flag.
    pub(crate) fn mark_asked(&self, id: FlagId) {
        if let Some(word) = self.word(id) {
            word.fetch_or(Decision::ASKED, Ordering::Relaxed);
        }
    }

    /// Returns the decision on a flag that the scope's owner asked for.
    pub(crate) fn asked(&self, id: FlagId) -> Option<Decision> {
        self.flag(id).filter(|decision| decision.was_asked())
    }
}

impl Memo for ScopeMemo {
    #[inline]
    fn flag(&self, id: FlagId) -> Option<Decision> {
        Decision::from_word(self.word(id)?.load(Ordering::Relaxed))
    }

    fn keep_flag(&self, id: FlagId, decision: Decision) {
        if let Some(word) = self.word(id) {
            // The first stays, should attributes answer differently against their contract.
            let _ =
                word.compare_exchange(0, decision.to_word(), Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    fn segment(&self, id: SegmentId) -> Option<Truth> {
        let (word, shift) = self.segment_bits(id)?;
        match word.load(Ordering::Relaxed) >> shift & 3 {
            1 => Some(Truth::False),
            2 => Some(Truth::Unknown),
            3 => Some(Truth::True),
            _ => None,
        }
    }

    fn keep_segment(&self, id: SegmentId, truth: Truth) {
        if let Some((word, shift)) = self.segment_bits(id) {
            let bits = truth.bits();
            let mut current = word.load(Ordering::Relaxed);
            // The first stays here as well.
            while current >> shift & 3 == 0 {
                match word.compare_exchange_weak(
                    current,
                    current | bits << shift,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => return,
                    Err(now) => current = now,
                }
            }
        }
    }
}

/// How a rule came out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Decided,
    NotMatched(Truth),
    NoUnit,
    Drew {
        enrolled: bool,
        position: u64,
        reach: Reach,
    },
}

/// Is told what an evaluation does, in its order.
pub(crate) trait Observer {
    /// Whether anything is made of it.
    const RECORDS: bool;

    fn rule(&mut self, _: &Flag, _: u16) {}
    fn outcome(&mut self, _: Outcome) {}
    fn enter(&mut self) {}
    fn leave(&mut self, _: &Ruleset, _: &Condition, _: Truth, _: Option<ValueRef<'_>>) {}
    fn enter_flag(&mut self) {}
    fn leave_flag(&mut self) {}
}

/// Makes nothing of it.
pub(crate) struct NoObserver;

impl Observer for NoObserver {
    const RECORDS: bool = false;
}
