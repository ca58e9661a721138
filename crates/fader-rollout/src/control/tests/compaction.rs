//! A journal that has grown long is written anew, and says the same.

use super::*;
use crate::control::journal::LONG;

const SEARCH: &str = r#""search": { "rules": [ { "name": "ramp", "by": "user.id", "serve": "on", "ramp": {
    "start": "2026-12-01T09:00:00Z", "stages": [ { "percent": 5, "bake": "1h" } ] } } ] }, "checkout""#;

fn machine() -> Machine {
    Machine {
        settings: || Settings {
            restart_hold: Duration::ZERO,
            max_crashes: u32::MAX,
            ..Settings::default()
        },
        ..Machine::new()
    }
}

fn length(machine: &Machine) -> u64 {
    std::fs::metadata(machine.path().join("journal.jsonl"))
        .unwrap()
        .len()
}

/// Says the last record again, as often as the journal has room for it up to such a length.
fn lengthen(machine: &Machine, to: u64) {
    let path = machine.path().join("journal.jsonl");
    let mut journal = std::fs::read(&path).unwrap();
    let last = journal.split_inclusive(|byte| *byte == b'\n').next_back();
    let last = last.unwrap().to_vec();
    while ((journal.len() + last.len()) as u64) < to {
        journal.extend_from_slice(&last);
    }
    std::fs::write(path, journal).unwrap();
}

/// Units, evidence, a ramp that the document does not have meanwhile, and kills.
#[test]
fn one_that_is_written_anew_says_the_same() {
    let both = document(STAGES).replacen("\"checkout\"", SEARCH, 1);
    let lived = |is_long: bool| {
        let machine = machine();
        let mut process = machine.boot(&both, 0);
        // More than the processes after it see.
        process.users = 4_000_000;
        process.seconds(20);
        order::kill(&machine.disk, "other", "ben", "smoke", at(20)).unwrap();
        process.seconds(10);
        let before = process.ramp().units;
        process.controller_ends();
        let journal = std::fs::read_to_string(machine.path().join("journal.jsonl")).unwrap();
        let last: fader::Json = serde_json::from_str(journal.lines().last().unwrap()).unwrap();
        let seen = last["ramps"][FLAG]["memory"]["seen"].as_array();
        assert!(seen.is_some_and(|seen| seen.len() > 1000), "{seen:?}");
        if is_long {
            lengthen(&machine, LONG + LONG / 4);
        }
        let mut process = machine.boot(&document(STAGES), 30);
        assert!(length(&machine) < LONG);
        process.seconds(5);
        drop(process);
        let mut process = machine.boot(&both, 36);
        process.seconds(5);
        let status = process.controller.status(&process.flags, at(41), true);
        let after = status.ramp(FLAG).unwrap().units;
        assert!(
            after.stable >= before.stable && after.candidate >= before.candidate,
            "{after:?} of {before:?}"
        );
        (status.ramps, audit(&machine))
    };
    let (ramps, lines) = lived(true);
    assert_eq!(ramps.len(), 2);
    assert!(ramps.iter().all(|ramp| ramp.percent == "5"), "{ramps:?}");
    assert_eq!((ramps, lines), lived(false));
}

/// What the audit log lacks stands in the journal alone, which stays as it is until the log has it.
#[test]
fn one_that_the_audit_log_needs_is_not_written_anew() {
    let machine = machine();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(5);
    process.controller_ends();
    lengthen(&machine, LONG - 300_000);
    let mut process = machine.boot(&document(STAGES), 5);
    // Others all the time, which the journal names.
    process.users = 4_000_000;
    let (log, aside) = (
        machine.path().join("audit.jsonl"),
        machine.path().join("aside"),
    );
    std::fs::rename(&log, &aside).unwrap();
    std::fs::create_dir(&log).unwrap();
    assert_eq!(process.ask(Wish::Pause), Answer::Done);
    let mut seconds = 0;
    while length(&machine) <= LONG {
        process.second();
        seconds += 1;
        assert!(seconds < 100, "{}", length(&machine));
    }
    process.seconds(2);
    drop(process);
    std::fs::remove_dir(&log).unwrap();
    std::fs::rename(&aside, &log).unwrap();
    drop(machine.boot(&document(STAGES), 300));
    let lines = audit(&machine);
    let pauses = lines.iter().filter(|(_, _, what)| what == "pause");
    assert_eq!(pauses.count(), 1, "{lines:?}");
    assert!(length(&machine) < LONG, "now it is");
}
