//! What works but was probably not meant so.

use std::collections::{HashMap, HashSet};

use crate::compile::compiler::{Part, Reference};
use crate::compile::flag::{draws, salt_of, unit_of};
use crate::document::diagnostic::{DiagnosticKind, Report};
use crate::document::model::{At, ConditionKind, Flag, FlagSet, Rule, Serve, Share};
use crate::percent::Percent;
use crate::time::Timestamp;

/// The attribute that a whole company may share.
const CLIENT_ADDRESS: &str = "client.ip";

/// Warns of what a flag has by itself.
pub(crate) fn check(flag: &Flag<'_>, now: Timestamp, report: &mut Report) {
    if let Some(expires) = flag.expires.filter(|expires| expires.value <= now) {
        report
            .warning(
                DiagnosticKind::Expired,
                expires.span,
                format!("the flag `{}` has expired", flag.name),
            )
            .help("remove the flag and the code of the arm that lost, or move the date");
    }
    unreachable_rules(flag, report);
    hashing(flag, report);
    draws_that_reach_nobody(flag, report);
    for rule in &flag.rules {
        share(rule, report);
    }
}

/// Warns of what no flag and no segment names.
pub(crate) fn unused(set: &FlagSet<'_>, references: &[Reference<'_>], report: &mut Report) {
    let used: HashSet<Part<'_>> = references.iter().map(|reference| reference.to).collect();
    for name in set.segments.iter().map(|segment| segment.name) {
        if !used.contains(&Part::Segment(name.value)) {
            report.warning(
                DiagnosticKind::UnusedSegment,
                name.span,
                format!("nothing uses the segment `{}`", name.value),
            );
        }
    }
    for name in set.lists.iter().map(|list| list.name) {
        if !used.contains(&Part::List(name.value)) {
            report.warning(
                DiagnosticKind::UnusedList,
                name.span,
                format!("nothing uses the list `{}`", name.value),
            );
        }
    }
}

/// Returns whether a rule's condition holds for everybody.
fn is_unconditional(rule: &Rule<'_>) -> bool {
    match rule.condition.as_ref().map(|condition| &condition.kind) {
        None => true,
        Some(ConditionKind::All(parts)) => parts.value.is_empty(),
        Some(_) => false,
    }
}

fn unreachable_rules(flag: &Flag<'_>, report: &mut Report) {
    let decides_always = |rule: &Rule<'_>| {
        is_unconditional(rule) && matches!(rule.serve.value, Serve::Variant(_)) && !draws(rule)
    };
    let Some(first) = flag.rules.iter().position(decides_always) else {
        return;
    };
    for rule in flag.rules.iter().skip(first + 1) {
        report
            .warning(
                DiagnosticKind::UnreachableRule,
                rule.span,
                "no request comes to this rule: an earlier one always decides",
            )
            .help(format!(
                "rules[{first}] has neither a condition nor a percent; put it last"
            ));
    }
}

/// What is hashed, and a `by` or `salt` where nothing is.
fn hashing(flag: &Flag<'_>, report: &mut Report) {
    let any_draws = flag.rules.iter().any(draws);
    let of_rules = flag
        .rules
        .iter()
        .filter(|rule| !draws(rule))
        .flat_map(|rule| [("by", rule.by), ("salt", rule.salt)]);
    let of_flag = [("by", flag.by), ("salt", flag.salt)]
        .into_iter()
        .filter(|_| !any_draws);
    for (name, field) in of_rules.chain(of_flag) {
        if let Some(field) = field {
            report
                .warning(
                    DiagnosticKind::NothingHashed,
                    field.key,
                    format!("`{name}` has no effect: nothing is hashed here"),
                )
                .help("it goes with `percent`, `ramp` or weights");
        }
    }
    let mut places: Vec<_> = flag
        .rules
        .iter()
        .filter(|rule| draws(rule))
        .filter_map(|rule| rule.by.or(flag.by))
        .filter(|by| by.name.value == CLIENT_ADDRESS)
        .map(|by| by.name.span)
        .collect();
    places.dedup();
    for place in places {
        report
            .warning(
                DiagnosticKind::PercentByIp,
                place,
                "a percent by client address moves whole companies at once",
            )
            .help("many users share one address; use a user's or a visitor's id");
    }
}

/// Draws over one unit and salt are nested, so a later one gets only units that earlier ones left.
fn draws_that_reach_nobody(flag: &Flag<'_>, report: &mut Report) {
    let percent_of = |rule: &Rule<'_>| match rule.share {
        Some(At {
            value: Share::Percent(percent),
            span,
        }) => Some((percent, span)),
        None if matches!(rule.serve.value, Serve::Weights(_)) => {
            Some((Percent::HUNDRED, rule.serve.span))
        }
        _ => None,
    };
    if flag.rules.iter().filter_map(percent_of).nth(1).is_none() {
        return;
    }
    // How far the unconditional rules so far have taken each draw, by unit and salt.
    let mut taken: HashMap<(&str, &str), Percent> = HashMap::new();
    for rule in &flag.rules {
        let Some((percent, place)) = percent_of(rule) else {
            continue;
        };
        let so_far = taken
            .entry((unit_of(flag, rule), salt_of(flag, rule)))
            .or_default();
        if *so_far >= percent && percent > Percent::ZERO {
            report
                .warning(
                    DiagnosticKind::DrawReachesNobody,
                    place,
                    format!("an earlier rule takes the first {so_far} % of the same draw, so {percent} % leaves nobody"),
                )
                .help("raise this percent above that one, or give the rule a `salt` of its own");
        }
        if is_unconditional(rule) {
            *so_far = percent.max(*so_far);
        }
    }
}

fn share(rule: &Rule<'_>, report: &mut Report) {
    let Some(share) = &rule.share else {
        return;
    };
    match &share.value {
        Share::Percent(Percent::HUNDRED) => {
            report
                .warning(
                    DiagnosticKind::PercentEverybody,
                    share.span,
                    "100 % still leaves out whoever has no unit",
                )
                .help("drop `percent` to include everybody");
        }
        Share::Staged(ramp) => {
            report
                .warning(
                    DiagnosticKind::WaitingRamp,
                    share.span,
                    "this ramp enrols nobody until a controller runs it",
                )
                .help("for a ramp without a controller use `from`, `to`, `start` and `over`");
            if !ramp.has_absolute_guardrail {
                report
                    .warning(
                        DiagnosticKind::NoAbsoluteGuardrail,
                        ramp.guardrails_span,
                        "no absolute guardrail watches the last stage, where there is no stable arm to compare with",
                    )
                    .help("such as { \"metric\": \"errors\", \"below\": 0.01 }");
            }
        }
        _ => {}
    }
}
