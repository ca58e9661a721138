//! `fader check`.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::{Folder, Run};

const GOOD: &str = r#"{ "flags": { "a": true } }"#;
const BROKEN: &str = r#"{
  "flags": {
    "checkout": {
      "variants": { "control": 1, "treatment": 2 },
      "default": "control",
      "rules": [
        { "serve": "treatmnt" }
      ]
    }
  }
}
"#;
/// A list that nothing uses.
const DUBIOUS: &str = r#"{ "lists": { "vip": ["a"] }, "flags": { "a": true } }"#;

fn diagnostics(run: &Run, file: usize) -> Vec<Value> {
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    report["files"][file]["diagnostics"]
        .as_array()
        .unwrap()
        .clone()
}

#[test]
fn a_good_document_is_one_line() {
    Folder::with(GOOD)
        .run(["check", "flags.json"])
        .answered(0, "1 file checked: no errors, no warnings\n");
    let json = "{\"files\":[{\"file\":\"flags.json\",\"diagnostics\":[]}]}\n";
    Folder::with(GOOD)
        .run(["check", "flags.json", "--format", "json"])
        .answered(0, json);
}

#[test]
fn one_error_is_shown_with_its_place_and_cure() {
    let run = Folder::with(BROKEN).run(["check", "flags.json"]);
    let (message, rest) = run.stdout.split_once('\n').unwrap();
    assert!(message.starts_with("error[unknown-variant]: "), "{message}");
    assert!(message.contains("`treatmnt`"), "{message}");
    let (frame, help) = rest.split_once("help: ").unwrap();
    assert_eq!(
        frame,
        " --> flags.json:7:20 at flags.checkout.rules[0].serve\n\
         \x20 |\n\
         7 |         { \"serve\": \"treatmnt\" }\n\
         \x20 |                    ^\n"
    );
    assert!(help.contains("`treatment`"), "{help}");
    assert!(
        help.ends_with("\n\n1 file checked: 1 error, no warnings\n"),
        "{help}"
    );
    assert!(run.stdout.lines().count() <= 12);
    assert_eq!((run.exit, &*run.stderr), (Some(1), ""));
}

#[test]
fn json_has_every_field() {
    let run = Folder::with(BROKEN).run(["check", "flags.json", "--format=json"]);
    assert_eq!(run.exit, Some(1));
    let found = diagnostics(&run, 0);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].as_object().unwrap().len(), 7);
    assert_eq!(found[0]["severity"], "error");
    assert_eq!(found[0]["kind"], "unknown-variant");
    assert_eq!(found[0]["path"], "flags.checkout.rules[0].serve");
    assert_eq!(
        (&found[0]["line"], &found[0]["column"]),
        (&json!(7), &json!(20))
    );
    assert!(found[0]["message"].is_string() && found[0]["help"].is_string());
    assert!(run.stdout.starts_with(
        r#"{"files":[{"file":"flags.json","diagnostics":[{"severity":"error","kind":"#
    ));
}

#[test]
fn warnings_are_fine_unless_denied() {
    let folder = Folder::with(DUBIOUS);
    let run = folder.run(["check", "flags.json"]);
    assert_eq!(run.exit, Some(0));
    assert!(
        run.stdout.starts_with("warning[unused-list]: "),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout
            .ends_with("\n1 file checked: no errors, 1 warning\n"),
        "{}",
        run.stdout
    );
    assert_eq!(
        folder.run(["check", "flags.json", "--deny-warnings"]).exit,
        Some(1)
    );
    assert_eq!(
        folder
            .run(["check", "--deny-warnings", "--format", "json", "flags.json"])
            .exit,
        Some(1)
    );
    assert_eq!(
        Folder::with(GOOD)
            .run(["check", "flags.json", "--deny-warnings"])
            .exit,
        Some(0)
    );
}

#[test]
fn what_cannot_be_read_is_one_line() {
    let folder = Folder::with(GOOD);
    std::fs::create_dir(folder.path("empty")).unwrap();
    for format in ["--format=human", "--format=json"] {
        folder
            .run(["check", "missing.json", format])
            .failed_with("cannot read `missing.json`: no such file");
        folder
            .run(["check", "empty", format])
            .failed_with("cannot read `empty`: it holds no documents (`*.json`)");
        folder.run(["check", "flags.json/x", format]).failed_with(
            "cannot read `flags.json/x`: a part of its path is a file, not a directory",
        );
        folder
            .run(["check", "/dev/zero", format])
            .failed_with("cannot read `/dev/zero`: it is a pipe, a socket or a device, not a file");
    }
}

#[test]
fn a_document_beyond_the_limit_is_not_read() {
    let folder = Folder::new();
    folder.write("flags.json", vec![b' '; (16 << 20) + 1]);
    let line = "cannot read `flags.json`: it is larger than the limit of 16777216 bytes";
    folder.run(["check", "flags.json"]).failed_with(line);
}

#[test]
fn the_others_are_checked_where_one_cannot_be_read() {
    let folder = Folder::with(BROKEN);
    folder.write("good.json", GOOD);
    let run = folder.run([
        "check",
        "good.json",
        "missing.json",
        "flags.json",
        "--format",
        "json",
    ]);
    assert_eq!(
        (run.exit, &*run.stderr),
        (Some(2), "fader: cannot read `missing.json`: no such file\n")
    );
    assert_eq!(
        (diagnostics(&run, 0).len(), diagnostics(&run, 1).len()),
        (0, 1)
    );
    let run = folder.run(["check", "good.json", "flags.json"]);
    assert_eq!(run.exit, Some(1));
    assert!(
        run.stdout
            .ends_with("\n2 files checked: 1 error, no warnings\n"),
        "{}",
        run.stdout
    );
}

