//! `fader rollout audit`: who did what to which ramp, and why?

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::anyhow;
use serde::Deserialize;

use super::controlled::Controlled;
use crate::{Format, Outcome, output};

/// Lists what was done to the staged ramps of a service, by people and by the controller.
///
/// Exits with 0, 1 if no controller has run, 2 if its audit log could not be read.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The flag; all of them, where none is named.
    flag: Option<String>,
    #[command(flatten)]
    controlled: Controlled,
    /// Whom the lines are for; for programs they are those of the audit log.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// A line of the audit log.
#[derive(Deserialize)]
pub(super) struct Entry {
    pub(super) id: u64,
    at: String,
    #[serde(default)]
    pub(super) flag: String,
    pub(super) by: String,
    #[serde(rename = "do")]
    pub(super) what: String,
    #[serde(default)]
    pub(super) stage: Option<usize>,
    #[serde(default)]
    percent: Option<String>,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    pub(super) answer: Option<String>,
}

/// The audit log: each line as it stands there, with what it says.
pub(super) type Log = Vec<(String, Entry)>;

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let Some(mut log) = read(&args.controlled)? else {
        return Ok(Outcome::Findings);
    };
    if let Some(flag) = &args.flag {
        log.retain(|(_, entry)| entry.flag == *flag);
    }
    let printed = match args.format {
        Format::Human => for_people(&log),
        Format::Json => for_programs(&log),
    };
    printed.map_err(output::failed)?;
    Ok(Outcome::Fine)
}

/// Reads the audit log; none if no controller has run, which is told.
///
/// # Errors
///
/// It can't be read.
pub(super) fn read(controlled: &Controlled) -> anyhow::Result<Option<Log>> {
    match controlled.state()? {
        Ok(state) => read_in(&state).map(Some),
        Err(why) => {
            output::complain(&why);
            Ok(None)
        }
    }
}

fn read_in(state: &Path) -> anyhow::Result<Log> {
    let path = state.join("audit.jsonl");
    let cannot = |error: &io::Error| {
        let reason = output::reason(error);
        anyhow!("cannot read `{}`: {reason}", path.display())
    };
    let bytes = fs::read(&path).map_err(|error| cannot(&error))?;
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let mut unread = 0;
    let mut log = Log::new();
    for line in lines {
        match serde_json::from_str(line) {
            Ok(entry) => log.push((line.to_owned(), entry)),
            Err(_) => unread += 1,
        }
    }
    if unread > 0 {
        // As a crash leaves the last one.
        let unread = output::count(unread, "line");
        output::warn(&format!(
            "`{}` has {unread} that can't be read",
            path.display()
        ));
    }
    Ok(log)
}

fn for_people(log: &Log) -> io::Result<()> {
    let heads = ["id", "at", "flag", "by", "did", "answer", "reason"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(log.iter().map(|(_, entry)| {
        let answer = entry.answer.as_deref().unwrap_or("-");
        let cells = [
            &entry.id.to_string(),
            &entry.at,
            &entry.flag,
            &entry.by,
            &entry.did(),
            answer,
            &entry.reason,
        ];
        cells
            .map(|cell| output::printable(cell).into_owned())
            .to_vec()
    }));
    let mut out = output::plain();
    output::table(&mut out, &rows)?;
    out.flush()
}

fn for_programs(log: &Log) -> io::Result<()> {
    let mut out = output::plain();
    log.iter()
        .try_for_each(|(line, _)| writeln!(out, "{line}"))?;
    out.flush()
}

impl Entry {
    /// Says what was done: `approve stage 2`, `expose 5 %`.
    pub(super) fn did(&self) -> String {
        let stage = self.stage.map(|stage| format!(" stage {stage}"));
        let percent = self.percent.as_ref().map(|percent| format!(" {percent} %"));
        let (stage, percent) = (stage.unwrap_or_default(), percent.unwrap_or_default());
        format!("{}{stage}{percent}", self.what)
    }
}
