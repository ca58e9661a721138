//! Arguments that are none, and asking for help.

use crate::Folder;

#[test]
fn wrong_arguments_are_one_line() {
    let folder = Folder::with("{}");
    let cases: [(&[&str], &str); 13] = [
        (
            &["frobnicate"],
            "unrecognized subcommand `frobnicate`; see `fader --help`",
        ),
        (
            &["chek", "flags.json"],
            "unrecognized subcommand `chek`; a similar subcommand exists: `check`; see `fader --help`",
        ),
        (
            &["check"],
            "the following required arguments were not provided: <FILE>...; see `fader check --help`",
        ),
        (
            &["check", "flags.json", "--formt", "json"],
            "unexpected argument `--formt` found; a similar argument exists: `--format`; see `fader check --help`",
        ),
        (
            &["check", "flags.json", "--format", "xml"],
            "invalid value `xml` for `--format <FORMAT>` [possible values: human, json]; see `fader --help`",
        ),
        (
            &["eval", "flags.json"],
            "the following required arguments were not provided: --context <JSON>; see `fader eval --help`",
        ),
        (
            &["eval", "flags.json", "--context", "{}", "--batch", "-"],
            "the argument `--context <JSON>` cannot be used with `--batch <CASES>`; see `fader eval --help`",
        ),
        (
            &["eval", "flags.json", "--context", "{}", "--now", "noon"],
            "invalid value `noon` for `--now <TIME>`: a time is RFC 3339, such as 2026-12-01T09:00:00Z; see `fader --help`",
        ),
        (
            &["position", "--salt", "s"],
            "the following required arguments were not provided: --unit <UNIT>; see `fader position --help`",
        ),
        (
            &["rollout", "approve", "checkout"],
            "the following required arguments were not provided: --stage <NUMBER>; see `fader rollout approve --help`",
        ),
        (
            &["rollout", "pause", "checkout", "--answer-within=10"],
            "invalid value `10` for `--answer-within <TIME>`: a duration is written such as 45s, 10m or 1h30m; see `fader --help`",
        ),
        (
            &["rollout", "wait", "checkout", "--until=done"],
            "invalid value `done` for `--until <UNTIL>` [possible values: completed, rolled-back]; see `fader --help`",
        ),
        (
            &["watch"],
            "the following required arguments were not provided: <FILE>; see `fader watch --help`",
        ),
    ];
    for (arguments, line) in cases {
        folder.run(arguments).failed_with(line);
    }
}

#[test]
fn help_and_version_are_answers() {
    let folder = Folder::new();
    let run = folder.run(["--version"]);
    run.answered(0, &format!("fader {}\n", env!("CARGO_PKG_VERSION")));
    for arguments in [
        &["--help"][..],
        &["check", "--help"],
        &["eval", "-h"],
        &["position", "-h"],
        &["rollout", "--help"],
        &["rollout", "explain", "--help"],
        &["rollout", "simulate", "--help"],
        &["rollout", "status", "--help"],
        &["rollout", "watch", "--help"],
        &["rollout", "wait", "--help"],
        &["rollout", "pause", "--help"],
        &["rollout", "approve", "--help"],
        &["rollout", "audit", "--help"],
        &["rollout", "revert", "--help"],
        &["kill", "--help"],
        &["unkill", "--help"],
        &["watch", "--help"],
    ] {
        let run = folder.run(arguments);
        assert_eq!((run.exit, &*run.stderr), (Some(0), ""), "{arguments:?}");
        assert!(run.stdout.contains("Usage: fader"), "{}", run.stdout);
    }
}

#[test]
fn no_command_shows_the_commands() {
    let run = Folder::new().run::<&str>([]);
    assert_eq!((run.exit, &*run.stdout), (Some(2), ""));
    assert!(
        run.stderr.contains("Usage: fader <COMMAND>") && run.stderr.contains("check"),
        "{}",
        run.stderr
    );
}
