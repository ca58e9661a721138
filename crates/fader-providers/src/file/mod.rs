//! A file as the source of flags.
//!
//! The file system's notifications are a hint, and content decides: any of them only makes a reading due, the slow
//! poll makes one due without them, and whether anything changed is told by comparing what was read. So one that is
//! lost, doubled or late costs time and never correctness.
//!
//! - [`read`] reads a document, its lists and its overlay so that they belong together;
//! - [`contents`] is what it found, for those who load it themselves;
//! - [`watch`] knows which directories can tell of a change;
//! - [`schedule`] decides when the next look is due, without a clock of its own;
//! - [`run`] is the thread, and what it does with what it sees.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use fader::{Flags, FlagsBuilder, Source};

use crate::error::ProviderError;

mod contents;
mod read;
mod run;
mod schedule;
mod watch;

pub use self::contents::FileContents;
use self::read::Files;
pub(crate) use self::read::{ReadError, reason_of};
use self::run::{Follower, Stop};
use self::schedule::Schedule;
use self::watch::Watch;

/// How many hints may wait while a reading runs; further ones would say nothing new.
const HINTS: usize = 64;

/// Names a file as the source of flags: `fader_providers::file("flags.json").open()?`.
///
/// A relative path is made absolute here, so that a later change of the working directory does not matter.
pub fn file(path: impl Into<PathBuf>) -> FileBuilder {
    FileBuilder {
        path: Named::new(path.into()),
        overlay: None,
        poll_every: Duration::from_secs(5),
        debounce: Duration::from_millis(100),
        max_bytes: 16 << 20,
        max_list_bytes: 256 << 20,
        quarantine: false,
        watch: true,
        flags: Flags::builder(),
        warn: Box::new(|_| {}),
    }
}

/// Settings of a file source; [`open`](Self::open) loads and follows it, [`read`](Self::read) only reads it.
///
/// # What is followed
///
/// The document, the list files that it names, and the overlay. Lists are read from the *real* directory that the
/// document was read from, so that a switched symlink never mixes two versions. The overlay holds what operators and
/// controllers say on top of the document. It lies at the configured path with `.overlay.json` appended, unless
/// [`overlay`](Self::overlay) places it elsewhere; none there at the start is no overlay.
///
/// Edits in place, files renamed over, symlinks repointed (the file's own, or that of a directory on the way, as in a
/// Kubernetes `ConfigMap` or a deploy that switches `current`), deletion and re-creation are all picked up without a
/// restart.
///
/// # When
///
/// | what | default | set by |
/// |---|---|---|
/// | after the last notification of a burst | 100 ms | [`debounce`](Self::debounce) |
/// | at the latest after the first one, where they don't cease | 200 ms | twice the debounce |
/// | without any notification | every 5 s | [`poll_every`](Self::poll_every) |
/// | after a reading that failed or was refused | 1 s, then 2 s, 4 s … up to the poll's interval | |
///
/// A list file that grows or shrinks in place is read once it looks the same twice, a debounce apart, or after ten
/// looks: unlike half a document, half a list would be taken for a whole one.
///
/// # What happens to a bad file
///
/// At the start it is an error of `open()`. Later the last good rules stay live, [`Flags::status`] says what is wrong,
/// and the file is looked at again as above. That goes for a document that has errors, is empty or half written, that
/// is gone or unreadable, and for each list and the overlay likewise. A list file that *became* empty counts as half
/// written: a list that is meant to be empty holds a comment line. An overlay that is deleted stays in force, since
/// it may hold a kill; write `{}` to lift it.
///
/// # Cost
///
/// Each reading reads everything: the poll too compares content, never only size and time. Any change in a watched
/// directory makes one due, so a directory of its own serves a document with large lists best.
///
/// # Examples
///
/// ```no_run
/// use std::time::{Duration, Instant};
///
/// let flags = fader_providers::file("/etc/shop/flags.json")
///     .overlay("/var/lib/shop/flags.overlay.json")
///     .poll_every(Duration::from_secs(30))
///     .flags(fader::Flags::builder().ambient("env", "prod"))
///     .open()?;
/// # Ok::<(), fader_providers::ProviderError>(())
/// ```
#[must_use = "nothing is read until `open` or `read` is called"]
pub struct FileBuilder {
    path: Named,
    overlay: Option<Named>,
    poll_every: Duration,
    debounce: Duration,
    max_bytes: u64,
    max_list_bytes: u64,
    quarantine: bool,
    watch: bool,
    flags: FlagsBuilder,
    warn: Box<dyn Fn(&str) + Send>,
}

