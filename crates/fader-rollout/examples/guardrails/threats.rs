//! Healthy runs that are made to break the promise.
//!
//! Most are scenarios. Where the simulation has no words for it, what it counts is delayed, or someone else sets the
//! share; two kinds of units are drawn here, one by one, and judged by the same judge.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use fader::Percent;
use fader::plan::{Guardrail, Limit, Metric};
use fader_rollout::guardrail::Arms;
use fader_rollout::judge::{BudgetPart, Exposed, Judge, Look};
use fader_rollout::simulate::Moment;
use fader_rollout::{Counts, Stratum};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, Poisson};

use crate::case::{Case, HOUR, curve, drift, each, errors, nearness};
use crate::healthy::{RAMP, SEED};

/// How the evidence of a run comes about.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Way {
    /// The machine runs the plan.
    Plan,
    /// Half of the traffic while the evidence is above 1, and a hundredth while it is below.
    Operator,
    /// Changes between 1 % and 50 % every minute, and nobody in each fifth minute.
    Flaps,
    /// Outcomes are told 30 seconds later when they come from an outage.
    LateInOutages,
    /// Nothing is judged for ten minutes, then all of them at once.
    Lumps,
    /// Units come and go, and new ones fail twenty times as often.
    Newcomers,
    /// Fifty requests share one fate, each is drawn for itself.
    Bursts,
    /// Fifty requests share one fate and one draw.
    BurstsOfOneArm,
    /// Each bad request counts under the design share, not each unit.
    RequestsOfUnits,
}

/// A case, how it is run, and whether the guarantee covers it.
pub(crate) struct Threat {
    pub(crate) letter: &'static str,
    pub(crate) case: Case,
    pub(crate) way: Way,
    pub(crate) covered: bool,
}

