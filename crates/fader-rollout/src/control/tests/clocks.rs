//! Clocks that jump, and machines that sleep.

use super::*;

const HOUR: i64 = 3600;

impl Process {
    /// Looks with a wall clock that says otherwise.
    fn look_at(&mut self, wall: i64, since_last: Duration) {
        self.deliver();
        self.second += 1;
        assert!(self.controller.tick(Now {
            wall: at(wall),
            since_last: Some(since_last),
        }));
    }
}

#[test]
fn a_wall_clock_that_jumps_moves_no_ramp() {
    let trace = |jump: i64| {
        let machine = Machine::new();
        let mut process = machine.boot(&document(STAGES), 0);
        let mut told = Vec::new();
        for second in 0..60 {
            process.second();
            // Back and forth, each second.
            let wall = second + if second % 2 == 0 { jump } else { -jump };
            process.look_at(wall, Duration::ZERO);
            told.push(process.told());
        }
        told
    };
    let steady = trace(0);
    assert_eq!(steady[10], percent("5"));
    assert_eq!(trace(HOUR), steady);
    assert_eq!(trace(-HOUR), steady);
}

#[test]
fn a_clock_that_went_back_over_a_restart_counts_no_time_and_commands_are_answered() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(30);
    // So many that their answers are forgotten.
    for _ in 0..40 {
        assert_eq!(process.ask(Wish::Pause), Answer::Done);
        assert_eq!(process.ask(Wish::Resume), Answer::Done);
    }
    let baked = process.ramp().baked;
    process.controller_ends();
    let mut process = machine.boot(&document(STAGES), 30 - HOUR);
    let ramp = process.ramp();
    assert_eq!((ramp.percent.as_str(), ramp.baked), ("5", baked));
    let order = order::ask(&machine.disk, FLAG, Wish::Pause, "ben", "", at(31 - HOUR)).unwrap();
    process.second();
    let answer = order::answer(&machine.disk.overlay(), order);
    let Some(Answer::Refused(why)) = answer else {
        panic!("{answer:?}");
    };
    assert!(why.contains("the clock of who asks is behind"), "{why}");
    assert_eq!(process.ask(Wish::RollBack), Answer::Done);
    process.second();
    assert_eq!((process.phase(), process.gray), (Phase::RolledBack, 0));
}

#[test]
fn a_clock_that_went_on_shortens_no_hold_of_a_crash() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(10);
    drop(process);
    let mut process = machine.boot(&document(STAGES), 10 + HOUR);
    assert_eq!(process.told(), Percent::ZERO);
    for second in 0..58 {
        process.look_at(10 + HOUR * (second % 3), Duration::from_secs(1));
        assert_eq!(process.told(), Percent::ZERO, "{second}");
    }
    process.look_at(20 + HOUR, Duration::from_secs(1));
    process.look_at(20 + HOUR, Duration::from_secs(1));
    assert_eq!(process.told(), percent("5"), "no further at once");
}

/// A machine that slept for an hour opens one gate at most, and what failed in the meantime is judged first.
#[test]
fn an_hour_of_sleep_is_one_look() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(20);
    process.look_at(20 + HOUR, Duration::from_secs(3600));
    assert_eq!(process.told(), percent("50"));
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(20);
    process.is_sick = true;
    process.serve();
    process.serve();
    process.look_at(20 + HOUR, Duration::from_secs(3600));
    assert_eq!(
        (process.phase(), process.told()),
        (Phase::RollingBack, Percent::ZERO)
    );
}

/// The overlay alone knows of the roll-back, and its time is before that of the journal: the run's number tells.
#[test]
fn a_roll_back_that_the_overlay_alone_knows_of_stays_though_the_clock_went_back() {
    let machine = Machine {
        settings: || Settings {
            restart_hold: Duration::ZERO,
            max_crashes: u32::MAX,
            ..Settings::default()
        },
        ..Machine::new()
    };
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(10);
    let (path, aside) = (
        machine.path().join("journal.jsonl"),
        machine.path().join("aside"),
    );
    std::fs::rename(&path, &aside).unwrap();
    process.is_sick = true;
    for _ in 0..4 {
        process.serve();
        process.look_at(10 - HOUR, Duration::from_secs(1));
    }
    assert_eq!(
        (process.phase(), process.told()),
        (Phase::RolledBack, Percent::ZERO)
    );
    drop(process);
    std::fs::rename(&aside, &path).unwrap();
    let mut process = machine.boot(&document(STAGES), 20 - HOUR);
    process.seconds(100);
    assert_eq!(
        (process.phase(), process.gray, process.told()),
        (Phase::Paused, 0, Percent::ZERO)
    );
}
