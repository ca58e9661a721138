//! What can't be written raises nothing, and keeps nothing from being lowered.

use super::*;

#[test]
fn an_overlay_that_cannot_be_written_raises_nothing() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(5);
    machine.disk.is_full.store(true, Ordering::SeqCst);
    process.seconds(100);
    assert!(process.gray < 100, "{}", process.gray);
    let status = process
        .controller
        .status(&process.flags, at(process.second), true);
    assert!(status.troubles[0].contains("no space left"), "{status:?}");
    machine.disk.is_full.store(false, Ordering::SeqCst);
    process.seconds(5);
    assert_eq!(process.told(), percent("50"));
    let status = process
        .controller
        .status(&process.flags, at(process.second), true);
    assert_eq!(status.troubles, [""; 0]);
}

#[test]
fn a_roll_back_needs_no_disk() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(5);
    machine.disk.is_full.store(true, Ordering::SeqCst);
    std::fs::remove_dir_all(machine.path()).unwrap();
    process.is_sick = true;
    process.seconds(3);
    assert_eq!((process.gray, process.told()), (0, percent("5")));
    // Neither does a document that comes while the overlay still says otherwise.
    let again = document(STAGES).replace("checkout\": {", "checkout\": { \"tags\": [\"web\"],");
    process
        .flags
        .load(again, &Source::new("flags.json"))
        .unwrap();
    process.second();
    assert_eq!(process.gray, 0);
    machine.disk.is_full.store(false, Ordering::SeqCst);
    process.seconds(2);
    assert_eq!((process.gray, process.told()), (0, Percent::ZERO));
    let status = process
        .controller
        .status(&process.flags, at(process.second), true);
    assert!(status.troubles[0].contains("was deleted"), "{status:?}");
}

#[test]
fn a_state_directory_that_is_gone_raises_nothing() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(5);
    std::fs::remove_dir_all(machine.path()).unwrap();
    process.seconds(100);
    assert_eq!(process.told(), percent("5"));
    assert!(process.gray < 100, "{}", process.gray);
}

#[test]
fn one_directory_serves_one_process() {
    let machine = Machine::new();
    let process = machine.boot(&document(STAGES), 0);
    let second = Controller::open(
        &process.flags,
        machine.path(),
        Settings::default(),
        Signals::default(),
        at(0),
    );
    let error = second.err().unwrap().to_string();
    assert!(
        error.contains("another process runs its ramps with it"),
        "{error}"
    );
}

#[test]
fn a_journal_that_is_cut_off_is_taken_up_and_a_damaged_one_pauses() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(20);
    process.controller.end(at(20));
    drop(process);
    let path = machine.path().join("journal.jsonl");
    let whole = std::fs::read(&path).unwrap();

    let mut cut = whole;
    cut.extend_from_slice(br#"{"at":"2026-12-01T09:00:20Z","audit":12,"ramps":{"checkout":{"#);
    std::fs::write(&path, cut).unwrap();
    let process = machine.boot(&document(STAGES), 21);
    assert_eq!(process.ramp().paused, None);
    process.controller_ends();

    let mut damaged = std::fs::read(&path).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 40].fill(0);
    std::fs::write(&path, damaged).unwrap();
    let mut process = machine.boot(&document(STAGES), 22);
    process.seconds(100);
    assert_eq!(
        (process.phase(), process.told()),
        (Phase::Paused, percent("5"))
    );
    let paused = process.ramp().paused.unwrap();
    assert!(
        paused.reason.contains("of the journal can't be read"),
        "{paused:?}"
    );
    let kept = std::fs::read_dir(machine.path()).unwrap();
    let names = kept.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.contains("damaged")).count(), 1);
}

/// What could not be written is not wanted any more: another ramp must not wait for it for ever.
#[test]
fn a_disk_that_works_again_is_noticed_though_nothing_is_to_be_written() {
    let other = r#""search": { "rules": [ { "name": "ramp", "by": "user.id", "serve": "on", "ramp": {
        "start": "2026-12-01T09:00:00Z", "stages": [ { "percent": 5, "bake": "1h" } ] } } ] }, "checkout""#;
    let both = document(STAGES).replacen("\"checkout\"", other, 1);
    let machine = Machine::new();
    let mut process = machine.boot(&both, 0);
    process.seconds(5);
    machine.disk.is_full.store(true, Ordering::SeqCst);
    let (sender, _answer) = mpsc::channel();
    let now = Now {
        wall: at(process.second),
        since_last: Some(Duration::ZERO),
    };
    process
        .controller
        .obey("search", Wish::RollBack, "anna", "", sender, now);
    process
        .flags
        .load(document(STAGES), &Source::new("flags.json"))
        .unwrap();
    process.seconds(3);
    machine.disk.is_full.store(false, Ordering::SeqCst);
    process.seconds(100);
    assert_eq!(process.told(), percent("50"));
}

#[test]
fn a_status_that_cannot_be_written_is_told() {
    let machine = Machine::new();
    std::fs::create_dir(machine.path().join("status.json")).unwrap();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(2);
    let status = |process: &Process| {
        process
            .controller
            .status(&process.flags, at(process.second), true)
            .notes
    };
    assert!(
        status(&process)[0].contains("see an old status"),
        "{:?}",
        status(&process)
    );
    std::fs::remove_dir(machine.path().join("status.json")).unwrap();
    // It hinders nothing.
    process.seconds(100);
    assert_eq!(
        (process.told(), status(&process)),
        (percent("50"), Vec::new())
    );
}
