//! `fader rollout`.

use std::fs::File;

use serde_json::Value;

use crate::{Folder, Run};

/// Two staged ramps, one of them of a rule with a name, under names that a path has to quote.
const RAMPS: &str = r#"{
  "segments": { "staff": { "if": { "attribute": "user.id", "in": ["anna", "ben"] } } },
  "flags": {
    "plain": true,
    "check.out": {
      "rules": [
        { "if": { "segment": "staff" }, "serve": "on" },
        {
          "name": "ramp", "by": "user.id", "serve": "on",
          "ramp": {
            "start": "2126-12-02T09:00:00+01:00",
            "stages": [
              { "segment": "staff", "bake": "1h" },
              { "percent": 1, "bake": "10m" },
              { "percent": 25, "bake": "4h", "approve": true },
              { "percent": 100, "bake": "24h" }
            ],
            "guardrails": [
              { "metric": "errors", "no_worse_than": 1.1 },
              { "metric": "latency_p99", "no_worse_than": 1.2 },
              { "metric": "errors", "below": 0.01 },
              { "metric": "custom:declined-by-the-bank", "no_worse_than": 1.5 }
            ]
          }
        }
      ]
    },
    "wide": {
      "rules": [{ "serve": "on", "ramp": {
        "stages": [{ "percent": 50, "bake": "1h" }],
        "guardrails": [{ "metric": "errors", "below": 0.01 }], "false_alarm": 0.2
      } }]
    }
  }
}
"#;

const ASKED: [&str; 8] = [
    "rollout",
    "explain",
    "check.out",
    "--rate",
    "50",
    "--errors",
    "0.001",
    "--now=2026-12-01T00:00:00Z",
];

const ANSWER: &str = include_str!("rollout.txt");

