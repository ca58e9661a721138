//! Code that blocks every thread of the service: no request is served any more, so that no guardrail sees one.

use super::*;
use fader::Scope;

/// Lets a request of the candidate begin, which blocks the thread that has it.
fn block(process: &Process) -> Scope<Context> {
    let users = (0..4000_i64).map(|user| Context::default().with("user.id", user));
    let mut gray = users.filter(|user| process.flags.resolve(FLAG, user).variant() == Some("on"));
    let scope = process.flags.scope(gray.next().expect("somebody is gray"));
    assert_eq!(scope.variant(FLAG), Some("on"));
    scope
}

/// Passes seconds in which nothing is served.
fn silence(process: &mut Process, seconds: usize) {
    for _ in 0..seconds {
        process.look();
    }
}

#[test]
fn one_blocked_request_is_enough_and_the_second_stall_in_a_stage_rolls_back() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(20);
    let blocked = block(&process);
    process.second();
    silence(&mut process, 2);
    assert_eq!(process.told(), percent("5"));
    silence(&mut process, 1);
    assert_eq!(
        (process.ramp().held, process.told()),
        (Some(Held::Stalled), Percent::ZERO)
    );
    // However long it lasts, and also when what was blocked ends.
    silence(&mut process, 100);
    blocked.finish(Outcome::new(Ending::Success));
    silence(&mut process, 100);
    assert_eq!(
        (process.ramp().held, process.told()),
        (Some(Held::Stalled), Percent::ZERO)
    );
    process.second();
    assert_eq!(process.ramp().held, Some(Held::Restart));
    process.seconds(59);
    assert_eq!((process.gray, process.told()), (0, Percent::ZERO));
    process.seconds(2);
    assert_eq!(process.told(), percent("5"));
    let _blocked = block(&process);
    process.second();
    silence(&mut process, 3);
    assert_eq!(process.ramp().held, Some(Held::Stalled));
    process.second();
    assert_eq!(process.ramp().phase, Phase::RollingBack);
    let evidence = process.ramp().evidence.unwrap().to_string();
    assert!(evidence.contains("2 unclean ends or stalls"), "{evidence}");
}

#[test]
fn silence_without_requests_of_the_candidate_is_no_stall() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(20);
    silence(&mut process, 100);
    assert_eq!(process.ramp().held, None);
    // Nor one of stable's that hangs.
    let stable = (0..4000_i64).map(|user| Context::default().with("user.id", user));
    let mut stable =
        stable.filter(|user| process.flags.resolve(FLAG, user).variant() != Some("on"));
    let scope = process.flags.scope(stable.next().unwrap());
    let _ = scope.variant(FLAG);
    process.seconds(10);
    silence(&mut process, 1000);
    assert_eq!(process.ramp().held, None);
}

/// A service that is taken out of traffic has requests that last, and gets no others.
#[test]
fn a_stall_in_a_process_that_ends_in_order_does_not_count() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    for _ in 0..3 {
        process.seconds(12);
        let lasts = block(&process);
        process.second();
        silence(&mut process, 30);
        assert_eq!(process.ramp().held, Some(Held::Stalled));
        lasts.finish(Outcome::new(Ending::Success));
        silence(&mut process, 1);
        let second = process.second;
        process.controller_ends();
        process = machine.boot(&document(STAGES), second);
        assert_eq!(
            (process.ramp().held, process.told()),
            (Some(Held::Restart), Percent::ZERO)
        );
        process.seconds(63);
        assert_eq!(process.told(), percent("5"));
    }
}

/// What kills a service that does not answer kills it while nobody is exposed any more.
#[test]
fn a_process_that_is_killed_while_it_stands_still_has_ended_uncleanly() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    for (second, held) in [(100, Some(Held::Restart)), (300, None)] {
        process.seconds(65);
        let blocked = block(&process);
        process.second();
        silence(&mut process, 10);
        assert_eq!(process.ramp().held, Some(Held::Stalled));
        drop(process);
        drop(blocked);
        process = machine.boot(&document(STAGES), second);
        assert_eq!(
            (process.ramp().held, process.told()),
            (held, Percent::ZERO),
            "at {second}"
        );
    }
    assert_eq!(process.ramp().phase, Phase::RollingBack);
}

/// The journal could not be written when the service stood still: the overlay is newer and lower, and says no more.
#[test]
fn a_stall_that_the_overlay_alone_knows_of_pauses() {
    let machine = Machine {
        settings: || Settings {
            restart_hold: Duration::ZERO,
            max_crashes: u32::MAX,
            ..Settings::default()
        },
        ..Machine::new()
    };
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(20);
    let _blocked = block(&process);
    process.second();
    let (path, aside) = (
        machine.path().join("journal.jsonl"),
        machine.path().join("aside"),
    );
    std::fs::rename(&path, &aside).unwrap();
    silence(&mut process, 5);
    assert_eq!(
        (process.ramp().held, process.told()),
        (Some(Held::Stalled), Percent::ZERO)
    );
    drop(process);
    std::fs::rename(&aside, &path).unwrap();
    let mut process = machine.boot(&document(STAGES), 40);
    process.seconds(100);
    assert_eq!(
        (process.phase(), process.gray, process.told()),
        (Phase::Paused, 0, Percent::ZERO)
    );
}
