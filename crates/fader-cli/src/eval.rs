//! `fader eval`: what does a flag resolve to?

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use fader::{Context, ErrorCode, Reason, Resolution, Timestamp};
use serde::Serialize;

use crate::document::{self, Headers, Place};
use crate::{Format, Outcome, batch, output};

/// Resolves flags for a context, or for each case of a batch.
///
/// Exits with 0 if every answer is without an error code, 1 if some has one, 2 if the document has errors or could not
/// be read.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The document: a file, a folder of files, or an http(s) address.
    #[arg(value_parser = document::place())]
    file: Place,
    /// The flags to resolve; every flag, in the document's order, where none is named.
    #[arg(value_name = "FLAG", conflicts_with = "batch")]
    flags: Vec<String>,
    /// The context, as a JSON object such as {"targetingKey": "user-42"}.
    #[arg(
        long,
        value_name = "JSON",
        required_unless_present = "batch",
        conflicts_with = "batch"
    )]
    context: Option<String>,
    /// A file of cases, or - for standard input: one JSON object {"flag", "context", "now"} a line.
    #[arg(long, value_name = "CASES")]
    batch: Option<PathBuf>,
    /// The time, in RFC 3339; in a batch, of the cases that name none. [default: the clock's]
    #[arg(long, value_name = "TIME", value_parser = time)]
    now: Option<Timestamp>,
    /// Whom the answers are for; those of a batch are for programs. [default: human]
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    headers: Headers,
}

pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text)
        .ok_or_else(|| "a time is RFC 3339, such as 2026-12-01T09:00:00Z".to_owned())
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    if args.batch.is_some() && args.format == Some(Format::Human) {
        bail!("a batch is answered in JSON lines: leave `--format human` out");
    }
    let context = match &args.context {
        Some(text) => Context::from_json(text).context("cannot read the context")?,
        None => Context::anonymous(),
    };
    // Read once, so that all answers share one time.
    let now = args.now.unwrap_or_else(|| SystemTime::now().into());

    let loaded = document::load(&args.file, &args.headers)?;
    if loaded.is_refused() {
        // Where standard error is closed, the exit code still tells.
        let _ = output::report(&mut output::stderr(), &loaded.reports, loaded.documents);
        return Ok(Outcome::Failed);
    }
    if let Some(cases) = &args.batch {
        return batch::run(&loaded.flags, cases, now);
    }

    let scope = loaded.flags.scope_at(&context, now);
    let flags: Vec<&str> = match &*args.flags {
        [] => scope.flags().collect(),
        named => named.iter().map(String::as_str).collect(),
    };
    let resolutions: Vec<Resolution> = flags.iter().map(|flag| scope.resolve(flag)).collect();
    let answers: Vec<Answer<'_>> = flags
        .iter()
        .zip(&resolutions)
        .map(|(flag, resolution)| Answer::new(flag, resolution))
        .collect();
    let mut out = output::plain();
    match args.format {
        Some(Format::Json) => answers.iter().try_for_each(|answer| answer.write(&mut out)),
        _ => for_people(&mut out, &answers),
    }
    .and_then(|()| out.flush())
    .map_err(output::failed)?;
    let fine = answers.iter().all(|answer| !answer.is_error());
    Ok(if fine {
        Outcome::Fine
    } else {
        Outcome::Findings
    })
}

fn for_people(out: &mut impl Write, answers: &[Answer<'_>]) -> io::Result<()> {
    let rows: Vec<Vec<String>> = answers.iter().map(Answer::row).collect();
    output::table(out, &rows)
}

/// One answer, as a line of JSON has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer<'a> {
    flag: Option<&'a str>,
    value: Option<&'a serde_json::Value>,
    variant: Option<&'a str>,
    reason: &'a str,
    error_code: Option<&'a str>,
    rule: Option<&'a str>,
    version: &'a str,
}

impl<'a> Answer<'a> {
    pub(crate) fn new(flag: &'a str, resolution: &'a Resolution) -> Self {
        Self {
            flag: Some(flag),
            value: resolution.value(),
            variant: resolution.variant(),
            reason: resolution.reason().as_str(),
            error_code: resolution.error_code().map(ErrorCode::as_str),
            rule: resolution.rule(),
            version: resolution.version(),
        }
    }

    /// Answers a case that can't be read, whose flag may be known.
    pub(crate) fn unreadable(flag: Option<&'a str>, version: &'a str) -> Self {
        Self {
            flag,
            value: None,
            variant: None,
            reason: Reason::Error.as_str(),
            error_code: Some(ErrorCode::InvalidContext.as_str()),
            rule: None,
            version,
        }
    }

    pub(crate) fn is_error(&self) -> bool {
        self.error_code.is_some()
    }

    /// Writes a line of JSON.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        out.write_all(b"\n")
    }

    /// Lays the answer out for people: `flag`, `= value (variant)`, reason, rule.
    fn row(&self) -> Vec<String> {
        let value = match (self.value, self.variant) {
            (Some(value), Some(variant)) => format!("= {value} ({variant})"),
            (Some(value), None) => format!("= {value}"),
            (None, _) => "= the caller's default".to_owned(),
        };
        let reason = match self.error_code {
            Some(code) => format!("{} {code}", self.reason),
            None => self.reason.to_owned(),
        };
        let rule = self
            .rule
            .map(|rule| format!("rule {rule}"))
            .unwrap_or_default();
        [self.flag.unwrap_or_default(), &value, &reason, &rule]
            .map(|cell| output::printable(cell).into_owned())
            .into()
    }
}
