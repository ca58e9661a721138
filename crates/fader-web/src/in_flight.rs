//! Requests in flight by arm, so that an arm can be drained.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fader::{Event, Flags, Subscription};
use tokio::sync::watch;

/// The requests that a service has in flight, by the arms that they have entered.
///
/// A request counts on an arm from when it enters it (with an adapter's `gray` and its like, or
/// [`PinnedScope::enter`](crate::PinnedScope::enter)) until its handler is done and the last clone of its scope is gone;
/// so a WebSocket counts for as long as its task keeps the scope. A clone is another reference to the same counts.
#[derive(Clone)]
pub struct InFlight(Arc<Counts>);

struct Counts {
    arms: boxcar::Vec<ArmCount>,
    /// How many drains are going on.
    draining: AtomicUsize,
    draining_all: AtomicUsize,
    /// Woken when scopes may have to retire.
    changes: Arc<watch::Sender<()>>,
    /// Woken while something drains, when a request leaves an arm.
    left: watch::Sender<()>,
    _swaps: Subscription,
}

/// An arm that was entered. Where two threads enter it for the first time at once, there are two of it.
struct ArmCount {
    flag: Box<str>,
    /// Empty where the flag served the default of the code.
    variant: Box<str>,
    requests: AtomicUsize,
    draining: AtomicUsize,
}

impl InFlight {
    pub(crate) fn new(flags: &Flags) -> Self {
        let changes = Arc::new(watch::Sender::new(()));
        let swaps = flags.subscribe({
            let changes = Arc::clone(&changes);
            move |event| {
                if let Event::Loaded(_) | Event::Overlaid(_) | Event::RolledBack(_) = event {
                    changes.send_replace(());
                }
            }
        });
        Self(Arc::new(Counts {
            arms: boxcar::Vec::new(),
            draining: AtomicUsize::new(0),
            draining_all: AtomicUsize::new(0),
            changes,
            left: watch::Sender::new(()),
            _swaps: swaps,
        }))
    }

    /// Returns how many requests are in flight on an arm: a flag and one of its variants, the empty name for the
    /// default of the code.
    #[must_use]
    pub fn count(&self, flag: &str, variant: &str) -> usize {
        let arms = self.matching(Some((flag, variant)));
        arms.map(|arm| arm.requests.load(Ordering::SeqCst)).sum()
    }

    /// Returns every arm that a request ever entered, flag, variant and requests in flight, in the order of their first
    /// requests.
    #[must_use]
    pub fn arms(&self) -> Vec<(String, String, usize)> {
        let mut arms: Vec<(String, String, usize)> = Vec::new();
        for (_, arm) in &self.0.arms {
            let requests = arm.requests.load(Ordering::SeqCst);
            let known = arms
                .iter_mut()
                .find(|(flag, variant, _)| **flag == *arm.flag && **variant == *arm.variant);
            match known {
                Some((_, _, count)) => *count += requests,
                None => arms.push((arm.flag.to_string(), arm.variant.to_string(), requests)),
            }
        }
        arms
    }

    /// Drains an arm: scopes that entered it retire, see [`PinnedScope::retired`](crate::PinnedScope::retired), and it is
    /// waited until none is in flight, but no longer than `deadline`. Returns how many are left, 0 where all are done.
    ///
    /// It keeps no new request from the arm: change the document first. Meanwhile [`is_draining`](Self::is_draining) is
    /// true; dropping the future ends it. It needs a tokio runtime with its timer.
    pub async fn drain(&self, flag: &str, variant: &str, deadline: Duration) -> usize {
        let draining = Draining::new(self, Some((flag, variant)));
        draining.wait(deadline).await
    }

    /// Drains every arm: for a service that is about to stop. Unless the future is dropped before,
    /// [`is_draining`](Self::is_draining) stays true from then on, so that no balancer sends new requests.
    pub async fn drain_all(&self, deadline: Duration) -> usize {
        let mut draining = Draining::new(self, None);
        let left = draining.wait(deadline).await;
        draining.is_for_good = true;
        left
    }

    fn left(&self, arm: Option<(&str, &str)>) -> usize {
        let arms = self.matching(arm);
        arms.map(|arm| arm.requests.load(Ordering::SeqCst)).sum()
    }

    /// Tells whether something drains: what a readiness probe answers with 503.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::SeqCst) > 0
    }

    fn matching<'a>(
        &'a self,
        arm: Option<(&'a str, &'a str)>,
    ) -> impl Iterator<Item = &'a ArmCount> {
        let arms = self.0.arms.iter().map(|(_, arm)| arm);
        arms.filter(move |known| arm.is_none_or(|(flag, variant)| known.is(flag, variant)))
    }

    /// Returns the number of an arm, a new one where it was never entered.
    fn number(&self, flag: &str, variant: &str) -> usize {
        let known = self.0.arms.iter().find(|(_, arm)| arm.is(flag, variant));
        known.map_or_else(
            || {
                self.0.arms.push(ArmCount {
                    flag: flag.into(),
                    variant: variant.into(),
                    requests: AtomicUsize::new(0),
                    draining: AtomicUsize::new(0),
                })
            },
            |(number, _)| number,
        )
    }

    fn leave(&self, number: usize) {
        if let Some(arm) = self.0.arms.get(number) {
            arm.requests.fetch_sub(1, Ordering::SeqCst);
        }
        if self.is_draining() {
            self.0.left.send_replace(());
        }
    }
}

impl ArmCount {
    fn is(&self, flag: &str, variant: &str) -> bool {
        *self.flag == *flag && *self.variant == *variant
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight")
            .field("arms", &self.arms())
            .field("draining", &self.is_draining())
            .finish()
    }
}

