//! How soon a change is live, and how editors and deploys write.

use std::os::unix::fs::symlink;
use std::process::Command;

use super::*;

/// From the last write to the document being live.
const PROMPT: Duration = Duration::from_millis(250);

/// Changes a document until, of five times in a row, three are live in time. A machine that is busy is late at times, and
/// not always.
fn assert_prompt(path: &Path, change: impl Fn(u32)) {
    let flags = notified(path).open().unwrap();
    let mut times = Vec::new();
    for revision in 2..32 {
        calm();
        change(revision);
        let written = Instant::now();
        until("the change", || is_at(&flags, revision));
        times.push(written.elapsed());
        let latest = times.iter().rev().take(5);
        if latest.filter(|time| **time <= PROMPT).count() >= 3 {
            return;
        }
    }
    panic!("seldom within {PROMPT:?}: {times:?}");
}

/// Repoints a symlink as deploys do.
fn repoint(link: &Path, target: &str) {
    let next = link.with_file_name("next");
    symlink(target, &next).unwrap();
    fs::rename(next, link).unwrap();
}

#[test]
fn an_edit_is_live_within_250_ms() {
    let place = Place::new();
    let path = place.write("flags.json", document(1));
    assert_prompt(&path, |revision| {
        fs::write(&path, document(revision)).unwrap();
    });
    place.write("flags.json", document(1));
    assert_prompt(&path, |revision| {
        place.replace("flags.json", document(revision));
    });
}

/// The last one of a burst as well: what is counted is from there.
#[test]
fn the_last_of_many_writes_is_live_within_250_ms() {
    let place = Place::new();
    let path = place.write("flags.json", document(1));
    assert_prompt(&path, |revision| {
        for _ in 0..200 {
            place.replace("flags.json", document(99));
        }
        place.replace("flags.json", document(revision));
    });
}

/// Only `..data` is renamed, and the old folder stays: nothing else tells of the swap.
#[test]
fn a_swapped_config_map_is_live_within_250_ms() {
    let place = Place::new();
    let swap = |revision: u32| {
        let folder = format!("..2026_11_{revision}");
        place.write(&format!("{folder}/flags.json"), document(revision));
        repoint(&place.at("..data"), &folder);
    };
    swap(1);
    symlink("..data/flags.json", place.at("flags.json")).unwrap();
    assert_prompt(&place.at("flags.json"), swap);
}

#[test]
fn a_switched_symlink_is_live_within_250_ms() {
    let place = Place::new();
    for revision in 1..32 {
        place.write(&format!("all/{revision}/flags.json"), document(revision));
    }
    repoint(&place.at("current"), "all/1");
    assert_prompt(&place.at("current/flags.json"), |revision| {
        repoint(&place.at("current"), &format!("all/{revision}"));
    });
    repoint(&place.at("flags.json"), "all/1/flags.json");
    assert_prompt(&place.at("flags.json"), |revision| {
        repoint(
            &place.at("flags.json"),
            &format!("all/{revision}/flags.json"),
        );
    });
}

/// They leave files beside the document, move it out of the way, and put another in its place.
#[test]
fn what_editors_leave_beside_it_does_not_matter() {
    let place = Place::new();
    let path = place.write("flags.json", document(1));
    let flags = notified(&path).open().unwrap();
    let (_subscription, told) = record(&flags);

    // As vim does: a swap file, a probe, the old one kept as a backup until the new one is written.
    place.write(".flags.json.swp", "b0VIM");
    fs::remove_file(place.write("4913", "")).unwrap();
    fs::rename(&path, place.at("flags.json~")).unwrap();
    fs::write(&path, document(2)).unwrap();
    fs::remove_file(place.at("flags.json~")).unwrap();
    fs::remove_file(place.at(".flags.json.swp")).unwrap();
    until("vim's", || is_at(&flags, 2));
    calm();

    // As emacs does: a lock that is a symlink to nothing, what is not saved yet, a backup that stays.
    symlink("anna@host.1234", place.at(".#flags.json")).unwrap();
    place.write("#flags.json#", "{ \"flags\": {");
    fs::copy(&path, place.at("flags.json~")).unwrap();
    place.replace("flags.json", document(3));
    fs::remove_file(place.at("#flags.json#")).unwrap();
    fs::remove_file(place.at(".#flags.json")).unwrap();
    until("emacs's", || is_at(&flags, 3));
    calm();

    let sed = ["-i", "s/\"revision\": 3/\"revision\": 4/"];
    let edited = Command::new("sed").args(sed).arg(&path).status();
    assert!(edited.unwrap().success());
    until("sed's", || is_at(&flags, 4));
    calm();
    place.write("flags.json.bak", "{");
    place.look_again(&flags);
    assert_eq!(
        told.lock().unwrap().last().map(String::as_str),
        Some("overlaid"),
        "a backup is nothing new"
    );
    assert!(is_at(&flags, 4));
}
