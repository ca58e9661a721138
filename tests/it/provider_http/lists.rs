//! List files beside the document.

use super::*;

pub const DOCUMENT: &str = r#"{
    "revision": 1,
    "lists": { "vip": { "file": "lists/vip.txt" } },
    "flags": { "lounge": { "rules": [
        { "if": { "attribute": "user.id", "in_list": "vip" }, "serve": "on" } ] } } }"#;

pub fn admits(flags: &Flags, guest: &str) -> bool {
    let context = Context::anonymous().with("user.id", guest);
    flags.resolve("lounge", &context).variant() == Some("on")
}

/// Serves a good list, then something else, and shows that the good one stays.
#[track_caller]
fn list_refused(error: &str, bad: impl Fn(&Request) -> Answer + Send + Sync + 'static) {
    let served = |list: Box<dyn Fn(&Request) -> Answer + Send + Sync>| {
        move |request: &Request| match &*request.path {
            "/shop.json" => Answer::json(DOCUMENT),
            _ => list(request),
        }
    };
    let server = Server::new(served(Box::new(|_| Answer::new("200 OK", &[], "anna\n"))));
    let flags = polled(&server.url("/shop.json"))
        .max_list_bytes(1000)
        .open()
        .unwrap();
    assert!(admits(&flags, "anna"));
    server.now(served(Box::new(bad)));
    until_error(&flags, error);
    assert!(error_of(&flags, "").contains("list `lists/vip.txt`: "));
    assert!(admits(&flags, "anna"), "the last good one stays");
    server.now(served(Box::new(|_| Answer::new("200 OK", &[], "bo\n"))));
    until("a good one", || admits(&flags, "bo") && is_at(&flags, 1));
}

