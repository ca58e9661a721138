//! What happens to ramps, as it happens.

use std::fmt;

use fader::Timestamp;
use serde::Serialize;

use crate::judge::{Finding, Totals};
use crate::machine::{Cause, Evidence, Exposure, Notice, Phase, Response, Wait};

/// Something that happened to a ramp, or to its controller.
///
/// As text it is one line for people; as JSON it is what a webhook is told.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Event {
    /// When, by the handle's clock.
    #[serde(serialize_with = "crate::machine::instant::serialize")]
    pub at: Timestamp,
    /// The flag; none where it concerns the controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flag: Option<String>,
    /// The number of the ramp's run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<u64>,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum What {
    /// The controller decided something, or noticed it.
    Ramp(Notice),
    /// A process goes on with a ramp that the one before it ran.
    TakenUp {
        /// Its phase.
        phase: Phase,
        /// The stage that it is in, counted from 1.
        stage: Option<usize>,
        /// Whom it exposed last.
        exposure: Exposure,
    },
    /// Other users are exposed than before.
    Exposed {
        /// Before.
        from: Exposure,
        /// Now.
        to: Exposure,
    },
    /// Something keeps the controller from raising any exposure.
    Trouble(String),
    /// Something else that people should know: it keeps nothing from being raised.
    Note(String),
    /// A trouble, or what a note was of, is over.
    TroubleOver(String),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(flag) = &self.flag {
            write!(f, "{flag}: ")?;
        }
        match &self.what {
            What::Ramp(notice) => write!(f, "{}", Told(notice)),
            What::TakenUp {
                phase,
                stage,
                exposure,
            } => {
                write!(f, "taken up: {phase}")?;
                if let Some(stage) = stage {
                    write!(f, ", stage {stage}")?;
                }
                write!(f, ", {}", Reach(*exposure))
            }
            What::Exposed { from, to } => write!(f, "{} (was {})", Reach(*to), Reach(*from)),
            What::Trouble(why) => write!(f, "no exposure is raised: {why}"),
            What::Note(what) => f.write_str(what),
            What::TroubleOver(why) => write!(f, "over: {why}"),
        }
    }
}

struct Reach(Exposure);

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Exposure {
            percent,
            waves,
            killed,
        } = self.0;
        match (killed, waves) {
            (true, _) => f.write_str("killed"),
            (false, 0) => write!(f, "{percent} %"),
            (false, 1) => write!(f, "{percent} % and one wave"),
            (false, waves) => write!(f, "{percent} % and {waves} waves"),
        }
    }
}

struct Told<'a>(&'a Notice);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Notice::Phase {
                from,
                to,
                stage: Some(stage),
            } => {
                write!(f, "{to}, stage {stage} (was {from})")
            }
            Notice::Phase {
                from,
                to,
                stage: None,
            } => write!(f, "{to} (was {from})"),
            Notice::Waits(waits) => {
                f.write_str("waits for ")?;
                list(f, waits)
            }
            Notice::Breach { finding, response } => {
                let response = match response {
                    Response::RollsBack => "rolls back",
                    Response::Pauses => "pauses",
                    Response::Tells => "is told of",
                    Response::CallsForPerson => "pauses, and needs a person",
                };
                write!(f, "regressed, {response}: {}", Found(finding))
            }
            Notice::CrashLoop { crashes } => {
                write!(
                    f,
                    "paused after {crashes} unclean ends or stalls: it needs a person"
                )
            }
            Notice::Held(held) => write!(f, "held: {held}"),
            Notice::FreezeBegan(frozen) => {
                write!(f, "frozen until {}", frozen.until)?;
                frozen
                    .reason
                    .as_ref()
                    .map_or(Ok(()), |reason| write!(f, ": {reason}"))
            }
            Notice::FreezeEnded => f.write_str("the freeze is over"),
            Notice::NewRun { run } => write!(f, "run {run} begins at 0 %"),
            Notice::RolledBack(evidence) => write!(f, "rolled back, {evidence}"),
            Notice::RaisedByHand(exposure) => {
                let reach = Reach(*exposure);
                write!(
                    f,
                    "the overlay was raised by hand to {reach}: it is taken back"
                )
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, waits: &[Wait]) -> fmt::Result {
    for (at, wait) in waits.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        write!(f, "{comma}{wait}")?;
    }
    Ok(())
}

/// Says why it was rolled back, in a line.
impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (after, reach) = (self.elapsed.as_secs(), Reach(self.exposure));
        match self.stage {
            Some(stage) => write!(f, "in stage {stage} at {reach} after {after} s: ")?,
            None => write!(f, "at {reach}: ")?,
        }
        match &self.cause {
            Cause::Guardrail(finding) => write!(f, "{}", Found(finding)),
            Cause::Operator { by, reason } => write!(f, "by {by}{}", because(reason)),
            Cause::Killed { by, reason } => write!(f, "killed by {by}{}", because(reason)),
            Cause::CrashLoop { crashes } => {
                write!(f, "{crashes} unclean ends or stalls in one stage")
            }
        }
    }
}

fn because(reason: &str) -> String {
    match reason {
        "" => String::new(),
        reason => format!(", {reason}"),
    }
}

struct Found<'a>(&'a Finding);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { name, bad, of, .. } = self.0;
        // A gauge counts no requests.
        if name.starts_with("gauge:") {
            return write!(f, "{name}: the gauge has reached it");
        }
        let arm = |name: &str, bad: u64, of: u64| format!("{name} {bad} bad in {of} requests");
        let Totals { candidate, stable } = *bad;
        write!(f, "{name}: {}", arm("candidate", candidate, of.candidate))?;
        if of.stable > 0 {
            write!(f, ", {}", arm("stable", stable, of.stable))?;
        }
        let is_ratio = name.contains(" no_worse_than ");
        if let Some(lower) = self.0.lower.filter(|lower| *lower > 0.0) {
            match is_ratio {
                true => write!(f, "; at least {lower:.3} times stable")?,
                false => write!(f, "; a rate of at least {lower:.4}")?,
            }
        }
        match self.0.evidence {
            Some(evidence) if evidence < 1e4 => write!(f, "; E {evidence:.1}"),
            Some(evidence) => write!(f, "; E {evidence:.1e}"),
            None => Ok(()),
        }
    }
}
