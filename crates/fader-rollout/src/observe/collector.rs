//! Once a tick: from the shards to counts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::batch::Batch;
use super::memory::Memory;
use super::observer::{Observer, Watching, lock};
use super::shard::Traffic;
use super::sheet::{Durations, Sheet, durations};
use super::slot::{Closing, Slot};
use super::tally::Tally;
use super::watched::Watched;
use crate::counts::Counts;

/// How many ticks are open ahead of the one that is collected.
const AHEAD: u32 = 3;

/// From so many ticks and successes on a quantile is known.
const MEASURED_TICKS: u32 = 60;
const MEASURED: u64 = 1_000;

/// Collects what an [`Observer`] counted. A process has one.
#[derive(Debug)]
pub struct Collector {
    observer: Arc<Observer>,
    runs: BTreeMap<u32, Run>,
}

/// What was counted of one run in a tick.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Collected {
    /// The flag's number.
    pub index: u32,
    /// The run, as it was named to [`Observer::watch`].
    pub run: u64,
    /// What was counted.
    pub counts: Counts,
    /// Requests that began since the call before, in either arm.
    pub began: u64,
    /// Requests that ended since the call before, in either arm.
    pub ended: u64,
    /// Requests of the candidate that run.
    pub running: u64,
    /// What the tick has added to what the run remembers of its units.
    pub news: Memory,
}

#[derive(Debug)]
struct Run {
    watched: Arc<Watched>,
    tally: Tally,
    batch: Batch,
    /// Changes places with a shard's.
    spare: Box<Sheet>,
    #[expect(clippy::vec_box, reason = "they go in and out under a lock")]
    pool: Vec<Box<Slot>>,
    open: VecDeque<Open>,
    /// The first tick that was never open.
    next: u32,
    measured: Option<Measured>,
    /// The words of the maps of units, as they were last.
    seen: Vec<u64>,
}

/// A tick whose latencies are not yet known.
#[derive(Clone, Copy, Debug)]
struct Open {
    tick: u32,
    /// When every request of it is past its limit.
    closes: u32,
}

impl Open {
    fn new(tick: u32, longest: Duration) -> Self {
        let closes = tick.saturating_add(ticks(longest)).saturating_add(1);
        Self { tick, closes }
    }
}

/// How long stable successes took.
#[derive(Debug)]
struct Measured {
    durations: Durations,
    since: Option<u32>,
}

impl Collector {
    /// Makes the collector of an observer.
    #[must_use]
    pub fn new(observer: Arc<Observer>) -> Self {
        Self {
            observer,
            runs: BTreeMap::new(),
        }
    }

    /// Collects a tick that is over, for each run in the order of the flags' numbers. Ticks are a second or longer, and
    /// rise from call to call; some may be left out.
    ///
    /// Errors and events are those of requests that ended since the call before. Latencies are those of earlier ticks,
    /// in which requests began that now are all done or too late.
    #[must_use = "what was collected is not counted again"]
    pub fn collect(&mut self, tick: u32) -> Vec<Collected> {
        self.observer.collected(tick);
        self.observer.count_due(tick);
        let watching = self.observer.runs();
        self.runs.retain(|index, run| {
            let same = watching.get(index);
            same.is_some_and(|same| Arc::ptr_eq(&same.watched, &run.watched))
        });
        let each = watching.iter().map(|(&index, watching)| {
            let run = self.runs.entry(index);
            let run = run.or_insert_with(|| Run::new(watching));
            let (counts, traffic) = run.collect(&self.observer, index, watching, tick);
            let mut news = run.tally.news();
            news.seen = run.watched.units.news(&mut run.seen);
            Collected {
                index,
                run: watching.watched.run,
                counts,
                began: traffic.began,
                ended: traffic.ended,
                running: u64::try_from(traffic.running).unwrap_or(0),
                news,
            }
        });
        each.collect()
    }

    /// Goes on from what a run remembers of its units: right after its [`watch`](Observer::watch), in a process that takes
    /// it over from another one.
    pub fn recall(&mut self, index: u32, memory: &Memory) {
        let Some(watching) = self.observer.runs().get(&index).cloned() else {
            return;
        };
        let mut run = Run::new(&watching);
        run.tally.recall(memory);
        run.watched.units.recall(&memory.seen);
        // They are known to whoever keeps the memory.
        let _ = watching.watched.units.news(&mut run.seen);
        self.runs.insert(index, run);
    }

    /// Forgets how long stable successes took, and measures anew: for a stage that begins.
    pub fn measure_anew(&mut self, index: u32) {
        if let Some(run) = self.runs.get_mut(&index) {
            run.measured = Measured::new(&run.watched);
        }
    }
}

