//! What forecasts say without a run; how they agree with runs is tested with those.

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

fn median(quantiles: Option<(Duration, Duration)>) -> f64 {
    let (median, most) = quantiles.unwrap();
    assert!(median < most);
    median.as_secs_f64()
}

#[test]
fn a_larger_rise_is_seen_sooner() {
    for (share, margin, level) in [(0.01, 1.0, 0.05), (0.5, 1.2, 0.01), (0.9, 1.1, 1e-6)] {
        let plan = Forecast {
            share,
            margin,
            level,
            ..PLAN
        };
        let rises = (1..200).map(|i| margin * 1.15 * 1.03_f64.powi(i));
        let times: Vec<f64> = rises
            .map(|rise| median(plan.time_quantiles(rise)))
            .collect();
        assert!(
            times.is_sorted_by(|sooner, later| sooner >= later),
            "{times:?}"
        );
    }
}

#[test]
fn the_smallest_rise_is_the_one_that_takes_the_time() {
    for seconds in [5, 60, 3600, 86_400] {
        let within = Duration::from_secs(seconds);
        let rise = PLAN.smallest_rise(within).unwrap();
        let off = median(PLAN.time_quantiles(rise)) / within.as_secs_f64() - 1.0;
        assert!(off.abs() < 1e-3, "{rise}: {off}");
        assert!(
            PLAN.time_quantiles(rise * 0.999)
                .is_none_or(|(median, _)| median > within)
        );
    }
    assert_eq!(PLAN.smallest_rise(Duration::ZERO), None);
    assert_eq!(
        Forecast { base: 0.0, ..PLAN }.smallest_rise(Duration::MAX),
        None
    );
    let all = Forecast { share: 1.0, ..PLAN };
    assert_eq!(all.smallest_rise(Duration::MAX), None);
}

#[test]
fn what_is_not_seen_has_no_time() {
    for rise in [0.0, 0.5, 1.0, 1.05, f64::NAN] {
        assert_eq!(PLAN.time_quantiles(rise), None, "{rise}");
    }
    for share in [0.0, 1.0] {
        assert_eq!(Forecast { share, ..PLAN }.time_quantiles(5.0), None);
    }
    // Ten bad ones a second: the third of them, if one alone is evidence enough.
    let always = PLAN.time_quantiles(1000.0);
    assert!((median(always) - 0.2674).abs() < 1e-4);
    assert_eq!(PLAN.time_quantiles(f64::INFINITY), always);
}

#[test]
fn a_rate_above_a_limit_is_seen_and_one_below_is_not() {
    let plan = AbsoluteForecast {
        rate: 100.0,
        limit: 0.01,
        level: 0.01,
    };
    for rate in [0.0, 0.005, 0.01, f64::NAN] {
        assert_eq!(plan.time_quantiles(rate), None, "{rate}");
    }
    assert!(median(plan.time_quantiles(0.02)) > median(plan.time_quantiles(0.03)));
    assert!(median(plan.time_quantiles(1.0)) < 0.1);
    let within = Duration::from_secs(60);
    let rate = plan.smallest_rate(within).unwrap();
    assert!((median(plan.time_quantiles(rate)) - 60.0).abs() < 0.1);
    assert!(rate > 0.01 && rate < 0.02, "{rate}");
    assert_eq!(plan.smallest_rate(Duration::ZERO), None);
}
