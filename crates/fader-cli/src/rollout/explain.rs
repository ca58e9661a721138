//! `fader rollout explain`: what will the guardrails of a ramp see?

use std::io::{self, Write};
use std::time::SystemTime;

use fader::Timestamp;
use fader_rollout::explain::{Expected, Explanation, explain};
use serde::Serialize;

use super::{Ramp, Source, ramp_of, table};
use crate::{Format, Outcome, eval, output};

/// Tells of each stage of a ramp when it begins, whom it exposes, and what its guardrails see in what time.
///
/// Exits with 0 if there is nothing to be warned of, 1 if there is, 2 if the document has errors or could not be read,
/// or the flag has no ramp with stages.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The flag that has the ramp.
    flag: String,
    #[command(flatten)]
    source: Source,
    /// How many requests a second draw for the ramp, in both arms together.
    #[arg(long, value_name = "NUMBER", value_parser = positive)]
    rate: f64,
    /// The part of stable's requests that ends in an error, from 0 to 1.
    #[arg(long, value_name = "PART", value_parser = part)]
    errors: f64,
    /// The part of stable's requests that ends in a client error (4xx), from 0 to 1.
    #[arg(long, value_name = "PART", value_parser = part)]
    client_errors: Option<f64>,
    /// The part of stable's requests with a custom bad event, from 0 to 1; as often as needed.
    #[arg(long, value_name = "NAME=PART", value_parser = custom)]
    custom: Vec<(String, f64)>,
    /// How many units there are, such as users. [default: unknown, and many]
    #[arg(long, value_name = "NUMBER", value_parser = positive)]
    units: Option<f64>,
    /// The standard deviation of the natural logarithm of a latency.
    #[arg(long, value_name = "NUMBER", default_value_t = 0.5, value_parser = positive)]
    sigma: f64,
    /// The time, in RFC 3339, from which a ramp without a coming `start` begins. [default: the clock's]
    #[arg(long, value_name = "TIME", value_parser = eval::time)]
    now: Option<Timestamp>,
    /// Whom the answer is for.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok();
    number
        .filter(|number: &f64| number.is_finite() && *number > 0.0)
        .ok_or_else(|| "a number above 0".to_owned())
}

fn part(text: &str) -> Result<f64, String> {
    let number = text.parse().ok();
    number
        .filter(|number| (0.0..=1.0).contains(number))
        .ok_or_else(|| "a part of the requests is a number from 0 to 1, such as 0.001".to_owned())
}

fn custom(text: &str) -> Result<(String, f64), String> {
    let named = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, rate) = named.ok_or("a metric's name and its part, such as declined=0.02")?;
    Ok((name.to_owned(), part(rate)?))
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let Some(loaded) = args.source.load()? else {
        return Ok(Outcome::Failed);
    };
    let snapshot = loaded.flags.snapshot();
    let ramp = ramp_of(&loaded.flags, &snapshot, &args.flag)?;
    let now = args.now.unwrap_or_else(|| SystemTime::now().into());
    let explanation = explain(&ramp.subject(&snapshot, now), &args.expected());
    let printed = match args.format {
        Format::Human => {
            let mut out = output::stdout();
            table::write(&mut out, &ramp, &explanation).and_then(|()| out.flush())
        }
        Format::Json => for_programs(&ramp, &explanation),
    };
    match printed.map_err(output::failed) {
        // Whoever reads the first lines alone still learns from the exit what was found.
        Err(error) if !output::is_closed_pipe(&error) => return Err(error),
        _ => {}
    }
    Ok(if explanation.lints.is_empty() {
        Outcome::Fine
    } else {
        Outcome::Findings
    })
}

impl Args {
    fn expected(&self) -> Expected {
        let mut expected = Expected::new(self.rate, self.errors);
        expected.client_errors = self.client_errors;
        expected.custom = self.custom.iter().cloned().collect();
        expected.units = self.units;
        expected.sigma = self.sigma;
        expected
    }
}

fn for_programs(ramp: &Ramp<'_>, explanation: &Explanation) -> io::Result<()> {
    let mut out = output::plain();
    let answer = Answer {
        flag: ramp.planned.flag,
        rule: ramp.planned.rule,
        place: ramp.place(),
        explanation,
    };
    serde_json::to_writer(&mut out, &answer)?;
    writeln!(out)?;
    out.flush()
}

#[derive(Serialize)]
struct Answer<'a> {
    flag: &'a str,
    rule: &'a str,
    place: &'a str,
    #[serde(flatten)]
    explanation: &'a Explanation,
}
