//! Sinks that keep what they are told in memory: for tests, and to look at.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::observe::{Arm, DrawnFlag, ExposureSink, Outcome, OutcomeSink};

/// How many records are kept; the oldest go first.
const KEPT: usize = 65_536;

/// What a sink of outcomes was told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutcomeEvent {
    /// The unit of work was drawn.
    Began,
    /// It ended so.
    Ended(Outcome),
    /// The service reported this event.
    Reported(String),
    /// The flag was drawn after the end.
    Late,
}

/// One call of a sink of outcomes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutcomeRecord {
    /// The flag.
    pub flag: String,
    /// The rule that drew.
    pub rule: String,
    /// The side of the draw.
    pub arm: Arm,
    /// The variant that was served.
    pub variant: Option<String>,
    /// What was told.
    pub event: OutcomeEvent,
}

/// One call of a sink of exposures.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExposureRecord {
    /// The flag.
    pub flag: String,
    /// The hash of the unit, see [`DrawnFlag::unit_hash`].
    pub unit: Option<u64>,
    /// The variant that was served.
    pub variant: Option<String>,
}

/// Keeps the latest 65,536 outcomes. It takes a lock and allocates: for tests, not for production.
#[derive(Debug, Default)]
pub struct MemoryOutcomes(Log<OutcomeRecord>);

impl MemoryOutcomes {
    /// Makes an empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns what was told, the oldest first.
    #[must_use]
    pub fn records(&self) -> Vec<OutcomeRecord> {
        self.0.all()
    }

    /// Returns what was told and forgets it.
    #[must_use]
    pub fn take(&self) -> Vec<OutcomeRecord> {
        self.0.take()
    }

    fn push(&self, drawn: &DrawnFlag<'_>, event: OutcomeEvent) {
        self.0.push(OutcomeRecord {
            flag: drawn.flag().to_owned(),
            rule: drawn.rule().to_owned(),
            arm: drawn.arm(),
            variant: drawn.variant().map(str::to_owned),
            event,
        });
    }
}

impl OutcomeSink for MemoryOutcomes {
    fn began(&self, drawn: &DrawnFlag<'_>) {
        self.push(drawn, OutcomeEvent::Began);
    }

    fn ended(&self, drawn: &DrawnFlag<'_>, outcome: &Outcome) {
        self.push(drawn, OutcomeEvent::Ended(*outcome));
    }

    fn reported(&self, drawn: &DrawnFlag<'_>, event: &str) {
        self.push(drawn, OutcomeEvent::Reported(event.to_owned()));
    }

    fn late(&self, drawn: &DrawnFlag<'_>) {
        self.push(drawn, OutcomeEvent::Late);
    }
}

/// Keeps the latest 65,536 exposures. It takes a lock and allocates: for tests, not for production.
#[derive(Debug, Default)]
pub struct MemoryExposures(Log<ExposureRecord>);

impl MemoryExposures {
    /// Makes an empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns what was told, the oldest first.
    #[must_use]
    pub fn records(&self) -> Vec<ExposureRecord> {
        self.0.all()
    }

    /// Returns what was told and forgets it.
    #[must_use]
    pub fn take(&self) -> Vec<ExposureRecord> {
        self.0.take()
    }
}

impl ExposureSink for MemoryExposures {
    fn exposed(&self, drawn: &DrawnFlag<'_>) {
        self.0.push(ExposureRecord {
            flag: drawn.flag().to_owned(),
            unit: drawn.unit_hash(),
            variant: drawn.variant().map(str::to_owned),
        });
    }
}

impl<S: OutcomeSink + ?Sized> OutcomeSink for Arc<S> {
    fn began(&self, drawn: &DrawnFlag<'_>) {
        (**self).began(drawn);
    }

    fn ended(&self, drawn: &DrawnFlag<'_>, outcome: &Outcome) {
        (**self).ended(drawn, outcome);
    }

    fn reported(&self, drawn: &DrawnFlag<'_>, event: &str) {
        (**self).reported(drawn, event);
    }

    fn late(&self, drawn: &DrawnFlag<'_>) {
        (**self).late(drawn);
    }
}

impl<S: ExposureSink + ?Sized> ExposureSink for Arc<S> {
    fn exposed(&self, drawn: &DrawnFlag<'_>) {
        (**self).exposed(drawn);
    }
}

#[derive(Debug)]
struct Log<T>(Mutex<VecDeque<T>>);

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self(Mutex::new(VecDeque::new()))
    }
}

impl<T: Clone> Log<T> {
    fn lock(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, record: T) {
        let mut log = self.lock();
        if log.len() == KEPT {
            log.pop_front();
        }
        log.push_back(record);
    }

    fn all(&self) -> Vec<T> {
        self.lock().iter().cloned().collect()
    }

    fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.lock()).into()
    }
}
