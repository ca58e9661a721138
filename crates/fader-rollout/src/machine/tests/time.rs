//! What time does, and what an outage does to it.

use fader::plan::Window;

use super::*;
use crate::machine::{Cause, Held};

#[test]
fn pausing_shifts_the_timers() {
    let mut run = Run::started(plan());
    run.pass(HOUR - 10);
    run.wish(Wish::Pause).unwrap();
    run.pass(DAY);
    run.outage(DAY);
    assert_eq!(run.state.baked(), seconds(HOUR - 10));
    run.wish(Wish::Resume).unwrap();
    run.pass(9);
    assert_eq!(run.state.stage(), Some(1));
    run.pass(1);
    assert_eq!(run.state.stage(), Some(2));
}

#[test]
fn a_stage_bakes_from_when_every_process_serves_it() {
    let mut run = Run::new(plan());
    run.wish(Wish::Start).unwrap();
    run.see(DAY, |seen| seen.serving = false);
    assert_eq!(
        (run.phase(), run.state.baked()),
        (Phase::Settle, Duration::ZERO)
    );
    run.pass(DAY);
    assert_eq!(
        (run.phase(), run.state.baked()),
        (Phase::Observe, Duration::ZERO)
    );
}

#[test]
fn after_an_outage_no_guarded_stage_is_skipped() {
    let mut run = Run::started(plan());
    run.outage(30 * DAY);
    assert_eq!((run.state.stage(), run.phase()), (Some(2), Phase::Settle));
    run.outage(30 * DAY);
    assert_eq!((run.state.stage(), run.phase()), (Some(2), Phase::Observe));
}

#[test]
fn after_an_outage_stages_without_guardrails_are_folded_up_to_one_that_is_approved() {
    let mut plan = plan();
    plan.guardrails.clear();
    let mut run = Run::started(plan.clone());
    run.outage(2 * HOUR + 600);
    assert_eq!((run.state.stage(), run.phase()), (Some(3), Phase::Settle));
    assert_eq!(run.state.baked(), seconds(600));

    let mut run = Run::started(plan.clone());
    run.outage(DAY);
    assert_eq!(
        (run.phase(), run.percent()),
        (Phase::Completed, "100 %".to_owned())
    );

    plan.stages[2].approve = true;
    let mut run = Run::started(plan.clone());
    run.outage(DAY);
    assert_eq!(
        (run.state.stage(), run.percent()),
        (Some(2), "5 %".to_owned())
    );
    assert!(waits_for(&run, Wait::Approval { stage: 3 }));

    let mut run = Run::started(plan);
    run.wish(Wish::Approve { stage: 3 }).unwrap();
    run.outage(DAY);
    assert_eq!(
        (run.state.stage(), run.state.baked()),
        (Some(3), Duration::ZERO)
    );
}

#[test]
fn while_the_process_lives_no_stage_is_skipped() {
    let mut plan = plan();
    plan.guardrails.clear();
    let mut run = Run::started(plan);
    run.pass(DAY);
    assert_eq!(
        (run.state.stage(), run.state.baked()),
        (Some(2), Duration::ZERO)
    );
}

#[test]
fn the_wall_clock_moves_no_timer_while_the_process_lives() {
    let mut run = Run::started(plan());
    for jump in [365 * DAY, 0, 30] {
        run.wall = later(at("2026-12-01T09:00:00Z"), seconds(jump));
        run.pass(1);
    }
    assert_eq!(run.state.baked(), seconds(3));
    // Back by a year, and nobody looked: nothing has gone by.
    run.wall = at("2025-12-01T09:00:00Z");
    run.outage(0);
    assert_eq!(
        (run.state.baked(), run.state.stage()),
        (seconds(3), Some(1))
    );
}

#[test]
fn the_warm_up_is_not_counted_and_what_was_is_forgotten() {
    let mut plan = plan();
    (plan.warmup, plan.shadow) = (Some(seconds(60)), Some(seconds(60)));
    let mut run = Run::new(plan);
    run.wish(Wish::Start).unwrap();
    assert_eq!(
        (run.phase(), run.percent()),
        (Phase::Warmup, "1 %".to_owned())
    );
    run.count(59, &counts(500, 0));
    assert_eq!(run.phase(), Phase::Warmup);
    run.count(1, &counts(500, 0));
    assert!(run.effects.contains(&Effect::Recount));
    assert_eq!(
        (run.phase(), run.percent()),
        (Phase::Shadow, "0 %".to_owned())
    );
    run.pass(60);
    assert_eq!(
        (run.phase(), run.percent()),
        (Phase::Settle, "1 %".to_owned())
    );
    assert_eq!(
        (run.state.requests().candidate, run.state.elapsed()),
        (0, Duration::ZERO)
    );
}

