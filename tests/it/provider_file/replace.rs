//! Who writes a document may be killed at any moment.

use fader_providers::replace_file;

use super::child::{again, on_a_full_disk, place};
use super::*;

/// How often the writer is killed.
const KILLS: u32 = 60;

/// A document that takes a while to write, and of which no part is a whole one.
fn long(revision: u32) -> String {
    let padding = revision.to_string().repeat(40_000);
    format!(r#"{{ "revision": {revision}, "flags": {{}}, "x-padding": "{padding}" }}"#)
}

/// Reads a document, which is a whole one; returns its revision.
#[track_caller]
fn whole(path: &Path) -> u32 {
    let document = fs::read_to_string(path).unwrap();
    let digits = document.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let end = digits.find(',').expect("a revision");
    let revision = digits[..end].parse().unwrap();
    assert!(document == long(revision), "half of {revision}");
    revision
}

#[test]
fn a_writer_that_is_killed_leaves_a_whole_document() {
    if let Some(root) = place() {
        let path = root.join("rules/flags.json");
        for revision in whole(&path) + 1.. {
            replace_file(&path, long(revision)).unwrap();
        }
    }
    let place = Place::new();
    let path = place.write("rules/flags.json", long(1));
    let flags = file(&path).poll_every(SOON).open().unwrap();
    let (_subscription, told) = record(&flags);
    let name = "a_writer_that_is_killed_leaves_a_whole_document";
    for kill in 0..KILLS {
        let before = whole(&path);
        let mut child = again(module_path!(), name, &["env"], place.root.path());
        until("the writer", || whole(&path) > before);
        // Its writes take about as long as these pauses, which differ.
        thread::sleep(Duration::from_micros(u64::from(kill * 7_919 % 10_007)));
        child.kill().unwrap();
        child.wait().unwrap();
        whole(&path);
    }
    let last = whole(&path);
    until("the last one", || is_at(&flags, last));
    let told = told.lock().unwrap();
    assert!(
        told.iter().all(|told| told.starts_with("loaded")),
        "{told:?}"
    );
}

/// The limit of a file's size stands for the end of the disk.
#[test]
fn a_full_disk_leaves_the_old_document() {
    let name = "a_full_disk_leaves_the_old_document";
    let Some(root) = on_a_full_disk(module_path!(), name) else {
        return;
    };
    let path = root.join("flags.json");
    fs::write(&path, document(1)).unwrap();
    let flags = notified(&path).open().unwrap();
    let error = replace_file(&path, long(2)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unwritable);
    assert_eq!(
        error.to_string(),
        format!("cannot write `{}`: file too large", path.display())
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), document(1));
    assert_eq!(fs::read_dir(&root).unwrap().count(), 1, "nothing beside it");
    calm();
    assert!(is_at(&flags, 1));
    replace_file(&path, document(3)).unwrap();
    until("one for which there is room", || is_at(&flags, 3));
}
