//! What a controller remembers across restarts: a file to which each tick is appended.
//!
//! Every record says all of a ramp's state, so that the last one that can be read is enough; of what a run remembers of
//! its units it says what is new, and all records together say the rest. A record is a line of JSON. Decisions are
//! brought to the disk before they are carried out, but for what lowers, which is done first; what a tick merely counted may wait in the system's memory, and is
//! lost with the machine.
//!
//! - Each line ends with a sum of what it says, so that one that was changed is not believed.
//! - A last line that is cut off was being written when the process died: it is dropped.
//! - Any other line that can't be read is damage: the file is put aside, and what it said is taken with care, see
//!   [`Opened::damage`].
//! - The file is written anew, as one record, when it has grown far beyond that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::audit::AuditLine;
use crate::counts::Counts;
use crate::machine::State;
use crate::observe::Memory;

const FILE: &str = "journal.jsonl";
const LOCK: &str = "lock";

/// How long the lock of another process is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// From this size on the journal is written anew, unless it was as long when that was done last.
pub(super) const LONG: u64 = 8 * 1024 * 1024;

/// What is kept of one ramp.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) rule: String,
    pub(super) state: State,
    /// What the tick has added or, where `all` says so, everything.
    pub(super) memory: Memory,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) all: bool,
    /// What the tick has counted: for people who look for what happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) counts: Option<Counts>,
}

/// A line of the file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Record {
    /// When, as RFC 3339.
    pub(super) at: String,
    /// The number of the next line of the audit log.
    pub(super) audit: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) ramps: BTreeMap<String, Kept>,
    /// What the audit log is to say of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) lines: Vec<AuditLine>,
    /// The flags that are killed, where that has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) killed: Option<BTreeSet<String>>,
    /// Whether a process has ended in order with this.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) end: bool,
}

/// A journal that is open for writing.
#[derive(Debug)]
pub(super) struct Journal {
    directory: PathBuf,
    file: File,
    /// How long the file is, up to the last whole record.
    length: u64,
    /// How long it was when it was written anew.
    least: u64,
    /// Held as long as the process lives.
    lock: File,
}

/// What was found in a state directory.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) journal: Journal,
    pub(super) ramps: BTreeMap<String, Kept>,
    pub(super) killed: Option<BTreeSet<String>>,
    pub(super) audit: u64,
    /// The lines of the audit log that records tell of.
    pub(super) lines: Vec<AuditLine>,
    /// Whether the process before has ended in order, or there was none.
    pub(super) is_clean: bool,
    /// What could not be read. States are then those that could be read last: a ramp that runs is paused.
    pub(super) damage: Option<String>,
}

impl Journal {
    /// Opens the journal of a directory, which is made where it is missing, and keeps others from it.
    pub(super) fn open(directory: &Path, now: &str) -> io::Result<Opened> {
        fs::create_dir_all(directory)?;
        let directory = fs::canonicalize(directory)?;
        let lock = lock(&directory)?;
        let path = directory.join(FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut opened = Reading::of(&bytes);
        if opened.damage.is_some() {
            let aside = directory.join(format!("{FILE}.damaged-{}", now.replace(':', "")));
            fs::write(&aside, &bytes)?;
        }
        let mut file = options().open(&path)?;
        file.set_len(opened.whole)?;
        file.seek(SeekFrom::End(0))?;
        // So that a directory that can't be written is known before anything runs.
        file.sync_all()?;
        let mut journal = Self {
            directory,
            file,
            length: opened.whole,
            least: 0,
            lock,
        };
        if opened.damage.is_some() {
            let record = Record {
                at: now.to_owned(),
                audit: opened.audit,
                ramps: opened.ramps.clone(),
                killed: opened.killed.clone(),
                lines: std::mem::take(&mut opened.lines),
                end: opened.is_clean,
            };
            journal.rewrite(&record)?;
            opened.lines = record.lines;
        }
        Ok(Opened {
            journal,
            ramps: opened.ramps,
            killed: opened.killed,
            audit: opened.audit,
            lines: opened.lines,
            is_clean: opened.is_clean,
            damage: opened.damage,
        })
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Appends a record, and brings it to the disk where that is asked. What fails leaves the file as it was.
    pub(super) fn append(&mut self, record: &Record, to_disk: bool) -> io::Result<()> {
        self.check()?;
        let line = sealed(record)?;
        let written = self.write(&line, to_disk);
        match written {
            Ok(()) => {
                self.length = self.length.saturating_add(line.len() as u64);
                Ok(())
            }
            Err(error) => {
                // What was begun must not stand before what comes next.
                let _ = self.file.set_len(self.length);
                let _ = self.file.seek(SeekFrom::Start(self.length));
                Err(error)
            }
        }
    }

    fn write(&mut self, line: &[u8], to_disk: bool) -> io::Result<()> {
        self.file.write_all(line)?;
        if to_disk {
            self.file.sync_data()?;
        }
        Ok(())
    }

    /// Tells whether the file is long enough to be written anew.
    pub(super) fn is_long(&self) -> bool {
        self.length > LONG.max(self.least.saturating_mul(4))
    }

    /// Writes the journal anew: this one record takes the place of all.
    pub(super) fn rewrite(&mut self, record: &Record) -> io::Result<()> {
        self.check()?;
        let line = sealed(record)?;
        let (path, fresh) = (
            self.directory.join(FILE),
            self.directory.join(format!("{FILE}.new")),
        );
        let mut file = options().truncate(true).open(&fresh)?;
        file.write_all(&line)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        // From here on it is the journal, whatever fails.
        (self.file, self.length) = (file, line.len() as u64);
        self.least = self.length;
        sync(&self.directory)
    }

    /// An open file can be written for as long as one likes after it was deleted, and a lock that was deleted keeps nobody
    /// away.
    pub(super) fn check(&self) -> io::Result<()> {
        [(FILE, &self.file), (LOCK, &self.lock)]
            .into_iter()
            .try_for_each(|(name, file)| check(&self.directory.join(name), file))
    }
}

/// Tells whether a file that is open is the one at its path.
fn check(path: &Path, file: &File) -> io::Result<()> {
    let gone = || {
        let message = format!(
            "`{}` was deleted or replaced: restart the process",
            path.display()
        );
        io::Error::new(io::ErrorKind::NotFound, message)
    };
    let found = fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => gone(),
        _ => error,
    })?;
    if is_same(&found, &file.metadata()?) {
        Ok(())
    } else {
        Err(gone())
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options
}

fn lock(directory: &Path) -> io::Result<File> {
    let file = options().open(directory.join(LOCK))?;
    let mut locked = file.try_lock();
    // The one before may be about to end; and who is forked from it has the lock until it is another program.
    let until = Instant::now() + PATIENCE;
    while matches!(locked, Err(TryLockError::WouldBlock)) && Instant::now() < until {
        thread::sleep(PATIENCE / 50);
        locked = file.try_lock();
    }
    match locked {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "another process runs its ramps with it: give each process a directory of its own",
        )),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(unix)]
