//! A run that another process takes over, from what it remembers.

use super::*;
use crate::observe::Memory;

/// Serves a tick: hundreds of units, some of them bad, some of them again and again.
fn serve(world: &World, tick: u32) {
    for number in 0..300_u64 {
        let number = number + u64::from(tick) * 37;
        let drawn = drawn(number, number.is_multiple_of(20), tick);
        let is_bad = number.is_multiple_of(7) || number.is_multiple_of(20) && tick > 30;
        world.request(drawn, if is_bad { FAILED } else { DONE });
    }
    // One that fails each second.
    world.request(drawn(20, true, tick), FAILED);
}

fn guarded() -> Plan {
    let mut plan = plan(
        "user.id",
        vec![relative(Metric::Errors), absolute(Metric::Errors)],
    );
    plan.min_bad_units = 2;
    plan
}

/// In whichever tick it is taken over: what is counted afterwards is the same to the last unit, also over the end of a
/// minute, in which absolute guardrails forgive.
#[test]
fn it_goes_on_as_one_that_never_stopped() {
    let plan = guarded();
    for stop in [1, 2, 30, 58, 59, 60, 61, 62, 100, 120] {
        let mut lived = World::new(&plan);
        let mut moved = World::new(&plan);
        let mut memory = Memory::default();
        for tick in 0..150 {
            if tick == stop {
                // As it is kept: in the form of a file.
                let kept = serde_json::to_string(&memory).unwrap();
                memory = serde_json::from_str(&kept).unwrap();
                moved = World::new(&plan);
                moved.collector.recall(FLAG, &memory);
            }
            serve(&lived, tick);
            serve(&moved, tick);
            let (lived, moved) = (lived.collector.collect(tick), moved.collector.collect(tick));
            assert_eq!(
                moved[0].counts, lived[0].counts,
                "taken over in {stop}, tick {tick}"
            );
            assert_eq!(
                moved[0].news, lived[0].news,
                "taken over in {stop}, tick {tick}"
            );
            memory.add(&moved[0].news);
        }
        assert!(!memory.spent.is_empty() && !memory.met.is_empty() && !memory.checked.is_empty());
    }
}

/// A guardrail that has spent too many of its units tells nothing any more, in the next process neither.
#[test]
fn one_that_is_exhausted_stays_so() {
    let plan = guarded();
    let mut world = World::new(&plan);
    let mut memory = Memory::default();
    let mut tick = 0;
    while memory.exhausted.is_empty() {
        for number in 0..400 {
            world.request(drawn(number, number % 20 == 0, tick), FAILED);
        }
        let collected = world.collector.collect(tick);
        memory.add(&collected[0].news);
        tick += 1;
        assert!(tick < 50);
    }
    let mut next = World::new(&plan);
    next.collector.recall(FLAG, &memory);
    let collected = next.collector.collect(tick);
    let stays: Vec<usize> = memory.exhausted.iter().map(|at| usize::from(*at)).collect();
    for at in stays {
        assert!(collected[0].counts.exhausted[at]);
    }
    assert_eq!(collected[0].news.exhausted, memory.exhausted);
}
