//! Starts: with the server up, late or down, with something at hand or nothing, with settings that are wrong.

use super::server::nobodys_address;
use super::*;

const BOOTSTRAP: &str = r#"{ "revision": 900, "flags": { "new-checkout": true, "extra": true } }"#;

#[test]
fn open_waits_for_the_first_answer() {
    let server = Server::new(|_| Answer::json(document(1)).after(Duration::from_millis(300)));
    let flags = polled(&server.url("/shop.json")).open().unwrap();
    assert!(is_at(&flags, 1));
}

/// Were it to wait longer, the test would never end.
#[test]
fn open_waits_no_longer_than_asked() {
    let server = Server::new(|_| Answer::default().hang());
    let flags = polled(&server.url("/shop.json"))
        .timeout(NEVER)
        .wait_ready(Duration::from_millis(50))
        .open()
        .unwrap();
    assert_eq!(flags.status().state(), State::Failed);
}

#[test]
fn open_waits_through_failures() {
    let server = Server::new(|_| Answer::status("500 Internal Server Error"));
    let (url, asked) = (server.url("/shop.json"), server);
    let opening = thread::spawn(move || polled(&url).open().unwrap());
    until("the first failure", || asked.count() > 0);
    asked.now(|_| Answer::json(document(1)));
    assert!(is_at(&opening.join().unwrap(), 1));
}

#[test]
fn a_server_that_is_down_at_the_start_turns_ready_later() {
    let address = nobodys_address();
    let flags = failing(&format!("http://{address}/shop.json"))
        .open()
        .unwrap();
    until_error(&flags, "no connection: connection refused");
    assert_eq!(flags.status().state(), State::Failed);
    let _server = Server::at(address, |_| Answer::json(document(1)));
    until("late success", || is_at(&flags, 1));
}

#[test]
fn a_server_that_answers_rubbish_at_the_start_is_no_error() {
    let server = Server::new(|_| Answer::json("{ \"flags\": 7 }"));
    let flags = failing(&server.url("/shop.json")).open().unwrap();
    until("the refusal", || !error_of(&flags, "").is_empty());
    assert_eq!(flags.status().state(), State::Failed);
    server.now(|_| Answer::json(document(1)));
    until("late success", || is_at(&flags, 1));
}

/// The first fetch is an hour away, and `open` would wait for it as long.
#[test]
fn the_bootstrap_document_is_live_before_anything_is_asked() {
    let server = Server::new(|_| Answer::json(document(1)));
    let flags = Flags::builder().build();
    let (_subscription, told) = record(&flags);
    polled(&server.url("/shop.json"))
        .bootstrap(BOOTSTRAP)
        .initial_spread(NEVER)
        .wait_ready(NEVER)
        .follow(&flags)
        .unwrap();
    assert_eq!(
        flags.resolve("extra", &Context::anonymous()).variant(),
        Some("on")
    );
    assert_eq!(flags.status().state(), State::Stale);
    let error = error_of(&flags, "/shop.json");
    assert!(
        error.ends_with("the bootstrap document stands in"),
        "{error}"
    );
    assert_eq!(
        *told.lock().unwrap(),
        ["loaded 900", "failed: bootstrap", "stale"]
    );
}

#[test]
fn the_bootstrap_document_gives_way_to_what_the_server_says() {
    let server = Server::new(|_| Answer::json(document(1)));
    let flags = polled(&server.url("/shop.json"))
        .bootstrap(BOOTSTRAP)
        .open()
        .unwrap();
    until("the document, whatever its revision", || is_at(&flags, 1));
}

#[test]
fn the_bootstrap_document_stays_while_the_server_is_down() {
    let flags = polled(&format!("http://{}/shop.json", nobodys_address()))
        .bootstrap(BOOTSTRAP)
        .stale_after(NEVER)
        .open()
        .unwrap();
    until_error(&flags, "connection refused");
    assert_eq!(flags.status().version(), "900");
    assert_eq!(flags.status().state(), State::Stale, "it was never fresh");
}

#[test]
fn without_anything_at_hand_the_first_fetch_is_at_once() {
    let server = Server::new(|_| Answer::json(document(1)));
    let flags = polled(&server.url("/shop.json"))
        .initial_spread(NEVER)
        .open()
        .unwrap();
    assert!(is_at(&flags, 1));
}

#[test]
fn what_no_waiting_mends_is_an_error_of_open() {
    let good = "https://127.0.0.1:1/shop.json";
    for (settings, expected) in [
        (
            http("shop.json"),
            "`shop.json` is no address: relative URL without a base",
        ),
        (
            http("ftp://example.com/shop.json"),
            "the address is of the scheme `ftp`; only `http` and `https` can be fetched",
        ),
        (
            http("https://bo:secret@example.com/shop.json"),
            "the address `https://example.com/shop.json` has a user or a password in it; use `authorization`, \
             which keeps them out of sight",
        ),
        (
            http(good).header("x y", "secret"),
            "`x y` is no name of a header",
        ),
        (
            http(good).header("x-key", "secret\r\nx-other: 1"),
            "the value of the header `x-key` can stand in no header",
        ),
        (
            http(good).root_certificate("nonsense"),
            "the root certificate is not in PEM form: it has no `BEGIN CERTIFICATE`",
        ),
    ] {
        let fetched = settings.fetch().unwrap_err();
        let error = settings.open().unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.kind(), ErrorKind::Setting);
        assert!(!error.is_transient());
        assert_eq!(fetched.to_string(), expected);
    }
    let error = http(good).bootstrap("{ \"flags\": 7 }").open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(
        error.to_string().starts_with("bootstrap document:1:"),
        "{error}"
    );
}
