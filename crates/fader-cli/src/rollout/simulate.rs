//! `fader rollout simulate`: what becomes of a ramp, run again and again in virtual time?

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use fader_rollout::simulate::{Quantiles, Report, Scenario, Simulation};

use super::{Source, ramp_of};
use crate::{Format, Outcome, output};

/// Runs a ramp in virtual time against a service that a scenario describes, and counts what becomes of it.
///
/// The guardrails and gates are those of a service. Exits with 0 also if runs were rolled back, and with 2 if the
/// document has errors, or if it or the scenario could not be read.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The flag that has the ramp.
    #[arg(long, value_name = "KEY")]
    flag: String,
    #[command(flatten)]
    source: Source,
    /// The scenario, a file of JSON such as {"rate": 1000, "seconds": 3600, "base": {"errors": 0.001}}, or - for
    /// standard input.
    #[arg(long, value_name = "FILE")]
    scenario: PathBuf,
    /// How many runs.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// What the random numbers begin with: the same gives the same answer.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Whom the answer is for.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let Some(loaded) = args.source.load()? else {
        return Ok(Outcome::Failed);
    };
    let snapshot = loaded.flags.snapshot();
    let ramp = ramp_of(&loaded.flags, &snapshot, &args.flag)?;
    let name = named(&args.scenario);
    let text = read(&args.scenario)
        .map_err(|error| anyhow!("cannot read {name}: {}", output::reason(&error)))?;
    let scenario = Scenario::parse(&text).map_err(|error| anyhow!("{name}: {error}"))?;
    let simulation = Simulation::new(ramp.planned.plan, snapshot.freezes(), scenario)
        .map_err(|error| anyhow!("{}: {error}", ramp.place()))?;
    let report = simulation.run(args.runs, args.seed);

    let mut out = output::plain();
    let printed = match args.format {
        Format::Human => for_people(&mut out, &report),
        Format::Json => for_programs(&mut out, &report),
    };
    printed.and_then(|()| out.flush()).map_err(output::failed)?;
    Ok(Outcome::Fine)
}

fn named(scenario: &Path) -> String {
    match scenario.to_str() {
        Some("-") => "standard input".to_owned(),
        _ => format!("`{}`", scenario.display()),
    }
}

fn read(scenario: &Path) -> io::Result<String> {
    if scenario.as_os_str() == "-" {
        io::read_to_string(io::stdin())
    } else {
        fs::read_to_string(scenario)
    }
}

fn for_programs(out: &mut impl Write, report: &Report) -> io::Result<()> {
    serde_json::to_writer(&mut *out, report)?;
    writeln!(out)
}

fn for_people(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let of_runs = |count: u32| {
        let part = 100.0 * f64::from(count) / f64::from(report.runs);
        format!("{count} ({part:.1} %)")
    };
    let row = |what: &str, value: String| vec![output::printable(what).into_owned(), value];
    let mut rows = vec![
        row("runs", report.runs.to_string()),
        row("rolled back", of_runs(report.rolled_back)),
    ];
    for (guardrail, count) in &report.by_guardrail {
        rows.push(row(&format!("  by {guardrail}"), of_runs(*count)));
    }
    let half_and_most =
        |Quantiles { p50, p90, .. }: Quantiles| format!("{p50} in half of them, {p90} in 90 %");
    let until = [
        ("  seconds until then", report.seconds),
        ("  requests until then", report.candidate_requests),
    ];
    for (what, quantiles) in until {
        rows.extend(quantiles.map(|quantiles| row(what, half_and_most(quantiles))));
    }
    for (phase, count) in &report.phases {
        rows.push(row(&format!("at the end {phase}"), of_runs(*count)));
    }
    output::table(out, &rows)
}
