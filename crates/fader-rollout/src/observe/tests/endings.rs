//! Which request is bad for whom, and in which tick.

use super::*;

fn all(by: &str) -> Plan {
    let custom = Metric::Custom("lost_cart".into());
    let metrics = [Metric::Errors, Metric::ClientErrors, custom];
    plan(by, metrics.map(relative).into())
}

#[test]
fn each_ending_counts_where_it_belongs() {
    // Of and bad, for `errors`, `client_errors` and a custom event that nobody reported.
    let expected = |ending| match ending {
        Ending::ServerError | Ending::Panic | Ending::Timeout => [(1, 1), (1, 0), (1, 0)],
        Ending::ClientError => [(1, 0), (1, 1), (1, 0)],
        Ending::Dropped => [(0, 0), (0, 0), (1, 0)],
        _ => [(1, 0), (1, 0), (1, 0)],
    };
    for by in ["request", "user.id"] {
        for ending in Ending::ALL {
            let mut world = World::new(&all(by));
            world.request(drawn(1, true, 0), Outcome::new(ending));
            let counts = world.collect(0);
            let expected: Vec<Stratum> = (0..)
                .zip(expected(ending))
                .filter(|(_, (of, _))| *of > 0)
                .map(|(at, (of, bad))| stratum(at, 5, arms(bad, 0), arms(of, 0)))
                .collect();
            assert_eq!(counts.strata, expected, "{ending} by {by}");
            assert_eq!(counts.requests, arms(1, 0));
        }
    }
}

#[test]
fn an_event_of_the_service_is_bad_by_its_name() {
    for by in ["request", "user.id"] {
        let mut world = World::new(&all(by));
        for event in ["lost_cart", "found_cart", "lost_cart2"] {
            world.request(drawn(1, false, 0), DONE);
            world.reported(drawn(1, false, 0), event);
        }
        let strata = world.collect(0).strata;
        assert_eq!(strata[2], stratum(2, 5, arms(0, 1), arms(0, 3)), "by {by}");
        assert_eq!(strata[0].bad, arms(0, 0));
    }
}

#[test]
fn a_request_counts_in_the_tick_in_which_it_ended() {
    let mut world = World::new(&all("user.id"));
    world.began(drawn(1, true, 0));
    assert!(world.collect(0).strata.is_empty());
    world.ended(drawn(1, true, 0), FAILED);
    assert_eq!(world.collect(1).strata[0].bad, arms(1, 0));
    assert!(world.collect(2).strata.is_empty());
}

#[test]
fn a_request_counts_under_the_share_that_it_was_drawn_under() {
    for by in ["request", "user.id"] {
        let mut world = World::new(&plan(by, vec![relative(Metric::Errors)]));
        // They begin under 1 %; the share is raised; one more begins; all end.
        let old = [1, 2].map(|number| under(1, drawn(number, number == 1, 0)));
        let new = under(25, drawn(3, true, 0));
        for drawn in old {
            world.began(drawn);
        }
        world.request(new, FAILED);
        for drawn in old {
            world.ended(drawn, FAILED);
        }
        let strata = world.collect(0).strata;
        assert_eq!(strata.len(), 2);
        assert!(
            strata.contains(&stratum(0, 1, arms(1, 1), arms(1, 1))),
            "{strata:?}"
        );
        assert!(
            strata.contains(&stratum(0, 25, arms(1, 0), arms(1, 0))),
            "{strata:?}"
        );
    }
}

#[test]
fn a_limit_asks_the_candidate_alone() {
    for by in ["request", "user.id"] {
        let mut world = World::new(&plan(by, vec![absolute(Metric::Errors)]));
        world.request(drawn(1, false, 0), FAILED);
        assert!(world.collect(0).strata.is_empty(), "by {by}");
        world.request(drawn(2, true, 0), FAILED);
        let strata = world.collect(1).strata;
        assert_eq!(strata, [stratum(0, 5, arms(1, 0), arms(1, 0))]);
    }
}

