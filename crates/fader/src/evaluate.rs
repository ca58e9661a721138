//! Evaluation: from a flag and attributes to a decision, without lock, allocation or panic.
//!
//! A flag is decided in this order: kill, `enabled: false`, rules, default. What is the same for everybody, a kill among
//! it, is decided when ruleset and overlay go live ([`Entry`]). Rules are tried in turn and the first that decides wins:
//! its condition holds and, if it draws, the unit is enrolled.
//!
//! One walk over the rules serves all callers. What it may remember is a [`Memo`], what is told of it goes to an
//! [`Observer`]; both are type parameters, so that an answer without them costs nothing and an explanation can't differ
//! from it. Flags that need no walk have a [`shortcut`], which an explanation does not take; the tests ask both ways.

use crate::attributes::{Attributes, Value, ValueRef};
use crate::decision::{Code, Decision, LastDraw};
use crate::hash::Reach;
use crate::key::VariantRef;
use crate::memo::Memo;
use crate::observe::{self, Admission, Whose};
use crate::overrides::Overrides;
use crate::ruleset::condition::{Lists, Test, unit};
use crate::ruleset::list::IdList;
use crate::ruleset::one_draw::OneDraw;
use crate::ruleset::{
    Attribute, Condition, DrawRule, Flag, FlagId, ListId, SegmentId, Serve, Share, Staged, Truth,
    Unit,
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
    /// What is forced for whoever asks: rules do not see it, but it is nobody's draw.
    pub(crate) overrides: Option<&'e Overrides>,
    pub(crate) observer: O,
}