impl FileBuilder {
    /// Places the overlay. The default is the document's path with `.overlay.json` appended, which is the wrong place
    /// where a deploy replaces that directory: kills and roll-backs would be lost with it.
    pub fn overlay(mut self, path: impl Into<PathBuf>) -> Self {
        self.overlay = Some(Named::new(path.into()));
        self
    }

    /// Sets how often the files are read although nothing was notified: from 10 ms to a day, by default 5 s.
    pub fn poll_every(mut self, interval: Duration) -> Self {
        self.poll_every = interval;
        self
    }

    /// Sets how long after the last notification the files are read, at most a minute, by default 100 ms. Where
    /// notifications don't cease, they are read at the latest twice that after the first one.
    pub fn debounce(mut self, quiet: Duration) -> Self {
        self.debounce = quiet;
        self
    }

    /// Limits the size of the document, and of the overlay, in bytes: by default 16 MiB.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Limits the size of each list file, in bytes: by default 256 MiB.
    pub fn max_list_bytes(mut self, bytes: u64) -> Self {
        self.max_list_bytes = bytes;
        self
    }

    /// Sets aside only those flags that have errors, and takes the rest of the document. The default is strict: a
    /// document with errors is refused whole.
    pub fn quarantine(mut self) -> Self {
        self.quarantine = true;
        self
    }

    /// Sets whether the file system's notifications are used, by default `true`. Without them the poll alone finds
    /// changes, as on NFS and on other mounts that notify of nothing: set [`poll_every`](Self::poll_every) to the
    /// delay that is wanted.
    pub fn watch(mut self, notifications: bool) -> Self {
        self.watch = notifications;
        self
    }

    /// Sets how the handle itself is built: its clock, its ambient attributes, the keys that it decodes. The default
    /// is `Flags::builder()`.
    pub fn flags(mut self, builder: FlagsBuilder) -> Self {
        self.flags = builder;
        self
    }

    /// Sets who is told what does no harm to what is live but should be known, a line each:
    ///
    /// - from [`open`](Self::open), once it has succeeded, that the overlay's default place is one that a deploy replaces (it lies behind a
    ///   symlink) or that can't be written, so that kills and roll-backs would be lost;
    /// - from `open` or later, once, that notifications can't be had (the limit of inotify watches is reached, say), so
    ///   that the poll serves alone. They are tried for again at each poll.
    ///
    /// The default is nobody.
    pub fn on_warning(mut self, told: impl Fn(&str) + Send + 'static) -> Self {
        self.warn = Box::new(told);
        self
    }

    /// Loads the document, its lists and its overlay, and follows them on a thread of its own until the last clone of
    /// the returned handle is dropped.
    ///
    /// That notifications can't be had is no error: see [`on_warning`](Self::on_warning).
    ///
    /// # Errors
    ///
    /// If the document is missing, unreadable, no regular file or too large, or has errors; if there is an overlay of
    /// which the same is true; and if the system refuses a thread.
    pub fn open(self) -> Result<Flags, ProviderError> {
        let (files, source) = (self.files(), self.source());
        let warning = match self.overlay {
            Some(_) => None,
            None => misplaced(&files.overlay),
        };
        let schedule = Schedule::new(self.debounce, self.poll_every, Instant::now());

        let (hints, inbox) = mpsc::sync_channel(HINTS);
        let watch = if self.watch {
            Watch::new(hints.clone())
        } else {
            Watch::off()
        };
        let flags = self.flags.build();
        let mut follower = Follower::new(files, source, watch, self.warn);
        follower.open(&flags)?;
        // Only now, so that nothing stands before the line that says why it failed.
        follower.warn(warning.as_deref());

        flags.attach(Stop(hints));
        let weak = flags.downgrade();
        thread::Builder::new()
            .name("fader-file".to_owned())
            .spawn(move || run::run(follower, schedule, &inbox, &weak))
            .map_err(|error| ProviderError::thread(&self.path.name, error))?;
        Ok(flags)
    }

