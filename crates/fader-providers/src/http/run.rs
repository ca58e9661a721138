//! The thread that follows an address, and what it does with what it fetches.
//!
//! Only pauses and fetches run in the runtime. What was fetched is taken outside of it, between two of them: whoever is
//! told of it may use a runtime of their own, which is refused within another.

use std::future::{self, Future, poll_fn};
use std::panic::{self, AssertUnwindSafe};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::task::Poll;
use std::time::{Duration, Instant};

use fader::{CompileError, Flags, Source, WeakFlags};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::time::{sleep, sleep_until};

use super::cache::Cache;
use super::client::runtime;
use super::contents::delivery;
use super::error::FetchError;
use super::fetch::{Fetched, Fetcher, Set};
use super::schedule::{Found, Schedule};
use super::settings::Settings;
use crate::bootstrap::Bootstrap;
use crate::error::ProviderError;

/// What comes within this is never slow, however little patience is asked for.
const BRISK: Duration = Duration::from_secs(1);

/// What the thread tells whoever waits for it.
#[derive(Debug)]
pub(super) enum Told {
    /// It runs, or it can't.
    Started(std::io::Result<()>),
    /// Something was fetched and taken.
    Ready,
}

/// Follows until `stop` is dropped, which hangs on the `Flags`.
pub(super) fn run(
    mut follower: Follower,
    flags: WeakFlags,
    stop: oneshot::Receiver<()>,
    told: &SyncSender<Told>,
) {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = told.send(Told::Started(Err(error)));
            return;
        }
    };
    let _ = told.send(Told::Started(Ok(())));
    let mut scope = Scope {
        runtime,
        flags,
        stop,
    };
    follower.follow(&mut scope, told);
    // Looking a name up or asking for a token can't be broken off; nobody waits for it.
    scope.runtime.shutdown_background();
}

/// Where a follower runs, and until when.
struct Scope {
    runtime: Runtime,
    flags: WeakFlags,
    stop: oneshot::Receiver<()>,
}

/// What comes first.
enum First<T> {
    /// The last handle is gone.
    Stop,
    Done(T),
    /// What is live ceases to count as fresh.
    Stale,
}

impl Scope {
    /// Lets something run until one of these comes. It can go on after that.
    fn first<T>(
        &mut self,
        mut work: Pin<&mut impl Future<Output = T>>,
        stale: Option<Instant>,
    ) -> First<T> {
        let stop = &mut self.stop;
        self.runtime.block_on(async move {
            let mut stale = pin!(async {
                match stale {
                    Some(moment) => sleep_until(moment.into()).await,
                    None => future::pending().await,
                }
            });
            poll_fn(|context| {
                // It ends with an error, as the sender is dropped and never sends.
                if Pin::new(&mut *stop).poll(context).is_ready() {
                    return Poll::Ready(First::Stop);
                }
                if let Poll::Ready(done) = work.as_mut().poll(context) {
                    return Poll::Ready(First::Done(done));
                }
                stale.as_mut().poll(context).map(|()| First::Stale)
            })
            .await
        })
    }
}

/// Fetches an address and loads what it finds.
pub(super) struct Follower {
    pub(super) settings: Arc<Settings>,
    pub(super) source: Source,
    pub(super) schedule: Schedule,
    pub(super) cache: Option<Cache>,
    pub(super) stale_after: Duration,
    pub(super) warn: Box<dyn Fn(&str) + Send>,
    /// What was taken last, and can be asked for by its tags.
    pub(super) hand: Option<Set>,
    /// Whether something is live, which need not be from here.
    pub(super) live: bool,
    /// Until when what is live counts as fresh although the server is in trouble. `None`: it is stale already.
    pub(super) fresh_until: Option<Instant>,
    /// What is wrong with the server, since it was last right.
    pub(super) trouble: Option<FetchError>,
    /// Whether the cache was last written without success.
    pub(super) unwritten: bool,
}

impl Follower {
    /// Loads what the cache holds, before anything is asked.
    pub(super) fn load_cache(&mut self, flags: &Flags) {
        let Some(cache) = &self.cache else { return };
        let cached = match cache.read(&self.settings) {
            Ok(Some(cached)) => cached,
            Ok(None) => return,
            Err(reason) => return (self.warn)(&reason),
        };
        if let Err(error) = load(flags, &cached.set, &self.source, self.settings.overlay) {
            return (self.warn)(&cache.ignored(&error.to_string()));
        }
        let line = format!(
            "`{}` has not been reached yet; what is live is from the cache, as it was at {}",
            self.source.name(),
            cached.time.escape_debug()
        );
        flags.source_failed(&self.source, "cached", &line);
        (self.hand, self.live) = (Some(cached.set), true);
    }

    /// Lets a document stand in where nothing is live.
    pub(super) fn stand_in(
        &mut self,
        flags: &Flags,
        bootstrap: &Bootstrap,
    ) -> Result<(), ProviderError> {
        if self.live {
            return Ok(());
        }
        bootstrap.load(flags)?;
        let name = self.source.name();
        let line = format!("`{name}` has not been reached yet; the bootstrap document stands in");
        flags.source_failed(&self.source, "bootstrap", &line);
        self.live = true;
        Ok(())
    }

