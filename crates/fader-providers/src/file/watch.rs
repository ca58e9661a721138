//! Which directories can tell that a file has changed, and watching them.
//!
//! A watch holds on to one directory, not to a path. A file that is replaced is told of by its directory, and so is a
//! symlink that is repointed, by the directory that it stands in: so the path is walked link by link, and each of
//! those directories is watched, not only the one that the path leads to in the end (of which nothing is heard when
//! `..data` is switched away from it). Where the path ends early, the directory in which it does is watched for the
//! rest to appear. As all of that moves, it is walked again at each look.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::SystemTime;

use notify::event::{EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

use super::run::Hint;
use crate::error::reason_of;

/// As many symlinks as Linux follows on one path.
const MAX_LINKS: u32 = 40;

/// The watched directories of one source.
#[derive(Debug)]
pub(super) struct Watch {
    /// Where watches come from; `None` where none are wanted.
    hints: Option<SyncSender<Hint>>,
    watcher: Option<RecommendedWatcher>,
    watched: BTreeMap<PathBuf, Identity>,
    /// Set when something was removed or renamed. A watch ends with its directory, and the watcher's own table then
    /// forgets paths that may be back already, so that all are set anew.
    moved: Arc<AtomicBool>,
    trouble: Option<String>,
}

impl Watch {
    pub(super) fn new(hints: SyncSender<Hint>) -> Self {
        Self {
            hints: Some(hints),
            ..Self::off()
        }
    }

    /// Watches nothing: the poll serves alone.
    pub(super) fn off() -> Self {
        Self {
            hints: None,
            watcher: None,
            watched: BTreeMap::new(),
            moved: Arc::default(),
            trouble: None,
        }
    }

    /// Says why notifications can't be had, if they can't.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Watches what can tell of changes of these paths, and nothing else, renewing what has died. To be called before
    /// they are read, so that what changes later is notified.
    pub(super) fn renew<'a>(&mut self, paths: impl Iterator<Item = &'a Path>) {
        let moved = self.moved.swap(false, Ordering::Relaxed);
        let wanted = directories(paths);
        let stale = |path: &PathBuf, identity: &Identity| {
            moved || !wanted.contains(path) || Identity::of(path).as_ref() != Some(identity)
        };
        if let Some(watcher) = &mut self.watcher {
            self.watched.retain(|path, identity| {
                let stale = stale(path, identity);
                if stale {
                    // It fails where the watch has ended by itself.
                    let _ = watcher.unwatch(path);
                }
                !stale
            });
        }
        self.add(wanted);
    }

    /// Watches what can tell of changes of these paths beside the rest. Returns whether anything is watched that was
    /// not before, so that it may have changed unseen.
    pub(super) fn extend<'a>(&mut self, paths: impl Iterator<Item = &'a Path>) -> bool {
        self.add(directories(paths))
    }

    fn add(&mut self, wanted: BTreeSet<PathBuf>) -> bool {
        let before = self.watched.len();
        if let Err(error) = self.try_add(wanted) {
            self.trouble = Some(reason(&error));
        } else {
            self.trouble = None;
        }
        self.watched.len() > before
    }

    fn try_add(&mut self, wanted: BTreeSet<PathBuf>) -> notify::Result<()> {
        let Some(hints) = &self.hints else {
            return Ok(());
        };
        let watcher = match &mut self.watcher {
            Some(watcher) => watcher,
            none => none.insert(watcher(hints.clone(), Arc::clone(&self.moved))?),
        };
        for path in wanted {
            // Taken before it is watched: should it be replaced in between, the next look sees another.
            let Some(identity) = Identity::of(&path) else {
                continue;
            };
            if self.watched.contains_key(&path) {
                continue;
            }
            match watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(path, identity);
                }
                // It is gone again, which its parent tells.
                Err(error) if is_not_found(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn watcher(hints: SyncSender<Hint>, moved: Arc<AtomicBool>) -> notify::Result<RecommendedWatcher> {
    notify::recommended_watcher(move |event| {
        let Some(has_moved) = has_moved(event) else {
            return;
        };
        if has_moved {
            moved.store(true, Ordering::Relaxed);
        }
        // Where it is full, enough hints wait already.
        let _ = hints.try_send(Hint::Changed);
    })
}

/// Returns whether something may have been removed or renamed, also unseen; `None` where an event is no hint at all.
fn has_moved(event: notify::Result<Event>) -> Option<bool> {
    let kind = event.map_or(EventKind::Any, |event| {
        if event.need_rescan() {
            EventKind::Any
        } else {
            event.kind
        }
    });
    match kind {
        // Reading it, as this very provider does.
        EventKind::Access(_) => None,
        EventKind::Create(_) | EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)) => {
            Some(false)
        }
        EventKind::Any | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => {
            Some(true)
        }
    }
}

fn is_not_found(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(error) => error.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

fn reason(error: &notify::Error) -> String {
    match &error.kind {
        notify::ErrorKind::MaxFilesWatch => "the system's limit of watches is reached".to_owned(),
        notify::ErrorKind::Io(error) => reason_of(error),
        _ => error.to_string(),
    }
}

/// Tells one directory from another that stands at the same path later.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    inode: Option<(u64, u64)>,
    /// Inode numbers are used again soon after their directory is gone.
    created: Option<SystemTime>,
}

impl Identity {
    #[cfg(unix)]
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;

        let found = fs::metadata(path).ok()?;
        Some(Self {
            inode: Some((found.dev(), found.ino())),
            created: found.created().ok(),
        })
    }

    #[cfg(not(unix))]
    fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self {
            inode: None,
            created: found.created().ok(),
        })
    }
}

/// Returns the real directories that can tell that one of these paths leads to something else, or that what it leads
/// to was replaced.
fn directories<'a>(paths: impl Iterator<Item = &'a Path>) -> BTreeSet<PathBuf> {
    let mut directories = BTreeSet::new();
    for path in paths {
        walk(path, &mut directories);
    }
    directories
}

fn walk(path: &Path, directories: &mut BTreeSet<PathBuf>) {
    // INVARIANT: `real` has no symlink in it, so that `..` takes one part off.
    let mut real = PathBuf::new();
    let mut ahead = parts(path);
    let mut links = 0;
    while let Some(part) = ahead.pop() {
        if part == ".." {
            real.pop();
            continue;
        }
        let next = real.join(&part);
        let Ok(found) = fs::symlink_metadata(&next) else {
            break;
        };
        if !found.is_symlink() {
            if !ahead.is_empty() {
                real = next;
            }
            continue;
        }
        directories.insert(real.clone());
        links += 1;
        match fs::read_link(&next) {
            // An absolute target begins with the root, which takes the place of what `real` is then.
            Ok(target) if links <= MAX_LINKS => ahead.extend(parts(&target)),
            _ => break,
        }
    }
    directories.insert(real);
}

/// Returns the parts of a path, last one first.
fn parts(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .map(|part| part.as_os_str().to_owned())
        .filter(|part| part != ".")
        .collect()
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
