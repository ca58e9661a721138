//! How the examples stop.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::document;
use crate::service::{AXUM, Connection, Example, Service, wait_for};
use crate::streams::socket;

pub fn sigterm_finishes_requests_in_hand_and_closes_idle_connections(example: Example) {
    let mut service = example.start_with(&document(1, true));
    let mut idle = service.connect();
    assert_eq!(idle.get("/checkout", &[]).unwrap().body, "gray");
    let mut untouched = service.connect();
    let mut slow = service.connect();
    slow.send("GET /checkout HTTP/1.1\r\nhost: local").unwrap();
    // An answer on a later connection: the service has seen the ones before.
    assert_eq!(service.get("/checkout", &[]).body, "gray");

    service.signal(Signal::TERM);
    service.wait_until_it_says("stopping");
    assert!(idle.is_closed());
    wait_for("refused connections", || {
        Connection::open(service.address).is_err().then_some(())
    });
    // actix-web takes a connection with half a head for an idle one.
    if example == AXUM {
        slow.send("host\r\n\r\n").unwrap();
        assert_eq!(slow.receive().unwrap().body, "gray");
        assert!(slow.is_closed());
    }
    assert!(untouched.is_closed());
    assert_eq!(service.wait_for_exit().code(), Some(0));
}

/// Nothing is in hand, so that it need not use the time that requests in hand have.
pub fn sigterm_ends_it_within_five_seconds(example: Example) {
    let mut service = example.start_with(&document(1, true));
    let mut idle = service.connect();
    assert_eq!(idle.get("/checkout", &[]).unwrap().body, "gray");
    let start = Instant::now();
    service.signal(Signal::TERM);
    assert_eq!(service.wait_for_exit().code(), Some(0));
    let took = start.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    let said = service.stdout();
    assert!(!said.contains("left what was not finished"), "{said}");
}

pub fn a_client_that_never_ends_its_request_does_not_keep_it(example: Example) {
    let mut service = example.start_with(&document(1, true));
    let mut endless = service.connect();
    endless.send("GET /checkout HTTP/1.1\r\n").unwrap();
    assert_eq!(service.get("/checkout", &[]).body, "gray");
    let start = Instant::now();
    service.signal(Signal::INT);
    service.wait_until_it_says("stopping");
    assert_eq!(service.wait_for_exit().code(), Some(0));
    // It gives such a client 4 s; the rest is for a busy machine.
    let took = start.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(endless.receive().is_err());
}

/// A client that sends to its socket and reads nothing keeps the handler from seeing that it is to end.
pub fn what_does_not_retire_is_left_after_the_grace_and_the_probe_says_so(example: Example) {
    let mut service = example.start_with(&document(1, true));
    let ready = |service: &Service| {
        let answer = service.get("/ready", &[]);
        (answer.status, answer.body)
    };
    assert_eq!(ready(&service), (200, "ready".to_owned()));
    let mut stuck = socket(&service);
    // A binary frame of 32 KiB.
    let frame = [
        &[0x82, 0x80 | 126, 0x80, 0, 0, 0, 0, 0][..],
        &[b'x'; 0x8000],
    ]
    .concat();
    stuck.flood(&frame);
    let start = Instant::now();
    service.signal(Signal::TERM);
    service.wait_until_it_says("stopping");
    wait_for("a probe that is not ready", || {
        (ready(&service) == (503, "draining".to_owned())).then_some(())
    });
    // What comes meanwhile is still served.
    assert_eq!(service.get("/checkout", &[]).body, "gray");
    assert_eq!(service.wait_for_exit().code(), Some(0));
    let took = start.elapsed();
    // The grace is 4 s; the rest is for a busy machine.
    assert!((4..15).contains(&took.as_secs()), "{took:?}");
    service.wait_until_it_says("left what was not finished within 4 s");
}
