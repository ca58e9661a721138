//! `fader rollout audit` and `revert`.

use serde_json::{Value, json};

use crate::Folder;
use crate::controller::{Controller, DOCUMENT, OVERLAY, announce, overlay, ramp, with_others};

fn line(id: u64, by: &str, what: &str, other: Value) -> String {
    let line = json!({
        "id": id, "at": "2026-12-01T10:00:00Z", "flag": "checkout", "by": by, "do": what, "answer": "done",
    });
    with_others(line, other).to_string()
}

/// A folder whose audit log has these lines, each with its number.
fn with(lines: &[String]) -> Folder {
    let folder = Folder::with(DOCUMENT);
    announce(&folder);
    folder.write("state/audit.jsonl", lines.join("\n") + "\n");
    folder
}

fn three() -> Vec<String> {
    vec![
        line(
            1,
            "anna",
            "approve",
            json!({ "stage": 2, "reason": "looks\ngood", "command": 1 }),
        ),
        line(
            2,
            "fader",
            "expose",
            json!({ "percent": "100", "answer": null }),
        ),
        line(
            3,
            "ben",
            "pause",
            json!({ "flag": "search", "answer": "refused: it is completed" }),
        ),
    ]
}

#[test]
fn people_see_a_table_and_programs_the_lines() {
    let folder = with(&three());
    let table = "\
id  at                    flag      by     did              answer                    reason
1   2026-12-01T10:00:00Z  checkout  anna   approve stage 2  done                      looks\\ngood
2   2026-12-01T10:00:00Z  checkout  fader  expose 100 %     -
3   2026-12-01T10:00:00Z  search    ben    pause            refused: it is completed
";
    folder.run(["rollout", "audit"]).answered(0, table);
    let said = |args: &[&str]| {
        let run = folder.run(args.iter().copied());
        assert_eq!((run.exit, &*run.stderr), (Some(0), ""));
        objects(run.stdout.lines())
    };
    let lines = three();
    let lines = objects(lines.iter().map(String::as_str));
    assert_eq!(said(&["rollout", "audit", "--format=json"]), lines);
    assert_eq!(
        said(&["rollout", "audit", "search", "--format=json"]),
        lines[2..]
    );
}

/// What lines of JSON say, but for what is not there.
fn objects<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Value> {
    let read = lines.map(|line| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        value.as_object_mut().unwrap().retain(|_, it| !it.is_null());
        value
    });
    read.collect()
}

#[test]
fn a_line_that_a_crash_has_cut_is_told_of_and_hides_no_other() {
    let folder = with(&[
        line(1, "anna", "pause", json!({})),
        "{\"id\":2,\"at\"".to_owned(),
    ]);
    let run = folder.run(["rollout", "audit"]);
    assert_eq!((run.exit, run.stdout.lines().count()), (Some(0), 2));
    let path = folder.path("state/audit.jsonl");
    assert_eq!(
        run.stderr,
        format!(
            "warning: `{}` has 1 line that can't be read\n",
            path.display()
        )
    );
}

#[test]
fn without_a_controller_there_is_no_audit_log() {
    let folder = Folder::with(DOCUMENT);
    let run = folder.run(["rollout", "audit"]);
    assert_eq!((run.exit, &*run.stdout), (Some(1), ""));
    assert_eq!(
        run.stderr,
        format!("fader: no controller has run on `{OVERLAY}`\n")
    );
    folder
        .run(["rollout", "audit", "--state=nowhere"])
        .failed_with("cannot read `nowhere/audit.jsonl`: no such file");
}

#[test]
fn the_opposite_of_each_line_is_asked_for() {
    let cases = [
        ("anna", "start", json!({}), "roll-back", json!(null)),
        ("anna", "pause", json!({}), "resume", json!(null)),
        ("anna", "resume", json!({}), "pause", json!(null)),
        (
            "anna",
            "approve",
            json!({ "stage": 2 }),
            "withdraw",
            json!(2),
        ),
        (
            "anna",
            "withdraw",
            json!({ "stage": 2 }),
            "approve",
            json!(2),
        ),
        ("anna", "roll-back", json!({}), "reset", json!(null)),
        (
            "fader",
            "roll-back",
            json!({ "answer": null }),
            "reset",
            json!(null),
        ),
        ("anna", "reset", json!({}), "roll-back", json!(null)),
        ("anna", "accept", json!({}), "pause", json!(null)),
    ];
    for (by, what, other, opposite, stage) in cases {
        let folder = with(&[line(1, "x", "pause", json!({})), line(17, by, what, other)]);
        let ramps = json!([ramp("checkout", json!({}))]);
        let _controller = Controller::start(&folder, ramps, 1, |_| "done".to_owned());
        let run = folder.run(["rollout", "revert", "17", "--by=ben", "--answer-within=20s"]);
        let stage_text = stage
            .as_u64()
            .map(|stage| format!(" stage {stage}"))
            .unwrap_or_default();
        run.answered(0, &format!(
            "line 17: `{what}{stage_text}` of `checkout` by {by}; asks for `{opposite}{stage_text}`\ndone\n"
        ));
        let command = &overlay(&folder)["commands"][0];
        let written = ["do", "flag", "by", "stage", "reason"].map(|name| &command[name]);
        let reason = json!("reverts line 17 of the audit log");
        assert_eq!(
            written,
            [
                &json!(opposite),
                &json!("checkout"),
                &json!("ben"),
                &stage,
                &reason
            ]
        );
    }
}

#[test]
fn a_kill_is_reverted_without_a_controller_and_so_is_its_end() {
    let folder = with(&[
        line(1, "anna", "kill", json!({})),
        line(2, "anna", "unkill", json!({})),
    ]);
    for (id, what, opposite, killed) in [
        ("2", "unkill", "kill", true),
        ("1", "kill", "unkill", false),
    ] {
        let run = folder.run(["rollout", "revert", id, "--by=ben", "--reason=why not"]);
        assert_eq!((run.exit, &*run.stderr), (Some(0), ""));
        let first = format!("line {id}: `{what}` of `checkout` by anna; asks for `{opposite}`");
        assert_eq!(run.stdout.lines().next(), Some(&*first));
        let overlay = overlay(&folder);
        let entry = &overlay["flags"]["checkout"];
        assert_eq!(
            entry["killed"].as_bool().unwrap_or_default(),
            killed,
            "{entry}"
        );
        assert_eq!(
            [&entry["by"], &entry["reason"]],
            [&json!("ben"), &json!("why not")]
        );
    }
}

#[test]
fn what_has_no_opposite_is_refused_and_writes_nothing() {
    let folder = with(&[three(), vec![line(4, "anna", "dance", json!({}))]].concat());
    let cases = [
        (
            "2",
            "refused: line 2 is the controller's own `expose`; to stop the ramp, `fader rollout pause checkout`, and to \
             take it back, `fader rollout roll-back checkout`\n",
        ),
        (
            "3",
            "refused: line 3 was not obeyed, so there is nothing to take back\n",
        ),
        ("4", "refused: there is no opposite of `dance`\n"),
    ];
    for (id, line) in cases {
        folder
            .run(["rollout", "revert", id, "--by=ben"])
            .answered(1, line);
    }
    folder
        .run(["rollout", "revert", "99", "--by=ben"])
        .failed_with("the audit log has no line 99; `fader rollout audit` lists them");
    assert!(!folder.path(OVERLAY).exists());
}
