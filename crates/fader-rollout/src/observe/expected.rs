//! Events that should follow a unit of work, such as an order that is paid within ten minutes.
//!
//! Each counts when its time is over, under the share that its request was drawn under: as bad where it has not come. What
//! has come counts no sooner, or a candidate would look well for as long as nothing is due.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::drawn::Drawn;
use super::hashes::Keeping;

/// How many events may be waited for.
const ROOM: usize = 65_536;

/// An event that is expected: see [`Observer::expect`](super::Observer::expect).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Expected(Key);

/// The tick at whose end it is missing, and a number.
type Key = (u32, u64);

/// What counts when the time of an event is over.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) has_come: bool,
    pub(crate) event: Arc<str>,
    /// By the flag's number.
    pub(crate) drawn: Vec<(u32, Drawn)>,
    chance: Keeping,
}

/// The events that are waited for.
#[derive(Debug, Default)]
pub(crate) struct Expecting {
    pending: BTreeMap<Key, Due>,
    /// How many there ever were.
    count: u64,
    /// Of 2 to the power of it, one is kept.
    level: u32,
}

impl Expecting {
    /// Waits for an event up to a tick, unless nobody wants to know or a hash leaves it out.
    pub(crate) fn add(&mut self, event: &str, drawn: Vec<(u32, Drawn)>, due: u32) -> Expected {
        self.count = self.count.wrapping_add(1);
        let number = self.count;
        let unit = drawn.iter().find_map(|(_, drawn)| drawn.unit);
        let chance = Keeping::of(unit.unwrap_or(number));
        let key = (due, number);
        if !drawn.is_empty() && chance.level() >= self.level {
            let due = Due {
                has_come: false,
                event: event.into(),
                drawn,
                chance,
            };
            self.pending.insert(key, due);
        }
        if self.pending.len() > ROOM {
            self.level = self.level.saturating_add(1);
            let level = self.level;
            self.pending.retain(|_, due| due.chance.level() >= level);
        }
        Expected(key)
    }

    /// Notes that an event has come.
    pub(crate) fn meet(&mut self, expected: Expected) {
        if let Some(due) = self.pending.get_mut(&expected.0) {
            due.has_come = true;
        }
    }

    /// Returns those whose time is over at the end of a tick.
    pub(crate) fn take_due(&mut self, tick: u32) -> Vec<Due> {
        let later = self.pending.split_off(&(tick.saturating_add(1), 0));
        let due = std::mem::replace(&mut self.pending, later);
        if self.pending.len() < ROOM / 4 {
            self.level = self.level.saturating_sub(1);
        }
        due.into_values().collect()
    }
}
