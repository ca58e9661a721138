//! Progressive delivery for fader feature flags.
//!
//! There are [guardrails](guardrail) so far: tests that tell, from counts of bad events, whether the candidate of a
//! ramp is worse than it may be. They may be looked at after every request, hold while the share ramps and the base
//! rate drifts, and are pure: no clock, no I/O, no allocation while they count.
//!
//! ```
//! use std::time::Duration;
//!
//! use fader_rollout::guardrail::{Arms, Budget, Relative, Verdict};
//!
//! // One guardrail: no worse than stable, with a false alarm in at most 1 % of the runs, over an hour as planned.
//! let level = Budget::new(0.01, 1)?.one_process();
//! let mut errors = Relative::new(1.0, level, Duration::from_secs(3600))?;
//!
//! // The candidate has 1 % of the units, and fails all of them.
//! for second in 0.. {
//!     errors.observe(Duration::from_secs(second), 0.01, Arms { candidate: 10, stable: 1 });
//!     if errors.verdict() == Verdict::Regressed {
//!         assert_eq!(second, 0);
//!         break;
//!     }
//! }
//! assert!(errors.limits().lower() > 1.0);
//! # Ok::<(), fader_rollout::guardrail::InvalidSetting>(())
//! ```

mod counts;
pub mod explain;
pub mod guardrail;
pub mod judge;
pub mod machine;
pub mod observe;
#[cfg(feature = "simulate")]
pub mod simulate;

pub use counts::{Counts, Exposures, Stratum};
