//! Feature flags that fade in: the core.
//!
//! `fader` decides which requests get the gray (new) code and which the stable one, by a JSON document that people
//! edit while the service runs. It is embedded: no server, no agent. Evaluation takes no lock, allocates nothing and
//! never fails; a new document is swapped in as a whole, and readers never wait.
//!
//! This crate is for services and libraries that read flags. It is pure and synchronous: documents come in through
//! [`Flags::load`], by hand or from a provider (the crate `fader-providers` watches files), time and randomness through
//! [`Flags::builder`].
//!
//! ```
//! use fader::{Context, Flags, Source};
//!
//! fader::flags! {
//!     /// Checkout v2.
//!     pub NewCheckout: bool = "new-checkout", default false;
//! }
//!
//! let flags = Flags::builder().build();
//! flags.load(
//!     r#"{ "flags": { "new-checkout": { "rules": [
//!         { "name": "partners", "if": { "attribute": "app.id", "in": ["acme-pos"] }, "serve": "on" },
//!         { "name": "ramp", "percent": 5, "by": "user.id", "serve": "on" } ] } } }"#,
//!     &Source::new("flags.json"),
//! )?;
//!
//! let context = Context::new("user-42").with("app.id", "acme-pos");
//! assert!(flags.get(&NEW_CHECKOUT, &context));
//! assert_eq!(flags.resolve("new-checkout", &context).rule(), Some("partners"));
//! println!("{}", flags.explain("new-checkout", &context));
//! # Ok::<(), fader::CompileError>(())
//! ```
//!
//! # Map
//!
//! | to | look at |
//! |---|---|
//! | hold flags, load, roll back, watch their state | [`Flags`], [`Status`], [`Event`] |
//! | name flags in code | [`flags!`], [`variants!`], [`FlagKey`] |
//! | say who asks | [`Context`], or implement [`Attributes`] |
//! | decide for a whole request | [`Scope`] |
//! | see how a flag resolved | [`Resolution`], [`Explanation`] |
//! | learn what came of it | [`OutcomeSink`], [`Outcome`], [`ExposureSink`] |
//! | deliver documents | [`Source`], [`Delivery`], [`CompileError`], [`Diagnostic`] |
//! | kill a flag, hold a percent, open a wave | [`Overlay`] |
//! | run staged ramps | [`plan`], [`Snapshot::plans`], [`Flags::control_ramps`] |
//! | repeat the hashing elsewhere | [`hash`] |
//!
//! # Features
//!
//! `rwlock-strategy` replaces the lock-free swap by a lock: a way out, should a defect in it come up.

mod attributes;
mod compile;
mod context;
mod decision;
mod document;
mod evaluate;
mod explain;
mod handle;
pub mod hash;
mod key;
mod memo;
mod number;
mod observe;
mod overlay;
mod overrides;
mod packed;
mod percent;
pub mod plan;
mod ruleset;
mod snapshot;
mod source;
mod store;
mod time;
mod wanted;

pub use attributes::{AttributeName, Attributes, TARGETING_KEY, Value, ValueRef};
pub use compile::list_files;
pub use context::{Context, ContextError};
pub use decision::{Draw, ErrorCode, Reason, Resolution};
pub use document::diagnostic::{CompileError, Diagnostic, DiagnosticKind, Severity};
pub use explain::Explanation;
pub use handle::{
    Change, Event, Flags, FlagsBuilder, HistoryEntry, KeyReport, Loaded, RampControl, RampLimit,
    RollbackError, Scope, SourceStatus, State, Status, Subscription, WeakFlags,
};
pub use key::{Decoded, FlagKey, FlagType, FlagValue, Key, VariantRef};
pub use observe::{
    Admission, Arm, Deduplicated, DrawnFlag, Ending, ExposureRecord, ExposureSink, MemoryExposures,
    MemoryOutcomes, Outcome, OutcomeEvent, OutcomeRecord, OutcomeSink, Watch,
};
pub use overlay::{Overlay, OverlayEntry};
pub use percent::{ParsePercentError, Percent};
pub use snapshot::Snapshot;
pub use source::{Delivery, Source, Strictness};
pub use store::{MemoryStore, Store, StoreError};
pub use time::{Clock, ManualClock, SystemClock, Timestamp};
pub use wanted::Wanted;

/// A value of a variant, as JSON.
pub use serde_json::Value as Json;

#[doc(hidden)]
pub mod __private {
    pub use pastey::paste;
}
