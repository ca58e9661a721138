//! First exposures of some units, units seen, and quantiles.

use super::*;
use crate::observe::hashes::Seeing;

fn errors() -> Plan {
    plan("user.id", vec![relative(Metric::Errors)])
}

fn checked() -> impl Iterator<Item = u64> {
    (0..).filter(|&number| Seeing::of(unit(number)).is_checked())
}

#[test]
fn one_unit_in_64_is_checked() {
    let many = (0..640_000).filter(|&number| Seeing::of(unit(number)).is_checked());
    let many = many.count();
    assert!((9_700..10_300).contains(&many), "{many}");
}

#[test]
fn only_the_first_exposure_of_a_run_counts_under_its_share() {
    let mut world = World::new(&errors());
    let numbers: Vec<u64> = checked().take(50).collect();
    for (at, &number) in numbers.iter().enumerate() {
        // They never end, or end badly: how they end is nothing to it.
        world.began(under(1, drawn(number, at % 5 == 0, 0)));
    }
    let counts = world.collect(0);
    let [one] = counts.exposures[..] else {
        panic!("{counts:?}")
    };
    assert_eq!((one.share, one.enrolled, one.all), (percent(1), 10, 50));
    for &number in &numbers {
        world.request(under(25, drawn(number, true, 1)), FAILED);
    }
    world.began(by_wave(drawn(checked().nth(51).unwrap(), true, 1)));
    assert!(world.collect(1).exposures.is_empty());
    // A unit whose exposures of one tick are under two shares counts once.
    let number = checked().nth(52).unwrap();
    world.began(under(25, drawn(number, true, 2)));
    world.began(under(1, drawn(number, false, 2)));
    let [one] = world.collect(2).exposures[..] else {
        panic!()
    };
    assert_eq!((one.share, one.enrolled, one.all), (percent(1), 0, 1));
}

#[test]
fn a_run_checks_65536_units() {
    let mut world = World::new(&errors());
    let mut numbers = checked();
    let mut all = 0;
    for tick in 0..280 {
        for number in numbers.by_ref().take(250) {
            world.began(drawn(number, number % 3 == 0, tick));
        }
        let counts = world.collect(tick);
        all += counts.exposures.iter().map(|each| each.all).sum::<u32>();
    }
    assert_eq!(all, 65_536);
}

#[test]
fn units_are_counted_by_arm() {
    let mut world = World::new(&errors());
    for number in 0..3000 {
        for _ in 0..3 {
            world.began(drawn(number, number % 3 == 0, 0));
        }
    }
    let units = world.collect(0).units;
    assert!((980..1020).contains(&units.candidate), "{units:?}");
    assert!((1960..2040).contains(&units.stable), "{units:?}");
}

#[test]
fn a_quantile_stands_on_sixty_ticks_and_a_thousand_stable_successes() {
    let guardrails = vec![
        relative(Metric::Latency(500)),
        relative(Metric::Latency(990)),
    ];
    for each in [16_u32, 17] {
        let mut world = World::new(&plan("user.id", guardrails.clone()));
        for tick in 0..60 {
            for number in 0..each {
                // 10 ms for half of them, 200 ms for the others.
                let millis = if number % 2 == 0 { 10 } else { 200 };
                let number = u64::from(number);
                world.request(drawn(number, false, tick), took(Ending::Success, millis));
                // None of these is a stable success.
                world.request(drawn(number + 99, true, tick), took(Ending::Success, 9000));
                world.request(drawn(number, false, tick), took(Ending::ServerError, 1));
                world.request(drawn(number, false, tick), took(Ending::ClientError, 1));
                world.request(drawn(number, false, tick), took(Ending::Dropped, 9000));
            }
            let known = world.collect(tick).quantiles;
            if tick < 59 || each == 16 {
                assert_eq!(known, [None, None], "tick {tick}");
            } else {
                let [Some(median), Some(p99)] = known[..] else {
                    panic!()
                };
                assert!(median.abs_diff(MS * 10) < MS, "{median:?}");
                assert!(p99.abs_diff(MS * 200) <= MS * 2, "{p99:?}");
            }
        }
        world.collector.measure_anew(FLAG);
        assert_eq!(world.collect(60).quantiles, [None, None]);
    }
}
