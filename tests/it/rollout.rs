//! A staged ramp from its document to its roll-back, tick by tick: the handle draws, the observer counts, the machine
//! decides, and the overlay says what it decided. What drives them here stands in for a controller.

use std::sync::Arc;
use std::time::Duration;

use fader::{
    Context, Ending, Flags, Outcome, Overlay, Percent, RampControl, Source, Timestamp, Watch,
};
use fader_rollout::Counts;
use fader_rollout::judge::BudgetPart;
use fader_rollout::machine::{
    Cause, Effect, Exposure, Held, Now, Observation, Phase, Ramp, State, step,
};
use fader_rollout::observe::{Collector, Observer};

const FLAG: &str = "checkout";
const START: &str = "2026-12-01T09:00:00Z";

/// A service with one staged ramp, and whoever drives it.
struct Service {
    flags: Flags,
    control: RampControl,
    observer: Arc<Observer>,
    collector: Collector,
    ramp: Ramp,
    state: Option<State>,
    index: u32,
    tick: u32,
    overlay: u64,
    /// How a request ends, by whether it is gray and by its number.
    ends: fn(bool, u32) -> Outcome,
    requests: u32,
    gray: u32,
}

fn well() -> Outcome {
    Outcome::new(Ending::Success).took(Duration::from_millis(20))
}

fn failed() -> Outcome {
    Outcome::new(Ending::ServerError).took(Duration::from_millis(20))
}

/// One request in a hundred fails.
fn healthy(_: bool, number: u32) -> Outcome {
    if number % 100 == 7 { failed() } else { well() }
}

fn sick(is_gray: bool, number: u32) -> Outcome {
    if is_gray {
        failed()
    } else {
        healthy(is_gray, number)
    }
}

fn slow(is_gray: bool, number: u32) -> Outcome {
    if is_gray {
        Outcome::new(Ending::Success).took(Duration::from_millis(400))
    } else {
        healthy(is_gray, number)
    }
}

fn document(ramp: &str, rest: &str) -> String {
    format!(
        r#"{{ "segments": {{ "testers": {{ "if": {{ "attribute": "team", "is": "qa" }} }} }},
            "flags": {{ "{FLAG}": {{ "rules": [ {{ "name": "ramp", "by": "user.id", "serve": "on", {rest}
              "ramp": {{ "start": "{START}", {ramp} }} }} ] }} }} }}"#
    )
}

impl Service {
    fn new(document: &str, ends: fn(bool, u32) -> Outcome) -> Self {
        let flags = Flags::builder().build();
        let observer = Arc::new(Observer::new());
        flags.add_outcome_sink(Arc::clone(&observer), Watch::Guarded);
        flags.load(document, &Source::new("flags.json")).unwrap();
        let (ramp, index) = read(&flags);
        observer.watch(index, ramp.plan(), 1);
        let mut collector = Collector::new(Arc::clone(&observer));
        let _ = collector.collect(0);
        Self {
            control: flags.control_ramps(),
            state: Some(State::new(&ramp)),
            flags,
            observer,
            collector,
            ramp,
            index,
            tick: 0,
            overlay: 0,
            ends,
            requests: 0,
            gray: 0,
        }
    }

    /// Serves a second of a thousand requests, and decides.
    fn second(&mut self) {
        self.decide();
        self.tick += 1;
        self.control.begin_tick(self.tick);
        self.gray = 0;
        for _ in 0..1000 {
            self.requests += 1;
            // Four thousand users come in turns; the last few are testers.
            let user = self.requests.wrapping_mul(2_654_435_761) % 4000;
            let team = if user >= 3990 { "qa" } else { "other" };
            let context = Context::default()
                .with("user.id", i64::from(user))
                .with("team", team);
            let scope = self.flags.scope(context);
            let is_gray = scope.variant(FLAG) == Some("on");
            self.gray += u32::from(is_gray);
            scope.finish((self.ends)(is_gray, self.requests));
        }
    }

