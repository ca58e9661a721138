//! The audit log: each number once, whatever becomes of its file.

use super::*;

/// What stands in it at the end, after a ramp that was paused, resumed and is on its way.
fn written(machine: &Machine) -> String {
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(5);
    assert_eq!(process.ask(Wish::Pause), Answer::Done);
    assert_eq!(process.ask(Wish::Resume), Answer::Done);
    process.seconds(5);
    process.controller.end(at(process.second));
    let path = machine.path().join("audit.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.lines().count() >= 3, "{text}");
    text
}

/// The numbers of the lines that can be read, in their order.
fn numbers(machine: &Machine) -> Vec<u64> {
    let text = std::fs::read(machine.path().join("audit.jsonl")).unwrap();
    let lines = text.split(|byte| *byte == b'\n');
    let lines =
        lines.filter_map(|line| serde_json::from_slice::<crate::control::AuditLine>(line).ok());
    lines.map(|line| line.id).collect()
}

fn sorted(machine: &Machine) -> Vec<u64> {
    let mut numbers = numbers(machine);
    numbers.sort_unstable();
    numbers
}

#[test]
fn a_journal_that_is_deleted_gives_no_number_again() {
    let machine = Machine::new();
    let before = written(&machine).lines().count() as u64;
    std::fs::remove_file(machine.path().join("journal.jsonl")).unwrap();
    let mut process = machine.boot(&document(STAGES), 20);
    process.seconds(2);
    assert_eq!(process.ask(Wish::Resume), Answer::Done);
    process.seconds(2);
    let after = numbers(&machine);
    assert!(after.len() as u64 > before, "{after:?}");
    assert_eq!(after, (1..=after.len() as u64).collect::<Vec<_>>());
}

#[test]
fn one_that_is_deleted_comes_back_from_the_journal() {
    let machine = Machine::new();
    let lines = written(&machine).lines().count() as u64;
    std::fs::remove_file(machine.path().join("audit.jsonl")).unwrap();
    drop(machine.boot(&document(STAGES), 20));
    let after = sorted(&machine);
    assert!(after.len() as u64 >= lines, "{after:?}");
    assert_eq!(after, (1..=after.len() as u64).collect::<Vec<_>>());
}

/// It is begun anew while the process runs: what is missing is added by the next one.
#[test]
fn one_that_is_deleted_meanwhile_comes_back_too() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(3);
    std::fs::remove_file(machine.path().join("audit.jsonl")).unwrap();
    assert_eq!(process.ask(Wish::Pause), Answer::Done);
    process.seconds(2);
    process.controller_ends();
    drop(machine.boot(&document(STAGES), 20));
    let after = sorted(&machine);
    assert!(after.len() >= 2, "{after:?}");
    assert_eq!(after, (1..=after.len() as u64).collect::<Vec<_>>());
}

#[test]
fn a_line_that_is_damaged_is_told_again() {
    let machine = Machine::new();
    let text = written(&machine);
    let mut bytes = text.clone().into_bytes();
    let second = text.find('\n').unwrap() + 1;
    bytes[second..second + 5].fill(b'#');
    std::fs::write(machine.path().join("audit.jsonl"), bytes).unwrap();
    drop(machine.boot(&document(STAGES), 20));
    let after = sorted(&machine);
    assert_eq!(after, (1..=after.len() as u64).collect::<Vec<_>>());
}

/// What was decided while the journal could not be written is told when it can, at the latest by the end.
#[test]
fn what_could_not_be_told_meanwhile_is_told_at_the_end() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(3);
    let (path, aside) = (
        machine.path().join("journal.jsonl"),
        machine.path().join("aside"),
    );
    std::fs::rename(&path, &aside).unwrap();
    assert_eq!(process.ask(Wish::RollBack), Answer::Done);
    std::fs::rename(&aside, &path).unwrap();
    process.controller_ends();
    drop(machine.boot(&document(STAGES), 20));
    let lines = audit(&machine);
    assert!(
        lines
            .iter()
            .any(|(_, by, what)| by == "anna" && what == "roll-back"),
        "{lines:?}"
    );
    let ids: Vec<u64> = lines.iter().map(|line| line.0).collect();
    assert_eq!(ids, (1..=lines.len() as u64).collect::<Vec<_>>());
}

/// What comes next must not stand behind half a line.
#[test]
fn a_line_that_was_being_written_is_cut_off() {
    let machine = Machine::new();
    let text = written(&machine);
    let half = text.lines().last().unwrap();
    let half = half.split_at(half.len() / 2).0;
    std::fs::write(machine.path().join("audit.jsonl"), text.clone() + half).unwrap();
    let mut process = machine.boot(&document(STAGES), 20);
    assert_eq!(process.ask(Wish::Pause), Answer::Done);
    // Each of them can be read.
    let count = audit(&machine).len();
    assert_eq!(count, text.lines().count() + 1);
}
