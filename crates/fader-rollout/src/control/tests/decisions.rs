//! What it decides, and what becomes of it.

use super::*;

#[test]
fn a_healthy_candidate_comes_to_everybody() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    assert_eq!(
        (process.phase(), process.told()),
        (Phase::Settle, percent("5"))
    );
    process.second();
    assert!((20..90).contains(&process.gray), "{}", process.gray);
    process.seconds(200);
    assert_eq!(process.phase(), Phase::Completed);
    assert_eq!((process.gray, process.told()), (1000, Percent::HUNDRED));
}

#[test]
fn a_candidate_that_fails_is_cut_within_two_seconds() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(10);
    process.is_sick = true;
    process.seconds(2);
    assert_eq!(process.told(), Percent::ZERO);
    process.second();
    assert_eq!((process.gray, process.phase()), (0, Phase::RolledBack));
    let evidence = process.ramp().evidence.unwrap().to_string();
    assert!(
        evidence.contains("errors no_worse_than 1.5: candidate"),
        "{evidence}"
    );
    process.seconds(100);
    assert_eq!((process.gray, process.phase()), (0, Phase::RolledBack));
}

#[test]
fn commands_of_the_overlay_are_answered_there() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(3);
    let ask = |process: &Process, flag, wish| {
        order::ask(
            &process.disk,
            flag,
            wish,
            "ben",
            "why not",
            at(process.second),
        )
        .unwrap()
    };
    let pause = ask(&process, FLAG, Wish::Pause);
    let approve = ask(&process, FLAG, Wish::Approve { stage: 2 });
    let stranger = ask(&process, "checkuot", Wish::Pause);
    assert!(pause < approve && approve < stranger);
    process.second();
    let answer = |id| order::answer(&process.disk.overlay(), id);
    assert_eq!(answer(pause), Some(Answer::Done));
    let refused = |why: &str| Some(Answer::Refused(why.to_owned()));
    assert_eq!(answer(approve), refused("stage 2 asks for no approval"));
    assert_eq!(
        answer(stranger),
        refused("the flag `checkuot` has no staged ramp")
    );
    assert_eq!(process.phase(), Phase::Paused);
    let version = process.disk.overlay().version();
    process.seconds(100);
    assert_eq!(
        (process.phase(), process.told()),
        (Phase::Paused, percent("5"))
    );
    assert_eq!(
        process.disk.overlay().version(),
        version,
        "what is answered is let be"
    );
    assert_eq!(process.ask(Wish::Resume), Answer::Done);
    process.seconds(200);
    assert_eq!(process.phase(), Phase::Completed);
    let lines = audit(&machine);
    let of_ben = lines.iter().filter(|(_, by, _)| by == "ben");
    assert_eq!(
        of_ben.map(|line| &*line.2).collect::<Vec<_>>(),
        ["pause", "approve"]
    );
    let ids: Vec<u64> = lines.iter().map(|line| line.0).collect();
    assert_eq!(ids, (1..=lines.len() as u64).collect::<Vec<_>>());
}

#[test]
fn a_kill_of_the_overlay_rolls_back_and_has_its_author() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(3);
    order::kill(&process.disk, FLAG, "ben", "smoke", at(process.second)).unwrap();
    process.seconds(2);
    assert_eq!((process.phase(), process.gray), (Phase::RolledBack, 0));
    let evidence = process.ramp().evidence.unwrap().to_string();
    assert!(evidence.contains("killed by ben, smoke"), "{evidence}");
    let kills = audit(&machine);
    assert_eq!(
        kills
            .iter()
            .filter(|(_, by, what)| by == "ben" && what == "kill")
            .count(),
        1
    );
    order::unkill(
        &process.disk,
        FLAG,
        "ben",
        "false alarm",
        at(process.second),
    )
    .unwrap();
    process.seconds(5);
    assert_eq!((process.phase(), process.gray), (Phase::RolledBack, 0));
    assert_eq!(process.ask(Wish::Reset), Answer::Done);
    process.seconds(3);
    assert_eq!(process.told(), percent("5"));
}

#[test]
fn what_is_raised_by_hand_is_taken_back_and_what_is_lowered_stays() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(3);
    let by_hand = |process: &Process, to: &str| {
        process.disk.update(&mut |overlay| {
            *overlay = std::mem::take(overlay)
                .percent(FLAG, "ramp", percent(to))
                .signed(FLAG, "ben", "");
            true
        })
    };
    by_hand(&process, "90").unwrap();
    process.second();
    assert!(process.gray < 100, "{}", process.gray);
    process.seconds(2);
    assert_eq!(process.told(), percent("5"));
    by_hand(&process, "1").unwrap();
    process.seconds(100);
    assert_eq!(
        (process.ramp().held, process.told()),
        (Some(Held::LoweredByHand), percent("1"))
    );
}

/// The end of the controller is the end of exposure: nobody watches any more.
#[test]
fn without_its_controller_it_enrols_nobody() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(3);
    let flags = process.flags.clone();
    drop(process);
    let user = |user: i64| flags.resolve(FLAG, &Context::default().with("user.id", user));
    assert!((0..4000).all(|number| user(number).variant() != Some("on")));
}

#[test]
fn a_memory_store_serves_a_test() {
    let flags = Flags::builder().build();
    flags
        .load(document(STAGES), &Source::new("flags.json"))
        .unwrap();
    let store = MemoryStore::new(&flags);
    flags.set_store(store);
    let state = TempDir::new().unwrap();
    let mut controller = Controller::open(
        &flags,
        state.path(),
        Settings::default(),
        Signals::default(),
        at(0),
    )
    .unwrap();
    assert!(controller.tick(Now {
        wall: at(0),
        since_last: None
    }));
    assert_eq!(controller.status(&flags, at(0), true).ramps[0].percent, "5");
}

/// Requests of the first second count as those of any other.
#[test]
fn a_hang_in_the_first_second_is_cut_as_soon_as_a_later_one() {
    let ramp = r#""min_units": 20, "start": "2026-12-01T09:00:00Z", "count": "all-units",
        "stages": [ { "percent": 50, "bake": "1m" } ],
        "guardrails": [ { "metric": "latency_p99", "below": "800ms" } ]"#;
    let machine = Machine::new();
    let mut process = machine.boot(&document(ramp), 0);
    let mut hang = Vec::new();
    let mut seconds = 0;
    while process.told() > Percent::ZERO {
        for user in 0..200_i64 {
            let user = user + seconds * 200;
            let scope = process
                .flags
                .scope(Context::default().with("user.id", user));
            if scope.variant(FLAG) == Some("on") {
                hang.push(scope);
            } else {
                scope.finish(Outcome::new(Ending::Success).took(Duration::from_millis(20)));
            }
        }
        process.look();
        seconds += 1;
        assert!(seconds < 20, "{:?}", process.ramp());
    }
    assert_eq!(seconds, 3);
}
