//! Evaluation allocates nothing: over all conformance cases, from sixteen fresh threads at once.

// A global allocator is an unsafe trait; this one counts and hands on.
#![allow(unsafe_code, reason = "a counting allocator")]

#[allow(
    dead_code,
    reason = "shared with the other test binary, which uses all of it"
)]
#[path = "it/data.rs"]
mod data;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use fader::plan::{Guardrail, Limit, Metric, Plan, Reached, Stage};
use fader::{
    Context, Deduplicated, Delivery, DrawnFlag, Ending, ExposureSink, Flags, Outcome, OutcomeSink,
    Overlay, Source, Timestamp, Value, Watch,
};
use fader_rollout::guardrail::Arms;
use fader_rollout::judge::BudgetPart;
use fader_rollout::machine::{Now, Observation, Ramp, State, step};
use fader_rollout::observe::{Collector, Observer};
use fader_rollout::{Counts, Stratum};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

struct Prepared {
    name: String,
    flags: Flags,
    key: &'static fader::FlagKey<bool>,
    flag: String,
    context: Context,
    now: Timestamp,
    /// A pattern of which the load warned may allocate on a thread's first use.
    may_allocate: bool,
}

fn prepare() -> Vec<Prepared> {
    let mut prepared = Vec::new();
    for file in data::conformance() {
        for group in &file.groups {
            let flags = Flags::builder().build();
            if group.control {
                flags.attach(flags.control_ramps());
            }
            let source = match group.strictness() {
                data::Strictness::Strict => Source::new("document"),
                data::Strictness::Quarantine => Source::new("document").quarantine(),
            };
            for document in group.before().into_iter().chain([group.document()]) {
                let mut delivery = Delivery::new(document);
                for (path, content) in &group.lists {
                    delivery = delivery.list(path.as_str(), Ok(content.clone().into_bytes()));
                }
                if let Some(overlay) = group.overlay() {
                    delivery = delivery.overlay("overlay", overlay);
                }
                flags.load(delivery, &source).unwrap();
            }
            let may_allocate = flags
                .status()
                .warnings()
                .iter()
                .any(|w| w.kind().as_str() == "slow-regex");
            for case in &group.cases {
                let mut context = Context::from_json(case.context()).unwrap();
                for (name, text) in &case.untyped {
                    context.set(name, Value::untyped(text.as_str()));
                }
                let now =
                    Timestamp::parse(group.now(case).unwrap_or("2026-12-01T00:00:00Z")).unwrap();
                let name: &'static str = case.flag.clone().leak();
                prepared.push(Prepared {
                    name: format!("{} / {} / {}", file.file, group.name, case.name),
                    flags: flags.clone(),
                    key: Box::leak(Box::new(fader::FlagKey::new(name, &false))),
                    flag: case.flag.clone(),
                    context,
                    now,
                    may_allocate,
                });
            }
        }
    }
    prepared
}

#[test]
fn evaluation_allocates_nothing_on_any_thread() {
    let prepared = prepare();
    assert!(prepared.len() >= 500);
    // The counter counts.
    let before = allocations();
    drop(black_box(Box::new(1)));
    assert_eq!(allocations() - before, 1);

    let barrier = Barrier::new(16);
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    // Scopes are made beforehand: making one allocates, reading one does not.
                    let scopes: Vec<_> = prepared
                        .iter()
                        .map(|case| (case, case.flags.scope_at(&case.context, case.now)))
                        .collect();
                    let mut wrong = Vec::with_capacity(prepared.len());
                    barrier.wait();
                    for (case, scope) in &scopes {
                        let before = allocations();
                        let resolution = scope.resolve(&case.flag);
                        black_box((
                            resolution.value(),
                            resolution.variant(),
                            resolution.rule(),
                            resolution.draw(),
                        ));
                        drop(resolution);
                        black_box(scope.get(case.key));
                        black_box(case.flags.get(case.key, &case.context));
                        drop(black_box(case.flags.resolve(&case.flag, &case.context)));
                        if allocations() != before && !case.may_allocate {
                            wrong.push(&case.name);
                        }
                    }
                    wrong.into_iter().cloned().collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(
        wrong.is_empty(),
        "{} evaluations allocated, such as {:?}",
        wrong.len(),
        wrong.first()
    );
    let slow = prepared.iter().filter(|case| case.may_allocate).count();
    assert!(slow * 50 < prepared.len(), "{slow} cases are let off");
}

