use fader::{FlagKey, Overlay};
use tokio::time::{Duration, sleep};

use crate::fake::{self, Request};
use crate::{PinnedScope, Routing};

static FLAG: FlagKey<bool> = FlagKey::new("f", &false);
static OTHERS: [FlagKey<bool>; 6] = [
    FlagKey::new("a", &false),
    FlagKey::new("b", &false),
    FlagKey::new("c", &false),
    FlagKey::new("d", &false),
    FlagKey::new("e", &false),
    FlagKey::new("g", &false),
];

const GRAY_OR_NOT: &str = r#"{ "flags": { "f": { "rules": [
    { "if": { "attribute": "user.id", "is": "qa-1" }, "serve": "on" } ] } } }"#;

fn scope_of(routing: &Routing, user: &str) -> PinnedScope {
    let tracker = routing.pin(&Request::default(), |capture| capture.set("user.id", user));
    tracker.scope().clone()
}

#[test]
fn a_request_counts_on_each_arm_once_until_it_is_gone() {
    let routing = Routing::new(fake::flags(GRAY_OR_NOT));
    let in_flight = routing.in_flight();
    let gray = scope_of(&routing, "qa-1");
    assert_eq!(in_flight.arms(), []);
    for _ in 0..3 {
        assert!(*gray.enter(&FLAG));
    }
    let stable = scope_of(&routing, "ann");
    assert!(!*stable.enter(&FLAG));
    let counts = || (in_flight.count("f", "on"), in_flight.count("f", "off"));
    assert_eq!(counts(), (1, 1));
    let clone = gray.clone();
    drop((gray, stable));
    assert_eq!(counts(), (1, 0));
    drop(clone);
    assert_eq!(counts(), (0, 0));
    let named = |variant: &str| ("f".to_owned(), variant.to_owned(), 0);
    assert_eq!(in_flight.arms(), [named("on"), named("off")]);
}

#[test]
fn many_arms_of_one_request_and_many_requests_at_once() {
    let routing = Routing::new(fake::flags(GRAY_OR_NOT));
    let in_flight = routing.in_flight();
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                for _ in 0..200 {
                    let scope = scope_of(&routing, "qa-1");
                    scope.enter(&FLAG);
                    for key in &OTHERS {
                        scope.enter(key);
                        assert!(in_flight.count(key.name(), "") >= 1);
                    }
                }
            });
        }
    });
    assert_eq!(in_flight.arms().len(), 7);
    assert!(in_flight.arms().iter().all(|(_, _, count)| *count == 0));
}

#[test]
fn an_arm_that_was_left_can_be_entered_again() {
    let routing = Routing::new(fake::flags(GRAY_OR_NOT));
    let in_flight = routing.in_flight();
    let scope = scope_of(&routing, "qa-1");
    for _ in 0..10 {
        scope.enter(&FLAG);
        scope.enter(&OTHERS[0]);
        assert_eq!(in_flight.count("f", "on"), 1);
        scope.leave("f");
        assert_eq!(
            (in_flight.count("f", "on"), in_flight.count("a", "")),
            (0, 1)
        );
    }
    drop(scope);
    assert_eq!(in_flight.count("a", ""), 0);
}

#[tokio::test(start_paused = true)]
async fn draining_waits_for_those_in_flight() {
    let routing = Routing::new(fake::flags(GRAY_OR_NOT));
    let in_flight = routing.in_flight();
    let gray = scope_of(&routing, "qa-1");
    gray.enter(&FLAG);
    let stable = scope_of(&routing, "ann");
    stable.enter(&FLAG);

    let drained = tokio::spawn({
        let in_flight = in_flight.clone();
        async move { in_flight.drain("f", "on", Duration::from_secs(60)).await }
    });
    // The one on the arm is asked to end, the other is not.
    gray.retired().await;
    assert!(in_flight.is_draining());
    let waits = tokio::time::timeout(Duration::from_secs(5), stable.retired()).await;
    assert!(waits.is_err());
    assert!(!drained.is_finished());
    drop(gray);
    assert_eq!(drained.await.unwrap(), 0);
    assert!(!in_flight.is_draining());
    assert_eq!(in_flight.count("f", "off"), 1);
}

#[tokio::test(start_paused = true)]
async fn who_enters_an_arm_that_drains_is_retired_too() {
    let routing = Routing::new(fake::flags(GRAY_OR_NOT));
    let in_flight = routing.in_flight();
    let (first, late) = (scope_of(&routing, "qa-1"), scope_of(&routing, "qa-1"));
    first.enter(&FLAG);
    let drain = tokio::spawn({
        let in_flight = in_flight.clone();
        async move { in_flight.drain("f", "on", Duration::from_secs(60)).await }
    });
    let waits = tokio::spawn({
        let late = late.clone();
        async move { late.retired().await }
    });
    sleep(Duration::from_secs(1)).await;
    assert!(!waits.is_finished());
    late.enter(&FLAG);
    waits.await.unwrap();
    drop((first, late));
    assert_eq!(drain.await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn draining_ends_at_its_deadline_and_when_it_is_dropped() {
    let routing = Routing::new(fake::flags(GRAY_OR_NOT));
    let in_flight = routing.in_flight();
    let gray = scope_of(&routing, "qa-1");
    gray.enter(&FLAG);
    assert_eq!(in_flight.drain("f", "on", Duration::from_secs(9)).await, 1);
    assert!(!in_flight.is_draining());

    let dropped = tokio::time::timeout(
        Duration::from_secs(1),
        in_flight.drain_all(Duration::from_secs(9)),
    );
    assert!(dropped.await.is_err() && !in_flight.is_draining());

    // Nothing to wait for.
    assert_eq!(in_flight.drain("f", "off", Duration::MAX).await, 0);
    assert_eq!(in_flight.drain("unknown", "on", Duration::MAX).await, 0);

    let all = in_flight.drain_all(Duration::from_secs(60));
    let (left, ()) = tokio::join!(all, async move {
        gray.retired().await;
        drop(gray);
    });
    assert_eq!(left, 0);
    // The service is about to stop, and says so from here on.
    assert!(in_flight.is_draining());
}

#[tokio::test(start_paused = true)]
async fn a_scope_retires_when_its_decisions_no_longer_hold() {
    let flags = fake::flags(GRAY_OR_NOT);
    let routing = Routing::new(flags.clone());
    let gray = scope_of(&routing, "qa-1");
    assert!(*gray.get(&FLAG));
    let stable = scope_of(&routing, "ann");
    assert!(!*stable.get(&FLAG));
    let unasked = scope_of(&routing, "qa-1");

    let waiting = tokio::spawn({
        let gray = gray.clone();
        async move { gray.retired().await }
    });
    sleep(Duration::from_secs(1)).await;
    // A change that decides alike, and one of another flag.
    fake::load(
        &flags,
        r#"{ "flags": { "g": true, "f": { "rules": [
            { "if": { "attribute": "user.id", "in": ["qa-1", "qa-2"] }, "serve": "on" } ] } } }"#,
    );
    sleep(Duration::from_secs(1)).await;
    assert!(!waiting.is_finished());

    flags.apply(Overlay::new().kill("f"));
    waiting.await.unwrap();
    gray.retired().await;
    for scope in [stable, unasked] {
        let waits = tokio::time::timeout(Duration::from_secs(1), scope.retired()).await;
        assert!(waits.is_err());
    }
}
