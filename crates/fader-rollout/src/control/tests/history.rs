//! Random histories of two ramps: whatever happens, in whatever order, nobody is served who must not be.
//!
//! `FADER_HISTORIES` says how many, `FADER_HISTORY` which one alone.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value;

use super::*;
use crate::control::Status;
use crate::machine::MACHINE;

const FLAGS: [&str; 2] = ["checkout", "search"];
const PERCENTS: [&str; 8] = ["0", "1", "5", "10", "25", "50", "90", "100"];
const USERS: i64 = 1000;
const HOUR: i64 = 3600;

/// What a document says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Document {
    flags: BTreeSet<&'static str>,
    salt: u32,
    rule: &'static str,
    stages: &'static str,
    starts: bool,
}

const STAGES: [&str; 3] = [
    r#"{ "percent": 5, "bake": "5s" }, { "percent": 50, "bake": "5s" }, { "percent": 100, "bake": "5s" }"#,
    r#"{ "percent": 1, "bake": "4s" }, { "percent": 10, "bake": "4s", "approve": true }, { "percent": 100, "bake": "3s" }"#,
    r#"{ "percent": 25, "bake": "10s" }, { "percent": 90, "bake": "20s" }"#,
];

impl Document {
    fn text(&self) -> String {
        let start = if self.starts {
            r#""start": "2026-12-01T09:00:00Z","#
        } else {
            ""
        };
        let (salt, rule, stages) = (self.salt, self.rule, self.stages);
        let flag = |flag: &&str| {
            format!(
                r#""{flag}": {{ "rules": [ {{ "name": "{rule}", "by": "user.id", "serve": "on", "salt": "{flag}-{salt}",
                    "ramp": {{ {start} "min_units": 1, "count": "all-units", "stages": [ {stages} ],
                    "guardrails": [ {{ "metric": "errors", "no_worse_than": 1.5 }}, {{ "metric": "errors", "below": 0.5 }} ] }} }} ] }}"#
            )
        };
        let flags: Vec<String> = self.flags.iter().map(flag).collect();
        format!(r#"{{ "flags": {{ {} }} }}"#, flags.join(", "))
    }
}

fn users(flags: &Flags, flag: &str) -> usize {
    let users = (0..USERS).map(|user| Context::default().with("user.id", user));
    users
        .filter(|user| flags.resolve(flag, user).variant() == Some("on"))
        .count()
}

/// Salt, rule, flag, and millionths of a percent.
type Drawn = (u32, &'static str, &'static str, u32);

thread_local! {
    /// How many users a percent draws, by what the draw depends on: told by a handle without limits.
    static DRAWN: RefCell<BTreeMap<Drawn, usize>> = RefCell::default();
}

fn drawn(document: &Document, flag: &'static str, percent: Percent) -> usize {
    if !document.flags.contains(flag) {
        return 0;
    }
    let key = (document.salt, document.rule, flag, percent.micros());
    if let Some(known) = DRAWN.with_borrow(|known| known.get(&key).copied()) {
        return known;
    }
    let flags = Flags::builder().build();
    flags
        .load(document.text(), &Source::new("flags.json"))
        .unwrap();
    let _control = flags.control_ramps();
    flags.apply(Overlay::new().percent(flag, document.rule, percent));
    let count = users(&flags, flag);
    DRAWN.with_borrow_mut(|known| known.insert(key, count));
    count
}

