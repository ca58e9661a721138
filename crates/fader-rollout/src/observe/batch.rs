//! What all shards counted of a run in a tick.

use super::lanes::{Lanes, add};
use super::sample::{Event, Sample};
use super::sheet::Sheet;
use super::slot::Closed;
use super::watched::Watched;
use crate::guardrail::Arms;

/// Shares in one tick, over all shards.
const SHARES: usize = 64;

/// The sum of a tick, from which a [`Tally`](super::Tally) makes counts. A simulation fills it by itself.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Requests that ended.
    pub(crate) requests: Arms,
    /// Units that the run has seen so far.
    pub(crate) units: Arms,
    /// Requests that ended, by share; those that were bad too, where requests count.
    pub(crate) lanes: Lanes,
    /// Bad events, where units count: any number for each unit.
    pub(crate) bad: Vec<Event>,
    /// Exposures of the units that are checked: any number for each unit.
    pub(crate) exposed: Vec<Event>,
    /// Ticks whose latencies are known by now, the oldest first.
    pub(crate) closed: Vec<Closed>,
    bad_level: u32,
    exposed_level: u32,
}

impl Batch {
    pub(crate) fn new(watched: &Watched) -> Self {
        Self::with_room(SHARES, watched)
    }

    /// Makes one for so many shares and ways to draw them.
    pub(crate) fn with_room(shares: usize, watched: &Watched) -> Self {
        Self {
            requests: Arms::default(),
            units: Arms::default(),
            lanes: Lanes::new(shares, watched.guardrails()),
            bad: Vec::new(),
            exposed: Vec::new(),
            closed: Vec::new(),
            bad_level: 0,
            exposed_level: 0,
        }
    }

    pub(crate) fn clear(&mut self) {
        self.requests = Arms::default();
        self.lanes.clear();
        self.bad.clear();
        self.exposed.clear();
        self.closed.clear();
        self.bad_level = 0;
        self.exposed_level = 0;
    }

    pub(crate) fn merge(&mut self, sheet: &Sheet) {
        add(&mut self.requests, sheet.requests);
        self.lanes.merge(&sheet.lanes);
        gather(&mut self.bad, &mut self.bad_level, &sheet.bad);
        gather(&mut self.exposed, &mut self.exposed_level, &sheet.exposures);
    }

    /// Leaves of the units only those that every shard had room for.
    pub(crate) fn even_out(&mut self) {
        let Self {
            bad_level,
            exposed_level,
            ..
        } = *self;
        self.bad.retain(|event| event.is_at(bad_level));
        self.exposed.retain(|event| event.is_at(exposed_level));
    }
}

fn gather(into: &mut Vec<Event>, level: &mut u32, sample: &Sample) {
    into.extend(sample.events());
    *level = (*level).max(sample.level());
}
