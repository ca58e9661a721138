//! Lines of ramps for the subscriber of the crate `tracing`.

use tracing::{info, warn};

use super::event::{Event, What};
use super::rollouts::RolloutsBuilder;
use crate::machine::{Held, Notice};

impl RolloutsBuilder {
    /// Logs what happens to ramps, with the target `fader`, the fields `flag` and `run`, and `what`, a line for people:
    ///
    /// | line | level |
    /// |---|---|
    /// | `a ramp was rolled back` | warn |
    /// | `a guardrail is regressed` | warn |
    /// | `a ramp needs a person`: it was held because the arms get other units than the share says, or paused after unclean ends or stalls | warn |
    /// | `a ramp was raised by hand`, which is taken back | warn |
    /// | `the controller is in trouble`: nothing is raised; without `flag` and `run` | warn |
    /// | `the controller has a note`: an order that can't be read, say, or a status that can't be written; without `flag` and `run` | warn |
    /// | `the controller is out of trouble`; without `flag` and `run` | info |
    /// | `a ramp has stopped itself`: it is held, and says what helps | info |
    /// | `a ramp was taken up`: a process goes on with what the one before it ran | info |
    /// | `a ramp exposes others` | info |
    /// | `a ramp goes on`: whatever else happens to it, such as another phase or what it waits for | info |
    ///
    /// They are written on the thread on which events are told: a subscriber that is set for one thread alone does not
    /// get them.
    pub fn log(self) -> Self {
        self.on_event(tell)
    }
}

fn tell(event: &Event) {
    let (flag, run) = (event.flag.as_deref(), event.run);
    let text = event.to_string();
    // The flag is a field of its own.
    let named = flag.and_then(|flag| text.strip_prefix(flag)?.strip_prefix(": "));
    let what = named.unwrap_or(&text);
    match &event.what {
        What::Ramp(Notice::RolledBack(_)) => {
            warn!(target: "fader", flag, run, what, "a ramp was rolled back");
        }
        What::Ramp(Notice::Breach { .. }) => {
            warn!(target: "fader", flag, run, what, "a guardrail is regressed");
        }
        What::Ramp(Notice::CrashLoop { .. } | Notice::Held(Held::AssignmentBroken)) => {
            warn!(target: "fader", flag, run, what, "a ramp needs a person");
        }
        What::Ramp(Notice::RaisedByHand(_)) => {
            warn!(target: "fader", flag, run, what, "a ramp was raised by hand");
        }
        What::Trouble(_) => warn!(target: "fader", what, "the controller is in trouble"),
        What::Note(_) => warn!(target: "fader", what, "the controller has a note"),
        What::TroubleOver(_) => info!(target: "fader", what, "the controller is out of trouble"),
        What::Exposed { .. } => {
            info!(target: "fader", flag, run, what, "a ramp exposes others");
        }
        What::Ramp(Notice::Held(_)) => {
            info!(target: "fader", flag, run, what, "a ramp has stopped itself");
        }
        What::TakenUp { .. } => info!(target: "fader", flag, run, what, "a ramp was taken up"),
        What::Ramp(_) => info!(target: "fader", flag, run, what, "a ramp goes on"),
    }
}
