//! From what was counted in a tick to what a judge needs.

use std::collections::HashSet;
use std::sync::Arc;

use super::batch::Batch;
use super::lanes::{Lanes, bits};
use super::memory::Memory;
use super::sample::Event;
use super::watched::Watched;
use crate::counts::{Counts, Exposures, Stratum};
use crate::guardrail::Arms;

/// Units that a run remembers, for each guardrail and for the check of the assignment.
const REMEMBERED: usize = 65_536;

/// For so many ticks it is remembered which units were bad, for a guardrail that asks the candidate alone.
const MINUTE: u32 = 60;

/// So few spent units never leave too few.
const FEW: usize = 100;

/// The part of the units that may be spent: one in so many.
const PART: usize = 5;

/// What a run remembers from tick to tick. It depends on what it is given alone: no clock, no I/O.
#[derive(Debug)]
pub(crate) struct Tally {
    watched: Arc<Watched>,
    /// By guardrail: units that were bad once, in the run where arms are compared, and are out for the rest of it; in the
    /// present minute where the candidate alone is asked.
    spent: Vec<HashSet<u64>>,
    ticks: u32,
    exhausted: Vec<bool>,
    exposed: HashSet<u64>,
    /// What the last tick has added to it.
    news: Memory,
}

impl Tally {
    pub(crate) fn new(watched: Arc<Watched>) -> Self {
        let guardrails = watched.guardrails();
        Self {
            watched,
            spent: vec![HashSet::new(); guardrails],
            ticks: 0,
            exhausted: vec![false; guardrails],
            exposed: HashSet::new(),
            news: Memory::default(),
        }
    }

    /// Goes on from what a run remembers.
    pub(crate) fn recall(&mut self, memory: &Memory) {
        self.ticks = memory.ticks;
        for (guardrail, unit) in memory.spent.iter().chain(&memory.met) {
            if let Some(spent) = self.spent.get_mut(usize::from(*guardrail)) {
                spent.insert(*unit);
            }
        }
        for guardrail in &memory.exhausted {
            if let Some(exhausted) = self.exhausted.get_mut(usize::from(*guardrail)) {
                *exhausted = true;
            }
        }
        self.exposed.extend(&memory.checked);
    }

    /// Returns what the last tick has added to what it remembers.
    pub(crate) fn news(&mut self) -> Memory {
        let exhausted = self
            .exhausted
            .iter()
            .zip(0..)
            .filter(|(exhausted, _)| **exhausted);
        self.news.exhausted = exhausted.map(|(_, at)| at).collect();
        self.news.clone()
    }

    /// Takes the sum of a tick.
    pub(crate) fn take(&mut self, batch: &Batch) -> Counts {
        let mut strata = Vec::new();
        let begins = self.ticks.is_multiple_of(MINUTE);
        self.ticks = self.ticks.wrapping_add(1);
        self.news.begin(self.ticks);
        if begins {
            bits(self.watched.absolute()).for_each(|at| self.forgive(at));
            self.news.forgave = true;
        }
        let at_the_end = self.watched.at_the_end();
        self.count(&mut strata, at_the_end, &batch.lanes, &batch.bad);
        for closed in &batch.closed {
            self.count(&mut strata, closed.limited, &closed.lanes, &closed.slow);
        }
        self.exhaust(batch.units);
        Counts {
            strata,
            requests: batch.requests,
            units: batch.units,
            exposures: self.exposures(&batch.exposed),
            exhausted: self.exhausted.clone(),
            quantiles: vec![None; self.exhausted.len()],
        }
    }

