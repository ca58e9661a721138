//! Servers that are down, slow or busy.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};

use super::server::nobodys_address;
use super::*;

#[test]
fn a_server_that_goes_down_leaves_the_last_good_one() {
    let address = nobodys_address();
    let server = Server::at(address, |_| Answer::json(document(1)));
    let flags = polled(&server.url("/shop.json")).open().unwrap();
    drop(server);
    until_error(&flags, "no connection: connection refused");
    assert_eq!(flags.status().version(), "1");
    let _server = Server::at(address, |_| Answer::json(document(2)));
    until("the server again", || is_at(&flags, 2));
}

/// The child has a `/etc/hosts` of its own.
#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_lost_leaves_the_last_good_one() {
    let Some(root) = child::place() else {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("hosts"), "").unwrap();
        let hosts = place.path().join("hosts");
        let mount = format!(
            "mount --bind '{}' /etc/hosts && exec \"$0\" \"$@\"",
            hosts.display()
        );
        let below = [
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            &mount,
        ];
        if child::can_run(&below, "a name that is lost") {
            let name = "a_name_that_is_lost_leaves_the_last_good_one";
            let child = child::again(module_path!(), name, &below, place.path());
            child::assert_passes(child);
        }
        return;
    };
    let server = Server::new(|_| Answer::json(document(1)));
    let name = |line: &str| fs::write(root.join("hosts"), line).unwrap();
    let known = format!("{} shop.invalid\n", server.address.ip());
    name(&known);
    let url = format!("http://shop.invalid:{}/shop.json", server.address.port());
    let flags = polled(&url).open().unwrap();
    assert!(is_at(&flags, 1));
    name("");
    until_error(&flags, "no connection: ");
    assert_eq!(flags.status().version(), "1", "what was live stays live");
    server.now(|_| Answer::json(document(2)));
    name(&known);
    until("the name again", || is_at(&flags, 2));
}

#[test]
fn a_name_that_cannot_be_looked_up_is_a_failure_like_others() {
    let flags = failing("http://no-such-host.invalid/shop.json")
        .open()
        .unwrap();
    until_error(&flags, "no connection: ");
    assert_eq!(flags.status().state(), State::Failed);
}

#[test]
fn an_error_of_the_server_leaves_the_last_good_one() {
    for status in [
        "500 Internal Server Error",
        "503 Service Unavailable",
        "404 Not Found",
        "403 Forbidden",
        "204 No Content",
        "206 Partial Content",
    ] {
        let error = format!("the server answers `{status}`");
        refused(&error, move |_| {
            Answer::new(status, &[("content-type", "application/json")], "")
        });
    }
}

#[test]
fn a_connection_that_is_reset_leaves_the_last_good_one() {
    refused("cannot fetch", |_| Answer::default().reset());
    refused("cannot fetch", |_| Answer::default());
}

#[test]
fn a_server_that_never_answers_is_left_after_the_timeout() {
    let hurried = |http: HttpBuilder| http.timeout(Duration::from_millis(500));
    stays_live_through(hurried, "no whole answer within 500ms", |_| {
        Answer::default().hang()
    });
}

/// Each byte comes in time, but the whole does not.
#[test]
fn a_body_that_drips_is_left_after_the_timeout() {
    let hurried = |http: HttpBuilder| http.timeout(Duration::from_millis(500));
    stays_live_through(hurried, "no whole answer within 500ms", |_| {
        let body = document(9);
        let head = Answer::head("200 OK", &[("content-length", &body.len().to_string())]);
        body.bytes().fold(head, |answer, byte| {
            answer.send([byte]).wait(Duration::from_millis(100))
        })
    });
}

/// A listener whose queue is full answers no further connection.
#[test]
#[cfg(target_os = "linux")]
fn a_connection_that_is_not_answered_is_left_after_its_timeout() {
    let listener = TcpListener::bind(nobodys_address()).unwrap();
    let address = listener.local_addr().unwrap();
    let connect =
        |address: &SocketAddr| TcpStream::connect_timeout(address, Duration::from_millis(200));
    let mut queue = Vec::new();
    while let Ok(stream) = connect(&address) {
        queue.push(stream);
        assert!(queue.len() < 10_000, "the queue never fills up");
    }
    let flags = failing(&format!("http://{address}/shop.json"))
        .connect_timeout(Duration::from_millis(200))
        .open()
        .unwrap();
    until_error(&flags, "no connection within 200ms");
}

