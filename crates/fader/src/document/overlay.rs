//! Overlays, read as strictly as documents: what is misspelt there would be a kill that does not happen.

use jsonc_parser::ast;

use crate::compile::{diagnostics, syntax_diagnostic, text_of};
use crate::document::compose::Places;
use crate::document::diagnostic::{Diagnostic, DiagnosticKind, Report};
use crate::document::fields::{self, Fields, entries};
use crate::document::read::{integer, json, read_percent};
use crate::document::syntax::{self, Syntax};
use crate::document::text::Text;
use crate::overlay::{HeldRule, Overlay, OverlayEntry};

/// Reads an overlay's bytes.
pub(crate) fn read_overlay(content: &[u8]) -> Result<Overlay, Vec<Diagnostic>> {
    let text = text_of(content).map_err(|diagnostic| vec![diagnostic])?;
    let root = syntax::parse(text, Syntax::Document)
        .map_err(|problem| vec![syntax_diagnostic(problem, text)])?;
    let mut report = Report::default();
    fields::duplicates(&root, &mut report);
    let overlay =
        fields::object(&root, "an overlay", &mut report).map(|object| read(object, &mut report));
    match overlay {
        Some(overlay) if report.problems.is_empty() => Ok(overlay),
        _ => Err(diagnostics(
            report.problems,
            &root,
            &Text::whole(text),
            &Places::of(text),
        )),
    }
}

fn read<'t>(object: &'t ast::Object<'t>, report: &mut Report) -> Overlay {
    let fields = Fields::new(object, &[fields::OVERLAY], "an overlay", report);
    let mut overlay = Overlay::default();
    if let Some(version) = fields
        .get("version")
        .and_then(|value| integer(value, "version", report))
    {
        match u64::try_from(version.value) {
            Ok(version) => overlay.version = version,
            Err(_) => {
                report.error(
                    DiagnosticKind::InvalidValue,
                    version.span,
                    "`version` counts from 0 upwards",
                );
            }
        }
    }
    if let Some(flags) = fields
        .get("flags")
        .and_then(|value| fields::object(value, "flags", report))
    {
        for (name, value) in entries(flags) {
            if let Some(object) = fields::object(value, "a flag", report) {
                overlay
                    .flags
                    .insert(name.value.to_owned(), read_entry(object, report));
            }
        }
    }
    if let Some(commands) = fields.array("commands", report) {
        overlay.commands = commands
            .elements
            .iter()
            .filter_map(|command| json(command, report))
            .collect();
    }
    overlay
}

fn read_entry<'t>(object: &'t ast::Object<'t>, report: &mut Report) -> OverlayEntry {
    let fields = Fields::new(object, &[fields::OVERLAY_FLAG], "an overlay's flag", report);
    let text = |name: &str, report: &mut Report| {
        fields
            .string(name, report)
            .map(|text| text.value.to_owned())
    };
    let mut entry = OverlayEntry {
        killed: fields.boolean("killed", report).unwrap_or(false),
        by: text("by", report),
        reason: text("reason", report),
        at: text("at", report),
        ..OverlayEntry::default()
    };
    if let Some(rules) = fields
        .get("rules")
        .and_then(|value| fields::object(value, "rules", report))
    {
        for (rule, value) in entries(rules) {
            let Some(object) = fields::object(value, "a rule", report) else {
                continue;
            };
            let fields = Fields::new(object, &[fields::OVERLAY_RULE], "an overlay's rule", report);
            let percent = fields.required("percent", "an overlay's rule", report);
            let percent = percent.and_then(|value| read_percent(value, "percent", report));
            let waves = read_waves(&fields, report);
            if let (Some(percent), Some(waves)) = (percent, waves) {
                let held = HeldRule { percent, waves };
                entry.rules.insert(rule.value.to_owned(), held);
            }
        }
    }
    entry
}

/// Reads how many waves are open, none where it is not said.
fn read_waves(fields: &Fields<'_>, report: &mut Report) -> Option<u32> {
    let Some(value) = fields.get("waves") else {
        return Some(0);
    };
    let found = integer(value, "waves", report)?;
    let waves = u32::try_from(found.value).ok();
    if waves.is_none() {
        let message = format!("`waves` is a count, not {}", found.value);
        report.error(DiagnosticKind::InvalidValue, found.span, message);
    }
    waves
}
