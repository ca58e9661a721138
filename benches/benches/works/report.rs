//! From criterion's samples to one line a work.
//!
//! A work and its floor take turns, twice each, so that a machine that becomes slower meanwhile favours neither; the mean
//! of both medians is reported. What reading the clock costs is measured before each sample, and taken off.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use criterion::Criterion;
use fader_benches::counting::{Counts, counted};

/// What is prepared before the clock starts: enough that little of each is the clock's, few enough that it is still in
/// the first-level cache when it is read.
const CHUNK: usize = 64;

/// How often a work takes its turn, and its floor.
const TURNS: usize = 2;

/// Collects what was measured.
pub struct Report {
    criterion: Criterion,
    /// Where criterion keeps its samples.
    home: PathBuf,
    filter: String,
    /// Whether each work is done once, to see that it can be.
    test: bool,
    works: Vec<Work>,
}

/// One work, as it was measured.
struct Work {
    name: String,
    nanos: f64,
    floor: Option<f64>,
    allocations: f64,
}

/// One thing to measure: something is prepared for each of the users in turn, then done.
pub struct Task<P, W> {
    prepare: P,
    work: W,
    per: usize,
    /// How many are prepared before the clock starts.
    chunk: usize,
}

/// Makes a task of what is done before the clock starts and what it measures.
pub fn task<T, R, P: FnMut(usize) -> T, W: FnMut(&mut T) -> R>(prepare: P, work: W) -> Task<P, W> {
    Task {
        prepare,
        work,
        per: 1,
        chunk: CHUNK,
    }
}

impl<P, W> Task<P, W> {
    /// Says how many evaluations it comes to.
    pub fn per(self, per: usize) -> Self {
        Self { per, ..self }.one_by_one()
    }

    /// Does one at a time, and drops what comes of it when the clock has stopped.
    pub fn one_by_one(self) -> Self {
        Self { chunk: 1, ..self }
    }
}

impl Report {
    /// Takes `--test` and a filter from the command line; criterion's own flags are not for here.
    pub fn from_arguments() -> Self {
        let filter = std::env::args()
            .skip(1)
            .find(|argument| !argument.starts_with('-'));
        let home = std::env::var_os("CRITERION_HOME").map_or_else(
            || std::env::temp_dir().join("fader-criterion"),
            PathBuf::from,
        );
        let criterion = Criterion::default()
            .without_plots()
            .output_directory(&home)
            .sample_size(15)
            .warm_up_time(Duration::from_millis(150))
            .measurement_time(Duration::from_millis(600));
        Self {
            criterion,
            home,
            filter: filter.unwrap_or_default(),
            test: std::env::args().any(|argument| argument == "--test"),
            works: Vec::new(),
        }
    }

    pub fn wants(&self, name: &str) -> bool {
        name.contains(&self.filter)
    }

    /// Returns whether nothing is measured.
    pub fn is_test(&self) -> bool {
        self.test
    }

    /// Measures a work and its floor in turns.
    pub fn measure<T, R, U, S>(
        &mut self,
        name: &str,
        task: Task<impl FnMut(usize) -> T, impl FnMut(&mut T) -> R>,
        floor: Option<Task<impl FnMut(usize) -> U, impl FnMut(&mut U) -> S>>,
    ) {
        if !self.wants(name) {
            return;
        }
        let (mut task, mut floor) = (Timed::new(task), floor.map(Timed::new));
        if self.test {
            task.run(task.chunk);
            if let Some(floor) = &mut floor {
                floor.run(floor.chunk);
            }
            eprintln!("{name}");
            return;
        }
        let allocations = task.allocations();
        let (mut nanos, mut floor_nanos) = (0.0, 0.0);
        for turn in 1..=TURNS {
            nanos += self.time(name, &format!("work-{turn}"), &mut task) / TURNS as f64;
            if let Some(floor) = &mut floor {
                floor_nanos += self.time(name, &format!("floor-{turn}"), floor) / TURNS as f64;
            }
        }
        self.add(name, nanos, floor.map(|_| floor_nanos), allocations);
    }

    /// Measures something that has no floor.
    pub fn measure_alone<T, R>(
        &mut self,
        name: &str,
        task: Task<impl FnMut(usize) -> T, impl FnMut(&mut T) -> R>,
    ) {
        self.measure(name, task, None::<Task<fn(usize), fn(&mut ())>>);
    }

    /// Adds a work that was measured elsewhere.
    pub fn add(&mut self, name: &str, nanos: f64, floor: Option<f64>, allocations: f64) {
        if self.test {
            eprintln!("{name}");
            return;
        }
        let work = Work {
            name: name.to_owned(),
            nanos,
            floor,
            // Upwards, so that a few are not told as none.
            allocations: (allocations * 100.0).ceil() / 100.0,
        };
        eprintln!("{work}");
        self.works.push(work);
    }

