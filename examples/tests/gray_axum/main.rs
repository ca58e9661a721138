//! The example `gray_axum`, run as a process and used over real sockets.

mod load;
mod service;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use fader::{Flags, ManualClock};
use rustix::process::Signal;
use serde_json::json;

use service::{Connection, Service, root, run, wait_for};

/// `new-checkout` alone, on or off.
fn document(revision: u32, on: bool) -> String {
    format!(r#"{{ "revision": {revision}, "flags": {{ "new-checkout": {on} }} }}"#)
}

#[test]
fn each_kind_of_targeting_of_the_example_document() {
    let service = Service::start();
    let checkout = |path: &str, headers: &[(&str, &str)]| {
        let answer = service.get(path, headers);
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.header("x-fader"),
            Some(format!("new-checkout={}", answer.body).as_str())
        );
        answer.body
    };
    assert_eq!(checkout("/checkout", &[]), "stable");
    assert_eq!(checkout("/checkout", &[("x-user-id", "qa-1")]), "gray");
    assert_eq!(checkout("/checkout", &[("x-user-id", "")]), "stable");
    assert_eq!(
        checkout("/v2/checkout", &[]),
        "gray",
        "the caller's machine is among the gray hosts"
    );
    let gray = (0..2000)
        .filter(|user| checkout("/checkout", &[("x-user-id", &user.to_string())]) == "gray")
        .count();
    assert!((40..=170).contains(&gray), "{gray} of 2,000 users for 5 %");

    let decide = |flag: &str, headers: &[(&str, &str)]| {
        service.get("/flags", headers).json()[flag]["value"].clone()
    };
    assert_eq!(decide("dark-mode", &[]), json!(true));
    let ranked = |user: u32| decide("search-ranker", &[("x-user-id", &user.to_string())]);
    let rankers: Vec<_> = (0..400).map(ranked).collect();
    for (ranker, share) in [
        ("bm25", 150..250),
        ("hybrid-a", 60..140),
        ("hybrid-b", 60..140),
    ] {
        let users = rankers.iter().filter(|got| **got == ranker).count();
        assert!(share.contains(&users), "{users} of 400 users for {ranker}");
    }
    assert_eq!(decide("recommendations", &[]), json!(true));
    assert_eq!(
        decide("requests-per-minute", &[("x-app-id", "acme-pos")]),
        json!(1000)
    );
    assert_eq!(
        decide("requests-per-minute", &[("x-app-id", "other")]),
        json!(100)
    );
    assert_eq!(
        decide("named-contact", &[("x-user-id", "vip-100")]),
        json!(true)
    );
    assert_eq!(
        decide("named-contact", &[("x-user-id", "vip-1")]),
        json!(false)
    );
    for (number, in_set) in [
        ("1", true),
        ("100000000", true),
        ("100000001", false),
        ("0", false),
        ("007", false),
    ] {
        assert_eq!(
            decide("accounts-on-new-shard", &[("x-user-id", number)]),
            json!(in_set),
            "{number}"
        );
    }
    let upsell: Vec<_> = ["qa-1", "qa-2", "ann"]
        .map(|user| decide("checkout-upsell", &[("x-user-id", user)]))
        .into();
    assert_eq!(
        upsell[2],
        json!(false),
        "ann does not get the gray checkout: {upsell:?}"
    );
}

#[test]
fn every_decision_of_a_caller_in_the_order_of_the_document() {
    let service = Service::start_with(
        r#"{ "revision": 42, "flags": {
            "z": { "variants": { "s": ["text"], "t": { "a": [1, null] } }, "default": "t",
                   "rules": [{ "name": "ann", "if": { "attribute": "user.id", "is": "ann" }, "serve": "s" }] },
            "new-checkout": true,
            "a": { "enabled": false } } }"#,
    );
    let answer = service.get("/flags", &[("x-user-id", "ann")]);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        answer.body,
        r#"{"z":{"value":["text"],"variant":"s","reason":"TARGETING_MATCH","rule":"ann","version":"42"},"#.to_owned()
            + r#""new-checkout":{"value":true,"variant":"on","reason":"STATIC","rule":null,"version":"42"},"#
            + r#""a":{"value":null,"variant":null,"reason":"DISABLED","rule":null,"version":"42"}}"#
    );
    assert_eq!(answer.header("x-fader"), Some("z=s, new-checkout=on, a"));
    assert_eq!(
        service.get("/flags", &[]).json()["z"]["value"],
        json!({ "a": [1, null] })
    );
    assert_eq!(service.get("/nothing-here", &[]).status, 404);
}

#[test]
fn empty_headers_are_missing() {
    let service = Service::start_with(
        r#"{ "flags": {
            "key": { "rules": [{ "if": { "attribute": "targetingKey", "exists": true }, "serve": "on" }] },
            "user": { "rules": [{ "if": { "attribute": "user.id", "exists": true }, "serve": "on" }] },
            "number": { "rules": [{ "if": { "attribute": "user.number", "exists": true }, "serve": "on" }] },
            "app": { "rules": [{ "if": { "attribute": "app.id", "exists": true }, "serve": "on" }] } } }"#,
    );
    let seen = |user: &str, app: &str| {
        let answer = service.get("/flags", &[("x-user-id", user), ("x-app-id", app)]);
        let flags = answer.json();
        ["key", "user", "number", "app"].map(|flag| flags[flag]["value"] == true)
    };
    assert_eq!(seen("42", "acme"), [true; 4]);
    assert_eq!(seen("ann", ""), [true, true, false, false]);
    assert_eq!(seen("", "acme"), [false, false, false, true]);
    assert_eq!(seen("", ""), [false; 4]);
}