fn asked<'a>(flag: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let usual = ["rollout", "explain", flag, "--rate=1000", "--errors=0.001"];
    usual.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn a_plan_is_explained_to_people() {
    let run = Folder::with(RAMPS).run(ASKED);
    run.answered(1, ANSWER);
    for line in run.stdout.lines().filter(|line| line.starts_with("  ")) {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn json_has_the_whole_explanation() {
    let folder = Folder::with(RAMPS);
    let run = folder.run(asked(
        "check.out",
        &[
            "--format=json",
            "--units=50000",
            "--client-errors=0.02",
            "--custom=declined-by-the-bank=0.01",
            "--sigma=0.7",
        ],
    ));
    assert_eq!((run.exit, &*run.stderr), (Some(1), ""));
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["flag"], "check.out");
    assert_eq!(json["rule"], "ramp");
    assert_eq!(json["place"], r#"flags["check.out"].rules[1].ramp"#);
    assert_eq!(json["expected"]["client_errors"], 0.02);
    assert_eq!(json["expected"]["custom"]["declined-by-the-bank"], 0.01);
    assert_eq!(json["expected"]["sigma"], 0.7);
    assert_eq!(json["levels"]["guardrails"], 4);
    assert_eq!(json["stages"].as_array().unwrap().len(), 4);
    assert_eq!(json["stages"][1]["units"], 500.0);
    assert_eq!(json["stages"][1]["guardrails"][3]["state"], "judges");
    // At this rate no stage is too short; but units are few beside those that were slow once.
    let lints = json["lints"].as_array().unwrap();
    assert!(lints.iter().all(|lint| lint["kind"] == "units-spent"));
    assert_eq!(
        lints[0]["place"],
        r#"flags["check.out"].rules[1].ramp.guardrails[0]"#
    );
}

#[test]
fn nothing_to_be_warned_of_is_fine() {
    let fine = RAMPS
        .replace("\"percent\": 50", "\"percent\": 25")
        .replace("0.2", "0.1");
    let run = Folder::with(&fine).run(asked("wide", &["--now=2026-12-01T00:00:00Z"]));
    assert_eq!((run.exit, &*run.stderr), (Some(0), ""));
    assert!(run.stdout.ends_with("\n\nno warnings\n"), "{}", run.stdout);
    assert!(
        run.stdout.contains("from 2026-12-01T00:00:00Z"),
        "{}",
        run.stdout
    );
}

#[test]
fn folders_and_other_files_are_documents_too() {
    let folder = Folder::new();
    folder.write("team/a.json", r#"{ "flags": { "a": true } }"#);
    folder.write("team/b.json", RAMPS);
    let run = folder.run(asked("wide", &["--flags=team", "--format=json"]));
    assert_eq!(run.exit, Some(1));
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["place"], "flags.wide.rules[0].ramp");
    assert_eq!(json["lints"][0]["kind"], "wide-first-stage");
}

#[test]
fn what_cannot_be_explained_says_why() {
    let folder = Folder::with(RAMPS);
    let cases = [
        (
            "chek.out",
            "the document has no flag `chek.out`; did you mean `check.out`?",
        ),
        (
            "zzz",
            "the document has no flag `zzz`; flags with a staged ramp: `check.out`, `wide`",
        ),
        (
            "plain",
            "the flag `plain` has no ramp with `stages`; flags that have one: `check.out`, `wide`",
        ),
    ];
    for (flag, line) in cases {
        folder.run(asked(flag, &[])).failed_with(line);
    }
    let without = Folder::with(r#"{ "flags": { "a": true } }"#);
    without.run(asked("a", &[])).failed_with(
        "the flag `a` has no ramp with `stages`; a staged ramp is a rule with \"ramp\": { \"stages\": … }",
    );
    without
        .run(asked("b", &[]))
        .failed_with("the document has no flag `b`; it has no staged ramp at all");
    folder
        .run(asked("wide", &["--flags=gone.json"]))
        .failed_with("cannot read `gone.json`: no such file");
}

#[test]
fn a_document_with_errors_is_not_explained() {
    let run = Folder::with(&RAMPS.replace("no_worse_than", "no_worse_then")).run(ASKED);
    assert_eq!((run.exit, &*run.stdout), (Some(2), ""));
    assert!(run.stderr.contains("no_worse_then") && run.stderr.contains("1 file checked"));
}

#[test]
fn wrong_figures_are_one_line() {
    let folder = Folder::with(RAMPS);
    let cases = [
        (
            "--rate=0",
            "invalid value `0` for `--rate <NUMBER>`: a number above 0; see `fader --help`",
        ),
        (
            "--units=NaN",
            "invalid value `NaN` for `--units <NUMBER>`: a number above 0; see `fader --help`",
        ),
        (
            "--errors=5",
            "invalid value `5` for `--errors <PART>`: a part of the requests is a number from 0 to 1, such as 0.001; see `fader --help`",
        ),
        (
            "--custom=declined",
            "invalid value `declined` for `--custom <NAME=PART>`: a metric's name and its part, such as declined=0.02; see `fader --help`",
        ),
    ];
    for (argument, line) in cases {
        folder
            .run(["rollout", "explain", "wide", argument])
            .failed_with(line);
    }
    folder.run(["rollout", "explain", "wide"]).failed_with(
        "the following required arguments were not provided: --rate <NUMBER> --errors <PART>; see `fader rollout explain --help`",
    );
}

#[test]
fn check_tells_what_needs_no_traffic() {
    let run = Folder::with(RAMPS).run(["check", "flags.json", "--format=json"]);
    assert_eq!(run.exit, Some(0));
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    let found: Vec<_> = json["files"][0]["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (
                it["kind"].as_str().unwrap(),
                it["path"].as_str().unwrap(),
                &it["line"],
            )
        })
        .filter(|(kind, ..)| *kind != "waiting-ramp")
        .collect();
    assert_eq!(
        found,
        [
            (
                "wide-first-stage",
                "flags.wide.rules[0].ramp.stages[0].percent",
                &Value::from(29)
            ),
            (
                "many-false-alarms",
                "flags.wide.rules[0].ramp.false_alarm",
                &Value::from(29)
            ),
        ]
    );
    let denied = Folder::with(RAMPS).run(["check", "flags.json"]);
    assert!(
        denied.stdout.contains("29 |       \"rules\": [{"),
        "{}",
        denied.stdout
    );
    assert!(
        denied.stdout.ends_with("no errors, 4 warnings\n"),
        "{}",
        denied.stdout
    );
}

const SICK: &str = r#"{ "rate": 1000, "seconds": 120, "base": { "errors": 0.001 }, "effect": { "errors": 1000 }, "stage": 2 }"#;

fn simulated<'a>(flag: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let usual = [
        "rollout",
        "simulate",
        "--flag",
        flag,
        "--runs=20",
        "--seed=7",
    ];
    usual.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn a_plan_is_simulated() {
    let folder = Folder::with(RAMPS);
    folder.write("sick.json", SICK);
    let json = folder.run(simulated(
        "check.out",
        &["--scenario=sick.json", "--format=json"],
    ));
    assert_eq!((json.exit, &*json.stderr), (Some(0), ""));
    let report: Value = serde_json::from_str(&json.stdout).unwrap();
    let keys = report.as_object().unwrap().keys();
    let mut keys: Vec<&str> = keys.map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "by_guardrail",
            "candidate_requests",
            "phases",
            "rolled_back",
            "runs",
            "seconds"
        ]
    );
    assert_eq!(
        (&report["runs"], &report["rolled_back"]),
        (&20.into(), &20.into())
    );
    assert_eq!(report["phases"]["rolled-back"], 20);
    assert!(report["seconds"]["p90"].as_u64() <= Some(3), "{report}");

    // The same seed is the same answer, from standard input too.
    let again = folder.run(simulated(
        "check.out",
        &["--scenario=sick.json", "--format=json"],
    ));
    assert_eq!(again, json);
    let arguments = simulated("check.out", &["--scenario=-", "--format=json"]);
    let piped = folder
        .command(arguments)
        .stdin(File::open(folder.path("sick.json")).unwrap())
        .output();
    assert_eq!(Run::of(&piped.unwrap()), json);

    let human = folder.run(simulated("check.out", &["--scenario=sick.json"]));
    assert_eq!(human.exit, Some(0));
    let lines: Vec<&str> = human.stdout.lines().collect();
    assert!(
        lines[0].starts_with("runs ") && lines[0].ends_with("  20"),
        "{}",
        human.stdout
    );
    assert!(lines[1].starts_with("rolled back ") && lines[1].ends_with("  20 (100.0 %)"));
    assert!(
        human.stdout.contains("at the end rolled-back"),
        "{}",
        human.stdout
    );
}

