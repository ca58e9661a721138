//! Plans of staged ramps: what follows from the rule, and what they require of one another.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::sync::Arc;

use crate::compile::compiler::{Compiler, Names, Part, in_whole};
use crate::compile::flag::{salt_of, unit_of};
use crate::compile::graph::components;
use crate::document::diagnostic::{DiagnosticKind, Report};
use crate::document::model::{self, StagedRamp};
use crate::document::syntax::Span;
use crate::hash;
use crate::plan::{Guardrail, Limit, Metric, OnBreach, Plan, Reached, Stage};
use crate::ruleset::{Flag, FlagId, Staged};

/// A flag whose plan has to be completed before that of another one goes on.
pub(super) struct Required<'t> {
    from: &'t str,
    to: String,
    at: Span,
}

impl<'t> Compiler<'_, 't> {
    /// Compiles a staged ramp.
    pub(super) fn staged(
        &mut self,
        flag: &model::Flag<'_>,
        rule: &model::Rule<'_>,
        ramp: &StagedRamp<'_>,
    ) -> Box<Staged> {
        let waves = ramp.waves.iter().map(|wave| self.condition(wave)).collect();
        if let Part::Flag(from) = self.inside {
            let required = ramp.required.iter().map(|name| Required {
                from,
                to: name.value.to_owned(),
                at: in_whole(name.span, self.text, self.shift),
            });
            self.required.extend(required);
        }
        let mut plan = ramp.plan.clone();
        plan.by = unit_of(flag, rule).into();
        plan.assignment = assignment(&plan, salt_of(flag, rule), &ramp.enrolment);
        plan.terms = terms(&plan);
        Box::new(Staged {
            waves,
            plan: Arc::new(plan),
        })
    }
}

/// Reports what plans require of flags that have none, and those that wait for one another in a circle, whose flags it
/// returns. Flags are given in the order of the document.
pub(super) fn check_required<'t>(
    required: &[Required<'t>],
    names: &Names<'_, 't>,
    flags: &[(FlagId, Arc<Flag>)],
    report: &mut Report,
) -> Vec<&'t str> {
    let mut edges = vec![Vec::new(); flags.len()];
    let mut places = Vec::new();
    for Required { from, to, at } in required {
        let known = names.flags.get(to.as_str()).copied();
        let flag = known.and_then(|known| flags.get(known));
        let (Some(known), Some((_, flag))) = (known, flag) else {
            let all = names.set.flags.iter().map(|flag| flag.name.value);
            report
                .error(
                    DiagnosticKind::UnknownFlag,
                    *at,
                    format!("unknown flag `{to}`"),
                )
                .suggest(to, all);
            continue;
        };
        if to == from {
            report
                .error(
                    DiagnosticKind::Cycle,
                    *at,
                    format!("the ramp of `{from}` waits for itself"),
                )
                .help("name another flag, or take the requirement out");
        // What can't be read has a mistake of its own.
        } else if !flag.is_guarded() && !flag.variants.is_empty() {
            report
                .error(
                    DiagnosticKind::InvalidValue,
                    *at,
                    format!("the flag `{to}` has no ramp with `stages`, which could be completed"),
                )
                .help("for what the service tells of itself use `fact`");
        } else if let Some(from) = names.flags.get(from) {
            places.push((*from, known, *at));
            edges
                .get_mut(*from)
                .into_iter()
                .for_each(|to| to.push(known));
        }
    }
    circles(&edges, &places, names, report)
}

/// Reports each circle once, at the last requirement in it.
fn circles<'t>(
    edges: &[Vec<usize>],
    places: &[(usize, usize, Span)],
    names: &Names<'_, 't>,
    report: &mut Report,
) -> Vec<&'t str> {
    let mut members = Vec::new();
    let components = components(edges);
    let mut group_of = vec![usize::MAX; edges.len()];
    for (number, group) in components.iter().enumerate() {
        for flag in group {
            group_of
                .get_mut(*flag)
                .into_iter()
                .for_each(|of| *of = number);
        }
    }
    let mut last: BTreeMap<usize, Span> = BTreeMap::new();
    for (from, to, at) in places {
        if let (Some(from), Some(to)) = (group_of.get(*from), group_of.get(*to))
            && from == to
        {
            let kept = last.entry(*from).or_insert(*at);
            *kept = if kept.start < at.start { *at } else { *kept };
        }
    }
    for (number, at) in last {
        let group = components.get(number).unwrap_or_default().iter();
        let flags = group.filter_map(|flag| names.set.flags.get(*flag));
        let group: Vec<&str> = flags.map(|flag| flag.name.value).collect();
        let message = format!(
            "the ramps of these flags wait for one another: `{}`",
            group.join("`, `")
        );
        report
            .error(DiagnosticKind::Cycle, at, message)
            .help("take one of these requirements out");
        members.extend(group);
    }
    members
}

/// A fingerprint of what decides who is enrolled.
fn assignment(plan: &Plan, salt: &str, enrolment: &str) -> u64 {
    let start = plan.start.map(|start| start.as_nanos().to_string());
    let parts = [start.as_deref().unwrap_or(""), salt, &plan.by, enrolment];
    parts.iter().fold(0, |hash, part| hash::mix(hash, part))
}

/// What a plan says beside its defaults. A field that a later release adds changes no plan that leaves it out.
#[derive(Default)]
struct Terms(String);

impl Terms {
    fn note<T: Debug + PartialEq>(&mut self, name: &str, value: &T, default: &T) {
        if value != default {
            // Writing to a `String` never fails.
            let _ = write!(self.0, "{name}={value:?};");
        }
    }
}

/// A fingerprint of all that [`assignment`] leaves out.
fn terms(plan: &Plan) -> u64 {
    let mut terms = Terms::default();
    let none = Plan::new(Vec::new());
    terms.note("false_alarm", &plan.false_alarm, &none.false_alarm);
    terms.note("min_units", &plan.min_units, &none.min_units);
    terms.note("min_bad_units", &plan.min_bad_units, &none.min_bad_units);
    terms.note("count", &plan.count, &none.count);
    terms.note("warmup", &plan.warmup, &none.warmup);
    terms.note("shadow", &plan.shadow, &none.shadow);
    terms.note("group", &plan.group, &none.group);
    terms.note("requires", &plan.requires, &none.requires);
    for window in &plan.windows {
        let window = (window.days, window.from, window.to, &window.zone);
        terms.note("window", &Some(window), &None);
    }
    for stage in &plan.stages {
        let usual = Stage::new(Reached::Percent(crate::Percent::ZERO), stage.bake);
        terms.note("stage", &Some((&stage.to, stage.bake)), &None);
        terms.note("approve", &stage.approve, &usual.approve);
        terms.note("irreversible", &stage.irreversible, &usual.irreversible);
        terms.note("idle", &stage.idle, &usual.idle);
    }
    for guardrail in &plan.guardrails {
        let usual = Guardrail::new(Metric::Errors, Limit::NoWorseThan(1.0));
        let what = (&guardrail.metric, guardrail.limit);
        terms.note("guardrail", &Some(what), &None);
        terms.note("for", &guardrail.hold, &usual.hold);
        terms.note("on_breach", &guardrail.on_breach, &OnBreach::default());
        terms.note("require", &guardrail.require_safe, &usual.require_safe);
    }
    hash::mix(0, &terms.0)
}
