//! Who did what to which ramp, and why: one line of JSON for each, in a file that only grows.
//!
//! A line is told to the journal first, with its number. What a process had not written here when it died is written by
//! the next one, so none is lost or doubled. So is what was lost of this file, as far as the journal still has it.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

const FILE: &str = "audit.jsonl";

/// A line of the audit log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AuditLine {
    /// Its number, from 1 on.
    pub id: u64,
    /// When, as RFC 3339.
    pub at: String,
    /// The flag.
    pub flag: String,
    /// Who: a person, or `fader` for the controller.
    pub by: String,
    /// What, such as `pause`, `roll-back` or `expose`.
    #[serde(rename = "do")]
    pub what: String,
    /// The stage, where it concerns one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<usize>,
    /// Whom the ramp exposes from then on, where that has changed: so many percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What was answered to a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The command's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<u64>,
}

impl AuditLine {
    /// Reads the audit log of a state directory: its lines, and how many of it can't be read. A crash may leave the last
    /// one so.
    ///
    /// # Errors
    ///
    /// There is none, or it can't be read.
    pub fn read_all(state: &Path) -> io::Result<(Vec<Self>, usize)> {
        let bytes = fs::read(Self::path(state))?;
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let read: Vec<Option<Self>> = lines.map(|line| serde_json::from_str(line).ok()).collect();
        let count = read.len();
        let read: Vec<Self> = read.into_iter().flatten().collect();
        let unread = count.saturating_sub(read.len());
        Ok((read, unread))
    }

    /// Returns where the audit log of a state directory is.
    #[must_use]
    pub fn path(state: &Path) -> PathBuf {
        state.join(FILE)
    }
}

/// The audit log of a state directory.
#[derive(Debug)]
pub(super) struct Audit {
    path: PathBuf,
    /// What could not be written yet.
    pending: Vec<AuditLine>,
    next: u64,
}

impl Audit {
    /// Opens it, and adds what the journal tells of and it lacks.
    pub(super) fn open(directory: &Path, mut lines: Vec<AuditLine>) -> io::Result<Self> {
        let path = directory.join(FILE);
        let known = mend(&path)?;
        let mut next = known.last().map_or(1, |last| last.saturating_add(1));
        lines.retain(|line| !known.contains(&line.id));
        next = lines
            .iter()
            .fold(next, |next, line| next.max(line.id.saturating_add(1)));
        let mut audit = Self {
            path,
            pending: lines,
            next,
        };
        audit.flush()?;
        Ok(audit)
    }

    /// Returns the first number above all that it had when it was opened.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn add(&mut self, lines: &[AuditLine]) {
        self.pending.extend_from_slice(lines);
    }

    /// Writes what is not written yet.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut text = Vec::new();
        for line in &self.pending {
            serde_json::to_writer(&mut text, line)?;
            text.push(b'\n');
        }
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)?;
        let length = file.metadata()?.len();
        if let Err(error) = file.write_all(&text).and_then(|()| file.sync_data()) {
            let _ = file.set_len(length);
            return Err(error);
        }
        self.pending.clear();
        Ok(())
    }

    pub(super) fn is_written(&self) -> bool {
        self.pending.is_empty()
    }
}

/// Cuts off a line that was being written when its process died, and returns the numbers of all that can be read.
fn mend(path: &Path) -> io::Result<BTreeSet<u64>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(error),
    };
    let whole = bytes.iter().rposition(|byte| *byte == b'\n');
    let whole = whole.map_or(0, |end| end.saturating_add(1));
    if whole < bytes.len() {
        let file = File::options().write(true).open(path)?;
        file.set_len(whole as u64)?;
        file.sync_all()?;
    }
    let lines = bytes.get(..whole).unwrap_or_default();
    let lines = lines.split(|byte| *byte == b'\n');
    let lines = lines.filter_map(|line| serde_json::from_slice::<AuditLine>(line).ok());
    Ok(lines.map(|line| line.id).collect())
}
