//! How long it takes to see a rise, before the start.

use std::time::Duration;

use super::passage::{Walk, least};

/// What a plan expects of one stage, to tell in advance how soon it sees a rise.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the terms of one formula")]
pub struct Forecast {
    /// Requests a second, or units a second, of both arms.
    pub rate: f64,
    /// The part of stable's that is bad, from 0 to 1.
    pub base: f64,
    /// The candidate's share of the traffic, from 0 to 1.
    pub share: f64,
    /// The guardrail's margin, at least 1.
    pub margin: f64,
    /// The guardrail's level α, from a [`Budget`](super::Budget).
    pub level: f64,
}

/// What a plan expects of one stage, to tell in advance how soon it sees a rate above an absolute limit.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the terms of one formula")]
pub struct AbsoluteForecast {
    /// What the candidate alone does in a second: requests, or units.
    pub rate: f64,
    /// The guardrail's limit, between 0 and 1.
    pub limit: f64,
    /// The guardrail's level α, from a [`Budget`](super::Budget).
    pub level: f64,
}

/// How many alternatives share the weight of E.
const ALTERNATIVES: f64 = 9.0;

impl Forecast {
    /// Returns about when a relative guardrail sees that the candidate's rate is `rise` times stable's.
    ///
    /// T ≈ (ln(2/α) + ln 9) / (r · KL(q‖p)) where r = rate·base·(1 − π + π·θ) bad events come a second, a part
    /// q = π·θ/(1 − π + π·θ) of them to the candidate, while the margin allows p = π·r/(1 − π + π·r). It is the time in
    /// which the expected logarithm of E gets to ln(1/α), for a regression that is there from the start (the growth
    /// rate of Lindon & Malek, arXiv 2011.03567). None if the rise is within the margin, or nothing is to be seen in a
    /// lifetime. A candidate can't fail more than always: a rise above 1/base is taken as that.
    ///
    /// It takes the best of all alternatives to be among those of E, and no step to be too large: what runs take is
    /// [`time_quantiles`](Self::time_quantiles).
    #[must_use]
    pub fn time_to_see(&self, rise: f64) -> Option<Duration> {
        if rise.is_nan() {
            return None;
        }
        let rise = rise.min(1.0 / self.base);
        let odds = |ratio: f64| 1.0 - self.share + self.share * ratio;
        let seen = self.share * rise / odds(rise);
        let allowed = self.share * self.margin / odds(self.margin);
        let divergence =
            seen * (seen / allowed).ln() + (1.0 - seen) * ((1.0 - seen) / (1.0 - allowed)).ln();
        let a_second = self.rate * self.base * odds(rise) * divergence;
        let needed = (2.0 / self.level).ln() + ALTERNATIVES.ln();
        let seconds = needed / a_second;
        let visible = rise > self.margin && seconds < 1e10;
        visible
            .then(|| Duration::try_from_secs_f64(seconds).ok())
            .flatten()
    }

    /// Returns in what time half of the runs see that the candidate's rate is `rise` times stable's, and in what time
    /// 90 % of them do: median, 90 %.
    ///
    /// Events come at random, at steady rates, from the start of the run, and evidence is looked at all the time: what
    /// collects them in ticks or strata adds the length of one. It takes at least three bad ones of the candidate. Late
    /// starts are left out: a regression that begins late takes longer, as its start has only a part of the weight. Both
    /// agree with simulated runs to 30 % and a tick of a second, and are 2 to 5 % too long on average: for shares of 1 to
    /// 50 %, margins of 1, 1.1 and 1.2, and rises of 1.2 to 1000. None where `rise` is so little above the margin, less
    /// than about an eighth, that E only ever gets there by luck: its closest alternative is 1.25 times the margin.
    ///
    /// The time is that in which a random walk gets to a height, an inverse Gaussian one (Schrödinger 1915; Cox &
    /// Miller, *The Theory of Stochastic Processes*, 1965), with the overshoot of its steps (Siegmund, *Sequential
    /// Analysis*, 1985).
    #[must_use]
    pub fn time_quantiles(&self, rise: f64) -> Option<(Duration, Duration)> {
        if rise.is_nan() {
            return None;
        }
        let rise = rise.min(1.0 / self.base);
        let raised = self.share * self.margin;
        let walk = Walk {
            hits: self.rate * self.base * self.share * rise,
            misses: self.rate * self.base * (1.0 - self.share),
            chance: raised / (1.0 - self.share + raised),
            level: self.level,
        };
        walk.quantiles()
    }

    /// Returns the smallest rise that half of the runs see within a time; none if not even total failure is.
    #[must_use]
    pub fn smallest_rise(&self, within: Duration) -> Option<f64> {
        let seen = |rise| {
            self.time_quantiles(rise)
                .is_some_and(|(median, _)| median <= within)
        };
        let most = 1.0 / self.base;
        seen(most).then(|| least(seen, self.margin, most))
    }
}

impl AbsoluteForecast {
    /// Returns in what time half of the runs see that the rate is `rate_now`, from 0 to 1, and in what time 90 % of
    /// them do: median, 90 %. None where it is not above the limit, or so little that E never gets there.
    ///
    /// The same is assumed as in [`Forecast::time_quantiles`].
    #[must_use]
    pub fn time_quantiles(&self, rate_now: f64) -> Option<(Duration, Duration)> {
        let rate_now = rate_now.clamp(0.0, 1.0);
        let walk = Walk {
            hits: self.rate * rate_now,
            misses: self.rate * (1.0 - rate_now),
            chance: self.limit,
            level: self.level,
        };
        walk.quantiles()
    }

    /// Returns the smallest rate that half of the runs see within a time; none if not even total failure is.
    #[must_use]
    pub fn smallest_rate(&self, within: Duration) -> Option<f64> {
        let seen = |rate| {
            self.time_quantiles(rate)
                .is_some_and(|(median, _)| median <= within)
        };
        seen(1.0).then(|| least(seen, self.limit, 1.0))
    }
}

#[cfg(test)]
mod tests;
