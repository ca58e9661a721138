//! Who runs the staged ramps of a handle: without anybody they enrol nobody.

use std::collections::BTreeMap;

use super::flags::{Flags, WeakFlags};
use crate::observe::Hooks;
use crate::percent::Percent;

impl Flags {
    /// Lets staged ramps follow the percents of the overlay, for as long as what is returned lives: this is for whoever
    /// runs them. Without it a staged ramp enrols nobody, whatever the overlay says; with it, and no percent in the
    /// overlay, neither.
    pub fn control_ramps(&self) -> RampControl {
        self.hook(Hooks::add_controller);
        RampControl {
            flags: self.downgrade(),
        }
    }

    /// Does what [`control_ramps`](Self::control_ramps) does within [limits](RampControl::limit) that hold from its first
    /// moment on.
    pub fn control_ramps_within(&self, limits: impl IntoIterator<Item = RampLimit>) -> RampControl {
        let limits = by_flag(limits);
        self.hook(|hooks| {
            hooks.add_controller();
            hooks.limit(limits);
        });
        RampControl {
            flags: self.downgrade(),
        }
    }
}

/// Lets the staged ramps of a handle follow its overlay until it is dropped, see [`Flags::control_ramps`].
#[derive(Debug)]
#[must_use]
pub struct RampControl {
    flags: WeakFlags,
}

impl RampControl {
    /// Gives the present moment a number: units of work that begin from now on have it, so that a sink can file them
    /// under the tick in which they began, see [`DrawnFlag::tick`](crate::DrawnFlag::tick). Default: 0.
    ///
    /// It is one store; a unit of work that begins at this very moment may be of either tick. Several controllers of one
    /// handle share the number.
    pub fn begin_tick(&self, tick: u32) {
        if let Some(flags) = self.flags.upgrade() {
            flags.begin_tick(tick);
        }
    }

    /// Sets the most that staged ramps may enrol, in place of the limits before: whatever an overlay says, a ramp enrols
    /// no more. So an overlay that is older than what was decided last, or edited by hand, raises nothing. A ramp that is
    /// not named enrols nobody. Until this is called there are no limits; they end with the last controller of the handle.
    pub fn limit(&self, limits: impl IntoIterator<Item = RampLimit>) {
        let limits = by_flag(limits);
        if let Some(flags) = self.flags.upgrade() {
            flags.hook(move |hooks| hooks.limit(limits));
        }
    }
}

fn by_flag(limits: impl IntoIterator<Item = RampLimit>) -> BTreeMap<String, RampLimit> {
    let limits = limits.into_iter();
    limits.map(|limit| (limit.flag.clone(), limit)).collect()
}

/// The most that a staged ramp may enrol, see [`RampControl::limit`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what an overlay holds of a ramp")]
pub struct RampLimit {
    /// The flag.
    pub flag: String,
    /// The rule's name or place.
    pub rule: String,
    /// The most that may be drawn.
    pub percent: Percent,
    /// How many waves may be open.
    pub waves: u32,
}

impl Drop for RampControl {
    fn drop(&mut self) {
        if let Some(flags) = self.flags.upgrade() {
            flags.hook(Hooks::remove_controller);
        }
    }
}
