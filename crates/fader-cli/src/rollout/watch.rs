//! `fader rollout watch`: what happens to the ramps of a running service?

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::mpsc::{self, RecvTimeoutError};

use anyhow::Context as _;
use fader::{Clock as _, SystemClock};
use fader_rollout::control::{RampStatus, Status};
use serde::Serialize;

use super::controlled::{Controlled, Heard, POLL, no_ramp};
use super::status_table::{phase, reach};
use crate::{Format, Outcome, output};

/// Writes a line for each change of a ramp's phase, exposure and verdicts, until it is interrupted.
///
/// The first lines tell how far the ramps are. It also tells when no controller runs, or one runs again.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The flag; all that have a staged ramp, where none is named.
    flag: Option<String>,
    #[command(flatten)]
    controlled: Controlled,
    /// Whom the lines are for.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let (sender, stop) = mpsc::channel();
    // The receiver is gone only when the program is about to end anyway.
    ctrlc::set_handler(move || sender.send(()).unwrap_or_default())
        .context("cannot wait for signals")?;
    let mut seen = Seen::default();
    let mut is_known = false;
    loop {
        let heard = args.controlled.hear()?;
        if let (Some(flag), Some(status), false) = (&args.flag, heard.running(), is_known) {
            is_known = true;
            if status.ramp(flag).is_none() {
                return Err(no_ramp(status, flag));
            }
        }
        let lines = seen.changes(&heard, args.flag.as_deref());
        write(&lines, args.format).map_err(output::failed)?;
        match stop.recv_timeout(POLL) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return Ok(Outcome::Fine),
        }
    }
}

/// What was told of the controller.
#[derive(Default, PartialEq, Eq)]
enum Controller {
    #[default]
    Nothing,
    Silent,
    Runs(u32),
}

/// What was told.
#[derive(Default)]
struct Seen {
    controller: Controller,
    troubles: Vec<String>,
    ramps: BTreeMap<String, RampStatus>,
}

/// One line of output.
#[derive(Serialize)]
struct Line {
    at: String,
    /// None where it concerns the controller.
    flag: Option<String>,
    event: &'static str,
    message: String,
}

impl Seen {
    /// Says what is other than it was.
    fn changes(&mut self, heard: &Heard, wanted: Option<&str>) -> Vec<Line> {
        let mut lines = Vec::new();
        let status = heard.running();
        let at = match status {
            Some(status) => status.at.clone(),
            None => SystemClock::new().now().to_string(),
        };
        let mut tell = |flag: Option<&str>, event, message| {
            let (at, flag) = (at.clone(), flag.map(str::to_owned));
            lines.push(Line {
                at,
                flag,
                event,
                message,
            });
        };
        let controller = status.map_or(Controller::Silent, |status| Controller::Runs(status.pid));
        if self.controller != controller {
            let silence = heard.silence.as_deref().unwrap_or_default();
            let told = match controller {
                Controller::Runs(process) => format!("process {process} runs the ramps"),
                _ => format!("no controller runs: {silence}"),
            };
            tell(None, "controller", told);
            self.controller = controller;
        }
        let Some(status) = status else {
            return lines;
        };
        if self.troubles != status.troubles {
            let over = "no trouble any more".to_owned();
            let told = if status.troubles.is_empty() {
                over
            } else {
                status.troubles.join(", ")
            };
            tell(None, "trouble", told);
            self.troubles.clone_from(&status.troubles);
        }
        for (flag, event, message) in self.ramp_changes(status, wanted) {
            tell(Some(&flag), event, message);
        }
        lines
    }

    fn ramp_changes(
        &mut self,
        status: &Status,
        wanted: Option<&str>,
    ) -> Vec<(String, &'static str, String)> {
        let is_wanted = |ramp: &&RampStatus| wanted.is_none_or(|flag| flag == ramp.flag);
        let now: BTreeMap<_, _> = status
            .ramps
            .iter()
            .filter(is_wanted)
            .map(|ramp| (ramp.flag.clone(), ramp.clone()))
            .collect();
        let before = std::mem::replace(&mut self.ramps, now);
        let mut changes = Vec::new();
        for (flag, ramp) in &self.ramps {
            let mut tell = |event, message| changes.push((flag.clone(), event, message));
            match before.get(flag) {
                Some(before) => differences(before, ramp, &mut tell),
                None => tell("phase", format!("{}, {}", phase(ramp), reach(ramp))),
            }
        }
        for flag in before.into_keys() {
            if !self.ramps.contains_key(&flag) {
                let gone = "the document has no staged ramp of it any more".to_owned();
                changes.push((flag, "gone", gone));
            }
        }
        changes
    }
}

fn differences(before: &RampStatus, now: &RampStatus, tell: &mut impl FnMut(&'static str, String)) {
    if now.run != before.run {
        tell("run", format!("run {} begins", now.run));
    }
    if (now.phase, now.stage) != (before.phase, before.stage) {
        let because = match (&now.evidence, &before.evidence) {
            (Some(evidence), None) => format!(": {evidence}"),
            _ => String::new(),
        };
        tell(
            "phase",
            format!("{} (was {}){because}", phase(now), phase(before)),
        );
    }
    if reach(now) != reach(before) {
        tell(
            "exposure",
            format!("{} (was {})", reach(now), reach(before)),
        );
    }
    for finding in &now.guardrails {
        let mut earlier = before.guardrails.iter();
        let was = earlier.find(|before| before.name == finding.name);
        if let Some(was) = was.filter(|was| was.verdict != finding.verdict) {
            let (name, verdict) = (&finding.name, finding.verdict);
            tell(
                "verdict",
                format!("{name}: {verdict} (was {})", was.verdict),
            );
        }
    }
}

fn write(lines: &[Line], format: Format) -> io::Result<()> {
    let mut out = output::plain();
    for line in lines {
        match format {
            Format::Json => {
                serde_json::to_writer(&mut out, line)?;
                writeln!(out)?;
            }
            Format::Human => {
                let flag = output::printable(line.flag.as_deref().unwrap_or("-"));
                let message = output::printable(&line.message);
                writeln!(out, "{}  {:<10}  {flag}  {message}", line.at, line.event)?;
            }
        }
    }
    out.flush()
}
