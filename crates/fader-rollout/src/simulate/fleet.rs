//! What the processes of a fleet count of the simulated requests.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use fader::Percent;

use super::population::{Population, Seen};
use super::traffic::{Second, Traffic};
use crate::counts::Counts;
use crate::guardrail::Arms;
use crate::observe::{Batch, Closed, Event, Label, Lanes, Tally, Watched};

/// Shares and ways to draw them in one tick: what is told lies back as far as it lags, and a share lasts longer.
const SHARES: usize = 8;

/// One who counts: a process of its own, or the controller of them all.
pub(super) struct Counter {
    watched: Arc<Watched>,
    tally: Tally,
    /// By the tick in which it is told, from the present one on.
    ends: VecDeque<Vec<Told>>,
    units: Arms,
    exposed: Vec<Event>,
}

/// Something that happened to requests, told later.
#[derive(Clone)]
struct Told {
    share: Percent,
    second: Arc<Second>,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Ends,
    /// Successes are done or slow, for the guardrails that had a limit when they began.
    Times(u64),
}

impl Counter {
    pub(super) fn new(watched: &Arc<Watched>) -> Self {
        Self {
            watched: Arc::clone(watched),
            tally: Tally::new(Arc::clone(watched)),
            ends: VecDeque::new(),
            units: Arms::default(),
            exposed: Vec::new(),
        }
    }

    /// Takes the requests that began in a second, with what is told of them `lag` seconds later, and of their times once
    /// all of them are past the limits.
    pub(super) fn take(
        &mut self,
        share: Percent,
        second: &Arc<Second>,
        lag: usize,
        slow_from: &[Option<(Duration, Duration)>],
    ) {
        self.tell(lag, share, second, What::Ends);
        let limits = slow_from.iter().enumerate();
        let limits = limits.filter_map(|(at, limits)| Some((at, (*limits)?)));
        let (limited, longest) = limits
            .fold((0, Duration::ZERO), |(bits, longest), (at, limits)| {
                (bits | 1 << at, longest.max(limits.0).max(limits.1))
            });
        if limited != 0 {
            let longest = usize::try_from(longest.as_secs() + 2).unwrap_or(60).min(61);
            self.tell(lag.max(longest), share, second, What::Times(limited));
        }
    }

    fn tell(&mut self, later: usize, share: Percent, second: &Arc<Second>, what: What) {
        if self.ends.len() <= later {
            self.ends.resize_with(later + 1, Vec::new);
        }
        if let Some(told) = self.ends.get_mut(later) {
            told.push(Told {
                share,
                second: Arc::clone(second),
                what,
            });
        }
    }

    /// Takes which units were seen.
    pub(super) fn see(&mut self, seen: &Seen, share: Percent) {
        self.units = seen.units();
        let fresh = seen.fresh.iter().map(|&(unit, enrolled)| Event {
            unit,
            label: Label::new(share, enrolled, false),
            bits: 0,
        });
        self.exposed.extend(fresh);
    }

    /// Returns what is told in this second.
    pub(super) fn count(&mut self) -> Counts {
        let mut batch = Batch::with_room(SHARES, &self.watched);
        batch.units = self.units;
        batch.exposed.append(&mut self.exposed);
        for told in self.ends.pop_front().unwrap_or_default() {
            match told.what {
                What::Ends => self.ends(&mut batch, &told),
                What::Times(limited) => batch.closed.push(self.times(&told, limited)),
            }
        }
        self.tally.take(&batch)
    }

    fn ends(&self, batch: &mut Batch, told: &Told) {
        for class in &told.second.classes {
            let label = Label::new(told.share, class.enrolled, class.wave);
            let of = self.watched.counting(label) & self.watched.at_the_end();
            add(&mut batch.lanes, label, of, class.ended);
            if class.enrolled {
                batch.requests.candidate += class.ended;
            } else {
                batch.requests.stable += class.ended;
            }
        }
        let bad = told.second.bad.iter().filter(|bad| !bad.is_slow);
        for bad in bad {
            let label = Label::new(told.share, bad.enrolled, bad.wave);
            let bits = self.watched.counting(label) & bad.guardrails;
            self.bad(&mut batch.lanes, &mut batch.bad, label, bad.unit, bits);
        }
    }

    fn times(&self, told: &Told, limited: u64) -> Closed {
        let mut lanes = Lanes::new(SHARES, self.watched.guardrails());
        let mut slow = Vec::new();
        for class in &told.second.classes {
            let label = Label::new(told.share, class.enrolled, class.wave);
            let of = self.watched.counting(label) & limited;
            add(&mut lanes, label, of, class.timed);
        }
        for bad in told.second.bad.iter().filter(|bad| bad.is_slow) {
            let label = Label::new(told.share, bad.enrolled, bad.wave);
            let bits = self.watched.counting(label) & bad.guardrails & limited;
            self.bad(&mut lanes, &mut slow, label, bad.unit, bits);
        }
        Closed {
            limited,
            lanes,
            slow,
        }
    }

    /// Counts a bad request, or its unit.
    fn bad(&self, lanes: &mut Lanes, units: &mut Vec<Event>, label: Label, unit: u64, bits: u64) {
        if self.watched.by_unit {
            units.push(Event { unit, label, bits });
        } else if let Some(lane) = lanes.at(label) {
            lane.count_bad(bits, label.is_enrolled());
        }
    }
}

fn add(lanes: &mut Lanes, label: Label, guardrails: u64, requests: u32) {
    if let Some(lane) = lanes.at(label) {
        lane.each(guardrails, |score| {
            if label.is_enrolled() {
                score.of.candidate += requests;
            } else {
                score.of.stable += requests;
            }
        });
    }
}

/// Draws the requests that begin in a second, and hands each process its part and the controller all of them.
pub(super) struct Fleet {
    /// One for each process, where there are several.
    pub(super) processes: Vec<Counter>,
    pub(super) whole: Counter,
}

impl Fleet {
    pub(super) fn new(watched: &Arc<Watched>, processes: u32) -> Self {
        let each = if processes > 1 { processes } else { 0 };
        Self {
            processes: (0..each).map(|_| Counter::new(watched)).collect(),
            whole: Counter::new(watched),
        }
    }

    /// Returns how many requests began, and how many of them were bad for the first guardrail.
    #[expect(clippy::too_many_arguments, reason = "what a second depends on")]
    pub(super) fn second(
        &mut self,
        traffic: &Traffic<'_>,
        at: f64,
        exposure: (Percent, u32),
        lag: usize,
        population: &Population,
        seen: &mut Seen,
        slow_from: &[Option<(Duration, Duration)>],
        random: &mut impl rand::Rng,
    ) -> (Arms, Arms) {
        let share = exposure.0;
        let parts = u32::try_from(self.processes.len())
            .unwrap_or(u32::MAX)
            .max(1);
        let (mut began, mut bad) = (Arms::default(), Arms::default());
        for part in 0..parts as usize {
            let second = traffic.second(at, exposure, parts, population, slow_from, random);
            let second = Arc::new(second);
            for class in &second.classes {
                seen.see(class, population, random);
            }
            began = began + second.began();
            bad = bad + second.bad();
            self.whole.take(share, &second, lag, slow_from);
            if let Some(process) = self.processes.get_mut(part) {
                process.take(share, &second, lag, slow_from);
            }
        }
        self.whole.see(seen, share);
        for process in &mut self.processes {
            process.units = self.whole.units;
        }
        seen.fresh.clear();
        (began, bad)
    }
}
