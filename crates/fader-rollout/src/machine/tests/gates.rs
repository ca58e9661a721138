//! What keeps a gate shut, and what opens it.

use std::collections::{BTreeMap, BTreeSet};

use fader::Json;
use fader::plan::{FactTest, Requirement, Window};

use super::*;
use crate::guardrail::Verdict;
use crate::judge::Exposed;
use crate::machine::{Arm, Part, Position};

const GATE: Position = Position::Stage {
    index: 0,
    part: Part::Gate,
};

/// Each condition by itself keeps the gate shut, says so, and opens it when it holds.
#[test]
fn a_gate_lists_all_that_keeps_it_shut() {
    let mut plan = plan();
    plan.windows = vec![Window::new([true; 7], 0, 60)];
    plan.stages[0].idle = Some(seconds(600));
    plan.stages[1].approve = true;
    plan.guardrails[0].require_safe = true;
    plan.requires = vec![Requirement::Completed("schema".into())];
    let freeze = Freeze::new(at("2026-12-01T00:00:00Z"), at("2026-12-02T00:00:00Z"));
    let mut run = Run::new(plan.clone());
    run.plan.windows.clear();
    run.plan.requires.clear();
    run.reload();
    run.wish(Wish::Start).unwrap();
    run.pass(1);
    (run.plan, run.freezes) = (plan, vec![freeze]);
    run.reload();
    let few = Counts {
        requests: Arms {
            candidate: 1,
            stable: 2,
        },
        ..Counts::default()
    };
    run.see(HOUR, |seen| {
        seen.counts = std::slice::from_ref(&few);
        (seen.turn, seen.probes_green) = (false, false);
    });
    // What was seen in the second in which it settled is enough.
    let expected = [
        Wait::Guardrail {
            guardrail: 0,
            verdict: Verdict::Undecided,
        },
        Wait::Probes,
        Wait::Idle { left: seconds(600) },
        Wait::Requirement { requirement: 0 },
        Wait::Approval { stage: 2 },
        Wait::Window,
        Wait::Freeze {
            until: at("2026-12-02T00:00:00Z"),
        },
        Wait::Turn,
    ];
    for wait in expected {
        assert!(waits_for(&run, wait), "{wait:?} in {:?}", run.state.waits());
    }
    assert_eq!(run.state.waits().len(), expected.len());
    let told =
        notices(&run).any(|notice| matches!(notice, Notice::Waits(waits) if waits.len() == 8));
    assert!(told);
}

#[test]
fn a_gate_waits_for_units_in_the_run_and_requests_in_the_stage_of_both_arms() {
    let mut run = Run::new(plan());
    run.wish(Wish::Start).unwrap();
    let arms = |candidate, stable| Arms { candidate, stable };
    let few = Counts {
        requests: arms(100, 199),
        units: arms(150, 199),
        ..counts(0, 0)
    };
    run.count(1, &few);
    run.count(HOUR, &Counts::default());
    let shortage = |arm, units, requests| {
        [
            Wait::Units {
                arm,
                seen: units,
                wanted: 200,
            },
            Wait::Requests {
                arm,
                seen: requests,
                wanted: 200,
            },
        ]
    };
    let [units, requests] = shortage(Arm::Candidate, 150, 100);
    let [stable_units, stable_requests] = shortage(Arm::Stable, 199, 199);
    assert_eq!(
        run.state.waits(),
        [units, requests, stable_units, stable_requests]
    );
    // A process that starts anew counts its units from 0.
    run.count(
        1,
        &Counts {
            requests: arms(200, 1),
            units: arms(200, 3),
            ..Counts::default()
        },
    );
    assert_eq!(run.state.waits(), [stable_units]);
    run.count(
        1,
        &Counts {
            units: arms(0, 200),
            ..Counts::default()
        },
    );
    assert_eq!(run.state.stage(), Some(2));
    run.count(1, &Counts::default());
    run.count(HOUR, &Counts::default());
    let [_, of_stage] = shortage(Arm::Candidate, 0, 0);
    assert!(waits_for(&run, of_stage), "requests are of the stage");
}