/// An arm that drains, or all of them, until this is dropped.
struct Draining<'a> {
    in_flight: &'a InFlight,
    /// None for all.
    arm: Option<usize>,
    name: Option<(&'a str, &'a str)>,
    /// Whether it goes on when this is dropped.
    is_for_good: bool,
}

impl<'a> Draining<'a> {
    fn new(in_flight: &'a InFlight, name: Option<(&'a str, &'a str)>) -> Self {
        let draining = Self {
            in_flight,
            // One that was never entered is noted, so that a request which enters it meanwhile is drained too.
            arm: name.map(|(flag, variant)| in_flight.number(flag, variant)),
            name,
            is_for_good: false,
        };
        draining.each(|count| {
            count.fetch_add(1, Ordering::SeqCst);
        });
        in_flight.0.changes.send_replace(());
        draining
    }

    /// Waits until none is left, but no longer than `deadline`. Returns how many are left.
    async fn wait(&self, deadline: Duration) -> usize {
        let mut left = self.in_flight.0.left.subscribe();
        let is_idle =
            async { while self.in_flight.left(self.name) > 0 && left.changed().await.is_ok() {} };
        let _ = tokio::time::timeout(deadline, is_idle).await;
        self.in_flight.left(self.name)
    }

    fn each(&self, change: impl Fn(&AtomicUsize)) {
        let counts = &self.in_flight.0;
        change(&counts.draining);
        match self.arm {
            None => change(&counts.draining_all),
            Some(number) => {
                if let Some(arm) = counts.arms.get(number) {
                    change(&arm.draining);
                }
            }
        }
    }
}

impl Drop for Draining<'_> {
    fn drop(&mut self) {
        if !self.is_for_good {
            self.each(|count| {
                count.fetch_sub(1, Ordering::SeqCst);
            });
        }
    }
}

/// The arms that one request has entered. It leaves them when this is dropped.
pub(crate) struct Entered {
    in_flight: InFlight,
    arms: Arms,
}

/// Numbers of arms, one above, and 0 for none.
#[derive(Default)]
struct Arms {
    few: [AtomicU32; 4],
    more: OnceLock<Box<Self>>,
}

impl Arms {
    fn each(&self) -> impl Iterator<Item = &AtomicU32> {
        std::iter::successors(Some(self), |arms| arms.more.get().map(|more| &**more))
            .flat_map(|arms| &arms.few)
    }

    /// Adds an arm, unless it is there.
    fn add(&self, arm: u32) -> bool {
        for place in &self.few {
            match place.compare_exchange(0, arm, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(known) if known == arm => return false,
                Err(_) => {}
            }
        }
        self.more.get_or_init(Box::default).add(arm)
    }
}

impl Entered {
    pub(crate) fn new(in_flight: &InFlight) -> Self {
        Self {
            in_flight: in_flight.clone(),
            arms: Arms::default(),
        }
    }

    pub(crate) fn enter(&self, flag: &str, variant: &str) {
        let number = self.in_flight.number(flag, variant);
        let Some(arm) = number
            .checked_add(1)
            .and_then(|arm| u32::try_from(arm).ok())
        else {
            return;
        };
        // Counted before it can be left.
        if let Some(count) = self.in_flight.0.arms.get(number) {
            count.requests.fetch_add(1, Ordering::SeqCst);
            if !self.arms.add(arm) {
                self.in_flight.leave(number);
            } else if self.in_flight.is_draining() {
                // Whoever waits to be retired may have to be by now.
                self.in_flight.0.changes.send_replace(());
            }
        }
    }

    /// Leaves the arms of a flag.
    pub(crate) fn leave(&self, flag: &str) {
        for place in self.arms.each() {
            let arm = place.load(Ordering::Acquire);
            if self.arm(arm).is_some_and(|(_, known)| *known.flag == *flag)
                // A place that was left is not used again: `add` looks for an arm up to the first free one.
                && place.compare_exchange(arm, LEFT, Ordering::AcqRel, Ordering::Acquire).is_ok()
                && let Some((number, _)) = self.arm(arm)
            {
                self.in_flight.leave(number);
            }
        }
    }

    fn arm(&self, arm: u32) -> Option<(usize, &ArmCount)> {
        let number = usize::try_from(arm).ok()?.checked_sub(1)?;
        Some((number, self.in_flight.0.arms.get(number)?))
    }

    /// Returns what wakes when scopes may have to retire.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.in_flight.0.changes.subscribe()
    }

    /// Tells whether an arm that was entered drains.
    pub(crate) fn is_draining(&self) -> bool {
        if !self.in_flight.is_draining() {
            return false;
        }
        let drains = |arm: &ArmCount| {
            let same = self.in_flight.matching(Some((&arm.flag, &arm.variant)));
            same.into_iter()
                .any(|arm| arm.draining.load(Ordering::SeqCst) > 0)
        };
        self.in_flight.0.draining_all.load(Ordering::SeqCst) > 0
            || self
                .arms
                .each()
                .filter_map(|place| self.arm(place.load(Ordering::Acquire)))
                .any(|(_, arm)| drains(arm))
    }
}

/// A place whose arm was left; no arm has that number.
const LEFT: u32 = u32::MAX;

impl Drop for Entered {
    fn drop(&mut self) {
        for place in self.arms.each() {
            if let Some((number, _)) = self.arm(place.load(Ordering::Acquire)) {
                self.in_flight.leave(number);
            }
        }
    }
}

#[cfg(test)]
mod tests;
