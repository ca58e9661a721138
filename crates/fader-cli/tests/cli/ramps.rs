//! `fader rollout status`, `wait` and `watch`: what a controller says of its ramps.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Folder;
use crate::controller::{
    Controller, DOCUMENT, OVERLAY, announce, completed, ramp, rolled_back, speak, status,
    with_others,
};

/// Two ramps that have everything to say.
fn everything() -> Value {
    let finding = |name: &str, verdict: &str, other: Value| {
        let finding = json!({
            "guardrail": 0, "name": name, "verdict": verdict, "missing": null,
            "bad": { "candidate": 3, "stable": 60 }, "of": { "candidate": 410, "stable": 8000 },
            "evidence": 2.125, "estimate": 0.98, "lower": 0.312, "upper": 3.1,
        });
        with_others(finding, other)
    };
    let guardrails = json!([
        finding("errors no_worse_than 1.1", "undecided", json!({})),
        finding(
            "errors below 0.01",
            "regressed",
            json!({ "evidence": 1.25e6, "upper": null })
        ),
        finding(
            "gauge:queue below 100",
            "no-data",
            json!({
                "missing": "gauge", "evidence": null, "estimate": null, "lower": null, "upper": null,
            })
        ),
    ]);
    let checkout = json!({
        "phase": "paused", "waves": 1, "written": false, "guardrails": guardrails, "held": "plan-changed",
        "paused": { "by": "anna", "reason": "lunch", "at": "2026-12-01T10:00:00Z" },
        "frozen": { "until": "2026-12-24T00:00:00Z", "reason": null },
        "approvals": [{ "stage": 2, "by": "ben", "at": "2026-12-01T09:00:00Z" }],
        "waits": ["stopped", { "time": { "left": { "secs": 360, "nanos": 0 } } }],
        "waits_for": ["somebody to let it go on", "360 s more"],
    });
    json!([ramp("checkout", checkout), rolled_back("search")])
}

#[test]
fn people_are_told_how_far_each_ramp_is() {
    let folder = Folder::with(DOCUMENT);
    announce(&folder);
    let mut said = status(8, everything());
    said["troubles"] = json!(["the audit log can't be written\u{1b}[2J"]);
    said["probes"] = json!(["latency: 3 s old"]);
    speak(&folder, &said);
    let run = folder.run(["rollout", "status"]);
    let spoke = run.stdout.lines().next().unwrap().to_owned();
    let age = spoke
        .strip_prefix("process    4711, spoke ")
        .and_then(|age| age.strip_suffix("s ago"));
    assert!(age.unwrap().parse::<u32>().unwrap() < 15, "{spoke}");
    run.answered(0, &include_str!("ramps.txt").replacen("SPOKE", &spoke, 1));
}

#[test]
fn one_ramp_alone_is_told_of_when_it_is_named() {
    let folder = Folder::with(DOCUMENT);
    announce(&folder);
    speak(&folder, &status(8, everything()));
    let run = folder.run(["rollout", "status", "search"]);
    assert_eq!(run.exit, Some(0));
    assert!(
        run.stdout.contains("\nsearch: ") && !run.stdout.contains("checkout"),
        "{}",
        run.stdout
    );
    for (flag, cure) in [
        ("serch", "did you mean `search`?"),
        ("zzz", "it has those of `checkout`, `search`"),
    ] {
        folder
            .run(["rollout", "status", flag])
            .failed_with(&format!(
                "the controller has no staged ramp of `{flag}`; {cure}"
            ));
    }
}

#[test]
fn programs_are_told_what_the_controller_says() {
    let folder = Folder::with(DOCUMENT);
    let said = status(8, everything());
    speak(&folder, &said);
    let run = folder.run(["rollout", "status", "--state=state", "--format=json"]);
    assert_eq!((run.exit, &*run.stderr), (Some(0), ""));
    assert_eq!(serde_json::from_str::<Value>(&run.stdout).unwrap(), said);
}

