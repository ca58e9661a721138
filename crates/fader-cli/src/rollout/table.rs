//! What a plan can see, laid out for people.

use std::io::{self, Write};
use std::time::Duration;

use fader_rollout::explain::{
    Cut, Explanation, Measure, Sight, SightState, StageView, Times, written,
};

use super::Ramp;
use crate::output;

/// How many characters of a guardrail's name are shown.
const NAME: usize = 26;

pub(super) fn write(
    out: &mut impl Write,
    ramp: &Ramp<'_>,
    explanation: &Explanation,
) -> io::Result<()> {
    heading(out, ramp, explanation)?;
    for stage in &explanation.stages {
        one_stage(out, stage)?;
    }
    writeln!(out)?;
    for lint in &explanation.lints {
        let (kind, place) = (lint.kind.as_str(), &lint.place);
        output::warning(out, kind, &lint.message, place, &lint.help)?;
    }
    writeln!(out, "{}", output::count(explanation.lints.len(), "warning"))
}

fn heading(out: &mut impl Write, ramp: &Ramp<'_>, explanation: &Explanation) -> io::Result<()> {
    let (levels, expected) = (&explanation.levels, &explanation.expected);
    writeln!(
        out,
        "{}: {} in {}, drawn by {}",
        output::printable(ramp.planned.flag),
        output::count(explanation.stages.len(), "stage"),
        written(explanation.planned),
        output::printable(&explanation.by),
    )?;
    let units = match expected.units {
        Some(units) => format!("{} units", number(units)),
        None => "units unknown".to_owned(),
    };
    writeln!(
        out,
        "expected: {} requests/s, {} of them errors; {units}; latencies with sigma {}",
        number(expected.rate),
        percent(expected.errors),
        number(expected.sigma),
    )?;
    writeln!(
        out,
        "false alarms: at most {} of healthy runs; {}, each at {} (in a fleet {})",
        percent(levels.false_alarm),
        output::count(levels.guardrails as usize, "guardrail"),
        percent(levels.one_process),
        percent(levels.fleet),
    )?;
    writeln!(
        out,
        "times: in half of the runs / in 90 % of them; sees: the least that half see within the bake"
    )
}

fn one_stage(out: &mut impl Write, stage: &StageView) -> io::Result<()> {
    let drawn = format!("{} %", number(stage.percent));
    let whom = match &stage.wave {
        Some(wave) if stage.percent > 0.0 => format!("{drawn} and {wave}"),
        Some(wave) => wave.clone(),
        None => drawn,
    };
    let begins = match stage.begins {
        Some(begins) => format!("from {begins}"),
        None => "never begins".to_owned(),
    };
    writeln!(
        out,
        "\nstage {}: {} for {}, {begins} ({} after the start){}",
        stage.stage,
        output::printable(&whom),
        written(stage.bake),
        written(stage.after),
        if stage.approve { ", if approved" } else { "" },
    )?;
    writeln!(out, "  {}", exposes(stage))?;
    if stage.guardrails.is_empty() {
        return Ok(());
    }
    let heads = ["  guardrail", "sees", "2×", "5×", "10×", "all fail"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(stage.guardrails.iter().map(row));
    output::table(out, &rows)
}

/// Says whom a stage exposes, and what a total failure costs.
fn exposes(stage: &StageView) -> String {
    let Some((a_second, requests)) = stage.requests_a_second.zip(stage.requests) else {
        return "exposes all of the wave, whose traffic is not known".to_owned();
    };
    let waves = match stage.waves {
        _ if stage.percent >= 100.0 => String::new(),
        0 => String::new(),
        waves => format!(" beside {}", output::count(waves, "wave")),
    };
    let units = stage
        .units
        .map(|units| format!("{} units, ", number(units)))
        .unwrap_or_default();
    let cut = match &stage.cut {
        Some(Cut {
            after,
            requests_p50,
            requests_p90,
            ..
        }) => format!(
            "total failure: {}, {} / {} requests",
            times(Some(after)),
            number(requests_p50.ceil()),
            number(requests_p90.ceil()),
        ),
        None => "nothing takes a total failure back".to_owned(),
    };
    format!(
        "exposes {units}{} requests/s, {} in all{waves}; {cut}",
        number(a_second),
        number(requests)
    )
}

/// Writes a guardrail's name in few characters: `errors ≤ 1.1×`.
pub(super) fn named(guardrail: &str) -> String {
    let name = output::printable(guardrail);
    let mut name = match name.split_once(" no_worse_than ") {
        Some((metric, margin)) => format!("{metric} ≤ {margin}×"),
        None => name.replacen(" below ", " < ", 1),
    };
    if let Some((end, _)) = name.char_indices().nth(NAME) {
        name.truncate(end);
        name.push('…');
    }
    name
}

fn row(sight: &Sight) -> Vec<String> {
    let mut row = vec![format!("  {}", named(&sight.name))];
    let why = match sight.state {
        SightState::Judges => None,
        SightState::NotApplicable => Some("no stable arm"),
        SightState::Gauge => Some("each value"),
        _ => Some("unknown rate"),
    };
    if let Some(why) = why {
        row.push(why.to_owned());
        return row;
    }
    row.push(match (sight.smallest, sight.measure) {
        (None, _) => "-".to_owned(),
        (Some(smallest), Measure::Rate) => percent(smallest),
        (Some(smallest), Measure::Slowdown) => format!("{}× slower", number(smallest)),
        (Some(smallest), _) => format!("{}×", number(smallest)),
    });
    let cells = [
        &sight.double,
        &sight.five_times,
        &sight.ten_times,
        &sight.total,
    ];
    row.extend(cells.map(|cell| times(cell.as_ref())));
    row
}

fn times(times: Option<&Times>) -> String {
    match times {
        Some(Times { p50, p90 }) => format!("{} / {}", about(*p50), about(*p90)),
        None => "-".to_owned(),
    }
}

/// Writes a time to two digits, which is more than forecasts are good for: `6s`, `4.7m`, `31h`.
fn about(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let (count, unit) = match seconds {
        ..100.0 => return format!("{seconds:.0}s"),
        ..6000.0 => (seconds / 60.0, "m"),
        ..172_800.0 => (seconds / 3600.0, "h"),
        _ => (seconds / 86_400.0, "d"),
    };
    let decimals = usize::from(count < 9.95);
    format!("{count:.decimals$}{unit}")
}

fn percent(part: f64) -> String {
    format!("{} %", number(part * 100.0))
}

/// Writes a number to three digits, without an exponent: `0.00123`, `4.2`, `12346`.
pub(super) fn number(number: f64) -> String {
    let digits = number.abs().log10().floor();
    let decimals = if digits.is_finite() {
        (2.0 - digits).clamp(0.0, 12.0)
    } else {
        0.0
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 12"
    )]
    let text = format!("{number:.*}", decimals as usize);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_two_digits() {
        for (seconds, text) in [
            (1, "1s"),
            (99, "99s"),
            (100, "1.7m"),
            (599, "10m"),
            (5999, "100m"),
            (6000, "1.7h"),
            (172_800, "2.0d"),
            (100_000_000, "1157d"),
        ] {
            assert_eq!(about(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn numbers_have_three_digits_or_more() {
        for (value, text) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (0.001_234, "0.00123"),
            (99.97, "100"),
            (12_345.6, "12346"),
            (1e-30, "0"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
