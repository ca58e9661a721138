//! The sink: from any thread to its shard.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use fader::plan::Plan;
use fader::{DrawnFlag, Outcome, OutcomeSink};

use super::collector::ticks;
use super::drawn::Drawn;
use super::expected::{Expected, Expecting};
use super::shard::{Book, Shard};
use super::slot::Slot;
use super::watched::{Limits, Watched};

/// Counts what requests do that were drawn for a flag whose plan it watches.
///
/// Hang it on a handle with [`Flags::add_outcome_sink`](fader::Flags::add_outcome_sink), and let one
/// [`Collector`](super::Collector) collect once a tick. It takes a lock that threads seldom share, allocates nothing,
/// and takes some tens of nanoseconds for a request; the [module](super) has the figures.
pub struct Observer {
    shards: Box<[Padded]>,
    /// By the flag's number. Taken by the controller alone.
    runs: Mutex<BTreeMap<u32, Watching>>,
    /// The tick after the one that was collected last.
    upcoming: AtomicU32,
    expecting: Mutex<Expecting>,
}

/// On cache lines of its own, so that threads do not slow each other down.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded(Mutex<Shard>);

/// A run that is watched.
#[derive(Clone, Debug)]
pub(crate) struct Watching {
    pub(crate) watched: Arc<Watched>,
    pub(crate) limits: Arc<Limits>,
    /// Those that it began with.
    pub(crate) planned: Arc<Limits>,
}

/// Threads take shards in turn. More shards than this cost memory and time in each tick.
const SHARDS: usize = 32;

impl Default for Observer {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer {
    /// Makes one that watches nothing yet.
    #[must_use]
    pub fn new() -> Self {
        // Twice the processors: a thread that is put to sleep while it holds a lock then rarely stops another.
        let processors = available_parallelism().map_or(1, usize::from);
        Self::with_shards(processors.saturating_mul(2).min(SHARDS).next_power_of_two())
    }

    pub(crate) fn with_shards(shards: usize) -> Self {
        Self {
            shards: (0..shards.max(1)).map(|_| Padded::default()).collect(),
            runs: Mutex::default(),
            upcoming: AtomicU32::new(0),
            expecting: Mutex::default(),
        }
    }

    /// Begins to watch a run of a flag's plan, by the flag's number (see [`DrawnFlag::index`]), and forgets what was
    /// counted of an earlier one. What began in the tick that is collected next, or before, belongs to that: once
    /// anything was collected, it counts what begins later. Of a plan's guardrails the first 64 are counted.
    pub fn watch(&self, index: u32, plan: &Plan, run: u64) {
        // What has begun in the tick that runs may have been drawn before.
        let since = match self.upcoming.load(Ordering::Relaxed) {
            0 => 0,
            upcoming => upcoming.saturating_add(1),
        };
        let watched = Arc::new(Watched::new(plan, run).since(since));
        let limits = Arc::new(Watched::limits(plan));
        let opened = watched.opened(&limits);
        let mut runs = self.runs();
        for shard in self.shards() {
            let mut slots: Vec<_> = opened
                .clone()
                .map(|tick| Box::new(Slot::opened(&watched, tick, &limits)))
                .collect();
            let mut shard = lock(shard);
            shard.watch(index, &watched);
            if let Some(book) = shard.book(index) {
                slots.drain(..).for_each(|slot| book.put(slot));
            }
        }
        let planned = Arc::clone(&limits);
        runs.insert(
            index,
            Watching {
                watched,
                limits,
                planned,
            },
        );
    }

    /// Watches a flag no longer.
    pub fn forget(&self, index: u32) {
        let mut runs = self.runs();
        for shard in self.shards() {
            lock(shard).forget(index);
        }
        runs.remove(&index);
    }

    /// Sets from which duration on a success is slow for a guardrail of latency, by its place in the plan: stable's
    /// quantile, and so many times it for the candidate.
    ///
    /// It holds for requests that begin some ticks later, so that each is judged by one limit from its beginning to its
    /// end. One above 60 s is not taken. Until it is set, a relative guardrail of latency counts nothing; an absolute one has
    /// its limit from the plan.
    pub fn set_limits(&self, index: u32, guardrail: usize, candidate: Duration, stable: Duration) {
        if let Some(watching) = self.runs().get_mut(&index) {
            Arc::make_mut(&mut watching.limits).set(guardrail, candidate, stable);
        }
    }

