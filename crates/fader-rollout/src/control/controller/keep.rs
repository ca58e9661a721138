//! What is written down before it is carried out: the journal's records, and the lines of the audit log.

use std::collections::{BTreeMap, BTreeSet};

use fader::{OverlayEntry, Snapshot, Timestamp};

use super::decide::Decided;
use super::overlay::{entry, killed_in};
use super::{Controller, Run};
use crate::control::audit::AuditLine;
use crate::control::journal::{Kept, Record};
use crate::control::order::answer_text;
use crate::counts::Counts;
use crate::machine::{Answer, Cause, Command, Effect, Exposure, MACHINE, Notice, Now, Phase, Wish};
use crate::observe::Memory;

impl Controller {
    /// Writes down what was decided: to the disk where anything was. Where that can't be, what would be raised is decided
    /// again, as though nothing could be kept: then it is not raised.
    pub(super) fn write_down(
        &mut self,
        decided: &mut [Decided],
        snapshot: &Snapshot,
        orders: &BTreeMap<String, Vec<Command>>,
        now: Now,
    ) -> bool {
        let next_line = self.next_line;
        let killed = Some(killed_in(snapshot)).filter(|killed| *killed != self.killed);
        let mut lines = self.lines(decided, now.wall);
        if let Some(killed) = &killed {
            lines.extend(self.kills(killed, snapshot, now.wall));
        }
        if let Err(error) = self.append(decided, &lines, killed.as_ref(), now.wall) {
            self.troubles.insert("journal", error);
            self.next_line = next_line;
            for decision in decided.iter_mut().filter(|decision| decision.raises) {
                if let Some(run) = self.ramps.get_mut(&decision.flag) {
                    run.state = decision.before.clone();
                    run.unclean = decision.was_unclean;
                    run.written = decision.was_written;
                }
                let counts = decision.counts.take();
                let flag = decision.flag.clone();
                if let Some(again) = self.decide(&flag, snapshot, orders, counts, false, now) {
                    *decision = again;
                }
            }
            let lines = self.lines(decided, now.wall);
            self.unwritten.extend(lines);
            for run in self.ramps.values_mut() {
                run.kept = false;
            }
            return false;
        }
        self.troubles.remove("journal");
        self.killed = killed.unwrap_or_else(|| std::mem::take(&mut self.killed));
        let all = std::mem::take(&mut self.unwritten);
        self.audit.add(&all);
        self.audit.add(&lines);
        match self.audit.flush() {
            Ok(()) => self.troubles.remove("audit"),
            Err(error) => self
                .troubles
                .insert("audit", format!("the audit log can't be written: {error}")),
        };
        if self.journal.is_long() && self.audit.is_written() {
            let record = self.everything(now.wall);
            if let Err(error) = self.journal.rewrite(&record) {
                self.troubles.insert("journal", self.unwritable(&error));
            }
        }
        true
    }

    pub(super) fn unwritable(&self, error: &std::io::Error) -> String {
        format!(
            "the journal in `{}` can't be written: {error}",
            self.journal.directory().display()
        )
    }

    pub(super) fn append(
        &mut self,
        decided: &[Decided],
        lines: &[AuditLine],
        killed: Option<&BTreeSet<String>>,
        now: Timestamp,
    ) -> Result<(), String> {
        self.journal
            .check()
            .map_err(|error| self.unwritable(&error))?;
        let mut record = Record {
            at: now.to_string(),
            killed: killed.cloned(),
            audit: self.next_line,
            lines: self.unwritten.iter().chain(lines).cloned().collect(),
            ..Record::default()
        };
        for decision in decided {
            let Some(run) = self.ramps.get(&decision.flag) else {
                continue;
            };
            let is_live =
                run.state.exposure() != Exposure::NOBODY && run.state.phase() != Phase::Completed;
            if is_live || decision.changed {
                let is_recounted = decision.effects.contains(&Effect::Recount);
                let kept = if is_recounted {
                    // What is to be forgotten must not be recalled.
                    Kept {
                        memory: Memory::default(),
                        ..run.kept(None, true)
                    }
                } else {
                    run.kept(decision.counts.as_ref(), !run.kept)
                };
                record.ramps.insert(decision.flag.clone(), kept);
            }
        }
        let to_disk = decided.iter().any(|decision| decision.changed) || !lines.is_empty();
        if record.ramps.is_empty() && record.lines.is_empty() && killed.is_none() {
            return Ok(());
        }
        let appended = self.journal.append(&record, to_disk);
        appended.map_err(|error| self.unwritable(&error))?;
        for flag in record.ramps.keys() {
            if let Some(run) = self.ramps.get_mut(flag) {
                run.kept = true;
            }
        }
        Ok(())
    }

    pub(super) fn everything(&self, now: Timestamp) -> Record {
        let ramps = self.ramps.iter();
        let ramps = ramps.map(|(flag, run)| (flag.clone(), run.kept(None, true)));
        Record {
            at: now.to_string(),
            audit: self.next_line,
            ramps: ramps.chain(self.absent.clone()).collect(),
            killed: Some(self.killed.clone()),
            ..Record::default()
        }
    }

