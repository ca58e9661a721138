//! What is written: documents that name their revision at both ends, lists that name it as a guest, overlays whose
//! content follows from their version.

use std::fmt::Write;
use std::ops::RangeInclusive;

use super::random::Random;

/// Flags beside those that the readers check.
const PARTS: u64 = 600;
/// Ids of the list that are no guests.
const MEMBERS: u64 = 1_000;
/// A revision that no good document has, so that one of these would be noticed as soon as it is live.
const NEVER: u64 = 9_000_000;

/// A good document. What it holds besides its revision repeats every thousand revisions, so that those which are a
/// multiple of a thousand apart are of one size. In between flags come and go, and there are attributes and patterns
/// that no other document has.
pub fn document(revision: u64) -> String {
    let mut text = format!(
        r#"{{ "revision": {revision}, "lists": {{ "vip": {{ "file": "vip.txt" }} }}, "flags": {{
  "edition": {{ "variants": {{ "this": {revision} }}, "default": "this" }},
  "lounge": {{ "rules": [ {{ "if": {{ "attribute": "user.id", "in_list": "vip" }}, "serve": "on" }} ] }},
  "killable": true,
  "ramped": {{ "rules": [ {{ "name": "ramp", "percent": 0, "serve": "on" }} ] }},
"#
    );
    for part in (0..PARTS).filter(|part| !(part + revision).is_multiple_of(5)) {
        // One in ten is new, the others are as they were.
        let edited = (part + revision) % 10 == 1;
        let of = if edited { revision } else { NEVER };
        let condition = if part % 17 == 3 {
            // How large a pattern's table is depends on its digits: these are the same a thousand revisions on.
            let of = of % 1000;
            format!(r#"{{ "attribute": "build", "matches": "^{part}[a-f]+-{of}$" }}"#)
        } else {
            format!(r#"{{ "attribute": "asked.{of}.{part}", "is": "yes" }}"#)
        };
        let _ = writeln!(
            text,
            r#"  "part-{part:03}": {{ "rules": [ {{ "if": {condition}, "serve": "on" }}, {{ "percent": 25, "serve": "on" }} ] }},"#
        );
    }
    let _ = write!(
        text,
        r#"  "imprint": {{ "variants": {{ "this": {revision} }}, "default": "this" }} }} }}"#
    );
    text
}

/// How many kinds of mistakes there are.
pub const MISTAKES: u64 = 10;

/// A document with errors, which names flags, segments, lists and attributes that no other one does.
pub fn broken(mistake: u64, random: &mut Random) -> Vec<u8> {
    let new = NEVER + random.below(1_000_000);
    let good = document(new);
    let open = |with: &str| good.replacen(r#""flags": {"#, &format!(r#""flags": {{ {with},"#), 1);
    match mistake {
        0 => good.replacen(':', " nonsense", 1).into(),
        1 => open(&format!(
            r#""new-{new}": {{ "rules": [ {{ "serve": "of" }} ] }}"#
        ))
        .into(),
        2 => open(&format!(
            r#""new-{new}": {{ "rules": [ {{ "if": {{ "segment": "no-{new}" }}, "serve": "on" }} ] }}"#
        ))
        .into(),
        3 => good
            .replacen(
                r#""flags""#,
                &format!(r#""segments": {{ "new-{new}": {{}} }}, "flags""#),
                1,
            )
            .into(),
        4 => good.replacen("vip.txt", &format!("{new}.txt"), 1).into(),
        5 => open(r#""edition": true"#).into(),
        6 => good.replacen("flags", "flag", 1).into(),
        // Found only after the names have their numbers, which they have to give back.
        7 => open(&format!(
            r#""new-{new}": {{ "rules": [ {{ "if": {{ "attribute": "a", "matches": "(" }}, "serve": "on" }} ] }}"#
        ))
        .into(),
        8 => [good.as_bytes(), b"\xff"].concat(),
        _ => Vec::new(),
    }
}

/// A list that names these revisions as guests.
pub fn list(revisions: RangeInclusive<u64>) -> String {
    let mut text = guests(revisions);
    for member in 0..MEMBERS {
        let _ = writeln!(text, "member-{member:04}");
    }
    text
}

pub fn guests(revisions: RangeInclusive<u64>) -> String {
    revisions
        .map(|revision| format!("{}\n", guest(revision)))
        .collect()
}

pub fn guest(revision: u64) -> String {
    format!("guest-{revision}")
}

/// Whether the overlay of this version kills `killable`, and whether it takes `ramped` to 100 percent. Version 0 is
/// that of no overlay.
pub fn overlaid(version: u64) -> (bool, bool) {
    (version & 1 != 0, version & 2 != 0)
}

pub fn overlay(version: u64) -> String {
    let (killed, everybody) = overlaid(version);
    let percent = if everybody { 100 } else { 0 };
    format!(
        r#"{{ "version": {version}, "flags": {{ "killable": {{ "killed": {killed} }},
              "ramped": {{ "rules": {{ "ramp": {{ "percent": {percent} }} }} }} }} }}"#
    )
}

/// An overlay with an error, of a version that no good one has.
pub fn broken_overlay(random: &mut Random) -> String {
    let version = NEVER + random.below(1_000_000);
    let good = overlay(version);
    match random.below(3) {
        0 => good[..good.len() / 2].to_owned(),
        1 => good.replacen("killed", "kiled", 1),
        _ => good.replacen(r#""percent": "#, r#""percent": 7"#, 1) + "}",
    }
}
