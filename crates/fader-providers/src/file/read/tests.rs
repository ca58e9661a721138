use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

fn files(path: &Path, max_bytes: u64) -> Files {
    let document = Named::new(path);
    let overlay = document.with_suffix(".overlay.json");
    Files {
        documents: Some(Documents::File(document)),
        overlay: Some(overlay),
        max_bytes,
        max_list_bytes: 1024,
    }
}

fn text(set: &Set) -> String {
    String::from_utf8(set.documents[0].bytes.clone()).unwrap()
}

#[test]
fn the_limit_is_the_last_size_that_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.json");
    fs::write(&path, "x".repeat(100)).unwrap();
    assert_eq!(
        files(&path, 100).read().unwrap().documents[0].bytes.len(),
        100
    );
    let error = files(&path, 99).read().unwrap_err();
    assert_eq!(error.to_string(), "it is larger than the limit of 99 bytes");
}

#[test]
fn a_missing_overlay_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let files = files(&directory.path().join("flags.json"), 100);
    assert!(files.read_overlay().unwrap().is_none());
    fs::create_dir(&files.overlay.as_ref().unwrap().path).unwrap();
    assert_eq!(
        files.read_overlay().unwrap_err().to_string(),
        "it is a directory, not a file"
    );
}

fn attempt(files: &Files) -> Result<Option<Set>, ReadError> {
    files.attempt(files.documents.as_ref().unwrap())
}

/// It would wait for a writer, and who follows a source would wait with it.
#[test]
fn a_pipe_is_opened_without_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    make_pipe(&pipe);
    let (opened, result) = std::sync::mpsc::channel();
    thread::spawn(move || opened.send(open(&pipe)).unwrap());
    let file = result.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(regular(&file.unwrap().metadata().unwrap()).is_err());
}

fn make_pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

/// Who waits for a reader of it would go on, and nobody reads what it writes.
#[test]
fn a_pipe_is_not_even_opened() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    make_pipe(&pipe);
    let (opened, result) = std::sync::mpsc::channel();
    let writer = File::options().write(true).clone();
    let there = pipe.clone();
    thread::spawn(move || opened.send(writer.open(there)));
    let pause = Duration::from_millis(100);
    assert!(result.recv_timeout(pause).is_err(), "it waits");
    read(&pipe, 100).unwrap_err();
    assert!(result.recv_timeout(pause).is_err(), "it still waits");
    let _reader = open(&pipe).unwrap();
    result.recv().unwrap().unwrap();
}

/// Exchanges two names as fast as can be, until it is told to stop.
#[cfg(target_os = "linux")]
fn exchange(one: &Path, other: &Path, done: &AtomicBool) {
    use rustix::fs::{CWD, RenameFlags, renameat_with};

    while !done.load(Ordering::Relaxed) {
        renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).unwrap();
    }
}

/// A pipe without a writer reads as empty, and so as a list without anybody in it.
#[cfg(target_os = "linux")]
#[test]
fn a_pipe_that_takes_its_place_meanwhile_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let (list, pipe) = (
        directory.path().join("vip.txt"),
        directory.path().join("pipe"),
    );
    fs::write(&list, "anna").unwrap();
    make_pipe(&pipe);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| exchange(&list, &pipe, &done));
        let emptied = (0..50_000)
            .filter_map(|_| read(&list, 100).ok())
            .any(|content| content.bytes.is_empty());
        done.store(true, Ordering::Relaxed);
        assert!(!emptied);
    });
}

/// A deploy that renames twice leaves the path without a file for a moment, which is nothing to tell of.
#[test]
fn a_moment_without_a_file_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let (path, aside) = (
        directory.path().join("flags.json"),
        directory.path().join("aside"),
    );
    fs::write(&path, "{}").unwrap();
    let files = files(&path, 100);
    for _ in 0..60 {
        thread::scope(|scope| {
            let moment = scope.spawn(|| {
                fs::rename(&path, &aside).unwrap();
                let start = std::time::Instant::now();
                // Less than a reading tries for.
                thread::sleep(Duration::from_millis(1));
                fs::rename(&aside, &path).unwrap();
                start.elapsed()
            });
            let mut missed = false;
            while !moment.is_finished() {
                missed |= files.read().is_err();
            }
            let moment = moment.join().unwrap();
            // Where the machine stood still it was no moment.
            assert!(!missed || moment > 2 * PAUSE, "missed for {moment:?}");
        });
    }
}