#[test]
fn the_example_document_has_no_warnings() {
    // Before the day on which its flags expire.
    let clock = ManualClock::at("2026-12-01T00:00:00Z").unwrap();
    let file = fader_providers::file(root().join("flags.example.json"))
        .flags(Flags::builder().clock(clock));
    let warnings: Vec<_> = file
        .open()
        .unwrap()
        .status()
        .warnings()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn says_what_to_try() {
    let service = Service::start();
    service.wait_until_it_says("curl -i -H 'x-user-id: qa-1'");
    service.wait_until_it_says("Ctrl-C stops the service");
}

#[test]
fn follows_edits_and_refuses_broken_ones() {
    let service = Service::start_with(&document(1, false));
    let checkout = || service.get("/checkout", &[]).body;
    assert_eq!(checkout(), "stable");

    service.replace(document(2, true));
    wait_for("the gray arm", || (checkout() == "gray").then_some(()));
    service.wait_until_it_says("loaded version 2: new-checkout");

    service.replace(r#"{ "flags": { "new-checkout": { "default": "of" } } }"#);
    service.wait_until_it_says("refused, the last good version stays live");
    service.wait_until_it_says("flags.new-checkout.default");
    assert_eq!(checkout(), "gray");

    // In place, as some editors save.
    std::fs::write(service.document(), document(3, false)).unwrap();
    wait_for("the stable arm", || (checkout() == "stable").then_some(()));
    service.wait_until_it_says("loaded version 3: new-checkout");

    std::fs::remove_file(service.document()).unwrap();
    service.wait_until_it_says("stale, the last good version stays live");
    assert_eq!(checkout(), "stable");
    service.replace(document(4, true));
    wait_for("the gray arm", || (checkout() == "gray").then_some(()));
}

#[test]
fn a_document_without_the_flag_is_a_warning_and_serves_the_default() {
    let service = Service::start_with(r#"{ "flags": { "other": true } }"#);
    assert_eq!(service.get("/checkout", &[]).body, "stable");
    assert_eq!(
        service.stderr(),
        "warning: the document has no flag `new-checkout`, so its default is served\n"
    );
}

#[test]
fn what_keeps_it_from_starting_is_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("good.json"), document(1, true)).unwrap();
    std::fs::write(
        path("broken.json"),
        r#"{ "flags": { "a": { "defalt": "on" }, "b": 7 } }"#,
    )
    .unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let cases = [
        (path("missing.json"), "127.0.0.1:0", path("missing.json")),
        (path("."), "127.0.0.1:0", path(".")),
        (
            path("broken.json"),
            "127.0.0.1:0",
            "did you mean `default`?".to_owned(),
        ),
        (path("good.json"), taken.as_str(), taken.clone()),
        (path("good.json"), "nonsense", "`nonsense`".to_owned()),
    ];
    for (flags, address, said) in cases {
        let output = run(&["--flags", &flags, "--addr", address]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert_eq!(output.stdout, b"", "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.starts_with("error: "), "{stderr}");
        assert_eq!(stderr.matches(&said).count(), 1, "{stderr}");
    }
}

#[test]
fn sigterm_finishes_requests_in_hand_and_closes_idle_connections() {
    let mut service = Service::start_with(&document(1, true));
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
    slow.send("host\r\n\r\n").unwrap();
    assert_eq!(slow.receive().unwrap().body, "gray");
    assert!(slow.is_closed());
    assert!(untouched.is_closed());
    assert_eq!(service.wait_for_exit().code(), Some(0));
}

/// Nothing is in hand, so that it need not use the time that requests in hand have.
#[test]
fn sigterm_ends_it_within_five_seconds() {
    let mut service = Service::start_with(&document(1, true));
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

#[test]
fn a_terminal_that_nobody_reads_holds_up_nothing() {
    let document = |revision: u32| {
        let flags =
            (0..3_000).map(|n| format!(r#", "f{n}": {}"#, (revision + n).is_multiple_of(2)));
        let flags: String = flags.collect();
        format!(r#"{{ "revision": {revision}, "flags": {{ "new-checkout": true{flags} }} }}"#)
    };
    let mut service = Service::start_with(&document(1));
    let stdout = service.collected_stdout();
    let unread = stdout.lock().unwrap();
    // Each names 3,000 flags that changed: together more than any pipe holds.
    for revision in 2..=20 {
        service.replace(document(revision));
        wait_for("the new version", || {
            let answer = service.get("/flags", &[]).json();
            (answer["new-checkout"]["version"] == json!(revision.to_string())).then_some(())
        });
    }
    service.signal(Signal::TERM);
    assert_eq!(service.wait_for_exit().code(), Some(0));
    drop(unread);
}

#[test]
fn a_client_that_never_ends_its_request_does_not_keep_it() {
    let mut service = Service::start_with(&document(1, true));
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
