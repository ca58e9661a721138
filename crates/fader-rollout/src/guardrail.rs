//! Tests that may be looked at after every request.
//!
//! | test | asks | counts |
//! |---|---|---|
//! | [`Relative`] | is the candidate worse than `no_worse_than` times stable? | bad events of both arms |
//! | [`Absolute`] | is more than `below` of the candidate bad? | bad ones of the candidate, and all of them |
//! | [`SampleRatio`] | do the arms get the units that the share says? | first exposures of both arms |
//!
//! # One test
//!
//! All of them ask one question: of so many trials, more than their share were hits. A *stratum* b holds trials of
//! which each is a hit with a chance of at most p if all is well. For an alternative with c > 1 times the odds of p it
//! gives
//!
//! ```text
//! L_b(c) = c^hits / (1 − p + p·c)^trials
//! ```
//!
//! - *Relative*: the trials are the bad events x = x1 + x0, the hits those of the candidate. With a share π of the
//!   traffic and a margin r, p = π·r / (1 − π + π·r). With θ = c·r that is
//!   (θ/r)^x1 · ((1 − π + π·r) / (1 − π + π·θ))^x. A stratum without a bad event changes nothing, and the base rate
//!   does not occur: it may drift as it likes.
//! - *Absolute*: the trials are what the candidate did, the hits what was bad of it, and p is the limit. With q the
//!   chance of c times the odds of p that is (q/p)^x · ((1 − q)/(1 − p))^(n − x).
//! - *Better*: the same with hits and misses swapped, and 1 − p for p.
//!
//! Evidence is the mixture over alternatives and starts, with half of the weight on the start of the run:
//!
//! ```text
//! E_t = ½·Σ_k w_k·Π_{b≤t} L_b(c_k)  +  ½·( Σ_k S_t(c_k) + 1 − Σ_{s≤t} v_s )
//! S_t(c_k) = ( S_{t−1}(c_k) + w_k·v_t ) · L_t(c_k)        c_k ∈ {1.25, 1.5, 2, 3, 5, 10, 30, 100, 1000},  w_k = 1/9
//! ```
//!
//! A late start comes once a minute: half of the v evenly over the planned duration, half as 1/(j·(j+1)) over all
//! starts j. A regression that begins late so has evidence of its own, which the healthy time before does not outweigh.
//!
//! *By unit* a unit is a trial once in a run, so that units which would have been bad anyhow, but later, look like a late
//! rise: whom the candidate fails half as often it fails later, when stable's are long spent. Let the candidate be behind
//! by D = Σ (x0·o − x1) over the run so far, with o = π·r/(1 − π) its odds. While D is above half of its standard
//! deviation, √(Σ x·o), late starts leave the candidate's bad units out, up to as many as it is behind; and so for stable
//! in the other direction. That only lowers E.
//!
//! # What is guaranteed
//!
//! The candidate is [`Regressed`](Verdict::Regressed) as soon as E ≥ 1/α. While it is no worse than the margin, that
//! *ever* happens with a probability of at most α, however often one looks (Ville 1939: E is a nonnegative
//! supermartingale that begins at 1). The conditions:
//!
//! - The share and the end of each stratum follow from the past and from exposures, never from its own outcomes; so may
//!   every ramp.
//! - *By unit*, r = 1: given x, each new bad unit is in the candidate with probability π, the design share. It needs no
//!   more than that the draw is independent of behaviour and the candidate has no effect.
//! - *By unit*, r > 1: given the past, the next bad unit is in the candidate with probability at most
//!   π·r / (1 − π + π·r). That follows from a ratio of hazards of at most r while few units are spent: the arm that
//!   spends more has fewer left. The same holds for `Safe`.
//! - *By request*, r = 1: π is the realised share n1/(n1 + n0) and, given x, the bad ones are a sample without
//!   replacement: x1 is hypergeometric, below the binomial in convex order, so E\[L | x, past\] ≤ 1.
//! - *By request*, r > 1: for independent outcomes whose mean rates have p1 ≤ r·p0 in each stratum,
//!   E\[L | past\] ≤ exp(n1·p1·(A − 1) + n0·p0·(B − 1)) ≤ 1, with B = (1 − π + π·r)/(1 − π + π·θ) and A = θ·B/r. It
//!   does **not** hold given x: there the odds ratio counts, which exceeds the ratio of the rates.
//! - *Absolute*: given the past, each trial is bad with probability at most the limit.
//!
//! Sources: Ville, *Étude critique de la notion de collectif*, 1939; Lindon & Malek, arXiv 2011.03567 (counts under a
//! design share); ter Schure et al., arXiv 2011.06931 (hazard ratios); Turner & Grünwald, arXiv 2302.11401 (two by two
//! tables, limits that hold at any time).
//!
//! # Limits
//!
//! The run's ℓ(g) = Σ (x1·ln g − x·ln(1 − π + π·g)) is kept on a ladder of ratios g = 2^(j/4), from 1/1024 to 1024. The
//! product of all L at any margin r for any alternative θ is exp(ℓ(θ) − ℓ(r)), so that every rung has a test of its own,
//! with the same nine alternatives and weights as that of the guardrail's margin. Of E it counts what lies on the run's
//! start and on starts to come, and of late starts so far nothing. Where an alternative lies between two rungs, the line
//! between them stands for ℓ, which is concave in ln g: the line is never above it. So a rung never has more evidence
//! than the whole test at its ratio would.
//!
//! The lower limit lies above the highest rung that is excluded, and above the margin once the candidate is regressed:
//! `Regressed` *means* that the lower limit is above the margin. One statement holds for all of it with probability
//! 1 − α, without a share of α for each rung. L falls as its margin rises, whatever the counts: the only part of it that
//! moves, (1 − π + π·r)/(1 − π + π·c·r), has a slope of the sign of 1 − c. With it falls E, start by start. Let the
//! truth be the ratio ρ, and the whole test run at it. Whoever excludes ρ wrongly, be it the margin r ≥ ρ or a rung above
//! ρ, has evidence that is at most E(ρ), so that E(ρ) ≥ 1/α too; and that ever happens with a probability of at most α.
//! By the same argument a rung at or above the margin is never excluded before the margin is.
//!
//! `Regressed` stays, also when the evidence falls again. The rest of the limits follows the counts both ways.
//!
//! The upper limit comes from the test of the other direction, at β = 0.05; [`Safe`](Verdict::Safe) means that it is
//! below the margin *now*. While the candidate is at or above the margin all the time, it is ever called safe with a
//! probability of at most β, of which α pays nothing. Its alternatives are 1.05 to 30 times better. A candidate that is
//! exactly as good as stable is at the margin if that is 1, and gets safe only slowly where it is a little above.
//!
//! # Cost
//!
//! Everything is kept as logarithms, so that nothing overflows or vanishes. What a trial costs under a share is computed
//! once while the share stays the same. A stratum then takes 0.16 µs with its verdict, under a new share 0.6 µs, however
//! many events it has, and without an event next to nothing. Limits take 10 µs when they are asked for. A test holds
//! 1.8 KiB, and 2.7 kB as JSON. (Release build on a busy x86-64 server, November 2026; the example `cost` measures it.)
//!
//! A late start begins with a minute. Where healthy time, or an outage of both arms, has taken all terms to next to
//! nothing, a regression is seen from the start after its onset on.

mod absolute;
mod bits;
mod budget;
mod forecast;
mod ladder;
mod logs;
mod mixture;
mod passage;
mod relative;
mod sample_ratio;
mod setting;
mod starts;
#[cfg(test)]
mod tests;
mod two_sided;
mod verdict;

pub use absolute::Absolute;
pub use budget::{Budget, DEFAULT_MAX_PROCESSES};
pub use forecast::{AbsoluteForecast, Forecast};
pub use relative::{Arms, Relative};
pub use sample_ratio::SampleRatio;
pub use setting::InvalidSetting;
pub use two_sided::DEFAULT_MIN_BAD_UNITS;
pub use verdict::{Limits, Verdict};

pub(crate) use mixture::BETTER;
pub(crate) use passage::{least, normal};
pub(crate) use two_sided::WRONG_SAFE;
