//! The lock that those who write one overlay take by turns.
//!
//! It is an advisory lock of a whole file of its own (`flock` on Unix), as the overlay itself is another file after each
//! write. The system lifts it when its holder dies, however that happens, so the file may stay for ever.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// How often a lock that is held is tried again.
const POLL: Duration = Duration::from_millis(10);

/// How long who had the lock lets others go first: within it each of them tries once.
const YIELD: Duration = Duration::from_millis(20);

/// Who had the lock last, and until when. A thread that writes without a pause would keep all others out, as they look
/// only now and then.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<Option<(ThreadId, Instant)>>);

impl Turns {
    fn give_way(&self) {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((thread, ended)) = last
            && thread == thread::current().id()
        {
            thread::sleep(YIELD.saturating_sub(ended.elapsed()));
        }
    }

    fn end(&self) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((thread::current().id(), Instant::now()));
    }
}

/// A lock that is held, until it is dropped.
#[derive(Debug)]
pub(super) struct Held<'t> {
    file: File,
    turns: &'t Turns,
}

/// Why a lock could not be had.
#[derive(Debug)]
pub(super) enum NoLock {
    /// Another one held it all the time.
    Held,
    Refused(io::Error),
}

impl From<io::Error> for NoLock {
    fn from(error: io::Error) -> Self {
        Self::Refused(error)
    }
}

impl<'t> Held<'t> {
    /// Takes the lock, waiting at most for `patience`.
    pub(super) fn take(path: &Path, patience: Duration, turns: &'t Turns) -> Result<Self, NoLock> {
        turns.give_way();
        let deadline = Instant::now() + patience;
        let mut file = open(path)?;
        loop {
            match file.try_lock() {
                // A file that somebody has taken away is locked in vain: others lock the one that is there by now.
                Ok(()) if is_at(&file, path)? => return Ok(Self { file, turns }),
                Ok(()) => {
                    file = open(path)?;
                    continue;
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(NoLock::Held);
            }
            thread::sleep(POLL.min(left));
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Not left to the closing: a process that is being started may have a copy of the descriptor for a moment.
        let _ = self.file.unlock();
        self.turns.end();
    }
}

/// Opens the file, or makes it. One that another user made may only be readable, which is enough to lock it.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            File::open(path).map_err(|_| error)
        }
        opened => opened,
    }
}

/// Returns whether the path still leads to the file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(found) => Ok(is_same(&file.metadata()?, &found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;

    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Elsewhere a file that is open can't be taken away.
#[cfg(not(unix))]
fn is_same(_one: &Metadata, _other: &Metadata) -> bool {
    true
}
