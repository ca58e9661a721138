//! Limits of the gray arm: what is beyond them goes to stable code.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fader::{Admission, FlagKey, VariantRef};

/// How many requests may have a flag's `true` at once, and in a second.
///
/// What is beyond a limit is served as though the flag were killed: its `off` variant, or the default in the code. It
/// is in no statistics, and the decision holds for the whole request. Limits are those of one process.
///
/// ```
/// use fader_web::Cap;
///
/// let cap = Cap::new().max_concurrency(50).max_rps(200.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[must_use]
pub struct Cap {
    concurrency: Option<u32>,
    /// Between two requests.
    interval: Option<Duration>,
    /// How far ahead of an even flow requests may be.
    burst: Duration,
}

/// A tenth of a second's requests may come at once.
const BURST: Duration = Duration::from_millis(100);

impl Cap {
    /// Makes a cap without limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many requests may have it at once, each until the last clone of its scope is gone. Default: no limit.
    pub fn max_concurrency(self, requests: u32) -> Self {
        Self {
            concurrency: Some(requests),
            ..self
        }
    }

    /// Sets how many requests a second may have it, also below 1. Default: no limit; 0 and less admit none.
    ///
    /// It is an even flow (the generic cell rate algorithm, ITU-T I.371): what comes at once is at most a tenth of a
    /// second's requests, and at least one.
    pub fn max_rps(self, requests: f64) -> Self {
        let seconds = 1.0 / requests;
        let interval = if requests > 0.0 {
            Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
        } else {
            Duration::MAX
        };
        Self {
            interval: Some(interval),
            burst: BURST.saturating_sub(interval),
            ..self
        }
    }
}

/// A capped flag, and what of its limits is used.
#[derive(Debug)]
pub(crate) struct CappedFlag {
    key: &'static FlagKey<bool>,
    cap: Cap,
    in_flight: AtomicU32,
    /// The earliest moment that an even flow has for the next request, in nanoseconds since `start`.
    next: AtomicU64,
    start: Instant,
}

impl CappedFlag {
    pub(crate) fn new(key: &'static FlagKey<bool>, cap: Cap) -> Self {
        Self {
            key,
            cap,
            in_flight: AtomicU32::new(0),
            next: AtomicU64::new(0),
            start: Instant::now(),
        }
    }

    pub(crate) fn is_of(&self, key: &FlagKey<bool>) -> bool {
        self.key.name() == key.name()
    }

    /// Takes a place, if there is one.
    fn take(&self) -> bool {
        let most = self.cap.concurrency.unwrap_or(u32::MAX);
        let taken = self
            .in_flight
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                taken.checked_add(1).filter(|now| *now <= most)
            });
        if taken.is_err() {
            return false;
        }
        let is_in_time = self.flows(self.start.elapsed());
        if !is_in_time {
            self.give_back();
        }
        is_in_time
    }

    fn give_back(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes a place in the even flow, if it has one for this moment.
    fn flows(&self, now: Duration) -> bool {
        let Some(interval) = self.cap.interval else {
            return true;
        };
        if interval == Duration::MAX {
            return false;
        }
        let (now, interval, burst) = (nanos(now), nanos(interval), nanos(self.cap.burst));
        self.next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
                let is_early = next > now.saturating_add(burst);
                (!is_early).then(|| next.max(now).saturating_add(interval))
            })
            .is_ok()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The places that one request has taken; they are given back when it is over.
#[derive(Debug)]
pub(crate) struct Grants {
    caps: Arc<[Arc<CappedFlag>]>,
    /// What each flag was answered.
    answers: Box<[AtomicU8]>,
}

impl Grants {
    pub(crate) fn new(caps: &Arc<[Arc<CappedFlag>]>) -> Self {
        Self {
            caps: Arc::clone(caps),
            answers: caps.iter().map(|_| AtomicU8::new(UNASKED)).collect(),
        }
    }

    /// Tells whether a flag was asked for that has a limit.
    pub(crate) fn were_asked(&self) -> bool {
        let asked = |answer: &AtomicU8| answer.load(Ordering::Acquire) != UNASKED;
        self.answers.iter().any(asked)
    }
}

const UNASKED: u8 = 0;
const ADMITTED: u8 = 1;
const REFUSED: u8 = 2;

impl Admission for Grants {
    fn admits(&self, flag: &str, variant: VariantRef<'_>) -> bool {
        if variant.value().as_bool() != Some(true) {
            return true;
        }
        let mut capped = self.caps.iter().zip(&self.answers);
        let Some((capped, answer)) = capped.find(|(capped, _)| capped.key.name() == flag) else {
            return true;
        };
        let before = answer.load(Ordering::Acquire);
        if before != UNASKED {
            return before == ADMITTED;
        }
        let mine = if capped.take() { ADMITTED } else { REFUSED };
        // Two threads of one request may ask at once: the first answer holds.
        match answer.compare_exchange(UNASKED, mine, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => mine == ADMITTED,
            Err(first) => {
                if mine == ADMITTED {
                    capped.give_back();
                }
                first == ADMITTED
            }
        }
    }
}

impl Drop for Grants {
    fn drop(&mut self) {
        for (capped, answer) in self.caps.iter().zip(&mut self.answers) {
            if *answer.get_mut() == ADMITTED {
                capped.give_back();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static FLAG: FlagKey<bool> = FlagKey::new("f", &false);

    fn admitted(cap: Cap, moments: impl IntoIterator<Item = u64>) -> usize {
        let capped = CappedFlag::new(&FLAG, cap);
        let flows = |millis| capped.flows(Duration::from_millis(millis));
        moments.into_iter().filter(|millis| flows(*millis)).count()
    }

    #[test]
    fn an_even_flow_passes_and_what_is_beyond_it_does_not() {
        let cap = Cap::new().max_rps(100.0);
        assert_eq!(admitted(cap, (0..1000).step_by(10)), 100);
        let greedy = admitted(cap, 0..1000);
        assert!((100..=111).contains(&greedy), "{greedy}");
        // At once: a tenth of a second's.
        assert!((9..=11).contains(&admitted(cap, [0; 1000])));
        assert_eq!(
            admitted(Cap::new().max_rps(0.5), (0..10_000).step_by(100)),
            5
        );
        assert_eq!(admitted(Cap::new().max_rps(2.0), [0; 10]), 1);
    }

    #[test]
    fn strange_rates_admit_none_or_all() {
        for rate in [0.0, -1.0, f64::NAN, f64::NEG_INFINITY] {
            assert_eq!(admitted(Cap::new().max_rps(rate), 0..100), 0, "{rate}");
        }
        assert_eq!(admitted(Cap::new().max_rps(f64::INFINITY), 0..100), 100);
        assert_eq!(admitted(Cap::new(), 0..100), 100);
    }

    #[test]
    fn places_are_given_back() {
        let capped = CappedFlag::new(&FLAG, Cap::new().max_concurrency(2));
        assert!(capped.take() && capped.take() && !capped.take());
        capped.give_back();
        assert!(capped.take() && !capped.take());
        assert!(!CappedFlag::new(&FLAG, Cap::new().max_concurrency(0)).take());
        // One that is too early takes no place.
        let capped = CappedFlag::new(&FLAG, Cap::new().max_concurrency(2).max_rps(0.001));
        assert!(capped.take() && !capped.take() && !capped.take());
        assert_eq!(capped.in_flight.load(Ordering::Relaxed), 1);
    }
}
