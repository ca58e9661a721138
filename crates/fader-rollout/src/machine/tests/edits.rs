//! What an edit of the plan or of the overlay does to a run.

use super::*;
use crate::machine::Held;

#[test]
fn an_edit_of_who_is_enrolled_begins_a_new_run_at_nobody() {
    let mut run = Run::started(plan());
    run.plan.assignment += 1;
    run.plan.start = Some(run.wall);
    run.reload();
    run.pass(1);
    assert_eq!((run.state.run(), run.percent()), (2, "0 %".to_owned()));
    assert_eq!(run.effects.first(), Some(&Effect::Expose(exposure("0"))));
    assert!(run.effects.contains(&Effect::Recount));
    run.see(DAY, |seen| seen.serving = false);
    assert_eq!(
        (run.phase(), run.percent()),
        (Phase::Armed, "0 %".to_owned())
    );
    run.pass(1);
    assert_eq!(
        (run.phase(), run.percent()),
        (Phase::Settle, "1 %".to_owned())
    );
}

#[test]
fn other_terms_hold_until_they_are_accepted() {
    let mut run = Run::started(plan());
    run.count(1, &counts(2, 8));
    let judge = run.state.judge().clone();
    run.plan.terms += 1;
    run.plan.stages[0].to = Reached::Percent(percent("10"));
    run.reload();
    run.count(HOUR, &Counts::default());
    assert_eq!(
        (run.state.held(), run.percent()),
        (Some(Held::PlanChanged), "1 %".to_owned())
    );
    let of = |judge: &crate::judge::Judge| judge.finding(&run.plan, 0).unwrap().bad;
    assert_eq!(
        of(run.state.judge()),
        of(&judge),
        "guardrails that stay keep what they know"
    );
    assert!(!run.effects.contains(&Effect::Recount));
    run.wish(Wish::Accept).unwrap();
    assert_eq!(
        (run.phase(), run.percent()),
        (Phase::Settle, "10 %".to_owned())
    );
}

#[test]
fn an_approval_is_of_the_stage_as_it_was() {
    let mut plan = plan();
    plan.stages[1].approve = true;
    let mut run = Run::started(plan);
    run.wish(Wish::Approve { stage: 2 }).unwrap();
    run.plan.terms += 1;
    run.plan.stages[1].to = Reached::Percent(percent("50"));
    run.reload();
    run.pass(1);
    run.wish(Wish::Accept).unwrap();
    run.pass(HOUR);
    assert_eq!(run.state.waits(), [Wait::Approval { stage: 2 }]);
}

#[test]
fn other_guardrails_are_judged_anew_at_once() {
    let mut run = Run::started(plan());
    run.count(1, &counts(2, 8));
    run.plan.terms += 1;
    run.plan.guardrails.insert(
        0,
        Guardrail::new(Metric::ClientErrors, Limit::NoWorseThan(1.0)),
    );
    run.reload();
    // These were counted by the plan as it was.
    run.count(1, &counts(500, 0));
    assert_eq!(
        (run.phase(), run.state.held()),
        (Phase::Held, Some(Held::PlanChanged))
    );
    assert!(run.effects.contains(&Effect::Recount));
    run.count(1, &counts(60, 1));
    assert_eq!(run.phase(), Phase::RollingBack);
}

#[test]
fn stages_that_a_completed_plan_gets_are_gone_through() {
    let mut plan = plan();
    plan.stages.truncate(2);
    let mut run = Run::started(plan);
    run.pass(HOUR);
    run.pass(1);
    run.pass(HOUR);
    assert_eq!(
        (run.phase(), run.percent()),
        (Phase::Completed, "5 %".to_owned())
    );
    run.plan.terms += 1;
    run.plan.stages.push(stage("50", HOUR));
    run.reload();
    run.pass(1);
    assert_eq!(
        (run.phase(), run.percent()),
        (Phase::Held, "5 %".to_owned())
    );
    run.wish(Wish::Accept).unwrap();
    run.pass(HOUR);
    assert_eq!(run.percent(), "50 %");
}

#[test]
fn what_is_lowered_by_hand_stays_there_and_what_is_raised_by_hand_is_taken_back() {
    let mut run = Run::started(plan());
    run.pass(HOUR);
    run.pass(1);
    run.see(1, |seen| seen.found = Some(exposure("2")));
    assert_eq!(
        (run.state.held(), run.percent()),
        (Some(Held::LoweredByHand), "2 %".to_owned())
    );
    run.see(DAY, |seen| seen.found = Some(exposure("80")));
    assert_eq!(run.percent(), "2 %");
    assert!(run.effects.contains(&Effect::Expose(exposure("2"))));
    assert!(notices(&run).any(|notice| matches!(notice, Notice::RaisedByHand(_))));
    run.wish(Wish::Resume).unwrap();
    assert_eq!(
        (run.phase(), run.percent()),
        (Phase::Settle, "5 %".to_owned())
    );
}

#[test]
fn a_completed_plan_that_was_lowered_rises_again_only_outside_of_freezes() {
    let mut plan = plan();
    plan.stages.truncate(1);
    let mut run = at_gate(plan, |_| {});
    run.see(1, |seen| seen.found = Some(exposure("0.5")));
    assert_eq!(
        (run.phase(), run.percent()),
        (Phase::Completed, "0.5 %".to_owned())
    );
    run.freezes = vec![Freeze::new(run.wall, later(run.wall, seconds(60)))];
    run.reload();
    run.wish(Wish::Resume).unwrap();
    assert_eq!(run.percent(), "0.5 %");
    run.pass(60);
    assert_eq!(run.percent(), "1 %");
}

#[test]
fn accepting_an_edit_does_not_start_a_stage_that_asks_for_approval() {
    let mut run = Run::started(plan());
    run.plan.terms += 1;
    run.plan.stages = vec![stage("100", HOUR)];
    run.plan.stages[0].approve = true;
    run.reload();
    run.pass(1);
    run.wish(Wish::Accept).unwrap();
    run.pass(1);
    run.pass(1);
    assert_eq!(
        run.percent(),
        "1 %",
        "nobody approved stage 1, {:?}",
        run.state.waits()
    );
}

#[test]
fn a_completed_plan_that_is_edited_asks_for_approval_again() {
    let mut plan = plan();
    plan.stages.truncate(2);
    plan.stages[1] = stage("5", 0);
    let mut run = Run::started(plan);
    for _ in 0..10 {
        run.pass(HOUR);
    }
    assert_eq!(
        (run.phase(), run.percent()),
        (Phase::Completed, "5 %".to_owned())
    );
    run.plan.terms += 1;
    run.plan.stages = vec![stage("50", HOUR)];
    run.plan.stages[0].approve = true;
    run.reload();
    run.pass(1);
    run.wish(Wish::Accept).unwrap();
    run.pass(1);
    assert_eq!(
        run.percent(),
        "5 %",
        "nobody approved, {:?}",
        run.state.waits()
    );
}

#[test]
fn an_edit_of_a_guardrail_does_not_mend_a_broken_assignment() {
    let mut run = Run::started(plan());
    run.count(1, &skewed());
    assert_eq!(run.state.held(), Some(Held::AssignmentBroken));
    run.plan.terms += 1;
    run.plan.guardrails[0] = Guardrail::new(Metric::Errors, Limit::NoWorseThan(1.01));
    run.reload();
    run.pass(1);
    run.wish(Wish::Accept).unwrap();
    run.pass(1);
    assert_eq!(run.state.held(), Some(Held::AssignmentBroken));
}
