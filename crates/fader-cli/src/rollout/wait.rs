//! `fader rollout wait`: for pipelines that go on once a ramp is over.

use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use fader_rollout::control::RampStatus;
use fader_rollout::machine::Phase;

use super::controlled::{Controlled, POLL, no_ramp};
use super::duration::duration;
use super::status_table::{phase, reach};
use crate::{Outcome, output};

/// Waits until a ramp is over.
///
/// Exits with 0 once it is, 1 if it can't come to that any more, 3 when the time is up, 2 if what the controller says
/// could not be read or it has no ramp of the flag. While no controller runs, it waits.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The flag that has the ramp.
    flag: String,
    /// How it is to be over.
    #[arg(long, value_enum)]
    until: Until,
    /// How long to wait at most, such as 2h. [default: for as long as it takes]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    #[command(flatten)]
    controlled: Controlled,
}

/// How a ramp ends.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Until {
    /// All its stages are done.
    Completed,
    /// It exposes nobody, until somebody resets it.
    RolledBack,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let deadline = args
        .timeout
        .and_then(|time| Instant::now().checked_add(time));
    let flag = &*args.flag;
    let (mut is_known, mut is_warned) = (false, false);
    loop {
        let heard = args.controlled.hear()?;
        let last = match (heard.running(), &heard.silence) {
            (Some(status), _) => match status.ramp(flag) {
                Some(ramp) => {
                    is_known = true;
                    if let Some((line, outcome)) = args.until.decide(ramp) {
                        output::say(&line)?;
                        return Ok(outcome);
                    }
                    now(ramp)
                }
                None if is_known => {
                    output::say(&format!(
                        "{flag}: the document has no staged ramp of it any more"
                    ))?;
                    return Ok(Outcome::Findings);
                }
                None => return Err(no_ramp(status, flag)),
            },
            (None, silence) => {
                let silence = silence.as_deref().unwrap_or("no controller runs");
                if !std::mem::replace(&mut is_warned, true) {
                    output::warn(&format!("{silence}; waiting for one"));
                }
                format!("{flag}: not known, {silence}")
            }
        };
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            output::say(&format!("time is up; {last}"))?;
            return Ok(Outcome::TimedOut);
        }
        thread::sleep(left.map_or(POLL, |left| left.min(POLL)));
    }
}

impl Until {
    /// Says whether a ramp is where it is waited for, or can't get there any more. One that is completed can still be
    /// rolled back.
    fn decide(self, ramp: &RampStatus) -> Option<(String, Outcome)> {
        let flag = &ramp.flag;
        let why = match &ramp.evidence {
            Some(evidence) => format!("{flag}: {} {evidence}", ramp.phase),
            None => format!("{flag}: {}", ramp.phase),
        };
        match (self, ramp.phase) {
            (Self::Completed, Phase::Completed) => {
                Some((format!("{flag}: completed, {}", reach(ramp)), Outcome::Fine))
            }
            (Self::Completed, Phase::RollingBack | Phase::RolledBack) => {
                Some((why, Outcome::Findings))
            }
            (Self::RolledBack, Phase::RolledBack) => Some((why, Outcome::Fine)),
            _ => None,
        }
    }
}

fn now(ramp: &RampStatus) -> String {
    let waits = match &*ramp.waits_for {
        [] => String::new(),
        list => format!(", waits for {}", list.join(", ")),
    };
    format!("{}: {}, {}{waits}", ramp.flag, phase(ramp), reach(ramp))
}
