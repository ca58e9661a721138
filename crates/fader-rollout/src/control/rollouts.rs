//! The thread, and the handle that a service holds of it.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fader::{Attributes, Clock, Flags, Json, Scope, Store, Timestamp, WeakFlags};

use super::controller::Controller;
use super::error::{Refused, StartError};
use super::event::Event;
use super::order::{self, Unkept, UnkeptKills};
use super::settings::Settings;
use super::signals::Signals;
use super::status::Status;
use crate::machine::{Answer, Now, Wish};
use crate::observe::{Expected, Observer};

/// How often the controller looks.
const TICK: Duration = Duration::from_secs(1);

/// How long somebody waits who has asked for something.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the staged ramps of a handle, on a thread of its own: it looks each second at what requests did, raises what may be
/// raised, and lowers what has to be.
///
/// It runs until this is dropped, or the handle. The thread shares nothing with the runtime of the service: code that
/// blocks all of that does not keep a ramp from being rolled back.
///
/// # What it needs
///
/// - A handle whose overlay is kept somewhere: a file's is. What it decides is written there.
/// - A directory for its journal, which outlives the process and no other process uses: **one process**. Several
///   replicas of a service with a ramp each would judge a part of the traffic each, and decide each for itself.
///
/// # When the process ends
///
/// Dropped in order, it is taken up where it was. A process that was killed or has crashed while a ramp exposed anybody is
/// taken for a crash of the candidate: the ramp waits at 0 % for 60 s, and is rolled back at the second one in a stage
/// ([`restart_hold`](RolloutsBuilder::restart_hold), [`max_crashes`](RolloutsBuilder::max_crashes)).
///
/// ```
/// use fader_rollout::control::Rollouts;
///
/// # let directory = std::env::temp_dir().join(format!("fader-rollouts-{}", std::process::id()));
/// # let flags = fader::Flags::builder().build();
/// # flags.set_store(fader::MemoryStore::new(&flags));
/// flags.load(r#"{ "flags": { "checkout": { "rules": [ { "name": "ramp", "by": "user.id", "serve": "on", "ramp": {
///     "stages": [ { "percent": 1, "bake": "30m" }, { "percent": 100, "bake": "1h" } ],
///     "guardrails": [ { "metric": "errors", "no_worse_than": 1.1 }, { "metric": "errors", "below": 0.01 } ] } } ] } } }"#,
///     &fader::Source::new("flags.json"))?;
/// let rollouts = Rollouts::start(&flags, &directory)?;
/// rollouts.start_ramp("checkout", "anna", "the release of Tuesday")?;
/// assert_eq!(rollouts.status().ramps[0].percent, "1");
/// # drop(rollouts);
/// # std::fs::remove_dir_all(&directory)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropped, it ends, and staged ramps enrol nobody"]
pub struct Rollouts {
    flags: WeakFlags,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    signals: Signals,
    observer: Arc<Observer>,
    kills: UnkeptKills,
    inbox: Sender<Message>,
    thread: Mutex<Option<JoinHandle<()>>>,
    ends: Arc<AtomicBool>,
    status: Arc<Mutex<Status>>,
    #[cfg(feature = "probes")]
    _probes: Option<super::probe::Probes>,
}

enum Message {
    Ask {
        flag: String,
        wish: Wish,
        by: String,
        reason: String,
        answer: Sender<Answer>,
    },
    End,
}

/// How a controller is set up.
#[derive(Default)]
#[must_use = "nothing runs until `start` is called"]
pub struct RolloutsBuilder {
    pub(super) settings: Settings,
    pub(super) signals: Signals,
}

impl RolloutsBuilder {
    /// Sets for how long a ramp exposes nobody after an unclean end of the process, or a stall. Default: 60 s.
    pub fn restart_hold(mut self, hold: Duration) -> Self {
        self.settings.restart_hold = hold;
        self
    }

