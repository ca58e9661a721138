//! Random histories: virtual seconds in which anything may happen at any time.

use std::collections::BTreeMap;

use fader::plan::{OnBreach, Window};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::machine::{Cause, Evidence, Part, Position};

const HISTORIES: u64 = 10_000;
const STEPS: usize = 40;

/// What a history is held to beside the run: kept by other means than the machine's.
#[derive(Default)]
struct Book {
    answers: BTreeMap<u64, usize>,
    asked: Vec<Command>,
    /// Stages that somebody has approved in this run.
    approved: Vec<usize>,
    /// Below what somebody has lowered it.
    lowered: Option<Exposure>,
}

fn any_plan(random: &mut SmallRng) -> Plan {
    let mut to = 0.0;
    let mut any_stage = |random: &mut SmallRng| {
        to += random.random_range(1.0..30.0_f64);
        let wave = Reached::Segment("staff".into());
        let drawn = Reached::Percent(percent(&format!("{:.2}", to.min(100.0))));
        let reached = if random.random_bool(0.2) { wave } else { drawn };
        let mut stage = Stage::new(reached, seconds(random.random_range(0..600)));
        stage.approve = random.random_bool(0.2);
        stage.irreversible = random.random_bool(0.05);
        stage
    };
    let stages = (0..random.random_range(1..5))
        .map(|_| any_stage(random))
        .collect();
    let mut plan = Plan::new(stages);
    if random.random_bool(0.6) {
        plan.guardrails = vec![errors()];
        plan.guardrails[0].on_breach = match random.random_range(0..4) {
            0 => OnBreach::Pause,
            1 => OnBreach::Notify,
            _ => OnBreach::Rollback,
        };
    }
    let any_time = |random: &mut SmallRng| random.random_bool(0.3).then(|| seconds(100));
    (plan.warmup, plan.shadow) = (any_time(random), any_time(random));
    plan.start = random.random_bool(0.5).then(|| at("2026-12-01T09:05:00Z"));
    if random.random_bool(0.3) {
        let from = random.random_range(0..1000);
        plan.windows = vec![Window::new(
            [true; 7],
            from,
            random.random_range(from..=1440),
        )];
    }
    plan
}

fn any_wish(random: &mut SmallRng) -> Wish {
    match random.random_range(0..12) {
        0..=2 => Wish::Start,
        3 | 4 => Wish::Approve {
            stage: random.random_range(0..6),
        },
        5 => Wish::Pause,
        6 => Wish::Resume,
        7 => Wish::Accept,
        8 => {
            if random.random_bool(0.3) {
                Wish::RollBack
            } else {
                Wish::Resume
            }
        }
        9 => {
            if random.random_bool(0.2) {
                Wish::Kill
            } else {
                Wish::Unkill
            }
        }
        10 => Wish::Reset,
        _ => Wish::Unkill,
    }
}

fn any_counts(random: &mut SmallRng) -> Counts {
    match random.random_range(0..40) {
        0 => counts(60, 1),
        1 => skewed(),
        2..10 => Counts::default(),
        _ => counts(0, random.random_range(0..3)),
    }
}

/// Edits the plan, or the freezes, now and then.
fn edit(run: &mut Run, random: &mut SmallRng) {
    match random.random_range(0..60) {
        0 => run.plan.assignment += 1,
        1 => run.plan.terms += 1,
        2 => {
            let other = any_plan(random);
            run.plan.terms += 1;
            (run.plan.stages, run.plan.guardrails) = (other.stages, other.guardrails);
        }
        3 => {
            let until = later(run.wall, seconds(random.random_range(1..2000)));
            run.freezes = vec![Freeze::new(run.wall, until)];
        }
        _ => return,
    }
    run.reload();
}

