//! What people ask of a running controller, as it stands in the overlay.
//!
//! ```json
//! { "commands": [ { "id": 1796119200000, "do": "approve", "flag": "new-checkout", "stage": 3, "by": "anna",
//!                   "reason": "numbers look good", "at": "2026-12-01T10:00:00Z", "answer": "done" } ] }
//! ```
//!
//! Whoever asks adds a command; the controller answers it in its place, and takes out those that were answered long ago.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use fader::{Json, Overlay, Store, StoreError, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::machine::{Answer, Command, Wish};

/// How many answered commands stay in the overlay.
const KEPT: usize = 32;

/// What somebody asks of a flag's ramp: a record of the overlay.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Order {
    /// The flag.
    pub flag: String,
    /// What is asked, by whom, and why.
    pub command: Command,
    /// What came of it: `None` until the controller has answered.
    pub answer: Option<Answer>,
}

/// Why a command of an overlay can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidOrder(String);

impl fmt::Display for InvalidOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidOrder {}

#[derive(Serialize, Deserialize)]
struct Written {
    id: u64,
    #[serde(rename = "do")]
    what: String,
    flag: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stage: Option<usize>,
    by: String,
    #[serde(default)]
    reason: String,
    at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
}

const DONE: &str = "done";
const REFUSED: &str = "refused: ";

impl Order {
    /// Reads a command of an overlay.
    ///
    /// # Errors
    ///
    /// It is not one that is known here.
    pub fn read(value: &Json) -> Result<Self, InvalidOrder> {
        let invalid = |why: String| InvalidOrder(format!("the overlay has a command that {why}"));
        let written = Written::deserialize(value)
            .map_err(|error| invalid(format!("can't be read: {error}")))?;
        let what = wish(&written.what, written.stage)
            .ok_or_else(|| invalid(format!("does `{}`, which is not known", written.what)))?;
        let at = Timestamp::parse(&written.at).ok_or_else(|| {
            invalid(format!(
                "was given at `{}`, which is no instant",
                written.at
            ))
        })?;
        let answer = written
            .answer
            .map(|answer| match answer.strip_prefix(REFUSED) {
                Some(why) => Answer::Refused(why.to_owned()),
                None => Answer::Done,
            });
        Ok(Self {
            flag: written.flag,
            command: Command {
                id: written.id,
                by: written.by,
                reason: written.reason,
                at,
                what,
            },
            answer,
        })
    }

    /// Writes it as it stands in the overlay.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let command = &self.command;
        let stage = match command.what {
            Wish::Approve { stage } | Wish::Withdraw { stage } => Some(stage),
            _ => None,
        };
        json!(Written {
            id: command.id,
            what: command.what.as_str().to_owned(),
            flag: self.flag.clone(),
            stage,
            by: command.by.clone(),
            reason: command.reason.clone(),
            at: command.at.to_string(),
            answer: self.answer.as_ref().map(answer_text),
        })
    }
}

fn wish(what: &str, stage: Option<usize>) -> Option<Wish> {
    let plain = [
        Wish::Start,
        Wish::Pause,
        Wish::Resume,
        Wish::RollBack,
        Wish::Reset,
        Wish::Accept,
    ];
    match (what, stage) {
        ("approve", Some(stage)) => Some(Wish::Approve { stage }),
        ("withdraw", Some(stage)) => Some(Wish::Withdraw { stage }),
        _ => plain.into_iter().find(|wish| wish.as_str() == what),
    }
}

pub(super) fn answer_text(answer: &Answer) -> String {
    match answer {
        Answer::Done => DONE.to_owned(),
        Answer::Refused(why) => format!("{REFUSED}{why}"),
    }
}

/// Asks something of a flag's ramp: adds a command to the overlay that the controller answers within a second or two.
/// Returns the command's number, with which [`answer`] finds what came of it.
///
/// It does not ask whether a controller runs, or whether the flag has a ramp: the overlay may be that of another process.
/// [`Wish::Kill`] and [`Wish::Unkill`] are no commands: see [`kill`] and [`unkill`].
///
/// # Errors
///
/// The overlay can't be read or written.
pub fn ask(
    store: &dyn Store,
    flag: &str,
    wish: Wish,
    by: &str,
    reason: &str,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let mut given = 0;
    store.update(&mut |overlay| {
        let numbers = overlay.commands().iter();
        let last = numbers
            .filter_map(|command| command.get("id")?.as_u64())
            .max();
        // By the clock, so that it rises also where an overlay was begun anew.
        let clock = u64::try_from(now.as_nanos() / 1_000_000).unwrap_or(1);
        // Even; odd numbers are those of commands that the process itself is asked.
        given = clock
            .max(last.unwrap_or(0).saturating_add(1))
            .saturating_add(1)
            & !1;
        let order = Order {
            flag: flag.to_owned(),
            command: Command {
                id: given,
                by: by.to_owned(),
                reason: reason.to_owned(),
                at: now,
                what: wish,
            },
            answer: None,
        };
        overlay.commands_mut().push(order.to_json());
        true
    })?;
    Ok(given)
}

