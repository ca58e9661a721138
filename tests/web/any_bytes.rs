//! Any bytes as what a request says: nothing panics, and what does not read them decides as ever.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::data::Adapter;
use crate::in_process::{self, InProcess, Plain};

/// Flags that read what is hostile, and one that does not.
const SETUP: &str = r#"{ "name": "any bytes", "steps": [],
    "document": { "flags": {
        "hostile": { "rules": [
            { "if": { "any": [
                { "attribute": "request.cookie.a", "matches": "^x+$" },
                { "attribute": "request.query.a", "gte": 5 },
                { "attribute": "request.path", "contains": "x" },
                { "attribute": "request.host", "ends_with": ".test" },
                { "attribute": "request.header.x-a", "version": ">=2.3" },
                { "attribute": "client.ip", "in_network": "192.0.2.0/24" }
            ] }, "percent": 50, "by": "visitor", "serve": "on" },
            { "by": "request.cookie.a", "percent": 50, "serve": "on" },
            { "by": "client.ip", "percent": 50, "serve": "on" },
            { "by": "request.query.a", "percent": 50, "serve": "on" }
        ] },
        "new-checkout": { "rules": [
            { "if": { "attribute": "request.header.x-tier", "is": "gold" }, "serve": "on" }
        ] }
    } },
    "config": {
        "visitor": { "keys": ["0123456789abcdef"] }, "trusted_proxies": ["127.0.0.0/8", "10.0.0.0/8"],
        "response_header": true, "cache_headers": true
    } }"#;

/// Any bytes, or such as parsers know.
fn bytes(known: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        3 => proptest::sample::select(known).prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..8),
    ];
    vec(token, 0..12).prop_map(|tokens| tokens.concat())
}

fn requests() -> impl Strategy<Value = (Vec<u8>, Vec<(&'static str, Vec<u8>)>)> {
    let target = (
        bytes(&["/", "a", "x", "%", "%00", "%ff", "..", ";", "carts", "arm"]),
        bytes(&["a", "=", "&", "+", "%", "%61", "%ff", "%00", "5", "?", ";"]),
    );
    let cookie = || {
        bytes(&[
            "a",
            "=",
            ";",
            " ",
            "\"",
            "fader_visitor",
            "1.",
            ".",
            "x",
            ",",
        ])
    };
    let address = [
        "10.0.0.1",
        "192.0.2.1",
        "[2001:db8::1]",
        "::1",
        ":80",
        ",",
        " ",
        "for=",
        ";",
        "\"",
        "\\",
        "unknown",
    ];
    let address: &'static [&'static str] = Vec::leak(address.to_vec());
    let headers = (
        vec(cookie(), 0..3),
        vec(bytes(address), 0..3),
        vec(bytes(address), 0..3),
        bytes(&["shop", ".test", ":", "@", "[", "]", "8080", "A"]),
        bytes(&["2.3", ".", "-", "v", "9999999999999999999"]),
        bytes(&["navigate", "cors"]),
    );
    (target, headers).prop_map(|((path, query), headers)| {
        let target = [b"/".as_slice(), &path, b"?read=hostile&", &query].concat();
        let (cookies, list, pairs, host, version, mode) = headers;
        let all = |name, lines: Vec<_>| lines.into_iter().map(move |line| (name, line));
        let headers = all("cookie", cookies)
            .chain(all("x-forwarded-for", list))
            .chain(all("forwarded", pairs))
            .chain([("host", host), ("x-a", version), ("sec-fetch-mode", mode)])
            .collect();
        (target, headers)
    })
}

/// Answers a request, of whose headers those are left out that HTTP does not allow.
fn answer(
    app: &mut InProcess,
    target: &[u8],
    headers: &[(&'static str, &[u8])],
    tier: &[u8],
) -> Option<String> {
    let is_allowed = |value: &[u8]| value.iter().all(|byte| *byte >= 32 && *byte != 127);
    let mut headers: Vec<_> = headers
        .iter()
        .copied()
        .filter(|(_, value)| is_allowed(value))
        .collect();
    headers.push(("x-tier", tier));
    let answer = app(&Plain {
        target,
        headers: &headers,
    })?;
    Some(answer.header("x-arm")?.to_owned())
}

fn any_bytes_change_nothing_else(adapter: Adapter) {
    let (_service, mut app) = in_process::start(adapter, SETUP);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 3000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let (mut made, mut all) = (0, 0);
    let app = std::cell::RefCell::new(&mut app);
    let counts = std::cell::RefCell::new((&mut made, &mut all));
    let result = runner.run(&requests(), |(target, headers)| {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, &value[..]))
            .collect();
        let (mut counts, mut app) = (counts.borrow_mut(), app.borrow_mut());
        *counts.1 += 1;
        // Whatever the target is, the request goes through the layer.
        if app(&Plain {
            target: &target,
            headers: &[],
        })
        .is_some()
        {
            *counts.0 += 1;
        }
        let query = target
            .iter()
            .position(|byte| *byte == b'?')
            .map_or(&b""[..], |at| &target[at..]);
        let target = [b"/arm/body", query].concat();
        for (tier, arm) in [(&b"gold"[..], "gray"), (b"silver", "stable")] {
            if let Some(found) = answer(&mut app, &target, &headers, tier) {
                prop_assert_eq!(found, arm);
            }
            let found = answer(&mut app, b"/arm/body?read=hostile", &headers, tier);
            prop_assert_eq!(found.as_deref(), Some(arm));
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    assert!(made * 10 > all, "only {made} of {all} targets are any");
}

#[test]
fn any_bytes_change_nothing_else_on_axum() {
    any_bytes_change_nothing_else(Adapter::Axum);
}

#[test]
fn any_bytes_change_nothing_else_on_actix() {
    any_bytes_change_nothing_else(Adapter::Actix);
}
