//! The thread that follows a source, and what it does with what it sees.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Instant;

use fader::{CompileError, Flags, Loaded, Overlay, Source, WeakFlags};

use super::read::{Content, Files, List, ReadError, Set, Stamp};
use super::schedule::{Found, Schedule};
use super::watch::Watch;
use crate::bootstrap::Bootstrap;
use crate::error::ProviderError;

/// How often lists that are written in place may put a reading off before they are taken as they are.
const MAX_UNSETTLED: u32 = 10;

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
    /// The documents and list files that were read last, beside the configured paths.
    beside: Vec<PathBuf>,
    /// What was seen last, and what was taken last.
    seen: Seen,
    taken: Stamps,
    unsettled: u32,
    /// Whether the overlay that was taken last says something, so that it is missed when it is gone.
    overlaid: bool,
}

type Stamps = BTreeMap<PathBuf, Stamp>;

/// What one look saw, as far as the next one compares it.
#[derive(Default)]
struct Seen {
    documents: BTreeSet<PathBuf>,
    lists: Stamps,
}

impl Follower {
    pub(super) fn new(
        files: Files,
        source: Source,
        watch: Watch,
        warn: Box<dyn Fn(&str) + Send>,
    ) -> Self {
        let overlay = files.overlay.as_ref().map_or("", |overlay| &*overlay.name);
        let overlay = Source::new(overlay);
        let (beside, seen, taken) = Default::default();
        Self {
            files,
            source,
            overlay,
            watch,
            warn,
            told: None,
            beside,
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
        let Some(set) = set else {
            return self
                .load_overlay(flags, overlay)
                .map_err(ProviderError::refused);
        };
        self.extend(&set);
        self.seen = Seen::of(&set);
        let loaded = self
            .load(flags, set, overlay)
            .map_err(ProviderError::refused)?;
        match loaded.overlay_error() {
            Some(error) => Err(ProviderError::refused(error.clone())),
            None => Ok(()),
        }
    }

    /// Loads for the first time with a document at hand that stands in for what can't be had. What is wrong with the
    /// overlay is an error all the same, as it may hold a kill.
    pub(super) fn open_or_stand_in(
        &mut self,
        flags: &Flags,
        bootstrap: &Bootstrap,
    ) -> Result<(), ProviderError> {
        if self.open(flags).is_ok() {
            return Ok(());
        }
        let overlay = self.files.read_overlay();
        let overlay = overlay.map_err(|error| ProviderError::read(self.overlay.name(), error))?;
        self.load_overlay(flags, overlay)
            .map_err(ProviderError::refused)?;
        bootstrap.load(flags)?;
        // It notes what is wrong.
        self.look(flags);
        Ok(())
    }

    /// Reads everything once and loads what is good of it.
    fn look(&mut self, flags: &Flags) -> Found {
        self.renew();
        self.warn(None);
        let overlay = self.read_overlay(flags);
        let unread = overlay.is_err();
        let overlay = overlay.unwrap_or_default();
        let set = match &self.files.documents {
            None => {
                let is_good = self.load_overlay(flags, overlay).is_ok() && !unread;
                return if is_good { Found::Good } else { Found::Bad };
            }
            Some(_) => self.files.read(),
        };
        let set = match set {
            Ok(set) => set,
            Err(error) => {
                fail(flags, &self.source, error);
                // On top of what is live, as it may hold a kill: what is wrong with it is noted.
                let _ = self.load_overlay(flags, overlay);
                return Found::Bad;
            }
        };
        let widened = self.extend(&set);
        if !self.settled(&set) {
            return Found::Moving;
        }
        let loaded = self.load(flags, set, overlay);
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
        mut set: Set,
        overlay: Option<Vec<u8>>,
    ) -> Result<Loaded, CompileError> {
        let stamps = stamps(&set.lists);
        for list in &mut set.lists {
            let is_empty = |content: &Content| content.bytes.is_empty();
            let held_ids = |taken: &Stamp| taken.len > 0;
            if list.content.as_ref().is_ok_and(is_empty)
                && self.taken.get(&list.path).is_some_and(held_ids)
            {
                list.content = Err(ReadError::Emptied);
            }
        }
        let mut delivery = set.into_delivery();
        let overlaid = overlay.as_deref().map(says_something);
        if let Some(overlay) = overlay {
            delivery = delivery.overlay(self.overlay.name(), overlay);
        }
        let loaded = flags.load(delivery, &self.source);
        // It is taken or refused by itself, also where the document is refused.
        if let (Some(overlaid), false) = (overlaid, self.is_overlay_bad(flags)) {
            self.overlaid = overlaid;
        }
        if loaded.is_ok() {
            self.taken = stamps;
        }
        loaded
    }

    /// Puts an overlay by itself on top of what is live.
    fn load_overlay(
        &mut self,
        flags: &Flags,
        overlay: Option<Vec<u8>>,
    ) -> Result<(), CompileError> {
        if let Some(overlay) = overlay {
            flags.load_overlay(&overlay, &self.overlay)?;
            self.overlaid = says_something(&overlay);
        }
        Ok(())
    }

    /// Returns whether nothing has been written in place since the last look that is whole at any length: part of a
    /// document is no document, but part of a list is a list, and a folder without one of its documents is a folder.
    /// Those are taken only when they have come to rest.
    fn settled(&mut self, set: &Set) -> bool {
        let seen = Seen::of(set);
        let before = std::mem::replace(&mut self.seen, seen);
        let is_rewritten = |(path, now): (&PathBuf, &Stamp)| {
            let before = before.lists.get(path);
            before.is_some_and(|before| before.is_rewritten(now))
        };
        let is_gone = |path: &PathBuf| !self.seen.documents.contains(path);
        let moving = self.seen.lists.iter().any(is_rewritten)
            || (set.is_folder && before.documents.iter().any(is_gone));
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
            // What was never taken, and is gone, is as if it had never been. What is live may be from elsewhere.
            Ok(None) if self.is_overlay_bad(flags) => {
                flags.source_unchanged(&self.overlay);
                return Ok(None);
            }
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

    fn renew(&mut self) {
        let beside = self.beside.iter().map(PathBuf::as_path);
        self.watch.renew(self.files.watched().chain(beside));
    }

    /// Watches where what was just read lies. Returns whether anything came into view by that.
    fn extend(&mut self, set: &Set) -> bool {
        self.beside = set.beside();
        let beside = self.beside.iter().map(PathBuf::as_path);
        self.watch.extend(self.files.watched().chain(beside))
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

impl Seen {
    fn of(set: &Set) -> Self {
        let documents = set.documents.iter();
        Self {
            documents: documents.map(|it| it.place.path.clone()).collect(),
            lists: stamps(&set.lists),
        }
    }
}

/// Returns whether an overlay says anything that would be lost with it. One that can't be read is not taken.
fn says_something(overlay: &[u8]) -> bool {
    let overlay = std::str::from_utf8(overlay).ok().map(str::parse::<Overlay>);
    overlay.is_some_and(|overlay| overlay.is_ok_and(|overlay| overlay.flags().next().is_some()))
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
    use std::path::Path;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::file::Named;
    use crate::file::documents::Documents;

    fn follower(path: &Path) -> (Follower, SyncSender<Hint>, Receiver<Hint>) {
        let document = Named::new(path);
        let overlay = document.with_suffix(".overlay.json");
        let files = Files {
            documents: Some(Documents::File(document)),
            overlay: Some(overlay),
            max_bytes: 1024,
            max_list_bytes: 1024,
        };
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
        let (mut follower, hints, inbox) = follower(&path);
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
        // Time in which it would end, if it ended by itself.
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
        let (mut follower, _hints, _inbox) = follower(&path);
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

    /// As while an editor writes it anew; taken for gone, its flags would be gone for that time.
    #[test]
    fn a_document_of_a_folder_is_gone_when_two_looks_miss_it() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("flags.d");
        fs::create_dir(&folder).unwrap();
        let [a, b] = ["a", "b"].map(|name| {
            let path = folder.join(format!("{name}.json"));
            fs::write(&path, format!("{{ \"flags\": {{ \"{name}\": true }} }}")).unwrap();
            path
        });
        let (mut follower, _hints, _inbox) = follower(&folder);
        follower.files.documents = Some(Documents::folder(Named::new(&folder)));
        let flags = Flags::builder().build();
        follower.open(&flags).unwrap();
        assert_eq!(follower.look(&flags), Found::Good);

        fs::rename(&a, a.with_extension("json~")).unwrap();
        assert_eq!(follower.look(&flags), Found::Moving);
        assert_eq!(flags.status().flag_count(), 2);
        fs::rename(a.with_extension("json~"), &a).unwrap();
        assert_eq!(follower.look(&flags), Found::Good);
        fs::remove_file(&b).unwrap();
        assert_eq!(follower.look(&flags), Found::Moving);
        assert_eq!(follower.look(&flags), Found::Good);
        assert_eq!(flags.status().flag_count(), 1);
    }
}
