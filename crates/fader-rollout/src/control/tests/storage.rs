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

/// Whoever deletes the lock lets another process in: the one that had it raises nothing any more.
#[test]
fn a_lock_that_is_deleted_raises_nothing() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(5);
    std::fs::remove_file(machine.path().join("lock")).unwrap();
    process.seconds(100);
    assert_eq!(process.told(), percent("5"));
    let status = process
        .controller
        .status(&process.flags, at(process.second), true);
    assert!(
        status.troubles[0].contains("lock` was deleted"),
        "{status:?}"
    );
    process.is_sick = true;
    process.seconds(3);
    assert_eq!(process.gray, 0);
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

/// A disk that says what is served while it is written.
struct Watched {
    disk: Disk,
    flags: Flags,
    served: mpsc::Sender<usize>,
}

impl Store for Watched {
    fn name(&self) -> &str {
        "a disk that is watched"
    }

    fn update(&self, change: &mut dyn FnMut(&mut Overlay) -> bool) -> Result<Overlay, StoreError> {
        let users = (0..1000_i64).map(|user| Context::default().with("user.id", user));
        let gray = users.filter(|user| self.flags.resolve(FLAG, user).variant() == Some("on"));
        self.served.send(gray.count()).unwrap();
        self.disk.update(change)
    }
}

/// A disk may take seconds, and whoever fails is not served for so long.
#[test]
fn what_is_lowered_is_lowered_before_the_overlay_is_written() {
    let flags = Flags::builder().build();
    flags
        .load(document(STAGES), &Source::new("flags.json"))
        .unwrap();
    let (served, serves) = mpsc::channel();
    let store = Watched {
        disk: Disk::new(),
        flags: flags.clone(),
        served,
    };
    let settings = Settings {
        store: Some(Arc::new(store)),
        ..Settings::default()
    };
    let (state, signals) = (TempDir::new().unwrap(), Signals::default());
    let mut controller = Controller::open(&flags, state.path(), settings, signals, at(0)).unwrap();
    let now = |second, since_last| Now {
        wall: at(second),
        since_last,
    };
    assert!(controller.tick(now(0, None)));
    assert!(controller.tick(now(1, Some(Duration::from_secs(1)))));
    assert_eq!(serves.try_iter().collect::<Vec<_>>(), [0], "raised later");
    let (sender, answer) = mpsc::channel();
    let wall = now(1, Some(Duration::ZERO));
    controller.obey(FLAG, Wish::RollBack, "anna", "", sender, wall);
    assert_eq!(answer.try_recv(), Ok(Answer::Done));
    let serves: Vec<usize> = serves.try_iter().collect();
    assert!(
        !serves.is_empty() && serves.iter().all(|served| *served == 0),
        "{serves:?}"
    );
}

/// One that was begun anew, by other people's tools, goes on from the version that is live: else nobody would take it.
#[test]
fn an_overlay_that_was_begun_anew_is_taken_with_what_it_says() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(5);
    let live = process.flags.snapshot().overlay().version();
    assert!(live > 0);
    *machine.disk.overlay.lock().unwrap() = Overlay::new().kill("other").with_version(0);
    assert_eq!(process.ask(Wish::RollBack), Answer::Done);
    let snapshot = process.flags.snapshot();
    assert!(snapshot.overlay().version() > live);
    let mut killed = snapshot.overlay().flags();
    assert!(killed.any(|(flag, entry)| flag == "other" && entry.killed()));
}

/// Journal and overlay both say 5 %, and the disk is full since: as long as nothing can be written down, nobody is served.
#[test]
fn what_is_taken_up_is_raised_once_it_can_be_written_down() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(10);
    process.controller_ends();
    let flags = Flags::builder().build();
    flags
        .load(document(STAGES), &Source::new("flags.json"))
        .unwrap();
    flags.apply(machine.disk.overlay());
    flags.set_store(machine.disk.clone());
    let (settings, signals) = (Settings::default(), Signals::default());
    let mut controller =
        Controller::open(&flags, machine.path(), settings, signals, at(10)).unwrap();
    let (path, aside) = (
        machine.path().join("journal.jsonl"),
        machine.path().join("aside"),
    );
    let mut served = |second| {
        let since_last = Some(Duration::from_secs(1));
        let wall = at(second);
        assert!(controller.tick(Now { wall, since_last }));
        let users = (0..4000_i64).map(|user| Context::default().with("user.id", user));
        let gray = users.filter(|user| flags.resolve(FLAG, user).variant() == Some("on"));
        gray.count()
    };
    std::fs::rename(&path, &aside).unwrap();
    assert_eq!((served(10), served(11)), (0, 0));
    std::fs::rename(&aside, &path).unwrap();
    assert!((100..300).contains(&served(12)));
}

/// The journal fails in the very look that would raise: what is shown is what is served.
#[test]
fn a_raise_that_cannot_be_written_down_is_not_decided() {
    let machine = Machine::new();
    let waits = STAGES.replace(r#""start": "2026-12-01T09:00:00Z","#, "");
    let mut process = machine.boot(&document(&waits), 0);
    process.seconds(3);
    std::fs::remove_dir_all(machine.path()).unwrap();
    let _ = process.ask(Wish::Start);
    process.second();
    assert_eq!((process.ramp().percent.as_str(), process.gray), ("0", 0));
}

/// For the handle it is another rule, of which nothing is written down.
#[test]
fn a_rule_that_is_renamed_is_raised_once_it_can_be_written_down() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(5);
    let (path, aside) = (
        machine.path().join("journal.jsonl"),
        machine.path().join("aside"),
    );
    std::fs::rename(&path, &aside).unwrap();
    let renamed = document(STAGES).replace(r#""name": "ramp""#, r#""name": "slope""#);
    process
        .flags
        .load(renamed, &Source::new("flags.json"))
        .unwrap();
    for _ in 0..3 {
        process.second();
        assert_eq!(process.gray, 0);
    }
    std::fs::rename(&aside, &path).unwrap();
    process.seconds(3);
    assert!((20..90).contains(&process.gray), "{}", process.gray);
}
