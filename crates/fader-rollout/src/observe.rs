//! What requests do, counted.
//!
//! An [`Observer`] hangs on a handle and is told of each request that was drawn for a flag. Once a tick, usually a
//! second, a [`Collector`] takes from it what was counted, as [`Counts`](crate::Counts) for each run, and a
//! [`Judge`](crate::judge::Judge) judges them.
//!
//! # What counts
//!
//! Only what was drawn: who was forced, decided by an earlier rule, killed, capped, or first read after the end is in
//! neither arm. A request counts once, and under the share that it was drawn under, whatever is live when it ends.
//!
//! | guardrail | of | bad | in the tick in which it |
//! |---|---|---|---|
//! | `errors` | what was not dropped | server errors, panics, time-outs | ended |
//! | `client_errors` | what was not dropped | statuses of 4xx | ended |
//! | `custom:NAME` | all | what reported the event | ended |
//! | the same, of an event that is [expected](Observer::expect) | all of which it was | those that it did not follow in time | was over, the time for it |
//! | `latency_…` | successes, and what still runs | slower than its arm's limit | began |
//!
//! - *By unit*, a unit is bad at its first bad event of the run, and is out for the rest of it, for that guardrail, in
//!   both arms. Of shares in one tick the lower one has it. Where only known units count, those whose age is told and
//!   below ten minutes are left out.
//! - *By unit, the candidate alone* (`below`): a unit is bad once a tick at the most, among all requests, and only while
//!   `min_bad_units` units are bad within a minute (60 ticks). So users for whom everything fails count for as long as it
//!   does, and a few clients that hammer roll nothing back. Of a user with many requests a second, those for whom all
//!   fail weigh less than their part.
//! - *By request*, each bad request counts.
//! - An absolute guardrail asks the candidate alone. Requests that a wave enrolled count for such guardrails alone, in
//!   strata of their own, and in no check of the assignment.
//!
//! # Latency
//!
//! A tick is told when each request that began in it is past its limit; what runs then is slow, and its end changes
//! nothing any more. Before, nothing of it is told: the slow requests of one arm may end long before those of the other
//! and would be seen first. What failed, or what the client did wrong, is left out. What the client dropped is slow if
//! it had waited for longer than the limit, and else left out. A limit above 60 s is not judged: its guardrail has no data.
//!
//! # What has no room
//!
//! All memory is taken when a run begins, or by the collector, so that recording allocates nothing. What does not fit is
//! left out by a hash of the unit, which tells nothing of arm, outcome or order; so given what was kept, a bad unit is
//! still in the candidate with the probability of its share. (To keep what comes first would favour the arm that fails
//! faster.)
//!
//! - A shard has room for 512 bad units a tick, and 256 slow ones. When it is full, half of the units go, by their hash,
//!   and from then on half of them have room; in all shards alike.
//! - Which units hang is read from a table in which those that began and ended cancel out. Of one or two it names both as
//!   a rule, of 30 about 17, of any number above about 20 in each tick. A slow unit counts if no *other* unit hangs in its
//!   cell, whether it hangs or ended too late: so one arm may hang and the other be slow, and both count alike.
//! - A run remembers 65,536 spent units for each guardrail. One more, or more than a fifth of all units (and more than
//!   100), and a guardrail that compares is exhausted: it counts nothing more. The tick in which that happens still
//!   counts. One that asks the candidate alone never is.
//! - The assignment is checked on one unit in 64, and on 65,536 at most.
//!
//! # Cost
//!
//! Threads share 2 shards for each processor, 32 at most, each with a lock that is held for nanoseconds. A request's
//! beginning takes 42 ns and its end 48 ns, with one relative latency and two guardrails of errors, by unit, the hash of
//! the unit included (36 ns and 34 ns by request; a slow or failed end by unit 50 to 52 ns); with one thread or with eight
//! on two processors (release build, median of rounds of 500, x86-64 server, November 2026; the example `recording`
//! measures it). A run takes 32 KiB, and for each shard 25 KiB; with a guardrail of latency 14 KiB more, and 20 KiB for
//! each second of its limit and four more.
//!
//! Durations are kept in a histogram (`hdrhistogram`: a fixed array from 10 µs to 1 h, within 1 %). It records in some
//! nanoseconds without allocation, and those of the shards add up exactly, which sketches that compress while they
//! record (t-digest, KLL) do not.

mod batch;
mod collector;
mod drawn;
mod expected;
mod hashes;
mod label;
mod lanes;
mod ledger;
mod memory;
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
pub use expected::Expected;
pub use memory::Memory;
pub use observer::Observer;
pub(crate) use watched::LONGEST;
#[cfg(feature = "simulate")]
pub(crate) use {
    batch::Batch, hashes::Seeing, label::Label, lanes::Lanes, sample::Event, slot::Closed,
    tally::Tally, watched::Watched,
};