#[test]
fn what_is_no_text_is_a_finding() {
    for document in [
        &b"{ \"flags\": "[..],
        b"",
        b"\xef\xbb\xbf",
        b"{ \"flags\": { \"\xff\": true } }",
        b"{'a': 1}",
    ] {
        let folder = Folder::new();
        folder.write("flags.json", document);
        let run = folder.run(["check", "flags.json"]);
        assert_eq!((run.exit, &*run.stderr), (Some(1), ""), "{document:?}");
        assert!(run.stdout.starts_with("error[syntax]: "), "{}", run.stdout);
        assert!(run.stdout.lines().count() <= 12);
        assert_eq!(
            diagnostics(&folder.run(["check", "flags.json", "--format=json"]), 0).len(),
            1
        );
    }
}

#[test]
fn a_document_does_not_reach_the_terminal_unescaped() {
    let run =
        Folder::with("{ \"flags\": { \"a\\u001b[2J\\nb\": 1 } }").run(["check", "flags.json"]);
    assert!(!run.stdout.contains('\u{1b}'), "{}", run.stdout);
    assert!(run.stdout.lines().count() <= 12);
}

#[test]
fn a_missing_list_is_a_finding() {
    let document = r#"{ "lists": { "vip": { "file": "lists/vip.txt" } },
        "flags": { "a": { "rules": [ { "if": { "attribute": "u", "in_list": "vip" }, "serve": "on" } ] } } }"#;
    let folder = Folder::with(document);
    let run = folder.run(["check", "flags.json", "--format", "json"]);
    assert_eq!(
        (run.exit, &diagnostics(&run, 0)[0]["kind"]),
        (Some(1), &json!("list-file"))
    );
    assert_eq!(diagnostics(&run, 0)[0]["path"], "lists.vip.file");
    folder.write("lists/vip.txt", "a\n");
    folder
        .run(["check", "flags.json"])
        .answered(0, "1 file checked: no errors, no warnings\n");
}

#[test]
fn lists_stand_in_the_real_directory_and_the_overlay_beside_the_path() {
    let document = r#"{ "lists": { "vip": { "file": "vip.txt" } },
        "flags": { "a": { "rules": [ { "if": { "attribute": "u", "in_list": "vip" }, "serve": "on" } ] } } }"#;
    let folder = Folder::new();
    folder.write("real/flags.json", document);
    folder.write("real/vip.txt", "a\n");
    symlink("real/flags.json", folder.path("link.json")).unwrap();
    assert_eq!(folder.run(["check", "link.json"]).exit, Some(0));
    folder.write("link.json.overlay.json", "{");
    assert_eq!(folder.run(["check", "link.json"]).exit, Some(1));
    assert_eq!(folder.run(["check", "real/flags.json"]).exit, Some(0));
}

#[test]
fn the_overlay_is_checked_too() {
    let folder = Folder::with(GOOD);
    folder.write(
        "flags.json.overlay.json",
        r#"{ "version": 1, "flags": { "a": { "killed": true } } }"#,
    );
    folder
        .run(["check", "flags.json"])
        .answered(0, "1 file checked: no errors, no warnings\n");

    folder.write(
        "flags.json.overlay.json",
        r#"{ "version": 1, "flags": { "a": { "killed": 1 } } }"#,
    );
    let run = folder.run(["check", "flags.json", "--format", "json"]);
    assert_eq!(run.exit, Some(1));
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        report["files"][0],
        json!({ "file": "flags.json", "diagnostics": [] })
    );
    assert_eq!(report["files"][1]["file"], "flags.json.overlay.json");
    assert_eq!(report["files"][1]["diagnostics"][0]["severity"], "error");
    folder.write("flags.json", BROKEN);
    let run = folder.run(["check", "flags.json"]);
    assert!(
        run.stdout
            .ends_with("\n1 file checked: 2 errors, no warnings\n"),
        "{}",
        run.stdout
    );

    std::fs::remove_file(folder.path("flags.json.overlay.json")).unwrap();
    std::fs::create_dir(folder.path("flags.json.overlay.json")).unwrap();
    let line = "cannot read `flags.json.overlay.json`: it is a directory, not a file";
    folder.run(["check", "flags.json"]).failed_with(line);
}

#[test]
fn an_overlay_entry_that_waits_is_a_warning() {
    let folder = Folder::with(GOOD);
    folder.write(
        "flags.json.overlay.json",
        r#"{ "version": 1, "flags": { "gone": { "killed": true } } }"#,
    );
    let run = folder.run(["check", "flags.json"]);
    assert_eq!(run.exit, Some(0));
    assert!(
        run.stdout.contains("warning[overlay]: ") && run.stdout.contains("`gone`"),
        "{}",
        run.stdout
    );
    assert_eq!(
        folder.run(["check", "flags.json", "--deny-warnings"]).exit,
        Some(1)
    );
}

#[test]
fn a_closed_pipe_does_not_hide_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let mistakes: Vec<_> = (0..20_000).map(|n| format!(r#""f{n}": 5"#)).collect();
    let path = folder.path().join("flags.json");
    std::fs::write(
        &path,
        format!(r#"{{ "flags": {{ {} }} }}"#, mistakes.join(",")),
    )
    .unwrap();
    let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_fader"))
        .arg("check")
        .arg(&path)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(check.stdout.take());
    assert_eq!(check.wait().unwrap().code(), Some(1));
}
