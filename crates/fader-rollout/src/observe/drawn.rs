//! A unit of work that was drawn, as a plain value.

use std::time::Duration;

use fader::{Arm, DrawnFlag};

use super::label::Label;

/// Units that are known for less are left out where only known ones count.
const KNOWN: Duration = Duration::from_secs(600);

/// What is counted of a drawn flag.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drawn {
    pub(crate) label: Label,
    /// The tick in which the unit of work began.
    pub(crate) tick: u32,
    /// A hash of the unit, where that was asked.
    pub(crate) unit: Option<u64>,
    /// Whether the unit is known for ten minutes, or nothing tells for how long.
    pub(crate) known: bool,
}

impl Drawn {
    /// Reads what counts; the unit only where that is asked, since its hash costs more than all else.
    pub(crate) fn new(drawn: &DrawnFlag<'_>, with_unit: bool) -> Self {
        let enrolled = drawn.arm() == Arm::Gray;
        Self {
            label: Label::new(drawn.share(), enrolled, drawn.is_wave()),
            tick: drawn.tick(),
            unit: with_unit.then(|| drawn.unit_hash()).flatten(),
            known: !with_unit || drawn.unit_age().is_none_or(|age| age >= KNOWN),
        }
    }
}
