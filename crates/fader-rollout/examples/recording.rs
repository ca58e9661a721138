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
const REQUESTS: u32 = 2_000_000;

/// Tells an observer of one drawn flag again and again, and how long that took.
struct Again {
    observer: Arc<Observer>,
    outcome: Outcome,
    start: Arc<Barrier>,
    times: Arc<Mutex<Vec<Duration>>>,
}

impl OutcomeSink for Again {
    fn ended(&self, drawn: &DrawnFlag<'_>, _: &Outcome) {
        self.start.wait();
        let begin = Instant::now();
        for _ in 0..REQUESTS {
            self.observer.began(black_box(drawn));
            self.observer.ended(black_box(drawn), &self.outcome);
        }
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.push(begin.elapsed());
    }
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

/// Returns the wall time for a request of all threads together, and the processor time where they take turns.
fn measure(by: &str, threads: usize, outcome: Outcome) -> Result<Duration, CompileError> {
    let observer = Arc::new(Observer::new());
    observer.watch(0, &plan(by), 1);
    let millisecond = Duration::from_millis(1);
    observer.set_limits(0, 1, millisecond * 120, millisecond * 100);
    let mut collector = Collector::new(Arc::clone(&observer));
    let _ = collector.collect(0);

    let times = Arc::default();
    let flags = Flags::builder().build();
    let _control = flags.control_ramps();
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
            let context = Context::new(format!("user-{thread}"));
            let asked = flags.scope(context);
            scope.spawn(move || {
                let _ = asked.resolve("checkout");
                asked.finish(outcome);
            });
        }
    });
    let times = times.lock().unwrap_or_else(PoisonError::into_inner);
    let longest = times.iter().max().copied().unwrap_or_default();
    let requests = REQUESTS.saturating_mul(u32::try_from(threads).unwrap_or(u32::MAX));
    Ok(longest / requests)
}

fn main() -> Result<(), CompileError> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    println!("the beginning and the end of a request, three guardrails; {processors} processors\n");
    let success = Outcome::new(Ending::Success).took(Duration::from_millis(50));
    let slow = Outcome::new(Ending::Success).took(Duration::from_millis(150));
    let failure = Outcome::new(Ending::ServerError).took(Duration::from_millis(50));
    for by in ["targetingKey", "request"] {
        for (name, outcome) in [("success", success), ("slow", slow), ("failure", failure)] {
            for threads in [1, 8] {
                let wall = measure(by, threads, outcome)?;
                let turns = u32::try_from(threads.min(processors)).unwrap_or(1);
                println!(
                    "by {by:12} {name:8} {threads} threads: {:>8?} of a processor, {wall:>8?} between two",
                    wall * turns
                );
            }
        }
    }
    Ok(())
}
