//! A plan and what its service sees, run in virtual time.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use fader::plan::{Guardrail, Limit, Metric, OnBreach, Plan, Reached, Stage};
use fader_rollout::guardrail::DEFAULT_MAX_PROCESSES;
use fader_rollout::judge::Judge;
use fader_rollout::simulate::{Moment, Scenario, Simulation};

/// Seconds of a run: an hour.
pub(crate) const HOUR: u32 = 3600;

/// A plan and what its service sees.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) plan: Plan,
    /// Fields of a scenario beside `rate`, `seconds`, `units` and `base`, each with a comma before it.
    pub(crate) more: String,
    pub(crate) rate: u32,
    pub(crate) units: u32,
    pub(crate) seconds: u32,
    /// The fields of `base`.
    pub(crate) base: String,
}

impl Case {
    /// Makes one of a guardrail `errors no_worse_than 1` at a share, with 0.1 % errors.
    pub(crate) fn new(name: &'static str, share: &str) -> Self {
        Self {
            name,
            plan: plan(&[share], vec![errors(1.0)]),
            more: String::new(),
            rate: 1000,
            units: 50_000,
            seconds: HOUR,
            base: base("0.001"),
        }
    }

    pub(crate) fn base(self, errors: &str) -> Self {
        Self {
            base: base(errors),
            ..self
        }
    }

    /// Adds fields to the scenario.
    pub(crate) fn with(mut self, fields: &str) -> Self {
        self.more.push_str(", ");
        self.more.push_str(fields);
        self
    }

    pub(crate) fn guardrails(mut self, guardrails: Vec<Guardrail>) -> Self {
        self.plan.guardrails = guardrails;
        self
    }

    pub(crate) fn stages(mut self, shares: &[&str]) -> Self {
        self.plan.stages = plan(shares, Vec::new()).stages;
        self
    }

    /// Lets each request draw for itself, so that it does not matter how many units there are.
    pub(crate) fn by_request(mut self) -> Self {
        self.units = 1000;
        self.plan.by = "request".into();
        self
    }

    pub(crate) fn units(self, units: u32) -> Self {
        Self { units, ..self }
    }

    pub(crate) fn false_alarm(mut self, level: f64) -> Self {
        self.plan.false_alarm = level;
        self
    }

    /// Tells of a breach and goes on.
    pub(crate) fn going_on(mut self) -> Self {
        for guardrail in &mut self.plan.guardrails {
            guardrail.on_breach = OnBreach::Notify;
        }
        self
    }

    #[expect(clippy::expect_used, reason = "the cases are fixed")]
    pub(crate) fn simulation(&self) -> Simulation {
        let json = format!(
            r#"{{ "rate": {}, "seconds": {}, "units": {}, "base": {{ {} }}{} }}"#,
            self.rate, self.seconds, self.units, self.base, self.more
        );
        let scenario = Scenario::parse(&json).expect("a scenario");
        Simulation::new(&Arc::new(self.plan.clone()), &[], scenario).expect("a simulation")
    }
}

fn base(errors: &str) -> String {
    format!(r#""errors": {errors}, "client_errors": 0.02"#)
}

/// Returns a guardrail of errors with a margin.
pub(crate) fn errors(margin: f64) -> Guardrail {
    Guardrail::new(Metric::Errors, Limit::NoWorseThan(margin))
}

/// Returns a plan that takes an hour for all its stages, and longer for the last one.
#[expect(clippy::expect_used, reason = "the shares are fixed")]
fn plan(shares: &[&str], guardrails: Vec<Guardrail>) -> Plan {
    let count = u32::try_from(shares.len()).unwrap_or(1);
    let bake = Duration::from_secs(u64::from(HOUR / count));
    let stage = |share: &&str| {
        let to = Reached::Percent(share.parse().expect("a percent"));
        Stage::new(to, bake)
    };
    let mut plan = Plan::new(shares.iter().map(stage).collect());
    plan.false_alarm = 0.01;
    plan.guardrails = guardrails;
    plan
}

/// Returns a rate of errors that rises sevenfold over the hour, in steps of ten seconds.
pub(crate) fn drift() -> String {
    curve(|part| 0.0005 + 0.003 * part)
}

/// Returns a rate of errors that goes up and down like that of a day, in an hour.
pub(crate) fn wave() -> String {
    curve(|part| 0.001 * (1.0 + 0.9 * (6.0 * part).sin()))
}

/// Returns a curve over the parts of an hour.
pub(crate) fn curve(value: impl Fn(f64) -> f64) -> String {
    let steps = (0..HOUR).step_by(10).map(|second| {
        let part = f64::from(second) / f64::from(HOUR);
        format!("[{second}, {}]", value(part))
    });
    format!("[{}]", steps.collect::<Vec<_>>().join(", "))
}

/// Returns how near a run is to its alarm: an alarm at the level α is a value of 1/α.
///
/// It is the evidence, divided by the parts that the level is divided into: over guardrails and, in a fleet, over the
/// test of all and those of each process. How many bad units there must be at least is not asked: that would only spare
/// alarms.
pub(crate) fn nearness(plan: &Plan, moment: &Moment<'_>) -> f64 {
    let guardrails = f64::from(u32::try_from(plan.guardrails.len()).unwrap_or(1));
    let most = |judge: &Judge| {
        let each = (0..plan.guardrails.len()).filter_map(|at| judge.evidence(at));
        each.fold(0.0, f64::max) / guardrails
    };
    let whole = most(moment.judge);
    if moment.processes.is_empty() {
        return whole;
    }
    let each = moment.processes.iter().map(most).fold(0.0, f64::max);
    (whole / 2.0).max(each / 2.0 / f64::from(DEFAULT_MAX_PROCESSES))
}

/// Does something for each of some runs, on all cores, in the order of the runs.
pub(crate) fn each<T: Send>(runs: u32, work: impl Fn(u32) -> T + Sync) -> Vec<T> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let part = |core: usize| {
        let runs = (0..runs).skip(core).step_by(cores);
        runs.map(|run| (run, work(run))).collect::<Vec<_>>()
    };
    let part = &part;
    // All threads begin before the first one is waited for.
    #[expect(
        clippy::needless_collect,
        reason = "an iterator would wait for each at once"
    )]
    let mut found: Vec<(u32, T)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores)
            .map(|core| scope.spawn(move || part(core)))
            .collect();
        let threads = threads.into_iter();
        threads
            .flat_map(|thread| thread.join().unwrap_or_default())
            .collect()
    });
    found.sort_unstable_by_key(|(run, _)| *run);
    found.into_iter().map(|(_, done)| done).collect()
}
