//! A file as the source of flags.
//!
//! The file system's notifications are a hint, and content decides: any of them only makes a reading due, the slow
//! poll makes one due without them, and whether anything changed is told by comparing what was read. So one that is
//! lost, doubled or late costs time and never correctness.
//!
//! - [`documents`] finds the file of a document, or the files of a folder;
//! - [`read`] reads documents, their lists and the overlay so that they belong together;
//! - [`overlay`] is the overlay for those who write it, and [`lock`] what they take by turns;
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

use fader::{Flags, FlagsBuilder, Source, Strictness};

use crate::bootstrap::Bootstrap;
use crate::error::ProviderError;

mod contents;
mod documents;
mod lock;
mod overlay;
mod read;
mod run;
mod schedule;
mod watch;

pub use self::contents::FileContents;
use self::documents::Documents;
use self::overlay::Followed;
pub use self::overlay::OverlayFile;
use self::read::Files;
pub(crate) use self::read::ReadError;
use self::run::{Follower, Stop};
use self::schedule::Schedule;
use self::watch::Watch;

/// How many hints may wait while a reading runs; further ones would say nothing new.
const HINTS: usize = 64;

/// What the default place of an overlay ends in, after the document's path.
const OVERLAY_SUFFIX: &str = ".overlay.json";

/// The largest document or overlay, unless another limit is set.
const MAX_BYTES: u64 = 16 << 20;

/// Names a file as the source of flags: `fader_providers::file("flags.json").open()?`.
///
/// A relative path is made absolute here, so that a later change of the working directory does not matter.
pub fn file(path: impl Into<PathBuf>) -> FileBuilder {
    FileBuilder::new(Documents::File(Named::new(&path.into())))
}

/// Names a folder of documents as the source of flags: `fader_providers::folder("flags.d").open()?`.
///
/// Its documents are its files `*.json`, one for each team, say; those that begin with a dot and those that end in
/// `.overlay.json` are none, and its folders are not looked into. They make one document: a flag, a segment or a list
/// that is in two of them is an error that names both, and an error in any of them refuses all. The overlay lies beside
/// the folder, `flags.d.overlay.json` by default.
///
/// All is read so that the files belong together, as far as a switch of the whole folder can tell: a symlink that is
/// repointed, a `ConfigMap`. A file that is gone is taken for gone when it is still gone a debounce later. Lists are read
/// beside the real file of the document that names them; where two documents name one list and mean two files, that is
/// an error.
///
/// A `revision` may stand in one of the files; without one the version is that of the bytes of all.
///
/// ```
/// use fader::Context;
///
/// # let directory = std::env::temp_dir().join(format!("fader-providers-folder-{}", std::process::id()));
/// # let folder = directory.join("flags.d");
/// # std::fs::create_dir_all(&folder)?;
/// std::fs::write(folder.join("payments.json"), r#"{ "flags": { "new-checkout": true } }"#)?;
/// std::fs::write(folder.join("search.json"), r#"{ "flags": { "ranker": true } }"#)?;
/// let flags = fader_providers::folder(&folder).open()?;
///
/// assert_eq!(flags.status().flag_count(), 2);
/// # drop(flags);
/// # std::fs::remove_dir_all(&directory)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn folder(path: impl Into<PathBuf>) -> FileBuilder {
    FileBuilder::new(Documents::folder(Named::new(&path.into())))
}

/// Settings of a file or a folder as a source; [`open`](Self::open) loads and follows it, [`read`](Self::read) only reads
/// it.
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
/// [`Flags::store`] is the overlay's file from then on, for those who write it: see [`OverlayFile`].
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
/// use std::time::Duration;
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
    documents: Documents,
    overlay: Overlay,
    poll_every: Duration,
    debounce: Duration,
    max_bytes: u64,
    max_list_bytes: u64,
    strictness: Strictness,
    watch: bool,
    bootstrap: Option<Bootstrap>,
    flags: FlagsBuilder,
    warn: Box<dyn Fn(&str) + Send>,
}

/// Where the overlay lies.
#[derive(Clone, Debug)]
enum Overlay {
    Beside,
    At(Named),
    /// Another provider delivers it.
    Elsewhere,
    /// The source is an overlay itself.
    Alone,
}

impl FileBuilder {
    fn new(documents: Documents) -> Self {
        Self {
            documents,
            overlay: Overlay::Beside,
            poll_every: Duration::from_secs(5),
            debounce: Duration::from_millis(100),
            max_bytes: MAX_BYTES,
            max_list_bytes: 256 << 20,
            strictness: Strictness::Strict,
            watch: true,
            bootstrap: None,
            flags: Flags::builder(),
            warn: Box::new(|_| {}),
        }
    }

    /// Places the overlay. The default is the document's path with `.overlay.json` appended, which is the wrong place
    /// where a deploy replaces that directory: kills and roll-backs would be lost with it.
    pub fn overlay(mut self, path: impl Into<PathBuf>) -> Self {
        self.overlay = Overlay::At(Named::new(&path.into()));
        self
    }

    /// Reads no overlay: another provider delivers it to the same handle, or nobody does.
    pub fn without_overlay(mut self) -> Self {
        self.overlay = Overlay::Elsewhere;
        self
    }

    /// Takes the file for an overlay, which is put on top of what another provider delivers to the same handle: see
    /// [`follow`](Self::follow). None there at the start is no overlay. A folder can't be one, and a bootstrap document
    /// does not stand in for one.
    pub fn as_overlay(mut self) -> Self {
        self.overlay = Overlay::Alone;
        self
    }