/// Returns what was thought of to break the promise, and what does.
pub(crate) fn threats() -> Vec<Threat> {
    let threat = |letter, way, case| Threat {
        letter,
        case,
        way,
        covered: true,
    };
    let broken = |way, case| Threat {
        letter: "–",
        case,
        way,
        covered: false,
    };
    let tries = r#""requests_per_unit": { "lognormal": 2.5 }, "sick_units": { "share": 0.02, "times": 1000 }"#;
    let giants =
        r#""requests_per_unit": { "lognormal": 3 }, "sick_units": { "share": 0.1, "times": 50 }"#;
    let regions = r#""sick_units": { "share": 0.05, "times": 1000 }, "outages": [
        { "from": 600, "seconds": 60, "errors": 0.001 }, { "from": 1500, "seconds": 60, "errors": 0.001 },
        { "from": 2400, "seconds": 60, "errors": 0.001 }]"#;
    let outage = r#""outages": [{ "from": 1000, "seconds": 120, "errors": 0.1 }]"#;
    let drifting = curve(|part| 1.0 + 0.5 * part);
    let plain = |name| Case::new(name, "5");
    let mends = |name, times: f64| {
        Case::new(name, "50").base("0.0002").with(&format!(
            r#""sick_units": {{ "share": 0.03, "times": 5000 }}, "effect": {{ "errors": {times} }}"#
        ))
    };
    vec![
        threat(
            "a",
            Way::Plan,
            Case::new("the share rises in the midst of an outage", "1")
                .stages(&["1", "25"])
                .with(r#""outages": [{ "from": 1740, "seconds": 120, "errors": 0.2 }]"#),
        ),
        threat(
            "b",
            Way::Operator,
            plain("an operator raises the share when the evidence is high").base(&drift()),
        ),
        threat(
            "c",
            Way::Plan,
            Case::new("units that fail at every try, and try again", "1")
                .stages(&RAMP)
                .with(tries),
        ),
        threat(
            "d",
            Way::Plan,
            Case::new("a few giant units, some of them sick", "1")
                .stages(&RAMP)
                .units(10_000)
                .with(giants),
        ),
        threat(
            "e",
            Way::Newcomers,
            Case::new("units come and go, and new ones fail more", "1").stages(&RAMP),
        ),
        threat(
            "f",
            Way::Plan,
            plain("outages of a region, a random 5 % of the units")
                .base("0.000001")
                .with(regions),
        ),
        threat(
            "g",
            Way::Plan,
            plain("base one in a million: a handful of events").base("0.000001"),
        ),
        threat("h", Way::Plan, Case::new("a share of 0.01 %", "0.01")),
        threat("h", Way::Plan, Case::new("a share of 99 %", "99")),
        threat(
            "i",
            Way::Flaps,
            plain("the share flaps between 1 % and 50 %, with pauses").base(&drift()),
        ),
        threat(
            "j",
            Way::LateInOutages,
            Case::new("outcomes lag 30 s more in outages", "1")
                .stages(&RAMP)
                .with(outage),
        ),
        threat(
            "k",
            Way::Plan,
            plain("latencies of both arms rise after τ was frozen")
                .base(&format!(r#"0.001, "latency": {drifting}"#))
                .guardrails(vec![Guardrail::new(
                    Metric::Latency(950),
                    Limit::NoWorseThan(1.0),
                )])
                .by_request(),
        ),
        threat(
            "l",
            Way::Plan,
            Case::new("a margin of 1.1 used up, sick units, a fifth spent", "50")
                .base("0.005")
                .guardrails(vec![errors(1.1)])
                .with(
                    r#""effect": { "errors": 1.1 }, "sick_units": { "share": 0.02, "times": 50 }"#,
                ),
        ),
        threat(
            "m",
            Way::Lumps,
            Case::new("counts of ten minutes come in one lump", "1")
                .stages(&RAMP)
                .base(&drift()),
        ),
        threat(
            "n",
            Way::Bursts,
            plain("by request: fifty requests share one fate").by_request(),
        ),
        threat(
            "o",
            Way::Plan,
            mends(
                "a candidate that mends four fifths of what always fails",
                0.2,
            ),
        ),
        broken(
            Way::BurstsOfOneArm,
            plain("NOT COVERED: fifty requests share one fate and one draw").by_request(),
        ),
        broken(
            Way::RequestsOfUnits,
            Case::new("WRONG: each request of a sick unit counts", "1")
                .stages(&RAMP)
                .with(tries),
        ),
        broken(
            Way::Plan,
            plain("BY ITS MEANING: an absolute limit of 1 %, outage of both arms")
                .guardrails(vec![Guardrail::new(Metric::Errors, Limit::Below(0.01))])
                .with(r#""outages": [{ "from": 1800, "seconds": 60, "errors": 0.5 }]"#),
        ),
    ]
}

/// Returns how near each of some runs came to its alarm.
pub(crate) fn nearest(threat: &Threat, runs: u32) -> Vec<f64> {
    let simulation = threat.case.simulation();
    each(runs, |run| {
        let mut random = SmallRng::seed_from_u64(SEED ^ u64::from(run));
        match threat.way {
            Way::Newcomers => newcomers(&threat.case, &mut random),
            Way::Bursts => bursts(&threat.case, false, &mut random),
            Way::BurstsOfOneArm => bursts(&threat.case, true, &mut random),
            _ => {
                let mut watch = Watch::new(threat);
                let _ = simulation.watch(run, SEED, |moment| watch.see(moment));
                watch.most
            }
        }
    })
}

/// A judge beside the machine's, who is told of something else.
struct Watch<'t> {
    threat: &'t Threat,
    judge: Judge,
    /// What is told later, with the second in which it is.
    later: Vec<(u32, Counts)>,
    most: f64,
}

impl<'t> Watch<'t> {
    fn new(threat: &'t Threat) -> Self {
        Self {
            threat,
            judge: judge(&threat.case),
            later: Vec::new(),
            most: 0.0,
        }
    }

    fn see(&mut self, moment: &Moment<'_>) -> Option<Percent> {
        let second = moment.second;
        let plan = &self.threat.case.plan;
        match self.threat.way {
            Way::Operator | Way::Flaps | Way::Plan => {
                self.most = self.most.max(nearness(plan, moment));
            }
            Way::LateInOutages => {
                let lag = if (1000..1120).contains(&second) {
                    30
                } else {
                    0
                };
                self.tell(second + lag, moment.counts);
            }
            Way::Lumps => self.tell(second.next_multiple_of(600), moment.counts),
            _ => {
                let wrong = counts(moment.share, moment.bad, moment.requests);
                self.tell(second, &[wrong]);
            }
        }
        self.judge(second);
        match self.threat.way {
            Way::Operator if self.most_now(moment) > 1.0 => "50".parse().ok(),
            Way::Operator => "1".parse().ok(),
            Way::Flaps if second / 60 % 5 == 4 => Some(Percent::ZERO),
            Way::Flaps if (second / 60).is_multiple_of(2) => "1".parse().ok(),
            Way::Flaps => "50".parse().ok(),
            _ => None,
        }
    }

    fn most_now(&self, moment: &Moment<'_>) -> f64 {
        nearness(&self.threat.case.plan, moment)
    }

    fn tell(&mut self, second: u32, counts: &[Counts]) {
        let counts = counts.iter().map(|counts| (second, counts.clone()));
        self.later.extend(counts);
    }

    /// Judges what is told by now, in the order in which it happened or, where it came late, later.
    fn judge(&mut self, second: u32) {
        if self.later.iter().all(|(when, _)| *when > second) {
            return;
        }
        let plan = &self.threat.case.plan;
        let all = self.later.drain(..);
        let (now, later): (Vec<_>, Vec<_>) = all.partition(|(when, _)| *when <= second);
        self.later = later;
        for (_, counts) in &now {
            self.judge.observe(plan, &look(second), counts);
        }
        self.most = self.most.max(self.judge.evidence(0).unwrap_or_default());
    }
}

#[expect(clippy::expect_used, reason = "the cases are fixed")]
fn judge(case: &Case) -> Judge {
    let hour = Duration::from_secs(u64::from(HOUR));
    Judge::new(&case.plan, hour, BudgetPart::OneProcess).expect("a judge")
}

fn look(second: u32) -> Look<'static> {
    Look {
        elapsed: Duration::from_secs(u64::from(second)),
        exposed: Exposed::Part,
        gauges: &[],
        source_works: true,
    }
}

fn stratum(share: Percent, bad: Arms, of: Arms) -> Stratum {
    Stratum {
        guardrail: 0,
        share,
        bad,
        of,
    }
}

fn counts(share: Percent, bad: Arms, of: Arms) -> Counts {
    let mut counts = Counts::default();
    counts.strata = vec![stratum(share, bad, of)];
    counts
}

/// The share of a stage of the ramp, as a percent and as a part.
#[expect(clippy::expect_used, reason = "the shares are fixed")]
fn ramp(second: u32) -> (Percent, f64) {
    let stage = RAMP.get((second / 720) as usize).unwrap_or(&"100");
    let part: f64 = stage.parse().expect("a number");
    (stage.parse().expect("a percent"), part / 100.0)
}

/// Two units come each second and stay for ten minutes. In its first minute a unit fails in one second of a hundred,
/// later in one of two thousand.
fn newcomers(case: &Case, random: &mut SmallRng) -> f64 {
    let (mut judge, mut most) = (judge(case), 0.0_f64);
    let mut there: VecDeque<(u32, f64)> = VecDeque::new();
    let mut spent = HashSet::new();
    for second in 0..HOUR {
        let (share, part) = ramp(second);
        there.extend((0..2).map(|_| (second, random.random::<f64>())));
        while there.front().is_some_and(|(came, _)| came + 600 < second) {
            there.pop_front();
        }
        let (mut bad, mut of) = (Arms::default(), Arms::default());
        for (came, position) in &there {
            let rate = if second - came < 60 { 0.01 } else { 0.0005 };
            let fails = random.random::<f64>() < rate && spent.insert(position.to_bits());
            let (bad, of) = if *position < part {
                (&mut bad.candidate, &mut of.candidate)
            } else {
                (&mut bad.stable, &mut of.stable)
            };
            *bad += u32::from(fails);
            *of += 1;
        }
        judge.observe(&case.plan, &look(second), &counts(share, bad, of));
        most = most.max(judge.evidence(0).unwrap_or_default());
    }
    most
}

/// Twenty bursts of fifty requests a second, of which one in a thousand is bad as a whole.
fn bursts(case: &Case, one_arm: bool, random: &mut SmallRng) -> f64 {
    let (mut judge, mut most) = (judge(case), 0.0_f64);
    let share = case.plan.stages.first();
    let share = match share.map(|stage| &stage.to) {
        Some(fader::plan::Reached::Percent(share)) => *share,
        _ => Percent::ZERO,
    };
    let part = f64::from(share.micros()) / f64::from(Percent::HUNDRED.micros());
    for second in 0..HOUR {
        let (mut bad, mut of) = (Arms::default(), Arms::default());
        for _ in 0..poisson(random) {
            let fails = random.random::<f64>() < 0.001;
            let enrolled = if one_arm {
                50 * u32::from(random.random::<f64>() < part)
            } else {
                (0..50)
                    .map(|_| u32::from(random.random::<f64>() < part))
                    .sum()
            };
            let arms = Arms {
                candidate: enrolled,
                stable: 50 - enrolled,
            };
            of = of + arms;
            if fails {
                bad = bad + arms;
            }
        }
        judge.observe(&case.plan, &look(second), &counts(share, bad, of));
        most = most.max(judge.evidence(0).unwrap_or_default());
    }
    most
}

/// Returns how many bursts begin in a second: twenty on average.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of a second's bursts"
)]
fn poisson(random: &mut SmallRng) -> u32 {
    Poisson::new(20.0_f64).map_or(0, |bursts| bursts.sample(random) as u32)
}