#[test]
fn at_a_hundred_percent_and_in_a_wave_stable_is_not_asked_for_units() {
    let wave = Stage::new(Reached::Segment("staff".into()), seconds(HOUR));
    let mut plan = Plan::new(vec![wave, stage("100", HOUR)]);
    plan.guardrails = vec![errors()];
    let mut run = Run::started(plan);
    assert_eq!(run.percent(), "0 % + 1 waves");
    assert_eq!(run.state.exposure().exposed(), Exposed::Wave);
    let candidate = Counts {
        requests: Arms {
            candidate: 300,
            stable: 0,
        },
        units: Arms {
            candidate: 300,
            stable: 0,
        },
        ..Counts::default()
    };
    run.count(HOUR, &candidate);
    assert_eq!(run.percent(), "100 % + 1 waves");
    run.count(1, &candidate);
    run.count(HOUR, &candidate);
    assert_eq!(run.phase(), Phase::Completed);
}

#[test]
fn waves_and_percents_add_up() {
    let wave = |name: &str| Stage::new(Reached::Segment(name.into()), seconds(HOUR));
    let stages = vec![
        wave("staff"),
        stage("5", HOUR),
        wave("partners"),
        stage("3", HOUR),
        stage("50", HOUR),
    ];
    let run = Run::new(Plan::new(stages));
    let reached = (0..6).map(|stage| run.ramp.reach(stage));
    let reached: Vec<_> = reached
        .map(|reach| (reach.waves, reach.percent.to_string()))
        .collect();
    let expected = [(1, "0"), (1, "5"), (2, "5"), (2, "5"), (2, "50"), (0, "0")];
    assert_eq!(
        reached,
        expected.map(|(waves, percent)| (waves, percent.to_owned()))
    );
}

#[test]
fn facts_and_other_plans_hold_a_ramp_at_its_start_and_at_each_gate() {
    let fact = |name: &str, test| Requirement::Fact {
        name: name.into(),
        test,
    };
    let mut plan = plan();
    plan.requires = vec![
        Requirement::Completed("schema".into()),
        fact("schema.version", FactTest::Gte(123.0)),
        fact("region", FactTest::Is(Json::from("eu"))),
        fact("shards", FactTest::Is(Json::from(4))),
    ];
    let mut run = Run::new(plan);
    run.wish(Wish::Start).unwrap();
    assert_eq!(run.state.waits().len(), 4);
    let completed = BTreeSet::from(["schema".to_owned()]);
    let mut facts = BTreeMap::from([
        ("schema.version".to_owned(), Json::from(123)),
        ("region".to_owned(), Json::from("eu")),
        ("shards".to_owned(), Json::from(4.0)),
    ]);
    run.see(1, |seen| {
        (seen.completed, seen.facts) = (&completed, &facts);
    });
    assert_eq!(run.state.stage(), Some(1));
    run.see(1, |seen| {
        (seen.completed, seen.facts) = (&completed, &facts);
    });
    facts.insert("schema.version".to_owned(), Json::from("123"));
    run.see(HOUR, |seen| {
        (seen.completed, seen.facts) = (&completed, &facts);
    });
    assert_eq!(run.state.waits(), [Wait::Requirement { requirement: 1 }]);
}

#[test]
fn an_approval_on_the_first_stage_is_waited_for_while_armed() {
    let mut plan = plan();
    plan.stages[0].approve = true;
    let mut run = Run::new(plan);
    run.wish(Wish::Start).unwrap();
    run.pass(DAY);
    assert_eq!(
        (run.phase(), run.state.waits()),
        (Phase::Armed, &[Wait::Approval { stage: 1 }][..])
    );
    run.wish(Wish::Approve { stage: 1 }).unwrap();
    assert_eq!(run.phase(), Phase::Settle);
}

