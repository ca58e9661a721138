//! What runs the ramps of a process: a thread of its own that looks each second.
//!
//! [`Rollouts`] is what a service starts. What it decides goes into the overlay, which people's tools write too; what it
//! remembers goes into a journal in its state directory, and who did what into `audit.jsonl` beside it.
//!
//! | part | what it is for |
//! |---|---|
//! | [`Rollouts`] | the thread, and what a service asks of it |
//! | `controller` | what it does each second |
//! | `journal`, `audit` | what outlives the process |
//! | [`Order`], [`ask`], [`kill`] | what people ask through the overlay, from any process |
//! | [`Status`], [`Event`] | what it says |
//!
//! Each of these comes with the feature of its name, and is asked for at the builder:
//!
//! | feature | call | what it is for |
//! |---|---|---|
//! | `probes` | `probe` | asks something again and again; while it fails, nothing is raised |
//! | `webhook` | `webhook` | posts each event, signed |
//! | `metrics` | `measure` | figures for the recorder of the crate `metrics` |
//! | `tracing` | `log` | lines for the subscriber of the crate `tracing` |
//!
//! # In which order
//!
//! In each look all ramps first take their step, and what is lowered is lowered in the handle: nothing that can fail or
//! wait comes before. Then the decisions are brought to the disk; then the overlay is written; and only what is in both
//! is raised. So neither a full disk nor a process that dies at any moment raises anything, and lowering needs neither.
//!
//! The handle enrols no more than the controller's [limit](fader::RampControl::limit), whatever the overlay says.

mod audit;
mod controller;
mod error;
mod event;
mod journal;
#[cfg(feature = "tracing")]
mod log;
#[cfg(feature = "metrics")]
mod measure;
mod order;
#[cfg(feature = "probes")]
mod probe;
mod rollouts;
mod settings;
mod signals;
mod status;
#[cfg(test)]
mod tests;
#[cfg(feature = "webhook")]
mod webhook;

pub use audit::AuditLine;
pub use error::{Refused, StartError};
pub use event::{Event, What};
pub use order::{InvalidOrder, Order, answer, ask, kill, unkill};
#[cfg(feature = "probes")]
pub use probe::{Probe, ProbeFailure};
pub use rollouts::{Rollouts, RolloutsBuilder};
pub use status::{RampStatus, Status};
#[cfg(feature = "webhook")]
pub use webhook::Webhook;
