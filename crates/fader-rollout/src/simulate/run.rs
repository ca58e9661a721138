//! One run, and many.

use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use fader::plan::{Freeze, Metric, OnBreach, Plan, Reached, Stage};
use fader::{Percent, Timestamp};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::fleet::Fleet;
use super::population::{Population, Seen};
use super::report::Report;
use super::scenario::{InvalidScenario, Scenario};
use super::traffic::Traffic;
use crate::counts::Counts;
use crate::guardrail::{Arms, Verdict};
use crate::judge::{BudgetPart, Judge, Look, by_request, planned};
use crate::machine::{
    Cause, Command, Effect, Exposure, Now, Observation, Phase, Position, Ramp, State, Wish, step,
};
use crate::observe::Watched;

/// A Monday on which a plan without `start` begins, or as soon as its windows open: 2026-01-05T10:00:00Z.
const MONDAY: i128 = 1_767_607_200_000_000_000;

/// Successes and seconds that a quantile of the stable arm takes.
const MEASURED: f64 = 1000.0;
const MEASURED_SECONDS: f64 = 60.0;

/// A plan and what its service sees, ready to be run.
#[derive(Clone, Debug)]
#[must_use]
pub struct Simulation {
    scenario: Scenario,
    ramp: Ramp,
    /// The judge of one process of several.
    local: Option<Judge>,
    start: Timestamp,
}

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fate {
    /// The guardrail that rolled it back, if one did.
    pub rolled_back_by: Option<String>,
    /// Seconds until the roll-back, or until the end.
    pub seconds: u32,
    /// Requests of the candidate until then.
    pub candidate_requests: u64,
    /// The phase at the end.
    pub phase: String,
}

/// A second of a run that has gone by, for whoever watches.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Moment<'a> {
    /// How many seconds have gone by.
    pub second: u32,
    /// The share that was drawn in the last one.
    pub share: Percent,
    /// Requests that began in it.
    pub requests: Arms,
    /// Those of them that were bad for the plan's first guardrail, each of them: no unit is left out.
    pub bad: Arms,
    /// What the machine was told of at its end, of requests that began in it or before.
    pub counts: &'a [Counts],
    /// What the machine's judge says now.
    pub judge: &'a Judge,
    /// What those of each process say, where there are several.
    pub processes: &'a [Judge],
}

impl Simulation {
    /// Makes a simulation of a plan, with the freezes of its document.
    ///
    /// # Errors
    ///
    /// A stage that the plan does not have, a time zone that is not known.
    pub fn new(
        plan: &Arc<Plan>,
        freezes: &[Freeze],
        scenario: Scenario,
    ) -> Result<Self, InvalidScenario> {
        let mut plan = Plan::clone(plan);
        // What other plans and the service report is not simulated.
        plan.requires = Vec::new();
        let mut freezes = freezes;
        if let Some(stage) = scenario.stage {
            pin(&mut plan, stage, scenario.seconds)?;
            freezes = &[];
        }
        let invalid = |error: &dyn std::fmt::Display| InvalidScenario(error.to_string());
        let (part, processes) = if scenario.processes > 1 {
            (
                BudgetPart::Fleet,
                Some(crate::guardrail::DEFAULT_MAX_PROCESSES),
            )
        } else {
            (BudgetPart::OneProcess, None)
        };
        let whole = planned(&plan);
        let local = processes.map(|starts| Judge::new(&plan, whole, BudgetPart::Process(starts)));
        let local = local.transpose().map_err(|error| invalid(&error))?;
        let start = plan.start;
        let ramp = Ramp::new(Arc::new(plan), freezes, part).map_err(|error| invalid(&error))?;
        let monday = Timestamp::from_nanos(MONDAY);
        let opening = || ramp.windows().next_opening(monday).unwrap_or(monday);
        let start = start.unwrap_or_else(|| {
            if ramp.windows().is_open(monday) {
                monday
            } else {
                opening()
            }
        });
        Ok(Self {
            scenario,
            ramp,
            local,
            start,
        })
    }

