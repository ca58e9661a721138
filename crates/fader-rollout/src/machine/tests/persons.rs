//! What people ask for, and what they are answered.

use super::*;

fn command(id: u64, what: Wish) -> Command {
    Command {
        id,
        by: "anna".to_owned(),
        reason: "a reason".to_owned(),
        at: at("2026-12-01T09:00:00Z"),
        what,
    }
}

fn answers(run: &Run) -> Vec<u64> {
    let ids = run.effects.iter().filter_map(|effect| match effect {
        Effect::Answer { id, .. } => Some(*id),
        _ => None,
    });
    ids.collect()
}

#[test]
fn a_command_is_answered_once_however_long_it_stands_there() {
    let mut run = Run::started(plan());
    let commands = [
        command(7, Wish::Pause),
        command(8, Wish::Resume),
        command(8, Wish::Kill),
    ];
    run.see(1, |seen| seen.commands = &commands);
    assert_eq!(answers(&run), [7, 8]);
    assert_eq!(run.phase(), Phase::Observe);
    run.see(1, |seen| seen.commands = &commands);
    assert_eq!(answers(&run), [0; 0]);
    assert_eq!(run.state.answer(7), Some(&Answer::Done));
    assert_eq!(run.state.answer(9), None);
}

#[test]
fn commands_that_are_forgotten_are_not_obeyed_again() {
    let mut run = Run::started(plan());
    let commands: Vec<Command> = (0..200).map(|id| command(id, Wish::Unkill)).collect();
    run.see(1, |seen| seen.commands = &commands);
    // The run's own start was number 1.
    assert_eq!(answers(&run).len(), 199);
    run.see(1, |seen| seen.commands = &commands);
    assert_eq!(answers(&run), [0; 0]);
    assert!(run.state.answer(3).is_none() && run.state.answer(199).is_some());
}

#[test]
fn an_approval_may_be_given_early_and_opens_the_stage_that_it_names() {
    let mut plan = plan();
    plan.stages[1].approve = true;
    plan.stages[2].approve = true;
    let mut run = Run::started(plan);
    assert_eq!(run.wish(Wish::Approve { stage: 3 }), Ok(()));
    run.pass(HOUR);
    assert_eq!(
        (run.phase(), run.state.waits()),
        (Phase::Gate, &[Wait::Approval { stage: 2 }][..])
    );
    assert_eq!(run.wish(Wish::Approve { stage: 2 }), Ok(()));
    assert_eq!(run.state.stage(), Some(2));
    run.pass(1);
    run.pass(HOUR);
    assert_eq!(run.state.stage(), Some(3));
    let given: Vec<usize> = run
        .state
        .approvals()
        .iter()
        .map(|given| given.stage)
        .collect();
    assert_eq!(given, [3, 2]);
}

#[test]
fn an_approval_opens_no_stage_but_the_one_that_it_names() {
    let mut plan = plan();
    plan.stages[1].approve = true;
    plan.stages[2].approve = true;
    let mut run = Run::started(plan);
    run.wish(Wish::Approve { stage: 2 }).unwrap();
    run.pass(HOUR);
    run.pass(1);
    run.pass(DAY);
    let waits = &[Wait::Approval { stage: 3 }][..];
    assert_eq!((run.state.stage(), run.state.waits()), (Some(2), waits));
}

#[test]
fn an_approval_of_nothing_is_refused() {
    let mut run = Run::started(plan());
    let refused = |run: &mut Run, stage| run.wish(Wish::Approve { stage }).unwrap_err();
    assert_eq!(refused(&mut run, 0), "there is no stage 0: the plan has 4");
    assert_eq!(refused(&mut run, 5), "there is no stage 5: the plan has 4");
    assert_eq!(
        refused(&mut run, usize::MAX),
        format!("there is no stage {}: the plan has 4", usize::MAX)
    );
    assert_eq!(refused(&mut run, 1), "stage 1 has started");
    assert_eq!(refused(&mut run, 2), "stage 2 asks for no approval");
}

#[test]
fn a_plan_with_a_start_needs_nobody_and_can_not_be_started_earlier() {
    let mut plan = plan();
    plan.start = Some(at("2026-12-01T10:00:00Z"));
    let mut run = Run::new(plan);
    run.pass(1);
    assert_eq!(run.phase(), Phase::Armed);
    let why = run.wish(Wish::Start).unwrap_err();
    assert_eq!(why, "it starts by itself at 2026-12-01T10:00:00Z");
    run.pass(HOUR);
    assert_eq!(
        (run.phase(), run.percent()),
        (Phase::Settle, "1 %".to_owned())
    );
}

#[test]
fn a_kill_outlives_the_roll_back_and_keeps_a_reset_out() {
    let mut run = Run::started(plan());
    assert_eq!(run.wish(Wish::Kill), Ok(()));
    assert_eq!(run.percent(), "0 %, killed");
    run.pass(1);
    assert_eq!(
        run.wish(Wish::Reset).unwrap_err(),
        "it is killed: take the kill off first"
    );
    assert_eq!(run.wish(Wish::Unkill), Ok(()));
    assert_eq!(
        (run.phase(), run.percent()),
        (Phase::RolledBack, "0 %".to_owned())
    );
    assert_eq!(run.wish(Wish::Reset), Ok(()));
    assert_eq!((run.phase(), run.state.run()), (Phase::Draft, 2));
}

#[test]
fn a_kill_in_the_overlay_is_a_command() {
    let mut run = Run::started(plan());
    let killed = Exposure {
        killed: true,
        ..exposure("1")
    };
    run.see(1, |seen| seen.found = Some(killed));
    assert_eq!(
        (run.phase(), run.percent()),
        (Phase::RollingBack, "0 %, killed".to_owned())
    );
    run.see(1, |seen| {
        seen.found = Some(Exposure {
            killed: true,
            ..exposure("0")
        });
    });
    assert_eq!(run.percent(), "0 %, killed");
    run.see(1, |seen| seen.found = Some(exposure("0")));
    assert_eq!(
        (run.phase(), run.percent()),
        (Phase::RolledBack, "0 %".to_owned())
    );
}
