//! What the thread does each second.
//!
//! In each tick every ramp first takes its step, and what is lowered is lowered in the handle: nothing that can fail or
//! wait comes before that. Then the decisions are written down, the overlay is written, and only what is in both is
//! raised.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use fader::{Flags, Overlay, OverlayEntry, RampControl, RampLimit, Snapshot, Store, Timestamp};
use fader::{Watch, WeakFlags};

use super::audit::{Audit, Line};
use super::error::StartError;
use super::event::{Event, What};
use super::journal::{Journal, Kept, Opened, Record};
use super::order::{Order, answer_all, answer_text};
use super::settings::Settings;
use super::signals::Signals;
use super::status::{self, RampStatus, Status};
use crate::counts::Counts;
use crate::judge::BudgetPart;
use crate::machine::{
    Answer, Command, Effect, Exposure, MACHINE, Notice, Now, Observation, Phase, Ramp, State, Wish,
    step,
};
use crate::observe::{Collector, Memory, Observer};

/// Runs the staged ramps of a handle, tick by tick.
///
/// [`Rollouts`](super::Rollouts) has a thread that does it each second. Who drives one himself, in a test or in virtual
/// time, calls [`tick`](Self::tick); it reads no clock and starts no thread.
pub(super) struct Controller {
    flags: WeakFlags,
    control: RampControl,
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
    unwritten: Vec<Line>,
    tick: u32,
    is_first: bool,
    /// Whether the process before has ended in order.
    was_clean: bool,
    /// What can't be written, so that nothing is raised.
    troubles: BTreeMap<&'static str, String>,
    /// What else people should know.
    notes: BTreeMap<String, String>,
    /// The flags that are killed.
    killed: BTreeSet<String>,
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
            ramps,
            killed,
            audit,
            lines,
            is_clean,
            damage,
        } = opened;
        let mut audit_log = Audit::open(journal.directory(), lines).map_err(trouble)?;
        audit_log.flush().map_err(trouble)?;
        let observer = Arc::new(Observer::new());
        flags.add_outcome_sink(Arc::clone(&observer), Watch::Guarded);
        // What an overlay says from before enrols nobody.
        let control = flags.control_ramps_within([]);
        let mut controller = Self {
            flags: flags.downgrade(),
            control,
            store,
            settings,
            signals,
            collector: Collector::new(Arc::clone(&observer)),
            observer,
            ramps: BTreeMap::new(),
            absent: ramps,
            journal,
            audit: audit_log,
            next_line: audit,
            unwritten: Vec::new(),
            tick: 0,
            is_first: true,
            was_clean: is_clean,
            troubles: BTreeMap::new(),
            notes: BTreeMap::new(),
            killed: killed.unwrap_or_else(|| killed_in(&flags.snapshot())),
            strays: Vec::new(),
            told: None,
            last_command: 0,
        };
        if let Some(damage) = damage {
            controller.pause_all(&damage, now);
            let text =
                format!("{damage}; the file is kept beside it, and ramps that ran are paused");
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
                what: What::Trouble(format!(
                    "tools of other processes won't find its status: {error}"
                )),
            });
        }
        Ok(controller)
    }

    fn pause_all(&mut self, damage: &str, now: Timestamp) {
        for kept in self.absent.values_mut() {
            kept.state.pause_for(damage, now);
        }
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
        for run in self.ramps.values_mut() {
            if let Some(tick) = counted
                .get(&run.index)
                .filter(|tick| tick.run == run.state.run())
            {
                run.memory.add(&tick.news);
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
        let id = clock.max(self.last_command.saturating_add(1));
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

    /// Makes ramps of the document's plans: new ones, changed ones, and those that came back.
    fn follow(&mut self, snapshot: &Snapshot, now: Timestamp) {
        let mut present = BTreeSet::new();
        for planned in snapshot.plans() {
            present.insert(planned.flag.to_owned());
            let same = self.ramps.get(planned.flag).is_some_and(|run| {
                Arc::ptr_eq(run.ramp.plan(), planned.plan)
                    && run.rule == planned.rule
                    && run.ramp.has_freezes(snapshot.freezes())
            });
            if same {
                continue;
            }
            let ramp = Ramp::new(
                Arc::clone(planned.plan),
                snapshot.freezes(),
                BudgetPart::OneProcess,
            );
            let ramp = match ramp {
                Ok(ramp) => ramp
                    .restart_hold(self.settings.restart_hold)
                    .max_crashes(self.settings.max_crashes),
                Err(error) => {
                    let text = format!("the plan of `{}` can't be run: {error}", planned.flag);
                    if let Some(run) = self.ramps.get_mut(planned.flag) {
                        run.ill = Some(text);
                    } else {
                        self.notes.insert(planned.flag.to_owned(), text);
                    }
                    continue;
                }
            };
            if let Some(run) = self.ramps.get_mut(planned.flag) {
                if planned.rule != run.rule {
                    run.written = false;
                }
                run.ramp = ramp;
                run.ill = None;
                planned.rule.clone_into(&mut run.rule);
                if run.index != planned.index {
                    run.index = planned.index;
                    self.observer
                        .watch(run.index, run.ramp.plan(), run.state.run());
                }
                continue;
            }
            self.notes.remove(planned.flag);
            let run = self.take_over(
                planned.flag,
                planned.rule,
                planned.index,
                ramp,
                snapshot,
                now,
            );
            self.ramps.insert(planned.flag.to_owned(), run);
        }
        let gone = self.ramps.extract_if(.., |flag, _| !present.contains(flag));
        for (flag, run) in gone {
            self.observer.forget(run.index);
            self.absent.insert(flag, run.kept(None, true));
        }
    }

    /// Makes a ramp from what the journal has of it, or a new one.
    fn take_over(
        &mut self,
        flag: &str,
        rule: &str,
        index: u32,
        ramp: Ramp,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Run {
        let kept = self.absent.remove(flag);
        let found = entry(snapshot, flag).map(|entry| exposure(entry, rule));
        let (state, memory, unclean) = match kept {
            Some(kept) => {
                let unclean = self.is_first && !self.was_clean;
                (kept.state, kept.memory, unclean)
            }
            // An overlay that was written for it, and no state: that is lost.
            None if found.is_some_and(|found| found.is_some()) => {
                let reason = "its state is lost: the state directory does not know it. Resume it to begin anew, at 0 %";
                (State::lost(&ramp, now, reason), Memory::default(), false)
            }
            None => (State::new(&ramp), Memory::default(), false),
        };
        let exposed = state.exposure();
        self.observer.watch(index, ramp.plan(), state.run());
        self.collector.recall(index, &memory);
        // What a process decided before it died and had no time to write is written now; what people wrote stands.
        let by_machine = entry(snapshot, flag).is_none_or(|entry| entry.by() == Some(MACHINE));
        let told = found.flatten().unwrap_or(Exposure::NOBODY);
        let written = told == exposed || !by_machine;
        Run {
            index,
            rule: rule.to_owned(),
            ramp,
            limit: Exposure::NOBODY,
            written,
            answers: Vec::new(),
            asked: Vec::new(),
            unclean: unclean && exposed != Exposure::NOBODY,
            stable_seen: None,
            kept: false,
            ill: None,
            state,
            memory,
        }
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

    /// Returns the commands of the overlay, by flag. Those that were answered already, or that nobody here can answer, have
    /// their answer.
    fn orders(&mut self, snapshot: &Snapshot) -> BTreeMap<String, Vec<Command>> {
        let mut orders: BTreeMap<String, Vec<Command>> = BTreeMap::new();
        let mut misread = None;
        self.strays.clear();
        for value in snapshot.overlay().commands() {
            let order = match Order::read(value) {
                Ok(order) if order.answer.is_none() => order,
                Ok(_) => continue,
                Err(error) => {
                    misread = Some(error.to_string());
                    continue;
                }
            };
            let id = order.command.id;
            self.last_command = self.last_command.max(id);
            match self.ramps.get_mut(&order.flag) {
                Some(run) => {
                    let known = run.state.answer(id).cloned();
                    let is_told = run.answers.iter().any(|(answered, _)| *answered == id);
                    match known {
                        Some(known) if !is_told => run.answers.push((id, known)),
                        Some(_) => {}
                        None => orders.entry(order.flag).or_default().push(order.command),
                    }
                }
                None => {
                    let why = format!("the flag `{}` has no staged ramp", order.flag);
                    self.strays.push((id, Answer::Refused(why)));
                }
            }
        }
        match misread {
            Some(misread) => self.notes.insert("commands".to_owned(), misread),
            None => self.notes.remove("commands"),
        };
        orders
    }

    /// Steps one ramp.
    fn decide(
        &mut self,
        flag: &str,
        snapshot: &Snapshot,
        orders: &BTreeMap<String, Vec<Command>>,
        counts: Option<(Counts, Memory)>,
        storage_works: bool,
        now: Now,
    ) -> Option<Decided> {
        let run = self.ramps.get(flag)?;
        let plan = run.ramp.plan();
        let before = run.state.clone();
        let asked = run.asked.iter().map(|(command, _)| command.clone());
        let commands: Vec<Command> = orders
            .get(flag)
            .into_iter()
            .flatten()
            .cloned()
            .chain(asked)
            .collect();
        let gauges: Vec<Option<f64>> = plan
            .guardrails
            .iter()
            .map(|guardrail| match &guardrail.metric {
                fader::plan::Metric::Gauge(name) => self.signals.gauge(name),
                _ => None,
            })
            .collect();
        let completed: BTreeSet<String> = self
            .ramps
            .iter()
            .filter(|(_, run)| run.state.phase() == Phase::Completed)
            .map(|(flag, _)| flag.clone())
            .collect();
        let facts = self.signals.facts();
        let turn = plan.group.as_ref().is_none_or(|group| {
            !self.ramps.iter().any(|(other, run)| {
                other != flag
                    && run.ramp.plan().group.as_ref() == Some(group)
                    && run.state.has_turn()
            })
        });
        let entry = entry(snapshot, flag);
        let found = entry.map_or(Some(Exposure::NOBODY), |entry| {
            Some(exposure(entry, &run.rule).unwrap_or(Exposure {
                killed: entry.killed(),
                ..Exposure::NOBODY
            }))
        });
        let idle = run.stable_seen.unwrap_or(0);
        let counted: Vec<Counts> = counts.iter().map(|(counts, _)| counts.clone()).collect();
        let mut seen = Observation::new();
        seen.counts = &counted;
        seen.gauges = &gauges;
        seen.serving = run.written;
        seen.storage_works = storage_works && run.ill.is_none();
        seen.found = found.filter(|_| run.written);
        seen.killed_by = entry.filter(|entry| entry.killed()).map(|entry| {
            (
                entry.by().unwrap_or("overlay"),
                entry.reason().unwrap_or_default(),
            )
        });
        seen.commands = &commands;
        seen.completed = &completed;
        seen.facts = &facts;
        seen.turn = turn;
        seen.probes_green = self.signals.ill(Some(flag)).is_empty();
        seen.stable_idle = std::time::Duration::from_secs(self.tick.saturating_sub(idle).into());
        seen.unclean_end = run.unclean;
        let (state, effects) = step(&run.ramp, before.clone(), &seen, now);
        let raises = !state.exposure().is_within(before.exposure());
        let changed = raises || !effects.is_empty();
        let run = self.ramps.get_mut(flag)?;
        let exposes = |effect: &Effect| matches!(effect, Effect::Expose(_));
        if before.exposure() != state.exposure() || effects.iter().any(exposes) {
            run.written = false;
        }
        let was_unclean = std::mem::take(&mut run.unclean);
        run.state = state;
        Some(Decided {
            flag: flag.to_owned(),
            before,
            was_unclean,
            effects,
            counts,
            commands,
            raises,
            changed: changed || was_unclean || !run.kept,
        })
    }

    /// Writes down what was decided: to the disk where anything was. Where that can't be, what would be raised is decided
    /// again, as though nothing could be kept: then it is not raised.
    fn write_down(
        &mut self,
        decided: &mut [Decided],
        snapshot: &Snapshot,
        orders: &BTreeMap<String, Vec<Command>>,
        now: Now,
    ) -> bool {
        let next_line = self.next_line;
        let killed = Some(killed_in(snapshot)).filter(|killed| *killed != self.killed);
        let mut lines = self.lines(decided, now.wall);
        if let Some(killed) = &killed {
            lines.extend(self.kills(killed, snapshot, now.wall));
        }
        if let Err(error) = self.append(decided, &lines, killed.as_ref(), now.wall) {
            self.troubles.insert("journal", error);
            self.next_line = next_line;
            for decision in decided.iter_mut().filter(|decision| decision.raises) {
                if let Some(run) = self.ramps.get_mut(&decision.flag) {
                    run.state = decision.before.clone();
                    run.unclean = decision.was_unclean;
                    run.written = run.limit == run.state.exposure();
                }
                let counts = decision.counts.take();
                let flag = decision.flag.clone();
                if let Some(again) = self.decide(&flag, snapshot, orders, counts, false, now) {
                    *decision = again;
                }
            }
            let lines = self.lines(decided, now.wall);
            self.unwritten.extend(lines);
            for run in self.ramps.values_mut() {
                run.kept = false;
            }
            return false;
        }
        self.troubles.remove("journal");
        self.killed = killed.unwrap_or_else(|| std::mem::take(&mut self.killed));
        let all = std::mem::take(&mut self.unwritten);
        self.audit.add(&all);
        self.audit.add(&lines);
        match self.audit.flush() {
            Ok(()) => self.troubles.remove("audit"),
            Err(error) => self
                .troubles
                .insert("audit", format!("the audit log can't be written: {error}")),
        };
        if self.journal.is_long() && self.audit.is_written() {
            let record = self.everything(now.wall);
            if let Err(error) = self.journal.rewrite(&record) {
                self.troubles.insert("journal", self.unwritable(&error));
            }
        }
        true
    }

    fn unwritable(&self, error: &std::io::Error) -> String {
        format!(
            "the journal in `{}` can't be written: {error}",
            self.journal.directory().display()
        )
    }

    fn append(
        &mut self,
        decided: &[Decided],
        lines: &[Line],
        killed: Option<&BTreeSet<String>>,
        now: Timestamp,
    ) -> Result<(), String> {
        self.journal
            .check()
            .map_err(|error| self.unwritable(&error))?;
        let mut record = Record {
            at: now.to_string(),
            killed: killed.cloned(),
            audit: self.next_line,
            lines: self.unwritten.iter().chain(lines).cloned().collect(),
            ..Record::default()
        };
        for decision in decided {
            let Some(run) = self.ramps.get(&decision.flag) else {
                continue;
            };
            let is_live =
                run.state.exposure() != Exposure::NOBODY && run.state.phase() != Phase::Completed;
            if is_live || decision.changed {
                let kept = run.kept(decision.counts.as_ref(), !run.kept);
                record.ramps.insert(decision.flag.clone(), kept);
            }
        }
        let to_disk = decided.iter().any(|decision| decision.changed) || !lines.is_empty();
        if record.ramps.is_empty() && record.lines.is_empty() && killed.is_none() {
            return Ok(());
        }
        let appended = self.journal.append(&record, to_disk);
        appended.map_err(|error| self.unwritable(&error))?;
        for flag in record.ramps.keys() {
            if let Some(run) = self.ramps.get_mut(flag) {
                run.kept = true;
            }
        }
        Ok(())
    }

    fn everything(&self, now: Timestamp) -> Record {
        let ramps = self.ramps.iter();
        let ramps = ramps.map(|(flag, run)| (flag.clone(), run.kept(None, true)));
        Record {
            at: now.to_string(),
            audit: self.next_line,
            ramps: ramps.chain(self.absent.clone()).collect(),
            killed: Some(self.killed.clone()),
            ..Record::default()
        }
    }

    /// Words what was decided for the audit log.
    fn lines(&mut self, decided: &[Decided], now: Timestamp) -> Vec<Line> {
        let mut lines = Vec::new();
        for decision in decided {
            let Some(run) = self.ramps.get(&decision.flag) else {
                continue;
            };
            for line in decision.lines(run) {
                lines.push(Line {
                    id: self.next_line,
                    at: now.to_string(),
                    flag: decision.flag.clone(),
                    ..line
                });
                self.next_line = self.next_line.saturating_add(1);
            }
        }
        lines
    }

    /// Words which flags were killed, and of which a kill was taken off.
    fn kills(
        &mut self,
        killed: &BTreeSet<String>,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Vec<Line> {
        let on = killed.difference(&self.killed).map(|flag| (flag, "kill"));
        let off = self.killed.difference(killed).map(|flag| (flag, "unkill"));
        let mut lines = Vec::new();
        for (flag, what) in on.chain(off) {
            let entry = entry(snapshot, flag);
            lines.push(Line {
                id: self.next_line,
                at: now.to_string(),
                flag: flag.clone(),
                by: entry
                    .and_then(OverlayEntry::by)
                    .unwrap_or("overlay")
                    .to_owned(),
                what: what.to_owned(),
                reason: entry
                    .and_then(OverlayEntry::reason)
                    .unwrap_or_default()
                    .to_owned(),
                ..Line::default()
            });
            self.next_line = self.next_line.saturating_add(1);
        }
        lines
    }

    fn carry_out(&mut self, decision: &Decided) {
        let Some(run) = self.ramps.get_mut(&decision.flag) else {
            return;
        };
        for effect in &decision.effects {
            match effect {
                Effect::Recount => {
                    run.memory = Memory::default();
                    run.kept = false;
                    self.observer
                        .watch(run.index, run.ramp.plan(), run.state.run());
                }
                Effect::Limits(limits) => {
                    for (guardrail, limits) in limits.iter().enumerate() {
                        if let Some((candidate, stable)) = limits {
                            self.observer
                                .set_limits(run.index, guardrail, *candidate, *stable);
                        }
                    }
                    self.collector.measure_anew(run.index);
                }
                Effect::Answer { id, answer } => {
                    let asked = run.asked.iter().position(|(command, _)| command.id == *id);
                    if let Some(asked) = asked {
                        let (_, waits) = run.asked.swap_remove(asked);
                        let _ = waits.send(answer.clone());
                    } else {
                        run.answers.push((*id, answer.clone()));
                    }
                }
                _ => {}
            }
        }
    }

    /// Writes exposures and answers into the overlay, and puts what was written into force here.
    fn write_overlay(&mut self, flags: &Flags, now: Timestamp) {
        let answers = self.ramps.values().flat_map(|run| run.answers.clone());
        let answers: Vec<_> = answers.chain(self.strays.clone()).collect();
        let mut unwritten: Vec<(&String, &Run)> = Vec::new();
        let lowered = |run: &Run| run.limit == run.state.exposure();
        let journal_works = !self.troubles.contains_key("journal");
        for (flag, run) in &self.ramps {
            // What is not written down is not raised.
            if !run.written && (journal_works || lowered(run)) {
                unwritten.push((flag, run));
            }
        }
        if unwritten.is_empty() && answers.is_empty() {
            return;
        }
        let written = self.store.update(&mut |overlay| {
            for (flag, run) in &unwritten {
                *overlay = tell(std::mem::take(overlay), flag, run, now);
            }
            answer_all(overlay, &answers);
            true
        });
        match written {
            Ok(overlay) => {
                let done: Vec<String> = unwritten.iter().map(|(flag, _)| (*flag).clone()).collect();
                flags.apply_newer(overlay);
                self.troubles.remove("overlay");
                for (flag, run) in &mut self.ramps {
                    run.answers.clear();
                    run.written |= done.contains(flag);
                }
            }
            Err(error) => {
                self.troubles
                    .insert("overlay", format!("the overlay can't be written: {error}"));
            }
        }
    }

    /// Lets each ramp enrol so many, whatever the overlay says.
    fn limit(&self, snapshot: &Snapshot) {
        let limit = |flag: &str, rule: &str, exposure: Exposure| RampLimit {
            flag: flag.to_owned(),
            rule: rule.to_owned(),
            percent: exposure.percent,
            waves: exposure.waves,
        };
        let planned = snapshot.plans().map(|planned| {
            let run = self.ramps.get(planned.flag);
            let exposure = run.map_or(Exposure::NOBODY, |run| run.limit);
            limit(planned.flag, planned.rule, exposure)
        });
        self.control.limit(planned);
    }

    fn tell(&self, decided: &[Decided], at: Timestamp) {
        for decision in decided {
            let Some(run) = self.ramps.get(&decision.flag) else {
                continue;
            };
            let event = |what| Event {
                at,
                flag: Some(decision.flag.clone()),
                run: Some(run.state.run()),
                what,
            };
            let (from, to) = (decision.before.exposure(), run.state.exposure());
            if from != to {
                self.settings.tell(event(What::Exposed { from, to }));
            }
            for effect in &decision.effects {
                if let Effect::Tell(notice) = effect {
                    self.settings.tell(event(What::Ramp(notice.clone())));
                }
            }
        }
    }

    fn tell_status(&mut self, flags: &Flags, now: Timestamp) {
        let status = self.status(flags, now, true);
        let before = self
            .told
            .as_ref()
            .map(|(status, _)| status.troubles.clone());
        let before = before.unwrap_or_default();
        let event = |what| Event {
            at: now,
            flag: None,
            run: None,
            what,
        };
        for trouble in status
            .troubles
            .iter()
            .filter(|trouble| !before.contains(trouble))
        {
            self.settings.tell(event(What::Trouble(trouble.clone())));
        }
        for over in before.iter().filter(|over| !status.troubles.contains(over)) {
            self.settings.tell(event(What::TroubleOver(over.clone())));
        }
        let is_due = self.told.as_ref().is_none_or(|(told, at)| {
            let same = Status {
                at: String::new(),
                ..told.clone()
            } == Status {
                at: String::new(),
                ..status.clone()
            };
            !same || (now.as_nanos() - at.as_nanos()).abs() >= status::HEARTBEAT_NANOS
        });
        if is_due {
            // Whoever reads an old one sees how old it is.
            let _ = status.write(self.journal.directory());
            self.settings.tell_status(&status);
            self.told = Some((status, now));
        }
    }

    pub(super) fn status(&self, flags: &Flags, now: Timestamp, runs: bool) -> Status {
        let snapshot = flags.snapshot();
        let ills = self.ramps.values().filter_map(|run| run.ill.clone());
        let order = snapshot.plans();
        Status {
            at: now.to_string(),
            pid: std::process::id(),
            runs,
            store: self.store.name().to_owned(),
            state: self.journal.directory().to_owned(),
            version: snapshot.version().to_owned(),
            overlay: snapshot.overlay().version(),
            troubles: self
                .troubles
                .values()
                .chain(self.notes.values())
                .cloned()
                .chain(ills)
                .collect(),
            probes: self.signals.ill(None),
            ramps: order
                .filter_map(|planned| {
                    let run = self.ramps.get(planned.flag)?;
                    Some(RampStatus::new(
                        planned.flag,
                        &run.rule,
                        &run.ramp,
                        &run.state,
                        run.written,
                    ))
                })
                .collect(),
        }
    }

    /// Ends in order: what comes after knows that nothing went wrong.
    pub(super) fn end(&mut self, now: Timestamp) {
        let record = Record {
            end: true,
            ..self.everything(now)
        };
        let ended = self.journal.append(&record, true);
        if let (Ok(()), Some(flags)) = (ended, self.flags.upgrade()) {
            let _ = self
                .status(&flags, now, false)
                .write(self.journal.directory());
        }
    }
}

/// What came of a step.
struct Decided {
    flag: String,
    before: State,
    was_unclean: bool,
    effects: Vec<Effect>,
    counts: Option<(Counts, Memory)>,
    commands: Vec<Command>,
    raises: bool,
    /// Whether it has to be on the disk before it is carried out.
    changed: bool,
}

impl Decided {
    /// What the audit log is to say of it, but for numbers, time and flag.
    fn lines(&self, run: &Run) -> Vec<Line> {
        let mut lines = Vec::new();
        for effect in &self.effects {
            match effect {
                Effect::Answer { id, answer } => {
                    let command = self.commands.iter().find(|command| command.id == *id);
                    if let Some(command) = command {
                        lines.push(of_command(command, answer));
                    }
                }
                Effect::Tell(notice) => lines.extend(of_notice(notice)),
                _ => {}
            }
        }
        let (from, to) = (self.before.exposure(), run.state.exposure());
        if (from.percent, from.waves) != (to.percent, to.waves) {
            lines.push(Line {
                by: MACHINE.to_owned(),
                what: "expose".to_owned(),
                stage: run.state.stage(),
                percent: Some(to.percent.to_string()),
                reason: format!("{} (was {} %)", run.state.phase(), from.percent),
                ..Line::default()
            });
        }
        lines
    }
}

fn of_command(command: &Command, answer: &Answer) -> Line {
    let stage = match command.what {
        Wish::Approve { stage } | Wish::Withdraw { stage } => Some(stage),
        _ => None,
    };
    Line {
        by: command.by.clone(),
        what: command.what.as_str().to_owned(),
        stage,
        reason: command.reason.clone(),
        answer: Some(answer_text(answer)),
        command: Some(command.id),
        ..Line::default()
    }
}

/// What the machine does by itself, or sees that a person did to the overlay.
fn of_notice(notice: &Notice) -> Option<Line> {
    use crate::machine::Cause;

    let line = |by: &str, what: &str, reason: String| Line {
        by: by.to_owned(),
        what: what.to_owned(),
        reason,
        ..Line::default()
    };
    let line = match notice {
        Notice::RolledBack(evidence) => match &evidence.cause {
            // The command, or the kill, has a line.
            Cause::Operator { .. } | Cause::Killed { .. } => return None,
            Cause::Guardrail(_) | Cause::CrashLoop { .. } => {
                line(MACHINE, "roll-back", evidence.to_string())
            }
        },
        Notice::Held(held) => line(MACHINE, "hold", super::event::held_text(*held).to_owned()),
        Notice::NewRun { run } => line(MACHINE, "new-run", format!("run {run}")),
        Notice::Breach { finding, response } => {
            line(MACHINE, "breach", format!("{}: {response:?}", finding.name))
        }
        Notice::CrashLoop { crashes } => line(MACHINE, "pause", format!("{crashes} unclean ends")),
        Notice::RaisedByHand(_) => line("overlay", "raise", "taken back".to_owned()),
        _ => return None,
    };
    Some(line)
}

impl Run {
    fn kept(&self, counted: Option<&(Counts, Memory)>, all: bool) -> Kept {
        let news = counted
            .map(|(_, news)| news.clone())
            .unwrap_or_else(|| self.memory.nothing_new());
        Kept {
            rule: self.rule.clone(),
            state: self.state.clone(),
            memory: if all { self.memory.clone() } else { news },
            all,
            counts: counted
                .map(|(counts, _)| counts.clone())
                .filter(|counts| !counts.strata.is_empty()),
        }
    }
}

/// Returns the flags that an overlay kills.
fn killed_in(snapshot: &Snapshot) -> BTreeSet<String> {
    let killed = snapshot
        .overlay()
        .flags()
        .filter(|(_, entry)| entry.killed());
    killed.map(|(flag, _)| flag.to_owned()).collect()
}

fn entry<'a>(snapshot: &'a Snapshot, flag: &str) -> Option<&'a OverlayEntry> {
    let mut entries = snapshot.overlay().flags();
    entries.find_map(|(name, entry)| (name == flag).then_some(entry))
}

/// What an overlay says of a ramp; none where it says nothing of its rule.
fn exposure(entry: &OverlayEntry, rule: &str) -> Option<Exposure> {
    let percent = entry.percents().find(|(name, _)| *name == rule)?.1;
    let waves = entry.waves().find(|(name, _)| *name == rule);
    Some(Exposure {
        percent,
        waves: waves.map_or(0, |(_, waves)| waves),
        killed: entry.killed(),
    })
}

/// Says in an overlay whom a ramp enrols. A kill is people's to set and to take off.
fn tell(overlay: Overlay, flag: &str, run: &Run, now: Timestamp) -> Overlay {
    let exposure = run.state.exposure();
    let killed = overlay
        .flags()
        .any(|(name, entry)| name == flag && entry.killed());
    let told =
        overlay
            .percent(flag, &run.rule, exposure.percent)
            .waves(flag, &run.rule, exposure.waves);
    if killed {
        return told;
    }
    let reason = match run.state.stage() {
        Some(stage) => format!("{}, stage {stage}", run.state.phase()),
        None => run.state.phase().to_string(),
    };
    told.signed_at(flag, MACHINE, reason, now)
}