    /// Words what was decided for the audit log.
    pub(super) fn lines(&mut self, decided: &[Decided], now: Timestamp) -> Vec<AuditLine> {
        let mut lines = Vec::new();
        for decision in decided {
            let Some(run) = self.ramps.get(&decision.flag) else {
                continue;
            };
            for line in decision.lines(run) {
                lines.push(AuditLine {
                    id: self.next_line,
                    at: now.to_string(),
                    flag: decision.flag.clone(),
                    ..line
                });
                self.next_line = self.next_line.saturating_add(1);
            }
        }
        lines
    }

    /// Words which flags were killed, and of which a kill was taken off.
    pub(super) fn kills(
        &mut self,
        killed: &BTreeSet<String>,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Vec<AuditLine> {
        let on = killed.difference(&self.killed).map(|flag| (flag, "kill"));
        let off = self.killed.difference(killed).map(|flag| (flag, "unkill"));
        let mut lines = Vec::new();
        for (flag, what) in on.chain(off) {
            let entry = entry(snapshot, flag);
            lines.push(AuditLine {
                id: self.next_line,
                at: now.to_string(),
                flag: flag.clone(),
                by: entry
                    .and_then(OverlayEntry::by)
                    .unwrap_or("overlay")
                    .to_owned(),
                what: what.to_owned(),
                reason: entry
                    .and_then(OverlayEntry::reason)
                    .unwrap_or_default()
                    .to_owned(),
                ..AuditLine::default()
            });
            self.next_line = self.next_line.saturating_add(1);
        }
        lines
    }
}

impl Decided {
    /// What the audit log is to say of it, but for numbers, time and flag.
    fn lines(&self, run: &Run) -> Vec<AuditLine> {
        let mut lines = Vec::new();
        for effect in &self.effects {
            match effect {
                Effect::Answer { id, answer } => {
                    let command = self.commands.iter().find(|command| command.id == *id);
                    if let Some(command) = command {
                        lines.push(of_command(command, answer));
                    }
                }
                Effect::Tell(notice) => lines.extend(of_notice(notice)),
                _ => {}
            }
        }
        let (from, to) = (self.before.exposure(), run.state.exposure());
        if (from.percent, from.waves) != (to.percent, to.waves) {
            lines.push(AuditLine {
                by: MACHINE.to_owned(),
                what: "expose".to_owned(),
                stage: run.state.stage(),
                percent: Some(to.percent.to_string()),
                reason: format!("{} (was {} %)", run.state.phase(), from.percent),
                ..AuditLine::default()
            });
        }
        lines
    }
}

fn of_command(command: &Command, answer: &Answer) -> AuditLine {
    let stage = match command.what {
        Wish::Approve { stage } | Wish::Withdraw { stage } => Some(stage),
        _ => None,
    };
    AuditLine {
        by: command.by.clone(),
        what: command.what.as_str().to_owned(),
        stage,
        reason: command.reason.clone(),
        answer: Some(answer_text(answer)),
        command: Some(command.id),
        ..AuditLine::default()
    }
}

/// What the machine does by itself, or sees that a person did to the overlay.
fn of_notice(notice: &Notice) -> Option<AuditLine> {
    let line = |by: &str, what: &str, reason: String| AuditLine {
        by: by.to_owned(),
        what: what.to_owned(),
        reason,
        ..AuditLine::default()
    };
    let line = match notice {
        Notice::RolledBack(evidence) => match &evidence.cause {
            // The command, or the kill, has a line.
            Cause::Operator { .. } | Cause::Killed { .. } => return None,
            Cause::Guardrail(_) | Cause::CrashLoop { .. } => {
                line(MACHINE, "roll-back", evidence.to_string())
            }
        },
        Notice::Held(held) => line(MACHINE, "hold", held.to_string()),
        Notice::NewRun { run } => line(MACHINE, "new-run", format!("run {run}")),
        Notice::Breach { finding, response } => {
            line(MACHINE, "breach", format!("{}: {response:?}", finding.name))
        }
        Notice::CrashLoop { crashes } => line(
            MACHINE,
            "pause",
            format!("{crashes} unclean ends or stalls"),
        ),
        Notice::RaisedByHand(_) => line("overlay", "raise", "taken back".to_owned()),
        _ => return None,
    };
    Some(line)
}

impl Run {
    pub(super) fn kept(&self, counted: Option<&(Counts, Memory)>, all: bool) -> Kept {
        let news = counted
            .map(|(_, news)| news.clone())
            .unwrap_or_else(|| self.memory.nothing_new());
        Kept {
            rule: self.rule.clone(),
            state: self.state.clone(),
            memory: if all { self.memory.clone() } else { news },
            all,
            counts: counted
                .map(|(counts, _)| counts.clone())
                .filter(|counts| !counts.strata.is_empty()),
        }
    }
}
