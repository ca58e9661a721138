//! The HTTP provider against a real server on loopback: each row of what goes wrong in the field.
//!
//! What is looked for is awaited with a generous deadline. Where it matters how often or when at all the server is
//! asked, requests are counted; how fetches spread over time is tested on the schedule itself, without a clock.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fader::{Context, Event, Flags, State};
use fader_providers::{ErrorKind, HttpBuilder, http};

use self::server::{Answer, Request, Server};
use crate::provider_file::{PATIENCE, calm, child, document, is_at, until};

mod answers;
mod cache;
mod callbacks;
mod cold_start;
mod failures;
mod layers;
mod lists;
mod redirects;
pub(crate) mod server;
mod start;
mod tls;
mod tokens;

const NEVER: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(20);

/// Follows an address, asking again soon.
fn polled(url: &str) -> HttpBuilder {
    http(url)
        .poll_every(SOON)
        .initial_spread(Duration::ZERO)
        .wait_ready(PATIENCE)
        .connect_timeout(PATIENCE)
        .timeout(PATIENCE)
}

/// The same, where it is known already that nothing will be live.
fn failing(url: &str) -> HttpBuilder {
    polled(url).wait_ready(Duration::ZERO)
}

/// The error of the source whose name ends so, or an empty text.
fn error_of(flags: &Flags, name: &str) -> String {
    let status = flags.status();
    let errors = status
        .sources()
        .iter()
        .filter(|source| source.name().ends_with(name))
        .filter_map(|source| source.error());
    errors.collect()
}

/// Waits for an error that contains a text.
#[track_caller]
fn until_error(flags: &Flags, text: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !error_of(flags, "").contains(text) {
        assert!(
            Instant::now() < deadline,
            "`{text}` is not in `{}`",
            error_of(flags, "")
        );
        thread::sleep(Duration::from_millis(5));
    }
}

/// Notes what is told, one word each, with the kind of a failure.
fn record(flags: &Flags) -> (fader::Subscription, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&told);
    let subscription = flags.subscribe(move |event| {
        note.lock().unwrap().push(match event {
            Event::Loaded(change) => format!("loaded {}", change.version()),
            Event::Overlaid(_) => "overlaid".to_owned(),
            Event::Refused(_) => "refused".to_owned(),
            Event::Failed { kind, .. } => format!("failed: {kind}"),
            Event::Stale { .. } => "stale".to_owned(),
            Event::Recovered { .. } => "recovered".to_owned(),
            other => format!("{other:?}"),
        });
    });
    (subscription, told)
}

fn times(told: &Mutex<Vec<String>>, what: &str) -> usize {
    let told = told.lock().unwrap();
    told.iter().filter(|told| **told == what).count()
}

/// Serves a good document once, then something else, and shows that the good one stays live, that the status says why,
/// and that a good one is taken again afterwards without a restart.
#[track_caller]
fn stays_live_through(
    set_up: impl Fn(HttpBuilder) -> HttpBuilder,
    error: &str,
    bad: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) {
    let server = Server::new(|_| Answer::json(document(1)));
    let flags = set_up(polled(&server.url("/shop.json"))).open().unwrap();
    assert!(is_at(&flags, 1));
    server.now(bad);
    until_error(&flags, error);
    assert_eq!(flags.status().version(), "1", "what was live stays live");
    server.now(|_| Answer::json(document(2)));
    until("a good answer", || is_at(&flags, 2));
    assert_eq!(error_of(&flags, ""), "");
}

/// As [`stays_live_through`], with the settings as they are.
#[track_caller]
fn refused(error: &str, bad: impl Fn(&Request) -> Answer + Send + Sync + 'static) {
    stays_live_through(|http| http, error, bad);
}

#[test]
fn a_new_document_goes_live() {
    let server = Server::new(|_| Answer::json(document(1)));
    let flags = polled(&server.url("/shop.json")).open().unwrap();
    assert!(is_at(&flags, 1), "open waits for it");
    for revision in 2..5 {
        server.now(move |_| Answer::json(document(revision)));
        until("the new one", || is_at(&flags, revision));
    }
}

