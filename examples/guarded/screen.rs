//! What is said each second, and of each event.

use std::time::{Duration, Instant};

use fader_rollout::control::{Event, RampStatus, Status};
use fader_rollout::machine::Phase;
use fader_web::InFlight;

use super::gray::GRAY;
use super::traffic::Seen;
use crate::print::say;

/// How often a line is said.
pub const TURN: Duration = Duration::from_secs(1);
/// So long without a gray request, and there will be none.
const QUIET: Duration = Duration::from_secs(2);

const FLAG: &str = "new-checkout";

pub struct Screen {
    began: Instant,
    last: (Instant, Seen),
    has_said_harm: bool,
}

/// Says what happened to the ramp.
pub fn event(began: Instant, event: &Event) {
    say(format_args!(
        "{:>5.1} s  * {event}",
        began.elapsed().as_secs_f64()
    ));
}

impl Screen {
    pub fn new(began: Instant) -> Self {
        Self {
            began,
            last: (Instant::now(), Seen::default()),
            has_said_harm: false,
        }
    }

    /// Says how things are. True once the ramp is done.
    pub fn turn(&mut self, status: &Status, seen: &Seen, in_flight: &InFlight) -> bool {
        let now = Instant::now();
        let passed = (now - self.last.0).as_secs_f64();
        let before = self.last.1;
        self.last = (now, *seen);
        let rate = |now: u64, before: u64| (now - before) as f64 / passed;
        let arm = |name, now: u64, before: u64, errors: u64, errors_before: u64| {
            let (rate, errors) = (rate(now, before), errors - errors_before);
            format!("{name} {rate:>4.0}/s, {errors} errors")
        };
        let stable = arm(
            "stable",
            seen.stable,
            before.stable,
            seen.stable_errors,
            before.stable_errors,
        );
        let gray = arm(
            "gray",
            seen.gray,
            before.gray,
            seen.gray_errors,
            before.gray_errors,
        );
        let lost = seen.unanswered - before.unanswered;
        let away = seen.away - before.away;
        let waiting: usize = in_flight.arms().iter().map(|(_, _, count)| count).sum();
        let ramp = status.ramp(FLAG);
        let ramp_text = ramp.map_or_else(|| "no ramp".to_owned(), describe);
        say(format_args!(
            "{:>5.1} s  {ramp_text} | {stable} | {gray} | {lost} unanswered, {away} away, {waiting} in flight",
            (now - self.began).as_secs_f64()
        ));
        ramp.is_some_and(|ramp| self.is_done(ramp))
    }

    fn is_done(&mut self, ramp: &RampStatus) -> bool {
        let harm = GRAY.harm();
        match ramp.phase {
            Phase::RolledBack => {}
            phase => {
                self.has_said_harm = false;
                return phase == Phase::Completed;
            }
        }
        if let Some(harm) = harm.filter(|_| !self.has_said_harm) {
            if harm.last.elapsed() < QUIET {
                return false;
            }
            self.has_said_harm = true;
            let (took, requests) = ((harm.last - harm.first).as_secs_f64(), harm.requests);
            say(format_args!(
                "cut: {took:.2} s from the first bad gray request to the last, {requests} of them"
            ));
        }
        true
    }
}

/// Words where a ramp is, and how near its guardrails are to an alarm.
fn describe(ramp: &RampStatus) -> String {
    let evidence = ramp
        .guardrails
        .iter()
        .filter_map(|finding| finding.evidence);
    let evidence = evidence.fold(0.0, f64::max);
    let evidence = match evidence {
        evidence if evidence < 1e4 => format!("{evidence:.1}"),
        evidence => format!("{evidence:.0e}"),
    };
    let stages = ramp.stages;
    let stage = ramp
        .stage
        .map_or_else(String::new, |stage| format!(" stage {stage}/{stages},"));
    let phase = ramp.phase.as_str();
    format!(
        "{phase:<12}{stage} {:>3} % | E {evidence} of {}",
        ramp.percent, ramp.alarm
    )
}
