//! A ramp as visitors see it: 100,000 of them with real cookies, while the percent goes up and half of them sign in.

use fader::Source;

use crate::data::Adapter;
use crate::in_process::{self, Plain};

const VISITORS: usize = 100_000;

/// The percents, of which the middle one is where visitors sign in.
const STAGES: [u32; 5] = [1, 5, 25, 50, 100];

/// A visitor's cookie, and what the last page was.
struct Visitor {
    cookie: String,
    is_gray: bool,
}

fn document(percent: u32) -> String {
    format!(
        r#"{{ "flags": {{ "new-checkout": {{ "rules": [
            {{ "by": "visitor", "percent": {percent}, "serve": "on" }}
        ] }} }} }}"#
    )
}

fn visitors_change_at_most_once(adapter: Adapter) {
    let setup = r#"{ "name": "ramp", "document": { "flags": {} }, "steps": [],
        "config": { "visitor": { "keys": ["0123456789abcdef"] } } }"#;
    let (service, mut app) = in_process::start(adapter, setup);
    let mut visitors: Vec<Visitor> = Vec::with_capacity(VISITORS);
    for (stage, percent) in STAGES.into_iter().enumerate() {
        let source = Source::new("document");
        service
            .flags
            .load(document(percent).as_str(), &source)
            .unwrap();
        for number in 0..VISITORS {
            let cookie = visitors.get(number).map(|visitor| visitor.cookie.clone());
            let user = format!("user-{number}");
            let mut headers = vec![("sec-fetch-mode", &b"navigate"[..])];
            if let Some(cookie) = &cookie {
                headers.push(("cookie", cookie.as_bytes()));
            }
            if stage >= STAGES.len() / 2 && number % 2 == 0 {
                headers.push(("x-user", user.as_bytes()));
            }
            let page = Plain {
                target: b"/arm/body",
                headers: &headers,
            };
            let answer = app(&page).unwrap();
            let is_gray = answer.header("x-arm") == Some("gray");
            let set = answer.header("set-cookie");
            match visitors.get_mut(number) {
                None => {
                    let cookie = set.and_then(|line| line.split(';').next()).unwrap();
                    visitors.push(Visitor {
                        cookie: cookie.to_owned(),
                        is_gray,
                    });
                }
                Some(visitor) => {
                    assert_eq!(set, None, "a visitor is known again");
                    assert!(
                        is_gray >= visitor.is_gray,
                        "{percent} %: {}",
                        visitor.cookie
                    );
                    visitor.is_gray = is_gray;
                }
            }
        }
        let gray = visitors.iter().filter(|visitor| visitor.is_gray).count();
        assert_near(gray, percent);
    }
}

/// Tells whether that many of all visitors are what chance makes of a percent, within five standard deviations.
#[expect(clippy::cast_precision_loss, reason = "a count of visitors")]
fn assert_near(gray: usize, percent: u32) {
    let (share, all) = (f64::from(percent) / 100.0, VISITORS as f64);
    let deviation = (all * share * (1.0 - share)).sqrt();
    let distance = (gray as f64 - all * share).abs();
    assert!(distance <= 5.0 * deviation, "{gray} at {percent} %");
}

#[test]
fn visitors_change_at_most_once_on_axum() {
    visitors_change_at_most_once(Adapter::Axum);
}

#[test]
fn visitors_change_at_most_once_on_actix() {
    visitors_change_at_most_once(Adapter::Actix);
}
