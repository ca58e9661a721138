//! All guardrails of a run, fed by its counts.
//!
//! A [`Judge`] lives as long as a run: no stage resets it. What it is told are [`Counts`], tick by tick, and what it
//! says is a [`Verdict`] for each guardrail, in the plan's order, with a [`Finding`] for people. How the counts become
//! strata depends on what is drawn:
//!
//! - *By unit*, π is the share under which the events' requests were drawn. Each tick is a stratum.
//! - *By request* (`"by": "request"`), π is the realised share n1/(n1 + n0). Ticks of one share are merged until
//!   n1 ≥ 1 and n ≥ 8/share, or 60 seconds have gone by. Requests alone decide that, never how they end.
//!
//! An absolute guardrail counts the candidate alone: bad ones of all its requests, by unit at most one a unit and second.
//! What is bad beyond that is counted among those that went well, which only lowers the evidence.

use std::time::Duration;

use fader::plan::{Guardrail, Limit, Metric, Plan};
use serde::{Deserialize, Serialize};

use crate::counts::{Counts, Stratum};
use crate::guardrail::{Absolute, Budget, InvalidSetting, Relative, SampleRatio, Verdict};
use merge::Merge;

pub(crate) mod finding;
pub(crate) mod merge;
#[cfg(test)]
mod tests;

pub use finding::{Finding, Missing, Totals};

/// Which part of the probability of a false alarm a judge may spend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BudgetPart {
    /// All of it: one process runs alone.
    #[default]
    OneProcess,
    /// Half of it: what all processes of a fleet count is judged together.
    Fleet,
    /// One part of the other half: what one process of a fleet counts, of so many process starts in a run.
    Process(u32),
}

/// Who is enrolled at a moment, as far as guardrails care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Exposed {
    /// Nobody.
    Nobody,
    /// Only those of a wave: there is nobody to compare with that chance has put into the other arm.
    Wave,
    /// A part of the units, drawn.
    Part,
    /// All.
    Everybody,
}

/// What is true at a tick beside its counts.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "what a look needs")]
pub struct Look<'a> {
    /// The time of the run, from its first exposure on.
    pub elapsed: Duration,
    /// Who is enrolled now.
    pub exposed: Exposed,
    /// By guardrail: what its gauge shows, where it has one that shows anything.
    pub gauges: &'a [Option<f64>],
    /// Whether the source of the counts works.
    pub source_works: bool,
}

/// All guardrails of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[must_use]
pub struct Judge {
    bars: Vec<Bar>,
    assignment: SampleRatio,
}

/// One guardrail at work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Bar {
    test: Test,
    verdict: Verdict,
    bad: Totals,
    of: Totals,
    exhausted: bool,
    /// The stable arm's quantile, frozen for a stage: of relative latency guardrails.
    quantile: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Test {
    Relative {
        test: Relative,
        open: Merge,
    },
    Absolute(Absolute),
    Gauge {
        shows: bool,
        beyond_since: Option<Duration>,
        breached: bool,
    },
}

impl Judge {
    /// Makes the judge of a run, with the planned duration over which late regressions are watched evenly.
    ///
    /// # Errors
    ///
    /// A setting out of its range, which a checked document does not have.
    pub fn new(plan: &Plan, planned: Duration, part: BudgetPart) -> Result<Self, InvalidSetting> {
        let level = level(plan, part)?;
        let bars = plan.guardrails.iter();
        let bars = bars.map(|guardrail| {
            let test = Test::new(plan, guardrail, level, planned)?;
            Ok(Bar {
                test,
                verdict: Verdict::NoData,
                bad: Totals::default(),
                of: Totals::default(),
                exhausted: false,
                quantile: None,
            })
        });
        Ok(Self {
            bars: bars.collect::<Result<_, _>>()?,
            assignment: SampleRatio::new(),
        })
    }

    /// Takes what was counted in a tick, and judges anew.
    ///
    /// Counts of other processes, and late ones, may be taken in the same tick one after the other.
    pub fn observe(&mut self, plan: &Plan, look: &Look<'_>, counts: &Counts) {
        for exposures in &counts.exposures {
            let share = part(exposures.share);
            self.assignment
                .observe(share, exposures.enrolled, exposures.all);
        }
        for stratum in &counts.strata {
            if let Some(bar) = self.bars.get_mut(stratum.guardrail) {
                bar.take(stratum, look.elapsed, by_request(plan));
            }
        }
        for (at, (bar, guardrail)) in self.bars.iter_mut().zip(&plan.guardrails).enumerate() {
            bar.exhausted |= counts.exhausted.get(at).is_some_and(|exhausted| *exhausted);
            bar.judge(guardrail, look, look.gauges.get(at).copied().flatten());
        }
    }