    /// Sets at how many unclean ends or stalls in one stage a ramp is rolled back, 0 counting as 1; `u32::MAX` is never. Default: 2.
    pub fn max_crashes(mut self, crashes: u32) -> Self {
        self.settings.max_crashes = crashes;
        self
    }

    /// Sets where the overlay is kept. Default: where the handle's provider says.
    pub fn store(mut self, store: impl Store + 'static) -> Self {
        self.settings.store = Some(Arc::new(store));
        self
    }

    /// Sets the clock that decides `start`, windows and freezes. Default: the system's.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.settings.clock = Arc::new(clock);
        self
    }

    /// Adds who is told what happens to ramps, in its order, on a thread for that. All who are told share it: while one is
    /// slow, the others wait, and events that come when 4,096 wait are lost for all of them.
    pub fn on_event(mut self, told: impl FnMut(&Event) + Send + 'static) -> Self {
        self.settings.events.push(Box::new(told));
        self
    }

    /// Adds who is told the status whenever it has changed, and every five seconds, on the same thread.
    pub fn on_status(mut self, told: impl FnMut(&Status) + Send + 'static) -> Self {
        self.settings.statuses.push(Box::new(told));
        self
    }

    /// Starts it: what was left is taken up, and the first look is over when it returns.
    ///
    /// # Errors
    ///
    /// The directory can't be made or written, or another process has it; nothing says where the overlay is kept; the
    /// system refuses a thread; the address of a webhook is none, or two probes have one name.
    pub fn start(self, flags: &Flags, state: impl AsRef<Path>) -> Result<Rollouts, StartError> {
        let Self {
            mut settings,
            signals,
        } = self;
        let clock = Arc::clone(&settings.clock);
        let store = settings.store.clone().or_else(|| flags.store());
        let store = store.ok_or_else(StartError::no_store)?;
        #[cfg(feature = "webhook")]
        settings.start_webhooks()?;
        settings.start_telling().map_err(StartError::thread)?;
        // Before the first look, which must not take what was never asked for green.
        #[cfg(feature = "probes")]
        let probes = super::probe::Probes::start(std::mem::take(&mut settings.probes), &signals)?;
        let wall = clock.now();
        let mut controller =
            Controller::open(flags, state.as_ref(), settings, signals.clone(), wall)?;
        let (observer, kills) = (controller.observer(), controller.unkept_kills());
        let began = Instant::now();
        let _ = controller.tick(Now {
            wall,
            since_last: None,
        });
        let status = Arc::new(Mutex::new(controller.status(flags, wall, true)));
        let (inbox, outbox) = mpsc::channel();
        let ends = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&status);
        let ticking = Ticking {
            controller,
            clock: Arc::clone(&clock),
            flags: flags.downgrade(),
            status: told,
            ends: Arc::clone(&ends),
            last: began,
            waiting: Vec::new(),
        };
        let thread = thread::Builder::new()
            .name("fader-rollout".to_owned())
            .spawn(move || ticking.run(&outbox))
            .map_err(StartError::thread)?;
        Ok(Rollouts {
            flags: flags.downgrade(),
            store,
            clock,
            signals,
            observer,
            kills,
            inbox,
            thread: Mutex::new(Some(thread)),
            ends,
            status,
            #[cfg(feature = "probes")]
            _probes: probes,
        })
    }
}

impl fmt::Debug for RolloutsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RolloutsBuilder")
            .field("restart_hold", &self.settings.restart_hold)
            .field("max_crashes", &self.settings.max_crashes)
            .finish_non_exhaustive()
    }
}

/// The thread's.
struct Ticking {
    controller: Controller,
    clock: Arc<dyn Clock>,
    flags: WeakFlags,
    status: Arc<Mutex<Status>>,
    ends: Arc<AtomicBool>,
    last: Instant,
    /// Those who have asked, with where the controller answers: they are told once the status shows it.
    waiting: Vec<(Receiver<Answer>, Sender<Answer>)>,
}