#[test]
fn an_etag_is_echoed_to_the_letter() {
    for etag in [
        r#""abc""#,
        r#"W/"abc""#,
        r#"W/"abc-gzip;x=1""#,
        "unquoted--gzip",
        "\"caf\u{e9}\"",
    ] {
        let server = Server::new(move |request| Answer::tagged(request, etag, document(1)));
        let flags = polled(&server.url("/shop.json")).open().unwrap();
        until("a few polls", || server.count() > 3);
        let requests = server.requests();
        assert_eq!(requests[0].header("if-none-match"), "");
        for request in &requests[1..] {
            assert_eq!(request.header("if-none-match"), etag);
        }
        until("that it was confirmed", || is_at(&flags, 1));
    }
}

/// Sent back, it would be more than a server takes for a header.
#[test]
fn an_etag_that_is_too_long_is_ignored() {
    let (short, long) = ("x".repeat(1024), "x".repeat(1025));
    for (etag, echo) in [(short.clone(), short.as_str()), (long, "")] {
        let server = Server::new(move |_| Answer::new("200 OK", &[("etag", &etag)], document(1)));
        let _flags = polled(&server.url("/shop.json")).open().unwrap();
        until("a few polls", || server.count() > 3);
        for request in &server.requests()[1..] {
            assert_eq!(request.header("if-none-match"), echo);
        }
    }
}

#[test]
fn an_etag_that_the_server_refuses_is_left_out() {
    let serve = |revision: u32| {
        move |request: &Request| match request.header("if-none-match") {
            "" => Answer::new("200 OK", &[("etag", "odd")], document(revision)),
            _ => Answer::status("400 Bad Request"),
        }
    };
    let server = Server::new(serve(1));
    let flags = polled(&server.url("/shop.json")).open().unwrap();
    let (_subscription, told) = record(&flags);
    server.now(serve(2));
    until("the next one", || is_at(&flags, 2));
    assert_eq!(*told.lock().unwrap(), ["loaded 2"], "and no failure");

    // What has nothing to do with the tag is not asked twice.
    let asked = server.count();
    server.now(|_| Answer::status("404 Not Found"));
    until_error(&flags, "404");
    let tagged = |request: &&Request| request.header("if-none-match").is_empty();
    let requests = server.requests();
    let last = requests[asked..].iter().filter(tagged).count();
    assert!(last <= 1, "{last}, the poll under way at most");
}

