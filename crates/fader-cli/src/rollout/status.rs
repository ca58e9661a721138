//! `fader rollout status`: how far are the ramps of a running service?

use std::io::{self, Write};

use fader_rollout::control::Status;

use super::controlled::{Controlled, no_ramp};
use super::status_table;
use crate::{Format, Outcome, output};

/// Tells how far the staged ramps of a running service are, and what they wait for.
///
/// Exits with 0 if a controller runs, 1 if none does, 2 if what it says could not be read or it has no ramp of the flag.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The flag; all that have a staged ramp, where none is named.
    flag: Option<String>,
    #[command(flatten)]
    controlled: Controlled,
    /// Whom the answer is for.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let heard = args.controlled.hear()?;
    let silence = heard.silence.as_deref();
    let Some(mut status) = heard.status else {
        output::complain(silence.unwrap_or("no controller runs"));
        return Ok(Outcome::Findings);
    };
    if let Some(flag) = &args.flag {
        if status.ramp(flag).is_none() {
            return Err(no_ramp(&status, flag));
        }
        status.ramps.retain(|ramp| ramp.flag == *flag);
    }
    let printed = match args.format {
        Format::Human => {
            let mut out = output::stdout();
            status_table::write(&mut out, &status, silence).and_then(|()| out.flush())
        }
        Format::Json => {
            if let Some(silence) = silence {
                output::warn(&format!("{silence}: nothing of this may be true any more"));
            }
            for_programs(&status)
        }
    };
    match printed.map_err(output::failed) {
        // Whoever reads the first lines alone still learns from the exit whether it runs.
        Err(error) if !output::is_closed_pipe(&error) => return Err(error),
        _ => {}
    }
    Ok(match silence {
        None => Outcome::Fine,
        Some(_) => Outcome::Findings,
    })
}

fn for_programs(status: &Status) -> io::Result<()> {
    let mut out = output::plain();
    serde_json::to_writer(&mut out, status)?;
    writeln!(out)?;
    out.flush()
}