impl Ticking {
    fn run(mut self, inbox: &Receiver<Message>) {
        let mut due = self.last + TICK;
        let mut has_ticked = false;
        while !self.ends.load(Ordering::SeqCst) {
            let wait = due.saturating_duration_since(Instant::now());
            // However much is asked, it looks in time; and however long its looks take, it answers in between.
            let message = if wait.is_zero() && !has_ticked {
                Err(RecvTimeoutError::Timeout)
            } else {
                inbox.recv_timeout(wait)
            };
            has_ticked = matches!(message, Err(RecvTimeoutError::Timeout));
            match message {
                Ok(Message::Ask {
                    flag,
                    wish,
                    by,
                    reason,
                    answer,
                }) => {
                    let now = self.now();
                    let (answers, answered) = mpsc::channel();
                    self.waiting.push((answered, answer));
                    let obey = || {
                        self.controller
                            .obey(&flag, wish, &by, &reason, answers, now);
                    };
                    if catch_unwind(AssertUnwindSafe(obey)).is_err() {
                        return self.panicked(now.wall);
                    }
                    self.publish(now.wall);
                }
                Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    // No tick is shorter than a second, and a machine that was asleep is not ticked for each one of it.
                    due = due.max(Instant::now()) + TICK;
                    let now = self.now();
                    let ticked = catch_unwind(AssertUnwindSafe(|| self.controller.tick(now)));
                    match ticked {
                        Ok(true) => self.publish(now.wall),
                        Ok(false) => break,
                        Err(_) => return self.panicked(now.wall),
                    }
                }
            }
        }
        let now = self.clock.now();
        self.controller.end(now);
        self.over();
    }

    /// Nothing of what it knows can be relied on any more. Its end takes the ramps' exposure with it, and for the next
    /// process it is an unclean one.
    fn panicked(&self, now: Timestamp) {
        self.controller.tell_panic(now);
        self.over();
    }

    fn over(&self) {
        lock(&self.status).runs = false;
    }

    fn now(&mut self) -> Now {
        let now = Instant::now();
        let since_last = Some(now.saturating_duration_since(self.last));
        self.last = now;
        Now {
            wall: self.clock.now(),
            since_last,
        }
    }

    fn publish(&mut self, now: Timestamp) {
        if let Some(flags) = self.flags.upgrade() {
            *lock(&self.status) = self.controller.status(&flags, now, true);
        }
        self.waiting
            .retain(|(answered, answer)| match answered.try_recv() {
                Ok(answered) => {
                    let _ = answer.send(answered);
                    false
                }
                Err(TryRecvError::Empty) => true,
                Err(TryRecvError::Disconnected) => false,
            });
    }
}

impl Rollouts {
    /// Starts with the usual settings: see [`RolloutsBuilder::start`].
    ///
    /// # Errors
    ///
    /// Those of [`RolloutsBuilder::start`].
    pub fn start(flags: &Flags, state: impl AsRef<Path>) -> Result<Self, StartError> {
        Self::builder().start(flags, state)
    }

    /// Makes a builder with the usual settings.
    pub fn builder() -> RolloutsBuilder {
        RolloutsBuilder::default()
    }

    /// Returns what there is to say of the controller and its ramps.
    #[must_use]
    pub fn status(&self) -> Status {
        lock(&self.status).clone()
    }

    /// Starts a plan that has no `start`.
    ///
    /// # Errors
    ///
    /// The ramp is not where it can be done; the controller has ended. So it is of all that can be asked.
    pub fn start_ramp(&self, flag: &str, by: &str, reason: &str) -> Result<(), Refused> {
        self.ask(flag, Wish::Start, by, reason)
    }

    /// Stops a ramp where it is. Its guardrails go on.
    ///
    /// # Errors
    ///
    /// See [`start_ramp`](Self::start_ramp).
    pub fn pause(&self, flag: &str, by: &str, reason: &str) -> Result<(), Refused> {
        self.ask(flag, Wish::Pause, by, reason)
    }

