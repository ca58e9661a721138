//! What a breach does, in each state.

use fader::plan::OnBreach;

use super::*;
use crate::guardrail::Verdict;
use crate::machine::{Cause, Held, Response};

#[test]
fn a_three_day_ramp_that_breaches_on_its_second_day_is_rolled_back_for_good() {
    let mut plan = plan();
    plan.stages = ["1", "25", "100"]
        .map(|percent| stage(percent, DAY))
        .to_vec();
    let mut run = Run::started(plan);
    (0..25).for_each(|_| run.pass(HOUR));
    assert_eq!(
        (run.state.stage(), run.percent()),
        (Some(2), "25 %".to_owned())
    );
    run.count(1, &counts(60, 1));
    assert_eq!(
        (run.phase(), run.percent()),
        (Phase::RollingBack, "0 %".to_owned())
    );
    (0..100).for_each(|_| run.pass(HOUR));
    assert_eq!(
        (run.phase(), run.percent()),
        (Phase::RolledBack, "0 %".to_owned())
    );
    assert_eq!(run.state.evidence().unwrap().stage, Some(2));
}

#[test]
fn a_healthy_ramp_goes_through_all_its_stages() {
    let mut run = Run::started(plan());
    let mut percents = vec![run.percent()];
    for _ in 0..5 * 60 {
        run.pass(MINUTE);
        if percents.last() != Some(&run.percent()) {
            percents.push(run.percent());
        }
    }
    assert_eq!(percents, ["1 %", "5 %", "25 %", "100 %"]);
    assert_eq!(run.phase(), Phase::Completed);
}

