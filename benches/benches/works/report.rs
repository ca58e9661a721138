//! From criterion's samples to one line a work.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use criterion::Criterion;
use fader_benches::counting::counted;

/// What is prepared before the clock starts: enough that reading the clock costs less than a nanosecond of each, few
/// enough that it is still in the first-level cache when it is read.
const CHUNK: usize = 64;

/// Collects what was measured.
pub struct Report {
    criterion: Criterion,
    /// Where criterion keeps its samples.
    home: PathBuf,
    filter: String,
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
    /// Takes a filter from the command line; criterion's own flags are not for here.
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
            .sample_size(30)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_millis(1_200));
        Self {
            criterion,
            home,
            filter: filter.unwrap_or_default(),
            works: Vec::new(),
        }
    }

    pub fn wants(&self, name: &str) -> bool {
        name.contains(&self.filter)
    }

    /// Measures a work and, right after it, its floor.
    pub fn measure<T, R, U, S>(
        &mut self,
        name: &str,
        task: Task<impl FnMut(usize) -> T, impl FnMut(&mut T) -> R>,
        floor: Option<Task<impl FnMut(usize) -> U, impl FnMut(&mut U) -> S>>,
    ) {
        if !self.wants(name) {
            return;
        }
        let (nanos, allocations) = self.time(name, task);
        let floor = floor.map(|floor| self.time(&format!("floor/{name}"), floor).0);
        self.add(name, nanos, floor, allocations);
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
        let work = Work {
            name: name.to_owned(),
            nanos,
            floor,
            allocations,
        };
        eprintln!("{work}");
        self.works.push(work);
    }

    /// Returns the median of nanoseconds an evaluation, and its allocations.
    fn time<T, R>(
        &mut self,
        name: &str,
        mut task: Task<impl FnMut(usize) -> T, impl FnMut(&mut T) -> R>,
    ) -> (f64, f64) {
        let chunk = task.chunk;
        let mut at = 0;
        // The one place that does the work, so that it is compiled once and the same for all.
        let mut run = |count: usize| {
            let mut items: Vec<T> = (at + 1..=at + count).map(&mut task.prepare).collect();
            at += count;
            let ((spent, _result), counts) = counted(|| {
                let (start, mut result) = (Instant::now(), None);
                for item in &mut items {
                    result = Some(black_box((task.work)(black_box(item))));
                }
                (start.elapsed(), result)
            });
            (spent, counts)
        };
        // The first time may do what is done once.
        run(chunk);
        let (_, counts) = run(chunk);
        let evaluations = (chunk * task.per) as f64;
        let (group, function) = name.rsplit_once('/').unwrap_or(("", name));
        let mut group_of_one = self.criterion.benchmark_group(group);
        group_of_one.bench_function(function, |bencher| {
            bencher.iter_custom(|iterations| {
                let mut spent = Duration::ZERO;
                let mut left = usize::try_from(iterations).unwrap_or(usize::MAX);
                while left > 0 {
                    let count = left.min(chunk);
                    spent += run(count).0;
                    left -= count;
                }
                spent
            });
        });
        group_of_one.finish();
        let nanos = self.median(group, function) / task.per as f64;
        (nanos, counts.allocations as f64 / evaluations)
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

    /// Writes the report.
    pub fn finish(self) {
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
