//! Both examples answer with the same bytes. Left out is what a framework answers by itself: another method has status
//! 405 with axum and 404 with actix-web, and a socket without an upgrade has an error in words of its own.

use std::io;

use crate::service::{ACTIX, AXUM, Answer, Service};
use crate::visitors::cookie;

/// Method, path and headers.
type Request<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

/// Asks on a connection of its own. Headers are sorted, since their order is the framework's.
fn ask(service: &Service, (method, path, headers): Request<'_>) -> io::Result<Answer> {
    let mut connection = service.connect();
    connection.request(method, path, headers)?;
    let mut answer = if method == "HEAD" || path == "/events" {
        connection.receive_head()?
    } else {
        connection.receive()?
    };
    if path == "/events" {
        let body = connection.receive_until("\n\n\r\n");
        answer.body = String::from_utf8(body).unwrap();
    }
    answer.headers.sort();
    answer.headers.retain(|(name, _)| name != "date");
    Ok(answer)
}

#[test]
fn the_same_bytes() {
    let (axum, actix) = (AXUM.start(), ACTIX.start());
    let qa = [("x-user-id", "qa-1")];
    let partner = [("x-app-id", "acme-pos")];
    let navigates = [("sec-fetch-mode", "navigate")];
    let known = ask(&axum, ("GET", "/visitor", &navigates)).unwrap();
    let known = [("cookie", &*cookie(&known))];
    let users: Vec<String> = (0..40).map(|user| user.to_string()).collect();
    let users: Vec<[(&str, &str); 1]> = users.iter().map(|user| [("x-user-id", &**user)]).collect();
    let mut requests: Vec<Request<'_>> = vec![
        ("GET", "/checkout", &[]),
        ("GET", "/checkout", &qa),
        ("GET", "/checkout", &partner),
        ("HEAD", "/checkout", &qa),
        ("GET", "/checkout?x-user-id=qa-1", &[]),
        ("GET", "/checkout/", &[]),
        ("GET", "/CHECKOUT", &[]),
        ("GET", "/v2/checkout", &[]),
        ("HEAD", "/v2/checkout", &[]),
        ("GET", "/search", &[]),
        ("GET", "/visitor", &[]),
        ("GET", "/visitor", &known),
        ("GET", "/flags", &known),
        ("GET", "/flags", &qa),
        ("HEAD", "/flags", &qa),
        ("GET", "/flags", &[("x-user-id", "")]),
        (
            "GET",
            "/flags",
            &[("x-user-id", "vip-100"), ("x-app-id", "acme-pos")],
        ),
        ("GET", "/flags", &[("x-user-id", "100000000")]),
        (
            "GET",
            "/flags",
            &[("x-user-id", "ann"), ("x-user-id", "qa-1")],
        ),
        ("GET", "/events", &[]),
        ("GET", "/events", &qa),
        ("GET", "/ready", &[]),
        ("HEAD", "/ready", &[]),
        ("GET", "/nothing-here", &[]),
        ("GET", "/", &[]),
    ];
    for user in &users {
        requests.extend([
            ("GET", "/checkout", &user[..]),
            ("GET", "/search", user),
            ("GET", "/flags", user),
        ]);
    }
    for request in requests {
        let [first, second] = [&axum, &actix].map(|service| ask(service, request).unwrap());
        assert_eq!(first.status, second.status, "{request:?}");
        assert_eq!(first.headers, second.headers, "{request:?}");
        assert_eq!(first.body, second.body, "{request:?}");
    }
    // All but the cookie, which is random, and the arm that follows from it.
    let names = |service| {
        let answer = ask(service, ("GET", "/visitor", &navigates)).unwrap();
        assert_eq!(cookie(&answer).len(), known[0].1.len());
        let names = answer.headers.into_iter().map(|(name, _)| name);
        (answer.status, names.collect::<Vec<_>>())
    };
    assert_eq!(names(&axum), names(&actix));
}