#[test]
fn a_cold_thread_pays_the_swap_once_and_nothing_else() {
    static ON: fader::FlagKey<bool> = fader::FlagKey::new("on", &false);
    let flags = Flags::builder().build();
    let document =
        r#"{ "flags": { "on": true, "r": { "rules": [ { "percent": 50, "serve": "on" } ] } } }"#;
    flags.load(document, &Source::new("document")).unwrap();
    let (context, barrier) = (Context::new("u"), Barrier::new(16));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                barrier.wait();
                let before = allocations();
                let first = flags.get(&ON, &context);
                let once = allocations() - before;
                let second =
                    flags.get(&ON, &context) && flags.resolve("r", &context).draw().is_some();
                let more = allocations() - before - once;
                barrier.wait();
                assert!(first && second);
                assert!(once <= 1 && more == 0, "{once} at first, {more} then");
            });
        }
    });
}

/// Reads all that there is of a draw, and counts.
#[derive(Default)]
struct Counter {
    began: AtomicUsize,
    ended: AtomicUsize,
    reported: AtomicUsize,
    late: AtomicUsize,
    exposed: AtomicUsize,
}

impl Counter {
    fn count(counter: &AtomicUsize, drawn: &DrawnFlag<'_>) {
        black_box((drawn.flag(), drawn.rule(), drawn.arm(), drawn.variant()));
        black_box((drawn.by(), drawn.unit_hash(), drawn.unit_age()));
        black_box((drawn.version(), drawn.overlay_version()));
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn counts(&self) -> [usize; 5] {
        let counters = [&self.began, &self.ended, &self.reported, &self.late];
        let [began, ended, reported, late] = counters.map(|count| count.load(Ordering::Relaxed));
        let exposed = self.exposed.load(Ordering::Relaxed);
        [began, ended, reported, late, exposed]
    }
}

impl OutcomeSink for Counter {
    fn began(&self, drawn: &DrawnFlag<'_>) {
        Self::count(&self.began, drawn);
    }

    fn ended(&self, drawn: &DrawnFlag<'_>, outcome: &Outcome) {
        black_box((outcome.ending(), outcome.latency()));
        Self::count(&self.ended, drawn);
    }

    fn reported(&self, drawn: &DrawnFlag<'_>, _: &str) {
        Self::count(&self.reported, drawn);
    }

    fn late(&self, drawn: &DrawnFlag<'_>) {
        Self::count(&self.late, drawn);
    }
}

impl ExposureSink for Counter {
    fn exposed(&self, drawn: &DrawnFlag<'_>) {
        Self::count(&self.exposed, drawn);
    }
}

#[test]
fn what_is_told_of_a_unit_of_work_allocates_nothing() {
    static STAGED: fader::FlagKey<bool> = fader::FlagKey::new("staged", &false);
    static PLAIN: fader::FlagKey<bool> = fader::FlagKey::new("plain", &false);
    let counter = Arc::new(Counter::default());
    let flags = Flags::builder().build();
    flags.add_outcome_sink(Arc::clone(&counter), Watch::Drawn);
    flags.add_exposure_sink(Deduplicated::with_places(Arc::clone(&counter), 1 << 16));
    let _control = flags.control_ramps();
    let document = r#"{ "flags": {
        "staged": { "rules": [ { "name": "ramp", "serve": "on",
            "ramp": { "stages": [ { "percent": 1, "bake": "30m" } ], "guardrails": [] } } ] },
        "plain": { "rules": [ { "percent": 50, "serve": "on" } ] },
        "late": { "rules": [ { "percent": 50, "serve": "on" } ] },
        "dependent": { "rules": [ { "if": { "flag": "staged", "is": "on" }, "serve": "on" } ] } } }"#;
    flags.load(document, &Source::new("document")).unwrap();
    flags.apply(Overlay::new().percent("staged", "ramp", "50".parse().unwrap()));

    let units = 1_000;
    let contexts: Vec<_> = (0..units).map(|unit| Context::new(unit as u32)).collect();
    let all = contexts.iter().chain(&contexts);
    let scopes: Vec<_> = all.map(|context| flags.scope(context)).collect();
    let before = allocations();
    for (number, scope) in scopes.iter().enumerate() {
        drop(black_box(scope.resolve("dependent")));
        black_box((scope.get(&STAGED), scope.get(&PLAIN)));
        scope.report("checkout_failed");
        if number % 2 == 0 {
            scope.fall_back(&STAGED, Outcome::new(Ending::ServerError));
        }
        black_box(scope.finish(Outcome::new(Ending::Success)));
        drop(black_box(scope.resolve("late")));
    }
    assert_eq!(allocations() - before, 0);
    // Two flags are read in time and a third is not; the second round exposes nothing new.
    let [began, ended, reported, late, exposed] = counter.counts();
    let twice = 2 * units;
    assert_eq!(
        [began, ended, reported, late],
        [2 * twice, 2 * twice, 2 * twice, twice]
    );
    assert!(
        (3 * units..3 * units + units / 4).contains(&exposed),
        "{exposed}"
    );
}

