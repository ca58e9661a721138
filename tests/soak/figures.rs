//! What is counted, and how it is shown.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fader::Event;

use super::allocator::Live;
use super::readers::Read;
use super::writer::Kind;

/// What the handle told.
#[derive(Default)]
pub struct Told {
    live: Mutex<Option<(u64, Instant)>>,
    loaded: AtomicU64,
    overlaid: AtomicU64,
    refused: AtomicU64,
    stale: AtomicU64,
    recovered: AtomicU64,
}

impl Told {
    pub fn note(&self, event: &Event) {
        let counter = match event {
            Event::Loaded(change) => {
                let revision = change.version().parse().unwrap();
                *self.live.lock().unwrap() = Some((revision, Instant::now()));
                &self.loaded
            }
            Event::Overlaid(_) => &self.overlaid,
            Event::Refused(_) => &self.refused,
            Event::Stale { .. } => &self.stale,
            Event::Recovered { .. } => &self.recovered,
            _ => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The revision that went live last, and when.
    pub fn live(&self) -> (u64, Instant) {
        self.live.lock().unwrap().expect("a load")
    }

    /// Forgets the counts so far.
    pub fn reset(&self) {
        for counter in self.counters() {
            counter.store(0, Ordering::Relaxed);
        }
    }

    /// Whether there were loads and refusals.
    pub fn has_both(&self) -> bool {
        let counts = [&self.loaded, &self.refused].map(|count| count.load(Ordering::Relaxed));
        !counts.contains(&0)
    }

    fn counters(&self) -> [&AtomicU64; 5] {
        [
            &self.loaded,
            &self.overlaid,
            &self.refused,
            &self.stale,
            &self.recovered,
        ]
    }
}

/// Resident memory over the second half: a straight line, fitted by least squares as the samples come, so that they
/// take no memory themselves.
pub struct Resident {
    from: Duration,
    next: Duration,
    samples: f64,
    time: f64,
    memory: f64,
    time_time: f64,
    time_memory: f64,
}

impl Resident {
    const EVERY: Duration = Duration::from_millis(50);

    /// In MiB a minute.
    const BOUND: f64 = 1.0;

    /// By how much, in MiB, a fit may rise over a run that is too short to tell a trend from what the system's
    /// allocator takes in steps: the heaps of threads, and the largest documents that were ever in hand at once.
    const ROOM: f64 = 4.0;
    const SHORT: Duration = Duration::from_secs(300);

    fn new(from: Duration) -> Self {
        Self {
            from,
            next: from,
            samples: 0.0,
            time: 0.0,
            memory: 0.0,
            time_time: 0.0,
            time_memory: 0.0,
        }
    }

    pub fn sample(&mut self, now: Duration) {
        if now < self.next {
            return;
        }
        self.next = now + Self::EVERY;
        let (time, memory) = ((now - self.from).as_secs_f64() / 60.0, resident());
        self.samples += 1.0;
        self.time += time;
        self.memory += memory;
        self.time_time += time * time;
        self.time_memory += time * memory;
    }

    /// In MiB a minute.
    fn slope(&self) -> f64 {
        let spread = self.samples * self.time_time - self.time * self.time;
        (self.samples * self.time_memory - self.time * self.memory) / spread
    }

    fn mean(&self) -> f64 {
        self.memory / self.samples
    }

    pub fn assert_flat(&self, length: Duration) {
        let minutes = length.saturating_sub(self.from).as_secs_f64() / 60.0;
        let room = if length < Self::SHORT {
            Self::ROOM
        } else {
            0.0
        };
        let (slope, bound) = (self.slope(), Self::BOUND + room / minutes);
        assert!(
            slope <= bound,
            "resident memory rises by {slope:.2} MiB a minute, which is more than {bound:.2}"
        );
    }
}

/// The process's resident memory, in MiB.
fn resident() -> f64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    // Where pages are larger, the figure is too small, and it rises as a leak does all the same.
    pages * 4096.0 / f64::from(1 << 20)
}

pub struct Figures {
    pub length: Duration,
    changes: [u64; Kind::ALL.len()],
    /// From writing to going live: of documents, and of those with a list that was just written in place.
    delays: [Vec<Duration>; 2],
    pub read: Read,
    pub resident: Resident,
}

impl Figures {
    /// Takes all the memory that it needs.
    pub fn new(length: Duration) -> Self {
        Self {
            length,
            changes: [0; Kind::ALL.len()],
            delays: [(); 2].map(|()| Vec::with_capacity(2 * length.as_secs() as usize)),
            read: Read::default(),
            resident: Resident::new(length / 2),
        }
    }

    pub fn count(&mut self, kind: Kind) {
        self.changes[kind as usize] += 1;
    }

    pub fn went_live(&mut self, delay: Duration, beside_list: bool) {
        self.delays[usize::from(beside_list)].push(delay);
    }

    pub fn print(&self, told: &Told, before: Live, after: Live) {
        let total: u64 = self.changes.iter().sum();
        let seconds = self.length.as_secs_f64();
        println!("{total} changes in {seconds:.1} s");
        for ((_, _, name), count) in Kind::ALL.iter().zip(self.changes) {
            println!("  {count:>6} {name}");
        }
        let [loaded, overlaid, refused, stale, recovered] = told
            .counters()
            .map(|counter| counter.load(Ordering::Relaxed));
        println!("{loaded} loads, {overlaid} overlays, {refused} refusals");
        println!("{stale} times a source could not be read, {recovered} times one was good again");
        let Read {
            evaluations,
            scopes,
            longest,
            ..
        } = self.read;
        println!(
            "{evaluations} evaluations, {scopes} scopes, the longest single evaluation {longest:?}"
        );
        let names = ["", ", beside a list just written in place"];
        for (name, delays) in names.iter().zip(&self.delays) {
            println!("from write to live{name}: {}", quantiles(delays));
        }
        println!(
            "live: {} bytes in {} blocks before, {} in {} after",
            before.bytes, before.blocks, after.bytes, after.blocks
        );
        println!(
            "resident: {:.1} MiB in the mean, {:+.3} MiB a minute in the second half",
            self.resident.mean(),
            self.resident.slope()
        );
    }
}

fn quantiles(delays: &[Duration]) -> String {
    let mut sorted = delays.to_vec();
    sorted.sort_unstable();
    let Some(max) = sorted.last() else {
        return "none".to_owned();
    };
    let at = |part: usize| sorted[(sorted.len() - 1) * part / 100].as_millis();
    format!(
        "{} of them, p50 {} ms, p99 {} ms, max {} ms",
        sorted.len(),
        at(50),
        at(99),
        max.as_millis()
    )
}
