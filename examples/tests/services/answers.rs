//! Who gets what, by the example document and by others.

use serde_json::json;

use fader::{Flags, ManualClock};

use crate::service::{Example, root};

pub fn each_kind_of_targeting_of_the_example_document(example: Example) {
    let service = example.start();
    let checkout = |path: &str, headers: &[(&str, &str)]| {
        let answer = service.get(path, headers);
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.header("x-fader"),
            Some(format!("new-checkout={}", answer.body).as_str())
        );
        answer.body
    };
    assert_eq!(checkout("/checkout", &[]), "stable");
    assert_eq!(checkout("/checkout", &[("x-user-id", "qa-1")]), "gray");
    assert_eq!(checkout("/checkout", &[("x-user-id", "")]), "stable");
    assert_eq!(checkout("/checkout", &[("x-app-id", "acme-pos")]), "gray");
    assert_eq!(
        checkout("/v2/checkout", &[]),
        "gray",
        "the caller's machine is among the gray hosts"
    );
    let gray = (0..2000)
        .filter(|user| checkout("/checkout", &[("x-user-id", &user.to_string())]) == "gray")
        .count();
    assert!((40..=170).contains(&gray), "{gray} of 2,000 users for 5 %");

    let decide = |flag: &str, headers: &[(&str, &str)]| {
        service.get("/flags", headers).json()[flag]["value"].clone()
    };
    assert_eq!(decide("dark-mode", &[]), json!(true));
    let ranked = |user: u32| decide("search-ranker", &[("x-user-id", &user.to_string())]);
    let rankers: Vec<_> = (0..400).map(ranked).collect();
    for (ranker, share) in [
        ("bm25", 150..250),
        ("hybrid-a", 60..140),
        ("hybrid-b", 60..140),
    ] {
        let users = rankers.iter().filter(|got| **got == ranker).count();
        assert!(share.contains(&users), "{users} of 400 users for {ranker}");
    }
    assert_eq!(decide("recommendations", &[]), json!(true));
    assert_eq!(
        decide("requests-per-minute", &[("x-app-id", "acme-pos")]),
        json!(1000)
    );
    assert_eq!(
        decide("requests-per-minute", &[("x-app-id", "other")]),
        json!(100)
    );
    assert_eq!(
        decide("named-contact", &[("x-user-id", "vip-100")]),
        json!(true)
    );
    assert_eq!(
        decide("named-contact", &[("x-user-id", "vip-1")]),
        json!(false)
    );
    for (number, in_set) in [
        ("1", true),
        ("100000000", true),
        ("100000001", false),
        ("0", false),
        ("007", false),
    ] {
        assert_eq!(
            decide("accounts-on-new-shard", &[("x-user-id", number)]),
            json!(in_set),
            "{number}"
        );
    }
    let upsell: Vec<_> = ["qa-1", "qa-2", "ann"]
        .map(|user| decide("checkout-upsell", &[("x-user-id", user)]))
        .into();
    assert_eq!(
        upsell[2],
        json!(false),
        "ann does not get the gray checkout: {upsell:?}"
    );
}

pub fn every_decision_of_a_caller_in_the_order_of_the_document(example: Example) {
    let service = example.start_with(
        r#"{ "revision": 42, "flags": {
            "z": { "variants": { "s": ["text"], "t": { "a": [1, null] } }, "default": "t",
                   "rules": [{ "name": "ann", "if": { "attribute": "user.id", "is": "ann" }, "serve": "s" }] },
            "new-checkout": true,
            "a": { "enabled": false } } }"#,
    );
    let answer = service.get("/flags", &[("x-user-id", "ann")]);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        answer.body,
        r#"{"z":{"value":["text"],"variant":"s","reason":"TARGETING_MATCH","rule":"ann","version":"42"},"#.to_owned()
            + r#""new-checkout":{"value":true,"variant":"on","reason":"STATIC","rule":null,"version":"42"},"#
            + r#""a":{"value":null,"variant":null,"reason":"DISABLED","rule":null,"version":"42"}}"#
    );
    assert_eq!(answer.header("x-fader"), Some("z=s, new-checkout=on, a"));
    assert_eq!(
        service.get("/flags", &[]).json()["z"]["value"],
        json!({ "a": [1, null] })
    );
    assert_eq!(service.get("/nothing-here", &[]).status, 404);
}

