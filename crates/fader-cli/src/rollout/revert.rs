//! `fader rollout revert`: asks for the opposite of what was done.

use fader_rollout::control::AuditLine;
use fader_rollout::machine::Wish;

use super::ask::Asking;
use super::audit::{self, did};
use super::signature::CONTROLLER;
use crate::{Outcome, kill, output};

/// Asks for the opposite of a line of the audit log.
///
/// A start is rolled back, a pause resumed, an approval withdrawn, a roll-back reset, a kill taken off; and the other way
/// round. Exits with 0 if it was done, 1 if it was refused or not answered, 2 if files could not be read or there is no
/// such line.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The line's number, as `fader rollout audit` shows it.
    id: u64,
    #[command(flatten)]
    asking: Asking,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let asking = &args.asking;
    let Some(log) = audit::read(&asking.controlled)? else {
        return Ok(Outcome::Findings);
    };
    let mut lines = log.iter();
    let Some(entry) = lines.find(|entry| entry.id == args.id) else {
        anyhow::bail!(
            "the audit log has no line {}; `fader rollout audit` lists them",
            args.id
        );
    };
    let wish = match opposite(entry) {
        Ok(wish) => wish,
        Err(why) => {
            output::say(&format!("refused: {why}"))?;
            return Ok(Outcome::Findings);
        }
    };
    let (flag, what) = (&*entry.flag, named(wish));
    output::say(&format!(
        "line {}: `{}` of `{flag}` by {}; asks for `{what}`",
        entry.id,
        did(entry),
        entry.by
    ))?;
    let reason = match &*asking.signature.reason {
        "" => format!("reverts line {} of the audit log", entry.id),
        reason => reason.to_owned(),
    };
    match wish {
        Wish::Kill => kill::kill(&asking.controlled, flag, &asking.signature.by()?, &reason),
        Wish::Unkill => kill::unkill(&asking.controlled, flag, &asking.signature.by()?, &reason),
        wish => asking.ask(flag, wish, &reason),
    }
}

fn named(wish: Wish) -> String {
    match wish {
        Wish::Approve { stage } | Wish::Withdraw { stage } => {
            format!("{} stage {stage}", wish.as_str())
        }
        _ => wish.as_str().to_owned(),
    }
}

/// Returns what takes a line of the audit log back, or why nothing does.
fn opposite(entry: &AuditLine) -> Result<Wish, String> {
    let AuditLine { id, what, flag, .. } = entry;
    if entry.by == CONTROLLER && what != Wish::RollBack.as_str() {
        return Err(format!(
            "line {id} is the controller's own `{what}`; to stop the ramp, `fader rollout pause {flag}`, and to take it \
             back, `fader rollout roll-back {flag}`"
        ));
    }
    if entry
        .answer
        .as_deref()
        .is_some_and(|answer| answer != "done")
    {
        return Err(format!(
            "line {id} was not obeyed, so there is nothing to take back"
        ));
    }
    Ok(match (&**what, entry.stage) {
        ("start" | "reset", _) => Wish::RollBack,
        ("pause", _) => Wish::Resume,
        ("resume" | "accept", _) => Wish::Pause,
        ("approve", Some(stage)) => Wish::Withdraw { stage },
        ("withdraw", Some(stage)) => Wish::Approve { stage },
        ("roll-back", _) => Wish::Reset,
        ("kill", _) => Wish::Unkill,
        ("unkill", _) => Wish::Kill,
        _ => return Err(format!("there is no opposite of `{what}`")),
    })
}
