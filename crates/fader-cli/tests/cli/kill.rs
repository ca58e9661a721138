//! `fader kill` and `fader unkill`.

use serde_json::json;

use crate::Folder;
use crate::controller::{Controller, DOCUMENT, OVERLAY, overlay, ramp};

const ALONE: &str = "no controller runs that could tell whether a process has taken it over\n";

#[test]
fn a_kill_needs_no_controller() {
    let folder = Folder::with(DOCUMENT);
    folder.run(["kill", "plain", "--by=anna", "--reason=5xx"]).answered(0, &format!(
        "killed: whoever follows `{OVERLAY}` serves nobody the variants of `plain`, from version 1 on\n{ALONE}"
    ));
    let entry = &overlay(&folder)["flags"]["plain"];
    assert_eq!(
        [&entry["killed"], &entry["by"], &entry["reason"]],
        [&json!(true), &json!("anna"), &json!("5xx")]
    );
    let killed = folder.run([
        "eval",
        "flags.json",
        "plain",
        "--context={}",
        "--format=json",
    ]);
    assert!(killed.stdout.contains("DISABLED"), "{}", killed.stdout);

    folder.run(["unkill", "plain", "--by=anna"]).answered(0, &format!(
        "not killed any more: whoever follows `{OVERLAY}` serves `plain` by its rules again, from version 2 on; a \
         staged ramp that the kill has rolled back stays so until it is reset\n{ALONE}"
    ));
    let alive = folder.run([
        "eval",
        "flags.json",
        "plain",
        "--context={}",
        "--format=json",
    ]);
    assert!(!alive.stdout.contains("DISABLED"), "{}", alive.stdout);

    folder
        .run(["unkill", "plain", "--by=anna"])
        .answered(0, &format!("`plain` is not killed in `{OVERLAY}`\n"));
    assert_eq!(overlay(&folder)["version"], json!(2));
}

#[test]
fn a_process_that_runs_says_that_it_serves_the_kill() {
    let folder = Folder::with(DOCUMENT);
    let ramps = json!([ramp("checkout", json!({}))]);
    let _controller = Controller::start(&folder, ramps, 1, |_| "done".to_owned());
    let run = folder.run(["kill", "checkout", "--by=anna"]);
    assert_eq!((run.exit, &*run.stderr), (Some(0), ""));
    assert_eq!(
        run.stdout.lines().nth(1),
        Some("process 4711 has taken it over"),
        "{}",
        run.stdout
    );
}

#[test]
fn a_process_that_does_not_say_so_is_told_of() {
    let folder = Folder::with(DOCUMENT);
    crate::controller::announce(&folder);
    crate::controller::speak(&folder, &crate::controller::status(0, json!([])));
    let run = folder.run(["kill", "checkout", "--by=anna"]);
    assert_eq!(run.exit, Some(0));
    assert_eq!(
        run.stderr,
        "warning: process 4711 does not say yet that it has taken it over: it has version 0 of the overlay\n"
    );
}

#[test]
fn a_kill_of_an_unknown_flag_is_written_with_a_warning() {
    for (flag, cure) in [
        ("plian", "did you mean `plain`?"),
        ("zzz", "it waits until there is one"),
    ] {
        let folder = Folder::with(DOCUMENT);
        let run = folder.run(["kill", flag, "--by=anna"]);
        assert_eq!(run.exit, Some(0));
        assert_eq!(
            run.stderr,
            format!("warning: the document has no flag `{flag}`; {cure}\n")
        );
        assert_eq!(overlay(&folder)["flags"][flag]["killed"], json!(true));
    }
}

#[test]
fn a_broken_overlay_is_not_written_over() {
    let folder = Folder::with(DOCUMENT);
    folder.write(OVERLAY, "{ \"version\": 1, ");
    let run = folder.run(["kill", "plain", "--by=anna"]);
    assert_eq!((run.exit, &*run.stdout), (Some(2), ""), "{run:?}");
    assert_eq!(
        std::fs::read(folder.path(OVERLAY)).unwrap(),
        b"{ \"version\": 1, "
    );
}

#[test]
fn the_overlay_of_a_folder_lies_beside_it_however_it_is_written() {
    for folders in ["flags.d", "flags.d/", "./flags.d//"] {
        let folder = Folder::new();
        folder.write("flags.d/a.json", DOCUMENT);
        let run = folder.run(["kill", "plain", "--by=anna", "--flags", folders]);
        assert_eq!((run.exit, &*run.stderr), (Some(0), ""), "{run:?}");
        assert!(folder.path("flags.d.overlay.json").exists(), "{folders}");
    }
}