/// A process that runs, or does not.
struct World {
    seed: u64,
    random: SmallRng,
    state: TempDir,
    disk: Disk,
    document: Document,
    process: Option<(Flags, Controller)>,
    second: i64,
    /// How far the wall clock is off.
    off: i64,
    requests: u32,
    is_sick: bool,
    journal_fails: bool,
    /// What was served after the last look.
    served: BTreeMap<&'static str, usize>,
    /// The flags that were rolled back, where that can be known after a crash.
    rolled_back: BTreeSet<&'static str>,
    killed: BTreeSet<&'static str>,
    history: Vec<String>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let document = Document {
            flags: FLAGS.into_iter().take(random.random_range(1..=2)).collect(),
            salt: 0,
            rule: "ramp",
            stages: STAGES.choose(&mut random).unwrap(),
            starts: random.random_bool(0.8),
        };
        let memory = Path::new("/dev/shm");
        let state = if memory.is_dir() {
            TempDir::new_in(memory)
        } else {
            TempDir::new()
        };
        Self {
            seed,
            random,
            state: state.unwrap(),
            disk: Disk::new(),
            document,
            process: None,
            second: 0,
            off: 0,
            requests: 0,
            is_sick: false,
            journal_fails: false,
            served: BTreeMap::new(),
            rolled_back: BTreeSet::new(),
            killed: BTreeSet::new(),
            history: Vec::new(),
        }
    }

    fn note(&mut self, what: impl Into<String>) {
        self.history
            .push(format!("{}: {}", self.second, what.into()));
    }

    fn wall(&self) -> Timestamp {
        at(self.second + self.off)
    }

    fn is_full(&self) -> bool {
        self.disk.is_full.load(Ordering::SeqCst)
    }

    fn boot(&mut self) {
        self.note("boot");
        let flags = Flags::builder().build();
        flags
            .load(self.document.text(), &Source::new("flags.json"))
            .unwrap();
        flags.apply(self.disk.overlay());
        flags.set_store(self.disk.clone());
        let mut settings = Settings::default();
        if self.seed.is_multiple_of(3) {
            settings.restart_hold = Duration::from_secs(3);
            settings.max_crashes = 4;
        } else if self.seed % 3 == 1 {
            settings.restart_hold = Duration::ZERO;
            settings.max_crashes = u32::MAX;
        }
        let now = self.wall();
        let controller =
            Controller::open(&flags, self.state.path(), settings, Signals::default(), now);
        let mut controller = controller.unwrap();
        for flag in FLAGS {
            assert_eq!(users(&flags, flag), 0, "before the first look");
        }
        assert!(controller.tick(Now {
            wall: now,
            since_last: None
        }));
        self.process = Some((flags, controller));
        self.check();
    }

    /// Does something, or lets be.
    fn happen(&mut self) {
        let flag = *FLAGS.choose(&mut self.random).unwrap();
        let now = self.wall();
        match self.random.random_range(0..100) {
            0..30 => self.ask(flag),
            30..34 => {
                let done = order::kill(&self.disk, flag, "ben", "smoke", now);
                self.note(format!("kill {flag}: {}", done.is_ok()));
                if done.is_ok() {
                    self.killed.insert(flag);
                    self.deliver();
                    let (flags, _) = self.process.as_ref().unwrap();
                    assert_eq!(users(flags, flag), 0, "killed, at once");
                }
            }
            34..38 => {
                let done = order::unkill(&self.disk, flag, "ben", "", now);
                self.note(format!("unkill {flag}: {}", done.is_ok()));
                if done.is_ok() {
                    self.killed.remove(flag);
                }
            }
            38..46 => self.edit_overlay(flag),
            46..52 => {
                let document = &mut self.document;
                match self.random.random_range(0..5) {
                    0 => document.stages = STAGES.choose(&mut self.random).unwrap(),
                    1 => document.salt += 1,
                    2 => {
                        document.rule = if document.rule == "ramp" {
                            "slope"
                        } else {
                            "ramp"
                        }
                    }
                    _ => {
                        if !document.flags.remove(flag) {
                            document.flags.insert(flag);
                        }
                    }
                }
                let text = document.text();
                self.note(format!("load {:?}", self.document));
                let (flags, _) = self.process.as_ref().unwrap();
                flags.load(text, &Source::new("flags.json")).unwrap();
            }
            52..58 => {
                let full = !self.is_full() && self.random.random_bool(0.5);
                self.note(format!("full {full}"));
                self.disk.is_full.store(full, Ordering::SeqCst);
            }
            58..64 => {
                let fails = !self.journal_fails && self.random.random_bool(0.5);
                self.fail_journal(fails);
            }
            64..68 => {
                self.note("crash");
                self.process = None;
            }
            68..72 => {
                self.note("end");
                let (_, mut controller) = self.process.take().unwrap();
                controller.end(now);
            }
            72..76 => {
                self.off = *[0, HOUR, -HOUR].choose(&mut self.random).unwrap();
                self.note(format!("clock {}", self.off));
            }
            76..82 => {
                self.is_sick = !self.is_sick && self.random.random_bool(0.5);
                self.note(format!("sick {}", self.is_sick));
            }
            _ => {}
        }
    }

    fn fail_journal(&mut self, fails: bool) {
        let names = ["journal.jsonl", "aside"].map(|name| self.state.path().join(name));
        if fails == self.journal_fails {
            return;
        }
        let [from, to] = if fails { [0, 1] } else { [1, 0] };
        std::fs::rename(&names[from], &names[to]).unwrap();
        self.journal_fails = fails;
        self.note(format!("journal fails: {fails}"));
    }

    fn ask(&mut self, flag: &'static str) {
        let stage = self.random.random_range(1..=3);
        let wishes = [
            Wish::Start,
            Wish::Pause,
            Wish::Resume,
            Wish::Resume,
            Wish::RollBack,
            Wish::Reset,
            Wish::Accept,
            Wish::Approve { stage },
            Wish::Withdraw { stage },
        ];
        let wish = *wishes.choose(&mut self.random).unwrap();
        let now = Now {
            wall: self.wall(),
            since_last: Some(Duration::ZERO),
        };
        if self.random.random_bool(0.5) {
            let id = order::ask(&self.disk, flag, wish, "ben", "", now.wall);
            self.note(format!("order {flag} {wish:?}: {}", id.is_ok()));
            if id.is_ok() && matches!(wish, Wish::Reset | Wish::Resume) {
                self.rolled_back.remove(flag);
            }
            return;
        }
        let (sender, answer) = mpsc::channel();
        let (_, controller) = self.process.as_mut().unwrap();
        controller.obey(flag, wish, "anna", "", sender, now);
        let answer = answer.try_recv();
        self.note(format!("ask {flag} {wish:?}: {answer:?}"));
        let answer = answer.expect("an answer");
        if answer == Answer::Done && matches!(wish, Wish::Reset | Wish::Resume) {
            self.rolled_back.remove(flag);
        }
        if answer == Answer::Done && wish == Wish::RollBack {
            let (flags, _) = self.process.as_ref().unwrap();
            assert_eq!(users(flags, flag), 0, "rolled back, at once");
        }
        self.check();
    }

    fn edit_overlay(&mut self, flag: &str) {
        let to = percent(PERCENTS.choose(&mut self.random).unwrap());
        let (rule, signs) = (self.document.rule, self.random.random_bool(0.7));
        let how = self.random.random_range(0..6);
        let done = self.disk.update(&mut |overlay| {
            match how {
                0 => overlay.forget(flag),
                1 => *overlay = Overlay::new().with_version(overlay.version()),
                _ => {
                    *overlay = std::mem::take(overlay).percent(flag, rule, to);
                    if signs {
                        *overlay = std::mem::take(overlay).signed(flag, "ben", "");
                    }
                }
            }
            true
        });
        if done.is_ok() && how < 2 {
            // Kills are gone with it.
            let overlay = self.disk.overlay();
            let killed: Vec<_> = overlay
                .flags()
                .filter(|(_, entry)| entry.killed())
                .collect();
            self.killed
                .retain(|flag| killed.iter().any(|(name, _)| name == flag));
        }
        // What the overlay alone knows is gone with it: of when the journal fails, or of a ramp that is not there.
        let (fails, there) = (self.journal_fails, &self.document.flags);
        if done.is_ok() {
            self.rolled_back.retain(|rolled_back| {
                let is_written = how == 1 || *rolled_back == flag;
                !is_written || (!fails && there.contains(rolled_back))
            });
        }
        self.note(format!(
            "overlay {flag} {how} {to} signed {signs}: {}",
            done.is_ok()
        ));
    }

    fn deliver(&self) {
        if let Some((flags, _)) = &self.process {
            flags.apply_newer(self.disk.overlay());
        }
    }

    fn serve(&mut self) {
        let Some((flags, _)) = &self.process else {
            return;
        };
        for _ in 0..60 {
            self.requests += 1;
            let user = i64::from(self.requests.wrapping_mul(2_654_435_761) % 4000);
            let scope = flags.scope(Context::default().with("user.id", user));
            let is_gray = FLAGS.iter().any(|flag| scope.variant(flag) == Some("on"));
            let fails = self.requests % 50 == 7 || (is_gray && self.is_sick);
            let ending = if fails {
                Ending::ServerError
            } else {
                Ending::Success
            };
            scope.finish(Outcome::new(ending).took(Duration::from_millis(20)));
        }
    }

    fn tick(&mut self) {
        self.serve();
        self.second += 1;
        if self.process.is_none() {
            if self.random.random_bool(0.5) {
                // Where it is moved aside the next process finds none.
                self.fail_journal(false);
                self.boot();
            }
            return;
        }
        self.happen();
        if self.process.is_none() {
            return;
        }
        self.deliver();
        let before: Vec<usize> = {
            let (flags, _) = self.process.as_ref().unwrap();
            // A flag or a rule that a document takes away and brings back is not raised.
            let last = |flag| self.served.get(flag).copied().unwrap_or(0);
            let (overlay, journal) = (self.disk.overlay(), self.journal());
            let kept = |flag| drawn(&self.document, flag, self.kept(flag, &overlay, &journal).0);
            FLAGS
                .into_iter()
                .map(|flag| users(flags, flag).max(last(flag)).max(kept(flag)))
                .collect()
        };
        let works = !self.is_full() && !self.journal_fails;
        let now = Now {
            wall: self.wall(),
            since_last: Some(Duration::from_secs(1)),
        };
        let (_, controller) = self.process.as_mut().unwrap();
        assert!(controller.tick(now));
        self.check();
        if !works {
            for (flag, before) in FLAGS.iter().zip(before) {
                let now = self.served.get(flag).copied().unwrap_or(0);
                assert!(
                    now <= before,
                    "{flag} raised without storage: {now} of {before} before"
                );
            }
        }
    }

    /// Holds what is served against what is known.
    fn check(&mut self) {
        let (flags, controller) = self.process.as_ref().unwrap();
        let status = controller.status(flags, self.wall(), true);
        let (overlay, journal) = (self.disk.overlay(), self.journal());
        for flag in FLAGS {
            let served = users(flags, flag);
            if !self.document.flags.contains(flag) {
                assert_eq!(served, 0, "{flag} is not there");
                continue;
            }
            self.served.insert(flag, served);
            if served > 0 {
                // What can't be written may be lower, and what is on its way.
                let (least, kept, told) = self.kept(flag, &overlay, &journal);
                let most = drawn(&self.document, flag, least);
                assert!(
                    served <= most,
                    "{flag}: {served} served, of {kept} in the journal and {told} told"
                );
            }
            assert!(
                served == 0 || !self.killed.contains(flag),
                "{flag} is killed"
            );
            assert!(
                served == 0 || !self.rolled_back.contains(flag),
                "{flag} was rolled back: {:?}, overlay {:?}",
                status.ramp(flag),
                overlay.flags().collect::<Vec<_>>()
            );
            let ramp = status.ramp(flag).expect("a ramp");
            let most = drawn(&self.document, flag, ramp.share());
            assert!(
                served <= most,
                "{flag}: {served} of {most} at {}",
                ramp.percent
            );
            let is_over = matches!(
                ramp.phase,
                Phase::Draft | Phase::Armed | Phase::RollingBack | Phase::RolledBack
            );
            assert!(
                served == 0 || !is_over,
                "{flag}: {served} in {}",
                ramp.phase
            );
            let is_well = status.troubles.is_empty() && ramp.written && !ramp.killed;
            if is_well {
                assert_eq!(served, most, "{flag} at {} in {}", ramp.percent, ramp.phase);
            }
            // One that the overlay alone knows to be rolled back is as people write that.
            let entry = overlay.flags().find(|(name, _)| *name == flag);
            let is_told = entry.is_some_and(|(_, entry)| {
                let reason = entry.reason().unwrap_or_default();
                entry.by() == Some(MACHINE) && reason.starts_with("roll")
            });
            let is_kept = !self.journal_fails || (!self.is_full() && is_told);
            if ramp.phase == Phase::RolledBack && is_kept {
                self.rolled_back.insert(flag);
            }
        }
    }

    /// What journal and overlay both say of a flag, and what each of them says.
    fn kept(
        &self,
        flag: &str,
        overlay: &Overlay,
        journal: &BTreeMap<String, Percent>,
    ) -> (Percent, Percent, Percent) {
        let kept = journal.get(flag).copied().unwrap_or(Percent::ZERO);
        let entry = overlay.flags().find(|(name, _)| *name == flag);
        let told = entry.and_then(|(_, entry)| {
            let mut told = entry.percents();
            told.find(|(rule, _)| *rule == self.document.rule)
        });
        let told = told.map_or(Percent::ZERO, |told| told.1);
        (kept.min(told), kept, told)
    }

    /// What the journal says last of each flag.
    fn journal(&self) -> BTreeMap<String, Percent> {
        let name = if self.journal_fails {
            "aside"
        } else {
            "journal.jsonl"
        };
        let text = std::fs::read(self.state.path().join(name)).unwrap();
        let mut found = BTreeMap::new();
        for line in text.split(|byte| *byte == b'\n').rev() {
            let Ok(line) = serde_json::from_slice::<Value>(line) else {
                continue;
            };
            let ramps = line.get("ramps").and_then(Value::as_object);
            for (flag, kept) in ramps.into_iter().flatten() {
                let micros = kept["state"]["exposure"]["percent"].as_u64().unwrap();
                let percent = Percent::from_micros(u32::try_from(micros).unwrap()).unwrap();
                found.entry(flag.clone()).or_insert(percent);
            }
            if FLAGS.iter().all(|flag| found.contains_key(*flag)) {
                break;
            }
        }
        found
    }

    /// Ends in order on a disk that works: then each line of the audit log is there once.
    fn end(&mut self) {
        self.fail_journal(false);
        self.disk.is_full.store(false, Ordering::SeqCst);
        if self.process.is_none() {
            self.boot();
        }
        let now = self.wall();
        let (flags, mut controller) = self.process.take().unwrap();
        for _ in 0..3 {
            flags.apply_newer(self.disk.overlay());
            assert!(controller.tick(Now {
                wall: now,
                since_last: Some(Duration::ZERO)
            }));
        }
        let status: Status = controller.status(&flags, now, true);
        assert_eq!(status.troubles, [""; 0]);
        controller.end(now);
        drop(controller);
        let text =
            std::fs::read_to_string(self.state.path().join("audit.jsonl")).unwrap_or_default();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<crate::control::AuditLine>(line).unwrap());
        let ids: Vec<u64> = lines.map(|line| line.id).collect();
        assert_eq!(
            ids,
            (1..=ids.len() as u64).collect::<Vec<_>>(),
            "the audit log's numbers"
        );
    }
}

fn live(seed: u64) {
    let world = RefCell::new(World::new(seed));
    let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut world = world.borrow_mut();
        let ticks = match world.random.random_range(0..10) {
            0 => 200,
            1..4 => 100,
            _ => 40,
        };
        world.boot();
        for _ in 0..ticks {
            world.tick();
        }
        world.end();
    }));
    if let Err(panic) = lived {
        let world = world.try_borrow();
        let history = world
            .map(|world| world.history.join("\n"))
            .unwrap_or_default();
        eprintln!("history {seed}:\n{history}");
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn whatever_happens_nobody_is_served_who_must_not_be() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|number| number.parse::<u64>().unwrap())
    };
    if let Some(seed) = number("FADER_HISTORY") {
        return live(seed);
    }
    let histories = number("FADER_HISTORIES").unwrap_or(250);
    std::thread::scope(|scope| {
        for first in 0..2 {
            scope.spawn(move || (first..histories).step_by(2).for_each(live));
        }
    });
}
