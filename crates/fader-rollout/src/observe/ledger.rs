//! Which units have requests that are still running, in a fixed space.
//!
//! A request is added when it begins and taken away when it ends, maybe on another thread; ledgers of several threads
//! add up. What is left is still running. A cell holds the number of its requests, the sum of what they are, and the
//! sum of a check; when all of them are of one unit, drawn alike, the sum divides into it. It is a table of one hash of an invertible
//! Bloom look-up table (Goodrich & Mitzenmacher 2011) at 20 levels: half of the units have their cell in the first, a
//! quarter in the second, and so on, so that however many hang, some are alone in their cell.
//!
//! Whether a unit is told so depends on other units that hang, never on its arm. For those that ended too late to be
//! treated alike, they count only where no *other* unit hangs in their cell: [`Running::counts`].

use super::hashes::Keeping;
use super::label::Label;

const LEVELS: u32 = 20;
const CELLS: usize = 16;

/// Requests that began and have not ended.
#[derive(Clone, Debug)]
pub(crate) struct Ledger(Box<[Cell]>);

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Cell {
    /// Label and unit, 93 bits: the sum of 2³¹ of them fits.
    sum: i128,
    check: u32,
    requests: i32,
}

/// What the cell of a unit tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Running {
    Nobody,
    /// One unit, drawn so.
    One(u64, Label),
    Several,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self(vec![Cell::default(); LEVELS as usize * CELLS].into())
    }

    /// Adds a request of a unit.
    pub(crate) fn began(&mut self, unit: u64, label: Label) {
        self.add(unit, label, true);
    }

    /// Takes one away.
    pub(crate) fn ended(&mut self, unit: u64, label: Label) {
        self.add(unit, label, false);
    }

    #[inline]
    fn add(&mut self, unit: u64, label: Label, begins: bool) {
        let keeping = Keeping::of(unit);
        if let Some(cell) = self.0.get_mut(place(keeping)) {
            let what = i128::from(label.bits()) << 64 | i128::from(unit);
            let check = keeping.check(label.bits());
            cell.add(&if begins {
                Cell {
                    sum: what,
                    check,
                    requests: 1,
                }
            } else {
                Cell {
                    sum: -what,
                    check: check.wrapping_neg(),
                    requests: -1,
                }
            });
        }
    }

    /// Adds another ledger of the same time.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (cell, other) in self.0.iter_mut().zip(&other.0) {
            cell.add(other);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0.fill(Cell::default());
    }

    /// Returns the units that run alone in their cell, and how they were drawn.
    pub(crate) fn running(&self) -> impl Iterator<Item = (u64, Label)> + '_ {
        self.0
            .iter()
            .enumerate()
            .filter_map(|(at, cell)| match cell.running(at) {
                Running::One(unit, label) => Some((unit, label)),
                Running::Nobody | Running::Several => None,
            })
    }

    /// Tells whether no other unit runs in the cell of this one.
    pub(crate) fn is_alone(&self, unit: u64) -> bool {
        let at = place(Keeping::of(unit));
        match self.0.get(at).map(|cell| cell.running(at)) {
            Some(Running::One(running, _)) => running == unit,
            Some(Running::Several) => false,
            Some(Running::Nobody) | None => true,
        }
    }
}

impl Cell {
    fn add(&mut self, other: &Self) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.check = self.check.wrapping_add(other.check);
        self.requests = self.requests.wrapping_add(other.requests);
    }

    fn running(&self, at: usize) -> Running {
        if *self == Self::default() {
            return Running::Nobody;
        }
        self.one(at).unwrap_or(Running::Several)
    }

    fn one(&self, at: usize) -> Option<Running> {
        let many = i128::from(self.requests);
        if many <= 0 || self.sum % many != 0 {
            return None;
        }
        let what = u128::try_from(self.sum / many).ok()?;
        #[expect(clippy::cast_possible_truncation, reason = "the lower of two words")]
        let unit = what as u64;
        let label = Label::of_bits(u32::try_from(what >> 64).ok()?)?;
        let keeping = Keeping::of(unit);
        let check = keeping
            .check(label.bits())
            .wrapping_mul(self.requests.cast_unsigned());
        (check == self.check && place(keeping) == at).then_some(Running::One(unit, label))
    }
}

fn place(keeping: Keeping) -> usize {
    let level = keeping.level().min(LEVELS - 1);
    level as usize * CELLS + keeping.place(CELLS)
}
