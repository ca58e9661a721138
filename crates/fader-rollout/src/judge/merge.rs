//! Ticks that become one stratum.

use std::time::Duration;

use fader::Percent;
use serde::{Deserialize, Serialize};

use super::part;
use crate::counts::Stratum;
use crate::guardrail::Arms;

/// After how long a stratum is complete at the latest.
const LONGEST: Duration = Duration::from_secs(60);

/// How many enrolled requests a stratum should have, on average: more is seen later, and fewer make most strata empty on one
/// side.
pub(crate) const ENROLLED: f64 = 8.0;

/// Requests that are not judged yet, by share: a realised share needs enough of both arms.
///
/// What ends a stratum are its requests and time alone. If it depended on how requests end, it would be chosen; so the
/// end of a share ends none either, since whoever sets it may have looked at how they ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Merge(Vec<Open>);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Open {
    /// The share in millionths of a percent.
    share: u32,
    since: Duration,
    bad: Arms,
    of: Arms,
}

impl Merge {
    /// Takes a tick of a share, and passes on the stratum if it is complete: when it began, its realised share, its bad
    /// requests.
    pub(super) fn take(
        &mut self,
        elapsed: Duration,
        tick: &Stratum,
        complete: impl FnOnce(Duration, f64, Arms),
    ) {
        if tick.of == Arms::default() {
            return;
        }
        let share = tick.share.micros();
        let mut open = match self.0.iter().position(|open| open.share == share) {
            Some(at) => self.0.swap_remove(at),
            None => Open {
                share,
                since: elapsed,
                bad: Arms::default(),
                of: Arms::default(),
            },
        };
        open.bad = open.bad + tick.bad;
        open.of = open.of + tick.of;
        if open.is_full() {
            open.close(complete);
        } else {
            self.0.push(open);
        }
    }

    /// Passes on the strata that have waited for long.
    pub(super) fn close_if_old(
        &mut self,
        elapsed: Duration,
        mut complete: impl FnMut(Duration, f64, Arms),
    ) {
        self.0.retain(|open| {
            let waits = elapsed.saturating_sub(open.since) < LONGEST;
            if !waits {
                open.close(&mut complete);
            }
            waits
        });
    }
}

impl Open {
    fn all(&self) -> f64 {
        f64::from(self.of.candidate) + f64::from(self.of.stable)
    }

    fn is_full(&self) -> bool {
        let share = Percent::from_micros(self.share).map_or(0.0, part);
        self.of.candidate >= 1 && self.all() * share >= ENROLLED
    }

    fn close(&self, complete: impl FnOnce(Duration, f64, Arms)) {
        complete(
            self.since,
            f64::from(self.of.candidate) / self.all(),
            self.bad,
        );
    }
}