/// Returns what came of a command, once the controller has answered it.
#[must_use]
pub fn answer(overlay: &Overlay, id: u64) -> Option<Answer> {
    let orders = overlay.commands().iter();
    let mut orders = orders.filter_map(|value| Order::read(value).ok());
    orders.find(|order| order.command.id == id)?.answer
}

/// Kills a flag, whether or not it has a ramp and whether or not a controller runs: whoever follows the overlay serves
/// nobody the flag's variants from then on. A ramp is rolled back by it.
///
/// # Errors
///
/// The overlay can't be read or written.
pub fn kill(
    store: &dyn Store,
    flag: &str,
    by: &str,
    reason: &str,
    now: Timestamp,
) -> Result<Overlay, StoreError> {
    store.update(&mut |overlay| {
        let killed = std::mem::take(overlay).kill(flag);
        *overlay = killed.signed_at(flag, by, reason, now);
        true
    })
}

/// Takes a kill off, and returns the overlay; none where the flag is not killed. A ramp that was rolled back by it stays so,
/// until it is reset.
///
/// # Errors
///
/// The overlay can't be read or written.
pub fn unkill(
    store: &dyn Store,
    flag: &str,
    by: &str,
    reason: &str,
    now: Timestamp,
) -> Result<Option<Overlay>, StoreError> {
    let mut was_killed = false;
    let overlay = store.update(&mut |overlay| {
        was_killed = is_killed(overlay, flag);
        if was_killed {
            let revived = std::mem::take(overlay).revive(flag);
            *overlay = revived.signed_at(flag, by, reason, now);
        }
        was_killed
    })?;
    Ok(was_killed.then_some(overlay))
}

/// A kill that could not be written yet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Unkept {
    pub(super) by: String,
    pub(super) reason: String,
    pub(super) at: Timestamp,
}

/// Kills that hold in this process and could not be written yet, by flag.
pub(super) type UnkeptKills = Arc<Mutex<BTreeMap<String, Unkept>>>;

/// Puts kills into an overlay that it does not have.
pub(super) fn kill_all(mut overlay: Overlay, kills: &BTreeMap<String, Unkept>) -> Overlay {
    for (flag, kill) in kills {
        if !is_killed(&overlay, flag) {
            overlay = overlay
                .kill(flag)
                .signed_at(flag, &kill.by, &kill.reason, kill.at);
        }
    }
    overlay
}

pub(super) fn is_killed(overlay: &Overlay, flag: &str) -> bool {
    let mut entries = overlay.flags();
    entries.any(|(name, entry)| name == flag && entry.killed())
}

/// Brings an overlay back as it is in force, where its file is gone: what else it says, such as kills, must not be lost with
/// it. One that was begun anew goes on from the version that is in force, so that everybody takes it.
pub(super) fn restore(overlay: &mut Overlay, live: &Overlay) {
    if overlay.version() >= live.version() {
        return;
    }
    if overlay.flags().next().is_none() && overlay.commands().is_empty() {
        overlay.clone_from(live);
    } else {
        *overlay = std::mem::take(overlay).with_version(live.version());
    }
}

/// Puts answers beside their commands, and takes out those that were answered long ago.
pub(super) fn answer_all(overlay: &mut Overlay, answers: &[(u64, Answer)]) {
    let commands = overlay.commands_mut();
    for command in commands.iter_mut() {
        let id = command.get("id").and_then(Json::as_u64);
        let found = answers.iter().find(|(answered, _)| Some(*answered) == id);
        if let (Some((_, answer)), Some(command)) = (found, command.as_object_mut()) {
            command.insert("answer".to_owned(), answer_text(answer).into());
        }
    }
    let is_answered = |command: &Json| command.get("answer").is_some_and(Json::is_string);
    let answered = commands
        .iter()
        .filter(|command| is_answered(command))
        .count();
    let mut surplus = answered.saturating_sub(KEPT);
    commands.retain(|command| {
        let goes = surplus > 0 && is_answered(command);
        surplus -= usize::from(goes);
        !goes
    });
}
