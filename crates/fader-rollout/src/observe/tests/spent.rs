//! Units count at their first bad event in the run.

use super::*;

fn errors() -> Plan {
    plan("user.id", vec![relative(Metric::Errors)])
}

#[test]
fn a_unit_is_bad_once_in_a_run() {
    let mut world = World::new(&errors());
    for tick in 0..3 {
        for _ in 0..5 {
            world.request(drawn(1, true, tick), FAILED);
        }
        let strata = world.collect(tick).strata;
        let first = u32::from(tick == 0);
        assert_eq!(strata, [stratum(0, 5, arms(first, 0), arms(5, 0))]);
    }
    // It is out in the other arm too, and under another share.
    world.request(under(1, drawn(1, false, 3)), FAILED);
    let strata = world.collect(3).strata;
    assert_eq!(strata, [stratum(0, 1, arms(0, 0), arms(0, 1))]);
}

#[test]
fn a_unit_is_spent_for_each_guardrail_by_itself() {
    let metrics = [Metric::Errors, Metric::ClientErrors];
    let mut world = World::new(&plan("user.id", metrics.map(relative).into()));
    world.request(drawn(1, true, 0), FAILED);
    let strata = world.collect(0).strata;
    assert_eq!([strata[0].bad, strata[1].bad], [arms(1, 0), arms(0, 0)]);
    world.request(drawn(1, true, 1), Outcome::new(Ending::ClientError));
    let strata = world.collect(1).strata;
    assert_eq!([strata[0].bad, strata[1].bad], [arms(0, 0), arms(1, 0)]);
}

#[test]
fn of_two_shares_in_one_tick_the_lower_one_has_the_unit() {
    for order in [[1, 25], [25, 1]] {
        let mut world = World::new(&errors());
        for share in order {
            world.request(under(share, drawn(1, share == 25, 0)), FAILED);
        }
        let strata = world.collect(0).strata;
        assert!(
            strata.contains(&stratum(0, 1, arms(0, 1), arms(0, 1))),
            "{strata:?}"
        );
        assert!(
            strata.contains(&stratum(0, 25, arms(0, 0), arms(1, 0))),
            "{strata:?}"
        );
    }
}

#[test]
fn requests_count_each_by_request() {
    let mut world = World::new(&plan("request", vec![relative(Metric::Errors)]));
    for tick in 0..2 {
        for _ in 0..3 {
            world.request(drawn(1, true, tick), FAILED);
        }
        let request = Drawn {
            unit: None,
            known: false,
            ..drawn(0, false, tick)
        };
        world.request(request, DONE);
        let strata = world.collect(tick).strata;
        assert_eq!(strata, [stratum(0, 5, arms(3, 0), arms(3, 1))]);
    }
}

#[test]
fn new_units_are_left_out_where_known_ones_count() {
    for count in [Count::KnownUnits, Count::AllUnits] {
        let latency = Guardrail::new(Metric::Latency(990), Limit::Faster(MS));
        let mut plan = plan("visitor", vec![relative(Metric::Errors), latency]);
        plan.count = count;
        let mut world = World::with_shards(&plan, 8);
        world.collect(0);
        for number in 0..640 {
            for (enrolled, known) in [(false, false), (true, false), (true, true)] {
                let number = number * 4 + u64::from(enrolled) * 2 + u64::from(known);
                let drawn = Drawn {
                    known,
                    ..drawn(number, enrolled, 2)
                };
                let shard = usize::try_from(number / 4).unwrap();
                world.began_on(shard, drawn);
                world.ended_on(shard, drawn, took(Ending::Success, 2));
                world.ended_on(shard, drawn, FAILED);
                world.began_on(shard, drawn);
            }
        }
        let counts = world.collect(2);
        let every = count == Count::AllUnits;
        let expected = if every { arms(1280, 640) } else { arms(640, 0) };
        assert_eq!(counts.strata[0].bad, expected, "{count:?}");
        assert_eq!(
            counts.strata[0].of,
            arms(expected.candidate * 2, expected.stable * 2)
        );
        assert_eq!(counts.requests, arms(2560, 1280));
        assert_eq!(counts.units.stable > 0, every);
        let exposed: u32 = counts.exposures.iter().map(|each| each.all).sum();
        let enrolled: u32 = counts.exposures.iter().map(|each| each.enrolled).sum();
        assert_eq!(exposed > enrolled, every);
        let slow: u32 = world
            .strata(3..=5)
            .iter()
            .map(|slow| slow.of.candidate)
            .sum();
        assert_eq!(slow, expected.candidate);
    }
}