/// Takes one random step, and holds it to what must be true of each.
fn go(run: &mut Run, book: &mut Book, random: &mut SmallRng) {
    edit(run, random);
    if random.random_bool(0.4) {
        run.ids += 1;
        book.asked.push(Command {
            id: run.ids,
            by: "anna".to_owned(),
            reason: String::new(),
            at: run.wall,
            what: any_wish(random),
        });
    }
    let counted = [any_counts(random)];
    let mut seen = Observation::new();
    let asked = book.asked.clone();
    (seen.counts, seen.commands) = (&counted, &asked);
    seen.serving = random.random_bool(0.8);
    seen.turn = random.random_bool(0.9);
    seen.source_works = random.random_bool(0.95);
    seen.probes_green = random.random_bool(0.95);
    seen.unclean_end = random.random_bool(0.01);
    seen.stalled = random.random_bool(0.02);
    if random.random_bool(0.05) {
        let found = percent(&random.random_range(0..101).to_string());
        let waves = random.random_range(0..3);
        seen.found = Some(Exposure {
            percent: found,
            waves,
            killed: random.random_bool(0.1),
        });
    }
    let passed = [0, 1, 60, 600, 4000][random.random_range(0..5)];
    let since_last = random.random_bool(0.9).then(|| seconds(passed));
    // The wall clock may jump, both ways.
    let jump = if random.random_bool(0.05) {
        random.random_range(-100_000..100_000)
    } else {
        0
    };
    let nanos = i128::from(passed) * 1_000_000_000 + i128::from(jump) * 1_000_000_000;
    run.wall = Timestamp::from_nanos(run.wall.as_nanos() + nanos);
    let now = Now {
        wall: run.wall,
        since_last,
    };
    let before = run.state.clone();

    // Written down and read again it takes the same decisions.
    let text = serde_json::to_string(&before).unwrap();
    let resumed: State = serde_json::from_str(&text).unwrap();
    assert!(same(&resumed, &before));
    run.step(&seen, now);
    let (state, effects) = step(&run.ramp, resumed, &seen, now);
    assert!(same(&state, &run.state) && effects == run.effects);

    book.answers(run);
    book.lowering(run, &before, &seen);
    book.rising(run, &before, &seen, now);
}

/// Compares states to the bit, but for figures that are told to people: those lose their last digit in JSON.
fn same(one: &State, other: &State) -> bool {
    let (mut one, mut other) = (one.clone(), other.clone());
    for state in [&mut one, &mut other] {
        if let Some(Evidence {
            cause: Cause::Guardrail(finding),
            ..
        }) = &mut state.evidence
        {
            (finding.evidence, finding.estimate) = (None, None);
            (finding.lower, finding.upper) = (None, None);
        }
    }
    one == other
}

impl Book {
    /// Each command is answered once, in the step in which it is asked first.
    fn answers(&mut self, run: &Run) {
        for effect in &run.effects {
            if let Effect::Answer { id, .. } = effect {
                *self.answers.entry(*id).or_default() += 1;
            }
        }
        for command in &self.asked {
            assert_eq!(self.answers.get(&command.id), Some(&1), "{command:?}");
        }
        if self.asked.len() > 30 {
            self.asked.drain(..20);
        }
    }

    fn has_done(run: &Run, asked: &[Command], wanted: impl Fn(Wish) -> bool) -> bool {
        run.effects.iter().any(|effect| match effect {
            Effect::Answer {
                id,
                answer: Answer::Done,
            } => asked
                .iter()
                .any(|command| command.id == *id && wanted(command.what)),
            _ => false,
        })
    }

