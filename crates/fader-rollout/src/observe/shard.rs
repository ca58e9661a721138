//! What some threads write, and nobody else but for an instant in each tick.

use std::sync::Arc;

use fader::Outcome;

use super::drawn::Drawn;
use super::hashes::Seeing;
use super::sheet::Sheet;
use super::slot::Slot;
use super::watched::Watched;

/// Places for open ticks: more than can be open at once.
const TICKS: usize = 128;

/// The runs that are watched, by the flag's number.
#[derive(Debug, Default)]
pub(crate) struct Shard(Vec<Option<Book>>);

/// A run, as one shard sees it.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) watched: Arc<Watched>,
    pub(crate) sheet: Box<Sheet>,
    pub(crate) traffic: Traffic,
    /// By the tick modulo 128; empty without a guardrail of latency whose limit is known.
    open: Box<[Option<Box<Slot>>]>,
}

/// How requests come and go, whatever becomes of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// Since the last tick.
    pub(crate) began: u64,
    /// Since the last tick.
    pub(crate) ended: u64,
    /// Of the candidate: began, less ended, since the beginning.
    pub(crate) running: i64,
}

impl Traffic {
    /// Adds what another shard has counted since the last tick, and has it count anew.
    pub(crate) fn take(&mut self, other: &mut Self) {
        self.began += std::mem::take(&mut other.began);
        self.ended += std::mem::take(&mut other.ended);
        self.running += other.running;
    }
}

impl Shard {
    pub(crate) fn watch(&mut self, flag: u32, watched: &Arc<Watched>) {
        let at = flag as usize;
        if self.0.len() <= at {
            self.0.resize_with(at + 1, || None);
        }
        if let Some(book) = self.0.get_mut(at) {
            *book = Some(Book::new(watched));
        }
    }

    pub(crate) fn forget(&mut self, flag: u32) {
        if let Some(book) = self.0.get_mut(flag as usize) {
            *book = None;
        }
    }

    pub(crate) fn book(&mut self, flag: u32) -> Option<&mut Book> {
        self.0.get_mut(flag as usize)?.as_mut()
    }
}

impl Book {
    fn new(watched: &Arc<Watched>) -> Self {
        Self {
            watched: Arc::clone(watched),
            sheet: Box::new(Sheet::new(watched)),
            traffic: Traffic::default(),
            open: (0..TICKS).map(|_| None).collect(),
        }
    }

    pub(crate) fn began(&mut self, drawn: &Drawn) {
        self.traffic.began += 1;
        if drawn.tick < self.watched.since {
            return;
        }
        self.traffic.running += i64::from(drawn.label.is_enrolled());
        let who = self.watched.who(drawn);
        if let (Some(unit), Some(_)) = (drawn.unit, who) {
            let seeing = Seeing::of(unit);
            let enrolled = drawn.label.is_enrolled();
            self.watched.units.see(enrolled, seeing);
            if seeing.is_checked() {
                self.sheet.exposed(drawn.label, unit);
            }
        }
        let slot = slot(&mut self.open, drawn.tick);
        if let (Some(who), Some(slot)) = (who, slot) {
            slot.began(&self.watched, drawn.label, who);
        }
    }

    pub(crate) fn ended(&mut self, drawn: &Drawn, how: Outcome) {
        self.traffic.ended += 1;
        if drawn.tick < self.watched.since {
            return;
        }
        self.traffic.running -= i64::from(drawn.label.is_enrolled());
        let who = self.watched.who(drawn);
        self.sheet.ended(&self.watched, drawn, who, how);
        let slot = slot(&mut self.open, drawn.tick);
        if let (Some(who), Some(slot)) = (who, slot) {
            slot.ended(&self.watched, drawn.label, who, how);
        }
    }

    pub(crate) fn reported(&mut self, drawn: &Drawn, event: &str) {
        if drawn.tick < self.watched.since {
            return;
        }
        if let Some(who) = self.watched.who(drawn) {
            self.sheet.reported(&self.watched, drawn.label, who, event);
        }
    }

    /// Takes an event that was expected, and has come or has not.
    pub(crate) fn due(&mut self, drawn: &Drawn, event: &str, has_come: bool) {
        if drawn.tick < self.watched.since {
            return;
        }
        if let Some(who) = self.watched.who(drawn) {
            self.sheet
                .due(&self.watched, drawn.label, who, event, has_come);
        }
    }

    /// Opens a tick.
    pub(crate) fn put(&mut self, slot: Box<Slot>) {
        if let Some(place) = self.open.get_mut(slot.tick as usize % TICKS) {
            *place = Some(slot);
        }
    }

    /// Closes a tick. What belongs to it and comes later changes nothing any more.
    pub(crate) fn take(&mut self, tick: u32) -> Option<Box<Slot>> {
        self.open.get_mut(tick as usize % TICKS)?.take()
    }
}

fn slot(open: &mut [Option<Box<Slot>>], tick: u32) -> Option<&mut Slot> {
    let slot = open.get_mut(tick as usize % TICKS)?.as_mut()?;
    (slot.tick == tick).then_some(slot)
}
