//! A slow implementation straight from the formulas, and that verdicts and limits agree with it.

use std::time::Duration;

use proptest::prelude::*;

use super::super::{Absolute, Arms, Relative, Verdict};
use super::{HOUR, Step, assert_close, margin, relative, steps};

const WORSE: [f64; 9] = [1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0, 1000.0];
const BETTER: [f64; 9] = [1.05, 1.1, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0];

/// A stratum at its minute.
type Stratum = (u32, f64, Arms);

/// E over a history, with one product for each start and alternative. Time is in minutes; 60 are planned.
fn evidence(strata: &[Stratum], log: impl Fn(f64, &Stratum) -> f64 + Copy, times: [f64; 9]) -> f64 {
    let last = strata.iter().map(|stratum| stratum.0).max().unwrap_or(0);
    // What came before a start is known when it starts: strata are in the order in which they were taken.
    let product = |start: u32, c: f64| -> f64 {
        let first = strata.iter().position(|stratum| stratum.0 >= start);
        let of_start = strata.iter().skip(first.unwrap_or(strata.len()));
        of_start.map(|stratum| log(c, stratum)).sum::<f64>().exp()
    };
    let mean = |start| times.map(|c| product(start, c)).iter().sum::<f64>() / 9.0;
    let weight = |j: u32| {
        let even = if j <= 60 { 1.0 / 60.0 } else { 0.0 };
        0.5 * even + 0.5 / (f64::from(j) * f64::from(j + 1))
    };
    let late: f64 = (1..=last).map(|j| weight(j) * mean(j)).sum();
    let to_come = 1.0 - (1..=last).map(weight).sum::<f64>();
    0.5 * mean(0) + 0.5 * (late + to_come)
}

/// ln L at a margin r and θ = c·r, as published.
fn worse(r: f64) -> impl Fn(f64, &Stratum) -> f64 + Copy {
    move |c, &(_, share, bad)| {
        let (x1, x) = (
            f64::from(bad.candidate),
            f64::from(bad.candidate) + f64::from(bad.stable),
        );
        let theta = c * r;
        x1 * (theta / r).ln() + x * ((1.0 - share + share * r) / (1.0 - share + share * theta)).ln()
    }
}

/// The same with θ = r/c.
fn better(r: f64) -> impl Fn(f64, &Stratum) -> f64 + Copy {
    move |c, stratum| worse(r)(1.0 / c, stratum)
}

