//! What is logged of handles that providers follow, line by line.
//!
//! Providers tell of what happens on threads of their own, so that each test is a process of its own, which has one
//! subscriber for all threads.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::Duration;

use fader::{Event, State, Subscription};
use fader_providers::{file, http};

use super::*;
use crate::provider_file::{child, until};
use crate::provider_http::server::{Answer, Server, nobodys_address};

const NEVER: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(20);

/// Runs a test in a process of its own, with a folder of its own.
fn alone(name: &str, run: impl FnOnce(&Path, &Lines)) {
    let Some(root) = child::place() else {
        let place = tempfile::tempdir().unwrap();
        let child = child::again(module_path!(), name, &["env"], place.path());
        return child::assert_passes(child);
    };
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_writer(lines.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    run(&root, &lines);
}

/// Counts tries that failed.
fn failures(flags: &Flags) -> (Subscription, Arc<Mutex<usize>>) {
    let count = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&count);
    let subscription = flags.subscribe(move |event| {
        *counted.lock().unwrap() += usize::from(matches!(event, Event::Failed { .. }));
    });
    (subscription, count)
}

/// Waits for some tries more that fail.
fn until_tries(count: &Mutex<usize>) {
    let before = *count.lock().unwrap();
    until("a few tries", || *count.lock().unwrap() > before + 2);
}

#[test]
fn a_file_is_told_of_at_the_call_and_each_error_once() {
    let name = "a_file_is_told_of_at_the_call_and_each_error_once";
    alone(name, |root, lines| {
        let path = root.join("flags.json");
        let take = || -> Vec<String> {
            let lines = lines.take();
            let short = lines
                .iter()
                .map(|line| line.replace(path.to_str().unwrap(), "FILE"));
            short.collect()
        };
        fs::write(&path, BROKEN).unwrap();
        let flags = file(&path)
            .bootstrap(document(50, 5))
            .flags(Flags::builder().clock(Steps::new()))
            .watch(false)
            .poll_every(SOON)
            .open()
            .unwrap();
        telemetry::log(&flags);
        let (_subscription, tries) = failures(&flags);
        // A few polls, of which nothing is told: it is the same content.
        thread::sleep(SOON * 20);
        assert_eq!(
            take(),
            [
                r#"INFO fader: flags are live source="bootstrap document" state="stale" version="50" overlay=0 flags=1"#,
                r#"WARN fader: a source failed source="FILE" kind="refused" error="FILE:1:19: error: at flags.f: `a flag` takes true, false or an object, not a number" stale=true"#,
            ]
        );
        let replace = |content: &str| {
            fs::write(root.join("next"), content).unwrap();
            fs::rename(root.join("next"), &path).unwrap();
        };
        replace(&document(7, 5));
        until("the document", || flags.status().version() == "7");
        fs::remove_file(&path).unwrap();
        until_tries(&tries);
        replace(&document(7, 5));
        until("the same again", || flags.status().state() == State::Ready);
        fs::remove_file(&path).unwrap();
        until_tries(&tries);
        // In between it is there, and broken: then it is gone anew.
        replace(BROKEN);
        until("the refusal", || {
            let status = flags.status();
            status
                .sources()
                .iter()
                .any(|source| source.kind() == Some("refused"))
        });
        fs::remove_file(&path).unwrap();
        until_tries(&tries);
        drop(flags);
        let gone = r#"WARN fader: a source failed source="FILE" kind="not-found" error="cannot read `FILE`: no such file" stale=true"#;
        let good = r#"INFO fader: a source is good again source="FILE""#;
        assert_eq!(
            take(),
            [
                r#"INFO fader: a document went live source="FILE" version="7" previous="50" changed=0 warnings=0 compile_ms=5.0"#,
                gone,
                good,
                gone,
                r#"WARN fader: refused, the last good one stays live source="FILE" kind="wrong-type" error="FILE:1:19: error: at flags.f: `a flag` takes true, false or an object, not a number""#,
                gone,
            ]
        );
    });
}

#[test]
fn an_address_is_told_of_at_the_call_and_each_error_once() {
    let name = "an_address_is_told_of_at_the_call_and_each_error_once";
    alone(name, |root, lines| {
        let address = nobodys_address();
        let url = format!("http://{address}/shop.json");
        let serve = |address: SocketAddr| {
            Server::at(address, |request| {
                Answer::tagged(request, r#""a""#, document(1, 5))
            })
        };
        let follow = |spread| {
            http(&url)
                .cache(root.join("flags.cache"))
                .poll_every(SOON)
                .initial_spread(spread)
                .wait_ready(NEVER)
                .open()
                .unwrap()
        };
        let take = || -> Vec<String> {
            let lines = lines.take();
            lines.iter().map(|line| line.replace(&url, "URL")).collect()
        };
        let server = serve(address);
        drop(follow(Duration::ZERO));
        drop(server);
        assert_eq!(take(), [""; 0]);

        // From the cache, and nothing asked yet.
        telemetry::log(&follow(NEVER));
        let live = r#"INFO fader: flags are live source="URL" state="stale" version="1" overlay=0 flags=1"#;
        let told = take();
        assert_eq!(told[0], live);
        let cached = r#"WARN fader: a source failed source="URL" kind="cached" error="`URL` has not been reached yet; what is live is from the cache, as it was at "#;
        assert!(
            told[1].starts_with(cached) && told[1].ends_with("stale=true"),
            "{told:?}"
        );
        assert_eq!(told.len(), 2, "{told:?}");

        // From the cache, and asked in vain.
        let flags = follow(Duration::ZERO);
        let (_subscription, tries) = failures(&flags);
        until("a try", || *tries.lock().unwrap() > 0);
        telemetry::log(&flags);
        until_tries(&tries);
        let down = r#"WARN fader: a source failed source="URL" kind="unreachable" error="cannot fetch `URL`: no connection: connection refused" stale=true"#;
        assert_eq!(take(), [live, down]);
        let server = serve(address);
        until("the server", || flags.status().state() == State::Ready);
        let good = r#"INFO fader: a source is good again source="URL""#;
        until("the word of it", || {
            lines.0.lock().unwrap().ends_with(b"\n")
        });
        assert_eq!(take(), [good]);

        server.now(|_| Answer::status("500 Internal Server Error"));
        until_tries(&tries);
        let failed = r#"WARN fader: a source failed source="URL" kind="bad-answer" error="cannot fetch `URL`: the server answers `500 Internal Server Error`" stale=false"#;
        assert_eq!(take(), [failed]);
    });
}
