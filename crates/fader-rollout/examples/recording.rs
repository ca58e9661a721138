//! Prints what it costs to record an outcome: `cargo run --release -p fader-rollout --example recording`.
#![expect(clippy::print_stdout, reason = "it prints a table")]

use std::hint::black_box;
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fader::plan::{Guardrail, Limit, Metric, Plan, Reached, Stage};
use fader::{
    CompileError, Context, DrawnFlag, Ending, Flags, Outcome, OutcomeSink, Overlay, Percent,
    Source, Watch,
};
use fader_rollout::observe::{Collector, Observer};

const DOCUMENT: &str = r#"{ "flags": { "checkout": { "rules": [ { "name": "ramp", "serve": "on",
    "ramp": { "stages": [ { "percent": 50, "bake": "30m" } ], "guardrails": [] } } ] } } }"#;
const ROUNDS: usize = 2_000;
const REQUESTS: u32 = 500;

/// Nanoseconds for a beginning, and for an end: one of each for each round.
type Times = Vec<[f64; 2]>;

/// Tells an observer of one drawn flag again and again, and how long that took.
struct Again {
    observer: Arc<Observer>,
    outcome: Outcome,
    start: Arc<Barrier>,
    times: Arc<Mutex<Times>>,
}

impl OutcomeSink for Again {
    fn ended(&self, drawn: &DrawnFlag<'_>, _: &Outcome) {
        self.start.wait();
        let mut times = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let began = time(|| self.observer.began(black_box(drawn)));
            let ended = time(|| self.observer.ended(black_box(drawn), &self.outcome));
            times.push([began, ended]);
        }
        let mut all = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(times);
    }
}

fn time(record: impl Fn()) -> f64 {
    let begin = Instant::now();
    for _ in 0..REQUESTS {
        record();
    }
    begin.elapsed().as_secs_f64() * 1e9 / f64::from(REQUESTS)
}

fn plan(by: &str) -> Plan {
    let stage = Stage::new(Reached::Percent(Percent::HUNDRED), Duration::from_secs(60));
    let mut plan = Plan::new(vec![stage]);
    plan.by = by.into();
    plan.guardrails = vec![
        Guardrail::new(Metric::Errors, Limit::NoWorseThan(1.1)),
        Guardrail::new(Metric::Latency(990), Limit::NoWorseThan(1.2)),
        Guardrail::new(Metric::Errors, Limit::Below(0.01)),
    ];
    plan
}

/// Returns the median of the rounds of all threads: nanoseconds for a beginning, and for an end.
fn measure(by: &str, threads: usize, outcome: Outcome) -> Result<[f64; 2], CompileError> {
    let observer = Arc::new(Observer::new());
    observer.watch(0, &plan(by), 1);
    let millisecond = Duration::from_millis(1);
    observer.set_limits(0, 1, millisecond * 120, millisecond * 100);
    let mut collector = Collector::new(Arc::clone(&observer));
    let _ = collector.collect(0);

    let times = Arc::default();
    let flags = Flags::builder().build();
    let control = flags.control_ramps();
    // The first tick whose latencies are counted.
    control.begin_tick(2);
    let again = Again {
        observer,
        outcome,
        start: Arc::new(Barrier::new(threads)),
        times: Arc::clone(&times),
    };
    flags.add_outcome_sink(again, Watch::Guarded);
    flags.load(DOCUMENT, &Source::new("flags.json"))?;
    flags.apply(Overlay::new().percent("checkout", "ramp", Percent::HUNDRED));
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let asked = flags.scope(Context::new(format!("user-{thread}")));
            scope.spawn(move || {
                let _ = asked.resolve("checkout");
                asked.finish(outcome);
            });
        }
    });
    let times = times.lock().unwrap_or_else(PoisonError::into_inner);
    Ok([0, 1].map(|which| {
        let mut each: Vec<f64> = times
            .iter()
            .filter_map(|both| both.get(which).copied())
            .collect();
        each.sort_by(f64::total_cmp);
        each.get(each.len() / 2).copied().unwrap_or(f64::NAN)
    }))
}

fn main() -> Result<(), CompileError> {
    println!("nanoseconds for a request's beginning and its end, three guardrails: medians\n");
    let success = Outcome::new(Ending::Success).took(Duration::from_millis(50));
    let slow = Outcome::new(Ending::Success).took(Duration::from_millis(150));
    let failure = Outcome::new(Ending::ServerError).took(Duration::from_millis(50));
    for by in ["targetingKey", "request"] {
        for (name, outcome) in [("success", success), ("slow", slow), ("failure", failure)] {
            for threads in [1, 8] {
                let [began, ended] = measure(by, threads, outcome)?;
                println!("by {by:12} {name:8} {threads} threads: {began:5.1} + {ended:5.1}");
            }
        }
    }
    Ok(())
}
