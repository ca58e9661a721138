//! How long it takes to see a rise, before the start.

use std::time::Duration;

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
    /// Of simulated runs, half take up to a third less than that where it takes minutes. It takes no less than a tick
    /// and the least number of bad units, which this leaves out, and longer for a regression that begins late, whose
    /// start has only a part of the weight: 55 s instead of 32 s after 30 minutes of 60.
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
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Forecast = Forecast {
        rate: 1000.0,
        base: 0.001,
        share: 0.01,
        margin: 1.0,
        level: 0.05,
    };

    #[test]
    fn what_is_seen_soon_and_what_is_seen_late() {
        let seconds = |share: f64, rise: f64| {
            let plan = Forecast { share, ..PLAN };
            plan.time_to_see(rise).unwrap().as_secs_f64()
        };
        assert!((0.1..0.2).contains(&seconds(0.01, 1000.0)));
        assert!((20.0..60.0).contains(&seconds(0.01, 10.0)));
        assert!((150.0..350.0).contains(&seconds(0.05, 2.0)));
        // More than always is always.
        assert!((seconds(0.01, 1e9) - seconds(0.01, 1000.0)).abs() < 1e-9);
    }

    #[test]
    fn a_rise_within_the_margin_is_never_seen() {
        assert_eq!(PLAN.time_to_see(1.0), None);
        assert_eq!(PLAN.time_to_see(f64::NAN), None);
        let wide = Forecast {
            margin: 1.5,
            ..PLAN
        };
        assert_eq!(wide.time_to_see(1.2), None);
        assert!(wide.time_to_see(1.6) > PLAN.time_to_see(1.6));
        for share in [0.0, 1.0] {
            assert_eq!(Forecast { share, ..PLAN }.time_to_see(5.0), None);
        }
        assert_eq!(Forecast { base: 0.0, ..PLAN }.time_to_see(5.0), None);
    }
}
