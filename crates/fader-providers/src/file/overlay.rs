//! The overlay as a file that several processes write: services that run staged ramps, and people's tools.
//!
//! Who writes takes the lock beside it, reads what is there, changes it, raises its version and replaces the file as a
//! whole. Who reads takes no lock: the file is the old one or the new one, and never a part of either.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use fader::{Overlay, Source, Store, StoreError};

use super::lock::{Held, NoLock, Turns};
use super::read::{self, ReadError};
use super::run::Hint;
use super::{MAX_BYTES, Named, OVERLAY_SUFFIX};
use crate::error::ProviderError;
use crate::replace::{self, Access};

/// How long a writer waits for others: each of them takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// An overlay's file, for those who write it: [`Store::update`] changes it so that no change of another process is lost.
///
/// The provider says so to the handle whose overlay it follows, and [`Flags::store`](fader::Flags::store) returns it. A
/// tool that has no handle makes one of the path.
///
/// # How it is written
///
/// | step | what holds |
/// |---|---|
/// | lock | Of `<overlay>.lock`, which is made where it is missing and stays. It is advisory, and ends with who holds it, also by `kill -9`. Others wait up to 5 s. |
/// | read | Strictly: an overlay with errors is never written over. None there is an empty one. |
/// | change | Of the whole. Entries of other flags and all commands stay as they are; comments, spaces and `x-` fields don't. |
/// | version | One above what was there, or above what the change sets where that is higher. |
/// | write | A new file, brought to the disk and renamed over the old one, with its mode and owner, as by [`replace_file`](crate::replace_file). |
///
/// Where the overlay is a symlink it stays one, and the lock lies beside what it leads to, so that those who write it by
/// different paths share one. That directory has to be writable.
///
/// An editor or `mv` asks for no lock: what they write between a reading and a writing of others is lost.
///
/// On a network's file system it depends on its server whether locks hold between machines. A fleet wants a store that is
/// made for it.
///
/// # Examples
///
/// ```
/// use fader::Store;
/// use fader_providers::OverlayFile;
///
/// # let directory = std::env::temp_dir().join(format!("fader-overlay-file-{}", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// # let path = directory.join("flags.json");
/// let overlay = OverlayFile::beside(&path);
/// let written = overlay.update(&mut |overlay| {
///     *overlay = std::mem::take(overlay).kill("new-checkout").signed("new-checkout", "anna", "5xx");
///     true
/// })?;
///
/// assert_eq!(written.version(), 1);
/// assert_eq!(overlay.read()?, Some(written));
/// # std::fs::remove_dir_all(&directory)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct OverlayFile {
    named: Named,
    max_bytes: u64,
    patience: Duration,
    turns: Arc<Turns>,
}

impl OverlayFile {
    /// Names an overlay by its path. A relative one is made absolute here.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::of(Named::new(&path.into()), MAX_BYTES)
    }

    /// Names the overlay that lies at its default place beside a document or a folder of documents: the path with
    /// `.overlay.json` appended.
    #[must_use]
    pub fn beside(document: impl Into<PathBuf>) -> Self {
        let document = Named::new(&document.into());
        Self::of(document.with_suffix(OVERLAY_SUFFIX), MAX_BYTES)
    }

    pub(super) fn of(named: Named, max_bytes: u64) -> Self {
        Self {
            named,
            max_bytes,
            patience: PATIENCE,
            turns: Arc::default(),
        }
    }

    /// Returns its path, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.named.path
    }

    /// Reads what is there; `None` where nothing is. It takes no lock and waits for nobody.
    ///
    /// # Errors
    ///
    /// If it has errors, is unreadable, no regular file, or larger than 16 MiB.
    pub fn read(&self) -> Result<Option<Overlay>, ProviderError> {
        let Some(bytes) = self.bytes(&self.named)? else {
            return Ok(None);
        };
        let overlay = Overlay::read(&bytes, &self.source());
        overlay.map(Some).map_err(ProviderError::refused)
    }

    /// Reads where the controller keeps its state, as it was [announced](Store::announce) last; `None` where nobody ever
    /// did. It may be gone by now: nothing takes the word back.
    ///
    /// # Errors
    ///
    /// If the file is unreadable, no text, no regular file, or larger than 16 MiB.
    pub fn controller(&self) -> Result<Option<String>, ProviderError> {
        let place = self.place();
        let place = place.map_err(|error| ProviderError::read(&self.named.name, error.into()))?;
        let named = place.with_suffix(".controller");
        let Some(bytes) = self.bytes(&named)? else {
            return Ok(None);
        };
        String::from_utf8(bytes).map(Some).map_err(|_| {
            let error = io::Error::new(io::ErrorKind::InvalidData, "it is no text");
            ProviderError::read(&named.name, ReadError::Io(error))
        })
    }

    fn bytes(&self, named: &Named) -> Result<Option<Vec<u8>>, ProviderError> {
        match read::read(&named.path, self.max_bytes) {
            Ok(content) => Ok(Some(content.bytes)),
            Err(ReadError::NotFound) => Ok(None),
            Err(error) => Err(ProviderError::read(&named.name, error)),
        }
    }

    fn source(&self) -> Source {
        Source::new(self.named.name.as_str())
    }

    /// Returns where it really lies, by the name that was given where that is no symlink.
    fn place(&self) -> io::Result<Named> {
        let path = replace::target(&self.named.path)?;
        let is_elsewhere = path != self.named.path;
        Ok(Named {
            name: if is_elsewhere {
                path.display().to_string()
            } else {
                self.named.name.clone()
            },
            path,
        })
    }

    /// Says that something can't be written, and what to do about it.
    fn unwritten(&self, named: &Named, error: io::Error) -> StoreError {
        let cure = match error.kind() {
            io::ErrorKind::NotFound => "make its directory first".to_owned(),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => format!(
                "its directory has to be writable for who runs this, or the overlay placed elsewhere with `overlay(path)`; \
                 the overlay `{}` is as it was",
                self.named.name
            ),
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => format!(
                "make room on its disk, or raise the limit; the overlay `{}` is as it was",
                self.named.name
            ),
            _ => return StoreError::new(ProviderError::write(&named.name, error).to_string()),
        };
        let error = ProviderError::write(&named.name, error);
        StoreError::new(format!("{error}; {cure}"))
    }

    fn unlocked(&self, lock: &Named, error: NoLock) -> StoreError {
        match error {
            NoLock::Refused(error) => self.unwritten(lock, error),
            NoLock::Held => StoreError::new(format!(
                "another writer of the overlay `{}` has held `{}` for {:?}: a service that runs staged ramps, or a tool such \
                 as `fader` that hangs (`fuser` with that path tells which process); nothing was written",
                self.named.name, lock.name, self.patience
            )),
        }
    }
}