type Stopping = (&'static str, fn(&mut Run));

#[test]
fn guardrails_run_in_every_state_that_exposes_anyone() {
    let states: [Stopping; 7] = [
        ("settle", |run| run.see(1, |seen| seen.serving = false)),
        ("paused", |run| run.wish(Wish::Pause).unwrap()),
        ("held", |run| {
            run.plan.terms += 1;
            run.reload();
            run.pass(1);
        }),
        ("lowered", |run| {
            run.see(1, |seen| {
                seen.found = Some(Exposure {
                    waves: 0,
                    ..exposure("0.5")
                });
            });
        }),
        ("frozen", |run| {
            run.freezes = vec![Freeze::new(run.wall, later(run.wall, seconds(DAY)))];
            run.reload();
            run.pass(1);
        }),
        ("awaiting approval", |run| {
            run.plan.stages[1].approve = true;
            run.reload();
            run.pass(HOUR);
        }),
        ("bake", |run| {
            run.plan.stages.truncate(1);
            run.reload();
            run.pass(1);
        }),
    ];
    for (name, make) in states {
        let mut run = Run::started(plan());
        make(&mut run);
        assert_ne!(run.percent(), "0 %", "{name}");
        run.count(1, &counts(60, 1));
        assert_eq!(
            (run.phase(), run.percent()),
            (Phase::RollingBack, "0 %".to_owned()),
            "{name}"
        );
    }
}

#[test]
fn a_roll_back_carries_its_evidence() {
    let mut run = Run::started(plan());
    run.pass(600);
    run.count(1, &counts(60, 1));
    let evidence = run.state.evidence().unwrap().clone();
    let Cause::Guardrail(finding) = &evidence.cause else {
        panic!("{evidence:?}");
    };
    assert_eq!(finding.name, "errors no_worse_than 1");
    assert_eq!(
        (finding.bad.candidate, finding.verdict),
        (60, Verdict::Regressed)
    );
    assert!(finding.lower.unwrap() > 1.0 && finding.evidence.unwrap() >= 100.0);
    assert_eq!(
        (evidence.stage, evidence.exposure),
        (Some(1), exposure("1"))
    );
    assert_eq!((evidence.elapsed, evidence.at), (seconds(602), run.wall));
    assert_eq!(
        run.effects.first(),
        Some(&Effect::Expose(exposure("0"))),
        "it comes first"
    );
    assert!(notices(&run).any(|notice| *notice == Notice::RolledBack(Box::new(evidence.clone()))));
    let response = Response::RollsBack;
    assert!(
        notices(&run)
            .any(|notice| matches!(notice, Notice::Breach { response: r, .. } if *r == response))
    );
}

#[test]
fn a_roll_back_waits_until_every_process_serves_nobody() {
    let mut run = Run::started(plan());
    run.wish(Wish::RollBack).unwrap();
    for _ in 0..10 {
        run.see(1, |seen| seen.serving = false);
        assert_eq!(run.phase(), Phase::RollingBack);
    }
    let why = run.wish(Wish::Reset).unwrap_err();
    assert_eq!(
        why,
        "it is being rolled back: not every process has said so"
    );
    assert_eq!(run.phase(), Phase::RolledBack);
}

#[test]
fn an_irreversible_stage_pauses_and_calls_for_a_person() {
    let mut plan = plan();
    plan.stages[0].irreversible = true;
    let mut run = Run::started(plan.clone());
    run.count(1, &counts(60, 1));
    assert_eq!(
        (run.phase(), run.percent()),
        (Phase::Paused, "1 %".to_owned())
    );
    let calls = |notice: &Notice| {
        matches!(
            notice,
            Notice::Breach {
                response: Response::CallsForPerson,
                ..
            }
        )
    };
    assert!(notices(&run).any(calls));
    // What comes after it can't be taken back either.
    run.wish(Wish::Resume).unwrap();
    run.pass(HOUR);
    assert_eq!((run.state.stage(), run.phase()), (Some(2), Phase::Settle));
    // A person may roll it back all the same.
    run.wish(Wish::RollBack).unwrap();
    assert_eq!(run.percent(), "0 %");

    let mut run = Run::started(plan);
    for _ in 0..2 {
        run.see(1, |seen| seen.unclean_end = true);
        assert_eq!(run.percent(), "1 %");
    }
    assert_eq!(run.phase(), Phase::Paused);
}

#[test]
fn a_breach_may_pause_and_a_person_who_resumes_it_takes_the_breach_upon_themselves() {
    let mut plan = plan();
    plan.guardrails[0].on_breach = OnBreach::Pause;
    let mut run = Run::started(plan);
    run.count(1, &counts(60, 1));
    assert_eq!(
        (run.phase(), run.percent()),
        (Phase::Paused, "1 %".to_owned())
    );
    assert_eq!(run.state.paused().unwrap().by, "fader");
    run.pass(DAY);
    let regressed = Wait::Guardrail {
        guardrail: 0,
        verdict: Verdict::Regressed,
    };
    assert_eq!(
        run.state.waits(),
        [
            Wait::Time {
                left: seconds(HOUR - 1)
            },
            regressed,
            Wait::Stopped
        ]
    );
    run.wish(Wish::Resume).unwrap();
    run.count(HOUR, &counts(60, 1));
    assert_eq!((run.state.stage(), run.phase()), (Some(2), Phase::Settle));
}

#[test]
fn a_breach_may_only_be_told_and_then_is_once() {
    let mut plan = plan();
    plan.guardrails[0].on_breach = OnBreach::Notify;
    let mut run = Run::started(plan);
    let breaches = |run: &Run| {
        notices(run)
            .filter(|notice| matches!(notice, Notice::Breach { .. }))
            .count()
    };
    run.count(1, &counts(60, 1));
    assert_eq!(breaches(&run), 1);
    run.count(HOUR, &counts(60, 1));
    assert_eq!((breaches(&run), run.state.stage()), (0, Some(2)));
}

#[test]
fn a_broken_assignment_holds_until_a_new_run() {
    let mut run = Run::started(plan());
    run.count(1, &skewed());
    assert_eq!(
        (run.phase(), run.state.held()),
        (Phase::Held, Some(Held::AssignmentBroken))
    );
    assert!(notices(&run).any(|notice| *notice == Notice::Held(Held::AssignmentBroken)));
    assert!(run.wish(Wish::Resume).is_err());
    run.wish(Wish::Reset).unwrap();
    assert_eq!(
        (run.phase(), run.percent()),
        (Phase::Draft, "0 %".to_owned())
    );
}

#[test]
fn evidence_outlives_the_stages() {
    let mut run = Run::started(plan());
    let e = |run: &Run| {
        run.state
            .judge()
            .finding(&run.plan, 0)
            .unwrap()
            .evidence
            .unwrap()
    };
    run.count(1, &counts(2, 8));
    let before = e(&run);
    assert!((before - 1.0).abs() > 0.1);
    run.count(HOUR, &Counts::default());
    assert_eq!(run.state.stage(), Some(2));
    run.count(1, &Counts::default());
    let now = e(&run);
    assert!((now - before).abs() < 0.05 * before, "{before} {now}");
}

#[test]
fn a_quantile_is_frozen_for_a_stage_or_as_soon_as_it_is_known() {
    let mut plan = plan();
    plan.guardrails = vec![Guardrail::new(
        Metric::Latency(990),
        Limit::NoWorseThan(1.5),
    )];
    let with = |millis: Option<u64>| Counts {
        quantiles: vec![millis.map(Duration::from_millis)],
        ..counts(0, 1)
    };
    let limits = |run: &Run| {
        run.effects.iter().find_map(|effect| match effect {
            Effect::Limits(limits) => Some(
                limits[0].map(|(candidate, stable)| (candidate.as_millis(), stable.as_millis())),
            ),
            _ => None,
        })
    };
    let mut run = Run::new(plan);
    run.wish(Wish::Start).unwrap();
    assert_eq!(limits(&run), Some(None));
    run.count(1, &with(None));
    run.count(HOUR, &with(None));
    assert_eq!(
        run.state.waits(),
        [Wait::Guardrail {
            guardrail: 0,
            verdict: Verdict::NoData
        }]
    );
    run.count(1, &with(Some(100)));
    assert_eq!(limits(&run), Some(Some((150, 100))));
    run.count(1, &with(Some(900)));
    assert_eq!(
        (run.state.stage(), limits(&run)),
        (Some(2), Some(Some((1350, 900))))
    );
    run.count(1, &with(Some(5)));
    assert_eq!(limits(&run), None, "not within a stage");
    run.outage(1);
    assert_eq!(
        limits(&run),
        Some(Some((1350, 900))),
        "a process that begins knows none"
    );
}
