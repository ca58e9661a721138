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
use crate::ruleset::condition::{Test, unit as unit_of};
use crate::ruleset::{
    Attribute, Condition, DrawRule, Flag, FlagId, Rule, SegmentId, Serve, Share, Truth, Unit,
};
use crate::ruleset::{Ruleset, ramp};
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
        match entry.course {
            Course::Fixed(decision) => decision,
            Course::OneDraw if !O::RECORDS => self.by_one_draw(id, &entry.flag),
            _ => self.by_rules(id, &entry.flag),
        }
    }

    /// Decides a flag whose only rule draws, with nothing else to ask: the common rollout.
    fn by_one_draw(&mut self, id: FlagId, flag: &Flag) -> Decision {
        if let Some(draw) = &flag.one_draw
            && let Some(unit) = ask_text(self.attributes, &draw.attribute)
        {
            let enrolled = draw.salt.position(unit.as_bytes()) < draw.below;
            // No predictor can know who is enrolled.
            return select_unpredictable(enrolled, draw.inside, draw.outside);
        }
        self.by_rules(id, flag)
    }

    fn by_rules(&mut self, id: FlagId, flag: &Flag) -> Decision {
        let overlay = self.live.overlay_of(id);
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
            let reach = self.reach(draw, overlay.and_then(|overlay| overlay.reach(index)));
            match self.draw(rule, draw, reach) {
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

    /// Returns how far a draw reaches at this moment.
    fn reach(&self, draw: &DrawRule, overlay: Option<Reach>) -> Reach {
        match (&draw.share, overlay) {
            (Share::Staged, _) => Reach::NOBODY,
            (_, Some(reach)) => reach,
            (Share::Percent(reach), None) => *reach,
            (Share::Clock(ramp), None) => {
                ramp::percent_at(ramp, self.now).map_or(Reach::NOBODY, Reach::of)
            }
        }
    }

    #[inline(always)]
    fn draw(&mut self, rule: &Rule, draw: &DrawRule, reach: Reach) -> Drawn {
        let mut digits = itoa::Buffer::new();
        let Some(unit) = ask_unit(self.attributes, &draw.unit, &mut digits) else {
            return Drawn::NoUnit;
        };
        let position = || draw.salt.position(unit);
        let enrolled = reach.everyone || reach.covers(position());
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
    }

    #[inline(always)]
    fn condition(&mut self, condition: &Condition) -> Truth {
        if O::RECORDS {
            self.observer.enter();
        }
        let truth = match condition {
            Condition::Constant(truth) => *truth,
            Condition::Attribute { attribute, test } => self.test(attribute, test),
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

    #[inline(always)]
    fn test(&self, attribute: &Attribute, test: &Test) -> Truth {
        let ruleset = &*self.live.ruleset;
        if let Some(text) = ask_text(self.attributes, attribute)
            && let Some(truth) =
                test.holds_for_text(text, |id| ruleset.list(id).map(|list| &list.ids))
        {
            return truth;
        }
        self.test_any(attribute, test)
    }

    /// Tests what is no text, or missing.
    #[inline(never)]
    fn test_any(&self, attribute: &Attribute, test: &Test) -> Truth {
        let ruleset = &self.live.ruleset;
        match (self.attributes.get(attribute.as_name()), test) {
            (Some(value), test) => test.holds(value, &|id| ruleset.list(id).map(|list| &list.ids)),
            (None, Test::Exists(wanted)) => (!*wanted).into(),
            (None, _) => Truth::Unknown,
        }
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

/// Returns an attribute that is a text. A function of its own, since it is all that most rules ask, and returns in
/// registers.
#[inline(never)]
fn ask_text<'a, A: Attributes + ?Sized>(
    attributes: &'a A,
    attribute: &Attribute,
) -> Option<&'a str> {
    attributes.text(attribute.as_name())
}

/// Returns the bytes of what a rule draws by.
#[inline(always)]
fn ask_unit<'a, A: Attributes + ?Sized>(
    attributes: &'a A,
    unit: &'a Unit,
    digits: &'a mut itoa::Buffer,
) -> Option<&'a [u8]> {
    if let Unit::Attribute(attribute) = unit
        && let Some(text) = ask_text(attributes, attribute)
    {
        return Some(text.as_bytes());
    }
    ask_any_unit(attributes, unit, digits)
}

/// Returns the bytes of a unit that is an integer, a constant or missing.
#[inline(never)]
fn ask_any_unit<'a, A: Attributes + ?Sized>(
    attributes: &'a A,
    unit: &'a Unit,
    digits: &'a mut itoa::Buffer,
) -> Option<&'a [u8]> {
    let value = match unit {
        Unit::Attribute(attribute) => attributes.get(attribute.as_name())?,
        Unit::Constant(value) => Value::as_ref(value),
    };
    unit_of(value, digits)
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
