//! How a unit of work ended.

use std::fmt;
use std::time::Duration;

/// How a unit of work, usually a request, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// A status of 1xx, such as 101 when a connection turns into a WebSocket.
    Informational,
    /// A status of 2xx, or work without HTTP that went well.
    Success,
    /// A status of 3xx.
    Redirection,
    /// A status of 4xx but 408.
    ClientError,
    /// A status of 5xx but 504, or work without HTTP that failed.
    ServerError,
    /// The code panicked.
    Panic,
    /// It took longer than it was given; a status of 408 or 504.
    Timeout,
    /// The client went away before the end.
    Dropped,
}

impl Ending {
    /// Every ending, in the order of their declaration.
    pub const ALL: [Self; 8] = [
        Self::Informational,
        Self::Success,
        Self::Redirection,
        Self::ClientError,
        Self::ServerError,
        Self::Panic,
        Self::Timeout,
        Self::Dropped,
    ];

    /// Returns the ending that an HTTP status tells of. 408 and 504 are what time-out layers answer; a status beyond 599
    /// or below 100 is an error of the server.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        match status {
            408 | 504 => Self::Timeout,
            100..200 => Self::Informational,
            200..300 => Self::Success,
            300..400 => Self::Redirection,
            400..500 => Self::ClientError,
            _ => Self::ServerError,
        }
    }

    /// Tells whether the service is to blame: a server error, a panic or a time-out. It is what the guardrail `errors`
    /// counts.
    #[must_use]
    pub const fn is_error(self) -> bool {
        matches!(self, Self::ServerError | Self::Panic | Self::Timeout)
    }

    /// Returns the ending's name, such as `server_error`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Success => "success",
            Self::Redirection => "redirection",
            Self::ClientError => "client_error",
            Self::ServerError => "server_error",
            Self::Panic => "panic",
            Self::Timeout => "timeout",
            Self::Dropped => "dropped",
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a unit of work ended, and how long it took.
///
/// ```
/// use std::time::Duration;
///
/// use fader::{Ending, Outcome};
///
/// let outcome = Outcome::new(Ending::of_status(502)).took(Duration::from_millis(80));
/// assert!(outcome.ending().is_error());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Outcome {
    ending: Ending,
    latency: Option<Duration>,
}

impl Outcome {
    /// Makes an outcome of unknown duration.
    pub const fn new(ending: Ending) -> Self {
        Self {
            ending,
            latency: None,
        }
    }

    /// Sets how long it took. Default: not known, and latency then does not count.
    pub const fn took(mut self, latency: Duration) -> Self {
        self.latency = Some(latency);
        self
    }

    /// Returns how it ended.
    #[must_use]
    pub const fn ending(&self) -> Ending {
        self.ending
    }

    /// Returns how long it took, if that is known.
    #[must_use]
    pub const fn latency(&self) -> Option<Duration> {
        self.latency
    }
}
