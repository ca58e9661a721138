//! What a handle says of itself.

use std::sync::Arc;
use std::time::Duration;

use crate::document::diagnostic::Diagnostic;
use crate::time::Timestamp;

/// Whether what is live is what the sources say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// The live ruleset is what the sources say.
    Ready,
    /// Something is live, but a source can't be read, its content was refused, or flags of it were set aside.
    Stale,
    /// [`Flags::rollback`](crate::Flags::rollback) put an earlier ruleset in the place of what the source says.
    RolledBack,
    /// Nothing has been loaded: every flag answers with the caller's default.
    Failed,
}

impl State {
    /// Returns the state's name: `ready`, `stale`, `rolled-back` or `failed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Stale => "stale",
            Self::RolledBack => "rolled-back",
            Self::Failed => "failed",
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a handle is doing, at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    pub(crate) state: State,
    pub(crate) version: Arc<str>,
    pub(crate) overlay_version: u64,
    pub(crate) loaded_at: Option<Timestamp>,
    pub(crate) now: Timestamp,
    pub(crate) sources: Vec<SourceStatus>,
    pub(crate) source: Option<Arc<str>>,
    pub(crate) flag_count: usize,
    pub(crate) compile_time: Duration,
    pub(crate) set_aside: Vec<String>,
    pub(crate) warnings: Vec<Diagnostic>,
    pub(crate) rolled_back_from: Option<Arc<str>>,
}

impl Status {
    /// Returns whether what is live is what the sources say.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Returns the live document's version; empty before one has been loaded.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the live overlay's version; 0 without one.
    #[must_use]
    pub fn overlay_version(&self) -> u64 {
        self.overlay_version
    }

    /// Returns when the live document went live.
    #[must_use]
    pub fn loaded_at(&self) -> Option<Timestamp> {
        self.loaded_at
    }

    /// Returns how long ago the live document went live.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        Some(self.now.since(self.loaded_at?))
    }

    /// Returns the name of the source that the live document came from: which one it is where there are several, such as
    /// a bootstrap document below a provider's.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// Returns how many flags the live document has, those that were set aside included.
    #[must_use]
    pub fn flag_count(&self) -> usize {
        self.flag_count
    }

    /// Returns how long it took to read, check and compile the live document, by the handle's clock.
    #[must_use]
    pub fn compile_time(&self) -> Duration {
        self.compile_time
    }

    /// Returns the sources, each with its error if it has one.
    #[must_use]
    pub fn sources(&self) -> &[SourceStatus] {
        &self.sources
    }

    /// Returns the first error of a source.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.sources.iter().find_map(SourceStatus::error)
    }

    /// Returns the flags that have errors in the document and were set aside, by name.
    #[must_use]
    pub fn set_aside(&self) -> &[String] {
        &self.set_aside
    }

    /// Returns the warnings of what is live: of the document, and of an overlay whose entries wait or hide an edit.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// Returns the version that a roll-back took away.
    #[must_use]
    pub fn rolled_back_from(&self) -> Option<&str> {
        self.rolled_back_from.as_deref()
    }
}

/// How one source is doing.
#[derive(Clone, Debug)]
pub struct SourceStatus {
    pub(crate) name: Arc<str>,
    pub(crate) error: Option<String>,
    pub(crate) kind: Option<&'static str>,
    pub(crate) since: Timestamp,
    pub(crate) checked_at: Option<Timestamp>,
    pub(crate) is_stale: bool,
    /// Tells the content that was refused, so that the same is told once.
    pub(crate) refused: Option<u128>,
}

impl SourceStatus {
    /// Returns the source's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what is wrong with it, also where what is live still counts as fresh.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Returns what kind of failure that is: a stable name for programs, such as `not-found`, or `refused`.
    #[must_use]
    pub fn kind(&self) -> Option<&'static str> {
        self.kind
    }

    /// Returns whether what is live may be out of date because of it: it could not be read for long enough to say so, or
    /// what it says was refused.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// Returns when it was read last, whether its content was new, as before, or refused; `None` if it never was.
    #[must_use]
    pub fn checked_at(&self) -> Option<Timestamp> {
        self.checked_at
    }

    /// Returns since when it has been as it is.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.since
    }
}