    fn decide(&mut self) {
        let collected = self.collector.collect(self.tick);
        let counts: Vec<Counts> = collected.into_iter().map(|of_run| of_run.counts).collect();
        let mut seen = Observation::new();
        seen.counts = &counts;
        let start = Timestamp::parse(START).unwrap().as_nanos();
        let now = Now {
            wall: Timestamp::from_nanos(start + i128::from(self.tick) * 1_000_000_000),
            since_last: (self.tick > 0).then_some(Duration::from_secs(1)),
        };
        let (state, effects) = step(&self.ramp, self.state.take().unwrap(), &seen, now);
        for effect in effects {
            match effect {
                Effect::Expose(exposure) => self.expose(exposure),
                Effect::Recount => {
                    self.observer
                        .watch(self.index, self.ramp.plan(), state.run());
                }
                Effect::Limits(limits) => {
                    for (guardrail, limits) in limits.into_iter().enumerate() {
                        let Some((candidate, stable)) = limits else {
                            continue;
                        };
                        self.observer
                            .set_limits(self.index, guardrail, candidate, stable);
                    }
                    self.collector.measure_anew(self.index);
                }
                _ => {}
            }
        }
        self.state = Some(state);
    }

    fn expose(&mut self, exposure: Exposure) {
        self.overlay += 1;
        let overlay = Overlay::new().with_version(self.overlay);
        let overlay =
            overlay
                .percent(FLAG, "ramp", exposure.percent)
                .waves(FLAG, "ramp", exposure.waves);
        self.flags.apply(if exposure.killed {
            overlay.kill(FLAG)
        } else {
            overlay
        });
    }

    /// Serves until a phase is reached, and returns the second in which it was.
    fn until(&mut self, phase: Phase) -> u32 {
        for _ in 0..600 {
            self.second();
            if self.state().phase() == phase {
                return self.tick;
            }
        }
        panic!(
            "it is {:?}, and waits for {:?}",
            self.state().phase(),
            self.state().waits()
        );
    }

    fn state(&self) -> &State {
        self.state.as_ref().unwrap()
    }

    /// Takes a new document, as a controller does.
    fn load(&mut self, document: &str) {
        self.flags
            .load(document, &Source::new("flags.json"))
            .unwrap();
        (self.ramp, self.index) = read(&self.flags);
    }
}

fn read(flags: &Flags) -> (Ramp, u32) {
    let snapshot = flags.snapshot();
    let planned = snapshot.plans().next().unwrap();
    assert_eq!((planned.flag, planned.rule), (FLAG, "ramp"));
    let ramp = Ramp::new(
        Arc::clone(planned.plan),
        snapshot.freezes(),
        BudgetPart::OneProcess,
    );
    (ramp.unwrap(), planned.index)
}

const STAGES: &str = r#""min_units": 50, "stages": [ { "percent": 5, "bake": "1m" }, { "percent": 50, "bake": "1m" },
                        { "percent": 100, "bake": "1m" } ],
                        "guardrails": [ { "metric": "errors", "no_worse_than": 1.5 },
                                        { "metric": "errors", "below": 0.5 } ]"#;

#[test]
fn a_healthy_candidate_comes_to_everybody() {
    let mut service = Service::new(&document(STAGES, ""), healthy);
    service.second();
    assert!((20..90).contains(&service.gray), "{}", service.gray);
    service.until(Phase::Completed);
    assert_eq!(service.state().exposure().percent, Percent::HUNDRED);
    service.second();
    assert_eq!(service.gray, 1000);
    assert_eq!(service.state().evidence(), None);
}

#[test]
fn a_candidate_that_fails_is_cut_within_two_seconds() {
    let mut service = Service::new(&document(STAGES, ""), sick);
    let second = service.until(Phase::RolledBack);
    assert!(second <= 3, "in second {second}");
    service.second();
    assert_eq!(service.gray, 0);
    let evidence = service.state().evidence().unwrap();
    let Cause::Guardrail(finding) = &evidence.cause else {
        panic!("{evidence:?}");
    };
    assert_eq!(finding.name, "errors no_worse_than 1.5");
    assert_eq!(evidence.stage, Some(1));
    assert!(
        finding.bad.candidate >= 3 && finding.lower.unwrap() > 1.5,
        "{finding:?}"
    );
}

