//! What the thread does each second.
//!
//! In each tick every ramp first takes its step, and what is lowered is lowered in the handle: nothing that can fail or
//! wait comes before that. Then the decisions are written down, the overlay is written, and only what is in both is
//! raised.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use fader::{Flags, RampControl, RampLimit, Snapshot, Store, Timestamp, Watch, WeakFlags};

use self::decide::Decided;
use self::overlay::killed_in;
use self::pulse::Pulse;
use super::audit::{Audit, AuditLine};
use super::error::StartError;
use super::event::{Event, What};
use super::journal::{Journal, Kept, Opened, Record};
use super::order::UnkeptKills;
use super::settings::Settings;
use super::signals::Signals;
use super::status::Status;
use crate::counts::Counts;
use crate::machine::{Answer, Command, Exposure, Now, Ramp, State, Wish};
use crate::observe::{Collector, Memory, Observer};

mod decide;
mod follow;
mod keep;
mod overlay;
mod pulse;
mod tell;

/// Runs the staged ramps of a handle, tick by tick.
///
/// [`Rollouts`](super::Rollouts) has a thread that does it each second. Who drives one himself, in a test or in virtual
/// time, calls [`tick`](Self::tick); it reads no clock and starts no thread.
pub(super) struct Controller {
    flags: WeakFlags,
    control: RampControl,
    /// What the handle lets ramps enrol.
    limits: Vec<RampLimit>,
    store: Arc<dyn Store>,
    settings: Settings,
    signals: Signals,
    observer: Arc<Observer>,
    collector: Collector,
    /// By flag.
    ramps: BTreeMap<String, Run>,
    /// What the journal has of ramps that the document does not have now.
    absent: BTreeMap<String, Kept>,
    journal: Journal,
    audit: Audit,
    next_line: u64,
    /// What the journal has not taken yet.
    unwritten: Vec<AuditLine>,
    tick: u32,
    is_first: bool,
    /// The flags whose ramps exposed anybody, or stood still, when the process before ended uncleanly, and were not taken
    /// over yet.
    crashed: BTreeSet<String>,
    /// What of the journal can't be relied on.
    damage: Option<String>,
    /// What can't be written, so that nothing is raised.
    troubles: BTreeMap<&'static str, String>,
    /// What else people should know.
    notes: BTreeMap<String, String>,
    /// The flags that are killed.
    killed: BTreeSet<String>,
    kills: UnkeptKills,
    /// Answers to commands of flags that have no ramp here.
    strays: Vec<(u64, Answer)>,
    /// What was told last, and when.
    told: Option<(Status, Timestamp)>,
    last_command: u64,
}

/// A ramp that it runs.
struct Run {
    index: u32,
    rule: String,
    ramp: Ramp,
    state: State,
    memory: Memory,
    /// What the handle lets it enrol.
    limit: Exposure,
    /// Whether the overlay says what the state does.
    written: bool,
    /// Answers that the overlay does not have yet.
    answers: Vec<(u64, Answer)>,
    /// Commands that came through the API, with who waits for the answer.
    asked: Vec<(Command, Sender<Answer>)>,
    unclean: bool,
    /// The tick in which the stable arm was seen last.
    stable_seen: Option<u32>,
    pulse: Pulse,
    /// Whether the journal knows its state.
    kept: bool,
    ill: Option<String>,
}

