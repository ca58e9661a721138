use super::*;

const CLIENTS: usize = 1000;
const MINUTE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_secs(30);
const SPREAD: Duration = Duration::from_secs(2);

fn seconds(from: u64, until: u64) -> std::ops::Range<Duration> {
    Duration::from_secs(from)..Duration::from_secs(until)
}

/// The fetches of a thousand clients that start at one moment, on a server that finds something at each time.
fn fleet(live: bool, until: Duration, found: impl Fn(Duration) -> Found) -> Vec<Duration> {
    let mut random = fastrand::Rng::with_seed(42);
    let mut fetches = Vec::new();
    for _ in 0..CLIENTS {
        let mut schedule = Schedule::new(POLL, SPREAD);
        let mut now = schedule.first(live, random.f64());
        while now < until {
            fetches.push(now);
            now += schedule.next(found(now), random.f64());
        }
    }
    fetches
}

/// Counts the fetches of each 100 ms.
fn buckets(fetches: &[Duration], span: &std::ops::Range<Duration>) -> Vec<usize> {
    let index = |at: Duration| ((at - span.start).as_millis() / 100) as usize;
    let mut buckets = vec![0; index(span.end)];
    for at in fetches.iter().filter(|at| span.contains(at)) {
        buckets[index(*at)] += 1;
    }
    buckets
}

/// Holds that no 100 ms of a span get more than `times` what an even spread would give them.
#[track_caller]
fn assert_spread(fetches: &[Duration], span: std::ops::Range<Duration>, times: usize) {
    let buckets = buckets(fetches, &span);
    let (most, all) = (
        *buckets.iter().max().unwrap(),
        buckets.iter().sum::<usize>(),
    );
    assert!(all > 0, "nothing was fetched in {span:?}");
    assert!(
        most * buckets.len() <= times * all,
        "{most} fetches in 100 ms of {span:?}, of {all} in {} such",
        buckets.len()
    );
}

#[test]
fn a_thousand_clients_that_start_together_are_spread() {
    let fetches = fleet(true, 10 * MINUTE, |_| Found::Answer);
    assert_spread(&fetches, seconds(0, 2), 2);
    let first = fetches.iter().filter(|at| **at < SPREAD).count();
    assert!(first >= CLIENTS, "each fetches within the spread");
    // The phases begin with the first interval, not after many of them.
    assert_spread(&fetches, seconds(2, 32), 4);
    assert_spread(&fetches, seconds(32, 120), 5);
    assert_spread(&fetches, seconds(120, 600), 5);
}

#[test]
fn with_nothing_live_the_first_fetch_is_at_once_and_the_second_is_spread() {
    let fetches = fleet(false, 10 * MINUTE, |_| Found::Answer);
    let at_once = fetches.iter().filter(|at| at.is_zero()).count();
    assert_eq!(at_once, CLIENTS);
    let later: Vec<_> = fetches.into_iter().filter(|at| !at.is_zero()).collect();
    assert_spread(&later, seconds(0, 30), 4);
    assert_spread(&later, seconds(30, 600), 5);
}

#[test]
fn a_steady_client_polls_once_an_interval() {
    let fetches = fleet(true, 100 * MINUTE, |_| Found::Answer);
    let each = fetches.len() / CLIENTS;
    assert!((198..=201).contains(&each), "{each} in 100 minutes");
}

#[test]
fn an_outage_is_followed_by_no_stampede() {
    // What a steady fleet asks for in 100 ms.
    let steady = CLIENTS / 300;
    for minutes in [1, 10, 60] {
        let (down, up) = (5 * MINUTE, (5 + minutes) * MINUTE);
        let end = up + 20 * MINUTE;
        let fetches = fleet(true, end, |now| {
            if (down..up).contains(&now) {
                Found::Failure
            } else {
                Found::Answer
            }
        });
        let most = |span| *buckets(&fetches, &span).iter().max().unwrap();
        // While it lasts each tries some six times in its first half minute, and more and more seldom then.
        let during = most(down..up);
        assert!(during <= 15 * steady, "{during} tries in 100 ms");
        let after = most(up..end);
        assert!(after <= 5 * steady, "{after} fetches in 100 ms");
        assert_spread(&fetches, up + 6 * MINUTE..end, 5);
    }
}

