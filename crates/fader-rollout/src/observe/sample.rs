//! Units, as many as fit, chosen by a hash.
//!
//! What is told of units between two collections has room for so many. When it is full, those of the lowest level go:
//! one in 2ⁿ units has level n or more, by a hash that knows neither arms nor outcomes nor the order in which they
//! came. So what stays are all told of units from some level up, in both arms alike, and the test stays valid: which
//! arm a unit is in tells nothing of whether it is kept. (To keep the first that come would favour the arm whose bad
//! requests end sooner.) Equal entries are one, so a client that hammers takes one place.

use super::hashes::Keeping;
use super::label::Label;

/// Something that a unit did or met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) unit: u64,
    pub(crate) label: Label,
    /// The guardrails for which it is bad, a bit for each.
    pub(crate) bits: u64,
}

impl Event {
    /// Whether the unit is in a sample of this level.
    pub(crate) fn is_at(&self, level: u32) -> bool {
        Keeping::of(self.unit).level() >= level
    }
}

/// Events of units from some level up.
#[derive(Debug)]
pub(crate) struct Sample {
    events: Vec<Event>,
    capacity: usize,
    /// Where in `events` a unit stands, by its hash, one-based; four places for each event, so that few collide.
    index: Box<[u16]>,
    level: u32,
}

impl Sample {
    /// Makes one for so many events, a power of two up to 2¹⁴.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            events: Vec::with_capacity(capacity),
            capacity,
            index: vec![0; capacity * 4].into(),
            level: 0,
        }
    }

    pub(crate) fn level(&self) -> u32 {
        self.level
    }

    pub(crate) fn events(&self) -> &[Event] {
        &self.events
    }

    /// Takes an event. It allocates nothing.
    pub(crate) fn insert(&mut self, event: Event) {
        if event.is_at(self.level) && self.place(event) && self.events.len() == self.capacity {
            self.thin();
        }
    }

    pub(crate) fn clear(&mut self) {
        if !self.events.is_empty() {
            self.events.clear();
            self.index.fill(0);
        }
        self.level = 0;
    }

    /// Joins the event with an equal one, or adds it and returns true.
    fn place(&mut self, event: Event) -> bool {
        let mask = self.index.len() - 1;
        let mut at = home(event.unit, mask);
        loop {
            let Some(place) = self.index.get_mut(at) else {
                return false;
            };
            let Some(known) = usize::from(*place).checked_sub(1) else {
                self.events.push(event);
                *place = u16::try_from(self.events.len()).unwrap_or(0);
                return true;
            };
            match self.events.get_mut(known) {
                Some(same) if (same.unit, same.label) == (event.unit, event.label) => {
                    same.bits |= event.bits;
                    return false;
                }
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// Raises the level until there is room.
    fn thin(&mut self) {
        while self.events.len() == self.capacity {
            self.level += 1;
            let level = self.level;
            self.events.retain(|event| event.is_at(level));
        }
        self.index.fill(0);
        for (at, event) in self.events.iter().enumerate() {
            let mask = self.index.len() - 1;
            let free = (0..=mask)
                .map(|step| home(event.unit, mask).wrapping_add(step) & mask)
                .find(|&place| self.index.get(place) == Some(&0));
            if let Some(place) = free.and_then(|place| self.index.get_mut(place)) {
                *place = u16::try_from(at + 1).unwrap_or(0);
            }
        }
    }
}

/// Where a unit stands if it is alone. XXH3 spreads its bits well, and no choice is made from these.
#[expect(
    clippy::cast_possible_truncation,
    reason = "any bits of a hash will do"
)]
fn home(unit: u64, mask: usize) -> usize {
    unit as usize & mask
}