#[test]
fn an_unclean_end_holds_at_nobody_and_the_second_in_a_stage_rolls_back() {
    let mut run = Run::started(plan());
    run.see(1, |seen| seen.unclean_end = true);
    assert_eq!(
        (run.state.held(), run.percent()),
        (Some(Held::Restart), "0 %".to_owned())
    );
    run.pass(59);
    assert_eq!(run.percent(), "0 %");
    run.pass(1);
    assert_eq!(
        (run.phase(), run.percent()),
        (Phase::Settle, "1 %".to_owned())
    );
    let mut other = run.clone();
    run.see(1, |seen| seen.unclean_end = true);
    assert_eq!(
        run.state.evidence().unwrap().cause,
        Cause::CrashLoop { crashes: 2 }
    );
    // In the next stage they are counted anew.
    other.pass(1);
    other.pass(HOUR);
    other.see(1, |seen| seen.unclean_end = true);
    assert_eq!(
        (other.state.stage(), other.state.held()),
        (Some(2), Some(Held::Restart))
    );
}

#[test]
fn a_stall_exposes_nobody_and_counts_once_it_is_over() {
    let mut run = Run::started(plan());
    for _ in 0..200 {
        run.see(1, |seen| seen.stalled = true);
        assert_eq!(
            (run.state.held(), run.percent()),
            (Some(Held::Stalled), "0 %".to_owned())
        );
    }
    // From its end on it is an unclean end.
    for left in [60, 1] {
        run.pass(60 - left);
        assert_eq!(
            (run.state.held(), run.percent()),
            (Some(Held::Restart), "0 %".to_owned())
        );
    }
    run.pass(1);
    assert_eq!(
        (run.phase(), run.percent()),
        (Phase::Settle, "1 %".to_owned())
    );
    run.see(1, |seen| seen.stalled = true);
    assert_eq!(run.state.held(), Some(Held::Stalled));
    let mut killed = run.clone();
    run.pass(1);
    let crash_loop = Cause::CrashLoop { crashes: 2 };
    assert_eq!(run.state.evidence().unwrap().cause, crash_loop);
    // A process that is killed meanwhile counts once too.
    killed.see(1, |seen| seen.unclean_end = true);
    assert_eq!(killed.state.evidence().unwrap().cause, crash_loop);
}

#[test]
fn a_stall_while_nobody_is_exposed_is_none_of_the_runs() {
    let mut run = Run::started(plan());
    run.see(1, |seen| seen.found = Some(exposure("0")));
    assert_eq!(run.percent(), "0 %");
    run.see(1, |seen| seen.stalled = true);
    assert_eq!(run.state.held(), Some(Held::LoweredByHand));
    run.pass(1);
    run.wish(Wish::Resume).unwrap();
    assert_eq!(run.percent(), "1 %");
}

#[test]
fn after_an_unclean_end_exposure_comes_back_only_where_it_may_rise() {
    let mut plan = plan();
    plan.windows = vec![Window::new([true; 7], 540, 545)];
    let mut run = Run::started(plan);
    run.pass(600);
    run.see(1, |seen| seen.unclean_end = true);
    run.pass(HOUR);
    assert_eq!(run.percent(), "0 %");
    assert!(waits_for(&run, Wait::Window) && waits_for(&run, Wait::Exposure));
    assert_eq!(run.state.baked(), seconds(601), "nobody was exposed since");
}

#[test]
fn a_state_of_another_format_is_refused() {
    let run = Run::started(plan());
    let text = serde_json::to_string(&run.state).unwrap();
    assert!(text.starts_with("{\"format\":1,"));
    assert_eq!(serde_json::from_str::<State>(&text).unwrap(), run.state);
    let other = text.replacen("\"format\":1", "\"format\":2", 1);
    let error = serde_json::from_str::<State>(&other)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("a state of format 2, where 1 is known"),
        "{error}"
    );
}

#[test]
fn phases_are_words() {
    let word = |phase: Phase| serde_json::to_string(&phase).unwrap();
    assert_eq!(word(Phase::RollingBack), "\"rolling-back\"");
    assert_eq!(word(Phase::Draft), "\"draft\"");
}