    /// Returns the median of nanoseconds an evaluation.
    fn time<T, R>(
        &mut self,
        name: &str,
        turn: &str,
        task: &mut Timed<impl FnMut(usize) -> T, impl FnMut(&mut T) -> R>,
    ) -> f64 {
        let mut group = self.criterion.benchmark_group(name);
        group.bench_function(turn, |bencher| {
            bencher.iter_custom(|iterations| {
                let clock = clock();
                let mut spent = Duration::ZERO;
                let mut left = usize::try_from(iterations).unwrap_or(usize::MAX);
                while left > 0 {
                    let count = left.min(task.chunk);
                    spent += task.run(count).0.saturating_sub(clock);
                    left -= count;
                }
                // Criterion takes nothing that took no time.
                spent.max(Duration::from_nanos(1))
            });
        });
        group.finish();
        self.median(name, turn) / task.per as f64
    }

    fn median(&self, group: &str, function: &str) -> f64 {
        // Criterion makes one directory name of a group's.
        let group = group.replace('/', "_");
        let path = self
            .home
            .join(group)
            .join(function)
            .join("new/estimates.json");
        let text = std::fs::read(&path)
            .unwrap_or_else(|error| panic!("no estimates in {}: {error}", path.display()));
        let estimates: serde_json::Value =
            serde_json::from_slice(&text).expect("criterion writes JSON");
        estimates["median"]["point_estimate"]
            .as_f64()
            .expect("criterion estimates a median")
    }

    /// Writes the report, where anything was measured.
    pub fn finish(self) {
        if self.test {
            return;
        }
        let works: Vec<_> = self.works.iter().map(Work::to_json).collect();
        if let Some(path) = std::env::var_os("FADER_BENCH_REPORT") {
            let text = serde_json::to_string_pretty(&works).expect("plain data");
            std::fs::write(&path, text).expect("the report can be written");
            return;
        }
        eprintln!(
            "\n{:<28} {:>12} {:>12} {:>7} {:>11}",
            "work", "ns", "floor", "ratio", "allocations"
        );
        for work in &self.works {
            eprintln!("{work}");
        }
    }
}

/// A task that counts on where it stopped.
struct Timed<P, W> {
    task: Task<P, W>,
    at: usize,
}

impl<P, W> std::ops::Deref for Timed<P, W> {
    type Target = Task<P, W>;

    fn deref(&self) -> &Task<P, W> {
        &self.task
    }
}

impl<T, R, P: FnMut(usize) -> T, W: FnMut(&mut T) -> R> Timed<P, W> {
    fn new(task: Task<P, W>) -> Self {
        Self { task, at: 0 }
    }

    /// Prepares a chunk and does it: the one place that does the work, so that it is compiled once and the same for all.
    #[inline(never)]
    fn run(&mut self, count: usize) -> (Duration, Counts) {
        let Task { prepare, work, .. } = &mut self.task;
        let mut items: Vec<T> = (self.at + 1..=self.at + count).map(prepare).collect();
        self.at += count;
        let ((spent, _result), counts) = counted(|| {
            let (start, mut result) = (Instant::now(), None);
            for item in &mut items {
                result = Some(black_box(work(black_box(item))));
            }
            (start.elapsed(), result)
        });
        (spent, counts)
    }

    /// Returns the allocations of an evaluation, after one chunk that may do what is done once.
    fn allocations(&mut self) -> f64 {
        let chunk = self.task.chunk;
        self.run(chunk);
        let (_, counts) = self.run(chunk);
        counts.allocations as f64 / (chunk * self.task.per) as f64
    }
}

/// Returns what a chunk that does nothing takes by the clock.
fn clock() -> Duration {
    let mut empty = [(); 101].map(|()| Instant::now().elapsed());
    empty.sort_unstable();
    empty[empty.len() / 2]
}

impl Work {
    fn ratio(&self) -> Option<f64> {
        self.floor.map(|floor| self.nanos / floor)
    }

    fn to_json(&self) -> serde_json::Value {
        let round = |number: f64, decimals: f64| (number * decimals).round() / decimals;
        serde_json::json!({
            "work": self.name,
            "ns": round(self.nanos, 100.0),
            "floor_ns": self.floor.map(|floor| round(floor, 100.0)),
            "ratio": self.ratio().map(|ratio| round(ratio, 1_000.0)),
            "allocations": round(self.allocations, 100.0),
        })
    }
}

impl std::fmt::Display for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (floor, ratio) = match (self.floor, self.ratio()) {
            (Some(floor), Some(ratio)) => (format!("{floor:.1}"), format!("{ratio:.2}")),
            _ => ("–".to_owned(), "–".to_owned()),
        };
        write!(
            f,
            "{:<28} {:>12.1} {:>12} {:>7} {:>11.2}",
            self.name, self.nanos, floor, ratio, self.allocations
        )
    }
}
