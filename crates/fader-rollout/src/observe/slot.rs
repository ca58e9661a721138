//! Requests that began in one tick, until all of them are done or slow.

use std::sync::Arc;

use fader::{Ending, Outcome};

use super::label::Label;
use super::lanes::{Lanes, arm};
use super::ledger::Ledger;
use super::sample::{Event, Sample};
use super::watched::{Limits, Watched, Who, is_success};

/// Shares under which requests of one tick are drawn: two where a stage begins, and waves.
const SHARES: usize = 4;
const SLOW: usize = 256;

/// An open tick of one shard, or the sum of those of all shards.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) tick: u32,
    /// The same from the first request to the last, whatever is measured meanwhile.
    pub(crate) limits: Arc<Limits>,
    lanes: Lanes,
    /// Units of successes that were slow.
    slow: Sample,
    /// Units that are still waiting.
    ledger: Ledger,
}

/// A tick whose requests are all done or slow.
#[derive(Clone, Debug)]
pub(crate) struct Closed {
    /// The guardrails of latency that had a limit.
    pub(crate) limited: u64,
    /// Requests that were done in time, slow, or are still running.
    pub(crate) lanes: Lanes,
    /// Units that were slow, of which none is left out for its arm.
    pub(crate) slow: Vec<Event>,
}

impl Slot {
    pub(crate) fn new(watched: &Watched) -> Self {
        Self {
            tick: 0,
            limits: Arc::default(),
            lanes: Lanes::new(SHARES, watched.guardrails()),
            slow: Sample::new(SLOW),
            ledger: Ledger::new(),
        }
    }

    pub(crate) fn opened(watched: &Watched, tick: u32, limits: &Arc<Limits>) -> Self {
        let mut slot = Self::new(watched);
        slot.open(tick, limits);
        slot
    }

    pub(crate) fn open(&mut self, tick: u32, limits: &Arc<Limits>) {
        self.tick = tick;
        self.limits = Arc::clone(limits);
        self.lanes.clear();
        self.slow.clear();
        self.ledger.clear();
    }

    pub(crate) fn began(&mut self, watched: &Watched, label: Label, who: Who) {
        if watched.counting(label) & self.limits.known == 0 {
            return;
        }
        if let Some(lane) = self.lanes.at(label) {
            lane.run(label.is_enrolled(), 1);
        }
        if let Who::Unit(unit) = who {
            self.ledger.began(unit, label);
        }
    }

    pub(crate) fn ended(&mut self, watched: &Watched, label: Label, who: Who, how: Outcome) {
        let enrolled = label.is_enrolled();
        let counting = watched.counting(label) & self.limits.known;
        if counting == 0 {
            return;
        }
        if let Who::Unit(unit) = who {
            self.ledger.ended(unit, label);
        }
        let Some(lane) = self.lanes.at(label) else {
            return;
        };
        lane.run(enrolled, -1);
        let Some(took) = how.latency() else { return };
        let slow = self.limits.slower(counting, took, enrolled);
        let (of, bad) = match how.ending() {
            ending if is_success(ending) => (counting, slow),
            // It waited too long already.
            Ending::Dropped => (slow, slow),
            _ => return,
        };
        lane.count(of, enrolled);
        match who {
            Who::Request => lane.count_bad(bad, enrolled),
            Who::Unit(unit) if bad != 0 => self.slow.insert(Event {
                unit,
                label,
                bits: bad,
            }),
            Who::Unit(_) => {}
        }
    }
}

/// The shards of one tick, put together.
#[derive(Debug)]
pub(crate) struct Closing {
    limits: Arc<Limits>,
    lanes: Lanes,
    slow: Vec<Event>,
    level: u32,
    ledger: Ledger,
}

impl Closing {
    pub(crate) fn new(watched: &Watched) -> Self {
        Self {
            limits: Arc::default(),
            lanes: Lanes::new(SHARES, watched.guardrails()),
            slow: Vec::new(),
            level: 0,
            ledger: Ledger::new(),
        }
    }

    pub(crate) fn merge(&mut self, slot: &Slot) {
        self.limits = Arc::clone(&slot.limits);
        self.lanes.merge(&slot.lanes);
        self.slow.extend(slot.slow.events());
        self.level = self.level.max(slot.slow.level());
        self.ledger.merge(&slot.ledger);
    }

    /// What is still running is slow.
    ///
    /// A unit counts if it is in the sample and no other unit hangs in its cell, whether it was slow itself or hangs
    /// still. So it is as likely to count in either arm, also where those of one arm hang and those of the other end.
    /// With more shares than there is room for nobody knows what is still running: the tick tells nothing.
    pub(crate) fn close(mut self, watched: &Watched) -> Option<Closed> {
        if self.lanes.has_overflowed() {
            return None;
        }
        let limited = self.limits.known & watched.latency;
        self.slow.retain(|slow| self.ledger.is_alone(slow.unit));
        self.slow
            .extend(self.ledger.running().map(|(unit, label)| Event {
                unit,
                label,
                bits: limited & watched.counting(label),
            }));
        let level = self.level;
        self.slow.retain(|slow| slow.is_at(level));
        for lane in self.lanes.iter_mut() {
            for enrolled in [false, true] {
                let label = Label::new(lane.key.share(), enrolled, lane.key.is_wave());
                let guardrails = limited & watched.counting(label);
                let hanging = lane.hanging(enrolled);
                lane.each(guardrails, |score| {
                    *arm(&mut score.of, enrolled) += hanging;
                    if !watched.by_unit {
                        *arm(&mut score.bad, enrolled) += hanging;
                    }
                });
            }
        }
        Some(Closed {
            limited,
            lanes: self.lanes,
            slow: self.slow,
        })
    }
}