/// Strata as the test takes them: those that tell something, with the minutes.
fn strata(steps: &[Step]) -> Vec<Stratum> {
    let mut now = 0;
    steps
        .iter()
        .map(|&(wait, share, bad)| {
            now += wait;
            (u32::try_from(now / 60).unwrap(), share, bad)
        })
        .filter(|&(_, share, bad)| bad != Arms::default() && share > 0.0 && share < 1.0)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_agrees_at_the_margin(steps in steps(), margin in margin()) {
        let mut test = relative(margin, 0.05);
        super::feed(&mut test, &steps);
        let strata = strata(&steps);
        let [found_worse, found_better] = test.inner().both();
        assert_close(found_worse, evidence(&strata, worse(margin), WORSE))?;
        assert_close(found_better, evidence(&strata, better(margin), BETTER))?;
        prop_assert_eq!(found_worse.to_bits(), test.evidence().to_bits());
    }

    /// Of units, late starts see what is left of a stratum when what makes up for earlier ones is taken out of it, which
    /// never adds to the evidence.
    #[test]
    fn late_starts_leave_out_what_makes_up_for_what_had_not_come(steps in steps(), margin in margin()) {
        let mut test = relative(margin, 0.05).of_units();
        super::feed(&mut test, &steps);
        let all = strata(&steps);
        let (mut behind, mut variance, mut rest) = (0.0, 0.0, [Vec::new(), Vec::new()]);
        for &(minute, share, bad) in &all {
            let odds = margin * share / (1.0 - share);
            let (hits, misses) = (f64::from(bad.candidate), f64::from(bad.stable));
            variance += (hits + misses) * odds;
            let noise = 0.5 * f64::sqrt(variance);
            let makes_up = f64::max(behind + misses * odds - noise, 0.0).min(hits);
            rest[0].push((minute, share, hits - makes_up, misses));
            let makes_up = f64::max(hits - behind - noise, 0.0).min(misses * odds) / odds;
            rest[1].push((minute, share, hits, misses - makes_up));
            behind += misses * odds - hits;
        }
        let alternatives = [WORSE, BETTER.map(|times| 1.0 / times)];
        let found = test.inner().both();
        for ((found, late), times) in found.into_iter().zip(&rest).zip(alternatives) {
            let log = |c: f64, &(_, share, hits, misses): &(u32, f64, f64, f64)| {
                let all = 1.0 - share + share * margin;
                hits * c.ln() + (hits + misses) * (all / (1.0 - share + share * c * margin)).ln()
            };
            let halves = |strata: &[(u32, f64, f64, f64)], start: u32| {
                let products = times.map(|c| {
                    let first = strata.iter().position(|stratum| stratum.0 >= start);
                    let of_start = strata.iter().skip(first.unwrap_or(strata.len()));
                    of_start.map(|stratum| log(c, stratum)).sum::<f64>().exp()
                });
                products.iter().sum::<f64>() / 9.0
            };
            let whole: Vec<_> = all.iter().map(|&(minute, share, bad)| {
                (minute, share, f64::from(bad.candidate), f64::from(bad.stable))
            }).collect();
            let last = all.last().map_or(0, |stratum| stratum.0);
            let weight = |j: u32| {
                let even = if j <= 60 { 1.0 / 60.0 } else { 0.0 };
                0.5 * even + 0.5 / (f64::from(j) * f64::from(j + 1))
            };
            let begun: f64 = (1..=last).map(|j| weight(j) * halves(late, j)).sum();
            let to_come = 1.0 - (1..=last).map(weight).sum::<f64>();
            assert_close(found, 0.5 * halves(&whole, 0) + 0.5 * (begun + to_come))?;
        }
        let mut published = relative(margin, 0.05);
        super::feed(&mut published, &steps);
        for (found, most) in found.into_iter().zip(published.inner().both()) {
            prop_assert!(found <= most * (1.0 + 1e-9), "{found}, {most}");
        }
    }

    /// ℓ(g) = Σ (x1·ln g − x·ln(1 − π + π·g)) on the grid g = 2^(j/4).
    #[test]
    fn the_likelihood_agrees(steps in steps()) {
        let mut test = relative(1.3, 0.05);
        super::feed(&mut test, &steps);
        let strata = strata(&steps);
        for (j, found) in (-40..=40).zip(test.inner().likelihood()) {
            let g = 2.0_f64.powf(f64::from(j) / 4.0);
            let terms = strata.iter().map(|stratum| worse(1.0)(g, stratum));
            // Close to what is rounded in each term, which may cancel.
            let scale: f64 = terms.clone().map(f64::abs).sum();
            let expected: f64 = terms.sum();
            prop_assert!((found - expected).abs() <= 1e-9 + 1e-11 * scale, "{j}: {found}, {expected}");
        }
    }

    /// Regressed ⇔ lower limit > margin ⇔ E was ever at least 1/α, and Safe ⇔ upper limit < margin ⇔ its E is now at
    /// least 20, unless regressed.
    #[test]
    fn verdicts_are_what_limits_and_evidence_say(
        steps in steps(), margin in margin(), level in 0.001..0.9, least in 0..5_u32,
    ) {
        let mut test = relative(margin, level).min_bad_units(least);
        let (mut regressed, mut bad_units, mut now) = (false, 0, 0);
        for (i, &(wait, share, bad)) in steps.iter().enumerate() {
            now += wait;
            test.observe(Duration::from_secs(now), share, bad);
            let past = strata(&steps[..=i]);
            if share > 0.0 {
                bad_units += bad.candidate;
            }
            let found = evidence(&past, worse(margin), WORSE);
            let for_safe = evidence(&past, better(margin), BETTER);
            // Rounding decides on the very edge.
            prop_assume!((found * level - 1.0).abs() > 1e-6 && (for_safe - 20.0).abs() > 1e-6);
            regressed |= found >= 1.0 / level && bad_units >= least;
            let expected = if regressed {
                Verdict::Regressed
            } else if for_safe >= 20.0 {
                Verdict::Safe
            } else {
                Verdict::Undecided
            };
            prop_assert_eq!(test.verdict(), expected);
            let limits = test.limits();
            prop_assert_eq!(limits.lower() > margin, expected == Verdict::Regressed);
            prop_assert_eq!(limits.upper() < margin, expected == Verdict::Safe);
            prop_assert!(limits.lower() <= limits.upper());
        }
    }

    /// What makes the limits one statement: a ratio that they exclude has an E of its own, late starts and all, that
    /// excludes it. The margin decides for itself alone, and for those below it by the next test.
    #[test]
    fn a_ratio_beyond_a_limit_has_the_evidence_against_it(
        steps in steps(), margin in margin(), level in 0.001..0.9,
    ) {
        let mut test = relative(margin, level).min_bad_units(0);
        super::feed(&mut test, &steps);
        let strata = strata(&steps);
        let (below, above) = test.inner().excluded();
        for ratio in (-40..=40).map(|j| 2.0_f64.powf(f64::from(j) / 4.0)) {
            if ratio < below * 1.001 {
                let found = evidence(&strata, worse(ratio), WORSE);
                prop_assert!(found * level >= 1.0 - 1e-6, "{ratio}: {found}");
            }
            if ratio > above / 1.001 {
                let found = evidence(&strata, better(ratio), BETTER);
                prop_assert!(found >= 20.0 - 1e-6, "{ratio}: {found}");
            }
        }
    }

    /// A higher margin has less evidence against it from below, and more from above.
    #[test]
    fn evidence_falls_as_the_margin_rises(steps in steps()) {
        let strata = strata(&steps);
        let margins = [0.02, 0.5, 0.9, 1.0, 1.1, 2.0, 7.0, 300.0];
        let rows = margins.map(|r| {
            [evidence(&strata, worse(r), WORSE), evidence(&strata, better(r), BETTER)]
        });
        for pair in rows.windows(2) {
            prop_assert!(pair[1][0] <= pair[0][0] * (1.0 + 1e-6));
            prop_assert!(pair[1][1] >= pair[0][1] * (1.0 - 1e-6));
        }
    }

    /// (q/p)^x · ((1 − q)/(1 − p))^(n − x), where q has c times the odds of p.
    #[test]
    fn an_absolute_test_agrees(
        steps in prop::collection::vec((0..200_u64, 0..50_u32, 0..5000_u32), 1..20),
        limit in 0.0005..0.5, level in 0.001..0.9,
    ) {
        let mut test = Absolute::new(limit, level, HOUR).unwrap().min_bad_units(0);
        let (mut past, mut now) = (Vec::new(), 0);
        let mut most = 0.0_f64;
        for (wait, bad, good) in steps {
            now += wait;
            test.observe(Duration::from_secs(now), bad, bad + good);
            past.push((u32::try_from(now / 60).unwrap(), 0.0, Arms { candidate: bad, stable: good }));
            let log = |times: f64, stratum: &Stratum| {
                let odds = times * limit / (1.0 - limit);
                let q = odds / (1.0 + odds);
                let (x, good) = (f64::from(stratum.2.candidate), f64::from(stratum.2.stable));
                x * (q / limit).ln() + good * ((1.0 - q) / (1.0 - limit)).ln()
            };
            let expected = evidence(&past, log, WORSE);
            assert_close(test.evidence(), expected)?;
            most = most.max(expected);
            let for_safe = evidence(&past, |c, stratum| log(1.0 / c, stratum), BETTER);
            prop_assume!((most * level - 1.0).abs() > 1e-6 && (for_safe - 20.0).abs() > 1e-6);
            let limits = test.limits();
            prop_assert_eq!(limits.lower() > limit, most * level >= 1.0);
            prop_assert_eq!(test.verdict() == Verdict::Regressed, most * level >= 1.0);
            prop_assert_eq!(limits.upper() < limit, most * level < 1.0 && for_safe >= 20.0);
            prop_assert!(0.0 <= limits.lower() && limits.upper() <= 1.0);
        }
    }
}

