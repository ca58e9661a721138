use fader::{AttributeName, Attributes as _, ValueRef};

use super::*;
use crate::fake::{self, Request};

/// A snapshot whose rules ask for these attributes.
fn snapshot_wanting(names: &[&str]) -> Snapshot {
    let rules: Vec<_> = names
        .iter()
        .map(|name| {
            format!(r#"{{ "if": {{ "attribute": "{name}", "exists": true }}, "serve": "on" }}"#)
        })
        .collect();
    let document = format!(
        r#"{{ "flags": {{ "f": {{ "rules": [{}] }} }} }}"#,
        rules.join(",")
    );
    fake::flags(&document).snapshot()
}

fn value<'a>(attributes: &'a RequestAttributes, name: &str) -> Option<ValueRef<'a>> {
    attributes.get(AttributeName::new(name))
}

fn captured(request: &Request, name: &str) -> Option<String> {
    let snapshot = snapshot_wanting(&[name]);
    let attributes = Capture::new(&snapshot, request, &TrustedProxies::default()).finish();
    value(&attributes, name).map(|value| match value {
        ValueRef::Untyped(text) => text.to_owned(),
        other => panic!("not untyped: {other:?}"),
    })
}

#[test]
fn the_request_answers_method_and_path_as_they_came() {
    let request = Request {
        method: Some("POST"),
        path: Some("/v2/check%20out"),
        ..Request::default()
    };
    assert_eq!(
        captured(&request, "request.method").as_deref(),
        Some("POST")
    );
    assert_eq!(
        captured(&request, "request.path").as_deref(),
        Some("/v2/check%20out")
    );
}

#[test]
fn a_header_is_found_whatever_the_case_of_its_name() {
    let request = Request {
        headers: vec![("X-Tenant", b"acme".to_vec())],
        ..Request::default()
    };
    assert_eq!(
        captured(&request, "request.header.x-tenant").as_deref(),
        Some("acme")
    );
    assert_eq!(
        captured(&request, "request.header.X-TENANT").as_deref(),
        Some("acme")
    );
    assert_eq!(captured(&request, "request.header.x-other"), None);
    assert_eq!(captured(&request, "request.header."), None);
}

#[test]
fn empty_and_unreadable_headers_are_missing() {
    let request = Request {
        headers: vec![("x-empty", b"".to_vec()), ("x-broken", b"caf\xe9".to_vec())],
        ..Request::default()
    };
    assert_eq!(captured(&request, "request.header.x-empty"), None);
    assert_eq!(captured(&request, "request.header.x-broken"), None);
}

#[test]
fn the_peer_is_the_client_and_a_mapped_address_is_ipv4() {
    let of = |peer: &str| Request {
        peer: Some(peer.parse().unwrap()),
        ..Request::default()
    };
    assert_eq!(
        captured(&of("10.20.0.1"), "client.ip").as_deref(),
        Some("10.20.0.1")
    );
    assert_eq!(
        captured(&of("::ffff:10.20.0.1"), "client.ip").as_deref(),
        Some("10.20.0.1")
    );
    assert_eq!(
        captured(&of("2001:db8::1"), "client.ip").as_deref(),
        Some("2001:db8::1")
    );
    assert_eq!(captured(&Request::default(), "client.ip"), None);
}

#[test]
fn the_host_is_the_target_s_or_else_the_header_s() {
    let header = |value: &'static [u8]| Request {
        headers: vec![("host", value.to_vec())],
        ..Request::default()
    };
    assert_eq!(
        captured(&header(b"Shop.example.com:8080"), "request.host").as_deref(),
        Some("shop.example.com")
    );
    assert_eq!(
        captured(&header(b"[::1]:3000"), "request.host").as_deref(),
        Some("[::1]")
    );
    assert_eq!(
        captured(&header(b"[::1]"), "request.host").as_deref(),
        Some("[::1]")
    );
    assert_eq!(captured(&header(b":3000"), "request.host"), None);
    assert_eq!(captured(&header(b""), "request.host"), None);
    let request = Request {
        authority: Some("me@api.example.com:443"),
        ..header(b"shop.example.com")
    };
    assert_eq!(
        captured(&request, "request.host").as_deref(),
        Some("api.example.com")
    );
}

#[test]
fn only_what_rules_can_ask_for_is_kept() {
    let snapshot = snapshot_wanting(&["user.id"]);
    let request = Request {
        headers: vec![("x-user-id", b"42".to_vec())],
        ..Request::default()
    };
    let mut capture = Capture::new(&snapshot, &request, &TrustedProxies::default());
    assert!(capture.is_wanted("user.id") && !capture.is_wanted("app.id"));
    capture.set("user.id", capture.header("x-user-id").unwrap());
    capture.set("app.id", "acme");
    capture.set_untyped("request.path", "/");
    let attributes = capture.finish();
    assert_eq!(value(&attributes, "user.id"), Some(ValueRef::Text("42")));
    assert_eq!(value(&attributes, "app.id"), None);
    assert_eq!(value(&attributes, "request.path"), None);
}

#[test]
fn a_later_value_replaces_an_earlier_one() {
    let snapshot = snapshot_wanting(&["client.ip", "user.id"]);
    let request = Request {
        peer: Some([127, 0, 0, 1].into()),
        ..Request::default()
    };
    let mut capture = Capture::new(&snapshot, &request, &TrustedProxies::default());
    capture.set_untyped("client.ip", "10.20.0.9");
    capture.set_untyped("user.id", "ann");
    capture.set("user.id", 7);
    let attributes = capture.finish();
    assert_eq!(
        value(&attributes, "client.ip"),
        Some(ValueRef::Untyped("10.20.0.9"))
    );
    assert_eq!(value(&attributes, "user.id"), Some(ValueRef::Integer(7)));
}