#[test]
fn one_that_hammers_leaves_room_for_others() {
    let mut world = World::new(&errors());
    for round in 0..100_000 {
        world.request(drawn(1, true, 0), FAILED);
        if round < 300 {
            world.request(drawn(2 + round, false, 0), FAILED);
        }
    }
    assert_eq!(world.collect(0).strata[0].bad, arms(1, 300));
}

#[test]
fn more_than_a_fifth_of_the_units_spent_is_too_many() {
    let mut world = World::new(&errors());
    // 1,000 units, of which 190 fail; then 60 more.
    for number in 0..1000 {
        let how = if number < 190 { FAILED } else { DONE };
        world.request(drawn(number, number % 2 == 0, 0), how);
    }
    let counts = world.collect(0);
    assert_eq!(counts.exhausted, [false]);
    for number in 190..250 {
        world.request(drawn(number, number % 2 == 0, 1), FAILED);
    }
    // The tick that shows it still counts: it may be what tells a total failure.
    let counts = world.collect(1);
    assert_eq!(
        (counts.exhausted, counts.strata[0].bad),
        (vec![true], arms(30, 30))
    );
    // It stays so, however many healthy units come.
    for number in 1000..9000 {
        world.request(drawn(number, number % 2 == 0, 2), DONE);
    }
    world.request(drawn(9000, true, 2), FAILED);
    let counts = world.collect(2);
    assert_eq!((counts.exhausted, counts.strata), (vec![true], vec![]));
}

#[test]
fn a_few_spent_units_are_never_too_many() {
    let mut world = World::new(&errors());
    for number in 0..100 {
        world.request(drawn(number, true, 0), FAILED);
    }
    assert_eq!(world.collect(0).exhausted, [false]);
}

#[test]
fn a_run_remembers_65536_spent_units() {
    let mut world = World::new(&errors());
    let (mut counted, mut failed) = (0, 0);
    for tick in 0..300 {
        for number in 0..4000 {
            let number = u64::from(tick) * 4000 + number;
            world.request(drawn(number, false, tick), DONE);
            if number % 16 == 0 {
                failed += 1;
                world.request(drawn(number, false, tick), FAILED);
            }
        }
        let counts = world.collect(tick);
        counted += counts.strata[0].bad.stable;
        if counts.exhausted[0] {
            break;
        }
    }
    assert_eq!(counted, 65_536);
    assert!((65_537..65_537 + 250).contains(&failed), "{failed}");
}

/// Users for whom all fails are seen for as long as it fails, each of them once a tick.
#[test]
fn a_limit_counts_a_bad_unit_once_a_tick_and_never_runs_out() {
    let mut world = World::new(&plan("user.id", vec![absolute(Metric::Errors)]));
    for tick in 0..180 {
        for number in 0..600 {
            world.request(drawn(number % 300, true, tick), FAILED);
        }
        let counts = world.collect(tick);
        assert_eq!(
            counts.strata,
            [stratum(0, 5, arms(300, 0), arms(600, 0))],
            "{tick}"
        );
        assert_eq!(counts.exhausted, [false]);
    }
}

/// Two clients that hammer for minutes are below `min_bad_units`; a third one within the minute is not.
#[test]
fn a_limit_waits_for_enough_bad_units_within_a_minute() {
    let mut plan = plan("user.id", vec![absolute(Metric::Errors)]);
    plan.min_bad_units = 3;
    let mut world = World::new(&plan);
    let mut bad_at = |tick: u32, units: std::ops::Range<u64>| {
        for number in units {
            world.request(drawn(number, true, tick), FAILED);
        }
        world.request(drawn(100, true, tick), DONE);
        world.collect(tick).strata[0].bad.candidate
    };
    for tick in 0..90 {
        assert_eq!(bad_at(tick, 0..2), 0, "{tick}");
    }
    assert_eq!(bad_at(90, 2..3), 1);
    assert_eq!(bad_at(91, 0..2), 2);
    // The next minute begins anew.
    for tick in 92..121 {
        let _ = bad_at(tick, 0..0);
    }
    assert_eq!(bad_at(121, 0..2), 0);
}