#[test]
fn too_few_bad_units_do_not_make_a_regression() {
    let mut test = relative(1.0, 0.05);
    let one = Arms {
        candidate: 1,
        stable: 0,
    };
    test.observe(Duration::ZERO, 0.01, one);
    test.observe(Duration::ZERO, 0.01, one);
    assert!(test.evidence() > 100.0);
    assert_eq!(test.verdict(), Verdict::Undecided);
    assert_eq!(
        test.limits().lower().total_cmp(&0.0),
        std::cmp::Ordering::Equal
    );
    test.observe(Duration::ZERO, 0.01, one);
    assert_eq!(test.verdict(), Verdict::Regressed);
}

#[test]
fn limits_and_estimate_close_in_on_the_truth() {
    let mut test = relative(1.5, 0.01);
    assert_eq!(test.estimate(), None);
    assert!(test.limits().upper().is_infinite());
    for minute in 0..600 {
        let bad = Arms {
            candidate: 20,
            stable: 190,
        };
        test.observe(Duration::from_secs(60 * minute), 0.05, bad);
    }
    let (limits, estimate) = (test.limits(), test.estimate().unwrap());
    assert!((estimate - 2.0).abs() < 1e-12);
    assert!(limits.lower() > 1.6 && limits.lower() < 2.0, "{limits:?}");
    assert!(limits.upper() > 2.0 && limits.upper() < 2.4, "{limits:?}");
}

#[test]
fn limits_of_a_rate_close_in_on_the_truth() {
    let mut test = Absolute::new(0.01, 0.01, HOUR).unwrap();
    assert_eq!(test.estimate(), None);
    assert!((test.limits().upper() - 1.0).abs() < 1e-15);
    for minute in 0..600 {
        test.observe(Duration::from_secs(60 * minute), 5, 1000);
    }
    let limits = test.limits();
    assert_eq!(test.verdict(), Verdict::Safe);
    assert!((test.estimate().unwrap() - 0.005).abs() < 1e-12);
    assert!(
        limits.lower() > 0.003 && limits.lower() < 0.005,
        "{limits:?}"
    );
    assert!(
        limits.upper() > 0.005 && limits.upper() < 0.007,
        "{limits:?}"
    );
}

#[test]
fn settings_out_of_range_are_refused() {
    for margin in [0.99, -1.0, f64::NAN, f64::INFINITY, 1001.0] {
        assert_eq!(
            Relative::new(margin, 0.05, HOUR).unwrap_err().name(),
            "margin"
        );
    }
    for level in [0.0, 1.0, f64::NAN] {
        assert_eq!(Relative::new(1.0, level, HOUR).unwrap_err().name(), "level");
        assert_eq!(Absolute::new(0.1, level, HOUR).unwrap_err().name(), "level");
        assert_eq!(Absolute::new(level, 0.1, HOUR).unwrap_err().name(), "limit");
    }
}