#[test]
fn a_list_lies_beside_the_document_and_has_a_tag_of_its_own() {
    let serve = |tag: &'static str, guests: &'static str| {
        move |request: &Request| match &*request.path {
            "/shop/flags.json?key=1" => Answer::tagged(request, r#""document""#, DOCUMENT),
            "/shop/lists/vip.txt" => Answer::tagged(request, tag, guests),
            _ => Answer::status("404 Not Found"),
        }
    };
    let server = Server::new(serve(r#""one""#, "anna\n"));
    let flags = polled(&server.url("/shop/flags.json?key=1"))
        .open()
        .unwrap();
    assert!(admits(&flags, "anna") && !admits(&flags, "bo"));
    until("a few polls", || server.count() > 6);
    // The document is as it was, and its list is looked at all the same.
    server.now(serve(r#""two""#, "bo\n"));
    until("the new list", || {
        admits(&flags, "bo") && !admits(&flags, "anna")
    });
    for request in &server.requests()[2..] {
        let tags: &[&str] = match &*request.path {
            "/shop/flags.json?key=1" => &[r#""document""#],
            _ => &[r#""one""#, r#""two""#],
        };
        assert!(
            tags.contains(&request.header("if-none-match")),
            "{request:?}"
        );
    }
    assert!(is_at(&flags, 1));
}

#[test]
fn a_list_that_cannot_be_fetched_refuses_the_delivery() {
    list_refused("the server answers `404 Not Found`", |_| {
        Answer::status("404 Not Found")
    });
    list_refused("the answer broke off", |_| {
        Answer::head("200 OK", &[("content-length", "10")]).send("bo\n")
    });
}

/// Also the first time, when there is no list to keep, and no flag of it may answer as if it were empty.
#[test]
fn without_its_list_no_document_goes_live() {
    let server = Server::new(|request| match &*request.path {
        "/shop.json" => Answer::json(DOCUMENT),
        _ => Answer::status("500 Internal Server Error"),
    });
    let flags = failing(&server.url("/shop.json")).open().unwrap();
    until_error(
        &flags,
        "list `lists/vip.txt`: the server answers `500 Internal Server Error`",
    );
    assert_eq!(flags.status().state(), State::Failed);
}

#[test]
fn a_list_over_its_limit_is_refused() {
    list_refused("it is larger than the limit of 1000 bytes", |_| {
        Answer::new("200 OK", &[], "bo\n".repeat(400))
    });
}

#[test]
fn a_page_is_no_list() {
    list_refused("its content type is `text/html`", |_| {
        Answer::new("200 OK", &[("content-type", "text/html")], "<p>Sign in\n")
    });
}

/// Half a list would be taken for a whole one.
#[test]
fn a_list_that_could_have_been_cut_is_refused() {
    list_refused("it has neither a length nor chunks", |_| {
        Answer::head("200 OK", &[]).send("bo\n")
    });
    // Such a body ends with the connection, whatever length is given beside.
    for coding in ["identity", "gzip", "chunked, gzip", ""] {
        list_refused("it has neither a length nor chunks", move |_| {
            let headers = [("transfer-encoding", coding), ("content-length", "3")];
            Answer::head("200 OK", &headers).send("bo\n")
        });
    }
    // A member of several is a whole one to the decoder.
    let gzip = answers::gzip(b"bo\n");
    list_refused("it has neither a length nor chunks", move |_| {
        Answer::head("200 OK", &[("content-encoding", "gzip")]).send(&gzip)
    });
}

#[test]
fn a_list_in_chunks_is_whole() {
    let server = Server::new(|request| match &*request.path {
        "/shop.json" => Answer::json(DOCUMENT),
        _ => Answer::head("200 OK", &[("transfer-encoding", "chunked")])
            .chunk("anna\n")
            .chunk(""),
    });
    let flags = polled(&server.url("/shop.json")).open().unwrap();
    assert!(admits(&flags, "anna"));
}

#[test]
fn a_list_that_became_empty_is_refused() {
    list_refused("it became empty", |_| Answer::new("200 OK", &[], ""));
}

#[test]
fn a_list_at_another_origin_is_refused_and_nothing_is_sent_there() {
    let other = Server::new(|_| Answer::new("200 OK", &[], "anna\n"));
    for path in [
        other.url("/vip.txt"),
        format!("//{}/vip.txt", other.address),
    ] {
        let document = DOCUMENT.replace("lists/vip.txt", &path);
        let server = Server::new(move |_| Answer::json(&document));
        let flags = failing(&server.url("/shop.json"))
            .authorization(|| Some("Bearer secret".into()))
            .open()
            .unwrap();
        until_error(
            &flags,
            &format!("it lies at another origin, `{}`", other.url("")),
        );
        assert_eq!(flags.status().state(), State::Failed);
    }
    assert_eq!(other.count(), 0);
}

#[test]
fn a_list_with_a_user_in_its_path_is_refused_and_nothing_of_it_is_told() {
    let server = Server::new(|_| Answer::json(document(1)));
    let address = server.address;
    for path in [
        format!("http://bo:secret@{address}/vip.txt"),
        format!("//secret@{address}/vip.txt"),
        format!("/\\t/secret@{address}/vip.txt"),
        "http://bo:secret@exa mple/vip.txt".to_owned(),
    ] {
        let document = DOCUMENT.replace("lists/vip.txt", &path);
        server.now(move |_| Answer::json(&document));
        let flags = failing(&server.url("/shop.json")).open().unwrap();
        until_error(&flags, "list `…`: its path ");
        let error = error_of(&flags, "");
        assert!(!error.contains("secret"), "{error}");
    }
    let asked = server.requests();
    assert!(asked.iter().all(|request| request.path == "/shop.json"));
    // Without an address in it, that character is one like others.
    let document = DOCUMENT.replace("vip.txt", "vip@2.txt");
    server.now(move |request| match &*request.path {
        "/shop.json" => Answer::json(&document),
        _ => Answer::status("404 Not Found"),
    });
    let flags = failing(&server.url("/shop.json")).open().unwrap();
    until_error(&flags, "list `lists/vip@2.txt`: the server answers");
}

/// A deploy that redirects into a folder for each version is never seen half done.
#[test]
fn lists_are_looked_for_where_the_document_was_found() {
    let version = |name: &'static str, guest: &'static str| {
        move |request: &Request| match request.path.strip_prefix(name) {
            None if request.path == "/shop.json" => Answer::redirect(&format!("{name}/shop.json")),
            Some("/shop.json") => Answer::tagged(request, r#""same""#, DOCUMENT),
            Some("/lists/vip.txt") => Answer::tagged(request, r#""same""#, format!("{guest}\n")),
            _ => Answer::status("404 Not Found"),
        }
    };
    let server = Server::new(version("/v1", "anna"));
    let flags = polled(&server.url("/shop.json")).open().unwrap();
    assert!(admits(&flags, "anna"));
    // The same tags, which say nothing of another folder.
    server.now(version("/v2", "bo"));
    until("the new version", || {
        admits(&flags, "bo") && !admits(&flags, "anna")
    });
}
