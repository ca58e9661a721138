//! The controller in virtual time: no thread, no second that goes by.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use fader::{
    Context, Ending, Flags, MemoryStore, Outcome, Overlay, Percent, Source, Store, StoreError,
    Timestamp,
};
use tempfile::TempDir;

use super::controller::Controller;
use super::order;
use super::settings::Settings;
use super::signals::Signals;
use super::status::RampStatus;
use crate::machine::{Answer, Held, Now, Phase, Wish};

mod audits;
mod clocks;
mod compaction;
mod cost;
mod damage;
mod decisions;
mod expected;
mod history;
mod plans;
mod process;
mod restarts;
mod stalls;
mod storage;
mod threads;
mod told;

const FLAG: &str = "checkout";
const START: &str = "2026-12-01T09:00:00Z";

/// 5 % for a minute, 50 % for a minute, everybody for a minute.
const STAGES: &str = r#""min_units": 20, "start": "2026-12-01T09:00:00Z", "stages": [
    { "percent": 5, "bake": "1m" }, { "percent": 50, "bake": "1m" }, { "percent": 100, "bake": "1m" } ],
    "guardrails": [ { "metric": "errors", "no_worse_than": 1.5 }, { "metric": "errors", "below": 0.5 } ]"#;

fn document(ramp: &str) -> String {
    format!(
        r#"{{ "flags": {{ "{FLAG}": {{ "rules": [ {{ "name": "ramp", "by": "user.id", "serve": "on",
              "ramp": {{ {ramp} }} }} ] }} }} }}"#
    )
}

/// A store that fails when it is told to, and outlives the process.
#[derive(Clone)]
struct Disk {
    overlay: Arc<std::sync::Mutex<Overlay>>,
    is_full: Arc<AtomicBool>,
}

impl Disk {
    fn new() -> Self {
        Self {
            overlay: Arc::default(),
            is_full: Arc::default(),
        }
    }

    fn overlay(&self) -> Overlay {
        self.overlay.lock().unwrap().clone()
    }
}

impl Store for Disk {
    fn name(&self) -> &str {
        "a disk"
    }

    fn update(&self, change: &mut dyn FnMut(&mut Overlay) -> bool) -> Result<Overlay, StoreError> {
        if self.is_full.load(Ordering::SeqCst) {
            return Err(StoreError::new("no space left on device"));
        }
        let mut kept = self.overlay.lock().unwrap();
        let mut changed = kept.clone();
        if change(&mut changed) {
            let version = kept.version().max(changed.version()) + 1;
            *kept = changed.with_version(version);
        }
        Ok(kept.clone())
    }
}

/// A process with one staged ramp, and its disk.
struct Process {
    flags: Flags,
    controller: Controller,
    signals: Signals,
    disk: Disk,
    second: i64,
    requests: u32,
    /// From how many users requests come.
    users: u32,
    /// How many of the last second's thousand requests were gray.
    gray: u32,
    is_sick: bool,
}

/// What a process starts with.
struct Machine {
    state: TempDir,
    disk: Disk,
    settings: fn() -> Settings,
}

impl Machine {
    fn new() -> Self {
        Self {
            state: TempDir::new().unwrap(),
            disk: Disk::new(),
            settings: Settings::default,
        }
    }

    fn path(&self) -> &Path {
        self.state.path()
    }

    fn boot(&self, document: &str, second: i64) -> Process {
        self.boot_with(document, second, |_| {})
    }

    /// Boots a process that has something to say of itself before its first look.
    fn boot_with(&self, document: &str, second: i64, say: impl Fn(&Signals)) -> Process {
        let flags = Flags::builder().build();
        flags.load(document, &Source::new("flags.json")).unwrap();
        flags.apply(self.disk.overlay());
        flags.set_store(self.disk.clone());
        let now = at(second);
        let (settings, signals) = ((self.settings)(), Signals::default());
        say(&signals);
        let told = signals.clone();
        let mut controller = Controller::open(&flags, self.path(), settings, told, now).unwrap();
        assert!(controller.tick(Now {
            wall: now,
            since_last: None,
        }));
        Process {
            flags,
            controller,
            signals,
            disk: self.disk.clone(),
            second,
            requests: 0,
            users: 4000,
            gray: 0,
            is_sick: false,
        }
    }
}

fn at(second: i64) -> Timestamp {
    let start = Timestamp::parse(START).unwrap().as_nanos();
    Timestamp::from_nanos(start + i128::from(second) * 1_000_000_000)
}

impl Process {
    /// Serves a second of a thousand requests, and looks.
    fn second(&mut self) {
        self.serve();
        self.look();
    }

    /// Serves a thousand requests.
    fn serve(&mut self) {
        self.gray = 0;
        for _ in 0..1000 {
            self.requests += 1;
            let user = i64::from(self.requests.wrapping_mul(2_654_435_761) % self.users);
            let scope = self.flags.scope(Context::default().with("user.id", user));
            let is_gray = scope.variant(FLAG) == Some("on");
            self.gray += u32::from(is_gray);
            let fails = self.requests % 100 == 7 || (is_gray && self.is_sick);
            let ending = if fails {
                Ending::ServerError
            } else {
                Ending::Success
            };
            scope.finish(Outcome::new(ending).took(Duration::from_millis(20)));
        }
    }

    /// Looks after a second without requests.
    fn look(&mut self) {
        self.deliver();
        self.second += 1;
        assert!(self.controller.tick(Now {
            wall: at(self.second),
            since_last: Some(Duration::from_secs(1)),
        }));
    }

    /// What a provider does: brings what others wrote.
    fn deliver(&self) {
        self.flags.apply_newer(self.disk.overlay());
    }

    fn seconds(&mut self, count: usize) {
        for _ in 0..count {
            self.second();
        }
    }

    fn ask(&mut self, wish: Wish) -> Answer {
        let (sender, answer) = mpsc::channel();
        let now = Now {
            wall: at(self.second),
            since_last: Some(Duration::ZERO),
        };
        self.controller
            .obey(FLAG, wish, "anna", "a test", sender, now);
        answer.try_recv().unwrap()
    }

    /// Ends in order.
    fn controller_ends(mut self) {
        self.controller.end(at(self.second));
    }

    fn ramp(&self) -> RampStatus {
        let status = self.controller.status(&self.flags, at(self.second), true);
        status.ramp(FLAG).unwrap().clone()
    }

    fn phase(&self) -> Phase {
        self.ramp().phase
    }

    /// What the overlay on the disk says of the ramp.
    fn told(&self) -> Percent {
        let overlay = self.disk.overlay();
        let entry = overlay.flags().find(|(flag, _)| *flag == FLAG);
        let percent = entry.and_then(|(_, entry)| entry.percents().next().map(|found| found.1));
        percent.unwrap_or(Percent::ZERO)
    }
}

fn percent(text: &str) -> Percent {
    text.parse().unwrap()
}

/// The lines of the audit log: who did what.
fn audit(machine: &Machine) -> Vec<(u64, String, String)> {
    let text = std::fs::read_to_string(machine.path().join("audit.jsonl")).unwrap_or_default();
    let lines = text.lines();
    let lines = lines.map(|line| serde_json::from_str::<super::AuditLine>(line).unwrap());
    lines.map(|line| (line.id, line.by, line.what)).collect()
}