fn is_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;

    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    one.len() == other.len()
}

#[cfg(unix)]
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Elsewhere a directory can't be opened as a file is.
#[cfg(not(unix))]
fn sync(_directory: &Path) -> io::Result<()> {
    Ok(())
}

/// What ends a line, between the sum before it and the brace after it.
const SUM: &[u8] = b",\"sum\":\"";

/// Makes a line of a record: its JSON, whose last field is the sum of all before that.
fn sealed(record: &Record) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(record)?;
    let _ = line.pop();
    let sum = sum(&line);
    line.extend_from_slice(SUM);
    line.extend_from_slice(format!("{sum:016x}\"}}\n").as_bytes());
    Ok(line)
}

fn unsealed(line: &[u8]) -> Result<Record, String> {
    let place = line.len().checked_sub(SUM.len() + 16 + 2);
    let (said, seal) = place
        .and_then(|place| line.split_at_checked(place))
        .ok_or("it is too short")?;
    let wanted = format!("{:016x}\"}}", sum(said));
    if seal.strip_prefix(SUM) != Some(wanted.as_bytes()) {
        return Err("it is not what was written".to_owned());
    }
    serde_json::from_slice(line).map_err(|error| error.to_string())
}

/// FNV-1a: against accidents.
fn sum(bytes: &[u8]) -> u64 {
    let add = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, add)
}

/// What the bytes of a journal say.
#[derive(Debug, Default)]
struct Reading {
    ramps: BTreeMap<String, Kept>,
    killed: Option<BTreeSet<String>>,
    audit: u64,
    lines: Vec<AuditLine>,
    is_clean: bool,
    damage: Option<String>,
    /// How many bytes are whole records.
    whole: u64,
}

impl Reading {
    fn of(bytes: &[u8]) -> Self {
        let mut reading = Self {
            audit: 1,
            is_clean: true,
            ..Self::default()
        };
        let mut rest = bytes;
        let mut number = 0_usize;
        while !rest.is_empty() {
            number += 1;
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                // It was being written.
                break;
            };
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            reading.whole = reading.whole.saturating_add(end as u64).saturating_add(1);
            match unsealed(line) {
                Ok(record) => reading.take(record),
                Err(error) => {
                    let damage = || format!("line {number} of the journal can't be read: {error}");
                    reading.damage.get_or_insert_with(damage);
                    reading.is_clean = false;
                }
            }
        }
        reading
    }

    fn take(&mut self, record: Record) {
        self.audit = self.audit.max(record.audit);
        self.lines.extend(record.lines);
        self.is_clean = record.end;
        self.killed = record.killed.or(self.killed.take());
        for (flag, kept) in record.ramps {
            match self.ramps.get_mut(&flag) {
                Some(known) if !kept.all => {
                    known.memory.add(&kept.memory);
                    let memory = std::mem::take(&mut known.memory);
                    *known = Kept { memory, ..kept };
                }
                _ => {
                    self.ramps.insert(flag, kept);
                }
            }
        }
    }
}