    /// Lets a ramp go on that is paused, or was lowered by hand.
    ///
    /// # Errors
    ///
    /// See [`start_ramp`](Self::start_ramp).
    pub fn resume(&self, flag: &str, by: &str, reason: &str) -> Result<(), Refused> {
        self.ask(flag, Wish::Resume, by, reason)
    }

    /// Lets a stage start that asks for it, counted from 1.
    ///
    /// # Errors
    ///
    /// See [`start_ramp`](Self::start_ramp).
    pub fn approve(&self, flag: &str, stage: usize, by: &str, reason: &str) -> Result<(), Refused> {
        self.ask(flag, Wish::Approve { stage }, by, reason)
    }

    /// Exposes nobody any more, until it is [reset](Self::reset).
    ///
    /// # Errors
    ///
    /// See [`start_ramp`](Self::start_ramp).
    pub fn roll_back(&self, flag: &str, by: &str, reason: &str) -> Result<(), Refused> {
        self.ask(flag, Wish::RollBack, by, reason)
    }

    /// Begins a new run, at 0 %.
    ///
    /// # Errors
    ///
    /// See [`start_ramp`](Self::start_ramp).
    pub fn reset(&self, flag: &str, by: &str, reason: &str) -> Result<(), Refused> {
        self.ask(flag, Wish::Reset, by, reason)
    }

    /// Goes on by a plan that was edited, as it is now.
    ///
    /// # Errors
    ///
    /// See [`start_ramp`](Self::start_ramp).
    pub fn accept(&self, flag: &str, by: &str, reason: &str) -> Result<(), Refused> {
        self.ask(flag, Wish::Accept, by, reason)
    }

    /// Asks anything of a ramp, and waits for the answer.
    ///
    /// # Errors
    ///
    /// See [`start_ramp`](Self::start_ramp), and of [`Wish::Kill`] and [`Wish::Unkill`] [`kill`](Self::kill).
    pub fn ask(&self, flag: &str, wish: Wish, by: &str, reason: &str) -> Result<(), Refused> {
        match wish {
            Wish::Kill => return self.kill(flag, by, reason),
            Wish::Unkill => return self.unkill(flag, by, reason),
            _ => {}
        }
        let (answer, answered) = mpsc::channel();
        let ask = Message::Ask {
            flag: flag.to_owned(),
            wish,
            by: by.to_owned(),
            reason: reason.to_owned(),
            answer,
        };
        self.inbox.send(ask).map_err(|_| Refused::Ended)?;
        match answered.recv_timeout(PATIENCE) {
            Ok(Answer::Done) => Ok(()),
            Ok(Answer::Refused(why)) => Err(Refused::Refused(why)),
            Err(RecvTimeoutError::Timeout) => Err(Refused::NoAnswer),
            Err(RecvTimeoutError::Disconnected) => Err(Refused::Ended),
        }
    }

    /// Kills a flag, whether or not it has a ramp: nobody is served its variants any more, in this process at once. A ramp
    /// is rolled back by it.
    ///
    /// # Errors
    ///
    /// The overlay can't be written: then it is killed in this process, and everywhere once the controller can write it.
    pub fn kill(&self, flag: &str, by: &str, reason: &str) -> Result<(), Refused> {
        let flags = self.flags.upgrade().ok_or(Refused::Ended)?;
        let kill = Unkept {
            by: by.to_owned(),
            reason: reason.to_owned(),
            at: self.clock.now(),
        };
        let kills = BTreeMap::from([(flag.to_owned(), kill.clone())]);
        lock(&self.kills).extend(kills.clone());
        // A disk or another writer may take seconds.
        flags.change_overlay(|overlay| order::kill_all(overlay, &kills));
        let live = flags.snapshot();
        let written = self.store.update(&mut |overlay| {
            order::restore(overlay, live.overlay());
            *overlay = order::kill_all(std::mem::take(overlay), &kills);
            true
        });
        let overlay = written.map_err(|error| {
            // What came meanwhile may not have it.
            flags.change_overlay(|overlay| order::kill_all(overlay, &kills));
            Refused::NotKept(error)
        })?;
        lock(&self.kills).retain(|killed, unkept| killed != flag || *unkept != kill);
        flags.apply_newer(overlay);
        Ok(())
    }

