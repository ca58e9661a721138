//! Answers that are none: pages, halves, floods.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn typed(content_type: &str, revision: u32) -> Answer {
    Answer::new(
        "200 OK",
        &[("content-type", content_type)],
        document(revision),
    )
}

#[test]
fn a_login_page_is_refused() {
    refused("its content type is `text/html`, which is not JSON", |_| {
        let page = "<!doctype html><title>Sign in</title>";
        Answer::new(
            "200 OK",
            &[("content-type", "text/html; charset=utf-8")],
            page,
        )
    });
}

#[test]
fn a_content_type_that_is_not_json_is_refused() {
    for name in [
        "text/plain",
        "application/octet-stream",
        "application/jsonp",
        "text/html",
    ] {
        refused(&format!("its content type is `{name}`"), move |_| {
            typed(name, 2)
        });
    }
}

#[test]
fn every_content_type_that_is_json_is_taken() {
    let server = Server::new(|_| Answer::new("200 OK", &[], document(1)));
    let flags = polled(&server.url("/shop.json")).open().unwrap();
    assert!(is_at(&flags, 1), "one that is not given");
    let names = [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/vnd.shop.flags+json",
        "text/json",
        "application/jsonc",
    ];
    for (revision, name) in (2..).zip(names) {
        server.now(move |_| typed(name, revision));
        until(name, || is_at(&flags, revision));
    }
}

#[test]
fn a_content_type_can_be_accepted() {
    let server = Server::new(|_| typed("text/plain; charset=utf-8", 1));
    let flags = polled(&server.url("/shop.json"))
        .accept_content_type("Text/Plain")
        .open()
        .unwrap();
    assert!(is_at(&flags, 1));
}

#[test]
fn a_truncated_body_is_refused() {
    let body = document(2);
    let (length, half) = (body.len().to_string(), body[..20].to_owned());
    refused("the answer broke off", move |_| {
        Answer::head("200 OK", &[("content-length", &length)]).send(&half)
    });
}

#[test]
fn a_body_in_chunks_that_is_cut_off_is_refused() {
    refused("the answer broke off", |_| {
        let chunked = Answer::head("200 OK", &[("transfer-encoding", "chunked")]);
        chunked.chunk(&document(2))
    });
}

#[test]
fn a_body_that_ends_by_a_reset_is_refused() {
    refused("the answer broke off", |_| {
        let chunked = Answer::head("200 OK", &[("transfer-encoding", "chunked")]);
        chunked.chunk(&document(2)).reset()
    });
}

/// Nobody says how long it is, so that only its content tells that half is missing.
#[test]
fn half_a_document_without_a_length_is_refused() {
    let half = document(2)[..30].to_owned();
    refused("1:", move |_| Answer::head("200 OK", &[]).send(&half));
}

#[test]
fn a_length_that_is_too_small_is_refused() {
    refused("1:", |_| {
        Answer::head("200 OK", &[("content-length", "20")]).send(document(2))
    });
}

#[test]
fn what_is_no_http_is_refused() {
    refused("the answer broke off", |_| {
        Answer::default().send("SSH-2.0-OpenSSH_9.6\r\n")
    });
}

#[test]
fn broken_json_is_refused_and_told_once() {
    let server = Server::new(|_| Answer::json(document(1)));
    let flags = polled(&server.url("/shop.json")).open().unwrap();
    let (_subscription, told) = record(&flags);
    server.now(|_| Answer::json("{ \"flags\": "));
    until("the refusal", || flags.status().state() == State::Stale);
    let before = server.count();
    until("a few polls", || server.count() > before + 4);
    assert_eq!(*told.lock().unwrap(), ["refused"]);
    assert_eq!(flags.status().version(), "1");
}

#[test]
fn gzip_is_decoded() {
    let server = Server::new(|request| {
        assert_eq!(request.header("accept-encoding"), "gzip");
        Answer::new(
            "200 OK",
            &[("content-encoding", "gzip")],
            gzip(document(1).as_bytes()),
        )
    });
    let flags = polled(&server.url("/shop.json")).open().unwrap();
    assert!(is_at(&flags, 1));
}

#[test]
fn half_of_a_gzip_body_is_refused() {
    let whole = gzip(document(2).as_bytes());
    refused("its gzip coding is not whole", move |_| {
        let half = &whole[..whole.len() - 4];
        Answer::new("200 OK", &[("content-encoding", "gzip")], half)
    });
}

#[test]
fn a_coding_that_was_not_asked_for_is_refused() {
    refused("it is encoded with `br`, which was not asked for", |_| {
        Answer::new("200 OK", &[("content-encoding", "br")], document(2))
    });
}

/// A hundred kilobytes that become a hundred megabytes: the limit counts those.
#[test]
fn a_gzip_bomb_is_refused() {
    let bomb = gzip(&vec![b' '; 100 << 20]);
    assert!(bomb.len() < 1 << 20);
    stays_live_through(
        |http| http.max_bytes(1 << 20),
        "it is larger than the limit of 1048576 bytes",
        move |_| Answer::new("200 OK", &[("content-encoding", "gzip")], &bomb),
    );
}

#[test]
fn a_body_over_the_limit_is_refused_by_its_length() {
    stays_live_through(
        |http| http.max_bytes(1000),
        "it is larger than the limit of 1000 bytes",
        // What it announces never comes, and need not be waited for.
        |_| Answer::head("200 OK", &[("content-length", "1001")]).hang(),
    );
}

#[test]
fn a_body_over_the_limit_is_refused_as_it_streams() {
    stays_live_through(
        |http| http.max_bytes(1000),
        "it is larger than the limit of 1000 bytes",
        |_| {
            let chunked = Answer::head("200 OK", &[("transfer-encoding", "chunked")]);
            chunked.chunk(&" ".repeat(1001)).hang()
        },
    );
}

#[test]
fn the_limit_itself_is_taken() {
    let server = Server::new(|_| Answer::json(document(1)));
    let flags = polled(&server.url("/shop.json"))
        .max_bytes(document(1).len() as u64)
        .open()
        .unwrap();
    assert!(is_at(&flags, 1));
}

/// Nor does a log line get a second line, a colour or a megabyte by it.
#[test]
fn what_an_answer_says_is_told_escaped_and_cut() {
    let long = "x".repeat(300_000);
    let path = |path: &str| {
        let document = lists::DOCUMENT.replace("lists/vip.txt", path);
        Answer::json(document)
    };
    let named = |name: &str, value: &str| Answer::new("200 OK", &[(name, value)], document(2));
    for (answer, expected) in [
        (named("content-type", "a/\u{9b}31m"), "`a/\\u{9b}31m`"),
        (named("content-encoding", "\u{9b}31m"), "`\\u{9b}31m`"),
        (named("content-type", &long), "xxx…`, which is not"),
        (named("content-encoding", &long), "xxx…`, which was not"),
        (
            path("a\\n2026 INFO \\u001b[31m"),
            "list `a\\n2026 INFO \\u{1b}[",
        ),
        (path(&long), "xxx…`: the answer"),
    ] {
        let server = Server::new(move |request| match &*request.path {
            "/shop.json" => answer.clone(),
            _ => Answer::status("404 Not Found"),
        });
        let flags = failing(&server.url("/shop.json")).open().unwrap();
        until_error(&flags, expected);
        let error = error_of(&flags, "");
        assert!(!error.contains(char::is_control), "{error:?}");
        assert!(error.len() < 400, "{} bytes", error.len());
    }
}
