//! `fader rollout pause` and the like, of a controller that runs and of none.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::controller::{Controller, DOCUMENT, OVERLAY, announce, overlay, ramp, speak, status};
use crate::{Folder, Run};

fn done(_: &Value) -> String {
    "done".to_owned()
}

fn ramps() -> Value {
    json!([ramp("checkout", json!({})), ramp("search", json!({}))])
}

fn asks(folder: &Folder, arguments: &[&str]) -> Run {
    let usual = ["--by=anna", "--answer-within=20s"];
    let rollout = ["rollout"].into_iter();
    folder.run(rollout.chain(arguments.iter().copied()).chain(usual))
}

#[test]
fn what_is_asked_stands_in_the_overlay_and_its_answer_is_told() {
    let asked: [(&[&str], Value); 7] = [
        (&["start", "checkout"], json!(null)),
        (&["pause", "checkout"], json!(null)),
        (&["resume", "checkout"], json!(null)),
        (&["approve", "checkout", "--stage=2"], json!(2)),
        (&["roll-back", "checkout"], json!(null)),
        (&["reset", "checkout"], json!(null)),
        (&["accept", "checkout"], json!(null)),
    ];
    for (arguments, stage) in asked {
        let folder = Folder::with(DOCUMENT);
        let _controller = Controller::start(&folder, ramps(), 1, done);
        let arguments = [arguments, &["--reason", "looks good"]].concat();
        asks(&folder, &arguments).answered(0, "done\n");

        let command = &overlay(&folder)["commands"][0];
        let written = ["do", "flag", "by", "reason", "stage"].map(|name| &command[name]);
        let (what, reason) = (json!(arguments[0]), json!("looks good"));
        let wanted = [&what, &json!("checkout"), &json!("anna"), &reason, &stage];
        assert_eq!(written, wanted, "{arguments:?}");
        let at = command["at"].as_str().unwrap();
        assert!(fader::Timestamp::parse(at).is_some(), "{at}");
    }
}

#[test]
fn a_refusal_is_told_with_its_reason() {
    let folder = Folder::with(DOCUMENT);
    let refused = |_: &Value| "refused: it is not paused\u{1b}[2J".to_owned();
    let _controller = Controller::start(&folder, ramps(), 1, refused);
    asks(&folder, &["resume", "checkout"]).answered(1, "refused: it is not paused\\u{1b}[2J\n");
}

