//! Visitors who have not signed in.

use crate::service::{Answer, Connection, Example};

const DOCUMENT: &str = r#"{ "flags": {
    "new-landing": { "rules": [{ "percent": 50, "by": "visitor", "serve": "on" }] } } }"#;

fn arrive(connection: &mut Connection) -> Answer {
    let headers = [("sec-fetch-mode", "navigate")];
    connection.get("/visitor", &headers).unwrap()
}

/// The cookie as a browser sends it back.
pub fn cookie(answer: &Answer) -> String {
    let cookie = answer.header("set-cookie").expect("a cookie");
    let (pair, attributes) = cookie.split_once("; ").expect("attributes");
    assert_eq!(
        attributes,
        "Path=/; Max-Age=34560000; HttpOnly; Secure; SameSite=Lax"
    );
    pair.to_owned()
}

pub fn a_visitor_keeps_an_arm(example: Example) {
    let service = example.start_with(DOCUMENT);
    let mut connection = service.connect();
    let stranger = connection.get("/visitor", &[]).unwrap();
    assert_eq!(stranger.header("set-cookie"), None);
    assert_eq!(stranger.body, "stable", "whoever has no cookie is no unit");
    let (mut arms, mut cookies) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        let first = arrive(&mut connection);
        let cookie = cookie(&first);
        let again = connection.get("/visitor", &[("cookie", &cookie)]).unwrap();
        assert_eq!(again.body, first.body);
        assert_eq!(again.header("set-cookie"), None);
        let forged = format!("{cookie}x");
        let forged = connection.get("/visitor", &[("cookie", &forged)]).unwrap();
        assert_eq!(forged.body, "stable");
        arms.push(first.body);
        cookies.push(cookie);
    }
    for arm in ["gray", "stable"] {
        assert!(arms.iter().any(|got| got == arm), "{arms:?}");
    }
    cookies.sort();
    cookies.dedup();
    assert_eq!(cookies.len(), 40);
}

pub fn a_share_of_visitors(example: Example) {
    let service = example.start();
    let mut connection = service.connect();
    let gray = (0..1000)
        .filter(|_| arrive(&mut connection).body == "gray")
        .count();
    // 10 %, and five standard deviations.
    assert!((52..=148).contains(&gray), "{gray} of 1,000 visitors");
}

pub fn without_a_key_it_says_so(example: Example) {
    let note = "FADER_VISITOR_KEY is not set: visitors are known until the service stops";
    let service = example.start_as(DOCUMENT, &[], |command| {
        command.env_remove("FADER_VISITOR_KEY");
    });
    service.wait_until_it_says(note);
    let mut connection = service.connect();
    let cookie = cookie(&arrive(&mut connection));
    let elsewhere = example.start_with(DOCUMENT);
    assert!(!elsewhere.stdout().contains("FADER_VISITOR_KEY"));
    // A cookie of another key is none: a new visitor.
    let headers = [("cookie", cookie.as_str()), ("sec-fetch-mode", "navigate")];
    let answer = elsewhere.get("/visitor", &headers);
    assert!(answer.header("set-cookie").is_some());
}