pub fn empty_headers_are_missing(example: Example) {
    let service = example.start_with(
        r#"{ "flags": {
            "key": { "rules": [{ "if": { "attribute": "targetingKey", "exists": true }, "serve": "on" }] },
            "user": { "rules": [{ "if": { "attribute": "user.id", "exists": true }, "serve": "on" }] },
            "number": { "rules": [{ "if": { "attribute": "user.number", "exists": true }, "serve": "on" }] },
            "app": { "rules": [{ "if": { "attribute": "app.id", "exists": true }, "serve": "on" }] } } }"#,
    );
    let seen = |user: &str, app: &str| {
        let answer = service.get("/flags", &[("x-user-id", user), ("x-app-id", app)]);
        let flags = answer.json();
        ["key", "user", "number", "app"].map(|flag| flags[flag]["value"] == true)
    };
    assert_eq!(seen("42", "acme"), [true; 4]);
    assert_eq!(seen("ann", ""), [true, true, false, false]);
    assert_eq!(seen("", "acme"), [false, false, false, true]);
    assert_eq!(seen("", ""), [false; 4]);
}

#[test]
fn the_example_document_has_no_warnings() {
    // Before the day on which its flags expire.
    let clock = ManualClock::at("2026-12-01T00:00:00Z").unwrap();
    let file = fader_providers::file(root().join("flags.example.json"))
        .flags(Flags::builder().clock(clock));
    let warnings: Vec<_> = file
        .open()
        .unwrap()
        .status()
        .warnings()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(warnings, [""; 0]);
}

pub fn the_client_behind_a_trusted_proxy(example: Example) {
    let document = r#"{ "flags": { "new-checkout": { "rules": [
        { "if": { "attribute": "client.ip", "in_network": "10.20.0.0/16" }, "serve": "on" } ] } } }"#;
    let seen = |arguments: &[&str]| {
        let service = example.start_as(document, arguments, |_| ());
        ["10.20.0.9", "10.20.0.9, 192.0.2.1", "192.0.2.1, 10.20.0.9"].map(|clients| {
            service
                .get("/checkout", &[("x-forwarded-for", clients)])
                .body
        })
    };
    assert_eq!(seen(&[]), ["stable"; 3], "anybody can write the header");
    let proxies = ["--trusted-proxies", "127.0.0.0/8, ::1"];
    assert_eq!(seen(&proxies), ["gray", "stable", "gray"]);
}

pub fn one_process_by_its_address(example: Example) {
    let (service, other) = (example.start(), example.start());
    let document = format!(
        r#"{{ "flags": {{ "new-checkout": {{ "rules": [
            {{ "if": {{ "attribute": "host.instance", "is": "{}" }}, "serve": "on" }} ] }} }} }}"#,
        service.address
    );
    for (service, arm) in [(&service, "gray"), (&other, "stable")] {
        service.replace(&document);
        service.wait_until_it_says("loaded version");
        assert_eq!(service.get("/checkout", &[]).body, arm);
    }
}

pub fn caches_are_told(example: Example) {
    let service = example.start_with(
        r#"{ "flags": {
            "new-checkout": { "rules": [{ "percent": 50, "by": "user.id", "serve": "on" }] },
            "new-landing": { "rules": [{ "percent": 50, "by": "visitor", "serve": "on" }] } } }"#,
    );
    let told = |path: &str| {
        let answer = service.get(path, &[("x-user-id", "8")]);
        let header = |name: &str| answer.header(name).unwrap_or_default().to_owned();
        [header("vary"), header("cache-control")]
    };
    assert_eq!(told("/checkout"), ["", "private"]);
    assert_eq!(told("/visitor"), ["cookie", ""]);
    assert_eq!(told("/search"), ["", ""]);
    assert_eq!(told("/ready"), ["", ""]);
}
