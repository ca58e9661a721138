//! Tests of the machine.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use fader::plan::{Freeze, Guardrail, Limit, Metric, Plan, Reached, Stage};
use fader::{Percent, Timestamp};

use super::{
    Answer, Command, Effect, Exposure, Notice, Now, Observation, Phase, Ramp, State, Wait, Wish,
    step,
};
use crate::counts::{Counts, Exposures, Stratum};
use crate::guardrail::Arms;
use crate::judge::BudgetPart;

mod breaches;
mod edits;
mod gates;
mod histories;
mod persons;
mod table;
mod time;
mod zones;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn percent(text: &str) -> Percent {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn later(instant: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_nanos(instant.as_nanos() + i128::try_from(by.as_nanos()).unwrap())
}

fn exposure(text: &str) -> Exposure {
    Exposure {
        percent: percent(text),
        ..Exposure::NOBODY
    }
}

fn stage(to: &str, bake: u64) -> Stage {
    Stage::new(Reached::Percent(percent(to)), seconds(bake))
}

fn errors() -> Guardrail {
    Guardrail::new(Metric::Errors, Limit::NoWorseThan(1.0))
}

/// Stages of 1, 5, 25 and 100 %, an hour each, with one guardrail, begun by a person.
fn plan() -> Plan {
    let stages = ["1", "5", "25", "100"].map(|percent| stage(percent, HOUR));
    let mut plan = Plan::new(stages.to_vec());
    plan.guardrails = vec![errors()];
    plan
}

/// A second of 1,000 requests, of which so many are bad, by arm.
fn counts(candidate: u32, stable: u32) -> Counts {
    let arms = |candidate, stable| Arms { candidate, stable };
    Counts {
        strata: vec![Stratum {
            guardrail: 0,
            share: percent("5"),
            bad: arms(candidate, stable),
            of: arms(500, 500),
        }],
        requests: arms(500, 500),
        units: arms(5000, 5000),
        ..Counts::default()
    }
}

/// What is counted where a test says nothing else.
static HEALTHY: LazyLock<[Counts; 1]> = LazyLock::new(|| [counts(0, 1)]);

/// First exposures of which far too many are in one arm.
fn skewed() -> Counts {
    Counts {
        exposures: vec![Exposures {
            share: percent("5"),
            enrolled: 900,
            all: 1000,
        }],
        ..counts(0, 0)
    }
}

/// A run with its time, and what came of its last step.
#[derive(Clone, Debug)]
struct Run {
    plan: Plan,
    freezes: Vec<Freeze>,
    ramp: Ramp,
    state: State,
    wall: Timestamp,
    effects: Vec<Effect>,
    ids: u64,
}

impl Run {
    /// Begins on a Tuesday.
    fn new(plan: Plan) -> Self {
        let ramp = Ramp::new(Arc::new(plan.clone()), &[], BudgetPart::OneProcess).unwrap();
        Self {
            state: State::new(&ramp),
            plan,
            freezes: Vec::new(),
            ramp,
            wall: at("2026-12-01T09:00:00Z"),
            effects: Vec::new(),
            ids: 0,
        }
    }

    /// Makes a run that is in the first stage, and whose time there begins.
    fn started(plan: Plan) -> Self {
        let mut run = Self::new(plan);
        run.wish(Wish::Start).unwrap();
        while run.state.stage().is_none() {
            run.pass(MINUTE);
        }
        run.pass(1);
        run
    }

    /// Takes the plan and the freezes anew, as after an edit of the document.
    fn reload(&mut self) {
        let plan = Arc::new(self.plan.clone());
        self.ramp = Ramp::new(plan, &self.freezes, BudgetPart::OneProcess).unwrap();
    }

    fn step(&mut self, observation: &Observation<'_>, now: Now) {
        let (state, effects) = step(&self.ramp, self.state.clone(), observation, now);
        (self.state, self.effects) = (state, effects);
    }

    /// Lets time pass in one step.
    fn see<'a>(&mut self, passed: u64, change: impl FnOnce(&mut Observation<'a>)) {
        let mut observation = Observation::new();
        observation.counts = &*HEALTHY;
        change(&mut observation);
        self.wall = later(self.wall, seconds(passed));
        let now = Now {
            wall: self.wall,
            since_last: Some(seconds(passed)),
        };
        self.step(&observation, now);
    }

    fn pass(&mut self, passed: u64) {
        self.see(passed, |_| {});
    }

    /// Lets time pass in which something else is counted.
    fn count(&mut self, passed: u64, counts: &Counts) {
        self.see(passed, |seen| seen.counts = std::slice::from_ref(counts));
    }

    /// Lets time pass in which nobody looks.
    fn outage(&mut self, passed: u64) {
        let mut observation = Observation::new();
        observation.counts = &*HEALTHY;
        self.wall = later(self.wall, seconds(passed));
        let now = Now {
            wall: self.wall,
            since_last: None,
        };
        self.step(&observation, now);
    }

    /// Asks for something, and returns the answer.
    fn wish(&mut self, what: Wish) -> Result<(), String> {
        self.ids += 1;
        let commands = [Command {
            id: self.ids,
            by: "anna".to_owned(),
            reason: "a reason".to_owned(),
            at: self.wall,
            what,
        }];
        let mut observation = Observation::new();
        (observation.counts, observation.commands) = (&*HEALTHY, &commands);
        let now = Now {
            wall: self.wall,
            since_last: Some(Duration::ZERO),
        };
        self.step(&observation, now);
        match self.state.answer(self.ids).unwrap() {
            Answer::Done => Ok(()),
            Answer::Refused(why) => Err(why.clone()),
        }
    }

    fn phase(&self) -> Phase {
        self.state.phase()
    }

    fn percent(&self) -> String {
        let Exposure {
            percent,
            waves,
            killed,
        } = self.state.exposure();
        let waves = if waves > 0 {
            format!(" + {waves} waves")
        } else {
            String::new()
        };
        let killed = if killed { ", killed" } else { "" };
        format!("{percent} %{waves}{killed}")
    }
}

fn notices(run: &Run) -> impl Iterator<Item = &Notice> {
    run.effects.iter().filter_map(|effect| match effect {
        Effect::Tell(notice) => Some(notice),
        _ => None,
    })
}

fn waits_for(run: &Run, wait: Wait) -> bool {
    run.state.waits().contains(&wait)
}

/// A run whose first stage has had its time, and what was seen then.
fn at_gate(plan: Plan, change: impl FnOnce(&mut Observation<'_>)) -> Run {
    let mut run = Run::started(plan);
    run.see(HOUR, change);
    run
}