impl<A: Attributes + ?Sized, M: Memo, O: Observer> Evaluation<'_, A, M, O> {
    /// Decides a flag that a rule depends on, once.
    fn prerequisite_flag(&mut self, id: FlagId) -> Decision {
        if let Some(decision) = self.memo.flag(id) {
            return decision;
        }
        let decision = self.flag(id);
        if O::RECORDS {
            self.memo.keep_flag(id, decision);
            return decision;
        }
        let decision = admitted(self.live, id, decision, &self.attributes);
        if self.memo.keep_flag(id, decision) && !self.is_forced(id) {
            let whose = Whose {
                attributes: &self.attributes,
                now: self.now,
                tick: self.memo.tick(),
            };
            observe::tell_drawn(self.live, id, decision, whose, self.memo);
        }
        decision
    }

    fn is_forced(&self, id: FlagId) -> bool {
        self.overrides
            .is_some_and(|overrides| overrides.has(&self.live.ruleset, id))
    }

    /// Decides a flag.
    #[inline]
    pub(crate) fn flag(&mut self, id: FlagId) -> Decision {
        let Some(entry) = self.live.entry(id) else {
            return Decision::of(Code::NotFound);
        };
        match (shortcut(entry, self.attributes), entry.course) {
            (Some(decision), _) if !O::RECORDS => decision,
            (_, Course::Fixed(decision)) => decision,
            _ => self.by_rules(id, &entry.flag),
        }
    }

    /// Decides a flag rule by rule.
    pub(crate) fn by_rules(&mut self, id: FlagId, flag: &Flag) -> Decision {
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
                Drawn::Wave => {
                    return Decision::of(Code::Split)
                        .serving(rule.serve.one())
                        .by_rule(index)
                        .drawn(LastDraw::by_wave(index));
                }
            }
        }
        Decision::of(Code::Default)
            .serving(flag.default)
            .drawn(last_draw)
    }

    /// Draws among the units. Apart from the walk over the rules, most of which draw nothing.
    #[inline(never)]
    fn draw(&mut self, id: FlagId, index: u16, draw: &DrawRule, serve: &Serve) -> Drawn {
        match &draw.share {
            Share::Staged(staged) => self.draw_staged(id, index, draw, staged, serve),
            _ => self.draw_by_chance(id, index, draw, serve),
        }
    }

    /// Enrols whoever is in an open wave, and draws among all others. Apart from other draws, which have no waves.
    #[inline(never)]
    fn draw_staged(
        &mut self,
        id: FlagId,
        index: u16,
        draw: &DrawRule,
        staged: &Staged,
        serve: &Serve,
    ) -> Drawn {
        let live = self.live;
        let held = live.overlay_of(id).filter(|_| live.hooks.controls());
        let open = held.map_or(0, |overlay| overlay.waves(index));
        let digits = &mut itoa::Buffer::new();
        let has_unit = open > 0 && unit_of(draw, self.attributes, digits).is_some();
        let mut waves = (1..=open).zip(&staged.waves);
        let holds = |(number, wave)| {
            self.observer.wave(number);
            self.condition(wave) == Truth::True
        };
        if has_unit && waves.any(holds) {
            self.observer.outcome(Outcome::Wave);
            return Drawn::Wave;
        }
        self.draw_by_chance(id, index, draw, serve)
    }

    #[inline(always)]
    fn draw_by_chance(&mut self, id: FlagId, index: u16, draw: &DrawRule, serve: &Serve) -> Drawn {
        let mut digits = itoa::Buffer::new();
        let Some(unit) = unit_of(draw, self.attributes, &mut digits) else {
            return Drawn::NoUnit;
        };
        let reach = reach_of(self.live, id, index, &draw.share, self.now);
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
            other => self.compound(other),
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
    fn compound(&mut self, condition: &Condition) -> Truth {
        match condition {
            Condition::Constant(truth) => *truth,
            Condition::Attribute { attribute, test } => {
                test_attribute(&self.live.ruleset, self.attributes, attribute, test)
            }
            Condition::All(parts) => self.fold(parts, Truth::True, Truth::False, Truth::min),
            Condition::Any(parts) => self.fold(parts, Truth::False, Truth::True, Truth::max),
            Condition::Not(part) => self.condition(part).not(),
            Condition::Segment(id) => self.segment(*id),
            Condition::Flag { flag, variants } => self.prerequisite(*flag, variants),
            Condition::Time { from, until } => (from.is_none_or(|from| from <= self.now)
                && until.is_none_or(|until| self.now < until))
            .into(),
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

/// Returns the unit that a rule draws with.
#[inline(always)]
fn unit_of<'u, A: Attributes + ?Sized>(
    draw: &'u DrawRule,
    attributes: &'u A,
    digits: &'u mut itoa::Buffer,
) -> Option<&'u [u8]> {
    let value = match &draw.unit {
        Unit::Attribute(attribute) => attributes.get(attribute.as_name()),
        Unit::Constant(value) => Some(Value::as_ref(value)),
    };
    unit(value?, digits)
}

/// Returns how far a rule's draw reaches at a moment, waves apart.
#[inline]
pub(crate) fn reach_of(
    live: &Live,
    id: FlagId,
    index: u16,
    share: &Share,
    now: Timestamp,
) -> Reach {
    let overlay = live.overlay_of(id);
    match (share, overlay.and_then(|overlay| overlay.reach(index))) {
        (Share::Staged(_), Some(reach)) if live.hooks.controls() => reach,
        (Share::Staged(_), _) => Reach::NOBODY,
        (_, Some(reach)) => reach,
        (Share::Percent(reach), None) => *reach,
        (Share::Clock(ramp), None) => ramp::percent_at(ramp, now).map_or(Reach::NOBODY, Reach::of),
    }
}

/// Returns what is left of a decision where not everybody may have what the rules give.
#[inline(always)]
pub(crate) fn admitted<A: Attributes>(
    live: &Live,
    id: FlagId,
    decision: Decision,
    attributes: &A,
) -> Decision {
    match attributes.admission() {
        Some(admission) => ask_admission(live, id, decision, admission),
        None => decision,
    }
}

#[cold]
fn ask_admission(
    live: &Live,
    id: FlagId,
    decision: Decision,
    admission: &dyn Admission,
) -> Decision {
    let entry = live.entry(id);
    let served = entry.and_then(|entry| Some((&entry.flag, entry.flag.served(decision)?)));
    match served {
        Some((flag, variant)) if !admission.admits(&flag.name, VariantRef(variant)) => {
            flag.killed()
        }
        _ => decision,
    }
}

/// Decides a flag that needs no rules to be walked: one that is the same for everybody, or the common rollout.
#[inline(always)]
pub(crate) fn shortcut<A: Attributes + ?Sized>(entry: &Entry, attributes: &A) -> Option<Decision> {
    match entry.course {
        Course::Fixed(decision) => Some(decision),
        Course::OneDraw => Some(one_draw(entry.flag.one_draw.as_deref()?, attributes)),
        Course::Rules(_) | Course::Watched(_) => None,
    }
}

/// Decides a flag whose only rule draws, with nothing else to ask.
#[inline(never)]
fn one_draw<A: Attributes + ?Sized>(draw: &OneDraw, attributes: &A) -> Decision {
    match attributes.get(draw.attribute.as_name()) {
        Some(ValueRef::Text(unit) | ValueRef::Untyped(unit)) => draw.decide(unit.as_bytes()),
        other => one_draw_of_other(draw, other),
    }
}

/// Apart from the rest, since few units are no texts.
#[inline(never)]
fn one_draw_of_other(draw: &OneDraw, value: Option<ValueRef<'_>>) -> Decision {
    let mut digits = itoa::Buffer::new();
    match value.and_then(|value| unit(value, &mut digits)) {
        Some(unit) => draw.decide(unit),
        None => draw.no_unit,
    }
}

/// Asks for an attribute and tests it. A function of its own keeps the walk over the rules short: what it needs does
/// not have to be put aside for the call of each rule.
#[inline(never)]
fn test_attribute<A: Attributes + ?Sized>(
    ruleset: &Ruleset,
    attributes: &A,
    attribute: &Attribute,
    test: &Test,
) -> Truth {
    test.holds(attributes.get(attribute.as_name()), ruleset)
}

impl Lists for Ruleset {
    #[inline]
    fn ids(&self, list: ListId) -> Option<&IdList> {
        self.list(list).map(|list| &list.ids)
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
    /// Inside without chance.
    Wave,
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
    Wave,
}

/// Is told what an evaluation does, in its order.
pub(crate) trait Observer {
    /// Whether anything is made of it.
    const RECORDS: bool;

    fn rule(&mut self, _: &Flag, _: u16) {}
    fn outcome(&mut self, _: Outcome) {}
    /// The next condition is that of an open wave.
    fn wave(&mut self, _: u32) {}
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
