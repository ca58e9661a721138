//! What happens to a handle, for logs and metrics.
//!
//! Each function takes a handle, whatever its providers are, and tells of it until its last clone is dropped. Nothing is
//! told of a request or of who made one: an attribute never stands in a line or a label.
//!
//! | feature | gives | goes to |
//! |---|---|---|
//! | `tracing` | `log` | the subscriber of the crate `tracing` |
//! | `metrics` | `measure` | the recorder of the crate `metrics` |

#[cfg(feature = "tracing")]
mod log;
#[cfg(feature = "metrics")]
mod measure;

#[cfg(feature = "tracing")]
pub use log::log;
#[cfg(feature = "metrics")]
pub use measure::measure;