    /// Freezes the quantiles of the stable arm's latency for a stage that begins, where they are known.
    ///
    /// A guardrail whose quantile never was known has no data.
    pub fn freeze(&mut self, quantiles: &[Option<Duration>]) {
        for (bar, quantile) in self.bars.iter_mut().zip(quantiles) {
            if matches!(bar.test, Test::Relative { .. }) {
                bar.quantile = quantile.or(bar.quantile);
            }
        }
    }

    /// Returns from which duration on a success is slow, in the candidate and in the stable arm, for a guardrail of
    /// latency; none while that is not known.
    #[must_use]
    pub fn slow_from(&self, plan: &Plan, guardrail: usize) -> Option<(Duration, Duration)> {
        let rule = plan.guardrails.get(guardrail)?;
        match (&rule.metric, rule.limit) {
            (Metric::Latency(_), Limit::Faster(limit)) => Some((limit, limit)),
            (Metric::Latency(_), Limit::NoWorseThan(times)) => {
                let stable = self.bars.get(guardrail)?.quantile?;
                let candidate = Duration::try_from_secs_f64(stable.as_secs_f64() * times);
                Some((candidate.unwrap_or(Duration::MAX), stable))
            }
            _ => None,
        }
    }

    /// Returns what each guardrail says, in the plan's order.
    pub fn verdicts(&self) -> impl Iterator<Item = Verdict> {
        self.bars.iter().map(|bar| bar.verdict)
    }

    /// Tells whether the arms get other units than the share says, so that nothing else can be trusted.
    #[must_use]
    pub fn is_assignment_broken(&self) -> bool {
        self.assignment.is_broken()
    }

    /// Returns E, the evidence of a guardrail that the candidate is worse than it may be; none of a gauge.
    #[must_use]
    pub fn evidence(&self, guardrail: usize) -> Option<f64> {
        match &self.bars.get(guardrail)?.test {
            Test::Relative { test, .. } => Some(test.evidence()),
            Test::Absolute(test) => Some(test.evidence()),
            Test::Gauge { .. } => None,
        }
    }

    /// Takes over from a judge that has found the assignment to be broken.
    pub(crate) fn distrust(&mut self) {
        self.assignment.distrust();
    }

    /// Returns what there is to say of a guardrail.
    #[must_use]
    pub fn finding(&self, plan: &Plan, guardrail: usize) -> Option<Finding> {
        let bar = self.bars.get(guardrail)?;
        let rule = plan.guardrails.get(guardrail)?;
        Some(bar.finding(guardrail, rule))
    }
}

/// A margin above this is as good as this.
const MOST: f64 = 1000.0;

/// Returns the level of each guardrail that is a test. Gauges are none, and take no part.
fn level(plan: &Plan, part: BudgetPart) -> Result<f64, InvalidSetting> {
    let tests = plan.guardrails.iter();
    let tests = tests.filter(|guardrail| !matches!(guardrail.metric, Metric::Gauge(_)));
    let budget = Budget::new(
        plan.false_alarm.clamp(1e-12, 1.0 - 1e-12),
        u32::try_from(tests.count()).unwrap_or(u32::MAX),
    )?;
    Ok(match part {
        BudgetPart::OneProcess => budget.one_process(),
        BudgetPart::Fleet => budget.fleet(),
        BudgetPart::Process(starts) => budget.process(starts),
    })
}

/// Returns how long a plan takes at least: all its stages.
pub(crate) fn planned(plan: &Plan) -> Duration {
    let bakes = plan.stages.iter().map(|stage| stage.bake);
    bakes.fold(Duration::ZERO, Duration::saturating_add)
}

pub(crate) fn by_request(plan: &Plan) -> bool {
    *plan.by == *"request"
}

pub(crate) fn part(share: fader::Percent) -> f64 {
    f64::from(share.micros()) / f64::from(fader::Percent::HUNDRED.micros())
}

