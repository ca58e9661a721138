use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use fader::{Arm, MemoryOutcomes, OutcomeEvent, OutcomeRecord, Watch};

use super::*;
use crate::Routing;
use crate::fake::{self, Request, Response};

const DRAWN: &str =
    r#"{ "flags": { "f": { "rules": [ { "percent": 100, "by": "request", "serve": "on" } ] } } }"#;

struct Watched {
    routing: Routing,
    outcomes: Arc<MemoryOutcomes>,
}

impl Watched {
    fn new() -> Self {
        let flags = fake::flags(DRAWN);
        let outcomes = Arc::new(MemoryOutcomes::new());
        flags.add_outcome_sink(Arc::clone(&outcomes), Watch::Drawn);
        Self {
            routing: Routing::new(flags),
            outcomes,
        }
    }

    /// A request that has been drawn.
    fn drawn(&self) -> Tracker {
        let tracker = self.routing.pin(&Request::default(), |_| {});
        let _ = tracker.scope().resolve("f");
        tracker
    }

    /// How the only request since the last call ended.
    fn ending(&self) -> Option<Ending> {
        let records = self.outcomes.take();
        let mut endings = records
            .iter()
            .filter_map(|OutcomeRecord { event, arm, .. }| {
                assert_eq!(*arm, Arm::Gray);
                match event {
                    OutcomeEvent::Ended(outcome) => {
                        assert!(outcome.latency().is_some());
                        Some(outcome.ending())
                    }
                    _ => None,
                }
            });
        let first = endings.next();
        assert_eq!(endings.next(), None);
        first
    }
}

#[test]
fn a_request_ends_once() {
    let watched = Watched::new();
    let ok = Response::new(200, &[]);

    watched.drawn().end_at_head(&ok);
    assert_eq!(watched.ending(), Some(Ending::Success));

    watched.drawn().failed();
    assert_eq!(watched.ending(), Some(Ending::ServerError));

    drop(watched.drawn());
    assert_eq!(watched.ending(), Some(Ending::Dropped));

    // The handler has the last word, if it speaks first.
    let tracker = watched.drawn();
    tracker
        .scope()
        .finish(Outcome::new(Ending::Timeout).took(std::time::Duration::ZERO));
    tracker.end_at_head(&ok);
    assert_eq!(watched.ending(), Some(Ending::Timeout));
}

#[test]
fn a_panic_is_told_from_a_client_that_went_away() {
    let watched = Watched::new();
    let mut tracker = watched.drawn();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        tracker.polled(|| panic!("a handler's"))
    }));
    assert!(panicked.is_err());
    drop(tracker);
    assert_eq!(watched.ending(), Some(Ending::Panic));

    let mut tracker = watched.drawn();
    tracker.polled(|| ());
    drop(tracker);
    assert_eq!(watched.ending(), Some(Ending::Dropped));

    let mut body = watched
        .drawn()
        .end_with_body(&Response::new(200, &[]), None)
        .unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| body.polled(|| panic!("a stream's"))));
    assert!(panicked.is_err());
    drop(body);
    assert_eq!(watched.ending(), Some(Ending::Panic));
}

#[test]
fn a_body_is_followed_to_its_end() {
    let watched = Watched::new();
    let body = |status| {
        watched
            .drawn()
            .end_with_body(&Response::new(status, &[]), None)
            .unwrap()
    };

    let mut complete = body(200);
    assert_eq!(watched.ending(), None);
    complete.end();
    assert_eq!(watched.ending(), Some(Ending::Success));
    drop(complete);
    assert_eq!(watched.ending(), None);

    let mut broken = body(200);
    broken.fail();
    assert_eq!(watched.ending(), Some(Ending::ServerError));

    drop(body(200));
    assert_eq!(watched.ending(), Some(Ending::Dropped));

    for (status, trailer, expected) in [
        (200, Some(&b"0"[..]), Ending::Success),
        (200, Some(b"13"), Ending::ServerError),
        (200, None, Ending::Success),
        (500, Some(b"0"), Ending::ServerError),
    ] {
        let mut body = body(status);
        // A server asks for nothing behind trailers.
        body.trailers(trailer);
        assert_eq!(watched.ending(), Some(expected));
    }
}

#[test]
fn a_flag_read_while_the_body_is_made_counts_only_where_that_is_the_end() {
    let watched = Watched::new();
    let ok = Response::new(200, &[]);
    let events = || -> Vec<_> {
        let records = watched.outcomes.take();
        records.into_iter().map(|record| record.event).collect()
    };

    let tracker = watched.routing.pin(&Request::default(), |_| {});
    let scope = tracker.scope().clone();
    tracker.end_at_head(&ok);
    let _ = scope.resolve("f");
    assert_eq!(events(), [OutcomeEvent::Late]);

    let tracker = watched.routing.pin(&Request::default(), |_| {});
    let mut body = tracker.end_with_body(&ok, None).unwrap();
    let _ = body.scope().resolve("f");
    body.end();
    assert!(matches!(
        &events()[..],
        [OutcomeEvent::Began, OutcomeEvent::Ended(_)]
    ));
}

#[test]
fn a_body_ends_with_the_last_byte_that_was_announced() {
    let watched = Watched::new();
    let ok = Response::new(200, &[]);
    let mut body = watched.drawn().end_with_body(&ok, Some(10)).unwrap();
    for (bytes, ending) in [(4, None), (5, None), (1, Some(Ending::Success)), (1, None)] {
        body.sent(bytes);
        assert_eq!(watched.ending(), ending);
    }
    // A body that no server sends has ended before it began.
    for (status, length) in [(200, Some(0)), (204, None), (304, Some(9)), (101, None)] {
        let body = watched
            .drawn()
            .end_with_body(&Response::new(status, &[]), length);
        assert!(body.is_none());
        assert_eq!(watched.ending(), Some(Ending::of_status(status)));
    }
}

#[test]
fn a_sink_that_panics_aborts_no_process() {
    struct Panics;

    impl fader::OutcomeSink for Panics {
        fn ended(&self, _: &fader::DrawnFlag<'_>, _: &Outcome) {
            panic!("a sink's");
        }
    }

    let watched = Watched::new();
    watched
        .routing
        .flags()
        .add_outcome_sink(Panics, Watch::Drawn);
    let mut tracker = watched.drawn();
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        tracker.polled(|| panic!("a handler's"))
    }));
    assert!(panicked.is_err());
    drop(watched.drawn());
}