    /// Runs it so many times, on all cores. The same seed gives the same report.
    #[must_use]
    pub fn run(&self, runs: u32, seed: u64) -> Report {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let cores = u32::try_from(cores).unwrap_or(1).min(runs.max(1));
        let mine = |core: u32| {
            let runs = (core..runs).step_by(cores.try_into().unwrap_or(1));
            runs.map(|run| (run, self.one(run, seed)))
                .collect::<Vec<_>>()
        };
        let mut fates = mine_and_others(cores, &mine);
        fates.sort_unstable_by_key(|(run, _)| *run);
        let fates: Vec<Fate> = fates.into_iter().map(|(_, fate)| fate).collect();
        Report::of(&fates)
    }

    /// Runs it once. The same run of the same seed has the same fate.
    #[must_use]
    pub fn one(&self, run: u32, seed: u64) -> Fate {
        self.watch(run, seed, |_| None)
    }

    /// Runs it once, and shows each second to a watcher.
    ///
    /// The watcher may set the share by hand: what it returns last is drawn as long as the ramp draws at all, and
    /// whatever the machine says. A watcher that returns none changes nothing.
    pub fn watch(
        &self,
        run: u32,
        seed: u64,
        watcher: impl FnMut(&Moment<'_>) -> Option<Percent>,
    ) -> Fate {
        let seed = seed
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(run.into());
        Run::new(self, Xoshiro256PlusPlus::seed_from_u64(seed)).finish(watcher)
    }

    /// Makes the judge of each process, where there are several.
    fn locals(&self) -> Vec<Judge> {
        let several = self.local.iter();
        several
            .flat_map(|judge| (0..self.scenario.processes).map(|_| judge.clone()))
            .collect()
    }

    fn at(&self, second: u32) -> Timestamp {
        Timestamp::from_nanos(self.start.as_nanos() + i128::from(second) * 1_000_000_000)
    }
}

/// Does the work of each core on a thread of its own, but for the first one's, which is done here.
fn mine_and_others<T: Send>(cores: u32, work: &(impl Fn(u32) -> Vec<T> + Sync)) -> Vec<T> {
    thread::scope(|scope| {
        let others: Vec<_> = (1..cores)
            .map(|core| scope.spawn(move || work(core)))
            .collect();
        let mut done = work(0);
        for other in others {
            done.extend(other.join().unwrap_or_default());
        }
        done
    })
}

/// Leaves of a plan one stage, in which it stays as long as a run lasts. What comes before a first stage, and what keeps
/// gates shut, is left out.
fn pin(plan: &mut Plan, stage: usize, seconds: u32) -> Result<(), InvalidScenario> {
    let count = plan.stages.len();
    let found = stage
        .checked_sub(1)
        .and_then(|index| plan.stages.get(index));
    let Some(found) = found.cloned() else {
        return Err(InvalidScenario(format!(
            "`stage` is {stage}, and the plan has stages 1 to {count}"
        )));
    };
    let whole = planned(plan);
    let run = Duration::from_secs(u64::from(seconds) + 60);
    plan.stages = vec![Stage::new(found.to, whole.max(run))];
    plan.windows = Vec::new();
    (plan.warmup, plan.shadow) = (None, None);
    Ok(())
}

fn waves(plan: &Plan) -> usize {
    let stages = plan.stages.iter();
    stages
        .filter(|stage| !matches!(stage.to, Reached::Percent(_)))
        .count()
}

/// A run under way.
struct Run<'s> {
    of: &'s Simulation,
    random: Xoshiro256PlusPlus,
    traffic: Traffic<'s>,
    population: Population,
    seen: Seen,
    fleet: Fleet,
    locals: Vec<Judge>,
    /// Not there only while a step takes it.
    state: Option<State>,
    slow_from: Vec<Option<(Duration, Duration)>>,
    /// Successes of the stable arm since latencies were last measured anew, and seconds.
    measured: (f64, f64),
    candidate_requests: u64,
    /// What a watcher has set.
    by_hand: Option<Percent>,
}

