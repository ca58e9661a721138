//! Nothing that is left out for want of room favours an arm.

use super::*;

/// Tells whether the candidate's part of these is about a half.
fn is_about_half(bad: Arms) -> bool {
    let all = f64::from(bad.candidate + bad.stable);
    all > 0.0 && (f64::from(bad.candidate) / all - 0.5).abs() < 4.0 * 0.5 / all.sqrt()
}

#[test]
fn too_many_bad_units_are_thinned_alike_whoever_comes_first() {
    let mut world = World::new(&plan("user.id", vec![relative(Metric::Errors)]));
    // All of the candidate's come before all of stable's; 50,000 have no room.
    for enrolled in [true, false] {
        for number in 0..25_000 {
            let number = number * 2 + u64::from(enrolled);
            world.request(drawn(number, enrolled, 0), FAILED);
        }
    }
    let bad = world.collect(0).strata[0].bad;
    assert!(
        (200..=512).contains(&(bad.candidate + bad.stable)),
        "{bad:?}"
    );
    assert!(is_about_half(bad), "{bad:?}");
}

#[test]
fn arms_whose_slow_requests_end_and_hang_are_alike() {
    // The candidate's slow requests end, those of stable hang; as many are slow in both arms.
    for many in [3, 10, 40, 200, 5_000] {
        let mut sum = arms(0, 0);
        for round in 0..(20_000 / many).clamp(20, 400) {
            let mut world = World::new(&plan("user.id", vec![relative(Metric::Latency(950))]));
            world.observer.set_limits(FLAG, 0, MS * 100, MS * 100);
            world.collect(0);
            for number in 0..many {
                let number = (number + round * 10_000) * 2;
                let ending = drawn(number, true, 2);
                world.request(ending, took(Ending::Success, 500));
                world.began(drawn(number + 1, false, 2));
            }
            for stratum in world.strata(1..=4) {
                sum.candidate += stratum.bad.candidate;
                sum.stable += stratum.bad.stable;
            }
        }
        println!("{many} of each: {sum:?}");
        assert!(is_about_half(sum), "{many} of each: {sum:?}");
    }
}

#[test]
fn those_that_hang_are_thinned_with_those_that_end() {
    // 5,000 slow requests of the candidate end, for which there is no room; 100 of stable hang.
    let mut sum = arms(0, 0);
    for round in 0..60 {
        let plan = plan("user.id", vec![relative(Metric::Latency(950))]);
        let mut world = World::with_limits(&plan, 100, 100);
        for number in 0..5_100 {
            let drawn = drawn(number + round * 10_000, number >= 100, 2);
            world.began(drawn);
            if number >= 100 {
                world.ended(drawn, took(Ending::Success, 500));
            }
        }
        for stratum in world.strata(1..=4) {
            sum.candidate += stratum.bad.candidate;
            sum.stable += stratum.bad.stable;
        }
    }
    let part = f64::from(sum.stable) / f64::from(sum.stable + sum.candidate);
    assert!((0.01..0.04).contains(&part), "{sum:?}");
}
