use super::*;
use crate::Routing;
use crate::fake::{self, Request, Response};

#[test]
fn the_outcome_is_the_status_and_for_grpc_its_own() {
    for (status, grpc, expected) in [
        (101, None, Ending::Informational),
        (200, None, Ending::Success),
        (304, None, Ending::Redirection),
        (404, None, Ending::ClientError),
        (408, None, Ending::Timeout),
        (500, None, Ending::ServerError),
        (504, None, Ending::Timeout),
        (999, None, Ending::ServerError),
        (200, Some("0"), Ending::Success),
        (200, Some("1"), Ending::Dropped),
        (200, Some("2"), Ending::ServerError),
        (200, Some("4"), Ending::Timeout),
        (200, Some("5"), Ending::ClientError),
        (200, Some("13"), Ending::ServerError),
        (200, Some("14"), Ending::ServerError),
        (200, Some("16"), Ending::ClientError),
        (200, Some("nonsense"), Ending::ServerError),
        // A proxy's error is one, whatever it forwards.
        (503, Some("0"), Ending::ServerError),
    ] {
        let headers = grpc.map(|status| ("grpc-status", status));
        let response = Response::new(status, headers.as_slice());
        assert_eq!(ending(&response), expected, "{status} {grpc:?}");
    }
}

#[test]
fn a_visitor_goes_into_no_shared_cache() {
    for (before, set, after) in [
        (&[][..], true, &["private"][..]),
        (&["no-store"], true, &["no-store"]),
        (&["private, max-age=60"], true, &["private, max-age=60"]),
        (&["max-age=60"], true, &["private, max-age=60"]),
        (&["public, max-age=60"], false, &["public, max-age=60"]),
        (
            &["max-age=60", "S-MaxAge = 9"],
            false,
            &["max-age=60", "S-MaxAge = 9"],
        ),
        (&["PUBLIC"], false, &["PUBLIC"]),
        (&[" , "], true, &["private"]),
    ] {
        let headers: Vec<_> = before
            .iter()
            .map(|value| ("cache-control", *value))
            .collect();
        let mut response = Response::new(200, &headers);
        set_visitor(&mut response, "v=1");
        assert_eq!(
            response.all("set-cookie").len(),
            usize::from(set),
            "{before:?}"
        );
        assert_eq!(response.all("cache-control"), after, "{before:?}");
    }
}

#[test]
fn caches_learn_what_decisions_have_read() {
    let flags = fake::flags(
        r#"{ "flags": {
        "plain": true,
        "path": { "rules": [ { "if": { "attribute": "request.path", "is": "/x" }, "serve": "on" } ] },
        "key": { "rules": [ { "if": { "any": [
            { "attribute": "request.host", "is": "x" }, { "attribute": "request.query.q", "is": "x" },
            { "attribute": "request.method", "is": "x" }, { "attribute": "request.route", "is": "x" } ] }, "serve": "on" } ] },
        "header": { "rules": [ { "if": { "attribute": "request.header.x-Tenant", "is": "x" }, "serve": "on" } ] },
        "again": { "rules": [ { "if": { "attribute": "request.header.X-TENANT", "is": "x" }, "serve": "on" } ] },
        "cookie": { "rules": [ { "if": { "attribute": "request.cookie.a", "is": "x" }, "serve": "on" } ] },
        "visitor": { "rules": [ { "percent": 50, "by": "visitor", "serve": "on" } ] },
        "user": { "rules": [ { "percent": 50, "by": "user.id", "serve": "on" } ] },
        "request": { "rules": [ { "percent": 50, "by": "request", "serve": "on" } ] },
        "address": { "rules": [ { "if": { "attribute": "client.ip", "in_network": "10.0.0.0/8" }, "serve": "on" } ] },
        "on-cookie": { "rules": [ { "if": { "flag": "cookie", "is": "on" }, "serve": "on" } ] },
        "time": { "rules": [ { "if": { "time": { "from": "2020-01-01T00:00:00Z" } }, "serve": "on" } ] } } }"#,
    );
    let routing = Routing::new(flags).cache_headers(true);
    for (asked, vary, cache_control) in [
        (&[][..], &[][..], &[][..]),
        (&["plain", "path", "key", "time"], &[], &[]),
        (&["header"], &["x-tenant"], &[]),
        (
            &["header", "cookie", "visitor", "again"],
            &["cookie", "x-tenant"],
            &[],
        ),
        (&["on-cookie"], &["cookie"], &[]),
        (&["user"], &[], &["private"]),
        (&["request", "cookie"], &["cookie"], &["private"]),
        (&["address"], &[], &["private"]),
    ] {
        let mut tracker = routing.pin(&Request::default(), |_| {});
        for flag in asked {
            let _ = tracker.scope().resolve(flag);
        }
        let mut response = Response::new(200, &[]);
        tracker.head(&mut response);
        let mut named: Vec<_> = response
            .all("vary")
            .iter()
            .flat_map(|names| names.split(", "))
            .collect();
        named.sort_unstable_by_key(|name| name.to_lowercase());
        assert!(
            named
                .iter()
                .map(|name| name.to_lowercase())
                .eq(vary.iter().copied()),
            "{asked:?}: {named:?}"
        );
        assert_eq!(response.all("cache-control"), cache_control, "{asked:?}");
    }
}