#[test]
fn what_is_stale_says_so_and_exits_with_1() {
    let now = fader::Timestamp::from(std::time::SystemTime::now());
    let moved = |seconds: i128| {
        fader::Timestamp::from_nanos(now.as_nanos() + seconds * 1_000_000_000).to_string()
    };
    let cases = [
        (moved(-20), true, "spoke last"),
        (moved(3600), true, "ahead of the clock here"),
        (moved(0), false, "ended at"),
    ];
    for (at, runs, why) in cases {
        let folder = Folder::with(DOCUMENT);
        announce(&folder);
        let mut said = status(8, everything());
        (said["at"], said["runs"]) = (json!(at), json!(runs));
        speak(&folder, &said);
        let run = folder.run(["rollout", "status"]);
        assert_eq!((run.exit, &*run.stderr), (Some(1), ""));
        let first = run.stdout.lines().next().unwrap();
        let begin = "STALE: the controller (process 4711) ";
        assert!(first.starts_with(begin) && first.contains(why), "{first}");
        assert!(
            first.ends_with(": nothing of this may be true any more"),
            "{first}"
        );
        let run = folder.run(["rollout", "status", "--format=json"]);
        assert_eq!(run.exit, Some(1));
        assert!(
            run.stderr.starts_with("warning: the controller"),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn one_that_spoke_ten_seconds_ago_is_not_stale() {
    let folder = Folder::with(DOCUMENT);
    announce(&folder);
    let now = fader::Timestamp::from(std::time::SystemTime::now());
    let mut said = status(8, everything());
    said["at"] = json!(fader::Timestamp::from_nanos(now.as_nanos() - 10_000_000_000).to_string());
    speak(&folder, &said);
    assert_eq!(folder.run(["rollout", "status"]).exit, Some(0));
}

#[test]
fn no_controller_is_1_and_one_that_cannot_be_read_is_2() {
    let folder = Folder::with(DOCUMENT);
    let run = folder.run(["rollout", "status"]);
    assert_eq!((run.exit, &*run.stdout), (Some(1), ""));
    assert_eq!(
        run.stderr,
        format!("fader: no controller has run on `{OVERLAY}`\n")
    );
    folder.write("state/status.json", "{ \"at\": ");
    let run = folder.run(["rollout", "status", "--state=state"]);
    assert_eq!((run.exit, &*run.stdout), (Some(2), ""));
    assert!(
        run.stderr
            .starts_with("fader: cannot read `state/status.json`: "),
        "{}",
        run.stderr
    );
}

/// A command that runs on, whose lines are read one by one.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(folder: &Folder, arguments: &[&str]) -> Self {
        let mut command = folder.command(["rollout"].iter().chain(arguments));
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            stdout
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Self { child, lines }
    }

    fn next(&self) -> String {
        self.lines
            .recv_timeout(Duration::from_secs(20))
            .expect("a line in time")
    }

    /// Waits until it ends by itself.
    fn end(mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("it has not ended");
    }

    fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It fails where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait<'a>(until: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["wait", "checkout", "--until", until], more].concat()
}

#[test]
fn waiting_ends_with_0_once_it_is_reached() {
    for (until, over, line) in [
        (
            "completed",
            completed("checkout"),
            "checkout: completed, 100 %",
        ),
        (
            "rolled-back",
            rolled_back("checkout"),
            "checkout: rolled-back in stage 1 at 5 % after 241 s: by ben, 5xx",
        ),
    ] {
        let folder = Folder::with(DOCUMENT);
        announce(&folder);
        speak(&folder, &status(1, json!([ramp("checkout", json!({}))])));
        let mut waiting = Running::start(&folder, &wait(until, &["--timeout=1h"]));
        assert!(
            waiting
                .lines
                .recv_timeout(Duration::from_millis(600))
                .is_err()
        );
        assert!(waiting.is_running());
        speak(&folder, &status(2, json!([over])));
        assert_eq!(waiting.next(), line);
        assert_eq!(waiting.end(), Some(0));
    }
}

#[test]
fn waiting_ends_with_1_once_it_cannot_come_to_that() {
    let folder = Folder::with(DOCUMENT);
    announce(&folder);
    let rolling_back = ramp(
        "checkout",
        json!({ "phase": "rolling-back", "percent": "0" }),
    );
    for (over, line) in [
        (json!([rolling_back]), "checkout: rolling-back\n"),
        (
            json!([rolled_back("checkout")]),
            "checkout: rolled-back in stage 1 at 5 % after 241 s: by ben, 5xx\n",
        ),
    ] {
        speak(&folder, &status(1, over));
        let run = folder.run([&["rollout"], &*wait("completed", &["--timeout=20s"])].concat());
        run.answered(1, line);
    }

    speak(&folder, &status(1, json!([ramp("checkout", json!({}))])));
    let waiting = Running::start(&folder, &wait("completed", &["--timeout=1h"]));
    assert!(
        waiting
            .lines
            .recv_timeout(Duration::from_millis(600))
            .is_err()
    );
    speak(&folder, &status(1, json!([])));
    assert_eq!(
        waiting.next(),
        "checkout: the document has no staged ramp of it any more"
    );
    assert_eq!(waiting.end(), Some(1));

    folder
        .run([&["rollout"], &*wait("completed", &["--timeout=20s"])].concat())
        .failed_with("the controller has no staged ramp of `checkout`; it has none at all");
}

#[test]
fn waiting_ends_with_3_when_the_time_is_up() {
    let folder = Folder::with(DOCUMENT);
    let waits = |until| folder.run([&["rollout"], &*wait(until, &["--timeout=1s"])].concat());
    let run = waits("completed");
    let why = format!("no controller has run on `{OVERLAY}`");
    assert_eq!(
        (run.exit, run.stdout),
        (Some(3), format!("time is up; checkout: not known, {why}\n"))
    );
    assert_eq!(run.stderr, format!("warning: {why}; waiting for one\n"));

    // What one has said that does not run any more is not taken for true.
    announce(&folder);
    let mut said = status(1, json!([completed("checkout")]));
    said["runs"] = json!(false);
    speak(&folder, &said);
    assert_eq!(waits("completed").exit, Some(3));

    speak(&folder, &status(1, json!([ramp("checkout", json!({}))])));
    waits("completed").answered(
        3,
        "time is up; checkout: observe, stage 1 of 2, 5 %, waits for 360 s more\n",
    );
    speak(&folder, &status(1, json!([completed("checkout")])));
    waits("rolled-back").answered(3, "time is up; checkout: completed, 100 %\n");
}

#[test]
fn each_change_is_a_line() {
    let guardrail = |verdict: &str| {
        json!([{
            "guardrail": 0, "name": "errors below 0.01", "verdict": verdict, "missing": null,
            "bad": { "candidate": 3, "stable": 60 }, "of": { "candidate": 410, "stable": 8000 },
            "evidence": 2.125, "estimate": 0.98, "lower": 0.312, "upper": 3.1,
        }])
    };
    let checkout = |verdict: &str, mut other: Value| {
        other["guardrails"] = guardrail(verdict);
        ramp("checkout", other)
    };
    let folder = Folder::with(DOCUMENT);
    let watch = Running::start(&folder, &["watch", "checkout"]);
    let next = || {
        let line = watch.next();
        let (at, rest) = line.split_once("  ").unwrap();
        assert!(fader::Timestamp::parse(at).is_some(), "{line}");
        rest.to_owned()
    };
    let why = format!("no controller has run on `{OVERLAY}`");
    assert_eq!(next(), format!("controller  -  no controller runs: {why}"));

    speak(
        &folder,
        &status(
            1,
            json!([checkout("undecided", json!({})), ramp("search", json!({}))]),
        ),
    );
    announce(&folder);
    assert_eq!(next(), "controller  -  process 4711 runs the ramps");
    assert_eq!(next(), "phase       checkout  observe, stage 1 of 2, 5 %");

    let more = json!({ "phase": "settle", "stage": 2, "percent": "100" });
    // Time goes on, another ramp moves: none of it is told.
    let search = ramp("search", json!({ "percent": "7" }));
    speak(
        &folder,
        &status(
            1,
            json!([checkout("undecided", json!({ "baked": 300.0 })), search]),
        ),
    );
    speak(&folder, &status(2, json!([checkout("regressed", more)])));
    assert_eq!(
        next(),
        "phase       checkout  settle, stage 2 of 2 (was observe, stage 1 of 2)"
    );
    assert_eq!(next(), "exposure    checkout  100 % (was 5 %)");
    assert_eq!(
        next(),
        "verdict     checkout  errors below 0.01: regressed (was undecided)"
    );

    let mut said = status(3, json!([rolled_back("checkout")]));
    said["troubles"] = json!(["the disk is full"]);
    speak(&folder, &said);
    assert_eq!(next(), "trouble     -  the disk is full");
    let evidence = "in stage 1 at 5 % after 241 s: by ben, 5xx";
    assert_eq!(
        next(),
        format!("phase       checkout  rolled-back (was settle, stage 2 of 2): {evidence}")
    );
    assert_eq!(next(), "exposure    checkout  0 % (was 100 %)");

    said["runs"] = json!(false);
    speak(&folder, &said);
    let line = next();
    assert!(
        line.starts_with(
            "controller  -  no controller runs: the controller (process 4711) ended at"
        ),
        "{line}"
    );

    // The ramp goes while it is watched, which is no mistake of whoever watches.
    speak(&folder, &status(4, json!([])));
    assert_eq!(next(), "controller  -  process 4711 runs the ramps");
    assert_eq!(next(), "trouble     -  no trouble any more");
    assert_eq!(
        next(),
        "gone        checkout  the document has no staged ramp of it any more"
    );
    speak(&folder, &status(5, json!([ramp("checkout", json!({}))])));
    assert_eq!(next(), "phase       checkout  observe, stage 1 of 2, 5 %");

    let mut watch = watch;
    let id = watch.child.id().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(watch.child.wait().unwrap().code(), Some(0));
}

#[test]
fn lines_for_programs_are_objects_and_a_closed_pipe_is_no_error() {
    let folder = Folder::with(DOCUMENT);
    let ramps = json!([ramp("checkout", json!({}))]);
    let _controller = Controller::start(&folder, ramps, 1, |_| "done".to_owned());
    let mut watch = folder.command(["rollout", "watch", "--format=json"]);
    let mut watch = watch
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(watch.stdout.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let mut line: Value = serde_json::from_str(&line).unwrap();
        assert!(line["at"].take().is_string());
        line
    };
    let wanted = json!({ "at": null, "flag": null, "event": "controller", "message": "process 4711 runs the ramps" });
    assert_eq!(next(), wanted);
    let wanted = json!({ "at": null, "flag": "checkout", "event": "phase", "message": "observe, stage 1 of 2, 5 %" });
    assert_eq!(next(), wanted);
    drop(stdout);
    drop(_controller);
    speak(&folder, &status(1, json!([completed("checkout")])));
    let output = watch.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}