#[test]
fn a_wave_counts_for_limits_alone() {
    for by in ["request", "user.id"] {
        let guardrails = vec![relative(Metric::Errors), absolute(Metric::Errors)];
        let mut world = World::new(&plan(by, guardrails));
        world.request(by_wave(drawn(1, true, 0)), FAILED);
        world.request(by_wave(drawn(2, true, 0)), DONE);
        world.request(by_wave(drawn(3, false, 0)), FAILED);
        let counts = world.collect(0);
        let expected = stratum(1, 5, arms(1, 0), arms(2, 0));
        assert_eq!(counts.strata, [expected], "by {by}");
        // A wave's bad unit is not spent for the comparison.
        world.request(drawn(1, true, 0), FAILED);
        let strata = world.collect(1).strata;
        assert_eq!(strata[0], stratum(0, 5, arms(1, 0), arms(1, 0)));
    }
}

#[test]
fn a_gauge_counts_nothing() {
    let gauge = Guardrail::new(Metric::Gauge("queue".into()), Limit::Below(9.0));
    let mut world = World::new(&plan("user.id", vec![gauge]));
    world.request(drawn(1, true, 0), FAILED);
    let counts = world.collect(0);
    assert!(counts.strata.is_empty());
    assert_eq!(counts.exhausted, [false]);
}

/// Rolled back, reset, begun anew: what hung all the while fails in no later run.
#[test]
fn the_end_of_a_request_of_an_earlier_run_counts_in_no_later_one() {
    let plan = plan("user.id", vec![relative(Metric::Errors)]);
    let mut world = World::new(&plan);
    world.began(drawn(1, true, 5));
    let _ = world.collect(5);
    world.observer.watch(FLAG, &plan, 2);
    world.ended(drawn(1, true, 5), FAILED);
    // Of the tick that runs nobody knows what began before.
    world.request(drawn(2, true, 6), FAILED);
    world.request(drawn(3, true, 7), FAILED);
    let strata = world.collect(7).strata;
    assert_eq!(strata, [stratum(0, 5, arms(1, 0), arms(1, 0))]);
}

#[test]
fn a_new_run_forgets_everything() {
    let plan = plan("user.id", vec![relative(Metric::Errors)]);
    let mut world = World::new(&plan);
    world.request(drawn(1, true, 0), FAILED);
    assert_eq!(world.collect(0).strata[0].bad, arms(1, 0));
    world.request(drawn(2, true, 0), FAILED);
    world.observer.watch(FLAG, &plan, 2);
    let collected = world.collector.collect(1);
    assert_eq!(collected[0].run, 2);
    assert_eq!(collected[0].counts.requests, arms(0, 0));
    assert_eq!(collected[0].counts.units, arms(0, 0));
    world.request(drawn(1, true, 2), FAILED);
    assert_eq!(world.collect(2).strata[0].bad, arms(1, 0));
    world.observer.forget(FLAG);
    assert!(world.collector.collect(3).is_empty());
}

/// What runs of the candidate is known exactly, whatever was under way when it was first watched.
#[test]
fn requests_that_run_are_those_of_the_run() {
    let plan = plan("user.id", vec![relative(Metric::Errors)]);
    let mut world = World::new(&plan);
    world.began(drawn(1, true, 5));
    let _ = world.collect(5);
    world.began(drawn(2, true, 6));
    world.observer.watch(FLAG, &plan, 2);
    let running = |world: &mut World, tick| world.collector.collect(tick)[0].running;
    assert_eq!(running(&mut world, 6), 0);
    world.ended(drawn(1, true, 5), DONE);
    world.ended(drawn(2, true, 6), DONE);
    // Made before, and first read now.
    world.began(drawn(3, true, 6));
    assert_eq!(running(&mut world, 7), 0);
    world.began(drawn(4, true, 7));
    world.began(drawn(5, false, 7));
    assert_eq!(running(&mut world, 8), 1);
    world.ended(drawn(4, true, 7), DONE);
    assert_eq!(running(&mut world, 9), 0);
}