#[test]
fn debug_text_names_attributes_and_hides_their_values() {
    let snapshot = snapshot_wanting(&["user.id"]);
    let request = Request::default();
    let mut capture = Capture::new(&snapshot, &request, &TrustedProxies::default());
    capture.set_untyped("user.id", "ann");
    let shown = format!("{capture:?}");
    assert!(
        shown.contains("user.id") && !shown.contains("ann"),
        "{shown}"
    );
}

#[test]
fn more_than_a_request_usually_has_is_kept_too() {
    let names: Vec<String> = (0..40)
        .map(|number| format!("attribute-{number}"))
        .collect();
    let snapshot = snapshot_wanting(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let request = Request::default();
    let mut capture = Capture::new(&snapshot, &request, &TrustedProxies::default());
    for round in 0..2 {
        for (number, name) in names.iter().enumerate() {
            match number % 3 {
                0 => capture.set_untyped(name, &format!("{round}{}", "x".repeat(number))),
                1 => capture.set(name, format!("{round}-{number}")),
                _ => capture.set(name, vec![round, number]),
            }
        }
    }
    let attributes = capture.finish();
    for (number, name) in names.iter().enumerate() {
        let expected = match number % 3 {
            0 => Value::untyped(format!("1{}", "x".repeat(number))),
            1 => Value::from(format!("1-{number}")),
            _ => Value::from(vec![1, number]),
        };
        assert_eq!(value(&attributes, name), Some(expected.as_ref()), "{name}");
    }
}

#[test]
fn cookies_and_parameters_are_looked_for_when_a_rule_asks() {
    let request = Request {
        query: Some("a=1&b=two+words&c=%ff&d=%00&a=3&=4&e"),
        headers: vec![
            ("cookie", b"a=1; b=\"two\"; A=2".to_vec()),
            ("cookie", b"c=\xff; d=%20; a=9".to_vec()),
        ],
        ..Request::default()
    };
    for (name, expected) in [
        ("request.query.a", Some("1")),
        ("request.query.b", Some("two words")),
        ("request.query.c", None),
        ("request.query.d", Some("\0")),
        ("request.query.e", None),
        ("request.query.", Some("4")),
        ("request.query.x", None),
        ("request.cookie.a", Some("1")),
        ("request.cookie.A", Some("2")),
        ("request.cookie.b", Some("two")),
        ("request.cookie.c", None),
        ("request.cookie.d", Some("%20")),
        ("request.cookie.", None),
    ] {
        assert_eq!(captured(&request, name).as_deref(), expected, "{name}");
    }
    let without = Request::default();
    assert_eq!(captured(&without, "request.query.a"), None);
    assert_eq!(captured(&without, "request.cookie.a"), None);
}

#[test]
fn what_was_found_is_found_again_whoever_asks() {
    let snapshot = snapshot_wanting(&["request.query.a", "request.query.b", "request.cookie.c"]);
    let request = Request {
        query: Some("a=%61&b=b"),
        ..Request::new(&[("cookie", "c=c")])
    };
    let attributes = Capture::new(&snapshot, &request, &TrustedProxies::default()).finish();
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                for _ in 0..200 {
                    for (name, expected) in [
                        ("request.query.a", "a"),
                        ("request.query.b", "b"),
                        ("request.cookie.c", "c"),
                    ] {
                        let expected = Some(ValueRef::Untyped(expected));
                        assert_eq!(value(&attributes, name), expected);
                    }
                }
            });
        }
    });
}

#[test]
fn what_is_too_long_is_missing_and_costs_no_memory() {
    let long = "x".repeat(1_000_000);
    let request = Request {
        headers: vec![
            ("x-long", long.clone().into_bytes()),
            ("x-short", b"short".to_vec()),
            ("cookie", format!("a={long}").into_bytes()),
            ("cookie", b"b=1".to_vec()),
        ],
        query: Some(format!("a={long}").leak()),
        path: Some(format!("/{long}").leak()),
        ..Request::default()
    };
    let names = [
        "request.header.x-long",
        "request.path",
        "request.cookie.a",
        "request.cookie.b",
        "request.query.a",
    ];
    let snapshot = snapshot_wanting(&[&names[..], &["request.header.x-short"]].concat());
    let attributes = Capture::new(&snapshot, &request, &TrustedProxies::default()).finish();
    for name in names {
        assert_eq!(value(&attributes, name), None, "{name}");
    }
    let short = value(&attributes, "request.header.x-short");
    assert_eq!(short, Some(ValueRef::Untyped("short")));
}

#[test]
fn each_request_is_a_unit_of_its_own() {
    let units: std::collections::HashSet<_> = (0..1000)
        .map(|_| captured(&Request::default(), "request").unwrap())
        .collect();
    assert_eq!(units.len(), 1000);
}

#[test]
fn the_route_is_the_framework_s() {
    let request = Request {
        route: Some("/carts/{id}"),
        ..Request::default()
    };
    assert_eq!(
        captured(&request, "request.route").as_deref(),
        Some("/carts/{id}")
    );
    assert_eq!(captured(&Request::default(), "request.route"), None);
}

#[test]
fn no_client_crowds_out_what_the_service_sets() {
    let request = Request {
        query: Some("x".repeat(crate::texts::MOST - 1).leak()),
        path: Some("/"),
        ..Request::new(&[("x-more", "more")])
    };
    let names = [
        "request.query.q",
        "request.path",
        "request.header.x-more",
        "user.id",
    ];
    let snapshot = snapshot_wanting(&names);
    let mut capture = Capture::new(&snapshot, &request, &TrustedProxies::default());
    capture.set("user.id", "qa-1");
    let attributes = capture.finish();
    assert_eq!(value(&attributes, "user.id"), Some(ValueRef::Text("qa-1")));
}