impl Controller {
    /// Opens a state directory, and takes the ramps of a handle over as they were left.
    ///
    /// Nobody is enrolled before the first [`tick`](Self::tick).
    ///
    /// # Errors
    ///
    /// The directory can't be written, or another process has it; the handle's provider names no overlay.
    pub(super) fn open(
        flags: &Flags,
        directory: &Path,
        settings: Settings,
        signals: Signals,
        now: Timestamp,
    ) -> Result<Self, StartError> {
        let store = settings.store.clone().or_else(|| flags.store());
        let store = store.ok_or_else(StartError::no_store)?;
        let trouble = |error| StartError::directory(directory, &error);
        let opened = Journal::open(directory, &now.to_string()).map_err(trouble)?;
        let Opened {
            journal,
            mut ramps,
            killed,
            audit,
            lines,
            is_clean,
            damage,
        } = opened;
        let audit_log = Audit::open(journal.directory(), lines).map_err(trouble)?;
        let is_behind = audit_log.next() > audit;
        let damage = damage.or_else(|| {
            let text = "the journal lacks what the audit log tells of: records of it are lost";
            is_behind.then(|| text.to_owned())
        });
        let is_clean = is_clean && !is_behind;
        let exposed = ramps.iter();
        let exposed = exposed.filter(|(_, kept)| {
            kept.state.exposure() != Exposure::NOBODY || kept.state.is_stalled()
        });
        let crashed = exposed.map(|(flag, _)| flag.clone()).filter(|_| !is_clean);
        let crashed: BTreeSet<String> = crashed.collect();
        for kept in ramps.values_mut().filter(|_| is_clean) {
            kept.state.forget_stall();
        }
        let last_command = ramps.values().filter_map(|kept| kept.state.last_command());
        let last_command = last_command.max().unwrap_or(0);
        let observer = Arc::new(Observer::new());
        flags.add_outcome_sink(Arc::clone(&observer), Watch::Guarded);
        // What an overlay says from before enrols nobody.
        let control = flags.control_ramps_within([]);
        let mut controller = Self {
            flags: flags.downgrade(),
            control,
            limits: Vec::new(),
            store,
            settings,
            signals,
            collector: Collector::new(Arc::clone(&observer)),
            observer,
            ramps: BTreeMap::new(),
            crashed,
            absent: ramps,
            journal,
            next_line: audit.max(audit_log.next()),
            audit: audit_log,
            unwritten: Vec::new(),
            tick: 0,
            is_first: true,
            damage,
            troubles: BTreeMap::new(),
            notes: BTreeMap::new(),
            killed: killed.unwrap_or_else(|| killed_in(&flags.snapshot())),
            kills: UnkeptKills::default(),
            strays: Vec::new(),
            told: None,
            last_command,
        };
        if let Some(damage) = controller.damage.clone() {
            controller.pause_all(&damage, now);
            let text = format!(
                "{damage}; what could not be read is kept beside it, and ramps that ran are paused"
            );
            controller.settings.tell(Event {
                at: now,
                flag: None,
                run: None,
                what: What::Trouble(text),
            });
        }
        if let Err(error) = controller
            .store
            .announce(&controller.journal.directory().display().to_string())
        {
            controller.settings.tell(Event {
                at: now,
                flag: None,
                run: None,
                what: What::Note(format!(
                    "tools of other processes won't find its status: {error}"
                )),
            });
        }
        Ok(controller)
    }

    /// Returns where kills are put that it is to write once it can.
    pub(super) fn unkept_kills(&self) -> UnkeptKills {
        Arc::clone(&self.kills)
    }

    pub(super) fn observer(&self) -> Arc<Observer> {
        Arc::clone(&self.observer)
    }

    /// Looks: takes what was counted, decides, and carries it out. False once the handle is gone.
    pub(super) fn tick(&mut self, now: Now) -> bool {
        let Some(flags) = self.flags.upgrade() else {
            return false;
        };
        let collected = self.collector.collect(self.tick);
        self.tick = self.tick.saturating_add(1);
        self.control.begin_tick(self.tick);
        let mut counted = BTreeMap::new();
        for tick in collected {
            counted.insert(tick.index, tick);
        }
        let snapshot = flags.snapshot();
        self.follow(&snapshot, now.wall);
        if self.is_first {
            // What begins from here on is watched, its latencies too; nothing that comes before was.
            self.tick = self.tick.saturating_add(1);
            self.control.begin_tick(self.tick);
        }
        for run in self.ramps.values_mut() {
            if let Some(tick) = counted
                .get(&run.index)
                .filter(|tick| tick.run == run.state.run())
            {
                run.memory.add(&tick.news);
                run.pulse.take(tick.began, tick.ended, tick.running);
                if tick.counts.requests.stable > 0 {
                    run.stable_seen = Some(self.tick);
                }
            }
        }
        let counts = |run: &Run| {
            let tick = counted.get(&run.index);
            let tick = tick.filter(|tick| tick.run == run.state.run());
            tick.map(|tick| (tick.counts.clone(), tick.news.clone()))
        };
        let counts: BTreeMap<_, _> = self
            .ramps
            .iter()
            .filter_map(|(flag, run)| Some((flag.clone(), counts(run)?)))
            .collect();
        self.look(&flags, &snapshot, now, counts);
        true
    }