#[test]
fn what_is_counted_of_a_unit_of_work_allocates_nothing() {
    static STAGED: fader::FlagKey<bool> = fader::FlagKey::new("staged", &false);
    let (percent, second) = ("50".parse().unwrap(), Duration::from_secs(1));
    let mut plan = Plan::new(vec![Stage::new(Reached::Percent(percent), second)]);
    plan.guardrails = [
        (Metric::Errors, Limit::NoWorseThan(1.1)),
        (Metric::Latency(990), Limit::NoWorseThan(1.2)),
        (Metric::Custom("lost_cart".into()), Limit::Below(0.01)),
    ]
    .map(|(metric, limit)| Guardrail::new(metric, limit))
    .into();
    let observer = Arc::new(Observer::new());
    observer.watch(0, &plan, 1);
    observer.set_limits(0, 1, second, second);
    let mut collector = Collector::new(Arc::clone(&observer));
    assert_eq!(collector.collect(0).len(), 1);

    let flags = Flags::builder().build();
    flags.add_outcome_sink(Arc::clone(&observer), Watch::Guarded);
    let control = flags.control_ramps();
    // The first tick whose latencies are counted.
    control.begin_tick(2);
    let document = r#"{ "flags": { "staged": { "rules": [ { "name": "ramp", "serve": "on",
        "ramp": { "stages": [ { "percent": 1, "bake": "30m" } ], "guardrails": [] } } ] } } }"#;
    flags.load(document, &Source::new("document")).unwrap();
    flags.apply(Overlay::new().percent("staged", "ramp", percent));

    // More bad and slow units than there is room for.
    let contexts: Vec<_> = (0..5_000_u32).map(Context::new).collect();
    let scopes: Vec<_> = contexts
        .iter()
        .map(|context| flags.scope(context))
        .collect();
    let before = allocations();
    for (number, scope) in scopes.iter().enumerate() {
        black_box(scope.get(&STAGED));
        let outcome = match number % 3 {
            0 => Outcome::new(Ending::ServerError),
            1 => Outcome::new(Ending::Success).took(second * 2),
            _ => continue,
        };
        scope.report("lost_cart");
        black_box(scope.finish(outcome));
    }
    assert_eq!(allocations() - before, 0);
    let counts = &collector.collect(1)[0].counts;
    assert_eq!(counts.requests.candidate + counts.requests.stable, 3_334);
    assert!(
        counts
            .strata
            .iter()
            .all(|stratum| stratum.bad.candidate > 0)
    );
    // The tick of all of them is told: each is slow, or still runs.
    let slow = collector.collect(9).remove(0).counts.strata;
    assert!(
        slow.iter()
            .any(|slow| slow.guardrail == 1 && slow.bad.stable > 0)
    );
}

/// A controller takes a step a second for each plan: one in which nothing happens but traffic allocates nothing, bad
/// events and a guardrail without data included.
#[test]
fn a_step_of_a_ramp_in_which_nothing_happens_allocates_nothing() {
    let five = "5".parse().unwrap();
    let mut plan = Plan::new(vec![Stage::new(
        Reached::Percent(five),
        Duration::from_secs(86_400),
    )]);
    plan.start = Timestamp::parse("2026-12-01T09:00:00Z");
    plan.guardrails = vec![
        Guardrail::new(Metric::Errors, Limit::NoWorseThan(1.1)),
        Guardrail::new(Metric::Latency(990), Limit::NoWorseThan(1.2)),
        Guardrail::new(Metric::Errors, Limit::Below(0.1)),
    ];
    let ramp = Ramp::new(Arc::new(plan), &[], BudgetPart::OneProcess).unwrap();
    let of = Arms {
        candidate: 50,
        stable: 950,
    };
    let bad = Arms {
        candidate: 1,
        stable: 19,
    };
    let stratum = |guardrail| Stratum {
        guardrail,
        share: five,
        bad,
        of,
    };
    let mut counts = Counts::default();
    (counts.requests, counts.units) = (of, of);
    counts.strata = vec![stratum(0), stratum(2)];
    let counts = [counts];
    let mut seen = Observation::new();
    seen.counts = &counts;
    let wall = Timestamp::parse("2026-12-01T09:00:00Z").unwrap();
    let mut now = Now {
        wall,
        since_last: None,
    };
    let (mut state, _) = step(&ramp, State::new(&ramp), &seen, now);
    now.since_last = Some(Duration::from_secs(1));
    for second in 0..200 {
        let before = allocations();
        let effects;
        (state, effects) = step(&ramp, state, &seen, now);
        if effects.is_empty() {
            assert_eq!(allocations(), before, "in second {second}");
        }
    }
    assert!(
        state
            .findings(ramp.plan())
            .next()
            .unwrap()
            .evidence
            .unwrap()
            < 1.0
    );
}
