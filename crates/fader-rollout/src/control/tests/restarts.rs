//! What a process takes over from the one before.

use super::*;

#[test]
fn what_ended_in_order_goes_on_where_it_was() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(30);
    let before = process.ramp();
    process.controller.end(at(process.second));
    let second = process.second;
    drop(process);
    let process = machine.boot(&document(STAGES), second);
    let after = process.ramp();
    assert_eq!((after.held, after.percent), (None, before.percent));
    assert_eq!(after.guardrails, before.guardrails);
    assert_eq!(after.units, before.units);
}

#[test]
fn an_unclean_end_waits_at_zero_and_the_second_rolls_back() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(10);
    drop(process);
    let mut process = machine.boot(&document(STAGES), 12);
    assert_eq!(process.ramp().held, Some(Held::Restart));
    assert_eq!(process.told(), Percent::ZERO);
    process.seconds(59);
    assert_eq!((process.gray, process.told()), (0, Percent::ZERO));
    process.seconds(3);
    assert_eq!(process.told(), percent("5"));
    drop(process);
    let mut process = machine.boot(&document(STAGES), 100);
    process.seconds(2);
    assert_eq!(process.phase(), Phase::RolledBack);
    let evidence = process.ramp().evidence.unwrap().to_string();
    assert!(
        evidence.contains("2 unclean ends or stalls in one stage"),
        "{evidence}"
    );
    drop(process);
    let mut process = machine.boot(&document(STAGES), 200);
    process.seconds(100);
    assert_eq!((process.phase(), process.gray), (Phase::RolledBack, 0));
}

/// Without holds, a process that dies and comes back decides what one decides that never died, but for what was not
/// counted meanwhile.
#[test]
fn killed_at_any_tick_it_ends_as_though_it_had_lived() {
    let settings = || Settings {
        restart_hold: Duration::ZERO,
        max_crashes: u32::MAX,
        ..Settings::default()
    };
    let run = |idle_at: i64, dies: bool| {
        let machine = Machine {
            settings,
            ..Machine::new()
        };
        let mut process = machine.boot(&document(STAGES), 0);
        let mut told = Vec::new();
        for second in 0..150 {
            process.is_sick = second >= 90;
            if second == idle_at && dies {
                let (second, requests, sick) = (process.second, process.requests, process.is_sick);
                drop(process);
                process = machine.boot(&document(STAGES), second + 1);
                (process.requests, process.is_sick) = (requests, sick);
            } else if second == idle_at {
                process.look();
            } else {
                process.second();
            }
            told.push(process.told());
        }
        let ramp = process.ramp();
        let lines = audit(&machine);
        let ids: Vec<u64> = lines.iter().map(|line| line.0).collect();
        assert_eq!(
            ids,
            (1..=lines.len() as u64).collect::<Vec<_>>(),
            "killed at {idle_at}"
        );
        (
            ramp.phase,
            ramp.guardrails,
            ramp.evidence,
            ramp.units,
            told,
            lines,
        )
    };
    for second in (0..10).chain([30, 58, 59, 60, 61, 62, 63, 80, 89, 90, 91, 92, 93, 120]) {
        let lived = run(second, false);
        assert_eq!(lived.0, Phase::RolledBack);
        assert_eq!(run(second, true), lived, "killed at {second}");
    }
}

#[test]
fn a_ramp_whose_state_is_lost_stays_where_nobody_is() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(100);
    assert_eq!(process.told(), percent("50"));
    drop(process);
    let elsewhere = Machine {
        disk: machine.disk,
        ..Machine::new()
    };
    let mut process = elsewhere.boot(&document(STAGES), 101);
    process.seconds(100);
    assert_eq!(
        (process.phase(), process.gray, process.told()),
        (Phase::Paused, 0, Percent::ZERO)
    );
    assert!(
        process
            .ramp()
            .paused
            .unwrap()
            .reason
            .contains("its state is lost")
    );
    assert_eq!(process.ask(Wish::Resume), Answer::Done);
    process.seconds(3);
    assert_eq!(process.told(), percent("5"));
}

/// The document may come after the controller: then the ramp waits from there.
#[test]
fn a_crash_counts_for_a_ramp_whose_document_comes_later() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(10);
    drop(process);
    let mut process = machine.boot(r#"{ "flags": {} }"#, 12);
    process.look();
    process.look();
    process
        .flags
        .load(document(STAGES), &Source::new("flags.json"))
        .unwrap();
    process.seconds(2);
    assert_eq!(
        (process.ramp().held, process.gray),
        (Some(Held::Restart), 0)
    );
    process.seconds(62);
    assert_eq!(process.told(), percent("5"));
}
