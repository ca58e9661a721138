//! The thread that follows a source, and what it does with what it sees.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Instant;

use fader::{CompileError, Delivery, Flags, Loaded, Source, WeakFlags};

use super::read::{Files, List, ReadError, Set, Stamp};
use super::schedule::{Found, Schedule};
use super::watch::Watch;
use crate::error::ProviderError;

/// How often lists that are written in place may put a reading off before they are taken as they are.
const MAX_UNSETTLED: u32 = 10;

/// An overlay that says nothing.
const NOTHING: &[u8] = b"{}";

/// What the thread is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hint {
    /// Something may have changed.
    Changed,
    /// The last `Flags` is gone.
    Stop,
}

/// Attached to the `Flags`, it tells the thread to stop when the last one is dropped.
pub(super) struct Stop(pub(super) SyncSender<Hint>);

impl Drop for Stop {
    fn drop(&mut self) {
        // Where it is full the thread is about to wake, and finds no `Flags` either.
        let _ = self.0.try_send(Hint::Stop);
    }
}

/// Looks whenever it is due, until the last `Flags` is dropped.
pub(super) fn run(
    mut follower: Follower,
    mut schedule: Schedule,
    inbox: &Receiver<Hint>,
    flags: &WeakFlags,
) {
    loop {
        match inbox.recv_timeout(schedule.due().saturating_duration_since(Instant::now())) {
            Ok(Hint::Changed) => schedule.hint(Instant::now()),
            Ok(Hint::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if schedule.due() > Instant::now() {
            continue;
        }
        let Some(flags) = flags.upgrade() else {
            return;
        };
        flags.reclaim();
        // A subscriber runs on this thread. Its panic has been reported, and must not end the following.
        let found =
            panic::catch_unwind(AssertUnwindSafe(|| follower.look(&flags))).unwrap_or(Found::Bad);
        schedule.looked(found, Instant::now());
    }
}

/// Reads a source and loads what it finds.
pub(super) struct Follower {
    files: Files,
    source: Source,
    overlay: Source,
    watch: Watch,
    warn: Box<dyn Fn(&str) + Send>,
    /// Why notifications could not be had, as it was told last.
    told: Option<String>,
    /// The list files of the document that was read last.
    lists: Vec<PathBuf>,
    /// The list files as they were seen last, and as they were taken last.
    seen: Stamps,
    taken: Stamps,
    unsettled: u32,
    /// Whether an overlay was taken, so that it is missed when it is gone.
    overlaid: bool,
}

type Stamps = BTreeMap<PathBuf, Stamp>;

impl Follower {
    pub(super) fn new(
        files: Files,
        source: Source,
        watch: Watch,
        warn: Box<dyn Fn(&str) + Send>,
    ) -> Self {
        let overlay = Source::new(files.overlay.name.as_str());
        let (lists, seen, taken) = Default::default();
        Self {
            files,
            source,
            overlay,
            watch,
            warn,
            told: None,
            lists,
            seen,
            taken,
            unsettled: 0,
            overlaid: false,
        }
    }

    /// Loads for the first time, when every failure is an error.
    pub(super) fn open(&mut self, flags: &Flags) -> Result<(), ProviderError> {
        self.renew();
        let (set, overlay) = self.files.read_all()?;
        self.extend(&set);
        self.seen = stamps(&set.lists);
        let loaded = self
            .load(flags, set, overlay)
            .map_err(ProviderError::refused)?;
        match loaded.overlay_error() {
            Some(error) => Err(ProviderError::refused(error.clone())),
            None => Ok(()),
        }
    }

    /// Reads everything once and loads what is good of it.
    fn look(&mut self, flags: &Flags) -> Found {
        self.renew();
        self.warn(None);
        let overlay = self.read_overlay(flags);
        let set = match self.files.read() {
            Ok(set) => set,
            Err(error) => {
                fail(flags, &self.source, error);
                if let Ok(Some(overlay)) = overlay {
                    self.apply(flags, overlay);
                }
                return Found::Bad;
            }
        };
        let widened = self.extend(&set);
        if !self.settled(&set) {
            return Found::Moving;
        }
        let unread = overlay.is_err();
        let loaded = self.load(flags, set, overlay.unwrap_or_default());
        if widened {
            return Found::Moving;
        }
        match loaded {
            Ok(loaded) if loaded.overlay_error().is_none() && !unread => Found::Good,
            _ => Found::Bad,
        }
    }

    fn load(
        &mut self,
        flags: &Flags,
        set: Set,
        overlay: Option<Vec<u8>>,
    ) -> Result<Loaded, CompileError> {
        let stamps = stamps(&set.lists);
        let mut delivery = Delivery::new(set.document);
        for list in set.lists {
            let emptied = list
                .content
                .as_ref()
                .is_ok_and(|content| content.bytes.is_empty())
                && self
                    .taken
                    .get(&list.path)
                    .is_some_and(|taken| taken.len > 0);
            let content = if emptied {
                Err(ReadError::Emptied)
            } else {
                list.content.map(|content| content.bytes)
            };
            delivery = delivery.list(list.written, content.map_err(|error| error.to_string()));
        }
        let overlaid = overlay.as_ref().is_some_and(|overlay| overlay != NOTHING);
        if let Some(overlay) = overlay {
            delivery = delivery.overlay(self.overlay.name(), overlay);
        }
        let loaded = flags.load(delivery, &self.source);
        // It is taken or refused by itself, also where the document is refused.
        self.overlaid |= overlaid && !self.is_overlay_bad(flags);
        if loaded.is_ok() {
            self.taken = stamps;
        }
        loaded
    }

    /// Returns whether no list has been written in place since the last look. Part of a document is no document, but
    /// part of a list is a list, so that one is taken only when it has come to rest.
    fn settled(&mut self, set: &Set) -> bool {
        let seen = stamps(&set.lists);
        let moving = seen.iter().any(|(path, now)| {
            self.seen
                .get(path)
                .is_some_and(|before| before.is_rewritten(now))
        });
        self.seen = seen;
        self.unsettled = if moving && self.unsettled < MAX_UNSETTLED {
            self.unsettled + 1
        } else {
            0
        };
        self.unsettled == 0
    }

    /// Reads the overlay, and says what is wrong with it; the last good one stays in force then.
    fn read_overlay(&self, flags: &Flags) -> Result<Option<Vec<u8>>, ()> {
        let error = match self.files.read_overlay() {
            Ok(None) if self.overlaid => ReadError::NotFound,
            // What was never taken, and is gone, is as if it had never been.
            Ok(None) if self.is_overlay_bad(flags) => return Ok(Some(NOTHING.to_vec())),
            Ok(overlay) => return Ok(overlay),
            Err(error) => error,
        };
        fail(flags, &self.overlay, error);
        Err(())
    }

    fn is_overlay_bad(&self, flags: &Flags) -> bool {
        let status = flags.status();
        status
            .sources()
            .iter()
            .any(|source| source.name() == self.overlay.name() && source.error().is_some())
    }

    /// Puts an overlay on top of what is live while the document can't be read, as it may hold a kill.
    fn apply(&mut self, flags: &Flags, overlay: Vec<u8>) {
        if flags.load_overlay(overlay, &self.overlay).is_ok() {
            self.overlaid = true;
        }
    }

    fn renew(&mut self) {
        let files = [&self.files.document.path, &self.files.overlay.path];
        self.watch
            .renew(files.into_iter().chain(&self.lists).map(PathBuf::as_path));
    }

    /// Watches where the lists just read lie. Returns whether anything came into view by that.
    fn extend(&mut self, set: &Set) -> bool {
        self.lists = set.lists.iter().map(|list| list.path.clone()).collect();
        let files = [&self.files.document.path, &self.files.overlay.path];
        self.watch
            .extend(files.into_iter().chain(&self.lists).map(PathBuf::as_path))
    }

    /// Warns of this and, once, of notifications that can't be had.
    pub(super) fn warn(&mut self, warning: Option<&str>) {
        if let Some(warning) = warning {
            (self.warn)(warning);
        }
        let trouble = self.watch.trouble();
        if trouble != self.told.as_deref() {
            self.told = trouble.map(ToOwned::to_owned);
            if let Some(trouble) = trouble {
                let name = self.source.name();
                (self.warn)(&format!(
                    "no notifications of changes to `{name}`: {trouble}; the poll finds them alone"
                ));
            }
        }
    }
}

fn fail(flags: &Flags, source: &Source, error: ReadError) {
    let error = ProviderError::read(source.name(), error);
    flags.source_failed(source, error.kind().as_str(), &error.to_string());
}

fn stamps(lists: &[List]) -> Stamps {
    let read = lists
        .iter()
        .filter_map(|list| Some((list.path.clone(), list.content.as_ref().ok()?.stamp.clone())));
    read.collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::file::Named;

    fn follower(path: PathBuf) -> (Follower, SyncSender<Hint>, Receiver<Hint>) {
        let document = Named::new(path);
        let overlay = document.with_suffix(".overlay.json");
        let files = Files::new(document, overlay, 1024, 1024);
        let (hints, inbox) = mpsc::sync_channel(8);
        let watch = Watch::new(hints.clone());
        (
            Follower::new(files, Source::new("example"), watch, Box::new(|_| {})),
            hints,
            inbox,
        )
    }

    #[test]
    fn the_thread_ends_with_the_last_handle() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flags.json");
        fs::write(&path, "{}").unwrap();
        let (mut follower, hints, inbox) = follower(path);
        let flags = Flags::builder().build();
        follower.open(&flags).unwrap();
        flags.attach(Stop(hints));
        let weak = flags.downgrade();
        let schedule = Schedule::new(
            Duration::from_millis(100),
            Duration::from_secs(600),
            Instant::now(),
        );
        let thread = thread::spawn(move || run(follower, schedule, &inbox, &weak));
        thread::sleep(Duration::from_millis(50));
        assert!(!thread.is_finished());
        drop(flags);
        thread.join().unwrap();
    }

    /// Its directory was not watched when the list was read, so that an edit meanwhile was told to nobody.
    #[test]
    fn a_list_that_comes_into_view_is_looked_at_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flags.json");
        fs::write(&path, "{}").unwrap();
        let (mut follower, _hints, _inbox) = follower(path.clone());
        let flags = Flags::builder().build();
        follower.open(&flags).unwrap();
        assert_eq!(follower.look(&flags), Found::Good);
        fs::create_dir(directory.path().join("lists")).unwrap();
        fs::write(directory.path().join("lists/vip.txt"), "anna").unwrap();
        fs::write(
            path,
            r#"{ "lists": { "vip": { "file": "lists/vip.txt" } } }"#,
        )
        .unwrap();
        assert_eq!(follower.look(&flags), Found::Moving);
        assert_eq!(follower.look(&flags), Found::Good);
    }
}