#[test]
fn windows_and_freezes_keep_exposure_from_rising_and_from_nothing_else() {
    let mut plan = plan();
    plan.windows = vec![Window::new([true; 7], 540, 545)];
    let closed = |lower: fn(&mut Run)| {
        let mut run = at_gate(plan.clone(), |_| {});
        run.freezes = vec![Freeze::new(run.wall, later(run.wall, seconds(DAY)))];
        run.reload();
        run.pass(1);
        let until = later(run.wall, seconds(DAY - 1));
        assert_eq!(run.state.waits(), [Wait::Window, Wait::Freeze { until }]);
        assert_eq!((run.phase(), run.state.position()), (Phase::Frozen, GATE));
        lower(&mut run);
        assert_eq!(run.percent(), "0 %");
    };
    closed(|run| run.wish(Wish::RollBack).unwrap());
    closed(|run| run.count(1, &counts(60, 1)));
    closed(|run| run.see(1, |seen| seen.found = Some(exposure("0"))));
    closed(|run| {
        run.plan.stages[0].to = Reached::Percent(percent("0"));
        run.plan.terms += 1;
        run.reload();
        run.pass(1);
    });
}

#[test]
fn the_last_stage_is_completed_outside_of_the_windows_too() {
    let mut plan = plan();
    plan.stages.truncate(1);
    plan.windows = vec![Window::new([true; 7], 540, 545)];
    let run = at_gate(plan, |_| {});
    assert_eq!(run.phase(), Phase::Completed);
}

#[test]
fn a_freeze_is_told_when_it_begins_and_ends_and_bake_goes_on() {
    let mut run = Run::started(plan());
    run.freezes = vec![Freeze::new(
        later(run.wall, seconds(5)),
        later(run.wall, seconds(10)),
    )];
    run.reload();
    run.pass(5);
    assert!(notices(&run).any(|notice| matches!(notice, Notice::FreezeBegan(_))));
    assert_eq!(run.phase(), Phase::Frozen);
    run.pass(5);
    assert!(notices(&run).any(|notice| *notice == Notice::FreezeEnded));
    assert_eq!(run.state.baked(), seconds(10));
}

#[test]
fn no_data_and_a_failing_source_hold_a_ramp_and_never_fail_it() {
    let run = at_gate(plan(), |seen| seen.source_works = false);
    assert_eq!(
        (run.state.position(), run.state.waits()),
        (GATE, &[Wait::Source][..])
    );
    let mut plan = plan();
    plan.guardrails.push(Guardrail::new(
        Metric::Gauge("queue".into()),
        Limit::Below(10.0),
    ));
    let mut run = at_gate(plan, |_| {});
    let no_data = Wait::Guardrail {
        guardrail: 1,
        verdict: Verdict::NoData,
    };
    assert_eq!(run.state.waits(), [no_data]);
    run.see(1, |seen| seen.gauges = &[None, Some(1.0)]);
    assert_eq!(run.state.stage(), Some(2));
}

#[test]
fn a_relative_guardrail_does_not_hold_at_a_hundred_percent() {
    let mut plan = plan();
    plan.stages = vec![stage("100", HOUR)];
    plan.guardrails[0].require_safe = true;
    assert_eq!(at_gate(plan, |_| {}).phase(), Phase::Completed);
}

#[test]
fn plans_of_a_group_take_turns() {
    let mut run = Run::new(plan());
    run.see(1, |seen| seen.turn = false);
    run.ids += 1;
    assert!(!run.state.has_turn());
    run.wish(Wish::Start).unwrap();
    assert!(run.state.has_turn());
    let mut held = at_gate(plan(), |seen| seen.turn = false);
    assert_eq!(held.state.waits(), [Wait::Turn]);
    held.wish(Wish::RollBack).unwrap();
    assert!(held.state.has_turn());
    held.pass(1);
    assert!(!held.state.has_turn());
}

#[test]
fn a_plan_without_stages_is_refused() {
    let error =
        Ramp::new(Arc::new(Plan::new(Vec::new())), &[], BudgetPart::OneProcess).unwrap_err();
    assert_eq!(
        (error.to_string(), error.window()),
        ("a plan has at least one stage".to_owned(), None)
    );
}