    /// Takes commands that came through the API, at once.
    pub(super) fn obey(
        &mut self,
        flag: &str,
        wish: Wish,
        by: &str,
        reason: &str,
        answer: Sender<Answer>,
        now: Now,
    ) {
        let refuse = |why: String| {
            let _ = answer.send(Answer::Refused(why));
        };
        let Some(flags) = self.flags.upgrade() else {
            return refuse("the handle is gone".to_owned());
        };
        let snapshot = flags.snapshot();
        self.follow(&snapshot, now.wall);
        let clock = u64::try_from(now.wall.as_nanos() / 1_000_000).unwrap_or(1);
        // Odd; even numbers are those of commands in the overlay.
        let id = clock.max(self.last_command.saturating_add(1)) | 1;
        let Some(run) = self.ramps.get_mut(flag) else {
            return refuse(format!("the flag `{flag}` has no staged ramp"));
        };
        self.last_command = id;
        let command = Command {
            id,
            by: by.to_owned(),
            reason: reason.to_owned(),
            at: now.wall,
            what: wish,
        };
        run.asked.push((command, answer));
        self.look(&flags, &snapshot, now, BTreeMap::new());
    }

    /// One look at all ramps: decides, lowers, writes down, raises.
    fn look(
        &mut self,
        flags: &Flags,
        snapshot: &Snapshot,
        now: Now,
        mut counts: BTreeMap<String, (Counts, Memory)>,
    ) {
        let now = Now {
            since_last: now.since_last.filter(|_| !self.is_first),
            ..now
        };
        let orders = self.orders(snapshot);
        let mut decided: Vec<Decided> = Vec::new();
        let names: Vec<String> = self.ramps.keys().cloned().collect();
        for flag in &names {
            let counts = counts.remove(flag);
            let storage_works = self.troubles.is_empty();
            if let Some(decision) = self.decide(flag, snapshot, &orders, counts, storage_works, now)
            {
                decided.push(decision);
            }
        }
        self.is_first = false;
        // Nothing that can wait comes before what is lowered.
        for decision in &decided {
            if let Some(run) = self.ramps.get_mut(&decision.flag) {
                run.limit = run.limit.meet(run.state.exposure());
            }
        }
        self.limit(snapshot);
        let written = self.write_down(&mut decided, snapshot, &orders, now);
        for decision in &decided {
            self.carry_out(decision);
        }
        self.write_overlay(flags, now.wall);
        if written {
            for run in self.ramps.values_mut().filter(|run| run.written) {
                run.limit = run.state.exposure();
            }
        }
        self.limit(&flags.snapshot());
        self.tell(&decided, now.wall);
        self.tell_status(flags, now.wall);
    }

    /// Ends in order: what comes after knows that nothing went wrong.
    pub(super) fn end(&mut self, now: Timestamp) {
        let record = Record {
            end: true,
            lines: std::mem::take(&mut self.unwritten),
            ..self.everything(now)
        };
        let ended = self.journal.append(&record, true);
        if ended.is_ok() {
            self.audit.add(&record.lines);
            // What fails here is written by the next process.
            let _ = self.audit.flush();
        }
        let last = self.told.as_ref().map(|(status, _)| Status {
            at: now.to_string(),
            runs: false,
            ..status.clone()
        });
        let status = self
            .flags
            .upgrade()
            .map(|flags| self.status(&flags, now, false));
        if let Some(status) = status.or(last) {
            let _ = status.write(self.journal.directory());
        }
    }
}

/// The handle has its observer as long as it lives.
impl Drop for Controller {
    fn drop(&mut self) {
        for run in self.ramps.values() {
            self.observer.forget(run.index);
        }
    }
}
