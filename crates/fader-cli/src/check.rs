//! `fader check`: is this document right?

use std::io::{self, Write};
use std::time::SystemTime;

use serde::Serialize;

use crate::document::{self, Finding, Headers, Place, Report};
use crate::{Format, Outcome, output, rollout};

/// Checks flag documents, with their list files and overlays, and reports every mistake with its place and a cure.
///
/// Exits with 0 if all are right (warnings alone are fine), 1 on an error, 2 if a document could not be read.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The documents: files, folders of files, or http(s) addresses.
    #[arg(required = true, value_name = "FILE", value_parser = document::place())]
    files: Vec<Place>,
    /// Whom the report is for.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Takes warnings for errors.
    #[arg(long)]
    deny_warnings: bool,
    #[command(flatten)]
    headers: Headers,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let now = SystemTime::now().into();
    let mut reports = Vec::new();
    let (mut checked, mut unread) = (0, 0);
    for file in &args.files {
        match document::load(file, &args.headers) {
            Ok(mut loaded) => {
                rollout::lint(&mut loaded, now);
                checked += loaded.documents;
                reports.extend(loaded.reports);
            }
            Err(error) => {
                unread += 1;
                output::complain(&error.to_string());
            }
        }
    }
    let (errors, warnings) = output::totals(&reports);
    let outcome = match (unread, errors, warnings) {
        (1.., _, _) => Outcome::Failed,
        (0, 1.., _) => Outcome::Findings,
        (0, 0, 1..) if args.deny_warnings => Outcome::Findings,
        (0, 0, _) => Outcome::Fine,
    };
    if unread < args.files.len() {
        let printed = match args.format {
            Format::Human => for_people(&reports, checked),
            Format::Json => for_programs(&reports),
        };
        match printed.map_err(output::failed) {
            // Whoever reads the first lines alone still learns from the exit what was found.
            Err(error) if !output::is_closed_pipe(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(outcome)
}

fn for_people(reports: &[Report], checked: usize) -> io::Result<()> {
    let mut out = output::stdout();
    output::report(&mut out, reports, checked)?;
    out.flush()
}

fn for_programs(reports: &[Report]) -> io::Result<()> {
    let mut out = output::plain();
    let files = reports
        .iter()
        .map(|report| File {
            file: &report.file,
            diagnostics: &report.findings,
        })
        .collect();
    serde_json::to_writer(&mut out, &Answer { files })?;
    writeln!(out)?;
    out.flush()
}

#[derive(Serialize)]
struct Answer<'a> {
    files: Vec<File<'a>>,
}

#[derive(Serialize)]
struct File<'a> {
    file: &'a str,
    diagnostics: &'a [Finding],
}
