//! A slow implementation straight from the formulas, and that verdicts and limits agree with it.

use std::time::Duration;

use proptest::prelude::*;

use super::super::mixture::TRICKLE;
use super::super::{Absolute, Arms, Relative, Verdict};
use super::{HOUR, Step, assert_close, margin, relative, steps};

pub(super) const WORSE: [f64; 9] = [1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0, 1000.0];
const BETTER: [f64; 9] = [1.05, 1.1, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0];

/// A stratum at its minute.
pub(super) type Stratum = (u32, f64, Arms);

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
    0.5 * mean(0) + 0.5 * (late + to_come) + trickle(strata, log, times)
}

/// What the tiny starts of all strata are of E.
pub(super) fn trickle(
    strata: &[Stratum],
    log: impl Fn(f64, &Stratum) -> f64,
    times: [f64; 9],
) -> f64 {
    (0..strata.len())
        .flat_map(|from| times.map(|c| (from, c)))
        .map(|(from, c)| {
            let since = strata.iter().skip(from);
            TRICKLE * since.map(|stratum| log(c, stratum)).sum::<f64>().exp()
        })
        .sum()
}

/// Tells whether the product of some strata in a row is beyond what a term may be.
pub(super) fn capped(
    strata: &[Stratum],
    log: impl Fn(f64, &Stratum) -> f64,
    times: [f64; 9],
) -> bool {
    times.into_iter().any(|c| {
        let mut product = 0.0_f64;
        strata.iter().any(|stratum| {
            product = product.max(0.0) + log(c, stratum);
            product > 1e140_f64.ln()
        })
    })
}

/// ln L at a margin r and θ = c·r, as published.
pub(super) fn worse(r: f64) -> impl Fn(f64, &Stratum) -> f64 + Copy {
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
pub(super) fn strata(steps: &[Step]) -> Vec<Stratum> {
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
    fn it_agrees_at_every_margin(steps in steps(), margin in margin()) {
        let mut test = relative(margin, 0.05);
        super::feed(&mut test, &steps);
        let strata = strata(&steps);
        prop_assert_eq!(test.rows().count(), 28);
        for (r, found_worse, found_better) in test.rows() {
            if !capped(&strata, worse(r), WORSE) {
                assert_close(found_worse, evidence(&strata, worse(r), WORSE))?;
            }
            if !capped(&strata, better(r), BETTER) {
                assert_close(found_better, evidence(&strata, better(r), BETTER))?;
            }
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
        let mut limit = 0.0_f64;
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
            // What was capped is far above 1/α, so that the lower limit does not mind; the upper one moves both ways.
            prop_assume!(regressed || !capped(&past, better(margin), BETTER));
            prop_assert_eq!(test.verdict(), expected);
            let limits = test.limits();
            prop_assert_eq!(limits.lower() > margin, expected == Verdict::Regressed);
            prop_assert_eq!(limits.upper() < margin, expected == Verdict::Safe);
            prop_assert!(limits.lower() <= limits.upper());
            prop_assert!(limits.lower() >= limit, "the lower limit fell");
            limit = limits.lower();
        }
    }

    /// What the limits rest on: a higher margin has less evidence against it from below, and more from above.
    #[test]
    fn evidence_falls_as_the_margin_rises(steps in steps(), margin in margin()) {
        let mut test = relative(margin, 0.05);
        super::feed(&mut test, &steps);
        let mut rows: Vec<_> = test.rows().collect();
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        for pair in rows.windows(2) {
            prop_assert!(pair[1].1 <= pair[0].1 * (1.0 + 1e-9));
            prop_assert!(pair[1].2 >= pair[0].2 * (1.0 - 1e-9));
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
fn extremes_neither_overflow_nor_raise_an_alarm() {
    let huge = u32::MAX;
    let both = Arms {
        candidate: huge,
        stable: huge,
    };
    let mut test = relative(1.0, 0.05);
    for minute in 0..200 {
        test.observe(Duration::from_secs(60 * minute), 0.5, both);
        assert!(test.evidence() <= 1.0, "{}", test.evidence());
    }
    for share in [0.0, 1.0, -1.0, 2.0, f64::NAN, f64::INFINITY] {
        test.observe(
            HOUR * 5,
            share,
            Arms {
                candidate: 1000,
                stable: 0,
            },
        );
    }
    assert_ne!(test.verdict(), Verdict::Regressed);
    for share in [f64::MIN_POSITIVE, 1e-300, 1.0 - f64::EPSILON] {
        let mut test = relative(1.0, 0.05);
        test.observe(HOUR, share, both);
        assert!(test.evidence().is_finite());
    }
    test.observe(
        HOUR * 9,
        0.5,
        Arms {
            candidate: huge,
            stable: 0,
        },
    );
    assert_eq!(test.verdict(), Verdict::Regressed);
    // It stays, and no later evidence makes a NaN of what was beyond all bounds.
    test.observe(
        HOUR * 9,
        0.5,
        Arms {
            candidate: 0,
            stable: huge,
        },
    );
    assert_eq!(test.verdict(), Verdict::Regressed);
    assert!(test.evidence().is_finite());
}

/// A shared outage takes all terms to nothing; what fails within the same minute is seen nevertheless.
#[test]
fn evidence_that_vanished_is_back_at_once() {
    let mut test = relative(1.0, 0.01);
    for second in 0..30 {
        let outage = Arms {
            candidate: 5000,
            stable: 95_000,
        };
        test.observe(Duration::from_secs(second), 0.05, outage);
    }
    assert!(test.evidence() < 0.51);
    test.observe(
        Duration::from_secs(31),
        0.05,
        Arms {
            candidate: 20,
            stable: 0,
        },
    );
    assert_eq!(test.verdict(), Verdict::Regressed);
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
