//! The hashing promise, against vectors made by an independent implementation (`tests/data/positions.py`).

use fader::{Percent, hash};
use serde::Deserialize;

use crate::data;

#[derive(Deserialize)]
struct Positions {
    vectors: Vec<Vector>,
    thresholds: Vec<Threshold>,
    boundaries: Vec<Boundary>,
}

#[derive(Deserialize)]
struct Vector {
    salt: String,
    unit: String,
    position: String,
    place: String,
}

#[derive(Deserialize)]
struct Threshold {
    percent: String,
    micros: u32,
    threshold: String,
}

#[derive(Deserialize)]
struct Boundary {
    percent: String,
    salt: String,
    last_inside: Unit,
    first_outside: Unit,
}

#[derive(Deserialize)]
struct Unit {
    unit: String,
    position: String,
}

fn positions() -> Positions {
    let text = std::fs::read_to_string(data::root().join("positions.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn positions_and_places_are_those_of_the_vectors() {
    let positions = positions();
    assert!(positions.vectors.len() >= 200);
    for Vector {
        salt,
        unit,
        position,
        place,
    } in &positions.vectors
    {
        assert_eq!(
            hash::position(salt, unit).to_string(),
            *position,
            "position of {unit:?} under {salt:?}"
        );
        assert_eq!(
            hash::place(salt, unit).to_string(),
            *place,
            "place of {unit:?} under {salt:?}"
        );
    }
    let lengths: std::collections::BTreeSet<_> = positions
        .vectors
        .iter()
        .map(|vector| vector.unit.len())
        .collect();
    assert!(
        [0, 1, 16, 17, 128, 129, 240, 241, 1_000]
            .iter()
            .all(|length| lengths.contains(length))
    );
}

#[test]
fn thresholds_are_those_of_the_vectors() {
    for Threshold {
        percent,
        micros,
        threshold,
    } in &positions().thresholds
    {
        let percent: Percent = percent.parse().unwrap();
        assert_eq!(percent.micros(), *micros);
        assert_eq!(hash::threshold(percent).to_string(), *threshold);
    }
}

#[test]
fn the_last_unit_inside_and_the_first_outside_are_told_apart() {
    let boundaries = positions().boundaries;
    assert_eq!(boundaries.len(), 12);
    for Boundary {
        percent,
        salt,
        last_inside,
        first_outside,
    } in &boundaries
    {
        let threshold = hash::threshold(percent.parse().unwrap());
        for (unit, inside) in [(last_inside, true), (first_outside, false)] {
            let position = hash::position(salt, &unit.unit);
            assert_eq!(position.to_string(), unit.position);
            assert_eq!(
                u128::from(position) < threshold,
                inside,
                "{} at {percent} %",
                unit.unit
            );
        }
        let document = format!(
            r#"{{ "flags": {{ "f": {{ "salt": {}, "rules": [ {{ "percent": {percent}, "serve": "on" }} ] }} }} }}"#,
            serde_json::Value::from(salt.as_str()),
        );
        let flags = fader::Flags::builder().build();
        flags
            .load(document, &fader::Source::new("document"))
            .unwrap();
        for (unit, inside) in [(last_inside, "on"), (first_outside, "off")] {
            let context = fader::Context::new(unit.unit.as_str());
            assert_eq!(
                flags.resolve("f", &context).variant(),
                Some(inside),
                "{} at {percent} %",
                unit.unit
            );
        }
    }
}
