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
        let nanos = self
            .now
            .as_nanos()
            .saturating_sub(self.loaded_at?.as_nanos());
        Some(Duration::from_nanos(
            u64::try_from(nanos).unwrap_or(if nanos < 0 { 0 } else { u64::MAX }),
        ))
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
    pub(crate) since: Timestamp,
    /// Tells the content that was refused, so that the same is told once.
    pub(crate) refused: Option<u128>,
}

impl SourceStatus {
    /// Returns the source's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what is wrong with it.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Returns since when it has been as it is.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.since
    }
}