/// The one is computed in advance, the other comes of the guardrails at work.
#[test]
fn what_is_explained_is_what_is_simulated() {
    let folder = Folder::with(RAMPS);
    let json = |arguments: Vec<&str>| -> Value {
        serde_json::from_str(&folder.run(arguments).stdout).unwrap()
    };
    let told = json(asked("check.out", &["--format=json"]));
    let told = &told["stages"][1]["guardrails"][0];
    for (rise, times) in [(5, "five_times"), (10, "ten_times")] {
        let scenario = SICK
            .replace("120", "3600")
            .replace("1000 }", &format!("{rise} }}"));
        folder.write("rise.json", scenario);
        let more = ["--scenario=rise.json", "--format=json", "--runs=300"];
        let usual = ["rollout", "simulate", "--flag=check.out", "--seed=7"];
        let seen = json(usual.into_iter().chain(more).collect());
        assert_eq!(seen["rolled_back"], 300, "{seen}");
        for part in ["p50", "p90"] {
            let told = told[times][part].as_f64().unwrap();
            let seen = seen["seconds"][part].as_f64().unwrap();
            assert!(
                (told - seen).abs() < 0.2 * seen,
                "{rise}: told {told} s, seen {seen} s"
            );
        }
    }
}

#[test]
fn what_cannot_be_simulated_says_why() {
    let folder = Folder::with(RAMPS);
    folder.write("sick.json", SICK);
    folder.write("broken.json", "{ \"rate\": 1000,\n  \"secs\": 1 }");
    folder.write("beyond.json", SICK.replace("\"stage\": 2", "\"stage\": 9"));
    let failed = |flag: &str, scenario: &str| {
        let run = folder.run(simulated(flag, &["--scenario", scenario]));
        assert_eq!((run.exit, &*run.stdout), (Some(2), ""));
        run.stderr
    };
    assert_eq!(
        failed("wide", "gone.json"),
        "fader: cannot read `gone.json`: no such file\n"
    );
    assert!(failed("wid", "sick.json").contains("did you mean `wide`?"));
    let broken = failed("wide", "broken.json");
    assert!(
        broken.starts_with("fader: `broken.json`: ") && broken.contains("line 2"),
        "{broken}"
    );
    let beyond = failed("check.out", "beyond.json");
    assert!(
        beyond.starts_with(r#"fader: flags["check.out"].rules[1].ramp: "#),
        "{beyond}"
    );
    folder.run(["rollout", "simulate", "--flag=wide"]).failed_with(
        "the following required arguments were not provided: --scenario <FILE>; see `fader rollout simulate --help`",
    );
    let none = folder.run([
        "rollout",
        "simulate",
        "--flag=a",
        "--scenario=-",
        "--runs=0",
    ]);
    assert!(none.stderr.contains("`--runs <NUMBER>`"), "{}", none.stderr);
}