impl Test {
    fn new(
        plan: &Plan,
        guardrail: &Guardrail,
        level: f64,
        planned: Duration,
    ) -> Result<Self, InvalidSetting> {
        let relative = |margin| {
            let test = Relative::new(margin, level, planned)?.min_bad_units(plan.min_bad_units);
            Ok(Self::Relative {
                test: if by_request(plan) {
                    test
                } else {
                    test.of_units()
                },
                open: Merge::default(),
            })
        };
        let absolute = |limit| {
            Absolute::new(limit, level, planned)
                .map(|test| Self::Absolute(test.min_bad_units(plan.min_bad_units)))
        };
        match (&guardrail.metric, guardrail.limit) {
            (Metric::Gauge(_), _) => Ok(Self::Gauge {
                shows: false,
                beyond_since: None,
                breached: false,
            }),
            // A success is bad from the margin times the quantile on, so what is left to compare are two rates.
            (Metric::Latency(_), Limit::NoWorseThan(_)) => relative(1.0),
            (_, Limit::NoWorseThan(margin)) => relative(margin.min(MOST)),
            (Metric::Latency(quantile), _) => absolute(1.0 - f64::from(*quantile) / 1000.0),
            // At a limit of 1 nothing is ever bad enough.
            (_, Limit::Below(limit)) => absolute(limit.clamp(1e-12, 1.0 - 1e-9)),
            (_, _) => absolute(1.0 - 1e-9),
        }
    }
}

impl Bar {
    fn take(&mut self, stratum: &Stratum, elapsed: Duration, by_request: bool) {
        self.bad.add(stratum.bad);
        self.of.add(stratum.of);
        match &mut self.test {
            Test::Relative { test, open } if by_request => {
                open.take(elapsed, stratum, |elapsed, share, bad| {
                    test.observe(elapsed, share, bad);
                });
            }
            Test::Relative { test, .. } => {
                test.observe(elapsed, part(stratum.share), stratum.bad);
            }
            Test::Absolute(test) => {
                test.observe(elapsed, stratum.bad.candidate, stratum.of.candidate);
            }
            Test::Gauge { .. } => {}
        }
    }

    fn judge(&mut self, guardrail: &Guardrail, look: &Look<'_>, gauge: Option<f64>) {
        if let Test::Relative { test, open } = &mut self.test {
            open.close_if_old(look.elapsed, |elapsed, share, bad| {
                test.observe(elapsed, share, bad);
            });
        }
        if let Test::Gauge {
            shows,
            beyond_since,
            breached,
        } = &mut self.test
        {
            *shows = gauge.is_some();
            let limit = match guardrail.limit {
                Limit::Below(limit) => limit,
                _ => f64::INFINITY,
            };
            let beyond = gauge.is_some_and(|value| value >= limit);
            *beyond_since = beyond.then(|| beyond_since.unwrap_or(look.elapsed));
            let held = beyond_since.map(|since| look.elapsed.saturating_sub(since));
            let asked = guardrail.hold.unwrap_or_default();
            *breached |= look.exposed != Exposed::Nobody && held.is_some_and(|held| held >= asked);
        }
        self.verdict = self.verdict(guardrail, look);
    }

    fn verdict(&self, guardrail: &Guardrail, look: &Look<'_>) -> Verdict {
        let found = match &self.test {
            Test::Relative { test, .. } => test.verdict(),
            Test::Absolute(test) => test.verdict(),
            Test::Gauge { breached: true, .. } => Verdict::Regressed,
            Test::Gauge {
                beyond_since: Some(_),
                ..
            } => Verdict::Undecided,
            Test::Gauge { .. } => Verdict::Safe,
        };
        if found == Verdict::Regressed {
            return found;
        }
        let is_relative = matches!(self.test, Test::Relative { .. });
        // A gauge is one number of the process: there is no other arm to compare it with.
        let is_idle =
            matches!(self.test, Test::Gauge { .. }) && !matches!(guardrail.limit, Limit::Below(_));
        if is_idle {
            return Verdict::NotApplicable;
        }
        let compares = look.exposed == Exposed::Part;
        if is_relative && !compares {
            return Verdict::NotApplicable;
        }
        if !look.source_works {
            return Verdict::SourceError;
        }
        if self.missing(guardrail).is_some() {
            return Verdict::NoData;
        }
        found
    }

    /// Returns what keeps it from telling anything.
    fn missing(&self, guardrail: &Guardrail) -> Option<Missing> {
        let is_relative = match &self.test {
            Test::Gauge { shows: false, .. } => return Some(Missing::Gauge),
            Test::Gauge { .. } => return None,
            Test::Relative { .. } => true,
            Test::Absolute(_) => false,
        };
        let needs_quantile = is_relative && matches!(guardrail.metric, Metric::Latency(_));
        if self.exhausted {
            Some(Missing::Units)
        } else if needs_quantile && self.quantile.is_none() {
            Some(Missing::Quantile)
        } else if self.of.candidate == 0 || (is_relative && self.of.stable == 0) {
            Some(Missing::Requests)
        } else {
            None
        }
    }
}