    /// Takes a kill off. A ramp that was rolled back by it stays so, until it is [reset](Self::reset).
    ///
    /// # Errors
    ///
    /// The flag is not killed, or the overlay can't be written: then it stays killed.
    pub fn unkill(&self, flag: &str, by: &str, reason: &str) -> Result<(), Refused> {
        let now = self.clock.now();
        let flags = self.flags.upgrade().ok_or(Refused::Ended)?;
        let live = flags.snapshot();
        let mut was_killed = order::is_killed(live.overlay(), flag);
        // One that could not be written is taken off by the same means.
        let unkept = lock(&self.kills).remove(flag);
        let written = self.store.update(&mut |overlay| {
            order::restore(overlay, live.overlay());
            let is_killed = order::is_killed(overlay, flag);
            if is_killed {
                let revived = std::mem::take(overlay).revive(flag);
                *overlay = revived.signed_at(flag, by, reason, now);
            }
            was_killed |= is_killed;
            is_killed
        });
        let overlay = written.map_err(|error| {
            lock(&self.kills).extend(unkept.map(|kill| (flag.to_owned(), kill)));
            Refused::Refused(format!("it stays killed: {error}"))
        })?;
        if !was_killed {
            return Err(Refused::Refused(format!("`{flag}` is not killed")));
        }
        if !flags.apply_newer(overlay) {
            flags.change_overlay(|overlay| overlay.revive(flag).signed_at(flag, by, reason, now));
        }
        Ok(())
    }

    /// Ends it in order, and waits until it has: from here on staged ramps enrol nobody in this process, and the next one
    /// goes on where this one was. What is dropped does the same; this is for a service whose parts share it in an `Arc`,
    /// of which one may live on.
    pub fn stop(&self) {
        self.ends.store(true, Ordering::SeqCst);
        let _ = self.inbox.send(Message::End);
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }

    /// Says what a gauge shows, for guardrails `"metric": "gauge:NAME"`. One that was not set for a minute shows nothing,
    /// so that its guardrail has no data; so does one that is no number.
    pub fn set_gauge(&self, name: &str, value: f64) {
        self.signals.set_gauge(name, value);
    }

    /// Says a fact that plans may require, such as `schema.version`.
    pub fn set_fact(&self, name: &str, fact: impl Into<Json>) {
        self.signals.set_fact(name, fact.into());
    }

    /// Expects an event to follow a request within some time, up to two seconds more: that an order is paid, say. When that
    /// time is over, guardrails `"metric": "custom:NAME"` count it, as bad where it was not [met](Self::meet).
    ///
    /// It is said before the request ends, and holds for the flags that were drawn by then. Such guardrails count what was
    /// expected, and no other requests: an event is expected, or [reported](Scope::report), not both. What it returns is
    /// kept in memory, in a map by the order's number, say. Of more than 65,536 events whose time is not over, some are left
    /// out, by a hash of the unit and so in both arms alike; a process that ends forgets them.
    pub fn expect<A: Attributes>(
        &self,
        scope: &Scope<A>,
        event: &str,
        within: Duration,
    ) -> Expected {
        self.observer.expect(scope.drawn(), event, within)
    }

    /// Says that an event has come that was [expected](Self::expect).
    pub fn meet(&self, expected: Expected) {
        self.observer.meet(expected);
    }

    /// Says whether something is well that ramps depend on and can't be blamed for: a database, a partner. While it is not,
    /// nothing is raised, and nothing is rolled back for it.
    pub fn set_health(&self, name: &str, health: Result<(), String>) {
        self.signals.set_health(name, None, health);
    }
}

impl Drop for Rollouts {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Rollouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rollouts")
            .field("store", &self.store.name())
            .finish_non_exhaustive()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
