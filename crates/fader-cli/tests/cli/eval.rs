//! `fader eval` for one context.

use crate::Folder;

const DOCUMENT: &str = r#"{
  "revision": 7,
  "flags": {
    "plain": true,
    "ranker": {
      "variants": { "old": "bm25", "new": { "model": "hybrid" }, "n": { "x": 1 } }, "default": "old",
      "rules": [
        { "name": "dutch", "if": { "attribute": "country", "is": "NL" }, "serve": "new" },
        { "percent": 100, "by": "user.id", "serve": "new" }
      ]
    },
    "season": {
      "rules": [ { "if": { "time": { "from": "2026-12-01T00:00:00Z" } }, "serve": "on" } ]
    },
    "off": { "enabled": false }
  }
}"#;

fn document() -> String {
    // Variants have one type.
    DOCUMENT.replace(r#""bm25""#, r#"{ "model": "bm25" }"#)
}

#[test]
fn answers_in_json_lines() {
    let folder = Folder::with(&document());
    let run = folder.run([
        "eval",
        "flags.json",
        "--context",
        r#"{"country": "NL"}"#,
        "--format",
        "json",
        "--now",
        "2026-11-30T23:59:59Z",
    ]);
    run.answered(
        0,
        r#"{"flag":"plain","value":true,"variant":"on","reason":"STATIC","errorCode":null,"rule":null,"version":"7"}
{"flag":"ranker","value":{"model":"hybrid"},"variant":"new","reason":"TARGETING_MATCH","errorCode":null,"rule":"dutch","version":"7"}
{"flag":"season","value":false,"variant":"off","reason":"DEFAULT","errorCode":null,"rule":null,"version":"7"}
{"flag":"off","value":null,"variant":null,"reason":"DISABLED","errorCode":null,"rule":null,"version":"7"}
"#,
    );
}

#[test]
fn answers_in_an_aligned_table() {
    let folder = Folder::with(&document());
    let run = folder.run([
        "eval",
        "flags.json",
        "--context={\"user\": {\"id\": 1}}",
        "--now=2026-12-01T00:00:00Z",
    ]);
    run.answered(
        0,
        "plain   = true (on)                 STATIC\n\
         ranker  = {\"model\":\"hybrid\"} (new)  SPLIT            rule rules[1]\n\
         season  = true (on)                 TARGETING_MATCH  rule rules[0]\n\
         off     = the caller's default      DISABLED\n",
    );
}

#[test]
fn answers_the_flags_that_are_named_in_their_order() {
    let folder = Folder::with(&document());
    let run = folder.run([
        "eval",
        "flags.json",
        "off",
        "--context",
        "{}",
        "plain",
        "nope",
        "off",
    ]);
    run.answered(
        1,
        "off    = the caller's default  DISABLED\n\
         plain  = true (on)             STATIC\n\
         nope   = the caller's default  ERROR FLAG_NOT_FOUND\n\
         off    = the caller's default  DISABLED\n",
    );
    let json = r#"{"flag":"nope","value":null,"variant":null,"reason":"ERROR","errorCode":"FLAG_NOT_FOUND","rule":null,"version":"7"}"#;
    folder
        .run([
            "eval",
            "flags.json",
            "--context",
            "{}",
            "nope",
            "--format=json",
        ])
        .answered(1, &format!("{json}\n"));
}

#[test]
fn a_document_without_flags_has_no_answers() {
    Folder::with("{}")
        .run(["eval", "flags.json", "--context", "{}"])
        .answered(0, "");
}

#[test]
fn the_version_of_a_document_without_revision_is_its_hash() {
    let run = Folder::with("{\"flags\": {\"a\": true}}").run([
        "eval",
        "flags.json",
        "--context={}",
        "--format=json",
    ]);
    let version = run
        .stdout
        .rsplit("\"version\":\"")
        .next()
        .unwrap()
        .strip_suffix("\"}\n")
        .unwrap();
    assert_eq!(version.len(), 16);
    assert!(
        version
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)),
        "{version}"
    );
}

#[test]
fn the_overlay_beside_the_document_counts() {
    let folder = Folder::with(&document());
    folder.write(
        "flags.json.overlay.json",
        r#"{ "version": 3, "flags": { "plain": { "killed": true } } }"#,
    );
    let run = folder.run(["eval", "flags.json", "plain", "--context", "{}"]);
    run.answered(0, "plain  = the caller's default  DISABLED\n");
}

#[test]
fn errors_of_the_document_leave_no_answers() {
    for format in ["--format=human", "--format=json"] {
        let folder = Folder::with("{ \"flags\": { \"a\": true, \"b\": 1 } }");
        let run = folder.run(["eval", "flags.json", "a", "--context", "{}", format]);
        assert_eq!((run.exit, &*run.stdout), (Some(2), ""));
        assert!(
            run.stderr.starts_with("error[wrong-type]: "),
            "{}",
            run.stderr
        );
        assert!(
            run.stderr
                .ends_with("\n1 file checked: 1 error, no warnings\n"),
            "{}",
            run.stderr
        );
        assert!(run.stderr.lines().count() <= 12);
    }
    let folder = Folder::with("{ \"flags\": { \"a\": true } }");
    folder.write("flags.json.overlay.json", "[]");
    let run = folder.run(["eval", "flags.json", "a", "--context", "{}"]);
    assert_eq!((run.exit, &*run.stdout), (Some(2), ""));
    assert!(
        run.stderr.contains("flags.json.overlay.json:1:1"),
        "{}",
        run.stderr
    );
}

#[test]
fn warnings_of_the_document_change_nothing() {
    let folder = Folder::with("{ \"lists\": { \"l\": [] }, \"flags\": { \"a\": true } }");
    folder
        .run(["eval", "flags.json", "a", "--context", "{}"])
        .answered(0, "a  = true (on)  STATIC\n");
}

#[test]
fn what_cannot_be_read_is_one_line() {
    let folder = Folder::with("{}");
    std::fs::create_dir(folder.path("empty")).unwrap();
    let missing = folder.run(["eval", "missing.json", "--context", "{}"]);
    missing.failed_with("cannot read `missing.json`: no such file");
    let directory = folder.run(["eval", "empty", "--context", "{}", "--format", "json"]);
    directory.failed_with("cannot read `empty`: it holds no documents (`*.json`)");
}

#[test]
fn a_context_that_is_no_object_is_one_line() {
    let folder = Folder::with("{}");
    for context in [
        "-",
        "",
        "[]",
        "{",
        "{\"a\": 1e999}",
        "{'a': 1}",
        "{\n\n\"a\"\n}",
    ] {
        let run = folder.run(["eval", "flags.json", "--context", context]);
        assert_eq!(
            (run.exit, &*run.stdout, run.stderr.lines().count()),
            (Some(2), "", 1),
            "{context}: {run:?}"
        );
        assert!(
            run.stderr.starts_with("fader: cannot read the context: "),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn a_disk_that_is_full_is_one_line() {
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let folder = Folder::with(&document());
    let output = folder
        .command(["eval", "flags.json", "--context", "{}"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        stderr,
        "fader: cannot write to standard output: no space left on device\n"
    );
}
