//! Notifications that can't be had, or get lost.

use std::ops::Range;
use std::process::Command;

use super::child::{again, assert_passes, can_run, place};
use super::*;

/// A document, and those that take its place, written before anything is short.
fn prepared() -> Place {
    let place = Place::new();
    place.write("rules/flags.json", document(1));
    for revision in 2..10 {
        place.write(&format!("next-{revision}.json"), document(revision));
    }
    place
}

/// Follows where something is short, and again when there is enough of it: the poll alone serves meanwhile.
fn assert_polls_until(root: &Path, revisions: Range<u32>, enough: impl FnOnce()) {
    let path = &root.join("rules/flags.json");
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&warnings);
    let flags = file(path)
        .poll_every(SOON)
        .on_warning(move |warning| note.lock().unwrap().push(warning.to_owned()))
        .open()
        .unwrap();
    assert!(is_at(&flags, revisions.start - 1), "it starts");
    for revision in revisions {
        fs::rename(root.join(format!("next-{revision}.json")), path).unwrap();
        until("what the poll finds", || is_at(&flags, revision));
    }
    let told = warnings.lock().unwrap().clone();
    assert_eq!(told.len(), 1, "once, and not at each poll: {told:?}");
    assert!(
        told[0].starts_with("no notifications of changes to `")
            && told[0].ends_with("; the poll finds them alone"),
        "{told:?}"
    );
    enough();
    until("notifications", || is_watched(path.parent().unwrap()));
    assert_eq!(warnings.lock().unwrap().len(), 1);
}

/// A watcher needs three descriptors, and there are two.
#[test]
fn without_descriptors_for_a_watcher_the_poll_serves_alone() {
    let Some(root) = place() else {
        let place = prepared();
        let below = ["sh", "-c", "ulimit -n 64 && exec \"$0\" \"$@\""];
        let name = "without_descriptors_for_a_watcher_the_poll_serves_alone";
        let child = again(module_path!(), name, &below, place.root.path());
        return assert_passes(child);
    };
    let path = root.join("rules/flags.json");
    let mut taken = Vec::new();
    while let Ok(file) = fs::File::open("/dev/null") {
        taken.push(file);
    }
    let error = file(&path).open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreadable);
    assert!(error.is_transient(), "it passes: {error}");
    taken.truncate(taken.len() - 2);
    assert_polls_until(&root, 2..5, || taken.clear());
}

/// The limits of a user, of which the child has its own.
#[cfg(target_os = "linux")]
#[test]
fn at_the_limits_of_inotify_the_poll_serves_alone() {
    let Some(root) = place() else {
        let place = prepared();
        let below = ["unshare", "--user", "--map-root-user"];
        if can_run(&below, "the limits of inotify") {
            let name = "at_the_limits_of_inotify_the_poll_serves_alone";
            assert_passes(again(module_path!(), name, &below, place.root.path()));
        }
        return;
    };
    let limits = ["max_inotify_instances", "max_inotify_watches"];
    for (limit, revisions) in limits.into_iter().zip([2..5, 5..8]) {
        let set = |number| fs::write(Path::new("/proc/sys/user").join(limit), number).unwrap();
        set("0");
        assert_polls_until(&root, revisions, || set("100"));
    }
}

/// The watcher's queue is filled with what is no hint, while the process is stopped: what is changed then is told by
/// nothing but the overflow.
#[cfg(target_os = "linux")]
#[test]
fn an_overflow_of_the_queue_is_a_hint() {
    if let Some(root) = place() {
        let path = root.join("rules/flags.json");
        let flags = notified(&path).open().unwrap();
        for revision in 2..4 {
            calm();
            fs::write(root.join(format!("ready-{revision}")), "").unwrap();
            until("the next document", || is_at(&flags, revision));
        }
        return;
    }
    let place = Place::new();
    place.write("rules/flags.json", document(1));
    let other = place.write("rules/other.json", "");
    let name = "an_overflow_of_the_queue_is_a_hint";
    let child = again(module_path!(), name, &["env"], place.root.path());
    let signal = |signal: &str| {
        let id = child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(sent.success());
    };
    let ready = |revision: u32| {
        until("the child", || {
            place.at(&format!("ready-{revision}")).exists()
        });
    };
    ready(2);
    signal("-STOP");
    let status = format!("/proc/{}/status", child.id());
    until("it stands still", || {
        fs::read_to_string(&status).unwrap().contains("T (stopped)")
    });
    let queue = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    for _ in 0..=queue.trim().parse::<u32>().unwrap() / 2 {
        // Two files by turns, as the same event twice is one.
        fs::File::open(place.at("rules/flags.json")).unwrap();
        fs::File::open(&other).unwrap();
    }
    place.replace("rules/flags.json", document(2));
    signal("-CONT");
    ready(3);
    place.replace("rules/flags.json", document(3));
    assert_passes(child);
}