#[test]
fn a_short_outage_of_all_at_once_leaves_them_spread() {
    let fetches = fleet(false, 10 * MINUTE, |now| {
        if now < Duration::from_secs(1) {
            Found::Failure
        } else {
            Found::Answer
        }
    });
    assert_spread(&fetches, seconds(5, 600), 5);
}

#[test]
fn one_date_to_come_back_at_brings_no_stampede() {
    let until = Duration::from_secs(600);
    let fetches = fleet(true, 2 * until, |now| {
        if now < until {
            Found::Busy(until - now)
        } else {
            Found::Answer
        }
    });
    let early = fetches
        .iter()
        .filter(|at| (SPREAD..until).contains(at))
        .count();
    assert_eq!(early, 0, "nobody comes before");
    assert_spread(&fetches, seconds(600, 601), 2);
    assert_spread(&fetches, seconds(602, 1200), 5);
}

#[test]
fn failures_back_off_with_full_jitter_up_to_five_minutes() {
    let mut schedule = Schedule::new(POLL, SPREAD);
    for window in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
        let window = Duration::from_secs(window);
        assert_eq!(schedule.clone().next(Found::Failure, 0.0), Duration::ZERO);
        assert_eq!(schedule.clone().next(Found::Failure, 0.5), window / 2);
        assert!(schedule.next(Found::Failure, 1.0 - f64::EPSILON) <= window);
    }
    schedule.next(Found::Answer, 0.5);
    assert_eq!(
        schedule.next(Found::Failure, 0.5),
        FIRST_WINDOW / 2,
        "an answer starts it anew"
    );
}

#[test]
fn what_the_server_asks_for_is_kept_within_reason() {
    let mut schedule = Schedule::new(POLL, SPREAD);
    for (asked, kept) in [(0, 1), (1, 1), (7, 7), (3600, 3600), (u64::MAX, 3600)] {
        let pause = schedule.next(Found::Busy(Duration::from_secs(asked)), 0.0);
        assert_eq!(pause, Duration::from_secs(kept), "{asked}");
    }
}

#[test]
fn the_pace_is_a_fifth_more_or_less_after_the_phase() {
    let mut schedule = Schedule::new(POLL, SPREAD);
    assert_eq!(schedule.next(Found::Answer, 0.25), POLL / 4);
    assert_eq!(schedule.next(Found::Answer, 0.0), POLL * 4 / 5);
    assert_eq!(schedule.next(Found::Answer, 0.5), POLL);
    schedule.next(Found::Failure, 0.5);
    assert_eq!(
        schedule.next(Found::Answer, 0.25),
        POLL / 4,
        "those that failed together find places anew"
    );
}

#[test]
fn absurd_settings_do_not_overflow() {
    let mut schedule = Schedule::new(Duration::MAX, Duration::MAX);
    for found in [
        Found::Answer,
        Found::Busy(Duration::MAX),
        Found::Failure,
        Found::Answer,
    ] {
        assert!(schedule.next(found, 0.999) < Duration::from_secs(2 * 24 * 60 * 60));
    }
    assert!(schedule.first(true, 0.999) < Duration::from_secs(24 * 60 * 60));
    let mut schedule = Schedule::new(Duration::ZERO, Duration::ZERO);
    schedule.next(Found::Answer, 0.0);
    assert!(
        schedule.next(Found::Answer, 0.0) >= Duration::from_millis(8),
        "never a busy loop"
    );
    assert_eq!(schedule.first(true, 0.5), Duration::ZERO);
}
