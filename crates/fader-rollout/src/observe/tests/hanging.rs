//! However many units hang in one tick, some of them are known by name.

use super::*;

fn latency() -> Plan {
    plan("user.id", vec![relative(Metric::Latency(950))])
}

#[test]
fn of_any_number_that_hang_some_are_named() {
    for many in [1_u64, 2, 3, 10, 30, 100, 1_000, 10_000, 100_000] {
        let rounds = if many > 1000 { 5_u32 } else { 40 };
        let (mut least, mut bad) = (u32::MAX, arms(0, 0));
        for round in 0..rounds {
            let mut world = World::with_limits(&latency(), 100, 100);
            for number in 0..many {
                // One in four is in the candidate.
                let number = number + u64::from(round) * 1_000_000;
                world.began(drawn(number, number % 4 == 0, 2));
                // Many others do not hang.
                let other = drawn(number + 1_000_000_000, number % 2 == 0, 2);
                world.request(other, took(Ending::Success, 10));
            }
            let strata = world.strata(1..=4);
            let [stratum] = strata[..] else { panic!() };
            let hanging = stratum.bad.candidate + stratum.bad.stable;
            least = least.min(hanging);
            bad.candidate += stratum.bad.candidate;
            bad.stable += stratum.bad.stable;
        }
        let named = f64::from(bad.candidate + bad.stable);
        println!(
            "{many:6} hang: {:5.1} named a tick, at least {least}",
            named / f64::from(rounds)
        );
        if many == 1 {
            assert_eq!(least, 1);
        }
        if many >= 30 {
            assert!(least >= 6, "{many} hang, {least} named");
        }
        if many >= 10 {
            let part = f64::from(bad.candidate) / named;
            let spread = (0.25 * 0.75 / named).sqrt();
            assert!((part - 0.25).abs() < 4.0 * spread, "{many} hang, {part}");
        }
    }
}

#[test]
fn several_requests_of_one_unit_are_one() {
    let mut world = World::with_limits(&latency(), 100, 100);
    for _ in 0..1000 {
        world.began(drawn(1, true, 2));
        world.began(drawn(2, false, 2));
    }
    for _ in 0..300 {
        world.ended(drawn(1, true, 2), took(Ending::Success, 10));
    }
    let strata = world.strata(1..=4);
    assert_eq!(strata, [stratum(0, 5, arms(1, 1), arms(1000, 1000))]);
}

#[test]
fn an_end_may_be_told_before_its_beginning() {
    let mut world = World::with_limits(&latency(), 100, 100);
    world.ended(drawn(1, true, 2), took(Ending::Success, 10));
    world.began(drawn(1, true, 2));
    let strata = world.strata(1..=4);
    assert_eq!(strata, [stratum(0, 5, arms(0, 0), arms(1, 0))]);
}
