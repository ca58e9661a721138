//! Progressive delivery for fader feature flags: what counts, judges and decides while a staged ramp runs.
//!
//! For those who run ramps, and for whoever wants to know beforehand what a plan does. What judges and decides is a
//! function of what it is given: no clock, no I/O, no chance of its own. What drives it (a thread that ticks each
//! second, a journal, commands of operators) is planned.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use fader::Timestamp;
//! use fader::plan::{Guardrail, Limit, Metric, Plan, Reached, Stage};
//! use fader_rollout::guardrail::Arms;
//! use fader_rollout::judge::BudgetPart;
//! use fader_rollout::machine::{Now, Observation, Phase, Ramp, State, step};
//! use fader_rollout::{Counts, Stratum};
//!
//! // 5 % for an hour, no worse than stable. A document says the same, see `Snapshot::plans`.
//! let percent = "5".parse()?;
//! let mut plan = Plan::new(vec![Stage::new(Reached::Percent(percent), Duration::from_secs(3600))]);
//! plan.guardrails = vec![Guardrail::new(Metric::Errors, Limit::NoWorseThan(1.0))];
//! plan.start = Timestamp::parse("2026-12-01T09:00:00Z");
//! let ramp = Ramp::new(Arc::new(plan), &[], BudgetPart::OneProcess)?;
//!
//! let wall = Timestamp::parse("2026-12-01T09:00:00Z").unwrap();
//! let (state, _) = step(&ramp, State::new(&ramp), &Observation::new(), Now { wall, since_last: None });
//! assert_eq!(state.exposure().percent, percent);
//!
//! // Of 50 candidate requests of the next second all fail, of 950 others one.
//! let mut counts = Counts::default();
//! counts.strata = vec![Stratum {
//!     guardrail: 0,
//!     share: percent,
//!     bad: Arms { candidate: 50, stable: 1 },
//!     of: Arms { candidate: 50, stable: 950 },
//! }];
//! let mut seen = Observation::new();
//! let counts = [counts];
//! seen.counts = &counts;
//! let (state, effects) = step(&ramp, state, &seen, Now { wall, since_last: Some(Duration::from_secs(1)) });
//! assert_eq!(state.phase(), Phase::RollingBack);
//! assert_eq!(state.exposure().percent, fader::Percent::ZERO);
//! assert!(!effects.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Map
//!
//! | to | look at |
//! |---|---|
//! | count what requests do, on a handle | [`observe`] |
//! | hand counts on, keep them, add them up | [`Counts`], [`Stratum`] |
//! | judge a run by all its guardrails | [`judge`] |
//! | read the formulas, and what is guaranteed | [`guardrail`] |
//! | decide what a ramp does next | [`machine`] |
//! | tell beforehand what a plan sees, and what is doubtful in it | [`explain`] |
//! | run a plan in virtual time | `simulate`, behind the feature of that name |

pub mod control;
mod counts;
pub mod explain;
pub mod guardrail;
pub mod judge;
pub mod machine;
pub mod observe;
#[cfg(feature = "simulate")]
pub mod simulate;

pub use counts::{Counts, Exposures, Stratum};
