//! `fader rollout`: what will a staged ramp do before it starts, and what does it do once it runs?
//!
//! Whoever asks something of a running ramp writes it into the overlay, where the controller answers it. What the
//! controller says of itself stands in its state directory.

use clap::Subcommand;
use fader::plan::PlannedRamp;
use fader::{Diagnostic, DiagnosticKind, Flags, Snapshot, Timestamp};
use fader_rollout::explain::{self as rollout, Subject};
use fader_rollout::machine::Wish;

use crate::document::{self, Finding, Headers, Loaded, Place};
use crate::{Outcome, output};

mod ask;
mod audit;
mod controlled;
mod duration;
mod explain;
pub(crate) mod known;
mod revert;
mod signature;
mod simulate;
mod status;
mod status_table;
mod table;
mod wait;
mod watch;

pub(crate) use controlled::{Controlled, POLL};
pub(crate) use signature::Signature;

/// Tells in advance what a staged ramp does and sees, and steers it while it runs.
///
/// What asks something of a running ramp exits with 0 if it was done, 1 if it was refused or not answered, 2 if files
/// could not be read or written or the flag has no staged ramp.
#[derive(clap::Args)]
#[command(disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Explain(explain::Args),
    Simulate(simulate::Args),
    Status(status::Args),
    Watch(watch::Args),
    Wait(wait::Args),
    /// Starts a ramp whose plan has no `start`.
    Start(ask::Args),
    /// Stops a ramp where it is. Its guardrails go on.
    Pause(ask::Args),
    /// Lets a ramp go on that was paused or lowered by hand.
    Resume(ask::Args),
    /// Lets a stage start that asks for an approval. It may be given early.
    Approve(ask::Approve),
    /// Exposes nobody any more, until the ramp is reset.
    RollBack(ask::Args),
    /// Begins a new run at 0 %.
    Reset(ask::Args),
    /// Goes on by the plan as it is now, after it was edited, or from where somebody has lowered the ramp.
    Accept(ask::Args),
    Audit(audit::Args),
    Revert(revert::Args),
}

/// Where the document is that has the plan.
#[derive(clap::Args)]
struct Source {
    /// The document: a file, a folder of files, or an http(s) address.
    #[arg(long, value_name = "FILE", default_value = "flags.json", value_parser = document::place())]
    flags: Place,
    #[command(flatten)]
    headers: Headers,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    match &args.command {
        Command::Explain(args) => explain::run(args),
        Command::Simulate(args) => simulate::run(args),
        Command::Status(args) => status::run(args),
        Command::Watch(args) => watch::run(args),
        Command::Wait(args) => wait::run(args),
        Command::Start(args) => ask::run(args, Wish::Start),
        Command::Pause(args) => ask::run(args, Wish::Pause),
        Command::Resume(args) => ask::run(args, Wish::Resume),
        Command::Approve(args) => ask::approve(args),
        Command::RollBack(args) => ask::run(args, Wish::RollBack),
        Command::Reset(args) => ask::run(args, Wish::Reset),
        Command::Accept(args) => ask::run(args, Wish::Accept),
        Command::Audit(args) => audit::run(args),
        Command::Revert(args) => revert::run(args),
    }
}

impl Source {
    /// Loads the document; none if it has errors, which are then told.
    fn load(&self) -> anyhow::Result<Option<Loaded>> {
        let loaded = document::load(&self.flags, &self.headers)?;
        if loaded.is_refused() {
            // Where standard error is closed, the exit code still tells.
            let _ = output::report(&mut output::stderr(), &loaded.reports, loaded.documents);
            return Ok(None);
        }
        Ok(Some(loaded))
    }
}

/// Adds to what was found in a document what its staged ramps will not do as they were probably meant, whatever traffic
/// there is.
pub(crate) fn lint(loaded: &mut Loaded, now: Timestamp) {
    let snapshot = loaded.flags.snapshot();
    for ramp in ramps(&loaded.flags, &snapshot) {
        let lints = rollout::lint(&ramp.subject(&snapshot, now)).into_iter();
        for lint in lints.filter(|lint| !lint.kind.is_of_document()) {
            loaded.add(Finding::beside(&ramp.warning, lint), ramp.warning.file());
        }
    }
    for report in &mut loaded.reports {
        let place = |finding: &Finding| (finding.line, finding.column);
        report.findings.sort_by_key(place);
    }
}

/// A staged ramp, with where it stands.
struct Ramp<'a> {
    planned: PlannedRamp<'a>,
    /// What the check tells of each staged ramp, at its place.
    warning: Diagnostic,
}

impl<'a> Ramp<'a> {
    /// Returns where it stands, such as `flags.checkout.rules[2].ramp`.
    fn place(&self) -> &str {
        self.warning.path()
    }

    fn subject(&'a self, snapshot: &'a Snapshot, now: Timestamp) -> Subject<'a> {
        Subject {
            plan: self.planned.plan,
            freezes: snapshot.freezes(),
            place: self.place(),
            now,
        }
    }
}

/// Returns all staged ramps of a document, in its order.
fn ramps<'a>(flags: &Flags, snapshot: &'a Snapshot) -> Vec<Ramp<'a>> {
    // Whoever loads a staged ramp is told, in the document's order, where there is one that waits for a controller.
    let status = flags.status();
    let is_ramp = |warning: &&Diagnostic| warning.kind() == DiagnosticKind::WaitingRamp;
    let warnings = status.warnings().iter().filter(is_ramp);
    let ramps = snapshot.plans().zip(warnings);
    ramps
        .map(|(planned, warning)| Ramp {
            planned,
            warning: warning.clone(),
        })
        .collect()
}

/// Finds the staged ramp of a flag.
///
/// # Errors
///
/// There is no such flag, or it has none.
fn ramp_of<'a>(flags: &Flags, snapshot: &'a Snapshot, flag: &str) -> anyhow::Result<Ramp<'a>> {
    let ramps = ramps(flags, snapshot);
    let names: Vec<&str> = ramps.iter().map(|ramp| ramp.planned.flag).collect();
    let known = snapshot.flags().any(|known| known == flag);
    let (problem, cure) = if known {
        let cure = match &*names {
            [] => "a staged ramp is a rule with \"ramp\": { \"stages\": … }".to_owned(),
            names => format!("flags that have one: `{}`", names.join("`, `")),
        };
        (format!("the flag `{flag}` has no ramp with `stages`"), cure)
    } else {
        let cure = match nearest(flag, snapshot.flags()) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None if names.is_empty() => "it has no staged ramp at all".to_owned(),
            None => format!("flags with a staged ramp: `{}`", names.join("`, `")),
        };
        (format!("the document has no flag `{flag}`"), cure)
    };
    let found = ramps.into_iter().find(|ramp| ramp.planned.flag == flag);
    found.ok_or_else(|| anyhow::anyhow!("{problem}; {cure}"))
}

/// Returns the name that is most like one that is misspelt, if it is much like it.
fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let names = names.map(|name| (strsim::jaro_winkler(wanted, name), name));
    let best = names.max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness > 0.8)
        .map(|(_, name)| name)
}