#[test]
fn what_a_response_says_of_caches_stays_but_for_sharing() {
    for (before, after) in [
        (
            &["public, max-age=60, s-maxage=600"][..],
            "private, max-age=60",
        ),
        (&["max-age=60"], "private, max-age=60"),
        (&["no-store"], "no-store"),
        (&["Private"], "Private"),
        (&["max-age=60", "public"], "private, max-age=60"),
        (&["public"], "private"),
    ] {
        let headers: Vec<_> = before
            .iter()
            .map(|value| ("cache-control", *value))
            .collect();
        let mut response = Response::new(200, &headers);
        make_private(&mut response);
        assert_eq!(response.all("cache-control"), [after], "{before:?}");
    }
}

#[test]
fn a_response_is_left_alone_unless_asked_for() {
    let flags = fake::flags(
        r#"{ "flags": { "f": { "rules": [ { "percent": 50, "by": "visitor", "serve": "on" } ] } } }"#,
    );
    let mut tracker = Routing::new(flags).pin(&Request::default(), |_| {});
    let _ = tracker.scope().resolve("f");
    let mut response = Response::new(200, &[("x-fader", "mine")]);
    tracker.head(&mut response);
    assert_eq!(response, Response::new(200, &[("x-fader", "mine")]));
}

#[test]
fn what_is_in_no_header_of_the_request_is_private_whatever_its_name() {
    let flags = fake::flags(
        r#"{ "flags": {
        "visitor": { "rules": [ { "percent": 50, "by": "visitor", "serve": "on" } ] },
        "header": { "rules": [ { "if": { "attribute": "request.header.x-tenant", "is": "x" }, "serve": "on" } ] },
        "cookie": { "rules": [ { "if": { "attribute": "request.cookie.a", "is": "x" }, "serve": "on" } ] } } }"#,
    );
    let routing = Routing::new(flags)
        .visitor(crate::Visitor::new())
        .cache_headers(true);
    let request = Request::new(&[("sec-fetch-mode", "navigate")]);
    for (asked, set) in [
        ("visitor", ""),
        ("header", "request.header.x-tenant"),
        ("cookie", "request.cookie.a"),
    ] {
        let mut tracker = routing.pin(&request, |capture| {
            if !set.is_empty() {
                capture.set(set, "x");
            }
        });
        let _ = tracker.scope().resolve(asked);
        let mut response = Response::new(200, &[("cache-control", "public, max-age=60")]);
        tracker.head(&mut response);
        assert_eq!(
            response.all("cache-control"),
            ["private, max-age=60"],
            "{asked}"
        );
        let vary: &[_] = if asked == "visitor" { &["cookie"] } else { &[] };
        assert_eq!(response.all("vary"), vary, "{asked}");
        assert_eq!(response.all("set-cookie").len(), 1, "{asked}");
    }
}
