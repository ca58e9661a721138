//! When a ramp may be raised, and when none is.

use jsonc_parser::ast;

use crate::document::diagnostic::{DiagnosticKind, Report};
use crate::document::fields::{self, Fields};
use crate::document::read_condition::read_instant;
use crate::plan::{Freeze, Window};

/// The first minute behind a day.
const DAY: u16 = 1440;

pub(super) fn read_window(value: &ast::Value<'_>, report: &mut Report) -> Option<Window> {
    let object = fields::object(value, "a window", report)?;
    let fields = Fields::new(object, &[fields::WINDOW], "a window", report);
    let mut window = Window::new([true; 7], 0, DAY);
    if let Some(days) = fields.string("days", report) {
        match days_of(days.value) {
            Some(days) => window.days = days,
            None => {
                report
                    .error(
                        DiagnosticKind::InvalidValue,
                        days.span,
                        format!("`{}` is no set of days", days.value),
                    )
                    .help(
                        "days from `mon` to `sun`, or ranges of them, joined by commas: `mon-thu,sat`",
                    );
            }
        }
    }
    window.from = clock_time(&fields, "from", report).unwrap_or(window.from);
    window.to = clock_time(&fields, "to", report).unwrap_or(window.to);
    if window.from >= window.to {
        let message = "this window is empty: `from` is not before `to`";
        report.error(DiagnosticKind::InvalidValue, fields.span, message);
    }
    if let Some(zone) = fields.string("zone", report) {
        window.zone = zone.value.into();
    }
    Some(window)
}

/// Reads days and ranges of days, Monday first; a range may go on behind Sunday.
fn days_of(text: &str) -> Option<[bool; 7]> {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let number = |name: &str| DAYS.iter().position(|day| *day == name);
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        let length = (last + 7 - first) % 7;
        for (day, is_open) in days.iter_mut().enumerate() {
            *is_open |= (day + 7 - first) % 7 <= length;
        }
    }
    Some(days)
}

/// Reads a time of day in minutes since midnight.
fn clock_time(fields: &Fields<'_>, name: &str, report: &mut Report) -> Option<u16> {
    let text = fields.string(name, report)?;
    let parsed = text.value.split_once(':').and_then(|(hour, minute)| {
        let number = |digits: &str, end: u16| -> Option<u16> {
            let two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits
                .parse()
                .ok()
                .filter(|number: &u16| two && *number < end)
        };
        Some(number(hour, 24)? * 60 + number(minute, 60)?)
    });
    if parsed.is_none() {
        report
            .error(
                DiagnosticKind::InvalidValue,
                text.span,
                format!("`{}` is no time of day", text.value),
            )
            .help("`HH:MM`, such as `09:00`");
    }
    parsed
}

/// Reads the times in which no ramp of the document is raised.
pub(crate) fn read_freezes(fields: &Fields<'_>, report: &mut Report) -> Vec<Freeze> {
    let array = fields.array("freezes", report);
    let values = array.into_iter().flat_map(|array| &array.elements);
    values
        .filter_map(|value| read_freeze(value, report))
        .collect()
}

fn read_freeze(value: &ast::Value<'_>, report: &mut Report) -> Option<Freeze> {
    let object = fields::object(value, "a freeze", report)?;
    let fields = Fields::new(object, &[fields::FREEZE], "a freeze", report);
    let instant = |name: &str, report: &mut Report| {
        let value = fields.required(name, "a freeze", report)?;
        read_instant(fields::string(value, name, report)?, report)
    };
    let (from, until) = (instant("from", report), instant("until", report));
    let reason = fields.string("reason", report);
    let mut freeze = Freeze::new(from?, until?);
    if freeze.from >= freeze.until {
        let message = "this freeze is empty: `from` is not before `until`";
        report.error(DiagnosticKind::InvalidValue, fields.span, message);
    }
    freeze.reason = reason.map(|reason| reason.value.into());
    Some(freeze)
}
