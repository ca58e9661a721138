//! Why a controller can't be started, and why it does not do what is asked.

use std::fmt;
use std::io;
use std::path::Path;

use fader::StoreError;

/// Why a controller can't be started.
#[derive(Debug)]
pub struct StartError {
    message: String,
}

impl StartError {
    pub(super) fn no_store() -> Self {
        let message = "nothing says where the overlay of these flags is kept, so that no decision could be written: open \
                       them with a provider that follows an overlay, or name a store to the builder";
        Self {
            message: message.to_owned(),
        }
    }

    pub(super) fn directory(directory: &Path, error: &io::Error) -> Self {
        Self {
            message: format!(
                "the state directory `{}` can't be used: {error}",
                directory.display()
            ),
        }
    }

    #[cfg(any(feature = "probes", feature = "webhook"))]
    pub(super) fn setup(message: String) -> Self {
        Self { message }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "it is what an error is turned into"
    )]
    pub(super) fn thread(error: io::Error) -> Self {
        Self {
            message: format!("the system refuses a thread: {error}"),
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StartError {}

/// Why something was not done that somebody has asked of a running controller.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// The ramp is not where that can be done, in words.
    Refused(String),
    /// The controller has ended.
    Ended,
    /// The controller has not answered within 30 s. It may still do what was asked: the status says.
    NoAnswer,
    /// The overlay can't be written: it is done in this process alone, until the controller can write it.
    NotKept(StoreError),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => f.write_str(why),
            Self::Ended => f.write_str("the controller has ended"),
            Self::NoAnswer => f.write_str(
                "the controller has not answered within 30 s: it may still be done, see the status",
            ),
            Self::NotKept(error) => write!(
                f,
                "done in this process, and written as soon as that can be: {error}"
            ),
        }
    }
}

impl std::error::Error for Refused {}
