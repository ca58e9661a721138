use fader::{Ending, FlagKey, MemoryOutcomes, Outcome, Watch};

use super::*;
use crate::PinnedScope;
use crate::fake::{self, Request, Response};

static FLAG: FlagKey<bool> = FlagKey::new("f", &false);
static PLAIN: FlagKey<bool> = FlagKey::new("plain", &false);

const BY_VISITOR: &str =
    r#"{ "flags": { "f": { "rules": [ { "percent": 50, "by": "visitor", "serve": "on" } ] } } }"#;

/// The cookie that a response sets.
fn cookie(tracker: &mut Tracker) -> Option<String> {
    let mut response = Response::new(200, &[]);
    tracker.head(&mut response);
    let lines = response.all("set-cookie");
    assert!(lines.len() <= 1);
    let (value, _) = lines.first()?.split_once(';').unwrap();
    Some(value.to_owned())
}

fn drawn(tracker: &Tracker) -> bool {
    tracker.scope().resolve("f").draw().is_some()
}

#[test]
fn a_visitor_is_made_on_a_navigation_and_known_again() {
    let secret = [7; 32];
    let routing =
        Routing::new(fake::flags(BY_VISITOR)).visitor(Visitor::new().key(secret).unwrap());
    let navigation = ("sec-fetch-mode", "navigate");

    // Not by what loads parts of a page, nor by what has no browser.
    for headers in [
        &[][..],
        &[("sec-fetch-mode", "cors")],
        &[("sec-fetch-mode", "no-cors")],
    ] {
        let mut tracker = routing.pin(&Request::new(headers), |_| {});
        assert!(!drawn(&tracker));
        assert_eq!(cookie(&mut tracker), None);
    }
    // The one that it is made for is drawn, too.
    let mut tracker = routing.pin(&Request::new(&[navigation]), |_| {});
    assert!(drawn(&tracker));
    let variant = tracker.scope().resolve("f").variant().map(str::to_owned);
    let set = cookie(&mut tracker).unwrap();
    for headers in [&[("cookie", &*set)][..], &[("cookie", &*set), navigation]] {
        let mut tracker = routing.pin(&Request::new(headers), |_| {});
        assert_eq!(
            tracker.scope().resolve("f").variant().map(str::to_owned),
            variant
        );
        assert_eq!(cookie(&mut tracker), None);
    }
    // A forged one is nobody.
    let forged = set.replace("=1.", "=1.A");
    let mut tracker = routing.pin(&Request::new(&[("cookie", &forged)]), |_| {});
    assert!(!drawn(&tracker));
    assert_eq!(cookie(&mut tracker), None);
    let mut tracker = routing.pin(&Request::new(&[("cookie", &forged), navigation]), |_| {});
    assert!(drawn(&tracker) && cookie(&mut tracker).is_some());
}

#[test]
fn visitors_are_off_until_enabled() {
    let routing = Routing::new(fake::flags(BY_VISITOR));
    let request = Request::new(&[
        ("sec-fetch-mode", "navigate"),
        ("cookie", "fader_visitor=1.AAAAAAAAAAAAAAAAAAAAAA.0"),
    ]);
    let mut tracker = routing.pin(&request, |_| {});
    assert!(!drawn(&tracker));
    assert_eq!(cookie(&mut tracker), None);
}

#[test]
fn a_visitor_is_as_old_as_the_cookie_says() {
    use std::sync::Mutex;

    use fader::{DrawnFlag, OutcomeSink};

    #[derive(Default)]
    struct Ages(Mutex<Vec<Option<u64>>>);

    impl OutcomeSink for Ages {
        fn ended(&self, drawn: &DrawnFlag<'_>, _: &Outcome) {
            let age = drawn.unit_age().map(|age| age.as_secs());
            self.0.lock().unwrap().push(age);
        }
    }

    let flags = fake::flags(BY_VISITOR);
    let ages = Arc::new(Ages::default());
    flags.add_outcome_sink(Arc::clone(&ages), Watch::Drawn);
    let routing = Routing::new(flags).visitor(Visitor::new());
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let cookie = |age| format!("fader_visitor=1.AAAAAAAAAAAAAAAAAAAAAA.{}", now - age);
    for headers in [
        [("cookie", cookie(1000)), ("x", String::new())],
        [
            ("cookie", String::new()),
            ("sec-fetch-mode", "navigate".to_owned()),
        ],
    ] {
        let headers = headers.each_ref().map(|(name, value)| (*name, &**value));
        let tracker = routing.pin(&Request::new(&headers), |_| {});
        let _ = tracker.scope().resolve("f");
        tracker.scope().finish(Outcome::new(Ending::Success));
    }
    let ages = ages.0.lock().unwrap();
    assert!(matches!(ages[..], [Some(1000..1010), Some(0)]), "{ages:?}");
}

