//! What runs the ramps of a process: a thread of its own that looks each second.
mod event;
mod order;
mod status;

pub use event::{Event, What};
pub use order::{InvalidOrder, Order, answer, ask, kill, unkill};
pub use status::{RampStatus, Status};
