//! Slow requests count in the tick in which they began, once all of it is known.

use super::*;

fn latency(by: &str) -> Plan {
    plan(by, vec![relative(Metric::Latency(950))])
}

#[test]
fn a_success_is_slow_beyond_the_limit_of_its_arm() {
    for by in ["request", "user.id"] {
        let mut world = World::with_limits(&latency(by), 120, 100);
        for (number, (enrolled, millis)) in [(true, 120), (true, 121), (false, 100), (false, 101)]
            .into_iter()
            .enumerate()
        {
            let drawn = drawn(number as u64, enrolled, 2);
            world.request(drawn, took(Ending::Success, millis));
        }
        let strata = world.strata(1..=4);
        assert_eq!(strata, [stratum(0, 5, arms(1, 1), arms(2, 2))], "by {by}");
    }
}

#[test]
fn failures_and_refusals_are_no_fast_successes() {
    for by in ["request", "user.id"] {
        let mut world = World::with_limits(&latency(by), 100, 100);
        for ending in Ending::ALL {
            for millis in [1, 500] {
                world.request(drawn(u64::from(millis), true, 2), took(ending, millis));
            }
        }
        // Nor what nobody has measured.
        world.request(drawn(7, true, 2), DONE);
        let strata = world.strata(1..=4);
        // Three kinds of successes, fast and slow; and the dropped one that had waited too long.
        let bad = if by == "request" { 4 } else { 1 };
        assert_eq!(strata, [stratum(0, 5, arms(bad, 0), arms(7, 0))], "by {by}");
    }
}

#[test]
fn a_tick_is_told_when_all_of_it_is_past_the_limit() {
    for (millis, closes) in [(100, 4), (1000, 4), (1001, 5), (2500, 6)] {
        let mut world = World::with_limits(&latency("user.id"), millis, millis);
        world.request(drawn(1, true, 2), took(Ending::Success, 9000));
        for tick in 1..closes {
            assert!(
                world.collect(tick).strata.is_empty(),
                "{millis} ms, tick {tick}"
            );
        }
        assert_eq!(world.collect(closes).strata.len(), 1, "{millis} ms");
    }
}

#[test]
fn outcomes_that_lag_count_with_their_exposures() {
    // The candidate's slow requests end at once, those of stable much later: both count in their tick.
    for by in ["request", "user.id"] {
        let mut world = World::with_limits(&latency(by), 3000, 3000);
        for number in 0..10 {
            world.began(drawn(number, number % 2 == 0, 2));
        }
        world.collect(1);
        for number in (0..10).step_by(2) {
            world.ended(drawn(number, true, 2), took(Ending::Success, 3001));
        }
        assert!(world.strata(2..=4).is_empty());
        for number in (1..10).step_by(2) {
            world.ended(drawn(number, false, 2), took(Ending::Success, 3900));
        }
        assert!(world.collect(5).strata.is_empty());
        let strata = world.collect(6).strata;
        assert_eq!(strata, [stratum(0, 5, arms(5, 5), arms(5, 5))], "by {by}");
    }
}

#[test]
fn what_still_runs_is_slow_and_its_end_changes_nothing() {
    for by in ["request", "user.id"] {
        let mut world = World::with_limits(&latency(by), 100, 100);
        for number in 0..6 {
            world.began(drawn(number, number < 4, 2));
        }
        world.ended(drawn(3, true, 2), took(Ending::Success, 20));
        world.ended(drawn(5, false, 2), took(Ending::ServerError, 20));
        assert!(world.strata(1..=3).is_empty());
        let strata = world.collect(4).strata;
        assert_eq!(strata, [stratum(0, 5, arms(3, 1), arms(4, 1))], "by {by}");
        for number in [0, 1, 2, 4] {
            world.ended(drawn(number, number < 4, 2), took(Ending::Success, 5000));
        }
        assert!(world.strata(5..=9).is_empty(), "by {by}");
    }
}

#[test]
fn a_slow_unit_is_spent() {
    let mut world = World::with_limits(&latency("user.id"), 100, 100);
    let mut bad = Vec::new();
    for tick in 2..6 {
        world.request(drawn(1, true, tick), took(Ending::Success, 500));
        world.began(drawn(2, true, tick));
        let strata = world.collect(tick - 1).strata;
        bad.extend(strata.iter().map(|stratum| stratum.bad.candidate));
    }
    let strata = world.strata(5..=9);
    bad.extend(strata.iter().map(|stratum| stratum.bad.candidate));
    assert_eq!(bad, [2, 0, 0, 0]);
}

#[test]
fn nothing_is_slow_before_there_is_a_limit() {
    let mut world = World::new(&latency("user.id"));
    world.collect(0);
    world.request(drawn(1, true, 2), took(Ending::Success, 500));
    assert!(world.strata(1..=9).is_empty());
}