    /// Expects an event within some time, such as that an order is paid. When that time is over it counts for each of the
    /// flags, in the arm and under the share that were drawn: as bad where it was not [met](Self::meet). A guardrail of such
    /// an event counts what was expected, and no other requests: an event is expected, or [reported](OutcomeSink::reported),
    /// not both.
    ///
    /// The time is rounded up to ticks, and one more. Flags of which no guardrail counts the event are left out. Up to 65,536 events are
    /// waited for; beyond that, some are left out by a hash of the unit, in both arms alike. A process that ends forgets
    /// them.
    ///
    /// `drawn` are those of a scope: see [`Scope::drawn`](fader::Scope::drawn).
    pub fn expect<'d>(
        &self,
        drawn: impl IntoIterator<Item = DrawnFlag<'d>>,
        event: &str,
        within: Duration,
    ) -> Expected {
        let counts = |drawn: DrawnFlag<'_>| {
            let mut found = None;
            self.record(&drawn, by_unit, |book, drawn| {
                found = book.watched.expect(event).then_some(*drawn);
            });
            Some((drawn.index(), found?))
        };
        let drawn: Vec<(u32, Drawn)> = drawn.into_iter().filter_map(counts).collect();
        // The tick that runs has begun already.
        let next = self.upcoming.load(Ordering::Relaxed).saturating_add(1);
        lock(&self.expecting).add(event, drawn, next.saturating_add(ticks(within)))
    }

    /// Says that an event has come. Where it comes too late it is missing all the same.
    pub fn meet(&self, expected: Expected) {
        lock(&self.expecting).meet(expected);
    }

    /// Counts the events whose time is over at the end of a tick.
    pub(crate) fn count_due(&self, tick: u32) {
        // The lock of those who wait is not held while shards are.
        let due = lock(&self.expecting).take_due(tick);
        for due in due {
            for (flag, drawn) in &due.drawn {
                self.on(0, |shard| {
                    if let Some(book) = shard.book(*flag) {
                        book.due(drawn, &due.event, due.has_come);
                    }
                });
            }
        }
    }

    pub(crate) fn runs(&self) -> MutexGuard<'_, BTreeMap<u32, Watching>> {
        lock(&self.runs)
    }

    /// Notes that a tick was collected.
    pub(crate) fn collected(&self, tick: u32) {
        self.upcoming
            .store(tick.saturating_add(1), Ordering::Relaxed);
    }

    pub(crate) fn shards(&self) -> impl ExactSizeIterator<Item = &Mutex<Shard>> {
        self.shards.iter().map(|shard| &shard.0)
    }

    /// Records in the book of the run that the flag has, if it has one, with the unit where that is asked.
    #[inline]
    fn record(
        &self,
        drawn: &DrawnFlag<'_>,
        with_unit: impl FnOnce(&Book) -> bool,
        record: impl FnOnce(&mut Book, &Drawn),
    ) {
        self.on(thread(), |shard| {
            if let Some(book) = shard.book(drawn.index()) {
                let drawn = Drawn::new(drawn, with_unit(book));
                record(book, &drawn);
            }
        });
    }

    /// Runs with the shard that a thread has.
    pub(crate) fn on(&self, thread: usize, record: impl FnOnce(&mut Shard)) {
        if let Some(shard) = self.shards.get(thread & (self.shards.len() - 1)) {
            record(&mut lock(&shard.0));
        }
    }
}

impl OutcomeSink for Observer {
    fn began(&self, drawn: &DrawnFlag<'_>) {
        // By request too, for the check of the assignment.
        self.record(drawn, |_| true, Book::began);
    }

    fn ended(&self, drawn: &DrawnFlag<'_>, outcome: &Outcome) {
        self.record(drawn, by_unit, |book, drawn| book.ended(drawn, *outcome));
    }

    fn reported(&self, drawn: &DrawnFlag<'_>, event: &str) {
        self.record(drawn, by_unit, |book, drawn| book.reported(drawn, event));
    }
}

fn by_unit(book: &Book) -> bool {
    book.watched.by_unit
}

/// A panic of another thread leaves counts that are off by one at most.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number for each thread, in the order in which they first record.
fn thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    NUMBER.with(|number| {
        number.get().unwrap_or_else(|| {
            let mine = NEXT.fetch_add(1, Ordering::Relaxed);
            number.set(Some(mine));
            mine
        })
    })
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer")
            .field("shards", &self.shards.len())
            .field("watched", &self.runs().len())
            .finish()
    }
}
