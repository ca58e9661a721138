//! What requests do, counted.
mod batch;
mod collector;
mod drawn;
mod hashes;
mod label;
mod lanes;
mod ledger;
mod observer;
mod sample;
mod shard;
mod sheet;
mod slot;
mod tally;
#[cfg(test)]
mod tests;
mod units;
mod watched;

pub use collector::{Collected, Collector};
pub use observer::Observer;
