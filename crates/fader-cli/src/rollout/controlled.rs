//! Where the overlay of a running service is, and what the controller has said that runs its ramps.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{anyhow, bail};
use fader::{Clock as _, Store as _, SystemClock, Timestamp};
use fader_rollout::control::Status;
use fader_rollout::explain::written;

use super::nearest;
use crate::document::{self, Place};
use crate::output;
use fader_providers::OverlayFile;

/// How often the overlay, and what a controller says, is looked at.
pub(crate) const POLL: Duration = Duration::from_millis(200);

/// From which age on what a controller has said is no longer taken for true. One that runs speaks every 5 s.
const STALE: Duration = Duration::from_secs(15);

/// Where the overlay is, and the controller that obeys it.
#[derive(clap::Args)]
pub(crate) struct Controlled {
    /// The document: a file, a folder of files, or an http(s) address.
    #[arg(long, value_name = "FILE", default_value = "flags.json", value_parser = document::place())]
    pub(super) flags: Place,
    /// The overlay. [default: beside the document, its name with .overlay.json behind it]
    #[arg(long, value_name = "FILE")]
    pub(super) overlay: Option<PathBuf>,
    /// The controller's state directory. [default: the one that it names beside the overlay]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// What is known of a controller.
pub(crate) struct Heard {
    /// What it has said last; none if it has said nothing.
    pub(super) status: Option<Status>,
    /// Why nothing of that may be true any more; none if it runs.
    pub(super) silence: Option<String>,
}

impl Heard {
    fn nothing(silence: String) -> Self {
        Self {
            status: None,
            silence: Some(silence),
        }
    }

    /// Returns what a controller says that runs.
    pub(crate) fn running(&self) -> Option<&Status> {
        self.status.as_ref().filter(|_| self.silence.is_none())
    }
}

impl Controlled {
    /// Returns the overlay's file.
    ///
    /// # Errors
    ///
    /// The document is at an address, and no overlay is named.
    pub(crate) fn store(&self) -> anyhow::Result<OverlayFile> {
        match (&self.overlay, &self.flags) {
            (Some(overlay), _) => Ok(OverlayFile::new(overlay)),
            (None, Place::Path(document)) => Ok(OverlayFile::beside(document)),
            (None, Place::Address(_)) => {
                bail!("there is no overlay beside an address: name its file with `--overlay`")
            }
        }
    }

    /// Returns the controller's state directory, or why it is not known.
    ///
    /// # Errors
    ///
    /// What the controller has written beside the overlay can't be read.
    pub(super) fn state(&self) -> anyhow::Result<Result<PathBuf, String>> {
        if let Some(state) = &self.state {
            return Ok(Ok(state.clone()));
        }
        let store = self.store()?;
        let named = store.controller()?.unwrap_or_default();
        let named = named.trim_end_matches(['\r', '\n']);
        Ok(match named {
            "" => Err(self.nobody(store.name())),
            named => Ok(PathBuf::from(named)),
        })
    }

    /// Tells whether the overlay is to be found beside a document, and there is none.
    pub(crate) fn lacks_document(&self) -> bool {
        let document = match &self.flags {
            Place::Path(document) if self.overlay.is_none() => document,
            _ => return false,
        };
        !document.exists()
    }

    /// Says that no controller has run, and what may be the matter.
    fn nobody(&self, overlay: &str) -> String {
        let cure = match &self.flags {
            Place::Path(document) if self.lacks_document() => format!(
                ": there is no `{}` here; name the document of the service with `--flags`",
                document.display()
            ),
            _ => String::new(),
        };
        format!("no controller has run on `{overlay}`{cure}")
    }

    /// Returns what the controller says of itself.
    ///
    /// # Errors
    ///
    /// It can't be read.
    pub(crate) fn hear(&self) -> anyhow::Result<Heard> {
        let state = match self.state()? {
            Ok(state) => state,
            Err(why) => return Ok(Heard::nothing(why)),
        };
        let shown = state.display();
        match Status::read(&state) {
            Ok(status) => {
                let silence = silence(&status, SystemClock::new().now());
                Ok(Heard {
                    status: Some(status),
                    silence,
                })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Heard::nothing(format!(
                "no controller has said anything in `{shown}`"
            ))),
            Err(error) => {
                let reason = output::reason(&error);
                Err(anyhow!("cannot read `{shown}/status.json`: {reason}"))
            }
        }
    }
}

/// Says why a controller does not run any more, if it does not.
fn silence(status: &Status, now: Timestamp) -> Option<String> {
    let Status { pid, at, .. } = status;
    if !status.runs {
        return Some(format!("the controller (process {pid}) ended at {at}"));
    }
    let Some(said) = Timestamp::parse(at) else {
        return Some(format!(
            "the controller (process {pid}) spoke at `{at}`, which is no instant"
        ));
    };
    let (age, is_ahead) = age(said, now);
    match is_ahead {
        _ if age <= STALE => None,
        false => Some(format!(
            "the controller (process {pid}) spoke last {} ago, at {at}",
            written(age)
        )),
        true => Some(format!(
            "the controller (process {pid}) spoke last at {at}, which is {} ahead of the clock here",
            written(age)
        )),
    }
}

/// Returns how far two instants are from each other, and whether the first is the later one.
fn age(said: Timestamp, now: Timestamp) -> (Duration, bool) {
    let nanos = now.as_nanos() - said.as_nanos();
    let distance = u64::try_from(nanos.unsigned_abs()).unwrap_or(u64::MAX);
    (Duration::from_nanos(distance), nanos < 0)
}

/// Says how long ago a controller has spoken.
pub(super) fn spoke(status: &Status) -> String {
    match Timestamp::parse(&status.at) {
        Some(said) => {
            let (age, is_ahead) = age(said, SystemClock::new().now());
            let age = if is_ahead { Duration::ZERO } else { age };
            format!("{} ago", written(Duration::from_secs(age.as_secs())))
        }
        None => format!("at `{}`", status.at),
    }
}

/// Says that a controller has no ramp of a flag, and which one may have been meant.
pub(super) fn no_ramp(status: &Status, flag: &str) -> anyhow::Error {
    let names = || status.ramps.iter().map(|ramp| &*ramp.flag);
    let cure = match nearest(flag, names()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None if status.ramps.is_empty() => "it has none at all".to_owned(),
        None => {
            let names: Vec<_> = names().collect();
            format!("it has those of `{}`", names.join("`, `"))
        }
    };
    anyhow!("the controller has no staged ramp of `{flag}`; {cure}")
}
