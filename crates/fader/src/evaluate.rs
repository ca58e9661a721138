//! Evaluation: from a flag and attributes to a decision, without lock, allocation or panic.
//!
//! A flag is decided in this order: kill, `enabled: false`, rules, default. Rules are tried in turn and the first that
//! decides wins: its condition holds and, if it draws, the unit is enrolled.
//!
//! One evaluation serves all callers. What it may remember is a [`Memo`], what is told of it goes to an [`Observer`];
//! both are type parameters, so that an answer without them costs nothing and an explanation can't differ from it.

use std::hint::select_unpredictable;

use crate::attributes::{Attributes, Value, ValueRef};
use crate::decision::{Code, Decision, LastDraw};
use crate::hash::Reach;
use crate::memo::Memo;
use crate::ruleset::condition::{Test, unit};
use crate::ruleset::{
    Attribute, Condition, DrawRule, Flag, FlagId, ListId, OneDraw, SegmentId, Serve, Share, Truth,
    Unit,
};
use crate::ruleset::{Ruleset, ramp, version};
use crate::snapshot::{Course, Entry, Live};
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
    /// Decides a flag that a rule depends on, once.
    fn prerequisite_flag(&mut self, id: FlagId) -> Decision {
        if let Some(decision) = self.memo.flag(id) {
            return decision;
        }
        let decision = self.flag(id);
        self.memo.keep_flag(id, decision);
        decision
    }

    /// Decides a flag.
    #[inline]
    pub(crate) fn flag(&mut self, id: FlagId) -> Decision {
        let live = self.live;
        match live.entry(id) {
            Some(entry) => self.entry(id, entry),
            None => Decision::of(Code::NotFound),
        }
    }

    /// Decides a flag of which the entry is at hand.
    #[inline]
    pub(crate) fn entry(&mut self, id: FlagId, entry: &Entry) -> Decision {
        match shortest(entry, self.attributes) {
            Some(decision) if !O::RECORDS => decision,
            _ => self.longest(id, entry),
        }
    }

    /// Decides a flag rule by rule.
    pub(crate) fn longest(&mut self, id: FlagId, entry: &Entry) -> Decision {
        match entry.course {
            Course::Fixed(decision) => decision,
            Course::OneDraw | Course::Rules(_) => self.by_rules(id, &entry.flag),
        }
    }

    fn by_rules(&mut self, id: FlagId, flag: &Flag) -> Decision {
        let mut last_draw = LastDraw::default();
        for (index, rule) in (0..).zip(&flag.rules) {
            self.observer.rule(flag, index);
            let truth = self.condition(&rule.condition);
            if truth != Truth::True {
                self.observer.outcome(Outcome::NotMatched(truth));
                continue;
            }
            let Some(draw) = &rule.draw else {
                self.observer.outcome(Outcome::Decided);
                return Decision::of(Code::TargetingMatch)
                    .serving(rule.serve.one())
                    .by_rule(index)
                    .drawn(last_draw);
            };
            match self.draw(id, index, draw, &rule.serve) {
                Drawn::NoUnit => self.observer.outcome(Outcome::NoUnit),
                Drawn::Outside => last_draw = LastDraw::by_rule(index, false),
                Drawn::Inside(variant) => {
                    return Decision::of(Code::Split)
                        .serving(variant)
                        .by_rule(index)
                        .drawn(LastDraw::by_rule(index, true));
                }
            }
        }
        Decision::of(Code::Default)
            .serving(flag.default)
            .drawn(last_draw)
    }

    /// Returns how far a rule's draw reaches at this moment.
    fn reach(&self, id: FlagId, index: u16, draw: &DrawRule) -> Reach {
        let overlay = self.live.overlay_of(id);
        match (
            &draw.share,
            overlay.and_then(|overlay| overlay.reach(index)),
        ) {
            (Share::Staged, _) => Reach::NOBODY,
            (_, Some(reach)) => reach,
            (Share::Percent(reach), None) => *reach,
            (Share::Clock(ramp), None) => {
                ramp::percent_at(ramp, self.now).map_or(Reach::NOBODY, Reach::of)
            }
        }
    }

    /// Draws among the units. Apart from the walk over the rules, most of which draw nothing.
    #[inline(never)]
    fn draw(&mut self, id: FlagId, index: u16, draw: &DrawRule, serve: &Serve) -> Drawn {
        let mut digits = itoa::Buffer::new();
        let value = match &draw.unit {
            Unit::Attribute(attribute) => self.attributes.get(attribute.as_name()),
            Unit::Constant(value) => Some(Value::as_ref(value)),
        };
        let Some(unit) = value.and_then(|value| unit(value, &mut digits)) else {
            return Drawn::NoUnit;
        };
        let reach = self.reach(id, index, draw);
        let enrolled = reach.everyone || reach.covers(draw.salt.position(unit));
        if O::RECORDS {
            self.observer.outcome(Outcome::Drew {
                enrolled,
                position: draw.salt.position(unit),
                reach,
            });
        }
        match serve {
            _ if !enrolled => Drawn::Outside,
            Serve::One(variant) => Drawn::Inside(*variant),
            Serve::Split(parts) => Drawn::Inside(split(parts, draw.salt.place(unit))),
        }
    }

    #[inline(always)]
    fn condition(&mut self, condition: &Condition) -> Truth {
        if O::RECORDS {
            self.observer.enter();
        }
        let truth = match condition {
            Condition::Constant(truth) => *truth,
            Condition::Attribute { attribute, test } => {
                test_attribute(&self.live.ruleset, self.attributes, attribute, test)
            }
            other => self.composed(other),
        };
        if O::RECORDS {
            let found = match condition {
                Condition::Attribute { attribute, .. } => self.attributes.get(attribute.as_name()),
                _ => None,
            };
            self.observer
                .leave(&self.live.ruleset, condition, truth, found);
        }
        truth
    }

    /// What is not settled by one attribute. Apart from that, since it calls itself.
    fn composed(&mut self, condition: &Condition) -> Truth {
        match condition {
            Condition::All(parts) => self.fold(parts, Truth::True, Truth::False, Truth::min),
            Condition::Any(parts) => self.fold(parts, Truth::False, Truth::True, Truth::max),
            Condition::Not(part) => self.condition(part).not(),
            Condition::Segment(id) => self.segment(*id),
            Condition::Flag { flag, variants } => self.prerequisite(*flag, variants),
            Condition::Time { from, until } => (from.is_none_or(|from| from <= self.now)
                && until.is_none_or(|until| self.now < until))
            .into(),
            simple => self.condition(simple),
        }
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
        let decision = self.prerequisite_flag(id);
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

/// Decides a flag that needs no rules to be walked: one that is the same for everybody, or the common rollout.
#[inline(always)]
pub(crate) fn shortest<A: Attributes + ?Sized>(entry: &Entry, attributes: &A) -> Option<Decision> {
    match entry.course {
        Course::Fixed(decision) => Some(decision),
        Course::OneDraw => one_draw(entry.flag.one_draw.as_ref()?, attributes),
        Course::Rules(_) => None,
    }
}

/// Decides a flag whose only rule draws, with nothing else to ask; `None` if its unit is no text.
#[inline(never)]
fn one_draw<A: Attributes + ?Sized>(draw: &OneDraw, attributes: &A) -> Option<Decision> {
    let Some(ValueRef::Text(unit) | ValueRef::Untyped(unit)) =
        attributes.get(draw.attribute.as_name())
    else {
        return None;
    };
    let enrolled = draw.salt.position(unit.as_bytes()) < draw.below;
    // No predictor can know who is enrolled.
    Some(select_unpredictable(enrolled, draw.inside, draw.outside))
}

/// Tests an attribute. Most are texts and most tests are about texts: those are asked first, and nothing else is kept
/// at hand meanwhile.
#[inline(never)]
fn test_attribute<A: Attributes + ?Sized>(
    ruleset: &Ruleset,
    attributes: &A,
    attribute: &Attribute,
    test: &Test,
) -> Truth {
    let value = attributes.get(attribute.as_name());
    let Some(ValueRef::Text(text) | ValueRef::Untyped(text)) = value else {
        return test_any(ruleset, value, test);
    };
    match test {
        Test::Words(words) => words.contains(text).into(),
        Test::Text(operator) => operator.holds(text).into(),
        Test::Matches(pattern) => pattern.is_match(text).into(),
        Test::Version(requirements) => version::matches(requirements, text).into(),
        Test::InList(id) => in_list(ruleset, *id, text),
        _ => test_any(ruleset, value, test),
    }
}

#[inline(never)]
fn in_list(ruleset: &Ruleset, id: ListId, text: &str) -> Truth {
    match ruleset.list(id) {
        Some(list) => list.ids.contains(text.as_bytes()).into(),
        None => Truth::Unknown,
    }
}

/// Tests what is no text, or missing, or not tested as text.
#[inline(never)]
fn test_any(ruleset: &Ruleset, value: Option<ValueRef<'_>>, test: &Test) -> Truth {
    match (value, test) {
        (Some(value), test) => test.holds(value, &|id| ruleset.list(id).map(|list| &list.ids)),
        (None, Test::Exists(wanted)) => (!*wanted).into(),
        (None, _) => Truth::Unknown,
    }
}

#[inline]
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
    #[inline]
    fn one(&self) -> u16 {
        match self {
            Self::One(variant) => *variant,
            Self::Split(parts) => parts.first().map_or(0, |(_, variant)| *variant),
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
