//! When stages begin.

use std::time::Duration;

use fader::plan::{Freeze, Plan, Reached};
use fader::{Percent, Timestamp};

use super::Subject;
use crate::machine::Windows;

/// Returns how long all stages take, at least.
pub(super) fn planned(plan: &Plan) -> Duration {
    plan.stages
        .iter()
        .map(|stage| stage.bake)
        .fold(before(plan), Duration::saturating_add)
}

/// Returns for each stage how long after the start it begins, if no gate waits.
pub(super) fn begins(plan: &Plan) -> impl Iterator<Item = Duration> {
    plan.stages.iter().scan(before(plan), |at, stage| {
        let begins = *at;
        *at = at.saturating_add(stage.bake);
        Some(begins)
    })
}

/// Returns until when the arms are compared: to the end of the last stage that enrols a part of the units.
pub(super) fn compared_until(plan: &Plan) -> Duration {
    let stages = plan.stages.iter().zip(begins(plan));
    let parts = stages.filter(|(stage, _)| {
        matches!(stage.to, Reached::Percent(percent) if percent > Percent::ZERO && percent < Percent::HUNDRED)
    });
    let ends = parts.map(|(stage, begins)| begins.saturating_add(stage.bake));
    ends.last().unwrap_or_default()
}

/// Returns what comes before the first stage: warm-up and shadow.
fn before(plan: &Plan) -> Duration {
    let warmup = plan.warmup.unwrap_or_default();
    warmup.saturating_add(plan.shadow.unwrap_or_default())
}

/// Returns when the plan begins, at the earliest.
pub(super) fn start(subject: &Subject<'_>) -> Timestamp {
    subject.plan.start.unwrap_or(subject.now).max(subject.now)
}

pub(super) fn later(at: Timestamp, by: Duration) -> Timestamp {
    let nanos = i128::try_from(by.as_nanos()).unwrap_or(i128::MAX);
    Timestamp::from_nanos(at.as_nanos().saturating_add(nanos))
}

/// Returns the end of the freezes that hold at a time, where some do.
fn thaws(freezes: &[Freeze], at: Timestamp) -> Option<Timestamp> {
    let mut end = at;
    // Freezes may follow one another without a gap.
    while let Some(freeze) = freezes.iter().find(|it| it.from <= end && end < it.until) {
        end = freeze.until;
    }
    (end > at).then_some(end)
}

/// Returns for each stage when it begins at the earliest: when the one before is over, and exposure may be raised.
pub(super) fn instants(subject: &Subject<'_>) -> Vec<Option<Timestamp>> {
    let opening = Opening::new(subject);
    let begins = opening.next(start(subject));
    let mut at = begins.and_then(|begins| opening.next(later(begins, before(subject.plan))));
    let stages = subject.plan.stages.iter();
    stages
        .map(|stage| {
            let begins = at;
            at = begins.and_then(|begins| opening.next(later(begins, stage.bake)));
            begins
        })
        .collect()
}

/// When exposure may be raised.
pub(super) struct Opening<'a> {
    freezes: &'a [Freeze],
    /// None if a time zone is not known.
    windows: Option<Windows>,
}

impl<'a> Opening<'a> {
    pub(super) fn new(subject: &Subject<'a>) -> Self {
        Self {
            freezes: subject.freezes,
            windows: Windows::new(&subject.plan.windows).ok(),
        }
    }

    /// Returns from when on exposure may be raised: in a window, and outside of freezes. None if never.
    pub(super) fn next(&self, at: Timestamp) -> Option<Timestamp> {
        let mut at = self.windows.as_ref()?.next_opening(at)?;
        while let Some(thaws) = thaws(self.freezes, at) {
            at = self.windows.as_ref()?.next_opening(thaws)?;
        }
        Some(at)
    }

    /// Returns the same as if there were no freezes.
    pub(super) fn next_window(&self, at: Timestamp) -> Option<Timestamp> {
        self.windows.as_ref()?.next_opening(at)
    }
}