impl Store for OverlayFile {
    fn name(&self) -> &str {
        &self.named.name
    }

    fn update(&self, change: &mut dyn FnMut(&mut Overlay) -> bool) -> Result<Overlay, StoreError> {
        let place = || {
            self.place()
                .map_err(|error| self.unwritten(&self.named, error))
        };
        let found = loop {
            let there = place()?;
            let lock = there.with_suffix(".lock");
            let held = Held::take(&lock.path, self.patience, &self.turns)
                .map_err(|error| self.unlocked(&lock, error))?;
            // A symlink may have been switched meanwhile, and the lock of another file be held.
            if place()?.path == there.path {
                break (there, held);
            }
        };
        let (there, _held) = found;
        let before = self.read().map_err(|error| {
            let cure = match error.compile_error() {
                Some(_) => "; mend it there, or lift all that it says with `{}`",
                None => "",
            };
            StoreError::new(format!("{error}{cure}; nothing was written"))
        })?;
        let before = before.unwrap_or_default();
        let mut after = before.clone();
        if !change(&mut after) {
            return Ok(before);
        }
        let highest = before.version().max(after.version());
        let version = highest.checked_add(1).ok_or_else(|| {
            StoreError::new(format!(
                "the version of `{}` can't be raised above {highest}: write a lower one by hand; nothing was written",
                self.named.name
            ))
        })?;
        let after = after.with_version(version);
        let text = format!("{after}\n");
        // Nobody would take it.
        let is_too_long = text.len() as u64 > self.max_bytes;
        Overlay::read(text.as_bytes(), &self.source())
            .map_err(|error| error.to_string())
            .and_then(|_| match is_too_long {
                true => Err(format!("it is larger than the limit of {} bytes", self.max_bytes)),
                false => Ok(()),
            })
            .map_err(|reason| {
                let name = &self.named.name;
                StoreError::new(format!(
                    "the change of `{name}` makes no overlay of it that can be read: {reason}; nothing was written"
                ))
            })?;
        replace::replace(&there.path, text.as_bytes(), Access::AsBefore)
            .map_err(|error| self.unwritten(&self.named, error))?;
        Ok(after)
    }

    fn announce(&self, controller: &str) -> Result<(), StoreError> {
        let place = self.place();
        let place = place.map_err(|error| self.unwritten(&self.named, error))?;
        let named = place.with_suffix(".controller");
        replace::replace(&named.path, controller.as_bytes(), Access::AsBefore)
            .map_err(|error| self.unwritten(&named, error))
    }
}

/// The overlay that a handle follows: what is written through the handle is looked at without waiting for a notification
/// or the poll.
pub(super) struct Followed {
    pub(super) file: OverlayFile,
    pub(super) hints: SyncSender<Hint>,
}

impl Store for Followed {
    fn name(&self) -> &str {
        self.file.name()
    }

    fn update(&self, change: &mut dyn FnMut(&mut Overlay) -> bool) -> Result<Overlay, StoreError> {
        let updated = self.file.update(change);
        // Where it is full, enough hints wait already.
        let _ = self.hints.try_send(Hint::Changed);
        updated
    }

    fn announce(&self, controller: &str) -> Result<(), StoreError> {
        self.file.announce(controller)
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