#[test]
fn requests_of_one_tick_are_judged_by_one_limit() {
    for by in ["request", "user.id"] {
        let mut world = World::with_limits(&latency(by), 100, 100);
        // They begin before the new limit and end behind it.
        let before = [drawn(1, true, 2), drawn(2, false, 3)];
        for drawn in before {
            world.began(drawn);
        }
        world.collect(1);
        world.observer.set_limits(FLAG, 0, MS * 900, MS * 900);
        world.collect(2);
        for drawn in before {
            world.ended(drawn, took(Ending::Success, 500));
        }
        let strata = world.strata(3..=6);
        let slow =
            [(1, 0), (0, 1)].map(|(one, other)| stratum(0, 5, arms(one, other), arms(one, other)));
        assert_eq!(strata, slow, "by {by}");
        // Some ticks later the new one holds.
        world.request(drawn(3, true, 7), took(Ending::Success, 500));
        let strata = world.strata(7..=9);
        assert_eq!(strata, [stratum(0, 5, arms(0, 0), arms(1, 0))]);
    }
}

#[test]
fn a_limit_of_its_own_needs_no_quantile_and_asks_the_candidate() {
    for by in ["request", "user.id"] {
        let guardrail = Guardrail::new(Metric::Latency(990), Limit::Faster(MS * 800));
        let mut world = World::new(&plan(by, vec![guardrail]));
        world.collect(0);
        for number in 0..4 {
            world.request(drawn(number, true, 2), took(Ending::Success, 801));
            world.request(
                by_wave(drawn(4 + number, true, 2)),
                took(Ending::Success, 801),
            );
            world.request(drawn(8 + number, false, 2), took(Ending::Success, 801));
            world.began(drawn(12 + number, false, 2));
        }
        let strata = world.strata(1..=4);
        let four = stratum(0, 5, arms(4, 0), arms(4, 0));
        assert_eq!(strata, [four, four], "by {by}");
    }
}

#[test]
fn a_share_that_changes_in_mid_tick_makes_two_strata() {
    for by in ["request", "user.id"] {
        let mut world = World::with_limits(&latency(by), 100, 100);
        for number in 0..8 {
            let share = if number < 4 { 1 } else { 25 };
            let drawn = under(share, drawn(number, number % 2 == 0, 2));
            world.began(drawn);
            if number >= 6 {
                world.ended(drawn, took(Ending::Success, 500));
            }
        }
        let strata = world.strata(1..=4);
        assert_eq!(strata.len(), 2, "by {by}");
        for share in [1, 25] {
            let both = stratum(0, share, arms(2, 2), arms(2, 2));
            assert!(strata.contains(&both), "by {by}: {strata:?}");
        }
    }
}

#[test]
fn a_tick_of_too_many_shares_tells_nothing() {
    let mut world = World::with_limits(&latency("request"), 100, 100);
    for share in 1..6 {
        world.began(under(share, drawn(1, true, 2)));
    }
    assert!(world.strata(1..=9).is_empty());
}

#[test]
fn a_limit_beyond_a_minute_is_not_judged() {
    // To judge one arm by a minute and the other by less would be another margin.
    let mut world = World::with_limits(&latency("user.id"), 60_001, 50_000);
    world.began(drawn(1, true, 2));
    world.request(drawn(2, false, 2), took(Ending::Success, 60_001));
    assert!(world.strata(1..=90).is_empty());

    let mut world = World::with_limits(&latency("user.id"), 60_000, 50_000);
    world.began(drawn(1, true, 2));
    world.request(drawn(2, false, 2), took(Ending::Success, 60_001));
    assert!(world.strata(1..=62).is_empty());
    let strata = world.collect(63).strata;
    assert_eq!(strata, [stratum(0, 5, arms(1, 1), arms(1, 1))]);
}

#[test]
fn ticks_that_nobody_collected_for_long_are_left_out() {
    let mut world = World::with_limits(&latency("user.id"), 100, 100);
    // Ticks 2 and 3 are open. Nobody collects until 20, so that 4 to 21 never were.
    for tick in [3, 10, 21] {
        world.began(drawn(u64::from(tick), true, tick));
    }
    let strata = world.collect(20).strata;
    assert_eq!(strata, [stratum(0, 5, arms(1, 0), arms(1, 0))]);
    world.ended(drawn(10, true, 10), took(Ending::Success, 11_000));
    world.request(drawn(22, false, 22), took(Ending::Success, 500));
    let strata = world.strata(21..=25);
    assert_eq!(strata, [stratum(0, 5, arms(0, 1), arms(0, 1))]);
}

#[test]
fn a_tick_that_is_not_open_is_no_other_one() {
    let mut world = World::with_limits(&latency("request"), 100, 100);
    world.collect(1);
    // Ticks share places, 128 apart.
    world.request(drawn(1, true, 130), took(Ending::Success, 500));
    assert!(world.strata(2..=9).is_empty());
}

#[test]
fn a_limit_of_the_plan_is_judged_from_the_next_tick_on() {
    for by in ["request", "user.id"] {
        let limit = Guardrail::new(Metric::Latency(950), Limit::Faster(MS * 100));
        let mut world = World::new(&plan(by, vec![limit]));
        // What began before it was watched may end afterwards.
        world.ended(drawn(1, true, 0), took(Ending::Success, 500));
        for tick in [1, 2, 3] {
            let hangs = drawn(u64::from(tick) + 10, true, tick);
            world.began(hangs);
            if tick < 3 {
                assert_eq!(world.strata(tick..=tick), [], "by {by}, tick {tick}");
            }
        }
        for tick in [3, 4, 5] {
            let strata = world.strata(tick..=tick);
            let expected = [stratum(0, 5, arms(1, 0), arms(1, 0))];
            assert_eq!(strata, expected, "by {by}, tick {tick}");
        }
    }
}
