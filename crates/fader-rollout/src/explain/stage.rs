//! What one stage does.

use std::time::Duration;

use fader::plan::{Metric, OnBreach, Plan, Reached, Stage};
use fader::{Percent, Timestamp};
use serde::{Serialize, Serializer};

use super::sight::{Scene, Sight, Times};
use super::{Expected, Levels, Subject, schedule, seconds};
use crate::judge::part;

/// What one stage does.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StageView {
    /// Its place in the plan, from 1.
    pub stage: usize,
    /// The percent of the units that are enrolled by chance: 0 as long as there are waves alone.
    pub percent: f64,
    /// Whom the stage adds, where it is a wave: `segment beta`, or `sets 1, 2 of user.number`.
    pub wave: Option<String>,
    /// How many waves are open, whose traffic is not known and comes on top.
    pub waves: usize,
    /// How long after the start it begins, if no gate waits: as JSON in seconds.
    #[serde(serialize_with = "seconds")]
    pub after: Duration,
    /// When it begins at the earliest, by start, windows and freezes; none if never.
    #[serde(serialize_with = "text")]
    pub begins: Option<Timestamp>,
    /// How long it takes at least: as JSON in seconds.
    #[serde(serialize_with = "seconds")]
    pub bake: Duration,
    /// Whether it waits for somebody who approves it.
    pub approve: bool,
    /// How many units the percent enrols, where it is known how many there are.
    pub units: Option<f64>,
    /// How many requests the percent sends to the candidate in a second. None while there are waves alone.
    pub requests_a_second: Option<f64>,
    /// How many that is in the whole bake.
    pub requests: Option<f64>,
    /// What a total failure costs; none if no guardrail of errors takes it back.
    pub cut: Option<Cut>,
    /// What each guardrail sees, in the plan's order.
    pub guardrails: Vec<Sight>,
}

/// What a total failure costs until it is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Cut {
    /// How long the candidate fails: as JSON in seconds.
    pub after: Times,
    /// How many of its requests fail in half of the runs.
    pub requests_p50: f64,
    /// How many of its requests fail, at most, in 90 % of the runs.
    pub requests_p90: f64,
}

/// Tells what each stage does.
pub(super) fn views(subject: &Subject<'_>, expected: &Expected, levels: Levels) -> Vec<StageView> {
    let plan = subject.plan;
    let times = schedule::begins(plan).zip(schedule::instants(subject));
    let scenes = scenes(plan, expected, levels);
    let stages = plan.stages.iter().zip(scenes).zip(times).enumerate();
    let mut waves = 0;
    stages
        .map(|(at, ((stage, scene), (after, begins)))| {
            waves += usize::from(!matches!(stage.to, Reached::Percent(_)));
            StageView {
                stage: at + 1,
                waves,
                after,
                begins,
                ..view(stage, &scene)
            }
        })
        .collect()
}

/// Returns each stage as its guardrails see it. A percent never falls, since who is enrolled stays; and there is no way
/// back behind a stage that has none.
pub(super) fn scenes<'a>(
    plan: &'a Plan,
    expected: &'a Expected,
    levels: Levels,
) -> impl Iterator<Item = Scene<'a>> {
    let (mut highest, mut irreversible) = (Percent::ZERO, false);
    plan.stages.iter().map(move |stage| {
        if let Reached::Percent(percent) = stage.to {
            highest = highest.max(percent);
        }
        irreversible |= stage.irreversible;
        Scene {
            irreversible,
            plan,
            expected,
            share: part(highest),
            bake: stage.bake,
            level: levels.one_process,
        }
    })
}

fn view(stage: &Stage, scene: &Scene<'_>) -> StageView {
    let expected = scene.expected;
    let requests_a_second = (scene.share > 0.0).then_some(expected.rate * scene.share);
    let guardrails = scene.plan.guardrails.iter().enumerate();
    StageView {
        stage: 0,
        percent: scene.share * 100.0,
        wave: wave(&stage.to),
        waves: 0,
        after: Duration::ZERO,
        begins: None,
        bake: stage.bake,
        approve: stage.approve,
        units: expected
            .units
            .map(|units| units * scene.share)
            .filter(|units| *units > 0.0),
        requests_a_second,
        requests: requests_a_second.map(|rate| rate * stage.bake.as_secs_f64()),
        cut: cut(scene),
        guardrails: guardrails
            .map(|(at, guardrail)| scene.sight(at, guardrail))
            .collect(),
    }
}

/// Names whom a wave adds.
fn wave(to: &Reached) -> Option<String> {
    match to {
        Reached::Segment(name) => Some(format!("segment {name}")),
        Reached::Sets { sets, of, .. } => {
            let sets: Vec<String> = sets.iter().map(u64::to_string).collect();
            Some(format!("sets {} of {of}", sets.join(", ")))
        }
        _ => None,
    }
}

/// Returns what a total failure costs: until the first guardrail of errors sees it that takes the candidate back.
fn cut(scene: &Scene<'_>) -> Option<Cut> {
    if scene.irreversible {
        return None;
    }
    let of_errors = scene.plan.guardrails.iter().filter(|guardrail| {
        guardrail.metric == Metric::Errors && guardrail.on_breach == OnBreach::Rollback
    });
    let tests = of_errors.filter_map(|guardrail| scene.test(guardrail).ok());
    let after = tests
        .filter_map(|test| test.total())
        .min_by_key(|times| times.p50)?;
    let requests = |time: Duration| scene.expected.rate * scene.share * time.as_secs_f64();
    Some(Cut {
        after,
        requests_p50: requests(after.p50),
        requests_p90: requests(after.p90),
    })
}

#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn text<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.collect_str(at),
        None => serializer.serialize_none(),
    }
}