/// The limit comes from the stable arm, a minute long.
#[test]
fn a_candidate_that_is_slow_is_cut_once_the_quantile_is_known() {
    let ramp = r#""stages": [ { "percent": 10, "bake": "10m" } ],
                  "guardrails": [ { "metric": "latency_p99", "no_worse_than": 1.2 } ]"#;
    let mut service = Service::new(&document(ramp, ""), slow);
    let second = service.until(Phase::RolledBack);
    assert!((60..75).contains(&second), "in second {second}");
    let mut service = Service::new(&document(ramp, ""), healthy);
    for _ in 0..150 {
        service.second();
    }
    assert_eq!(service.state().phase(), Phase::Bake);
}

/// A request that never ends is seen as slow, its unit by what the ledger has left.
#[test]
fn a_candidate_that_hangs_is_cut() {
    let ramp = r#""stages": [ { "percent": 10, "bake": "10m" } ],
                  "guardrails": [ { "metric": "latency_p95", "below": "800ms" } ]"#;
    let mut service = Service::new(&document(ramp, ""), healthy);
    let mut hanging = Vec::new();
    let mut cut = None;
    for second in 0..20 {
        service.second();
        if service.state().phase() == Phase::RolledBack {
            cut = Some(second);
            break;
        }
        for user in 0..400_i64 {
            let context = Context::default().with("user.id", user);
            let scope = service.flags.scope(context);
            if scope.variant(FLAG) == Some("on") {
                hanging.push(scope);
            }
        }
    }
    assert!(cut.is_some_and(|second| second <= 8), "{cut:?}");
    drop(hanging);
}

#[test]
fn a_wave_comes_first_and_is_judged_by_limits_alone() {
    let ramp = r#""min_units": 5, "stages": [ { "segment": "testers", "bake": "1m" }, { "percent": 5, "bake": "1m" } ],
                  "guardrails": [ { "metric": "errors", "no_worse_than": 1.5 }, { "metric": "errors", "below": 0.05 } ]"#;
    let mut service = Service::new(&document(ramp, ""), healthy);
    service.second();
    assert!((1..10).contains(&service.gray), "{}", service.gray);
    service.until(Phase::Completed);

    let mut service = Service::new(&document(ramp, ""), sick);
    let second = service.until(Phase::RolledBack);
    assert!(second <= 15, "in second {second}");
    let Cause::Guardrail(finding) = &service.state().evidence().unwrap().cause else {
        panic!("no guardrail");
    };
    assert_eq!(
        (finding.name.as_str(), finding.of.stable),
        ("errors below 0.05", 0)
    );
}

#[test]
fn another_salt_begins_anew_and_other_stages_wait_for_a_person() {
    let mut service = Service::new(&document(STAGES, ""), healthy);
    for _ in 0..10 {
        service.second();
    }
    let more = STAGES.replace(r#""percent": 50"#, r#""percent": 60"#);
    service.load(&document(&more, ""));
    service.second();
    assert_eq!(service.state().held(), Some(Held::PlanChanged));
    assert!(service.gray > 0, "nobody is taken back for it");

    service.load(&document(&more, r#""salt": "another","#));
    service.second();
    let state = service.state();
    assert_eq!((state.run(), state.held()), (2, None));
    service.until(Phase::Completed);
}

/// The check of the assignment and the guardrails see what the share says, through a real handle.
#[test]
fn what_is_counted_is_what_was_drawn() {
    let mut service = Service::new(&document(STAGES, ""), healthy);
    for _ in 0..55 {
        service.second();
    }
    let state = service.state();
    assert!(!state.judge().is_assignment_broken());
    let share = 4000.0 * 0.05;
    let (candidate, stable) = (state.units().candidate, state.units().stable);
    assert!(
        (candidate as f64 - share).abs() < 5.0 * share.sqrt(),
        "{candidate}"
    );
    assert!((3600..=4000).contains(&stable), "{stable}");
}
