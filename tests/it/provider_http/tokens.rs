//! Credentials: asked for at each request, and seen by nobody else.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Hands out `token-0`, `token-1` … and counts.
fn tokens() -> (Arc<AtomicUsize>, impl Fn() -> Option<String> + Send + Sync) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let ask = move || Some(format!("token-{}", count.fetch_add(1, Ordering::SeqCst)));
    (asked, ask)
}

#[test]
fn a_token_is_asked_for_at_each_request() {
    let server = Server::new(|_| Answer::json(document(1)));
    let (_, ask) = tokens();
    let _flags = polled(&server.url("/shop.json"))
        .authorization(ask)
        .open()
        .unwrap();
    until("a few polls", || server.count() > 3);
    for (number, request) in server.requests().iter().enumerate() {
        assert_eq!(request.header("authorization"), format!("token-{number}"));
    }
}

#[test]
fn a_401_asks_once_more() {
    let server = Server::new(|request| match request.header("authorization") {
        "token-0" => Answer::status("401 Unauthorized"),
        _ => Answer::json(document(1)),
    });
    let (asked, ask) = tokens();
    let fetched = http(server.url("/shop.json")).authorization(ask).fetch();
    assert_eq!(fetched.unwrap().document(), document(1).as_bytes());
    assert_eq!((server.count(), asked.load(Ordering::SeqCst)), (2, 2));
}

#[test]
fn a_401_asks_no_more_than_once() {
    let server = Server::new(|_| Answer::status("401 Unauthorized"));
    let (asked, ask) = tokens();
    let error = http(server.url("/shop.json"))
        .authorization(ask)
        .fetch()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!((server.count(), asked.load(Ordering::SeqCst)), (2, 2));
    let error = http(server.url("/shop.json")).fetch().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!(
        server.count(),
        3,
        "without anybody to ask it is not repeated"
    );
}

#[test]
fn a_token_that_is_refused_leaves_the_last_good_one() {
    let server = Server::new(|_| Answer::json(document(1)));
    let (_, ask) = tokens();
    let flags = polled(&server.url("/shop.json"))
        .authorization(ask)
        .open()
        .unwrap();
    let (_subscription, told) = record(&flags);
    server.now(|_| Answer::status("401 Unauthorized"));
    until("the failure", || times(&told, "failed: denied") > 0);
    assert_eq!(flags.status().version(), "1");
    server.now(|_| Answer::json(document(2)));
    until("the next token", || is_at(&flags, 2));
}

#[test]
fn a_token_that_is_none_or_panics_is_a_failure_like_others() {
    let server = Server::new(|_| Answer::json(document(1)));
    let asked = AtomicUsize::new(0);
    let flags = polled(&server.url("/shop.json"))
        .authorization(move || match asked.fetch_add(1, Ordering::SeqCst) {
            1 => Some("secret\n".to_owned()),
            2 => panic!("on purpose"),
            _ => None,
        })
        .open()
        .unwrap();
    let failures = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&failures);
    let _subscription = flags.subscribe(move |event| {
        if let Event::Failed { error, .. } = event {
            note.lock().unwrap().push(error.clone());
        }
    });
    until("the request after those", || server.count() > 1);
    let failures = failures.lock().unwrap().join("; ");
    assert!(failures.contains("`authorization` panicked"), "{failures}");
    assert!(!failures.contains("secret"), "{failures}");
}

#[test]
fn headers_are_sent_with_each_request() {
    let server = Server::new(|_| Answer::json(document(1)));
    let _flags = polled(&server.url("/shop.json"))
        .header("x-tenant", "shop")
        .header("x-tag", "a")
        .open()
        .unwrap();
    until("a few polls", || server.count() > 2);
    for request in server.requests() {
        assert_eq!(request.header("x-tenant"), "shop");
        assert_eq!(request.header("x-tag"), "a");
        assert!(request.header("user-agent").starts_with("fader/"));
        assert_eq!(request.header("referer"), "");
    }
}

#[test]
fn no_secret_is_shown() {
    let server = Server::new(|_| Answer::status("403 Forbidden"));
    let settings = || {
        failing(&server.url("/shop.json?key=secret#secret"))
            .authorization(|| Some("Bearer secret".to_owned()))
            .header("x-api-key", "secret")
    };
    let shown = format!("{:?} {:#?}", settings(), settings());
    assert!(
        shown.contains("/shop.json") && !shown.contains("secret"),
        "{shown}"
    );
    let error = settings().fetch().unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"), "{error}");

    let flags = settings().open().unwrap();
    until_error(&flags, "the server answers `403 Forbidden`");
    assert!(!format!("{:?}", flags.status()).contains("secret"));
    let status = flags.status();
    let name = status.sources()[0].name();
    assert!(name.starts_with(&server.url("/shop.json?…")), "{name}");
    let asked = &server.requests()[0];
    assert_eq!(
        asked.path, "/shop.json?key=secret",
        "but the server is asked with it"
    );
}

/// In a process of its own, where no other test has such threads.
#[cfg(target_os = "linux")]
#[test]
fn an_authorization_that_hangs_is_a_failure_like_others() {
    if child::place().is_none() {
        let name = "an_authorization_that_hangs_is_a_failure_like_others";
        let place = tempfile::tempdir().unwrap();
        let child = child::again(module_path!(), name, &["env"], place.path());
        return child::assert_passes(child);
    }
    let server = Server::new(|_| Answer::json(document(1)));
    let (asked, hangs) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(())));
    let (count, hang) = (Arc::clone(&asked), Arc::clone(&hangs));
    let flags = polled(&server.url("/shop.json"))
        .stale_after(Duration::from_millis(500))
        .timeout(Duration::from_millis(300))
        .authorization(move || {
            count.fetch_add(1, Ordering::SeqCst);
            drop(hang.lock().unwrap());
            None
        })
        .open()
        .unwrap();
    let (_subscription, told) = record(&flags);
    let held = hangs.lock().unwrap();
    until("that it is stale", || {
        flags.status().state() == State::Stale
    });
    until("a few tries", || times(&told, "failed: timed-out") > 2);
    until_error(&flags, "`authorization` returned nothing within 300ms");
    let before = asked.load(Ordering::SeqCst);
    until("more tries", || times(&told, "failed: timed-out") > 4);
    assert_eq!(
        asked.load(Ordering::SeqCst),
        before,
        "one thread hangs, and not one for each try"
    );
    drop(held);
    until("the recovery", || is_at(&flags, 1));

    let _held = hangs.lock().unwrap();
    until_error(&flags, "`authorization` returned nothing");
    drop(flags);
    until("the end of the thread", || {
        child::threads("fader-http") == 0
    });
}