    /// Sets a document that stands in while the source has never had a good one, such as one that is compiled in with
    /// `include_bytes!`; by default there is none. With it, a document that is missing or broken at the start is no error
    /// of [`open`](Self::open): [`Flags::status`] is stale then and says why. A broken overlay is one all the same.
    ///
    /// No revision is compared with its own, and its lists are those that stand in it.
    pub fn bootstrap(mut self, document: impl Into<Vec<u8>>) -> Self {
        self.bootstrap = Some(Bootstrap::new(document));
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

    /// Limits the size of each document, and of the overlay, in bytes: by default 16 MiB.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Limits the size of each list file, in bytes: by default 256 MiB.
    pub fn max_list_bytes(mut self, bytes: u64) -> Self {
        self.max_list_bytes = bytes;
        self
    }

    /// Sets how a document with errors is taken, by default strictly: it is refused whole.
    pub fn strictness(mut self, strictness: Strictness) -> Self {
        self.strictness = strictness;
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
    /// If the document is missing, unreadable, no regular file or too large, or has errors, unless there is a
    /// [`bootstrap`](Self::bootstrap) document; if there is an overlay of which the same is true; and if the system
    /// refuses a thread.
    pub fn open(mut self) -> Result<Flags, ProviderError> {
        let flags = std::mem::take(&mut self.flags).build();
        self.follow(&flags)?;
        Ok(flags)
    }

    /// Does what [`open`](Self::open) does with a handle that there is already, so that its document can come from one
    /// provider and its overlay from another. [`flags`](Self::flags) is without effect then.
    ///
    /// ```no_run
    /// let flags = fader_providers::file("/etc/shop/flags.json").without_overlay().open()?;
    /// fader_providers::file("/mnt/fleet/shop.overlay.json").as_overlay().follow(&flags)?;
    /// # Ok::<(), fader_providers::ProviderError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As of [`open`](Self::open).
    pub fn follow(self, flags: &Flags) -> Result<(), ProviderError> {
        self.check()?;
        let (files, source) = (self.files(), self.source());
        let warning = match (&self.overlay, &files.overlay) {
            (Overlay::Beside, Some(overlay)) => misplaced(overlay),
            _ => None,
        };
        let kept = files.overlay.clone();
        let schedule = Schedule::new(self.debounce, self.poll_every, Instant::now());

        let (hints, inbox) = mpsc::sync_channel(HINTS);
        let watch = if self.watch {
            Watch::new(hints.clone())
        } else {
            Watch::off()
        };
        let mut follower = Follower::new(files, source, watch, self.warn);
        match &self.bootstrap {
            None => follower.open(flags)?,
            Some(bootstrap) => {
                bootstrap.check()?;
                follower.open_or_stand_in(flags, bootstrap)?;
            }
        }
        // Only now, so that nothing stands before the line that says why it failed.
        follower.warn(warning.as_deref());

        if let Some(overlay) = kept {
            flags.set_store(Followed {
                file: OverlayFile::of(overlay, self.max_bytes),
                hints: hints.clone(),
            });
        }
        flags.attach(Stop(hints));
        let weak = flags.downgrade();
        thread::Builder::new()
            .name("fader-file".to_owned())
            .spawn(move || run::run(follower, schedule, &inbox, &weak))
            .map_err(|error| ProviderError::thread(&self.documents.named().name, error))?;
        Ok(())
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
            overlay_source: files.overlay.map(|overlay| Source::new(overlay.name)),
            set,
            overlay,
        })
    }

    /// Refuses settings that contradict one another.
    fn check(&self) -> Result<(), ProviderError> {
        if !matches!(self.overlay, Overlay::Alone) {
            return Ok(());
        }
        let name = &self.documents.named().name;
        let refused = |reason: &str| Err(ProviderError::setting(format!("`{name}` {reason}")));
        if self.documents.is_folder() {
            return refused("is a folder, which is no overlay: name a file");
        }
        if self.bootstrap.is_some() {
            return refused("is an overlay, for which no bootstrap document stands in");
        }
        Ok(())
    }

    fn files(&self) -> Files {
        let named = self.documents.named();
        let overlay = match &self.overlay {
            Overlay::Beside => Some(named.with_suffix(OVERLAY_SUFFIX)),
            Overlay::At(chosen) => Some(chosen.clone()),
            Overlay::Elsewhere => None,
            Overlay::Alone => Some(named.clone()),
        };
        let is_overlay = matches!(self.overlay, Overlay::Alone);
        Files {
            documents: (!is_overlay).then(|| self.documents.clone()),
            overlay,
            max_bytes: self.max_bytes,
            max_list_bytes: self.max_list_bytes,
        }
    }

    fn source(&self) -> Source {
        Source::new(self.documents.named().name.as_str()).strictness(self.strictness)
    }
}

impl fmt::Debug for FileBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileBuilder")
            .field("path", &self.documents.named().path)
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
    fn new(written: &Path) -> Self {
        let name = written.display().to_string();
        // Without a slash at its end, to which nothing could be appended.
        let name = match name.trim_end_matches('/') {
            "" => name,
            trimmed => trimmed.to_owned(),
        };
        let written: PathBuf = written.components().collect();
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
        let files = file("rules/flags.json").overlay("overlay.json").files();
        let document = files.documents.as_ref().unwrap().named();
        assert_eq!(document.path, here.join("rules/flags.json"));
        assert_eq!(document.name, "rules/flags.json");
        assert_eq!(files.overlay.unwrap().path, here.join("overlay.json"));
        let folder = folder("rules/flags.d/").files();
        assert_eq!(
            folder.overlay.unwrap().path,
            here.join("rules/flags.d.overlay.json")
        );
        let beside = Named::new(Path::new("rules/flags.json")).with_suffix(".overlay.json");
        assert_eq!(beside.path, here.join("rules/flags.json.overlay.json"));
        assert_eq!(beside.name, "rules/flags.json.overlay.json");
    }
}