impl Run {
    fn new(watching: &Watching) -> Self {
        let Watching {
            watched, planned, ..
        } = watching;
        let opened = watched.opened(planned);
        let longest = planned.longest().unwrap_or_default();
        let open = opened.clone().map(|tick| Open::new(tick, longest));
        Self {
            watched: Arc::clone(watched),
            tally: Tally::new(Arc::clone(watched)),
            batch: Batch::new(watched),
            spare: Box::new(Sheet::new(watched)),
            pool: Vec::new(),
            open: open.collect(),
            next: opened.end,
            measured: Measured::new(watched),
            seen: Vec::new(),
        }
    }

    fn collect(
        &mut self,
        observer: &Observer,
        index: u32,
        watching: &Watching,
        tick: u32,
    ) -> (Counts, Traffic) {
        let mut traffic = Traffic::default();
        let closing = self.close_until(tick);
        let opening = self.open_after(tick, watching);
        let mut sums: Vec<Closing> = closing
            .iter()
            .map(|_| Closing::new(&self.watched))
            .collect();
        let mut closed: Vec<Box<Slot>> = Vec::new();
        self.batch.clear();
        for shard in observer.shards() {
            let mut opened = self.slots(&opening, watching);
            let mut shard = lock(shard);
            if let Some(book) = shard.book(index) {
                traffic.take(&mut book.traffic);
                std::mem::swap(&mut book.sheet, &mut self.spare);
                closed.extend(closing.iter().filter_map(|open| book.take(open.tick)));
                opened.drain(..).for_each(|slot| book.put(slot));
            }
            drop(shard);
            self.read_sheet();
            for slot in closed.drain(..) {
                let at = closing.iter().position(|open| open.tick == slot.tick);
                if let Some(sum) = at.and_then(|at| sums.get_mut(at)) {
                    sum.merge(&slot);
                }
                self.pool.push(slot);
            }
        }
        let done = sums.into_iter().filter_map(|sum| sum.close(&self.watched));
        self.batch.closed.extend(done);
        self.batch.even_out();
        self.batch.units = self.watched.units.count();
        let mut counts = self.tally.take(&self.batch);
        if let Some(measured) = &mut self.measured {
            counts.quantiles = measured.quantiles(&self.watched, tick);
        }
        (counts, traffic)
    }

    fn read_sheet(&mut self) {
        self.batch.merge(&self.spare);
        if let (Some(measured), Some(durations)) = (&mut self.measured, &self.spare.durations)
            && !durations.is_empty()
        {
            // The bounds are the same, so it can't fail.
            let _ = measured.durations.add(durations);
        }
        self.spare.clear();
    }

    /// Returns the ticks whose requests are past their limits, the oldest first.
    fn close_until(&mut self, tick: u32) -> Vec<Open> {
        let (closing, open): (VecDeque<_>, _) =
            self.open.drain(..).partition(|open| open.closes <= tick);
        self.open = open;
        closing.into()
    }

    /// Returns the ticks to open now. No request of them has begun in any shard yet, so all of them are judged by these
    /// limits.
    fn open_after(&mut self, tick: u32, watching: &Watching) -> Vec<u32> {
        let Some(longest) = watching.limits.longest() else {
            return Vec::new();
        };
        let from = self.next.max(tick.saturating_add(2));
        let to = tick.saturating_add(AHEAD);
        let opening: Vec<u32> = (from..=to).collect();
        let open = opening.iter().map(|&tick| Open::new(tick, longest));
        self.open.extend(open);
        self.next = self.next.max(to.saturating_add(1));
        opening
    }

    #[expect(clippy::vec_box, reason = "they go in and out under a lock")]
    fn slots(&mut self, opening: &[u32], watching: &Watching) -> Vec<Box<Slot>> {
        let each = opening.iter().map(|&tick| {
            let slot = self.pool.pop();
            let mut slot = slot.unwrap_or_else(|| Box::new(Slot::new(&self.watched)));
            slot.open(tick, &watching.limits);
            slot
        });
        each.collect()
    }
}

/// Seconds, rounded up: a tick is no shorter.
pub(super) fn ticks(limit: Duration) -> u32 {
    let started = u64::from(limit.subsec_nanos() > 0);
    u32::try_from(limit.as_secs().saturating_add(started)).unwrap_or(u32::MAX)
}

impl Measured {
    /// `None` where no guardrail asks for it.
    fn new(watched: &Watched) -> Option<Self> {
        let asked = watched.quantiles.iter().any(Option::is_some);
        asked.then(durations).flatten().map(|durations| Self {
            durations,
            since: None,
        })
    }

    fn quantiles(&mut self, watched: &Watched, tick: u32) -> Vec<Option<Duration>> {
        let since = *self.since.get_or_insert(tick);
        let ticks = tick.saturating_sub(since).saturating_add(1);
        let known = ticks >= MEASURED_TICKS && self.durations.len() >= MEASURED;
        let each = watched.quantiles.iter().map(|quantile| {
            let quantile = quantile.filter(|_| known)?;
            let micros = self.durations.value_at_quantile(quantile);
            Some(Duration::from_micros(micros))
        });
        each.collect()
    }
}