#[test]
fn an_etag_is_kept_only_when_its_document_was_taken() {
    let server = Server::new(|request| Answer::tagged(request, r#""good""#, document(1)));
    let flags = polled(&server.url("/shop.json")).open().unwrap();
    server.now(|request| Answer::tagged(request, r#""broken""#, "{"));
    until("the refusal", || flags.status().state() == State::Stale);
    let before = server.count();
    until("a few polls", || server.count() > before + 3);
    for request in &server.requests()[before + 1..] {
        assert_eq!(request.header("if-none-match"), r#""good""#);
    }
    server.now(|request| Answer::tagged(request, r#""good""#, document(1)));
    until("the old one confirmed", || is_at(&flags, 1));
}

#[test]
fn an_identical_body_is_a_no_op() {
    let server = Server::new(|_| Answer::json(document(1)));
    let flags = Flags::builder().build();
    let (_subscription, told) = record(&flags);
    polled(&server.url("/shop.json")).follow(&flags).unwrap();
    until("a few polls", || server.count() > 4);
    assert_eq!(*told.lock().unwrap(), ["loaded 1"]);
}

#[test]
fn a_304_with_nothing_in_hand_is_asked_again() {
    let server = Server::new(|request| match request.header("cache-control") {
        "no-cache" => Answer::json(document(1)),
        _ => Answer::status("304 Not Modified"),
    });
    let flags = polled(&server.url("/shop.json")).open().unwrap();
    assert!(is_at(&flags, 1));

    let server = Server::new(|_| Answer::status("304 Not Modified"));
    let flags = failing(&server.url("/shop.json")).open().unwrap();
    until_error(
        &flags,
        "the server says `304 Not Modified` of what it was never asked about",
    );
    assert_eq!(flags.status().state(), State::Failed);
}

#[test]
fn a_304_confirms_what_is_live() {
    let server = Server::new(|request| Answer::tagged(request, r#""a""#, document(1)));
    let flags = polled(&server.url("/shop.json"))
        .stale_after(Duration::ZERO)
        .open()
        .unwrap();
    let checked = || flags.status().sources()[0].checked_at();
    let first = checked();
    until("a later check", || checked() > first);
    let (_subscription, told) = record(&flags);
    server.now(|_| Answer::status("500 Internal Server Error"));
    until("the failure", || flags.status().state() == State::Stale);
    server.now(|request| Answer::tagged(request, r#""a""#, document(1)));
    until("the recovery", || is_at(&flags, 1));
    until("the word of it", || times(&told, "recovered") == 1);
}

#[test]
fn flags_that_were_set_aside_stay_so_through_a_304() {
    let body = r#"{ "revision": 1, "flags": { "good": true, "bad": { "default": "of" } } }"#;
    let server = Server::new(move |request| Answer::tagged(request, r#""a""#, body));
    let flags = polled(&server.url("/shop.json")).open().unwrap();
    let (_subscription, told) = record(&flags);
    until("a few polls", || server.count() > 4);
    assert_eq!(flags.status().set_aside(), ["bad"]);
    assert_eq!(flags.status().state(), State::Stale);
    assert!(error_of(&flags, "").contains("set aside: bad"));
    assert_eq!(*told.lock().unwrap(), [""; 0]);
    let good = flags.resolve("good", &Context::anonymous());
    assert_eq!(good.variant(), Some("on"));
}

#[test]
fn with_strictness_a_broken_flag_refuses_the_whole() {
    let server = Server::new(|_| Answer::json(document(1)));
    let flags = polled(&server.url("/shop.json"))
        .strictness(fader::Strictness::Strict)
        .open()
        .unwrap();
    server.now(|_| {
        Answer::json(r#"{ "revision": 2, "flags": { "good": true, "bad": { "default": "of" } } }"#)
    });
    until("the refusal", || flags.status().state() == State::Stale);
    assert_eq!(flags.status().version(), "1");
}

#[test]
fn a_document_that_lost_its_flags_is_refused_unless_allowed() {
    let empty = |_: &Request| Answer::json(r#"{ "revision": 2, "flags": {} }"#);
    refused("it has no flags, where the live document has 1", empty);

    let server = Server::new(|_| Answer::json(document(1)));
    let flags = polled(&server.url("/shop.json"))
        .allow_empty()
        .open()
        .unwrap();
    server.now(empty);
    until("the empty one", || is_at(&flags, 2));
}

#[test]
fn a_lower_version_is_refused_unless_allowed() {
    refused("revision 0 is below the live one, 1", |_| {
        Answer::json(document(0))
    });

    let server = Server::new(|_| Answer::json(document(7)));
    let flags = polled(&server.url("/shop.json"))
        .allow_downgrade()
        .open()
        .unwrap();
    server.now(|_| Answer::json(document(3)));
    until("the lower one", || is_at(&flags, 3));
}

#[test]
fn one_fetch_is_in_flight_at_a_time() {
    let server = Server::new(|_| Answer::json(document(1)).after(SOON * 10));
    let flags = polled(&server.url("/shop.json")).open().unwrap();
    until("a few polls", || server.count() > 5);
    assert_eq!(server.most_in_flight(), 1);
    drop(flags);
}

#[test]
fn the_thread_ends_with_the_last_handle_in_the_middle_of_a_fetch() {
    let server = Server::new(|_| Answer::json(document(1)));
    let flags = polled(&server.url("/shop.json"))
        .timeout(NEVER)
        .open()
        .unwrap();
    server.now(|_| Answer::default().hang());
    let before = server.count();
    until("a fetch that hangs", || server.count() > before);
    assert_eq!(server.left(), 0);
    drop(flags);
    until("that it was dropped", || server.left() == 1);
    server.now(|_| Answer::json(document(2)));
    let after = server.count();
    calm();
    assert_eq!(server.count(), after, "nobody asks any more");
}

/// In a process of its own, where no other test has such threads.
#[cfg(target_os = "linux")]
#[test]
fn the_thread_ends_with_the_last_handle_between_fetches() {
    if child::place().is_none() {
        let name = "the_thread_ends_with_the_last_handle_between_fetches";
        let place = tempfile::tempdir().unwrap();
        let child = child::again(module_path!(), name, &["env"], place.path());
        return child::assert_passes(child);
    }
    let server = Server::new(|_| Answer::json(document(1)));
    let flags = polled(&server.url("/shop.json"))
        .poll_every(NEVER)
        .open()
        .unwrap();
    assert!(is_at(&flags, 1));
    let other = flags.clone();
    drop(flags);
    calm();
    assert_eq!(child::threads("fader-http"), 1, "a clone keeps it");
    drop(other);
    until("the end of the thread", || {
        child::threads("fader-http") == 0
    });
}

#[test]
fn a_subscriber_that_panics_ends_nothing() {
    let server = Server::new(|_| Answer::json(document(1)));
    let flags = polled(&server.url("/shop.json")).open().unwrap();
    let _subscription = flags.subscribe(|_| panic!("on purpose"));
    for revision in 2..4 {
        server.now(move |_| Answer::json(document(revision)));
        until("the next one", || is_at(&flags, revision));
    }
}

#[test]
fn an_overlay_is_put_on_top_of_what_another_provider_delivers() {
    let overlay = r#"{ "version": 1, "flags": { "new-checkout": { "killed": true } } }"#;
    let server = Server::new(move |request| match &*request.path {
        "/shop.json" => Answer::json(document(1)),
        _ => Answer::json(overlay),
    });
    let flags = polled(&server.url("/shop.json")).open().unwrap();
    let on = || {
        flags
            .resolve("new-checkout", &Context::anonymous())
            .variant()
            == Some("on")
    };
    assert!(on());
    polled(&server.url("/overlay.json"))
        .as_overlay()
        .follow(&flags)
        .unwrap();
    assert!(!on(), "follow waits for it");
    assert!(is_at(&flags, 1));
    server.now(move |request| match &*request.path {
        "/shop.json" => Answer::json(document(2)),
        _ => Answer::status("404 Not Found"),
    });
    until("the document", || flags.status().version() == "2");
    until("the failure", || {
        !error_of(&flags, "overlay.json").is_empty()
    });
    assert!(!on(), "an overlay that is gone stays in force");
    server.now(move |request| match &*request.path {
        "/shop.json" => Answer::json(document(2)),
        _ => Answer::json(r#"{ "version": 2, "flags": {} }"#),
    });
    until("that it is lifted", on);
}

/// Both the document and its overlay from one script, told apart by the query.
#[test]
fn addresses_that_differ_in_the_query_are_two_sources() {
    let server = Server::new(|request| match &*request.path {
        "/get?what=flags" => Answer::json(document(1)),
        _ => Answer::status("500 Internal Server Error"),
    });
    let flags = polled(&server.url("/get?what=flags"))
        .stale_after(Duration::ZERO)
        .open()
        .unwrap();
    failing(&server.url("/get?what=overlay"))
        .as_overlay()
        .follow(&flags)
        .unwrap();
    until_error(&flags, "500");
    let status = flags.status();
    let names: Vec<_> = status.sources().iter().map(|s| s.name()).collect();
    let [first, second] = names[..] else {
        panic!("{names:?}")
    };
    assert!(first != second, "{names:?}");
    for name in names {
        let tag = name.strip_prefix(&server.url("/get?…")).unwrap();
        assert_eq!(tag.len(), 4);
    }
}

#[test]
fn what_is_fetched_once_can_be_loaded() {
    let server = Server::new(|request| match &*request.path {
        "/shop.json?tenant=7" => Answer::json(lists::DOCUMENT),
        _ => Answer::new("200 OK", &[], "anna\n"),
    });
    let fetched = http(server.url("/shop.json?tenant=7")).fetch().unwrap();
    assert_eq!(fetched.document(), lists::DOCUMENT.as_bytes());
    let name = fetched.source().name();
    assert_eq!(name, server.url("/shop.json?…ceb4"));
    assert!(!format!("{fetched:?}").contains("tenant"));
    let (flags, source) = (Flags::builder().build(), fetched.source().clone());
    flags.load(fetched, &source).unwrap();
    assert!(lists::admits(&flags, "anna"));

    server.now(|_| Answer::status("404 Not Found"));
    let error = http(server.url("/shop.json")).fetch().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        error.to_string(),
        format!(
            "cannot fetch `{}`: the server answers `404 Not Found`",
            server.url("/shop.json")
        )
    );
}