    /// Counts one tick of some guardrails.
    fn count(&mut self, strata: &mut Vec<Stratum>, guardrails: u64, lanes: &Lanes, bad: &[Event]) {
        let live = bits(guardrails).filter(|&at| self.exhausted.get(at) == Some(&false));
        let live = live.fold(0, |live, at| live | 1 << at);
        let mut lanes = lanes.clone();
        let bad = in_order(bad);
        let enough = self.meet(live & self.watched.absolute(), &bad);
        let mut told = HashSet::new();
        for event in bad {
            let compared = bits(event.bits & live & !self.watched.absolute());
            let first = compared.filter(|&at| self.spend(at, event.unit));
            let limited = bits(event.bits & enough).filter(|&at| told.insert((at, event.unit)));
            let counted = first
                .chain(limited)
                .fold(0, |counted, at| counted | 1 << at);
            if let Some(lane) = lanes.at(event.label) {
                lane.count_bad(counted, event.label.is_enrolled());
            }
        }
        for lane in lanes.iter() {
            let scores = lane.scores.iter().enumerate();
            let counted = scores.filter(|&(at, score)| live & 1 << at != 0 && !score.is_empty());
            strata.extend(counted.map(|(guardrail, score)| Stratum {
                guardrail,
                share: lane.key.share(),
                bad: score.bad,
                of: score.of,
            }));
        }
    }

    /// Notes which units are bad for guardrails that ask the candidate alone, and returns those for which enough of them
    /// were within the minute: a few broken clients are no reason to roll back, however often they try.
    fn meet(&mut self, guardrails: u64, bad: &[Event]) -> u64 {
        for event in bad {
            for at in bits(event.bits & guardrails) {
                if let Some(met) = self.spent.get_mut(at).filter(|met| met.len() < REMEMBERED)
                    && met.insert(event.unit)
                {
                    self.news.met.push((place(at), event.unit));
                }
            }
        }
        let least = self.watched.min_bad_units;
        let enough =
            bits(guardrails).filter(|&at| self.spent.get(at).is_some_and(|met| met.len() >= least));
        enough.fold(0, |enough, at| enough | 1 << at)
    }

    fn forgive(&mut self, guardrail: usize) {
        if let Some(spent) = self.spent.get_mut(guardrail) {
            spent.clear();
        }
    }

    /// Notes that a unit was bad, and tells whether that is news.
    fn spend(&mut self, guardrail: usize, unit: u64) -> bool {
        let (Some(spent), Some(exhausted)) = (
            self.spent.get_mut(guardrail),
            self.exhausted.get_mut(guardrail),
        ) else {
            return false;
        };
        if spent.len() < REMEMBERED {
            let is_new = spent.insert(unit);
            if is_new {
                self.news.spent.push((place(guardrail), unit));
            }
            return is_new;
        }
        *exhausted |= !spent.contains(&unit);
        false
    }

    /// Gives a guardrail up for which more than a fifth of the units are spent: the arm that spends more would have
    /// fewer left, and no ratio would be what it seems.
    fn exhaust(&mut self, units: Arms) {
        let seen = units.candidate as usize + units.stable as usize;
        let absolute = self.watched.absolute();
        for (at, (spent, exhausted)) in self.spent.iter().zip(&mut self.exhausted).enumerate() {
            let compares = absolute >> at & 1 == 0;
            *exhausted |= compares && spent.len() > FEW && spent.len() > seen / PART;
        }
    }

    fn exposures(&mut self, exposed: &[Event]) -> Vec<Exposures> {
        let mut all: Vec<Exposures> = Vec::new();
        for event in in_order(exposed) {
            if self.exposed.len() >= REMEMBERED || !self.exposed.insert(event.unit) {
                continue;
            }
            self.news.checked.push(event.unit);
            let share = event.label.share();
            if all.last().is_none_or(|last| last.share != share) {
                all.push(Exposures {
                    share,
                    enrolled: 0,
                    all: 0,
                });
            }
            if let Some(last) = all.last_mut() {
                last.enrolled += u32::from(event.label.is_enrolled());
                last.all += 1;
            }
        }
        all
    }
}

/// A guardrail's place: there are at most 64.
fn place(guardrail: usize) -> u8 {
    u8::try_from(guardrail).unwrap_or(u8::MAX)
}

/// Sorts by share. A unit that was told of under two shares of one tick counts under the lower one, whatever its arms.
fn in_order(events: &[Event]) -> Vec<Event> {
    let mut events = events.to_vec();
    events.sort_unstable_by_key(|event| (event.label.lane(), event.unit));
    events
}
