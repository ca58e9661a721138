//! `fader rollout pause` and the like: asks something of a running ramp, and waits for the answer.

use std::thread;
use std::time::{Duration, Instant};

use fader::{Clock as _, Store as _, SystemClock};
use fader_rollout::control::{self, Order};
use fader_rollout::machine::{Answer, Wish};

use super::controlled::{Controlled, POLL};
use super::duration::duration;
use super::known;
use super::signature::Signature;
use crate::document::Headers;
use crate::{Outcome, output};
use fader_providers::OverlayFile;

/// What every request of a ramp has.
#[derive(clap::Args)]
pub(super) struct Asking {
    #[command(flatten)]
    pub(super) controlled: Controlled,
    #[command(flatten)]
    headers: Headers,
    #[command(flatten)]
    pub(super) signature: Signature,
    /// How long to wait for the answer. It stays asked for after that.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    answer_within: Duration,
}

#[derive(clap::Args)]
pub(super) struct Args {
    /// The flag that has the ramp.
    flag: String,
    #[command(flatten)]
    asking: Asking,
}

#[derive(clap::Args)]
pub(super) struct Approve {
    /// The flag that has the ramp.
    flag: String,
    /// The stage, counted from 1.
    #[arg(long, value_name = "NUMBER")]
    stage: usize,
    #[command(flatten)]
    asking: Asking,
}

pub(super) fn run(args: &Args, wish: Wish) -> anyhow::Result<Outcome> {
    let reason = &args.asking.signature.reason;
    args.asking.ask(&args.flag, wish, reason)
}

pub(super) fn approve(args: &Approve) -> anyhow::Result<Outcome> {
    let (reason, stage) = (&args.asking.signature.reason, args.stage);
    args.asking.ask(&args.flag, Wish::Approve { stage }, reason)
}

impl Asking {
    /// Asks, and prints the answer.
    ///
    /// # Errors
    ///
    /// The document has no ramp of the flag, or the overlay can't be read or written.
    pub(super) fn ask(&self, flag: &str, wish: Wish, reason: &str) -> anyhow::Result<Outcome> {
        let by = self.signature.by()?;
        let store = self.controlled.store()?;
        known::ramp(&self.controlled, &self.headers, flag)?;
        let now = SystemClock::new().now();
        let id = control::ask(&store, flag, wish, &by, reason, now)?;
        let (line, outcome) = match self.answer(&store, id) {
            Ok(Answer::Done) => ("done".to_owned(), Outcome::Fine),
            Ok(Answer::Refused(why)) => (format!("refused: {why}"), Outcome::Findings),
            Ok(other) => (format!("answered: {other:?}"), Outcome::Findings),
            Err(fate) => {
                output::complain(&self.unanswered(&store, flag, wish, fate));
                return Ok(Outcome::Findings);
            }
        };
        output::say(&line)?;
        Ok(outcome)
    }

    /// Waits for the answer.
    fn answer(&self, store: &OverlayFile, id: u64) -> Result<Answer, Fate> {
        let deadline = Instant::now() + self.answer_within;
        loop {
            let overlay = store.read();
            if let Ok(Some(overlay)) = &overlay
                && let Some(answer) = control::answer(overlay, id)
            {
                return Ok(answer);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(match overlay {
                    Err(error) => Fate::Unknown(error.to_string()),
                    Ok(overlay) => {
                        let mut orders = overlay.iter().flat_map(fader::Overlay::commands);
                        let is_it = |order: Order| order.command.id == id;
                        if orders.any(|order| Order::read(order).is_ok_and(is_it)) {
                            Fate::Waits
                        } else {
                            Fate::Gone
                        }
                    }
                });
            }
            thread::sleep(left.min(POLL));
        }
    }

    /// Says why there may be no answer, and what becomes of the request.
    fn unanswered(&self, store: &OverlayFile, flag: &str, wish: Wish, fate: Fate) -> String {
        let controller = match self.controlled.hear() {
            Ok(heard) => match (heard.silence, heard.status) {
                (None, Some(status)) => format!(
                    "the controller (process {}) runs, spoke last at {}, and has version {} of the overlay; \
                     `fader rollout status` tells its troubles",
                    status.pid, status.at, status.overlay
                ),
                (silence, _) => format!("no controller runs: {}", silence.unwrap_or_default()),
            },
            Err(error) => format!("whether a controller runs is not known: {error:#}"),
        };
        let (what, overlay) = (wish.as_str(), store.name());
        let fate = match fate {
            Fate::Waits => {
                format!(
                    "the request stays in `{overlay}`, and a controller that runs will answer it"
                )
            }
            Fate::Gone => format!(
                "the request is not in `{overlay}` any more: somebody has written that without it, so ask again"
            ),
            Fate::Unknown(error) => {
                format!("the request was written to `{overlay}`, which can't be read now: {error}")
            }
        };
        let within = fader_rollout::explain::written(self.answer_within);
        format!("no answer within {within} to `{what}` of `{flag}`; {controller}; {fate}")
    }
}

/// What became of a request that was not answered.
enum Fate {
    Waits,
    Gone,
    Unknown(String),
}
