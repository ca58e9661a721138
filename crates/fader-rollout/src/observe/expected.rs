//! Events that should follow a unit of work, such as an order that is paid within ten minutes.
//!
//! One that does not come is bad, and counts when its time is over, under the share that its request was drawn under.
//! What still is to come is kept here, for both arms alike, and only as long as it is waited for.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::drawn::Drawn;
use super::hashes::Keeping;

/// How many events may be waited for.
const ROOM: usize = 65_536;

/// An event that is expected: see [`Observer::expect`](super::Observer::expect).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Expected {
    /// The tick at whose end it is missing.
    due: u32,
    number: u64,
}

/// What counts if an event does not come.
#[derive(Debug)]
pub(crate) struct Missing {
    pub(crate) event: Arc<str>,
    /// By the flag's number.
    pub(crate) drawn: Vec<(u32, Drawn)>,
    chance: Keeping,
}

/// The events that are waited for.
#[derive(Debug, Default)]
pub(crate) struct Expecting {
    pending: BTreeMap<Expected, Missing>,
    /// How many there ever were.
    count: u64,
    /// Of so many times two, one is kept.
    level: u32,
}

impl Expecting {
    /// Waits for an event up to a tick, unless nobody wants to know or a hash leaves it out.
    pub(crate) fn add(&mut self, event: &str, drawn: Vec<(u32, Drawn)>, due: u32) -> Expected {
        self.count = self.count.wrapping_add(1);
        let number = self.count;
        let unit = drawn.iter().find_map(|(_, drawn)| drawn.unit);
        let chance = Keeping::of(unit.unwrap_or(number));
        let expected = Expected { due, number };
        if !drawn.is_empty() && chance.level() >= self.level {
            let missing = Missing {
                event: event.into(),
                drawn,
                chance,
            };
            self.pending.insert(expected, missing);
        }
        if self.pending.len() > ROOM {
            self.level = self.level.saturating_add(1);
            let level = self.level;
            self.pending
                .retain(|_, missing| missing.chance.level() >= level);
        }
        expected
    }

    /// Forgets an event that has come.
    pub(crate) fn meet(&mut self, expected: Expected) {
        self.pending.remove(&expected);
    }

    /// Returns those that have not come up to the end of a tick.
    pub(crate) fn take_missing(&mut self, tick: u32) -> Vec<Missing> {
        let later = self.pending.split_off(&Expected {
            due: tick.saturating_add(1),
            number: 0,
        });
        let missing = std::mem::replace(&mut self.pending, later);
        if self.pending.len() < ROOM / 4 {
            self.level = self.level.saturating_sub(1);
        }
        missing.into_values().collect()
    }
}
