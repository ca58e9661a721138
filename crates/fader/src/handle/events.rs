//! Who is told what changed.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::document::diagnostic::{CompileError, Diagnostic};

/// Something that happened to a handle.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A new document is live, perhaps with a new overlay.
    Loaded(Change),
    /// A new overlay is live; told behind [`Loaded`](Self::Loaded) where it came with a document.
    Overlaid(Change),
    /// An earlier ruleset is live again.
    RolledBack(Change),
    /// A document or an overlay was refused and the last good one stays live; told once for the same content.
    Refused(CompileError),
    /// A source could not be read; told at each try. [`Stale`](Self::Stale) follows where that is news, and what is live
    /// may be out of date.
    #[non_exhaustive]
    Failed {
        /// The source's name.
        source: String,
        /// What kind of failure it is: a stable name for programs, such as `not-found`.
        kind: &'static str,
        /// What is wrong with it.
        error: String,
        /// Whether what is live may be out of date because of it.
        stale: bool,
    },
    /// A source can't be read and what is live may be out of date; told once for the same error.
    #[non_exhaustive]
    Stale {
        /// The source's name.
        source: String,
        /// What kind of failure it is: a stable name for programs, such as `not-found`.
        kind: &'static str,
        /// What is wrong with it.
        error: String,
    },
    /// A source that was failing, refused or rolled back from is good again.
    #[non_exhaustive]
    Recovered {
        /// The source's name.
        source: String,
    },
}

/// What changed when something new went live.
#[derive(Clone, Debug)]
pub struct Change {
    pub(crate) version: Arc<str>,
    pub(crate) previous: Arc<str>,
    pub(crate) keys: Vec<Arc<str>>,
    pub(crate) warnings: Arc<[Diagnostic]>,
    pub(crate) source: Arc<str>,
    pub(crate) overlay_version: u64,
    pub(crate) compile_time: Duration,
}

impl Change {
    /// Returns the version that is live now.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the version that was live before; empty for the first document.
    #[must_use]
    pub fn previous(&self) -> &str {
        &self.previous
    }

    /// Returns the flags that are new, gone, or may answer differently, by name.
    #[must_use]
    pub fn keys(&self) -> &[Arc<str>] {
        &self.keys
    }

    /// Returns the warnings of what is live now.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// Returns the name of the source that it came from: of the document, or of the overlay that went live.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the version of the overlay that is live now; 0 without one.
    #[must_use]
    pub fn overlay_version(&self) -> u64 {
        self.overlay_version
    }

    /// Returns how long the document that is live now took to be read, checked and compiled, by the handle's clock.
    #[must_use]
    pub fn compile_time(&self) -> Duration {
        self.compile_time
    }
}

type Callback = dyn Fn(&Event) + Send + Sync;

/// The subscribers of a handle, and what they have yet to be told.
#[derive(Default)]
pub(crate) struct Events {
    subscribers: Mutex<Vec<Weak<Callback>>>,
    waiting: Mutex<VecDeque<Event>>,
    /// Held by whoever is telling, so that all are told in one order.
    telling: Mutex<()>,
}

impl Events {
    pub(crate) fn subscribe(&self, subscription: &Subscription) {
        let mut subscribers = lock(&self.subscribers);
        subscribers.retain(|subscriber| subscriber.strong_count() > 0);
        subscribers.push(Arc::downgrade(&subscription.callback));
    }

    /// Queues events, in the order in which they happened.
    pub(crate) fn queue(&self, events: impl IntoIterator<Item = Event>) {
        lock(&self.waiting).extend(events);
    }

    /// Tells what waits. A subscriber may load or apply in turn: its event is told when it returns.
    pub(crate) fn tell(&self) {
        while !lock(&self.waiting).is_empty() {
            let Ok(_telling) = self.telling.try_lock() else {
                return;
            };
            while let Some(event) = self.next() {
                let subscribers: Vec<_> = {
                    let mut subscribers = lock(&self.subscribers);
                    subscribers.retain(|subscriber| subscriber.strong_count() > 0);
                    subscribers.iter().filter_map(Weak::upgrade).collect()
                };
                for subscriber in subscribers {
                    // A panic is the subscriber's own: the hook has reported it, and the others are told all the same.
                    let _ = catch_unwind(AssertUnwindSafe(|| subscriber(&event)));
                }
            }
        }
    }

    fn next(&self) -> Option<Event> {
        lock(&self.waiting).pop_front()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}

/// Keeps a subscriber subscribed; dropping it ends that.
#[must_use = "dropping a subscription ends it"]
pub struct Subscription {
    pub(crate) callback: Arc<Callback>,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("handles", &Arc::strong_count(&self.callback))
            .finish()
    }
}
