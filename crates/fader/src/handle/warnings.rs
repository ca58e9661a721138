//! What is to be warned of while a ruleset is live under its overlay.

use crate::document::diagnostic::{Diagnostic, DiagnosticKind, Severity};
use crate::document::suggest::nearest;
use crate::document::syntax::step;
use crate::ruleset::{Flag, Share, Slot};
use crate::snapshot::Live;

const WAITS: &str = "the entry waits until the document has it; take it out if it is gone for good";

/// Returns the warnings of the document, but of staged ramps that a controller runs, then those of the overlay on top of it: percents that hide the document's, and
/// entries that wait for a flag or rule which the document lacks.
pub(crate) fn warnings(live: &Live) -> Vec<Diagnostic> {
    let mut warnings = live.notes.warnings.clone();
    if live.hooks.controls() {
        warnings.retain(|warning| warning.kind != DiagnosticKind::WaitingRamp);
    }
    hidden_percents(live, &mut warnings);
    for (name, entry) in live.overlay.flags() {
        let path = format!("flags{}", step(name));
        match live.ruleset.find(name).map(|id| live.ruleset.slot(id)) {
            Some(Slot::Flag { flag, .. }) => {
                for (label, held) in &entry.rules {
                    let path = format!("{path}.rules{}", step(label));
                    warnings.extend(waiting_rule(live, flag, label, held.waves, path));
                }
            }
            Some(Slot::SetAside) => {}
            Some(Slot::Vacant) | None => {
                let message =
                    format!("the overlay names the flag `{name}`, which the document lacks");
                let names: Vec<_> = live
                    .ruleset
                    .order
                    .iter()
                    .filter_map(|id| live.ruleset.flag_name(*id))
                    .collect();
                let help = nearest(name, &names).map(|name| format!("did you mean `{name}`?"));
                warnings.push(of_overlay(
                    live,
                    path,
                    message,
                    help.as_deref().unwrap_or(WAITS),
                ));
            }
        }
    }
    warnings
}

/// An edit of the document's percent has no effect while the overlay holds another.
fn hidden_percents(live: &Live, warnings: &mut Vec<Diagnostic>) {
    for place in &live.ruleset.places {
        let held = live.ruleset.flag_name(place.flag).and_then(|name| {
            let rule = live
                .ruleset
                .flag(place.flag)?
                .rules
                .get(usize::from(place.rule))?;
            let held = live.overlay.flags.get(name)?.rules.get(&*rule.label)?;
            Some((name, held.percent))
        });
        if let Some((name, held)) = held.filter(|(_, held)| *held != place.percent) {
            warnings.push(Diagnostic {
                severity: Severity::Warning,
                kind: DiagnosticKind::OverlayHolds,
                file: place.file.clone(),
                path: format!("flags{}.rules[{}].percent", step(name), place.rule),
                line: place.line,
                column: place.column,
                message: format!(
                    "the overlay holds this rule at {held} %, so {} % has no effect",
                    place.percent
                ),
                help: Some("change the overlay as well, or take its entry out".to_owned()),
            });
        }
    }
}

fn waiting_rule(
    live: &Live,
    flag: &Flag,
    label: &str,
    open: u32,
    path: String,
) -> Option<Diagnostic> {
    let rule = flag.rule_named(label).and_then(|at| flag.rules.get(at));
    match rule {
        None => {
            let message = format!(
                "the overlay names the rule `{label}`, which the flag `{}` lacks",
                flag.name
            );
            let names: Vec<_> = flag.rules.iter().map(|rule| &*rule.label).collect();
            let help = nearest(label, &names).map(|name| format!("did you mean `{name}`?"));
            Some(of_overlay(
                live,
                path,
                message,
                help.as_deref().unwrap_or(WAITS),
            ))
        }
        Some(rule) if rule.draw.is_none() => {
            let message =
                format!("the overlay sets a percent of the rule `{label}`, which draws nothing");
            Some(of_overlay(
                live,
                path,
                message,
                "give the rule a `percent`, or kill the flag",
            ))
        }
        Some(rule) => {
            let waves = match rule.draw.as_ref().map(|draw| &draw.share) {
                Some(Share::Staged(staged)) => staged.waves.len(),
                _ => 0,
            };
            let message = format!(
                "the overlay opens {open} of the waves of the rule `{label}`, which has {waves}"
            );
            let help = "a wave is a stage with `segment` or `sets`";
            (open as usize > waves).then(|| of_overlay(live, path, message, help))
        }
    }
}

/// A warning about an entry of the overlay, whose text is no longer at hand: it is placed at its beginning.
fn of_overlay(live: &Live, path: String, message: String, help: &str) -> Diagnostic {
    let kind = DiagnosticKind::Overlay;
    let help = Some(help.to_owned());
    Diagnostic {
        severity: Severity::Warning,
        kind,
        file: live.overlay.source.clone(),
        path,
        line: 1,
        column: 1,
        message,
        help,
    }
}
