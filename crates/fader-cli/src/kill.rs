//! `fader kill` and `fader unkill`: serves nobody a flag's variants, at once.

use std::thread;
use std::time::{Duration, Instant};

use fader::{Clock as _, Overlay, Store as _, SystemClock};
use fader_rollout::control;

use crate::document::Headers;
use crate::rollout::{Controlled, POLL, Signature, known};
use crate::{Outcome, output};

/// How long to wait for a running process to say that it serves the overlay.
const SERVED_WITHIN: Duration = Duration::from_secs(3);

/// Kills a flag, or takes the kill off.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The flag.
    flag: String,
    #[command(flatten)]
    controlled: Controlled,
    #[command(flatten)]
    headers: Headers,
    #[command(flatten)]
    signature: Signature,
}

pub(crate) fn run_kill(args: &Args) -> anyhow::Result<Outcome> {
    let by = args.begin()?;
    let killed = kill(&args.controlled, &args.flag, &by, &args.signature.reason)?;
    args.end();
    Ok(killed)
}

pub(crate) fn run_unkill(args: &Args) -> anyhow::Result<Outcome> {
    let by = args.begin()?;
    let revived = unkill(&args.controlled, &args.flag, &by, &args.signature.reason)?;
    args.end();
    Ok(revived)
}

impl Args {
    /// Returns who asks, where the overlay is that of a document: an overlay beside none is a mistake in the path.
    fn begin(&self) -> anyhow::Result<String> {
        let by = self.signature.by()?;
        self.controlled.store()?;
        if self.controlled.lacks_document() {
            known::flag(&self.controlled, &self.headers, &self.flag)?;
        }
        Ok(by)
    }

    /// Says what is to be said of the flag's name: last, so that it is read, and nothing waits for it.
    fn end(&self) {
        if let Err(error) = known::flag(&self.controlled, &self.headers, &self.flag) {
            output::warn(&format!(
                "whether there is such a flag is not known: {error:#}"
            ));
        }
    }
}

/// Kills a flag and says so.
///
/// # Errors
///
/// The overlay can't be read or written.
pub(crate) fn kill(
    controlled: &Controlled,
    flag: &str,
    by: &str,
    reason: &str,
) -> anyhow::Result<Outcome> {
    let store = controlled.store()?;
    let now = SystemClock::new().now();
    let overlay = control::kill(&store, flag, by, reason, now)?;
    output::say(&format!(
        "killed: whoever follows `{}` serves nobody the variants of `{flag}`, from version {} on",
        store.name(),
        overlay.version()
    ))?;
    tell_whether_served(controlled, &overlay)
}

/// Takes a kill off and says so.
///
/// # Errors
///
/// The overlay can't be read or written.
pub(crate) fn unkill(
    controlled: &Controlled,
    flag: &str,
    by: &str,
    reason: &str,
) -> anyhow::Result<Outcome> {
    let store = controlled.store()?;
    let now = SystemClock::new().now();
    let Some(overlay) = control::unkill(&store, flag, by, reason, now)? else {
        output::say(&format!("`{flag}` is not killed in `{}`", store.name()))?;
        return Ok(Outcome::Fine);
    };
    output::say(&format!(
        "not killed any more: whoever follows `{}` serves `{flag}` by its rules again, from version {} on; a staged ramp \
         that the kill has rolled back stays so until it is reset",
        store.name(),
        overlay.version()
    ))?;
    tell_whether_served(controlled, &overlay)
}

/// Says whether the process serves an overlay whose controller tells of itself. Without one that runs, nothing is known.
fn tell_whether_served(controlled: &Controlled, overlay: &Overlay) -> anyhow::Result<Outcome> {
    let deadline = Instant::now() + SERVED_WITHIN;
    loop {
        let Ok(heard) = controlled.hear() else { break };
        let Some(status) = heard.running() else { break };
        if status.overlay >= overlay.version() {
            output::say(&format!("process {} has taken it over", status.pid))?;
            return Ok(Outcome::Fine);
        }
        if Instant::now() >= deadline {
            let (pid, version) = (status.pid, status.overlay);
            output::warn(&format!(
                "process {pid} does not say yet that it has taken it over: it has version {version} of the overlay"
            ));
            return Ok(Outcome::Fine);
        }
        thread::sleep(POLL);
    }
    output::say("no controller runs that could tell whether a process has taken it over")?;
    Ok(Outcome::Fine)
}
