//! What one shard counts of a run between two collections.

use fader::Outcome;
use hdrhistogram::Histogram;

use super::drawn::Drawn;
use super::label::Label;
use super::lanes::{Lanes, arm};
use super::sample::{Event, Sample};
use super::watched::{Watched, Who, is_success};
use crate::guardrail::Arms;

/// Shares under which requests that end in one tick were drawn: more than eight at once do not occur.
const SHARES: usize = 8;
const BAD: usize = 512;
const EXPOSED: usize = 256;

/// Durations in microseconds: from 10 µs to 1 h, within 1 %.
pub(crate) type Durations = Histogram<u32>;

pub(crate) fn durations() -> Option<Durations> {
    Histogram::new_with_bounds(10, 3_600_000_000, 2).ok()
}

#[derive(Debug)]
pub(crate) struct Sheet {
    /// Requests that ended.
    pub(crate) requests: Arms,
    pub(crate) lanes: Lanes,
    /// Bad events, by unit.
    pub(crate) bad: Sample,
    /// Exposures of units that are checked.
    pub(crate) exposures: Sample,
    /// How long stable successes took, where that is asked.
    pub(crate) durations: Option<Durations>,
}

impl Sheet {
    pub(crate) fn new(watched: &Watched) -> Self {
        let asked = watched.quantiles.iter().any(Option::is_some);
        Self {
            requests: Arms::default(),
            lanes: Lanes::new(SHARES, watched.guardrails()),
            bad: Sample::new(BAD),
            exposures: Sample::new(EXPOSED),
            durations: asked.then(durations).flatten(),
        }
    }

    /// Notes that a unit that is checked was exposed. A wave says nothing of the assignment.
    pub(crate) fn exposed(&mut self, label: Label, unit: u64) {
        if !label.is_wave() {
            self.exposures.insert(Event {
                unit,
                label,
                bits: 0,
            });
        }
    }

    pub(crate) fn ended(
        &mut self,
        watched: &Watched,
        drawn: &Drawn,
        who: Option<Who>,
        how: Outcome,
    ) {
        let label = drawn.label;
        let enrolled = label.is_enrolled();
        *arm(&mut self.requests, enrolled) += 1;
        let Some(who) = who else { return };
        let counting = watched.counting(label);
        let (of, bad) = watched.at_end(how.ending());
        if let Some(lane) = self.lanes.at(label) {
            lane.count(of & counting, enrolled);
        }
        self.bad(label, who, bad & counting);
        if let (Some(durations), Some(took)) = (&mut self.durations, how.latency())
            && !enrolled
            && is_success(how.ending())
        {
            durations.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
    }

    pub(crate) fn reported(&mut self, watched: &Watched, label: Label, who: Who, event: &str) {
        self.bad(
            label,
            who,
            watched.at_event(event) & watched.counting(label),
        );
    }

    /// An event that was expected, and has come or has not.
    pub(crate) fn due(
        &mut self,
        watched: &Watched,
        label: Label,
        who: Who,
        event: &str,
        has_come: bool,
    ) {
        let counting = watched.at_event(event) & watched.counting(label);
        if let Some(lane) = self.lanes.at(label) {
            lane.count(counting, label.is_enrolled());
        }
        if !has_come {
            self.bad(label, who, counting);
        }
    }

    fn bad(&mut self, label: Label, who: Who, bits: u64) {
        if bits == 0 {
            return;
        }
        match who {
            Who::Unit(unit) => self.bad.insert(Event { unit, label, bits }),
            Who::Request => {
                if let Some(lane) = self.lanes.at(label) {
                    lane.count_bad(bits, label.is_enrolled());
                }
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.requests = Arms::default();
        self.lanes.clear();
        self.bad.clear();
        self.exposures.clear();
        if let Some(durations) = self.durations.as_mut().filter(|all| !all.is_empty()) {
            durations.reset();
        }
    }
}