#[test]
fn two_who_ask_at_once_are_each_told_their_own_answer() {
    let folder = Folder::with(DOCUMENT);
    let answer = |command: &Value| match command["flag"].as_str() {
        Some("checkout") => "done".to_owned(),
        other => format!("refused: not {}", other.unwrap()),
    };
    let _controller = Controller::start(&folder, ramps(), 2, answer);
    let ask = |flag| {
        let arguments = ["rollout", "pause", flag, "--by=anna", "--answer-within=20s"];
        let mut command = folder.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let both = [ask("checkout"), ask("search")];
    let [checkout, search] = both.map(|child| Run::of(&child.wait_with_output().unwrap()));
    checkout.answered(0, "done\n");
    search.answered(1, "refused: not search\n");
    let overlay = overlay(&folder);
    let ids: Vec<_> = overlay["commands"]
        .as_array()
        .unwrap()
        .iter()
        .map(|command| &command["id"])
        .collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn a_flag_without_a_ramp_is_refused_before_anything_is_written() {
    let folder = Folder::with(DOCUMENT);
    let cases = [
        (
            "chekout",
            "the document has no flag `chekout`; did you mean `checkout`?",
        ),
        (
            "zzz",
            "the document has no flag `zzz`; flags with a staged ramp: `checkout`, `search`",
        ),
        (
            "plain",
            "the flag `plain` has no ramp with `stages`; flags that have one: `checkout`, `search`",
        ),
    ];
    for (flag, line) in cases {
        asks(&folder, &["pause", flag]).failed_with(line);
        assert!(!folder.path(OVERLAY).exists(), "{flag}");
    }
}

#[test]
fn a_document_that_is_broken_keeps_nobody_from_rolling_back() {
    let folder = Folder::with(r#"{ "flags": { "checkout": 1 } }"#);
    let _controller = Controller::start(&folder, ramps(), 1, done);
    let run = asks(&folder, &["roll-back", "checkout"]);
    assert_eq!((run.exit, &*run.stdout), (Some(0), "done\n"), "{run:?}");
    let warning = "warning: `flags.json` has errors, so it is not checked whether it has the flag; see `fader check`\n";
    assert_eq!(run.stderr, warning);
}

#[test]
fn nothing_is_written_beside_a_document_that_is_not_there() {
    let folder = Folder::new();
    for arguments in [&["rollout", "pause", "checkout"][..], &["kill", "checkout"]] {
        let run = folder.run([arguments, &["--by=anna"]].concat());
        assert_eq!((run.exit, &*run.stdout), (Some(2), ""), "{run:?}");
        let cure = "; name the document with `--flags`, or its overlay with `--overlay`\n";
        assert!(run.stderr.ends_with(cure), "{}", run.stderr);
        assert!(!folder.path(OVERLAY).exists());
    }
    folder
        .run([
            "rollout",
            "pause",
            "checkout",
            "--flags=http://127.0.0.1:1/flags.json",
            "--by=anna",
        ])
        .failed_with("there is no overlay beside an address: name its file with `--overlay`");
}

#[test]
fn an_overlay_that_is_named_is_written_wherever_the_document_is() {
    let folder = Folder::with(DOCUMENT);
    folder.write("away/overlay.json.controller", "");
    let run = folder.run(["kill", "plain", "--by=anna", "--overlay=away/overlay.json"]);
    assert_eq!(run.exit, Some(0), "{run:?}");
    assert!(folder.path("away/overlay.json").exists());
    assert!(!folder.path(OVERLAY).exists());
}

/// Asks where nobody answers, and says why it was told that there is none.
#[track_caller]
fn unanswered(folder: &Folder) -> String {
    let began = Instant::now();
    let run = folder.run([
        "rollout",
        "pause",
        "checkout",
        "--by=anna",
        "--answer-within=1s",
    ]);
    assert_eq!((run.exit, &*run.stdout), (Some(1), ""), "{run:?}");
    assert!(began.elapsed() >= Duration::from_secs(1));
    let line = run
        .stderr
        .strip_prefix("fader: no answer within 1s to `pause` of `checkout`; ");
    let line = line.unwrap_or_else(|| panic!("{}", run.stderr)).trim_end();
    assert_eq!(overlay(folder)["commands"][0]["answer"], json!(null));
    let fate = "; the request stays in `flags.json.overlay.json`, and a controller that runs will answer it";
    line.strip_suffix(fate)
        .unwrap_or_else(|| panic!("{line}"))
        .to_owned()
}

#[test]
fn without_an_answer_it_is_told_what_is_known_of_the_controller() {
    let folder = Folder::with(DOCUMENT);
    assert_eq!(
        unanswered(&folder),
        "no controller runs: no controller has run on `flags.json.overlay.json`"
    );

    let folder = Folder::with(DOCUMENT);
    announce(&folder);
    let state = folder.path("state");
    assert_eq!(
        unanswered(&folder),
        format!(
            "no controller runs: no controller has said anything in `{}`",
            state.display()
        )
    );

    let mut said = status(7, ramps());
    said["at"] = json!("2026-01-01T00:00:00Z");
    let folder = Folder::with(DOCUMENT);
    announce(&folder);
    speak(&folder, &said);
    let line = unanswered(&folder);
    let begin = "no controller runs: the controller (process 4711) spoke last ";
    assert!(
        line.starts_with(begin) && line.ends_with(" ago, at 2026-01-01T00:00:00Z"),
        "{line}"
    );

    said["runs"] = json!(false);
    let folder = Folder::with(DOCUMENT);
    announce(&folder);
    speak(&folder, &said);
    assert_eq!(
        unanswered(&folder),
        "no controller runs: the controller (process 4711) ended at 2026-01-01T00:00:00Z"
    );

    let folder = Folder::with(DOCUMENT);
    let _controller = Controller::start(&folder, ramps(), usize::MAX, done);
    let line = unanswered(&folder);
    let begin = "the controller (process 4711) runs, spoke last at ";
    let end = ", and has version 1 of the overlay; `fader rollout status` tells its troubles";
    assert!(line.starts_with(begin) && line.ends_with(end), "{line}");
}

#[test]
fn who_asks_is_the_login_name_unless_it_is_the_controllers() {
    let by = |user: Option<&str>, more: &[&str]| {
        let folder = Folder::with(DOCUMENT);
        let mut command = folder.command([&["kill", "plain"], more].concat());
        command.env_remove("LOGNAME").env_remove("USER");
        user.map(|user| command.env("USER", user));
        let run = Run::of(&command.output().unwrap());
        match run.exit {
            Some(0) => overlay(&folder)["flags"]["plain"]["by"]
                .as_str()
                .unwrap()
                .to_owned(),
            _ => run.stderr,
        }
    };
    assert_eq!(by(Some("ben"), &[]), "ben");
    assert_eq!(by(Some("ben"), &["--by", "anna"]), "anna");
    assert!(by(None, &[]).starts_with("uid "));
    let refused = "fader: `fader` is the controller itself: say who asks with `--by`\n";
    assert_eq!(by(Some("fader"), &[]), refused);
    assert_eq!(by(Some("ben"), &["--by=fader"]), refused);
}

#[test]
fn a_request_that_somebody_has_written_over_is_told_of() {
    let folder = Folder::with(DOCUMENT);
    let arguments = [
        "rollout",
        "pause",
        "checkout",
        "--by=anna",
        "--answer-within=2s",
    ];
    let mut command = folder.command(arguments);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !folder.path(OVERLAY).exists() {
        assert!(Instant::now() < deadline, "nothing was written");
        std::thread::sleep(Duration::from_millis(10));
    }
    let another = json!({ "id": 1, "do": "pause", "flag": "search", "by": "ben", "at": "2026-12-01T10:00:00Z" });
    let overlay = json!({ "version": 9, "flags": {}, "commands": [another] });
    folder.write(OVERLAY, overlay.to_string());
    let run = Run::of(&child.wait_with_output().unwrap());
    assert_eq!(run.exit, Some(1));
    let fate = "; the request is not in `flags.json.overlay.json` any more: somebody has written that without it, so \
                ask again\n";
    assert!(run.stderr.ends_with(fate), "{}", run.stderr);
}

#[test]
fn the_exit_tells_of_a_refusal_that_nobody_reads() {
    let folder = Folder::with(DOCUMENT);
    let _controller = Controller::start(&folder, ramps(), 1, |_| "refused: no".to_owned());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = folder.command([
        "rollout",
        "pause",
        "checkout",
        "--by=anna",
        "--answer-within=20s",
    ]);
    let status = command.stdout(writer).status().unwrap();
    assert_eq!(status.code(), Some(1));
}