    /// Lowering works in every state, at once.
    fn lowering(&mut self, run: &Run, before: &State, seen: &Observation<'_>) {
        let exposure = run.state.exposure();
        let nobody = exposure.is_within(exposure_of("0"));
        let done = |wanted: fn(Wish) -> bool| Self::has_done(run, &self.asked, wanted);
        if done(|wish| matches!(wish, Wish::RollBack | Wish::Kill)) {
            assert!(nobody);
        }
        if let Some(found) = seen.found {
            if found.killed && !before.exposure().killed {
                assert!(exposure.killed && nobody);
            }
            if !before.exposure().is_within(found) {
                self.lowered = Some(found.meet(before.exposure()));
            }
        }
        if done(|wish| matches!(wish, Wish::Resume | Wish::Accept | Wish::Reset)) || nobody {
            self.lowered = None;
        }
        if let Some(lowered) = self.lowered {
            assert!(
                exposure.is_within(Exposure {
                    killed: false,
                    ..lowered
                }),
                "{exposure:?} {lowered:?}"
            );
        }
        let told = run
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Expose(_)));
        assert!(told || exposure == before.exposure());
        assert!(
            !run.effects.contains(&Effect::Expose(before.exposure()))
                || exposure == before.exposure()
        );
    }

    /// Exposure rises only by an open gate, and never once it is rolled back.
    fn rising(&mut self, run: &Run, before: &State, seen: &Observation<'_>, now: Now) {
        let (state, ramp) = (&run.state, &run.ramp);
        let asked = &self.asked;
        let reset = Self::has_done(run, asked, |wish| wish == Wish::Reset);
        let was_back = matches!(
            before.position(),
            Position::RollingBack | Position::RolledBack
        );
        let is_back = matches!(
            state.position(),
            Position::RollingBack | Position::RolledBack
        );
        assert!(
            !was_back || is_back || reset,
            "rolled back until it is reset"
        );
        let drawn = |exposure: Exposure| Exposure {
            killed: false,
            ..exposure
        };
        if is_back {
            assert_eq!(drawn(state.exposure()), Exposure::NOBODY);
        }
        if state.run() != before.run() || before.terms != state.terms {
            self.approved.clear();
        }
        for stage in 1..6 {
            if Self::has_done(run, asked, |wish| wish == Wish::Approve { stage }) {
                self.approved.push(stage);
            }
        }
        let top = state
            .stage()
            .map_or(Exposure::NOBODY, |stage| ramp.reach(stage - 1));
        if let Position::Stage { .. } = state.position() {
            assert!(drawn(state.exposure()).is_within(top));
        }
        if drawn(state.exposure()).is_within(drawn(before.exposure())) {
            return;
        }
        assert!(!was_back && !is_back && state.run() == before.run());
        assert!(
            state.paused().is_none() && state.held().is_none(),
            "{:?}",
            state.phase()
        );
        assert!(ramp.windows().is_open(now.wall) && ramp.freeze(now.wall).is_none());
        assert!(seen.turn && seen.source_works && seen.probes_green);
        let Some(stage) = state.stage().filter(|stage| Some(*stage) != before.stage()) else {
            return;
        };
        // It is in a later stage than before: what the gate asks for is so.
        let rule = &ramp.plan().stages[stage - 1];
        if rule.approve && before.stage().is_some() {
            assert!(self.approved.contains(&stage), "{:?}", self.approved);
        }
        if let Some(last) = before.stage_index() {
            let bake = ramp.plan().stages[last].bake;
            let since = now.since_last.unwrap_or(Duration::MAX);
            let baked = before.baked().saturating_add(since);
            assert!(baked >= bake && stage > last + 1);
            let is_guarded = !ramp.plan().guardrails.is_empty();
            assert!(
                stage == last + 2 || (!is_guarded && now.since_last.is_none()),
                "none is skipped"
            );
            let settles = matches!(
                before.position(),
                Position::Stage {
                    part: Part::Settle,
                    ..
                }
            );
            assert!(!settles || bake == Duration::ZERO || before.baked() >= bake);
        }
    }
}

fn exposure_of(text: &str) -> Exposure {
    Exposure {
        killed: false,
        ..exposure(text)
    }
}

fn histories(seeds: std::ops::Range<u64>) {
    let mut ends = BTreeMap::new();
    for seed in seeds {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut run = Run::new(any_plan(&mut random));
        let mut book = Book::default();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..STEPS {
                go(&mut run, &mut book, &mut random);
            }
        }));
        assert!(result.is_ok(), "the history of seed {seed}");
        *ends.entry(run.phase()).or_insert(0) += 1;
    }
    // They do go everywhere.
    assert!(ends.len() >= 12, "{ends:?}");
}

/// Four tests, so that they run side by side.
macro_rules! quarters {
    ($($name:ident $quarter:literal)*) => {$(
        #[test]
        fn $name() {
            let part = HISTORIES / 4;
            histories($quarter * part..($quarter + 1) * part);
        }
    )*};
}

quarters! {
    whatever_happens_the_promises_hold_in_the_first_quarter 0
    whatever_happens_the_promises_hold_in_the_second_quarter 1
    whatever_happens_the_promises_hold_in_the_third_quarter 2
    whatever_happens_the_promises_hold_in_the_last_quarter 3
}
