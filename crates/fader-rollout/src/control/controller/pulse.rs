//! Whether the service stands still: code of a candidate that blocks every thread of it keeps all others from being served,
//! and no guardrail sees requests that nobody picks up.

use std::collections::VecDeque;

/// So many seconds without a sign of life are needed at least.
const LEAST: usize = 3;

/// So many times the longest silence of the seconds that are remembered.
const TIMES: usize = 4;

/// In so many of the seconds that are remembered there has to be a sign of life: where there is hardly any traffic,
/// silence says nothing.
const LIVELY: usize = 10;

/// So many seconds are remembered.
const REMEMBERED: usize = 300;

/// The signs of life of a ramp's requests, second by second.
///
/// A request that begins or ends is one. Silence is a stall where requests of the candidate run meanwhile, and it is far
/// longer than any silence of late. It ends when a request begins: those that end may be the last ones of a service that
/// gets no traffic any more.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// Whether there was a sign of life, up to the last one.
    seconds: VecDeque<bool>,
    /// How many seconds there was none since.
    silent: usize,
    stalled: bool,
}

impl Pulse {
    /// Takes what happened in a second: requests that began and ended, and those of the candidate that run.
    pub(super) fn take(&mut self, began: u64, ended: u64, running: u64) {
        if self.stalled {
            self.stalled = began == 0;
            self.silent = 0;
        } else if began > 0 || ended > 0 {
            let silent = std::mem::take(&mut self.silent).min(REMEMBERED);
            self.seconds.extend(std::iter::repeat_n(false, silent));
            self.seconds.push_back(true);
            let surplus = self.seconds.len().saturating_sub(REMEMBERED);
            self.seconds.drain(..surplus);
        } else {
            self.silent = self.silent.saturating_add(1);
            self.stalled = running > 0 && self.silent >= LEAST && self.is_unusual();
        }
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.stalled
    }

    fn is_unusual(&self) -> bool {
        let (mut lively, mut silent, mut longest) = (0_usize, 0_usize, 0_usize);
        for second in &self.seconds {
            silent = if *second { 0 } else { silent.saturating_add(1) };
            lively = lively.saturating_add(usize::from(*second));
            longest = longest.max(silent);
        }
        lively >= LIVELY && self.silent >= longest.saturating_mul(TIMES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second in words: `.` is silent, `r` silent while the candidate runs, `|` has a request that ends, `+` one that
    /// begins.
    fn live(pulse: &mut Pulse, seconds: &str) -> bool {
        for second in seconds.chars() {
            match second {
                '.' => pulse.take(0, 0, 0),
                'r' => pulse.take(0, 0, 1),
                '|' => pulse.take(0, 1, 1),
                _ => pulse.take(1, 0, 1),
            }
        }
        pulse.is_stalled()
    }

    #[test]
    fn silence_is_a_stall_where_it_is_unusual_and_the_candidate_runs() {
        let steady = "+".repeat(20);
        let gaps = "+...".repeat(20) + "+";
        for (before, silence, stalls) in [
            (&*steady, "rr", false),
            (&steady, "rrr", true),
            // Nobody of the candidate's is in it.
            (&steady, "....", false),
            (&steady, "..r", true),
            // Too little traffic to tell.
            ("+++++++++", "rrrrrrrrrrrr", false),
            // Pauses as they were before, and one that is far longer.
            (&gaps, "rrrrrrrrrrr", false),
            (&gaps, "rrrrrrrrrrrr", true),
            // A sign of life in time.
            (&steady, "rr|rr", false),
            (&steady, "rr+rr", false),
        ] {
            let mut pulse = Pulse::default();
            assert!(!live(&mut pulse, before));
            assert_eq!(live(&mut pulse, silence), stalls, "{before} {silence}");
        }
    }

    #[test]
    fn a_stall_lasts_until_a_request_begins() {
        let mut pulse = Pulse::default();
        let steady = "+".repeat(20);
        for (seconds, stalled) in [
            (&*steady, false),
            ("rrr", true),
            ("...||", true),
            ("+", false),
            // It is no part of what is usual.
            ("rr", false),
            ("r", true),
        ] {
            assert_eq!(live(&mut pulse, seconds), stalled, "{seconds}");
        }
    }

    #[test]
    fn what_is_remembered_is_the_last_five_minutes() {
        let mut pulse = Pulse::default();
        let long_ago = "+".to_owned() + &".".repeat(1000) + &"+".repeat(REMEMBERED);
        assert!(!live(&mut pulse, &long_ago));
        assert_eq!(pulse.seconds.len(), REMEMBERED);
        assert!(live(&mut pulse, "rrr"));
    }
}
