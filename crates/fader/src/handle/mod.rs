//! The swappable handle: what is live, how it changes, and what code holds of it.

mod builder;
mod control;
mod events;
mod flags;
mod keys;
mod once;
mod scope;
mod sources;
mod status;
mod swap;
mod warnings;
mod writer;

pub use builder::FlagsBuilder;
pub use control::{RampControl, RampLimit};
pub use events::{Change, Event, Subscription};
pub use flags::{Flags, WeakFlags};
pub use keys::KeyReport;
pub use scope::Scope;
pub use status::{SourceStatus, State, Status};
pub use writer::{HistoryEntry, Loaded, RollbackError};