impl<'s> Run<'s> {
    fn new(of: &'s Simulation, mut random: Xoshiro256PlusPlus) -> Self {
        let plan = of.ramp.plan();
        let population = Population::draw(&of.scenario, waves(plan), &mut random);
        let rate = of.scenario.rate.at(0.0);
        // Before its start a plan is armed for as long as its quantiles take.
        let measured = (rate * MEASURED_SECONDS).max(MEASURED);
        let fleet = Fleet::new(&Arc::new(Watched::new(plan, 0)), of.scenario.processes);
        Self {
            seen: Seen::new(&population, by_request(plan), plan.min_units),
            traffic: Traffic::new(&of.scenario, plan),
            locals: fleet
                .processes
                .iter()
                .filter_map(|_| of.local.clone())
                .collect(),
            fleet,
            state: Some(State::new(&of.ramp)),
            slow_from: vec![None; plan.guardrails.len()],
            measured: (measured, MEASURED_SECONDS),
            candidate_requests: 0,
            by_hand: None,
            of,
            random,
            population,
        }
    }

    fn finish(mut self, mut watcher: impl FnMut(&Moment<'_>) -> Option<Percent>) -> Fate {
        let commands = self.commands();
        let mut counts = vec![Counts::default()];
        let mut last = (Percent::ZERO, Arms::default(), Arms::default());
        for second in 0..=self.of.scenario.seconds {
            let at = f64::from(second);
            let fate = self.look(second, &commands, &mut counts);
            self.show(second, last, &counts, &mut watcher);
            if let Some(fate) = fate {
                return fate;
            }
            if second == self.of.scenario.seconds {
                break;
            }
            let exposure = self.exposure();
            let lag = usize::try_from(self.of.scenario.lag_seconds).unwrap_or_default();
            let (began, bad) = self.fleet.second(
                &self.traffic,
                at,
                (exposure.percent, exposure.waves),
                lag,
                &self.population,
                &mut self.seen,
                &self.slow_from,
                &mut self.random,
            );
            last = (exposure.percent, began, bad);
            self.candidate_requests += u64::from(began.candidate);
            self.measured.0 += f64::from(began.stable);
            self.measured.1 += 1.0;
            counts = vec![self.fleet.whole.count()];
            if let Some(guardrail) = self.judge_processes(exposure) {
                return self.fate(second + 1, Some(guardrail));
            }
        }
        let seconds = self.of.scenario.seconds;
        self.fate(seconds, None)
    }

    /// Takes a step of the machine; returns the fate of a run that it rolls back.
    fn look(&mut self, second: u32, commands: &[Command], counts: &mut [Counts]) -> Option<Fate> {
        let plan = Arc::clone(self.of.ramp.plan());
        for counts in &mut *counts {
            counts.quantiles = self.quantiles(f64::from(second), plan.guardrails.len());
        }
        let enrols = self.exposure() != Exposure::NOBODY;
        let gauges = self
            .traffic
            .gauges(f64::from(second), enrols, &plan.guardrails);
        let mut observation = Observation::new();
        observation.counts = counts;
        observation.gauges = &gauges;
        observation.commands = commands;
        observation.stable_idle = Duration::MAX;
        let now = Now {
            wall: self.of.at(second),
            since_last: (second > 0).then_some(Duration::from_secs(1)),
        };
        let state = self.state.take()?;
        let (state, effects) = step(&self.of.ramp, state, &observation, now);
        self.state = Some(state);
        for effect in effects {
            match effect {
                Effect::Recount => {
                    let watched = Arc::new(Watched::new(&plan, 0));
                    self.fleet = Fleet::new(&watched, self.of.scenario.processes);
                    self.seen = Seen::new(&self.population, by_request(&plan), plan.min_units);
                    self.locals = self.of.locals();
                }
                Effect::Limits(limits) => {
                    self.slow_from = limits;
                    self.measured = (0.0, 0.0);
                }
                _ => {}
            }
        }
        let evidence = self.state.as_ref()?.evidence()?;
        let guardrail = match &evidence.cause {
            Cause::Guardrail(finding) => finding.name.clone(),
            _ => "operator".to_owned(),
        };
        Some(self.fate(second, Some(guardrail)))
    }

    fn exposure(&self) -> Exposure {
        let state = self.state.as_ref();
        let exposure = state.map_or(Exposure::NOBODY, State::exposure);
        let draws = exposure.percent > Percent::ZERO;
        let by_hand = self.by_hand.filter(|_| draws);
        Exposure {
            percent: by_hand.unwrap_or(exposure.percent),
            ..exposure
        }
    }

    fn show(
        &mut self,
        second: u32,
        (share, requests, bad): (Percent, Arms, Arms),
        counts: &[Counts],
        watcher: &mut impl FnMut(&Moment<'_>) -> Option<Percent>,
    ) {
        let Some(state) = &self.state else {
            return;
        };
        let moment = Moment {
            second,
            share,
            requests,
            bad,
            counts,
            judge: state.judge(),
            processes: &self.locals,
        };
        self.by_hand = watcher(&moment).or(self.by_hand);
    }

    fn quantiles(&mut self, second: f64, guardrails: usize) -> Vec<Option<Duration>> {
        let (successes, seconds) = self.measured;
        if successes < MEASURED || seconds < MEASURED_SECONDS {
            return vec![None; guardrails];
        }
        self.traffic
            .quantiles(second, successes, guardrails, &mut self.random)
    }

    /// Judges what each process has counted by itself; returns the guardrail by which one of them stops.
    fn judge_processes(&mut self, exposure: Exposure) -> Option<String> {
        let plan = self.of.ramp.plan();
        let state = self.state.as_ref()?;
        // As the machine does: only stages are judged, and what can't be taken back is not.
        let can_stop = matches!(state.position(), Position::Stage { index, .. } if !self.of.ramp.is_irreversible(index));
        let look = Look {
            elapsed: state.elapsed(),
            exposed: exposure.exposed(),
            gauges: &[],
            source_works: true,
        };
        for (judge, process) in self.locals.iter_mut().zip(&mut self.fleet.processes) {
            let counts = process.count();
            if !can_stop {
                continue;
            }
            judge.observe(plan, &look, &counts);
            let breached =
                judge
                    .verdicts()
                    .zip(&plan.guardrails)
                    .position(|(verdict, guardrail)| {
                        verdict == Verdict::Regressed
                            && guardrail.on_breach == OnBreach::Rollback
                            && !matches!(guardrail.metric, Metric::Gauge(_))
                    });
            if let Some(finding) = breached.and_then(|at| judge.finding(plan, at)) {
                return Some(finding.name);
            }
        }
        None
    }

    /// Starts it where nothing else does, and approves everything.
    fn commands(&self) -> Vec<Command> {
        let plan = self.of.ramp.plan();
        let start = plan.start.is_none().then_some(Wish::Start);
        let approvals = plan
            .stages
            .iter()
            .enumerate()
            .filter(|(_, stage)| stage.approve);
        let approvals = approvals.map(|(index, _)| Wish::Approve { stage: index + 1 });
        let commands = (1..).zip(start.into_iter().chain(approvals));
        let commands = commands.map(|(id, what)| Command {
            id,
            by: "simulation".to_owned(),
            reason: String::new(),
            at: self.of.start,
            what,
        });
        commands.collect()
    }

    fn fate(&self, seconds: u32, rolled_back_by: Option<String>) -> Fate {
        let phase = match rolled_back_by {
            Some(_) => Phase::RolledBack,
            None => self.state.as_ref().map_or(Phase::Draft, State::phase),
        };
        Fate {
            rolled_back_by,
            seconds,
            candidate_requests: self.candidate_requests,
            phase: phase.to_string(),
        }
    }
}