fn scope(routing: &Routing) -> PinnedScope {
    routing.pin(&Request::default(), |_| {}).scope().clone()
}

const CAPPED: &str = r#"{ "flags": {
    "f": { "rules": [ { "percent": 100, "by": "request", "serve": "on" } ] },
    "plain": true,
    "on-f": { "rules": [ { "if": { "flag": "f", "is": "on" }, "serve": "on" } ] } } }"#;

#[test]
fn beyond_a_cap_requests_are_stable_and_in_no_statistics() {
    let flags = fake::flags(CAPPED);
    let outcomes = Arc::new(MemoryOutcomes::new());
    flags.add_outcome_sink(Arc::clone(&outcomes), Watch::Drawn);
    let routing = Routing::new(flags).cap(&FLAG, Cap::new().max_concurrency(2));
    let pin = || routing.pin(&Request::default(), |_| {});
    let mut held: Vec<_> = (0..4).map(|_| pin()).collect();
    let on: Vec<bool> = held
        .iter()
        .map(|tracker| *tracker.scope().get(&FLAG))
        .collect();
    assert_eq!(on, [true, true, false, false]);
    // It is the decision of the whole request, however it is asked for.
    for (tracker, on) in held.iter().zip(on) {
        let scope = tracker.scope();
        for _ in 0..2 {
            assert_eq!(*scope.get(&FLAG), on);
            assert_eq!(scope.resolve("f").variant() == Some("on"), on);
            assert_eq!(scope.resolve("on-f").variant() == Some("on"), on);
            assert_eq!(scope.resolve("f").draw().is_some(), on);
        }
        scope.finish(Outcome::new(Ending::Success));
    }
    let told = outcomes.take();
    assert_eq!(told.len(), 2 * 2, "{told:?}");
    // One that is over makes room, a refused one does not.
    held.pop();
    assert!(!*scope(&routing).get(&FLAG));
    drop(held.remove(0));
    assert!(*scope(&routing).get(&FLAG));
}

#[test]
fn a_cap_holds_for_those_who_ask_by_another_flag_first() {
    let routing = Routing::new(fake::flags(CAPPED)).cap(&FLAG, Cap::new().max_concurrency(1));
    let held = scope(&routing);
    assert_eq!(held.resolve("on-f").variant(), Some("on"));
    let beyond = scope(&routing);
    assert_eq!(beyond.resolve("on-f").variant(), Some("off"));
    assert!(*held.get(&FLAG) && !*beyond.get(&FLAG));
    drop(held);
    assert!(!*beyond.get(&FLAG) && *scope(&routing).get(&FLAG));
}

#[test]
fn flags_that_are_on_for_everybody_are_capped_too() {
    let routing = Routing::new(fake::flags(CAPPED)).cap(&PLAIN, Cap::new().max_concurrency(1));
    let held = scope(&routing);
    assert!(*held.get(&PLAIN) && !*scope(&routing).get(&PLAIN));
    // A flag without a cap is not, and one whose `false` is asked for takes no place.
    assert!(*scope(&routing).get(&FLAG));
    // A later cap replaces an earlier one.
    let routing = routing.cap(&PLAIN, Cap::new().max_concurrency(0));
    assert!(!*scope(&routing).get(&PLAIN) && *held.get(&PLAIN));
    // In an explanation nobody takes a place.
    let routing = routing.cap(&PLAIN, Cap::new().max_concurrency(1));
    for _ in 0..3 {
        let _ = scope(&routing).explain("plain");
    }
    assert!(*scope(&routing).get(&PLAIN));
}

#[test]
fn threads_of_one_request_get_one_answer() {
    for _ in 0..200 {
        let routing = Routing::new(fake::flags(CAPPED)).cap(&FLAG, Cap::new().max_concurrency(1));
        let (first, second) = (scope(&routing), scope(&routing));
        let ask = |scope: &PinnedScope| *scope.get(&FLAG);
        let answers = std::thread::scope(|threads| {
            let asking =
                [&first, &first, &second, &second].map(|scope| threads.spawn(move || ask(scope)));
            asking.map(|thread| thread.join().unwrap())
        });
        assert_eq!((answers[0], answers[2]), (answers[1], answers[3]));
        assert!(!(answers[0] && answers[2]));
        drop((first, second));
        assert!(*scope(&routing).get(&FLAG));
    }
}
