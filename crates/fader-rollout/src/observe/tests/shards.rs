//! Which thread tells what changes nothing.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
struct Request {
    number: u64,
    share: usize,
    wave: bool,
    ending: usize,
    millis: u32,
    event: bool,
    /// In which ticks it begins, and after how many it ends.
    begins: u32,
    lasts: u32,
    /// Who tells.
    shards: [usize; 2],
}

fn request() -> impl Strategy<Value = Request> {
    let who = (0..60_u64, 0..3_usize, prop::bool::weighted(0.1));
    let how = (0..8_usize, 0..300_u32, any::<bool>());
    let when = (0..8_u32, 0..5_u32);
    (who, how, when, [0..8_usize, 0..8_usize]).prop_map(|(who, how, when, shards)| Request {
        number: who.0,
        share: who.1,
        wave: who.2,
        ending: how.0,
        millis: how.1,
        event: how.2,
        begins: when.0,
        lasts: when.1,
        shards,
    })
}

fn counts(plan: &Plan, requests: &[Request], shards: usize, shift: usize) -> Vec<Counts> {
    let mut world = World::with_shards(plan, shards);
    world.observer.set_limits(FLAG, 2, MS * 120, MS * 100);
    let mut all = Vec::new();
    for tick in 0..16 {
        for request in requests {
            let share = [1, 5, 50][request.share];
            // A unit is enrolled from some share on.
            let enrolled = request.number % 100 < u64::from(share);
            let drawn = under(share, drawn(request.number, enrolled, request.begins));
            let drawn = if request.wave { by_wave(drawn) } else { drawn };
            let [began, ended] = request.shards.map(|shard| shard + shift);
            if request.begins == tick {
                world.began_on(began, drawn);
            }
            if request.begins + request.lasts == tick {
                let how = took(Ending::ALL[request.ending], request.millis);
                world.ended_on(ended, drawn, how);
                if request.event {
                    let tell = |shard: &mut crate::observe::shard::Shard| {
                        shard.book(FLAG).unwrap().reported(&drawn, "lost_cart");
                    };
                    world.observer.on(ended, tell);
                }
            }
        }
        let mut counts = world.collect(tick);
        counts.strata.sort_by_key(|stratum| {
            (
                stratum.guardrail,
                stratum.share,
                stratum.bad.candidate,
                stratum.of.candidate,
            )
        });
        all.push(counts);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_same_events_over_any_shards_are_the_same_counts(
        requests in prop::collection::vec(request(), 0..200),
        by_unit: bool,
        shift in 0..8_usize,
    ) {
        let guardrails = vec![
            relative(Metric::Errors),
            absolute(Metric::ClientErrors),
            relative(Metric::Latency(950)),
            Guardrail::new(Metric::Latency(990), Limit::Faster(MS * 200)),
            absolute(Metric::Custom("lost_cart".into())),
        ];
        let plan = plan(if by_unit { "user.id" } else { "request" }, guardrails);
        let alone = counts(&plan, &requests, 1, 0);
        prop_assert_eq!(&alone, &counts(&plan, &requests, 8, shift));
        prop_assert_eq!(&alone, &counts(&plan, &requests, 2, shift));
        let ended: u32 = alone.iter().map(|each| each.requests.candidate + each.requests.stable).sum();
        prop_assert_eq!(ended as usize, requests.len());
        for stratum in alone.iter().flat_map(|each| &each.strata) {
            prop_assert!(stratum.bad.candidate <= stratum.of.candidate);
            prop_assert!(stratum.bad.stable <= stratum.of.stable);
        }
    }
}

#[test]
fn threads_count_what_one_counts() {
    let plan = plan("request", vec![relative(Metric::Errors)]);
    let mut world = World::with_shards(&plan, 4);
    let observer = &world.observer;
    let mut seen = arms(0, 0);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                for number in 0..20_000 {
                    let drawn = drawn(number, thread % 2 == 0, 0);
                    observer.on(thread, |shard| {
                        shard.book(FLAG).unwrap().ended(&drawn, FAILED);
                    });
                }
            });
        }
        // Meanwhile ticks are collected.
        for tick in 0..50 {
            for stratum in world.collector.collect(tick).remove(0).counts.strata {
                assert_eq!(stratum.bad, stratum.of);
                seen.candidate += stratum.bad.candidate;
                seen.stable += stratum.bad.stable;
            }
        }
    });
    for stratum in world.strata(50..=50) {
        seen.candidate += stratum.bad.candidate;
        seen.stable += stratum.bad.stable;
    }
    assert_eq!(seen, arms(80_000, 80_000));
}
