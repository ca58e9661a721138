//! `fader watch`.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Folder;

const GOOD: &str = r#"{ "revision": 1, "flags": { "a": true } }"#;
const NEWER: &str = r#"{ "revision": 2, "flags": { "a": { "default": "off" } } }"#;
const BROKEN: &str = r#"{ "revision": 3, "flags": { "a": { "default": "of" } } }"#;

/// A command that runs until it is told to stop.
pub(crate) struct Watch {
    child: Child,
    lines: Receiver<String>,
}

impl Watch {
    fn start(folder: &Folder, format: &str) -> Self {
        Self::of(folder, "flags.json", format)
    }

    pub(crate) fn of(folder: &Folder, document: &str, format: &str) -> Self {
        let mut child = folder
            .command(["watch", document, "--format", format])
            .stdout(Stdio::piped())
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

    pub(crate) fn next(&self) -> String {
        self.lines
            .recv_timeout(Duration::from_secs(20))
            .expect("a line in time")
    }

    #[track_caller]
    pub(crate) fn expect(&self, event: &str, version: Option<&str>, kind: Option<&str>) -> String {
        let line = self.next();
        let found: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&found["event"], &found["version"], &found["kind"]),
            (&json!(event), &json!(version), &json!(kind)),
            "{line}"
        );
        let at = found["at"].as_str().unwrap();
        assert!(
            line.starts_with(&format!(
                "{{\"at\":\"{at}\",\"event\":\"{event}\",\"version\":"
            )),
            "{line}"
        );
        assert!(fader::Timestamp::parse(at).is_some(), "{at}");
        found["message"].as_str().unwrap().to_owned()
    }

    fn signal(&mut self, name: &str) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &id])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap().code()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It fails where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_line_for_each_load_and_each_refusal() {
    let folder = Folder::with(GOOD);
    let mut watch = Watch::start(&folder, "json");
    assert_eq!(watch.expect("loaded", Some("1"), None), "1 flag");

    folder.write("flags.json", NEWER);
    assert_eq!(watch.expect("loaded", Some("2"), None), "changed: `a`");

    folder.write("flags.json", BROKEN);
    let message = watch.expect("refused", Some("2"), Some("unknown-variant"));
    assert!(
        message.starts_with("flags.json:1:") && message.contains("`of`"),
        "{message}"
    );

    folder.write("flags.json", NEWER);
    watch.expect("recovered", Some("2"), None);

    std::fs::rename(folder.path("flags.json"), folder.path("away")).unwrap();
    let message = watch.expect("stale", Some("2"), Some("not-found"));
    assert!(message.contains("flags.json"), "{message}");

    std::fs::rename(folder.path("away"), folder.path("flags.json")).unwrap();
    watch.expect("recovered", Some("2"), None);

    folder.write(
        "flags.json.overlay.json",
        r#"{ "version": 1, "flags": { "a": { "killed": true } } }"#,
    );
    let message = watch.expect("loaded", Some("2"), None);
    assert_eq!(message, "a new overlay, changed: `a`");
    assert_eq!(watch.signal("-TERM"), Some(0));
}

#[test]
fn a_document_that_is_broken_at_the_start_is_awaited() {
    let folder = Folder::with(BROKEN);
    let mut watch = Watch::start(&folder, "json");
    watch.expect("refused", None, Some("unknown-variant"));
    folder.write("flags.json", GOOD);
    watch.expect("loaded", Some("1"), None);
    assert_eq!(watch.signal("-INT"), Some(0));
}

#[test]
fn it_can_be_interrupted_before_the_first_load() {
    let folder = Folder::with(BROKEN);
    let mut watch = Watch::start(&folder, "human");
    assert!(watch.next().contains("  refused    -  flags.json:1:"));
    assert_eq!(watch.signal("-TERM"), Some(0));
}

#[test]
fn people_read_columns() {
    let folder = Folder::with(GOOD);
    let mut watch = Watch::start(&folder, "human");
    let line = watch.next();
    assert!(line.ends_with("Z  loaded     1  1 flag"), "{line}");
    assert_eq!(watch.signal("-INT"), Some(0));
}

/// A deploy that switches the directory would lose what operators decided.
#[test]
fn a_misplaced_overlay_is_a_line_on_standard_error() {
    let folder = Folder::new();
    folder.write("rules_1/flags.json", GOOD);
    symlink("rules_1", folder.path("rules")).unwrap();
    let mut child = folder
        .command(["watch", "rules/flags.json"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let start = "warning: the overlay `rules/flags.json.overlay.json` lies behind the symlink";
    assert!(line.starts_with(start), "{line}");
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let folder = Folder::with(GOOD);
    let mut child = folder
        .command(["watch", "flags.json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    folder.write("flags.json", NEWER);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_cannot_be_read_is_one_line() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("empty")).unwrap();
    for format in ["json", "human"] {
        let run = |file: &str| folder.run(["watch", file, "--format", format]);
        run("missing.json").failed_with("cannot read `missing.json`: no such file");
        run("empty").failed_with("cannot read `empty`: it holds no documents (`*.json`)");
    }
}
