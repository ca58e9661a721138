//! The thread that follows a source, and what it does with what it sees.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Instant;

use fader::{Delivery, Flags, Source, WeakFlags};

use super::read::{Files, List, ReadError, Set, Stamp};
use super::schedule::{Found, Schedule};
use super::watch::Watch;
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
pub(super) fn run(mut follower: Follower, mut schedule: Schedule, inbox: &Receiver<Hint>, flags: &WeakFlags) {
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
        let found = panic::catch_unwind(AssertUnwindSafe(|| follower.look(&flags))).unwrap_or(Found::Bad);
        schedule.looked(found, Instant::now());
    }
}

/// Reads a source and loads what it finds.
#[derive(Debug)]
pub(super) struct Follower {
    files: Files,
    source: Source,
    overlay: Source,
    watch: Watch,
    /// The list files of the document that was read last.
    lists: Vec<PathBuf>,
    /// The list files as they were seen last, and as they were taken last.
    seen: Stamps,
    taken: Stamps,
    unsettled: u32,
    /// Whether an overlay has been read.
    overlaid: bool,
}

type Stamps = BTreeMap<PathBuf, Stamp>;

impl Follower {
    pub(super) fn new(files: Files, source: Source, watch: Watch) -> Self {
        let overlay = Source::new(files.overlay.name.as_str());
        let (seen, taken) = Default::default();
        Self { files, source, overlay, watch, lists: Vec::new(), seen, taken, unsettled: 0, overlaid: false }
    }

    /// Loads for the first time, when every failure is an error.
    pub(super) fn open(&mut self, flags: &Flags) -> Result<(), ProviderError> {
        self.renew();
        let set = self.files.read().map_err(|error| ProviderError::read(self.source.name(), error))?;
        let overlay = self.files.read_overlay().map_err(|error| ProviderError::read(self.overlay.name(), error))?;
        self.extend(&set);
        self.seen = stamps(&set.lists);
        let loaded = self.load(flags, set, overlay).map_err(ProviderError::refused)?;
        match loaded.overlay_error() {
            Some(error) => Err(ProviderError::refused(error.clone())),
            None => Ok(()),
        }
    }

    /// Reads everything once and loads what is good of it.
    fn look(&mut self, flags: &Flags) -> Found {
        self.renew();
        let overlay = self.files.read_overlay();
        let mut bad = overlay.is_err() || self.overlaid && matches!(overlay, Ok(None));
        let overlay = self.report_overlay(flags, overlay);

        let set = match self.files.read() {
            Ok(set) => set,
            Err(error) => {
                flags.source_failed(&self.source, &ProviderError::read(self.source.name(), error).to_string());
                return Found::Bad;
            }
        };
        let widened = self.extend(&set);
        if !self.settled(&set) {
            return Found::Moving;
        }
        match self.load(flags, set, overlay) {
            Ok(loaded) => bad |= loaded.overlay_error().is_some(),
            Err(_refused) => bad = true,
        }
        match (widened, bad) {
            (true, _) => Found::Moving,
            (false, true) => Found::Bad,
            (false, false) => Found::Good,
        }
    }

    fn load(&mut self, flags: &Flags, set: Set, overlay: Option<Vec<u8>>) -> Result<fader::Loaded, fader::CompileError> {
        let stamps = stamps(&set.lists);
        let mut delivery = Delivery::new(set.document);
        for list in set.lists {
            let emptied = list.content.as_ref().is_ok_and(|content| content.bytes.is_empty())
                && self.taken.get(&list.path).is_some_and(|taken| taken.len > 0);
            let content = if emptied { Err(ReadError::Emptied) } else { list.content.map(|content| content.bytes) };
            delivery = delivery.list(list.written, content.map_err(|error| error.to_string()));
        }
        if let Some(overlay) = overlay {
            self.overlaid = true;
            delivery = delivery.overlay(self.overlay.name(), overlay);
        }
        let loaded = flags.load(delivery, &self.source)?;
        self.taken = stamps;
        Ok(loaded)
    }

    /// Returns whether no list has been written in place since the last look. Part of a document is no document, but
    /// part of a list is a list, so that one is taken only when it has come to rest.
    fn settled(&mut self, set: &Set) -> bool {
        let seen = stamps(&set.lists);
        let moving = seen.iter().any(|(path, now)| self.seen.get(path).is_some_and(|before| before.is_rewritten(now)));
        self.seen = seen;
        self.unsettled = if moving && self.unsettled < MAX_UNSETTLED { self.unsettled + 1 } else { 0 };
        self.unsettled == 0
    }

    /// Says what is wrong with the overlay, of which the last good one stays in force.
    fn report_overlay(&self, flags: &Flags, overlay: Result<Option<Vec<u8>>, ReadError>) -> Option<Vec<u8>> {
        let error = match overlay {
            Ok(None) if self.overlaid => ReadError::NotFound,
            Ok(overlay) => return overlay,
            Err(error) => error,
        };
        flags.source_failed(&self.overlay, &ProviderError::read(self.overlay.name(), error).to_string());
        None
    }

    fn renew(&mut self) {
        let files = [&self.files.document.path, &self.files.overlay.path];
        self.watch.renew(files.into_iter().chain(&self.lists).map(PathBuf::as_path));
    }

    /// Watches where the lists just read lie. Returns whether anything came into view by that.
    fn extend(&mut self, set: &Set) -> bool {
        self.lists = set.lists.iter().map(|list| list.path.clone()).collect();
        let files = [&self.files.document.path, &self.files.overlay.path];
        self.watch.extend(files.into_iter().chain(&self.lists).map(PathBuf::as_path))
    }
}

fn stamps(lists: &[List]) -> Stamps {
    let read = lists.iter().filter_map(|list| Some((list.path.clone(), list.content.as_ref().ok()?.stamp.clone())));
    read.collect()
}
