//! Ticks that become one stratum.

use std::time::Duration;

use fader::Percent;
use serde::{Deserialize, Serialize};

use super::part;
use crate::counts::Stratum;
use crate::guardrail::Arms;

/// After how long a stratum is complete at the latest.
const LONGEST: Duration = Duration::from_secs(60);

/// How many enrolled requests a stratum should have, on average.
const ENROLLED: f64 = 20.0;

/// Requests of one share that are not judged yet: a realised share needs enough of both arms.
///
/// What ends a stratum are exposures and time alone. If it depended on how requests end, it would be chosen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Merge {
    /// The share in millionths of a percent.
    share: u32,
    since: Duration,
    bad: Arms,
    of: Arms,
}

impl Merge {
    /// Takes a tick of a share, and passes on each stratum that is complete: when it began, its realised share, its bad
    /// requests.
    pub(super) fn take(
        &mut self,
        elapsed: Duration,
        tick: &Stratum,
        mut complete: impl FnMut(Duration, f64, Arms),
    ) {
        if self.share != tick.share.micros() {
            self.close(&mut complete);
        }
        if self.is_empty() {
            (self.share, self.since) = (tick.share.micros(), elapsed);
        }
        add(&mut self.bad, tick.bad);
        add(&mut self.of, tick.of);
        let n = f64::from(self.of.candidate) + f64::from(self.of.stable);
        let share = Percent::from_micros(self.share).map_or(0.0, part);
        if self.of.candidate >= 1 && n * share >= ENROLLED {
            self.close(&mut complete);
        }
    }

    /// Passes on a stratum that has waited for long.
    pub(super) fn close_if_old(
        &mut self,
        elapsed: Duration,
        mut complete: impl FnMut(Duration, f64, Arms),
    ) {
        if !self.is_empty() && elapsed.saturating_sub(self.since) >= LONGEST {
            self.close(&mut complete);
        }
    }

    fn is_empty(&self) -> bool {
        self.of.candidate == 0 && self.of.stable == 0
    }

    fn close(&mut self, complete: &mut impl FnMut(Duration, f64, Arms)) {
        if !self.is_empty() {
            let n = f64::from(self.of.candidate) + f64::from(self.of.stable);
            complete(self.since, f64::from(self.of.candidate) / n, self.bad);
        }
        *self = Self::default();
    }
}

fn add(sum: &mut Arms, more: Arms) {
    sum.candidate = sum.candidate.saturating_add(more.candidate);
    sum.stable = sum.stable.saturating_add(more.stable);
}
