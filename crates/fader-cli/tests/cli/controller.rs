//! What stands in for a controller: it speaks and answers as one does, and runs no ramp.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use fader::Timestamp;
use serde_json::{Value, json};

use crate::Folder;

/// Two flags with a staged ramp, and one without.
pub(crate) const DOCUMENT: &str = r#"{
  "revision": 42,
  "flags": {
    "plain": true,
    "checkout": { "rules": [{ "by": "user.id", "serve": "on", "ramp": { "stages": [
      { "percent": 5, "bake": "10m" }, { "percent": 100, "bake": "1h", "approve": true }
    ] } }] },
    "search": { "rules": [{ "by": "user.id", "serve": "on", "ramp": { "stages": [
      { "percent": 50, "bake": "10m" }
    ] } }] }
  }
}"#;

pub(crate) const OVERLAY: &str = "flags.json.overlay.json";

/// A controller in a thread, until it is dropped.
pub(crate) struct Controller {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Controller {
    /// Speaks of these ramps each time it looks, and answers all requests once there are so many.
    pub(crate) fn start(
        folder: &Folder,
        ramps: Value,
        requests: usize,
        answer: impl Fn(&Value) -> String + Send + 'static,
    ) -> Self {
        let directory = folder.path("");
        announce(folder);
        speak(folder, &status(0, ramps.clone()));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let version = obey(&directory, requests, &answer);
                let status = status(version, ramps.clone()).to_string();
                replace(&directory.join("state/status.json"), &status);
                thread::sleep(Duration::from_millis(20));
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().unwrap();
        if thread.join().is_err() && !thread::panicking() {
            panic!("the controller has panicked");
        }
    }
}

/// Names the state directory beside the overlay.
pub(crate) fn announce(folder: &Folder) {
    let state = folder.path("state");
    folder.write(
        &format!("{OVERLAY}.controller"),
        state.display().to_string(),
    );
}

/// Says this, once.
pub(crate) fn speak(folder: &Folder, status: &Value) {
    folder.write("state/status.json", status.to_string());
}

pub(crate) fn overlay(folder: &Folder) -> Value {
    serde_json::from_slice(&fs::read(folder.path(OVERLAY)).unwrap()).unwrap()
}

/// Answers all requests of the overlay, and returns its version.
fn obey(directory: &Path, requests: usize, answer: &impl Fn(&Value) -> String) -> u64 {
    let path = directory.join(OVERLAY);
    let Ok(text) = fs::read(&path) else { return 0 };
    let mut overlay: Value = serde_json::from_slice(&text).unwrap();
    let version = overlay["version"].as_u64().unwrap();
    let Some(commands) = overlay["commands"].as_array_mut() else {
        return version;
    };
    if commands.len() < requests || commands.iter().all(|command| command["answer"].is_string()) {
        return version;
    }
    for command in commands {
        command["answer"] = answer(command).into();
    }
    overlay["version"] = (version + 1).into();
    replace(&path, &overlay.to_string());
    version + 1
}

fn replace(path: &Path, text: &str) {
    let new: PathBuf = path.with_extension("controllers");
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

/// What a controller says that runs, a moment ago.
pub(crate) fn status(overlay: u64, ramps: Value) -> Value {
    let mut status = json!({
        "at": Timestamp::from(SystemTime::now()).to_string(),
        "pid": 4711,
        "runs": true,
        "store": "/srv/flags.json.overlay.json",
        "state": "/srv/state",
        "version": "42",
        "overlay": overlay,
        "troubles": [],
        "notes": [],
        "probes": [],
        "ramps": null,
    });
    status["ramps"] = ramps;
    status
}

/// Replaces or adds fields of an object.
pub(crate) fn with_others(mut object: Value, others: Value) -> Value {
    if let (Value::Object(object), Value::Object(others)) = (&mut object, others) {
        object.extend(others);
    }
    object
}

/// A ramp in its first stage, with some of it replaced.
pub(crate) fn ramp(flag: &str, other: Value) -> Value {
    let ramp = json!({
        "flag": flag, "rule": "rules[0]", "run": 1, "phase": "observe", "stage": 1, "stages": 2,
        "percent": "5", "waves": 0, "killed": false, "written": true, "restart": null,
        "elapsed": 240.5, "baked": 240.5, "bake": 600.0,
        "paused": null, "held": null, "frozen": null,
        "waits": [{ "time": { "left": { "secs": 360, "nanos": 0 } } }], "waits_for": ["360 s more"],
        "approvals": [], "guardrails": [], "alarm": 300.0,
        "requests": { "candidate": 410, "stable": 8000 },
        "units": { "candidate": 41, "stable": 800 },
        "evidence": null,
    });
    with_others(ramp, other)
}

/// A ramp that somebody has rolled back.
pub(crate) fn rolled_back(flag: &str) -> Value {
    let exposure = json!({ "percent": 5_000_000, "waves": 0, "killed": false });
    let evidence = json!({
        "cause": { "operator": { "by": "ben", "reason": "5xx" } },
        "stage": 1, "exposure": exposure,
        "elapsed": { "secs": 241, "nanos": 0 }, "at": "2026-12-01T10:00:00Z",
    });
    let other = json!({
        "phase": "rolled-back", "stage": null, "percent": "0", "bake": null, "waits": [], "waits_for": [],
        "evidence": evidence,
    });
    ramp(flag, other)
}

/// A ramp whose stages are all done.
pub(crate) fn completed(flag: &str) -> Value {
    let other = json!({ "phase": "completed", "stage": null, "percent": "100", "bake": null, "waits": [], "waits_for": [] });
    ramp(flag, other)
}
