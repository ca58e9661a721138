//! The documents of the works that are measured by themselves.

use fader::{Delivery, Flags, Source};

use crate::mixed::{Mixed, Rules};
use crate::users::{USERS, id};

/// The flag `rollout` beside one that a clock ramp decides.
pub const BESIDE_RAMP: &str = r#"{
"flags": {
  "rollout": { "rules": [ { "percent": 25, "serve": "on" } ] },
  "ramp": { "rules": [ { "ramp": { "start": "2026-12-01T09:00:00Z", "over": "7d" }, "serve": "on" } ] } } }
"#;

/// Returns the document of the flags `plain`, `rollout`, `rules`, `list` and `chain-1` to `chain-3`; the ids of the list
/// are those of [`listed`].
#[must_use]
pub fn small() -> String {
    among("")
}

fn among(others: &str) -> String {
    format!(
        r#"{{
"lists": {{ "ids": {{ "file": "ids.txt" }} }},
"flags": {{
  "plain": true,
  "rollout": {{ "rules": [ {{ "percent": 25, "serve": "on" }} ] }},
  "rules": {{ {} }},
  "list": {{ "rules": [ {{ "if": {{ "attribute": "targetingKey", "in_list": "ids" }}, "serve": "on" }} ] }},
  "chain-1": {{ "rules": [ {{ "if": {{ "flag": "chain-2", "is": "on" }}, "serve": "on" }} ] }},
  "chain-2": {{ "rules": [ {{ "if": {{ "flag": "chain-3", "is": "on" }}, "serve": "on" }} ] }},
  "chain-3": {{ "rules": [ {{ "percent": 50, "serve": "on" }} ] }}{others} }} }}
"#,
        Rules::one().to_json()
    )
}

/// Returns the ids of a list of `count`: every second user is in it, the others nobody asks about.
pub fn listed(count: usize) -> impl Iterator<Item = String> {
    let asked = (0..USERS).filter(|number| number % 2 == 0);
    asked.chain(USERS..).take(count).map(id)
}

/// Returns the list file of [`small`].
#[must_use]
pub fn list_file(count: usize) -> Vec<u8> {
    let mut file = String::new();
    for id in listed(count) {
        file.push_str(&id);
        file.push('\n');
    }
    file.into_bytes()
}

/// Makes a handle that answers by [`small`], its list of `count` ids.
///
/// # Panics
///
/// The document is broken.
#[must_use]
pub fn flags(count: usize) -> Flags {
    let flags = Flags::builder().build();
    let delivery = Delivery::new(small()).list("ids.txt", Ok(list_file(count)));
    flags
        .load(delivery, &Source::new("small.json"))
        .expect("the document is good");
    flags
}

/// Makes a handle that answers by [`small`] with other flags behind its own.
///
/// # Panics
///
/// The document is broken.
#[must_use]
pub fn flags_among(count: usize, others: &Mixed) -> Flags {
    let flags = Flags::builder().build();
    let document = among(&format!(",\n{}", others.entries()));
    let delivery = Delivery::new(document).list("ids.txt", Ok(list_file(count)));
    flags
        .load(delivery, &Source::new("large.json"))
        .expect("the document is good");
    flags
}

/// Makes a handle that answers by a document of its own.
///
/// # Panics
///
/// The document is broken.
#[must_use]
pub fn load(document: &str) -> Flags {
    let flags = Flags::builder().build();
    flags
        .load(document, &Source::new("mixed.json"))
        .expect("the document is good");
    flags
}