#[test]
fn what_is_live_is_stale_only_after_a_while() {
    let server = Server::new(|_| Answer::json(document(1)));
    let flags = polled(&server.url("/shop.json"))
        .stale_after(Duration::MAX)
        .open()
        .unwrap();
    let (_subscription, told) = record(&flags);
    server.now(|_| Answer::status("500 Internal Server Error"));
    until("a few failures", || times(&told, "failed: bad-answer") > 2);
    assert!(!error_of(&flags, "").is_empty(), "it is told at once");
    assert_eq!(flags.status().state(), State::Ready);
    assert_eq!(times(&told, "stale"), 0);

    let server = Server::new(|_| Answer::json(document(1)));
    let flags = polled(&server.url("/shop.json"))
        .stale_after(Duration::from_millis(500))
        .open()
        .unwrap();
    let (_subscription, told) = record(&flags);
    server.now(|_| Answer::status("500 Internal Server Error"));
    until("that it is stale", || {
        flags.status().state() == State::Stale
    });
    until("more failures", || times(&told, "failed: bad-answer") > 3);
    assert_eq!(times(&told, "stale"), 1, "told once for the same error");
}

/// The next try is an hour away, and is not what tells it.
#[test]
fn what_is_live_becomes_stale_between_two_tries() {
    let server = Server::new(|_| Answer::json(document(1)));
    let flags = polled(&server.url("/shop.json"))
        .stale_after(Duration::from_secs(1))
        .open()
        .unwrap();
    server.now(|_| Answer::new("503 Service Unavailable", &[("retry-after", "3600")], ""));
    until_error(&flags, "503");
    let asked = server.count();
    until("that it is stale", || {
        flags.status().state() == State::Stale
    });
    assert_eq!(server.count(), asked);
}

/// Each answer comes in time, and the whole does not.
#[test]
fn what_is_live_becomes_stale_while_a_fetch_is_under_way() {
    let server = Server::new(|request| match &*request.path {
        "/shop.json" => Answer::json(lists::DOCUMENT),
        _ => Answer::new("200 OK", &[], "anna\n"),
    });
    let flags = polled(&server.url("/shop.json"))
        .stale_after(Duration::from_millis(500))
        .open()
        .unwrap();
    let (_subscription, told) = record(&flags);
    server.now(|request| match &*request.path {
        "/shop.json" => Answer::json(lists::DOCUMENT),
        _ => Answer::default().hang(),
    });
    until("that it is stale", || {
        flags.status().state() == State::Stale
    });
    assert_eq!(server.left(), 0, "the fetch is under way");
    assert_eq!(times(&told, "failed: timed-out"), 1);
    until_error(&flags, "no whole answer yet, after 1s");
}

/// Shows that a server that asks for it is not asked again.
fn is_left_alone(status: &'static str, after: &str) {
    let server = Server::new(|_| Answer::json(document(1)));
    let flags = polled(&server.url("/shop.json")).open().unwrap();
    let after = after.to_owned();
    server.now(move |_| Answer::new(status, &[("retry-after", &after)], ""));
    until_error(&flags, "the server answers");
    let asked = server.count();
    // Without being asked for it, it would be a moment, then two.
    thread::sleep(Duration::from_secs(2));
    assert_eq!(server.count(), asked);
}

#[test]
fn retry_after_is_honoured() {
    is_left_alone("503 Service Unavailable", "3600");
    is_left_alone("429 Too Many Requests", "99999999999999999999");
    is_left_alone("503 Service Unavailable", "Fri, 31 Dec 2399 23:59:59 GMT");
}

#[test]
fn retry_after_that_makes_no_sense_is_not() {
    for after in ["0", "-1", "soon", "Thu, 01 Jan 1970 00:00:00 GMT"] {
        refused("the server answers `503", move |_| {
            Answer::new("503 Service Unavailable", &[("retry-after", after)], "")
        });
    }
}

#[test]
fn failures_are_repeated_more_and_more_seldom() {
    let server = Server::new(|_| Answer::status("500 Internal Server Error"));
    let _flags = failing(&server.url("/shop.json")).open().unwrap();
    thread::sleep(Duration::from_secs(3));
    // At the pace of the poll it would be some 150.
    let count = server.count();
    assert!(count < 40, "{count} requests");
}
