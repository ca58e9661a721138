//! `fader rollout audit`: who did what to which ramp, and why?

use std::io::{self, Write};
use std::path::Path;

use anyhow::anyhow;
use fader_rollout::control::AuditLine;

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

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let Some(mut log) = read(&args.controlled)? else {
        return Ok(Outcome::Findings);
    };
    if let Some(flag) = &args.flag {
        log.retain(|line| line.flag == *flag);
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
pub(super) fn read(controlled: &Controlled) -> anyhow::Result<Option<Vec<AuditLine>>> {
    match controlled.state()? {
        Ok(state) => read_in(&state).map(Some),
        Err(why) => {
            output::complain(&why);
            Ok(None)
        }
    }
}

fn read_in(state: &Path) -> anyhow::Result<Vec<AuditLine>> {
    let path = AuditLine::path(state);
    let (log, unread) = AuditLine::read_all(state).map_err(|error| {
        let reason = output::reason(&error);
        anyhow!("cannot read `{}`: {reason}", path.display())
    })?;
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

fn for_people(log: &[AuditLine]) -> io::Result<()> {
    let heads = ["id", "at", "flag", "by", "did", "answer", "reason"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(log.iter().map(|line| {
        let answer = line.answer.as_deref().unwrap_or("-");
        let cells = [
            &line.id.to_string(),
            &line.at,
            &line.flag,
            &line.by,
            &did(line),
            answer,
            &line.reason,
        ];
        cells
            .map(|cell| output::printable(cell).into_owned())
            .to_vec()
    }));
    let mut out = output::plain();
    output::table(&mut out, &rows)?;
    out.flush()
}

fn for_programs(log: &[AuditLine]) -> io::Result<()> {
    let mut out = output::plain();
    log.iter()
        .try_for_each(|line| writeln!(out, "{}", serde_json::to_string(line)?))?;
    out.flush()
}

/// Says what was done: `approve stage 2`, `expose 5 %`.
pub(super) fn did(line: &AuditLine) -> String {
    let stage = line.stage.map(|stage| format!(" stage {stage}"));
    let percent = line.percent.as_ref().map(|percent| format!(" {percent} %"));
    let (stage, percent) = (stage.unwrap_or_default(), percent.unwrap_or_default());
    format!("{}{stage}{percent}", line.what)
}