/// The directory is repointed while its lists are read, and the old one is removed at once: all is read anew.
#[test]
fn a_directory_that_vanishes_meanwhile_is_resolved_anew() {
    const LISTS: u32 = 200;

    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let write = |version: u32| {
        let folder = root.join(version.to_string());
        fs::create_dir(&folder).unwrap();
        let mut lists = Vec::new();
        for list in 0..LISTS {
            fs::write(folder.join(format!("{list}.txt")), version.to_string()).unwrap();
            lists.push(format!(r#""{list}": {{ "file": "{list}.txt" }}"#));
        }
        let document = format!(
            r#"{{ "revision": {version}, "lists": {{ {} }} }}"#,
            lists.join(",")
        );
        fs::write(folder.join("flags.json"), document).unwrap();
    };
    write(0);
    symlink("0", root.join("current")).unwrap();
    let files = files(&root.join("current/flags.json"), 1 << 20);
    let start = std::time::Instant::now();
    files.read().unwrap();
    let whole = start.elapsed();

    for version in 1..=20 {
        write(version);
        let set = thread::scope(|scope| {
            scope.spawn(|| {
                // Each time at another moment of the reading.
                thread::sleep(whole * version / 20);
                symlink(version.to_string(), root.join("next")).unwrap();
                fs::rename(root.join("next"), root.join("current")).unwrap();
                fs::remove_dir_all(root.join((version - 1).to_string())).unwrap();
            });
            files.read().unwrap()
        });
        let document = text(&set);
        for list in set.lists {
            let bytes = list.content.unwrap().bytes;
            let read = format!("\"revision\": {},", String::from_utf8(bytes).unwrap());
            assert!(document.contains(&read), "{} of {read}", list.written);
        }
    }
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
        let document = text(&set);
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

/// Its files are reached through one symlink each, and all of those through one that is switched.
#[test]
fn a_reading_of_a_folder_is_never_a_mix_of_two() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_owned();
    // So many that there is time for a switch.
    for file in 0..40 {
        for version in ["..one", "..two"] {
            fs::create_dir_all(root.join(version)).unwrap();
            fs::write(root.join(version).join(format!("{file}.json")), version).unwrap();
        }
        let link = root.join(format!("{file}.json"));
        symlink(format!("..data/{file}.json"), link).unwrap();
    }
    symlink("..one", root.join("..data")).unwrap();
    let mut files = files(&root, 1024);
    files.documents = Some(Documents::folder(Named::new(&root)));

    let done = AtomicBool::new(false);
    let mut read = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for version in ["..two", "..one"] {
                    symlink(version, root.join("..next")).unwrap();
                    fs::rename(root.join("..next"), root.join("..data")).unwrap();
                    // Long enough for some readings to be whole.
                    thread::sleep(Duration::from_millis(2));
                }
            }
        });
        let mut mixed = None;
        for _ in 0..500 {
            let Ok(Some(set)) = attempt(&files) else {
                continue;
            };
            let first = set.documents[0].bytes.clone();
            if set.documents.iter().any(|it| it.bytes != first) {
                mixed = Some(set);
            }
            read += 1;
        }
        done.store(true, Ordering::Relaxed);
        assert!(mixed.is_none(), "{mixed:?}");
    });
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
            let document = text(&set);
            let version = std::str::from_utf8(&list.bytes).unwrap();
            assert!(
                document.contains(&format!("\"revision\": {version} ")),
                "{document} with {version}"
            );
        }
    });
}

/// The document stays, and the directory of its lists is switched.
#[cfg(target_os = "linux")]
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
    symlink("two", root.join("next")).unwrap();
    // Between the two there are others that stay, so that there is time for a switch.
    let mut lists = vec![r#""a": { "file": "lists/a.txt" }"#.to_owned()];
    for list in 0..20 {
        fs::write(root.join(format!("{list}.txt")), "").unwrap();
        lists.push(format!(r#""{list}": {{ "file": "{list}.txt" }}"#));
    }
    lists.push(r#""b": { "file": "lists/b.txt" }"#.to_owned());
    let document = format!(r#"{{ "lists": {{ {} }} }}"#, lists.join(","));
    fs::write(root.join("flags.json"), document).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| exchange(&root.join("lists"), &root.join("next"), &done));
        let files = files(&root.join("flags.json"), 1024);
        let mut sets = (0..5000).filter_map(|_| attempt(&files).unwrap());
        let mixed = sets.any(|set| {
            let bytes = |list: &List| list.content.as_ref().unwrap().bytes.clone();
            bytes(&set.lists[0]) != bytes(&set.lists[21])
        });
        done.store(true, Ordering::Relaxed);
        assert!(!mixed);
    });
}

/// The same, where the directory of the lists is renamed: the path to it stays as it is.
#[test]
fn lists_of_a_renamed_directory_are_of_one_version() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_owned();
    let write = |name: &str, version: u32| {
        fs::create_dir(root.join(name)).unwrap();
        for list in ["a.txt", "b.txt"] {
            fs::write(root.join(name).join(list), version.to_string()).unwrap();
        }
    };
    write("lists", 0);
    let document =
        r#"{ "lists": { "a": { "file": "lists/a.txt" }, "b": { "file": "lists/b.txt" } } }"#;
    fs::write(root.join("flags.json"), document).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for version in 1..500 {
                write("next", version);
                fs::rename(root.join("lists"), root.join("old")).unwrap();
                fs::rename(root.join("next"), root.join("lists")).unwrap();
                fs::remove_dir_all(root.join("old")).unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        let files = files(&root.join("flags.json"), 1024);
        let bytes = |list: &List| Some(list.content.as_ref().ok()?.bytes.clone());
        while !done.load(Ordering::Relaxed) {
            let Ok(set) = files.read() else { continue };
            assert_eq!(bytes(&set.lists[0]), bytes(&set.lists[1]));
        }
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