    /// Reads the document, its lists and its overlay once, as [`open`](Self::open) does, and neither loads nor follows
    /// them: for a tool that checks what a service would be given.
    ///
    /// A list that can't be read is no error here, but one of loading. Nothing is [warned of](Self::on_warning).
    ///
    /// # Errors
    ///
    /// If the document is missing, unreadable, no regular file or too large, and if there is an overlay that is one of
    /// the latter three.
    ///
    /// # Examples
    ///
    /// ```
    /// # let directory = std::env::temp_dir().join(format!("fader-providers-read-{}", std::process::id()));
    /// # std::fs::create_dir_all(&directory)?;
    /// # let path = directory.join("flags.json");
    /// # std::fs::write(&path, r#"{ "flags": { "new-checkout": { "default": "of" } } }"#)?;
    /// let read = fader_providers::file(&path).read()?;
    /// let source = read.source().clone();
    /// let error = fader::Flags::builder().build().load(read, &source).unwrap_err();
    ///
    /// assert_eq!(error.diagnostics()[0].path(), "flags.new-checkout.default");
    /// # std::fs::remove_dir_all(&directory)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read(&self) -> Result<FileContents, ProviderError> {
        let files = self.files();
        let (set, overlay) = files.read_all()?;
        Ok(FileContents {
            source: self.source(),
            overlay_source: Source::new(files.overlay.name),
            set,
            overlay,
        })
    }

    fn files(&self) -> Files {
        let overlay = match &self.overlay {
            Some(chosen) => chosen.clone(),
            None => self.path.with_suffix(".overlay.json"),
        };
        Files::new(
            self.path.clone(),
            overlay,
            self.max_bytes,
            self.max_list_bytes,
        )
    }

    fn source(&self) -> Source {
        let source = Source::new(self.path.name.as_str());
        if self.quarantine {
            source.quarantine()
        } else {
            source
        }
    }
}

impl fmt::Debug for FileBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileBuilder")
            .field("path", &self.path.path)
            .finish_non_exhaustive()
    }
}

/// A path as it was written, which messages name, and made absolute, which is used.
#[derive(Clone, Debug)]
struct Named {
    name: String,
    path: PathBuf,
}

impl Named {
    fn new(written: PathBuf) -> Self {
        let name = written.display().to_string();
        // It fails only for an empty path, or without a working directory: then reading fails, and says so.
        Self {
            name,
            path: std::path::absolute(&written).unwrap_or(written),
        }
    }

    fn with_suffix(&self, suffix: &str) -> Self {
        let mut path = self.path.clone().into_os_string();
        path.push(suffix);
        Self {
            name: format!("{}{suffix}", self.name),
            path: path.into(),
        }
    }
}

/// Says what is wrong with the default place of the overlay. One that was chosen is the answer to that already.
fn misplaced(overlay: &Named) -> Option<String> {
    let directory = overlay.path.parent()?;
    let link = directory
        .ancestors()
        .find(|path| fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()));
    let trouble = match link {
        Some(link) => format!(
            "lies behind the symlink `{}`: a deploy that switches it loses kills and roll-backs",
            link.display()
        ),
        None if is_read_only(directory) => {
            "lies in a directory that cannot be written: no kill or roll-back can be kept"
                .to_owned()
        }
        None => return None,
    };
    Some(format!(
        "the overlay `{}` {trouble}; place it elsewhere with `overlay(path)`",
        overlay.name
    ))
}

/// Asks the system, which also knows of read-only mounts.
#[cfg(unix)]
fn is_read_only(directory: &Path) -> bool {
    use rustix::fs::Access;
    use rustix::io::Errno;

    matches!(
        rustix::fs::access(directory, Access::WRITE_OK),
        Err(Errno::ROFS | Errno::ACCESS | Errno::PERM)
    )
}

#[cfg(not(unix))]
fn is_read_only(directory: &Path) -> bool {
    fs::metadata(directory).is_ok_and(|found| found.permissions().readonly())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_is_made_absolute_and_named_as_written() {
        let here = std::env::current_dir().unwrap();
        let path = file("rules/flags.json").overlay("overlay.json");
        assert_eq!(path.path.path, here.join("rules/flags.json"));
        assert_eq!(path.path.name, "rules/flags.json");
        assert_eq!(path.overlay.unwrap().path, here.join("overlay.json"));
        let beside = Named::new("rules/flags.json".into()).with_suffix(".overlay.json");
        assert_eq!(beside.path, here.join("rules/flags.json.overlay.json"));
        assert_eq!(beside.name, "rules/flags.json.overlay.json");
    }
}
