//! `fader eval --batch`.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use crate::{Folder, Run};

const DOCUMENT: &str = r#"{
  "revision": 1,
  "flags": {
    "b": { "rules": [ { "if": { "time": { "from": "2026-12-01T00:00:00Z" } }, "serve": "on" } ] },
    "a": { "rules": [ { "if": { "attribute": "n", "is": 9007199254740993 }, "serve": "on" } ] }
  }
}"#;

/// Asks a batch as a file and through a pipe, which must answer alike.
#[track_caller]
fn ask(cases: impl AsRef<[u8]>) -> Run {
    let folder = Folder::with(DOCUMENT);
    folder.write("cases.ndjson", cases);
    let from_file = folder.run(["eval", "flags.json", "--batch", "cases.ndjson"]);
    let input = std::fs::File::open(folder.path("cases.ndjson")).unwrap();
    let piped = folder
        .command(["eval", "flags.json", "--batch", "-", "--format", "json"])
        .stdin(input)
        .output()
        .unwrap();
    assert_eq!(from_file, Run::of(&piped));
    from_file
}

fn answer(flag: &str, on: bool) -> String {
    let (variant, reason, rule) = if on {
        ("on", "TARGETING_MATCH", "\"rules[0]\"")
    } else {
        ("off", "DEFAULT", "null")
    };
    format!(
        "{{\"flag\":\"{flag}\",\"value\":{on},\"variant\":\"{variant}\",\"reason\":\"{reason}\",\
         \"errorCode\":null,\"rule\":{rule},\"version\":\"1\"}}\n"
    )
}

fn unreadable(flag: &str) -> String {
    format!(
        "{{\"flag\":{flag},\"value\":null,\"variant\":null,\"reason\":\"ERROR\",\
         \"errorCode\":\"INVALID_CONTEXT\",\"rule\":null,\"version\":\"1\"}}\n"
    )
}

#[test]
fn one_answer_a_case_in_order() {
    let cases = r#"{"flag": "a", "context": {"n": 9007199254740993}, "now": "2026-12-01T00:00:00Z"}
{"now": "2026-12-01T00:00:00Z", "context": {"n": 9007199254740992.0}, "flag": "a"}
{"flag": "a", "context": {"n": 1, "n": 9007199254740993}, "unknown": [1]}
{"flag": "a"}"#;
    ask(cases).answered(
        0,
        &[
            answer("a", true),
            answer("a", false),
            answer("a", true),
            answer("a", false),
        ]
        .concat(),
    );
}

#[test]
fn a_case_without_flag_asks_for_every_flag_in_the_document_s_order() {
    let cases = "{\"now\": \"2026-12-02T00:00:00Z\"}\n{\"now\": \"2026-11-30T00:00:00Z\"}\n";
    let wanted = [
        answer("b", true),
        answer("a", false),
        answer("b", false),
        answer("a", false),
    ]
    .concat();
    ask(cases).answered(0, &wanted);
}

#[test]
fn each_case_has_its_own_time() {
    let case = |now: &str| format!("{{\"flag\": \"b\", \"now\": \"{now}\"}}\r\n");
    let cases = [
        "2026-12-02T00:00:00Z",
        "2026-11-30T00:00:00Z",
        "2026-12-01T01:00:00+01:00",
    ]
    .map(case)
    .concat();
    ask(cases).answered(
        0,
        &[answer("b", true), answer("b", false), answer("b", true)].concat(),
    );
}

#[test]
fn the_time_of_cases_that_name_none_can_be_given() {
    let folder = Folder::with(DOCUMENT);
    folder.write(
        "cases.ndjson",
        "{\"flag\": \"b\"}\n{\"flag\": \"b\", \"now\": \"2026-12-01T00:00:00Z\"}\n",
    );
    let run = folder.run([
        "eval",
        "flags.json",
        "--batch",
        "cases.ndjson",
        "--now",
        "2026-11-01T00:00:00Z",
    ]);
    run.answered(0, &[answer("b", false), answer("b", true)].concat());
}

#[test]
fn a_line_that_cannot_be_read_is_answered_and_the_run_goes_on() {
    let lines: [(&[u8], &str); 16] = [
        (b"{", "null"),
        (b"not json", "null"),
        (b"[]", "null"),
        (b"5", "null"),
        (b"null", "null"),
        (b"{\"flag\": \"a\",}", "null"),
        (b"{\"flag\": \"a\"} // no comments", "null"),
        (b"{\"flag\": \"a\"} {\"flag\": \"b\"}", "null"),
        (b"{\"flag\": \"\xff\"}", "null"),
        (b"{\"flag\": 5}", "null"),
        (b"{\"flag\": null}", "null"),
        (b"{\"flag\": \"a\", \"context\": []}", "\"a\""),
        (b"{\"flag\": \"a\", \"context\": null}", "\"a\""),
        (b"{\"flag\": \"a\", \"context\": {\"n\": 1e999}}", "\"a\""),
        (b"{\"flag\": \"a\", \"now\": \"2026-12-01\"}", "\"a\""),
        (b"{\"flag\": \"a\", \"now\": 5}", "\"a\""),
    ];
    let mut cases = Vec::new();
    let mut wanted = String::new();
    for (line, flag) in lines {
        cases.extend_from_slice(line);
        cases.extend_from_slice(b"\n{\"flag\": \"a\"}\n");
        wanted += &unreadable(flag);
        wanted += &answer("a", false);
    }
    ask(cases).answered(1, &wanted);
}

