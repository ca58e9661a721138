//! When the next fetch is due.
//!
//! A server has many clients, and what they do together is what it feels: all that start at once, as in a deploy, and
//! all that were waiting for it while it was down. So every pause is drawn. Random numbers come in as arguments, and
//! time only as durations, so that a thousand clients and a day are a test of milliseconds.
//!
//! | after | the pause |
//! |---|---|
//! | the start, with something live | anywhere in the initial spread |
//! | the start, with nothing live | none: every moment answers with the callers' defaults |
//! | the first success, and the first one after failures | anywhere in one interval: this instance's phase |
//! | a success | the interval, a fifth more or less |
//! | failures | anywhere in a window that doubles from 1 s to 5 min (full jitter: AWS Architecture Blog, 2015) |
//! | a failure with `Retry-After` | that long, and on top of it such a window |

use std::time::Duration;

/// The first window in which a failed fetch is repeated, and the longest one.
const FIRST_WINDOW: Duration = Duration::from_secs(1);
const LAST_WINDOW: Duration = Duration::from_secs(5 * 60);

/// How long a server may make us wait, whatever it asks for.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60 * 60));

/// What a fetch has found, as far as the next one depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The server answered. Whether what it said was taken makes no difference: it is not what is in trouble.
    Answer,
    /// There was no answer, or none of use.
    Failure,
    /// The server asked not to come back before.
    Busy(Duration),
}

#[derive(Clone, Debug)]
pub(super) struct Schedule {
    poll_every: Duration,
    initial_spread: Duration,
    /// The window after the next failure.
    window: Duration,
    /// Whether the next success has to find this instance's place among the others.
    unplaced: bool,
}

impl Schedule {
    pub(super) fn new(poll_every: Duration, initial_spread: Duration) -> Self {
        let day = Duration::from_secs(24 * 60 * 60);
        Self {
            poll_every: poll_every.clamp(Duration::from_millis(10), day),
            initial_spread: initial_spread.min(day),
            window: FIRST_WINDOW,
            unplaced: true,
        }
    }

    /// Returns how long to wait before the first fetch. `random` is from 0 to below 1, here and below.
    pub(super) fn first(&self, something_is_live: bool, random: f64) -> Duration {
        if something_is_live {
            self.initial_spread.mul_f64(random)
        } else {
            Duration::ZERO
        }
    }

    /// Returns how long to wait before the next fetch.
    pub(super) fn next(&mut self, found: Found, random: f64) -> Duration {
        match found {
            Found::Answer => {
                let share = if self.unplaced {
                    random
                } else {
                    0.8 + 0.4 * random
                };
                (self.window, self.unplaced) = (FIRST_WINDOW, false);
                self.poll_every.mul_f64(share)
            }
            Found::Failure => self.back_off(random),
            Found::Busy(asked) => asked.clamp(RETRY_AFTER.0, RETRY_AFTER.1) + self.back_off(random),
        }
    }

    fn back_off(&mut self, random: f64) -> Duration {
        let window = self.window;
        self.window = (2 * window).min(LAST_WINDOW);
        self.unplaced = true;
        window.mul_f64(random)
    }
}

#[cfg(test)]
mod tests;
