use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

fn files(path: &Path, max_bytes: u64) -> Files {
    let document = Named::new(path.to_owned());
    let overlay = document.with_suffix(".overlay.json");
    Files::new(document, overlay, max_bytes, 1024)
}

#[test]
fn the_limit_is_the_last_size_that_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.json");
    fs::write(&path, "x".repeat(100)).unwrap();
    assert_eq!(files(&path, 100).read().unwrap().document.len(), 100);
    let error = files(&path, 99).read().unwrap_err();
    assert_eq!(error.to_string(), "it is larger than the limit of 99 bytes");
}

#[test]
fn a_missing_overlay_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let files = files(&directory.path().join("flags.json"), 100);
    assert!(files.read_overlay().unwrap().is_none());
    fs::create_dir(&files.overlay.path).unwrap();
    assert_eq!(
        files.read_overlay().unwrap_err().to_string(),
        "it is a directory, not a file"
    );
}

/// Two versions, switched as fast as can be while they are read: what is read together was written together.
#[test]
fn a_reading_is_never_a_mix_of_two_directories() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_owned();
    for version in ["one", "two"] {
        fs::create_dir(root.join(version)).unwrap();
        fs::write(root.join(version).join("vip.txt"), version).unwrap();
        let document = format!(
            r#"{{ "lists": {{ "vip": {{ "file": "vip.txt" }} }}, "metadata": "{version}" }}"#
        );
        fs::write(root.join(version).join("flags.json"), document).unwrap();
    }
    symlink("one", root.join("current")).unwrap();

    let done = Arc::new(AtomicBool::new(false));
    let switcher = {
        let (done, root) = (Arc::clone(&done), root.clone());
        thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                for version in ["two", "one"] {
                    symlink(version, root.join("next")).unwrap();
                    fs::rename(root.join("next"), root.join("current")).unwrap();
                }
            }
        })
    };
    let files = files(&root.join("current/flags.json"), 1024);
    let mut read = 0;
    for _ in 0..2000 {
        let Ok(set) = files.read() else { continue };
        let list = set.lists[0].content.as_ref().unwrap();
        let document = String::from_utf8(set.document).unwrap();
        assert!(
            document.contains(std::str::from_utf8(&list.bytes).unwrap()),
            "{document} with {list:?}"
        );
        read += 1;
    }
    done.store(true, Ordering::Relaxed);
    switcher.join().unwrap();
    assert!(read > 0, "some readings come through");
}

/// The same, where the directories themselves are renamed, so that the path resolves to the same text.
#[test]
fn a_reading_is_never_a_mix_of_two_renamed_directories() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_owned();
    let write = |name: &str, version: u32| {
        fs::create_dir(root.join(name)).unwrap();
        fs::write(root.join(name).join("vip.txt"), version.to_string()).unwrap();
        let document = format!(
            r#"{{ "lists": {{ "vip": {{ "file": "vip.txt" }} }}, "revision": {version} }}"#
        );
        fs::write(root.join(name).join("flags.json"), document).unwrap();
    };
    write("rules", 0);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for version in 1..300 {
                write("next", version);
                fs::rename(root.join("rules"), root.join("old")).unwrap();
                fs::rename(root.join("next"), root.join("rules")).unwrap();
                fs::remove_dir_all(root.join("old")).unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        let files = files(&root.join("rules/flags.json"), 1024);
        while !done.load(Ordering::Relaxed) {
            let Ok(set) = files.read() else { continue };
            let list = set.lists[0].content.as_ref().unwrap();
            let document = String::from_utf8(set.document).unwrap();
            let version = std::str::from_utf8(&list.bytes).unwrap();
            assert!(
                document.contains(&format!("\"revision\": {version} ")),
                "{document} with {version}"
            );
        }
    });
}

/// The document stays, and the directory of its lists is switched.
#[test]
fn lists_behind_a_symlink_are_of_one_version() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_owned();
    for version in ["one", "two"] {
        fs::create_dir(root.join(version)).unwrap();
        fs::write(root.join(version).join("a.txt"), version).unwrap();
        fs::write(root.join(version).join("b.txt"), version).unwrap();
    }
    symlink("one", root.join("lists")).unwrap();
    let document =
        r#"{ "lists": { "a": { "file": "lists/a.txt" }, "b": { "file": "lists/b.txt" } } }"#;
    fs::write(root.join("flags.json"), document).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for version in ["two", "one"] {
                    symlink(version, root.join("next")).unwrap();
                    fs::rename(root.join("next"), root.join("lists")).unwrap();
                }
            }
        });
        let files = files(&root.join("flags.json"), 1024);
        let mixed = (0..2000).filter_map(|_| files.read().ok()).any(|set| {
            let bytes = |list: &List| list.content.as_ref().unwrap().bytes.clone();
            bytes(&set.lists[0]) != bytes(&set.lists[1])
        });
        done.store(true, Ordering::Relaxed);
        assert!(!mixed);
    });
}

#[test]
fn a_file_written_in_place_is_told_from_another_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("vip.txt");
    fs::write(&path, "anna").unwrap();
    let before = Stamp::at(&path).unwrap();
    assert!(!before.is_rewritten(&before));
    fs::write(&path, "anna\nbo").unwrap();
    assert!(before.is_rewritten(&Stamp::at(&path).unwrap()));
    fs::write(directory.path().join("other"), "cem").unwrap();
    fs::rename(directory.path().join("other"), &path).unwrap();
    assert!(
        !before.is_rewritten(&Stamp::at(&path).unwrap()),
        "renamed over, it is whole"
    );
}
