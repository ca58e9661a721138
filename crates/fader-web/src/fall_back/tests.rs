use std::future::pending;
use std::sync::Arc;

use fader::{FlagKey, MemoryOutcomes, OutcomeEvent, Watch};

use super::*;
use crate::Routing;
use crate::fake::{self, Request};

static FLAG: FlagKey<bool> = FlagKey::new("f", &false);

#[test]
fn only_what_may_be_done_twice_is() {
    for (method, upgrade, plain, idempotent) in [
        ("GET", false, true, true),
        ("HEAD", false, true, true),
        ("POST", false, false, true),
        ("PUT", false, false, true),
        ("get", false, false, true),
        ("GET", true, false, false),
        ("CONNECT", false, false, false),
    ] {
        let headers: &[_] = if upgrade {
            &[("upgrade", "websocket")]
        } else {
            &[]
        };
        let request = Request {
            method: Some(method),
            ..Request::new(headers)
        };
        assert_eq!(FallBack::new().repeats(&request), plain, "{method}");
        let declared = FallBack::new().idempotent(true);
        assert_eq!(declared.repeats(&request), idempotent, "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn gray_code_that_panics_or_is_too_slow_fails() {
    let fall_back = FallBack::new().budget(Duration::from_millis(300));
    assert_eq!(fall_back.attempt(async { 1 }).await, Ok(1));

    let panics = fall_back.attempt(async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        panic!("gray")
    });
    let failure: Result<(), _> = panics.await;
    assert_eq!(failure.unwrap_err().ending(), Ending::Panic);

    let began = Instant::now();
    let failure: Result<(), _> = fall_back.attempt(pending()).await;
    assert_eq!(failure.unwrap_err().ending(), Ending::Timeout);
    assert_eq!(began.elapsed().as_millis() / 10, 30);

    // Just in time, and without a budget in any time.
    let late = async || {
        tokio::time::sleep(Duration::from_millis(299)).await;
        2
    };
    assert_eq!(fall_back.attempt(late()).await, Ok(2));
    // So long that no clock gets there.
    let endless = FallBack::new().budget(Duration::MAX);
    assert_eq!(endless.attempt(late()).await, Ok(2));
    let hour = tokio::time::sleep(Duration::from_secs(3600));
    assert_eq!(FallBack::new().attempt(hour).await, Ok(()));
}

#[tokio::test]
async fn gray_code_that_panics_again_when_it_is_dropped_fails_once() {
    struct PanicsTwice;

    impl Drop for PanicsTwice {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }

    impl Future for PanicsTwice {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            panic!("in poll");
        }
    }

    let failure = FallBack::new().attempt(PanicsTwice).await;
    assert_eq!(failure.unwrap_err().ending(), Ending::Panic);
}

#[tokio::test]
async fn a_failure_counts_for_its_flag_and_the_scope_goes_stable() {
    let flags = fake::flags(
        r#"{ "flags": {
            "f": { "rules": [ { "percent": 100, "by": "request", "serve": "on" } ] },
            "g": { "rules": [ { "percent": 100, "by": "request", "serve": "on" } ] } } }"#,
    );
    let outcomes = Arc::new(MemoryOutcomes::new());
    flags.add_outcome_sink(Arc::clone(&outcomes), Watch::Drawn);
    let routing = Routing::new(flags);
    let tracker = routing.pin(&Request::default(), |_| {});
    let scope = tracker.scope().clone();
    assert!(*scope.enter(&FLAG));
    let _ = scope.resolve("g");
    assert_eq!(routing.in_flight().count("f", "on"), 1);

    let panics = FallBack::new().attempt(async { panic!("gray") });
    let failure: Result<(), _> = panics.await;
    failure.unwrap_err().tell(&scope, "f");
    assert!(!*scope.enter(&FLAG));
    assert_eq!(routing.in_flight().count("f", "on"), 0);
    assert_eq!(routing.in_flight().count("f", ""), 1);

    tracker.end_at_head(&fake::Response::new(200, &[]));
    let ended: Vec<_> = outcomes
        .records()
        .into_iter()
        .filter_map(|record| match record.event {
            OutcomeEvent::Ended(outcome) => Some((record.flag, outcome.ending())),
            _ => None,
        })
        .collect();
    assert_eq!(
        ended,
        [
            ("f".to_owned(), Ending::Panic),
            ("g".to_owned(), Ending::Success)
        ]
    );
}

#[tokio::test]
async fn gray_code_that_held_its_thread_beyond_its_budget_is_too_slow() {
    let fall_back = FallBack::new().budget(Duration::from_millis(5));
    let blocks = fall_back.attempt(async {
        std::thread::sleep(Duration::from_millis(20));
        tokio::task::yield_now().await;
    });
    assert_eq!(blocks.await.unwrap_err().ending(), Ending::Timeout);
}

#[tokio::test]
async fn what_gray_code_panics_with_may_panic_again() {
    struct Again;

    impl Drop for Again {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }

    let panics = FallBack::new().attempt(async { std::panic::panic_any(Again) });
    let failure: Result<(), _> = panics.await;
    assert_eq!(failure.unwrap_err().ending(), Ending::Panic);
}