#[test]
fn a_context_may_nest_as_deep_as_a_document() {
    for (levels, wanted) in [
        (128, answer("a", false)),
        (129, unreadable("\"a\"")),
        (100_000, unreadable("\"a\"")),
    ] {
        let context = format!("{}1{}", "{\"x\":".repeat(levels), "}".repeat(levels));
        let run = ask(format!("{{\"flag\": \"a\", \"context\": {context}}}\n"));
        assert_eq!((&*run.stdout, &*run.stderr), (&*wanted, ""), "{levels}");
    }
}

#[test]
fn an_unknown_flag_is_an_error_of_its_answer() {
    let run = ask("{\"flag\": \"nope\"}\n{\"flag\": \"a\"}\n");
    let unknown = unreadable("\"nope\"").replace("INVALID_CONTEXT", "FLAG_NOT_FOUND");
    run.answered(1, &[unknown, answer("a", false)].concat());
}

#[test]
fn blank_lines_and_a_leading_bom_are_skipped() {
    ask("\u{feff}{\"flag\": \"a\"}\n\n  \r\n{\"flag\": \"a\"}\n\n")
        .answered(0, &answer("a", false).repeat(2));
    ask("").answered(0, "");
}

#[test]
fn errors_of_the_document_leave_no_answers() {
    let folder = Folder::with("{ \"flags\": { \"a\": 1 } }");
    folder.write("cases.ndjson", "{\"flag\": \"a\"}\n");
    let run = folder.run(["eval", "flags.json", "--batch", "cases.ndjson"]);
    assert_eq!((run.exit, &*run.stdout), (Some(2), ""));
    assert!(
        run.stderr.starts_with("error[wrong-type]: "),
        "{}",
        run.stderr
    );
}

#[test]
fn what_cannot_be_read_is_one_line() {
    let folder = Folder::with(DOCUMENT);
    let run = |cases: &str| folder.run(["eval", "flags.json", "--batch", cases]);
    run("missing.ndjson").failed_with("cannot read `missing.ndjson`: no such file");
    run(".").failed_with("cannot read `.`: it is a directory, not a file");
    folder
        .run(["eval", "flags.json", "--batch", "-", "--format", "human"])
        .failed_with("a batch is answered in JSON lines: leave `--format human` out");
    folder
        .run(["eval", "flags.json", "--batch", "-", "a"])
        .failed_with("the argument `--batch <CASES>` cannot be used with `[FLAG]...`; see `fader eval --help`");
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let folder = Folder::with(DOCUMENT);
    folder.write("cases.ndjson", "{\"flag\": \"a\"}\n".repeat(20_000));
    let mut child = folder
        .command(["eval", "flags.json", "--batch", "cases.ndjson"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    assert_eq!(first, answer("a", false));
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap()
        ),
        (Some(0), String::new())
    );
}

#[test]
fn an_answer_does_not_wait_for_the_end_of_the_input() {
    let folder = Folder::with(DOCUMENT);
    let mut child = folder
        .command(["eval", "flags.json", "--batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..3 {
        // The half line must not hold the answer to the whole one back.
        input.write_all(b"{\"flag\": \"a\"}\n{\"flag\":").unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, answer("a", false));
        input.write_all(b" \"a\"}\n").unwrap();
        line.clear();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, answer("a", false));
    }
    drop(input);
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!((&*rest, child.wait().unwrap().code()), ("", Some(0)));
}

#[test]
#[cfg(target_os = "linux")]
fn a_long_batch_is_not_kept_in_memory() {
    let folder = Folder::with(DOCUMENT);
    let mut child = folder
        .command(["eval", "flags.json", "--batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let count = std::thread::spawn(move || {
        let mut line = String::new();
        let mut count = 0;
        while output.read_line(&mut line).unwrap() > 0 {
            count += 1;
            line.clear();
        }
        count
    });
    let mut input = child.stdin.take().unwrap();
    let cases = format!(
        "{{\"flag\": \"a\", \"context\": {{\"x\": \"{}\"}}}}\n",
        "x".repeat(1000)
    )
    .repeat(100);
    for _ in 0..500 {
        input.write_all(cases.as_bytes()).unwrap();
    }
    // Fifty megabytes went through; it has not ended, as its input is still open.
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < 25_000, "{kilobytes} kB");
    drop(input);
    assert_eq!(count.join().unwrap(), 50_000);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