    /// Fetches whenever it is due, one fetch at a time.
    fn follow(&mut self, scope: &mut Scope, told: &SyncSender<Told>) -> Option<()> {
        let mut fetcher = Fetcher::new(Arc::clone(&self.settings));
        let mut pause = self.schedule.first(self.live, fastrand::f64());
        loop {
            self.until(scope, None, async { sleep(pause).await })?;
            let hand = self.hand.clone();
            let fetch = fetcher.fetch(hand.as_ref());
            let fetched = self.until(scope, Some(Instant::now()), fetch)?;
            let flags = scope.flags.upgrade()?;
            flags.reclaim();
            let found = guarded(|| self.take(&flags, fetched)).unwrap_or(Found::Failure);
            if self.live {
                // Where it is full, or nobody hears, nobody waits.
                let _ = told.try_send(Told::Ready);
            }
            pause = self.schedule.next(found, fastrand::f64());
        }
    }

    /// Waits for a pause or a fetch, and says meanwhile when what is live ceases to count as fresh. `None`: the last
    /// handle is gone, and what was waited for is dropped.
    fn until<T>(
        &mut self,
        scope: &mut Scope,
        begun: Option<Instant>,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let mut work = pin!(work);
        loop {
            match scope.first(work.as_mut(), self.stale_at(begun)) {
                First::Stop => return None,
                First::Done(done) => return Some(done),
                First::Stale => {
                    let slow = FetchError::UnderWay(self.slow());
                    let trouble = self.trouble.as_ref().unwrap_or(&slow);
                    let flags = scope.flags.upgrade()?;
                    guarded(|| fail(&flags, &self.source, trouble, false));
                    self.fresh_until = None;
                }
            }
        }
    }

    /// Returns when what is live ceases to count as fresh. While nothing is wrong, only a fetch that takes long makes it
    /// so: polls may be further apart.
    fn stale_at(&self, begun: Option<Instant>) -> Option<Instant> {
        let until = self.fresh_until?;
        match begun {
            _ if self.trouble.is_some() => Some(until),
            Some(begun) => Some(until.max(begun + self.slow())),
            None => None,
        }
    }

    /// Returns how long a fetch may take before it counts as one that goes wrong.
    fn slow(&self) -> Duration {
        self.settings.timeout.min(self.stale_after.max(BRISK))
    }

    /// Takes what was fetched, or says why there is nothing.
    fn take(&mut self, flags: &Flags, fetched: Result<Fetched, FetchError>) -> Found {
        match fetched {
            Ok(Fetched::Unchanged) => {
                self.answered();
                if self.unwritten {
                    self.write_cache();
                }
                flags.source_unchanged(&self.source);
                Found::Answer
            }
            Ok(Fetched::Set(set)) => {
                self.answered();
                // What is refused is told by the load itself, and asked for anew: its tags are not kept.
                if load(flags, &set, &self.source, self.settings.overlay).is_ok() {
                    self.live = true;
                    self.keep(set);
                }
                Found::Answer
            }
            Err(error) => {
                let fresh = self.fresh_until.is_some_and(|until| Instant::now() < until);
                fail(flags, &self.source, &error, fresh);
                let found = error.retry_after().map_or(Found::Failure, Found::Busy);
                self.trouble = Some(error);
                found
            }
        }
    }

    fn answered(&mut self) {
        self.fresh_until = Some(Instant::now() + self.stale_after);
        self.trouble = None;
    }

    /// Keeps what was taken, in hand and in the cache.
    fn keep(&mut self, set: Set) {
        // A server that gives no tags sends the same again and again.
        let is_new = self.hand.as_ref() != Some(&set);
        self.hand = Some(set);
        if is_new || self.unwritten {
            self.write_cache();
        }
    }

    fn write_cache(&mut self) {
        let (Some(cache), Some(set)) = (&self.cache, &self.hand) else {
            return;
        };
        let written = cache.write(set, &self.settings);
        if let Err(error) = &written
            && !self.unwritten
        {
            (self.warn)(&format!(
                "{error}; a restart while the server is down starts without it"
            ));
        }
        self.unwritten = written.is_err();
    }
}

/// Loads a document with its lists, or an overlay.
pub(super) fn load(
    flags: &Flags,
    set: &Set,
    source: &Source,
    overlay: bool,
) -> Result<(), CompileError> {
    if overlay {
        flags.load_overlay(&*set.document.bytes, source).map(drop)
    } else {
        flags.load(delivery(set), source).map(drop)
    }
}

/// Runs what subscribers run in. A panic of theirs has been reported, and must not end the following.
fn guarded<T>(callback: impl FnOnce() -> T) -> Option<T> {
    panic::catch_unwind(AssertUnwindSafe(callback)).ok()
}

fn fail(flags: &Flags, source: &Source, error: &FetchError, fresh: bool) {
    let line = format!("cannot fetch `{}`: {error}", source.name());
    let kind = error.kind().as_str();
    if fresh {
        flags.source_retrying(source, kind, &line);
    } else {
        flags.source_failed(source, kind, &line);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::http::http;

    #[test]
    fn the_thread_ends_with_the_last_handle() {
        let settings = Arc::new(http("http://127.0.0.1:9/shop.json").settings().unwrap());
        let hour = Duration::from_secs(3600);
        let follower = Follower {
            settings,
            source: Source::new("example"),
            schedule: Schedule::new(hour, Duration::MAX),
            cache: None,
            stale_after: hour,
            warn: Box::new(|_| {}),
            hand: None,
            live: true,
            fresh_until: None,
            trouble: None,
            unwritten: false,
        };
        let flags = Flags::builder().build();
        let (alive, stop) = oneshot::channel();
        flags.attach(alive);
        let (tell, told) = mpsc::sync_channel(2);
        let weak = flags.downgrade();
        let thread = thread::spawn(move || run(follower, weak, stop, &tell));
        assert!(matches!(told.recv().unwrap(), Told::Started(Ok(()))));
        thread::sleep(Duration::from_millis(50));
        assert!(!thread.is_finished());
        drop(flags);
        thread.join().unwrap();
    }
}
