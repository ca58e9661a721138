//! How far ramps are, laid out for people.

use std::io::{self, Write};
use std::time::Duration;

use fader_rollout::control::{RampStatus, Status};
use fader_rollout::explain::written;
use fader_rollout::judge::{Finding, Missing};

use super::controlled::spoke;
use super::table::{named, number};
use crate::output::{self, printable};

pub(super) fn write(
    out: &mut impl Write,
    status: &Status,
    silence: Option<&str>,
) -> io::Result<()> {
    if let Some(silence) = silence {
        output::alert(
            out,
            "STALE",
            &format!("{silence}: nothing of this may be true any more"),
        )?;
    }
    let version = |version: &str| format!("version {version}");
    let mut rows = vec![
        (
            "process",
            format!("{}, spoke {}", status.pid, spoke(status)),
        ),
        ("document", version(&status.version)),
        (
            "overlay",
            format!("{}, version {}", status.store, status.overlay),
        ),
        ("state", status.state.display().to_string()),
    ];
    rows.extend(status.troubles.iter().map(|why| ("trouble", why.clone())));
    rows.extend(status.notes.iter().map(|what| ("note", what.clone())));
    rows.extend(status.probes.iter().map(|why| ("not green", why.clone())));
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(what, value)| vec![what.to_owned(), printable(&value).into_owned()])
        .collect();
    output::table(out, &rows)?;
    if status.ramps.is_empty() {
        writeln!(out, "\nno staged ramps")?;
    }
    status.ramps.iter().try_for_each(|ramp| one_ramp(out, ramp))
}

fn one_ramp(out: &mut impl Write, ramp: &RampStatus) -> io::Result<()> {
    writeln!(
        out,
        "\n{}: {}, {}, run {}",
        printable(&ramp.flag),
        phase(ramp),
        reach(ramp),
        ramp.run
    )?;
    for line in details(ramp) {
        writeln!(out, "  {}", printable(&line))?;
    }
    if ramp.guardrails.is_empty() {
        return Ok(());
    }
    let heads = [
        "  guardrail",
        "verdict",
        "ratio",
        "E",
        "candidate",
        "stable",
    ];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(
        ramp.guardrails
            .iter()
            .map(|finding| row(finding, ramp.alarm)),
    );
    output::table(out, &rows)
}

/// Says how far a ramp is: `observe, stage 2 of 4`.
pub(super) fn phase(ramp: &RampStatus) -> String {
    match ramp.stage {
        Some(stage) => format!("{}, stage {stage} of {}", ramp.phase, ramp.stages),
        None => ramp.phase.to_string(),
    }
}

/// Says whom a ramp exposes: `5 % and 1 wave`.
pub(super) fn reach(ramp: &RampStatus) -> String {
    let drawn = &ramp.percent;
    match (ramp.killed, ramp.waves) {
        (true, _) => "killed".to_owned(),
        (false, 0) => format!("{drawn} %"),
        (false, waves) => {
            let waves = usize::try_from(waves).unwrap_or(usize::MAX);
            format!("{drawn} % and {}", output::count(waves, "wave"))
        }
    }
}

fn details(ramp: &RampStatus) -> Vec<String> {
    let because = |reason: &str| match reason {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    let mut lines = Vec::new();
    if !ramp.written {
        lines.push("the overlay does not say so yet".to_owned());
    }
    if let Some(bake) = ramp.bake {
        let [baked, bake] = [ramp.baked, bake].map(seconds);
        lines.push(format!("baked {baked} of {bake}"));
    }
    if let Some(paused) = &ramp.paused {
        let why = because(&paused.reason);
        lines.push(format!("paused by {} at {}{why}", paused.by, paused.at));
    }
    if let Some(held) = ramp.held {
        let left = ramp.restart.map(|left| format!(", in {}", seconds(left)));
        lines.push(format!("held: {held}{}", left.unwrap_or_default()));
    }
    if let Some(frozen) = &ramp.frozen {
        let why = because(frozen.reason.as_deref().unwrap_or_default());
        lines.push(format!("frozen until {}{why}", frozen.until));
    }
    for approval in &ramp.approvals {
        let (stage, by, at) = (approval.stage, &approval.by, approval.at);
        lines.push(format!("stage {stage} approved by {by} at {at}"));
    }
    if !ramp.waits_for.is_empty() {
        lines.push(format!("waits for {}", ramp.waits_for.join(", ")));
    }
    if let Some(evidence) = &ramp.evidence {
        lines.push(format!("rolled back at {} {evidence}", evidence.at));
    }
    lines
}

fn seconds(seconds: f64) -> String {
    written(Duration::try_from_secs_f64(seconds.floor()).unwrap_or_default())
}

fn row(finding: &Finding, alarm: f64) -> Vec<String> {
    let arm = |bad: u64, of: u64| format!("{bad} of {of}");
    let verdict = match finding.missing {
        Some(missing) => format!("{} ({})", finding.verdict, lacks(missing)),
        None => finding.verdict.to_string(),
    };
    vec![
        format!("  {}", named(&finding.name)),
        verdict,
        ratio(finding),
        match finding.evidence {
            Some(evidence) => format!("{} of {}", short(evidence), short(alarm)),
            None => "-".to_owned(),
        },
        arm(finding.bad.candidate, finding.of.candidate),
        arm(finding.bad.stable, finding.of.stable),
    ]
}

fn lacks(missing: Missing) -> &'static str {
    match missing {
        Missing::Requests => "an arm has no requests",
        Missing::Quantile => "stable's quantile is not known",
        Missing::Units => "its units are spent",
        Missing::Gauge => "the gauge shows nothing",
        _ => "for a reason that is not known here",
    }
}

/// Writes a ratio, or a rate, between its limits: `1.02 (0.5 to 3.1)`.
fn ratio(finding: &Finding) -> String {
    let estimate = finding.estimate.map_or("-".to_owned(), number);
    match (finding.lower, finding.upper) {
        (None, None) => estimate,
        (lower, Some(upper)) => {
            let lower = lower.unwrap_or_default();
            format!("{estimate} ({} to {})", number(lower), number(upper))
        }
        (Some(lower), None) => format!("{estimate} ({} or more)", number(lower)),
    }
}

fn short(evidence: f64) -> String {
    if evidence < 1e4 {
        number(evidence)
    } else {
        format!("{evidence:.1e}")
    }
}
