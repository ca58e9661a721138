//! When the next look at the files is due.
//!
//! Three clocks run: a debounce after notifications, a poll without them, and a back-off while something is wrong. Time
//! comes in as an argument, so that an hour of them is a test of microseconds.

use std::time::{Duration, Instant};

/// The first look after one that failed: by then most writers have written the rest.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// What a look has found, as far as the next one depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// All was read and taken.
    Good,
    /// Something was unreadable or refused.
    Bad,
    /// Something is still being written, or new directories came into view: look again after the debounce.
    Moving,
}

#[derive(Debug)]
pub(super) struct Schedule {
    debounce: Duration,
    poll_every: Duration,
    /// The first notification since the last look, and the last one.
    hints: Option<(Instant, Instant)>,
    looked: Instant,
    /// From the last look to the next one, should nothing be notified.
    pause: Duration,
    retry: Duration,
}

impl Schedule {
    pub(super) fn new(debounce: Duration, poll_every: Duration, now: Instant) -> Self {
        let poll_every =
            poll_every.clamp(Duration::from_millis(10), Duration::from_secs(24 * 60 * 60));
        let debounce = debounce.min(Duration::from_secs(60));
        // The first look follows at once: it finds what happened while `open` was reading.
        Self {
            debounce,
            poll_every,
            hints: None,
            looked: now,
            pause: Duration::ZERO,
            retry: FIRST_RETRY,
        }
    }

    /// Notes that something may have changed.
    pub(super) fn hint(&mut self, now: Instant) {
        let first = self.hints.map_or(now, |(first, _)| first);
        self.hints = Some((first, now));
    }

    /// Returns when to look next.
    pub(super) fn due(&self) -> Instant {
        let regular = self.looked + self.pause;
        self.hints.map_or(regular, |(first, last)| {
            let quiet = (last + self.debounce).min(first + 2 * self.debounce);
            quiet.min(regular)
        })
    }

    /// Notes what a look has found.
    pub(super) fn looked(&mut self, found: Found, now: Instant) {
        // What was just edited may be mended as fast; only what nobody touches is looked at more and more seldom.
        if self.hints.take().is_some() {
            self.retry = FIRST_RETRY;
        }
        self.looked = now;
        match found {
            Found::Good => (self.pause, self.retry) = (self.poll_every, FIRST_RETRY),
            Found::Bad => {
                self.pause = self.retry.min(self.poll_every);
                self.retry = (2 * self.pause).max(FIRST_RETRY);
            }
            Found::Moving => self.pause = self.debounce.min(self.poll_every),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn good() -> (Schedule, Instant) {
        let mut schedule = Schedule::new(ms(100), ms(5000), Instant::now());
        let start = schedule.looked;
        assert_eq!(schedule.due(), start, "the first look is due at once");
        schedule.looked(Found::Good, start);
        (schedule, start)
    }

    #[test]
    fn a_look_follows_the_last_hint() {
        let (mut schedule, start) = good();
        schedule.hint(start + ms(10));
        schedule.hint(start + ms(50));
        assert_eq!(schedule.due(), start + ms(150));
    }

    #[test]
    fn hints_that_do_not_cease_are_answered_after_twice_the_debounce() {
        let (mut schedule, start) = good();
        let mut looks = 0;
        for millis in 0..1000 {
            let now = start + ms(millis);
            if schedule.due() <= now {
                schedule.looked(Found::Good, now);
                looks += 1;
            }
            schedule.hint(now);
        }
        assert_eq!(
            looks, 4,
            "at 200, 400, 600 and 800 ms, and one that is still due"
        );
    }

    #[test]
    fn without_hints_the_poll_is_due() {
        let (mut schedule, start) = good();
        assert_eq!(schedule.due(), start + ms(5000));
        schedule.hint(start + ms(4950));
        assert_eq!(
            schedule.due(),
            start + ms(5000),
            "a hint never puts the poll off"
        );
    }

    #[test]
    fn failures_back_off_up_to_the_poll() {
        let (mut schedule, mut now) = good();
        for pause in [1000, 2000, 4000, 5000, 5000] {
            schedule.looked(Found::Bad, now);
            assert_eq!(schedule.due(), now + ms(pause));
            now = schedule.due();
        }
        schedule.hint(now);
        schedule.looked(Found::Bad, now);
        assert_eq!(
            schedule.due(),
            now + ms(1000),
            "an edit starts the back-off anew"
        );
        schedule.looked(Found::Good, now);
        schedule.looked(Found::Bad, now);
        assert_eq!(schedule.due(), now + ms(1000), "as does a good look");
    }

    #[test]
    fn a_poll_shorter_than_the_retry_is_kept() {
        let mut schedule = Schedule::new(ms(100), ms(50), Instant::now());
        let now = schedule.looked;
        schedule.looked(Found::Bad, now);
        assert_eq!(schedule.due(), now + ms(50));
    }

    #[test]
    fn absurd_settings_do_not_overflow() {
        let mut schedule = Schedule::new(Duration::MAX, Duration::MAX, Instant::now());
        let now = schedule.looked;
        schedule.looked(Found::Bad, now);
        schedule.hint(now);
        assert_eq!(schedule.due(), now + ms(1000));
        assert!(Schedule::new(Duration::ZERO, Duration::ZERO, Instant::now()).poll_every >= ms(10));
    }
}
