//! Redirects: within one origin, and never a credential to another.

use super::*;

#[test]
fn a_redirect_within_the_origin_is_followed() {
    let server = Server::new(|request| match &*request.path {
        "/shop.json" => Answer::redirect("/v1/shop.json"),
        _ => Answer::json(document(1)),
    });
    let flags = polled(&server.url("/shop.json"))
        .authorization(|| Some("Bearer secret".into()))
        .open()
        .unwrap();
    assert!(is_at(&flags, 1));
    for request in server.requests() {
        assert_eq!(request.header("authorization"), "Bearer secret");
    }
}

#[test]
fn a_redirect_to_another_host_is_refused_and_nothing_is_sent_there() {
    let other = Server::new(|_| Answer::json(document(9)));
    let elsewhere = other.url("/shop.json?secret");
    let server = Server::new(move |_| Answer::redirect(&elsewhere));
    let flags = failing(&server.url("/shop.json"))
        .authorization(|| Some("Bearer secret".into()))
        .header("x-api-key", "secret")
        .open()
        .unwrap();
    let line = format!(
        "the server redirects to another origin, `{}`",
        other.url("")
    );
    until_error(&flags, &line);
    assert!(!error_of(&flags, "").contains("secret"));
    assert_eq!(flags.status().state(), State::Failed);
    assert_eq!(other.count(), 0);
}

/// Another port of the same host is another origin, and another scheme too.
#[test]
fn a_redirect_to_another_port_or_scheme_is_refused() {
    let server = Server::new(|_| Answer::json(document(1)));
    let flags = polled(&server.url("/shop.json")).open().unwrap();
    let address = server.address;
    for elsewhere in [
        format!("http://{}:1/", address.ip()),
        format!("https://{address}/"),
        "file:///etc/passwd".to_owned(),
    ] {
        server.now(move |_| Answer::redirect(&elsewhere));
        until("the refusal", || !error_of(&flags, "").is_empty());
        assert!(is_at(&flags, 1), "it is live, and still fresh");
        server.now(|_| Answer::json(document(1)));
        until("the recovery", || error_of(&flags, "").is_empty());
    }
}

#[test]
fn five_redirects_are_followed_and_six_are_not() {
    let redirects = |times: u32| {
        move |request: &Request| {
            let number: u32 = request.path.trim_start_matches('/').parse().unwrap();
            match number {
                number if number < times => Answer::redirect(&format!("/{}", number + 1)),
                _ => Answer::json(document(1)),
            }
        }
    };
    let server = Server::new(redirects(5));
    let flags = polled(&server.url("/0")).open().unwrap();
    assert!(is_at(&flags, 1));

    let server = Server::new(redirects(6));
    let flags = failing(&server.url("/0")).open().unwrap();
    until_error(&flags, "the server redirects more than 5 times");
    assert!(server.requests().iter().all(|request| request.path != "/6"));
}

/// Files of one size and time have the same tag, and a 304 says nothing of what lies in another folder.
fn version(number: u32) -> impl Fn(&Request) -> Answer + Send + Sync + 'static {
    let folder = format!("/v{number}/");
    move |request| match request.path.strip_prefix(&folder) {
        None => Answer::redirect(&format!("{folder}shop.json")),
        Some("shop.json") => Answer::tagged(request, r#""10-1""#, document(number)),
        Some(_) => Answer::status("404 Not Found"),
    }
}

#[test]
fn a_304_of_another_address_confirms_nothing() {
    let server = Server::new(version(1));
    let root = tempfile::tempdir().unwrap();
    let cached = || polled(&server.url("/shop.json")).cache(root.path().join("flags.cache"));
    let flags = cached().open().unwrap();
    assert!(is_at(&flags, 1));
    server.now(version(2));
    until("the new folder", || is_at(&flags, 2));
    drop(flags);
    server.now(version(3));
    let flags = cached().open().unwrap();
    until("the new folder, after a restart", || is_at(&flags, 3));
    let asked = server.count();
    until("a few polls", || server.count() > asked + 6);
    for request in &server.requests()[asked + 1..] {
        assert_eq!(request.header("if-none-match"), r#""10-1""#);
    }
}

#[test]
fn a_304_of_another_query_confirms_nothing() {
    let serve = |version: u32| {
        move |request: &Request| match &*request.path {
            "/shop.json" => Answer::redirect(&format!("/get?version={version}")),
            _ => Answer::tagged(request, r#""10-1""#, document(version)),
        }
    };
    let server = Server::new(serve(1));
    let flags = polled(&server.url("/shop.json")).open().unwrap();
    server.now(serve(2));
    until("the new version", || is_at(&flags, 2));
}

#[test]
fn a_list_behind_a_redirect_of_its_own_is_followed_too() {
    let serve = |folder: &'static str, guest: &'static str| {
        move |request: &Request| match &*request.path {
            "/shop.json" => Answer::tagged(request, r#""same""#, lists::DOCUMENT),
            "/lists/vip.txt" => Answer::redirect(folder),
            _ => Answer::tagged(request, r#""5-1""#, guest),
        }
    };
    let server = Server::new(serve("/v1/vip.txt", "anna\n"));
    let flags = polled(&server.url("/shop.json")).open().unwrap();
    assert!(lists::admits(&flags, "anna"));
    server.now(serve("/v2/vip.txt", "bobo\n"));
    until("the new list", || {
        lists::admits(&flags, "bobo") && !lists::admits(&flags, "anna")
    });
}
