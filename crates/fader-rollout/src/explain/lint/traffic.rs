//! Lints that follow from the traffic that is expected.

use std::time::Duration;

use fader::plan::{Limit, Plan, Stage};

use super::{LintKind, Lints};
use crate::explain::schedule;
use crate::explain::sight::{Scene, Times};
use crate::explain::spent::spent_after;
use crate::explain::stage::scenes;
use crate::explain::{Expected, Levels, Lint, Subject, written};
use crate::judge::by_request;
use crate::judge::finding::name;

/// How many times the bake a gate may stay shut.
const BAKES: u32 = 10;

/// Tells what is probably not as it was meant with the traffic that is expected.
pub(in crate::explain) fn expected(
    subject: &Subject<'_>,
    expected: &Expected,
    levels: Levels,
) -> Vec<Lint> {
    let (plan, mut lints) = (subject.plan, Lints::of(subject));
    let begins = schedule::begins(plan);
    let stages = plan
        .stages
        .iter()
        .zip(scenes(plan, expected, levels))
        .zip(begins);
    for (at, ((stage, scene), begins)) in stages.enumerate() {
        too_short(at, &scene, &mut lints);
        too_few_units(at, stage, begins, &scene, &mut lints);
    }
    out_of_reach(plan, expected, levels, &mut lints);
    spent(plan, expected, &mut lints);
    lints.found
}

/// A stage whose guardrails do not see a tenfold rise in time, or what comes next to it where ten times as much is still
/// within the limit: a total failure.
fn too_short(at: usize, scene: &Scene<'_>, lints: &mut Lints<'_>) {
    let tests = scene.plan.guardrails.iter().filter_map(|guardrail| {
        let test = scene.test(guardrail).ok()?;
        let (rise, times) = match test.times(10.0) {
            Some(times) => ("a tenfold rise", Some(times)),
            None => ("a total failure", test.total()),
        };
        Some((
            name(guardrail),
            rise,
            times.map_or(Duration::MAX, |Times { p50, .. }| p50),
        ))
    });
    let late = tests.filter(|(.., takes)| *takes > scene.bake);
    let Some((name, rise, takes)) = late.max_by_key(|(.., takes)| *takes) else {
        return;
    };
    let bake = written(scene.bake);
    let place = format!("stages[{at}]");
    if takes == Duration::MAX {
        lints.add(
            LintKind::StageTooShort,
            &place,
            format!("`{name}` sees nothing in this stage, however long it is"),
            "it takes more traffic, or a higher percent",
        );
    } else {
        let takes = written(takes);
        lints.add(
            LintKind::StageTooShort,
            &place,
            format!("the stage is over after {bake}; half of the runs take {takes} until `{name}` sees {rise}"),
            format!("bake for {takes} at least, or begin at a higher percent"),
        );
    }
}

/// A stage that is over before its gate has seen the units that it asks for.
fn too_few_units(
    at: usize,
    stage: &Stage,
    begins: Duration,
    scene: &Scene<'_>,
    lints: &mut Lints<'_>,
) {
    let asked = as_f64(scene.plan.min_units);
    // Of all units only the candidate is asked for.
    let arm = if scene.share < 1.0 {
        scene.share.min(1.0 - scene.share)
    } else {
        1.0
    };
    if asked <= 0.0 || arm <= 0.0 {
        return;
    }
    let place = format!("stages[{at}]");
    let in_arm = scene.expected.units.map(|units| units * arm);
    if let Some(in_arm) = in_arm.filter(|in_arm| *in_arm <= asked) {
        let message = format!(
            "the gate waits for {asked} units in each arm; at this percent the smaller has {:.0} of {:.0}",
            in_arm.floor(),
            in_arm / arm
        );
        let help = format!(
            "set `min_units` to {:.0} at most, or raise the percent",
            (in_arm / 2.0).floor()
        );
        lints.add(LintKind::TooFewUnits, &place, message, help);
        return;
    }
    // Requests fall on all units of the arm alike, so the last ones of few take long to be met; those of the run count,
    // and of the stage as many requests.
    let meetings = in_arm.map_or(asked, |units| -units * (-asked / units).ln_1p());
    let a_second = scene.expected.rate * arm;
    let seconds = |meetings: f64| Duration::try_from_secs_f64(meetings / a_second);
    let takes = seconds(meetings).map(|takes| takes.saturating_sub(begins));
    let takes = takes.and_then(|takes| Ok(takes.max(seconds(asked)?)));
    let takes = takes.unwrap_or(Duration::MAX);
    if takes > stage.bake {
        lints.add(
            LintKind::TooFewUnits,
            &place,
            format!(
                "the stage is over after {}; until each arm has {asked} units takes {}",
                written(stage.bake),
                written(takes)
            ),
            format!("bake for {}, or lower `min_units`", written(takes)),
        );
    }
}

/// Guardrails that hold a gate until they are safe, and are so too late in some stage.
fn out_of_reach(plan: &Plan, expected: &Expected, levels: Levels, lints: &mut Lints<'_>) {
    for (at, guardrail) in plan.guardrails.iter().enumerate() {
        if !guardrail.require_safe {
            continue;
        }
        let stages = scenes(plan, expected, levels).enumerate();
        let mut late = stages.filter_map(|(stage, scene)| {
            let safe = scene.test(guardrail).ok()?.safe_after();
            let patience = scene.bake.saturating_mul(BAKES);
            safe.is_none_or(|safe| safe > patience)
                .then_some((stage + 1, safe))
        });
        let Some((stage, safe)) = late.next() else {
            continue;
        };
        let name = name(guardrail);
        let takes = match safe {
            Some(safe) => format!("takes about {} until it is shown to be safe", written(safe)),
            None => "is never shown to be safe".to_owned(),
        };
        lints.add(
            LintKind::SafeOutOfReach,
            &format!("guardrails[{at}].require"),
            format!("`{name}`: in stage {stage} a candidate as good as stable {takes}"),
            "allow it more, such as \"no_worse_than\": 1.5; or drop `require`: a regression is seen without it",
        );
    }
}

/// Guardrails that run out of units while they compare, and then hold the gate.
fn spent(plan: &Plan, expected: &Expected, lints: &mut Lints<'_>) {
    if by_request(plan) {
        return;
    }
    let end = schedule::compared_until(plan);
    for (at, guardrail) in plan.guardrails.iter().enumerate() {
        if !matches!(guardrail.limit, Limit::NoWorseThan(_)) {
            continue;
        }
        let Some(after) = spent_after(expected, guardrail).filter(|after| *after < end) else {
            continue;
        };
        let stage = schedule::begins(plan)
            .take_while(|begins| *begins <= after)
            .count();
        lints.add(
            LintKind::UnitsSpent,
            &format!("guardrails[{at}]"),
            format!(
                "`{}` has no data any more from {} after the start on, in stage {}: too many units were bad once",
                name(guardrail),
                written(after),
                stage.max(1)
            ),
            "watch what is rarer, such as a higher quantile, or the candidate alone (`below`), or let the plan be done sooner",
        );
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a count of units, for a forecast"
)]
fn as_f64(count: u64) -> f64 {
    count as f64
}
