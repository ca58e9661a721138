//! What is probably not as it was meant.

use std::{fmt, slice};

use fader::Percent;
use fader::plan::{Guardrail, Limit, Metric, Plan, Reached, Window};
use serde::Serialize;

use super::{Subject, schedule, written};
use crate::machine::Windows;
use crate::observe::LONGEST;

mod traffic;

pub(super) use traffic::expected;

/// The attribute that a whole company may share.
const CLIENT_ADDRESS: &str = "client.ip";

/// The false alarms that are many.
const MANY_FALSE_ALARMS: f64 = 0.1;

/// The first percent that is much.
const WIDE: u32 = 25_000_000;

/// Something in a plan that is probably not as it was meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Lint {
    /// What it is.
    pub kind: LintKind,
    /// Where it is, such as `flags.checkout.rules[2].ramp.stages[1]`.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// The likely cure.
    pub help: String,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// What sort of thing a [`Lint`] is about: stable names for programs, where messages are for people.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "kebab-case")]
        #[non_exhaustive]
        pub enum LintKind {
            $($(#[$doc])* $kind,)*
        }

        impl LintKind {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Returns the kind's name, such as `stage-too-short`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    /// A draw by client address: a company shares one.
    PercentByIp = "percent-by-ip",
    /// A stage that can't be taken back and that nobody is asked for.
    UnapprovedStage = "unapproved-stage",
    /// No guardrail at all.
    NoGuardrails = "no-guardrails",
    /// A stage at 100 % that no absolute guardrail watches.
    NoAbsoluteGuardrail = "no-absolute-guardrail",
    /// A gauge that is to be no worse than that of another arm, which has none.
    RelativeGauge = "relative-gauge",
    /// A latency limit that is too long to be judged.
    LimitTooLong = "limit-too-long",
    /// More than one false alarm in ten runs.
    ManyFalseAlarms = "many-false-alarms",
    /// A first stage above 25 %.
    WideFirstStage = "wide-first-stage",
    /// A window whose time zone is not known.
    UnknownZone = "unknown-zone",
    /// Windows in which exposure is never raised.
    NeverOpens = "never-opens",
    /// Freezes that cover the whole plan.
    Frozen = "frozen",
    /// A stage that is over before its guardrails see a tenfold rise.
    StageTooShort = "stage-too-short",
    /// A guardrail that requires a safety that is not shown within ten times the bake.
    SafeOutOfReach = "safe-out-of-reach",
    /// A stage that is over before it has seen as many units as its gate asks for.
    TooFewUnits = "too-few-units",
    /// A guardrail that runs out of units before the plan is over.
    UnitsSpent = "units-spent",
}

impl LintKind {
    /// Returns whether the check of a document warns of the same.
    #[must_use]
    pub const fn is_of_document(self) -> bool {
        matches!(
            self,
            Self::PercentByIp
                | Self::UnapprovedStage
                | Self::NoGuardrails
                | Self::NoAbsoluteGuardrail
        )
    }
}

impl fmt::Display for LintKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Tells what is probably not as it was meant, whatever traffic there is.
#[must_use]
pub fn lint(subject: &Subject<'_>) -> Vec<Lint> {
    let mut lints = Lints::of(subject);
    of_plan(subject.plan, &mut lints);
    of_guardrails(subject.plan, &mut lints);
    of_times(subject, &mut lints);
    lints.found
}

/// Collects lints of one ramp.
struct Lints<'a> {
    place: &'a str,
    found: Vec<Lint>,
}

impl<'a> Lints<'a> {
    fn of(subject: &Subject<'a>) -> Self {
        Self {
            place: subject.place,
            found: Vec::new(),
        }
    }

    /// Adds a lint at a place inside of the ramp; the ramp itself is empty.
    fn add(&mut self, kind: LintKind, at: &str, message: String, help: impl Into<String>) {
        let dot = if at.is_empty() { "" } else { "." };
        self.found.push(Lint {
            kind,
            place: format!("{}{dot}{at}", self.place),
            message,
            help: help.into(),
        });
    }
}

fn of_plan(plan: &Plan, lints: &mut Lints<'_>) {
    if *plan.by == *CLIENT_ADDRESS {
        lints.add(
            LintKind::PercentByIp,
            "",
            "a percent by client address moves whole companies at once".to_owned(),
            "many users share one address; use a user's or a visitor's id",
        );
    }
    for (at, stage) in plan.stages.iter().enumerate() {
        if stage.irreversible && !stage.approve {
            lints.add(
                LintKind::UnapprovedStage,
                &format!("stages[{at}].irreversible"),
                "nobody is asked before a stage that can't be taken back".to_owned(),
                "add \"approve\": true",
            );
        }
    }
    if let Some(Reached::Percent(percent)) = plan.stages.first().map(|stage| &stage.to)
        && percent.micros() > WIDE
    {
        lints.add(
            LintKind::WideFirstStage,
            "stages[0].percent",
            format!("the first stage exposes {percent} % of the units to what nobody has seen yet"),
            "begin with 1 or 5, so that a candidate that fails is taken back from few",
        );
    }
}

fn of_guardrails(plan: &Plan, lints: &mut Lints<'_>) {
    let last = plan
        .stages
        .iter()
        .position(|stage| stage.to == Reached::Percent(Percent::HUNDRED));
    let is_absolute = |limit: Limit| !matches!(limit, Limit::NoWorseThan(_));
    if plan.guardrails.is_empty() {
        lints.add(
            LintKind::NoGuardrails,
            "",
            "without guardrails nothing takes the candidate back, however it fares".to_owned(),
            "such as \"guardrails\": [{ \"metric\": \"errors\", \"no_worse_than\": 1.1 }, { \"metric\": \"errors\", \"below\": 0.01 }]",
        );
    } else if let Some(last) = last
        && !plan
            .guardrails
            .iter()
            .any(|guardrail| is_absolute(guardrail.limit))
    {
        lints.add(
            LintKind::NoAbsoluteGuardrail,
            &format!("stages[{last}]"),
            "no absolute guardrail watches a stage at 100 %, where there is no stable arm to compare with".to_owned(),
            "add one, such as { \"metric\": \"errors\", \"below\": 0.01 }",
        );
    }
    for (at, guardrail) in plan.guardrails.iter().enumerate() {
        never_judged(at, guardrail, lints);
    }
    let tests = plan
        .guardrails
        .iter()
        .any(|guardrail| !matches!(guardrail.metric, Metric::Gauge(_)));
    if tests && plan.false_alarm > MANY_FALSE_ALARMS {
        lints.add(
            LintKind::ManyFalseAlarms,
            "false_alarm",
            format!(
                "up to {:.0} of 100 healthy runs are rolled back",
                plan.false_alarm * 100.0
            ),
            "0.01 is the default, and sees a failing candidate hardly later",
        );
    }
}

/// A guardrail that never says anything.
fn never_judged(at: usize, guardrail: &Guardrail, lints: &mut Lints<'_>) {
    match (&guardrail.metric, guardrail.limit) {
        (Metric::Gauge(_), Limit::NoWorseThan(_)) => lints.add(
            LintKind::RelativeGauge,
            &format!("guardrails[{at}].no_worse_than"),
            "a gauge is one number of a process, and no other arm has one to compare it with"
                .to_owned(),
            "write the highest value that is fine as `below`",
        ),
        (Metric::Latency(_), Limit::Faster(limit)) if limit > LONGEST => lints.add(
            LintKind::LimitTooLong,
            &format!("guardrails[{at}].below"),
            format!(
                "a limit of {} is not judged: requests are followed for a minute",
                written(limit)
            ),
            "set it to 60s at most",
        ),
        _ => {}
    }
}

fn of_times(subject: &Subject<'_>, lints: &mut Lints<'_>) {
    let windows = &subject.plan.windows;
    if unknown_zones(windows, lints) {
        return;
    }
    let start = schedule::start(subject);
    let opening = schedule::Opening::new(subject);
    let Some(window) = opening.next_window(start) else {
        lints.add(
            LintKind::NeverOpens,
            "windows",
            format!("no window opens within two weeks from {start} on, so that it never begins"),
            "such as { \"days\": \"mon-thu\", \"from\": \"09:00\", \"to\": \"16:00\", \"zone\": \"Europe/Amsterdam\" }",
        );
        return;
    };
    let planned = schedule::planned(subject.plan);
    let begins = opening.next(start);
    if begins.is_none_or(|begins| begins >= schedule::later(window, planned)) {
        let until = match begins {
            Some(begins) => {
                format!("it begins at {begins} at the earliest; move its `start` there")
            }
            None => "it never begins".to_owned(),
        };
        lints.add(
            LintKind::Frozen,
            "",
            format!(
                "freezes cover the whole plan, which could begin at {window} and takes {}",
                written(planned)
            ),
            format!("{until}, or end the freezes sooner"),
        );
    }
}

/// Tells whether a window has a time zone that is not known.
fn unknown_zones(windows: &[Window], lints: &mut Lints<'_>) -> bool {
    let mut any = false;
    for (at, window) in windows.iter().enumerate() {
        let Err(error) = Windows::new(slice::from_ref(window)) else {
            continue;
        };
        any = true;
        let error = error.to_string();
        let help = error.split_once("; help: ").map(|(_, help)| help);
        lints.add(
            LintKind::UnknownZone,
            &format!("windows[{at}].zone"),
            format!(
                "unknown time zone `{}`, so that the ramp can't be run",
                window.zone
            ),
            help.unwrap_or("give a name of the IANA database"),
        );
    }
    any
}
