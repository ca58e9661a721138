//! `fader position`.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::Folder;

/// Runs the command and returns position and place, each as number and percent.
fn position(arguments: &[&str]) -> [(u64, String); 2] {
    let run = Folder::new().run([&["position"], arguments].concat());
    assert_eq!((run.exit, &*run.stderr), (Some(0), ""));
    let rows: Vec<Vec<&str>> = run
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let read = |row: usize, name: &str| {
        assert_eq!(
            (rows[row][0], rows[row].len(), rows[row][3]),
            (name, 4, "%")
        );
        (rows[row][1].parse().unwrap(), rows[row][2].to_owned())
    };
    assert_eq!(rows.len(), 2);
    [read(0, "position"), read(1, "place")]
}

#[test]
fn prints_position_before_place() {
    let run = Folder::new().run(["position", "--salt", "new-checkout", "--unit", "user-42"]);
    run.answered(
        0,
        "position  11971452755194587121  64.897375 %\n\
         place      4537256112281565220  24.596514 %\n",
    );
}

#[test]
fn agrees_with_the_published_vectors() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/positions.json");
    let published: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let vectors = published["vectors"].as_array().unwrap();
    assert!(!vectors.is_empty());
    // An argument can't hold the character U+0000.
    let text = |vector: &Value, name: &str| vector[name].as_str().map(str::to_owned);
    for vector in vectors.iter().step_by(5) {
        let (Some(salt), Some(unit)) = (text(vector, "salt"), text(vector, "unit")) else {
            continue;
        };
        if salt.contains('\0') || unit.contains('\0') {
            continue;
        }
        let found = position(&[&format!("--salt={salt}"), &format!("--unit={unit}")]);
        for (name, (number, percent)) in ["position", "place"].into_iter().zip(found) {
            assert_eq!(vector[name], number.to_string(), "{vector}");
            let micros: u128 = percent.replace('.', "").parse().unwrap();
            let exact = u128::from(number) * 100_000_000;
            assert!(
                micros << 64 <= exact && exact < (micros + 1) << 64,
                "{vector}: {percent}"
            );
        }
    }
}

#[test]
fn a_unit_may_be_empty_or_look_like_an_option() {
    assert_eq!(
        position(&["--salt", "s", "--unit="]),
        position(&["--salt", "s", "--unit", ""])
    );
    assert_eq!(
        position(&["--salt", "s", "--unit=-5"]),
        position(&["--salt", "s", "--unit", "-5"])
    );
    assert_ne!(
        position(&["--salt", "s", "--unit=-5"]),
        position(&["--salt", "s", "--unit=5"])
    );
    assert_ne!(
        position(&["--salt=", "--unit=5"]),
        position(&["--salt=s", "--unit=5"])
    );
    assert_ne!(
        position(&["--salt=é", "--unit=é"]),
        position(&["--salt=é", "--unit=e\u{301}"])
    );
}
