//! The overlay as a file that several processes write.

use std::os::unix::fs::{PermissionsExt, symlink};

use fader::{Overlay, Store};
use fader_providers::OverlayFile;

use super::child::{again, assert_passes, can_run, on_a_full_disk, place};
use super::*;

const UPDATES: u32 = 50;

/// Adds a command that no other writer adds.
fn add(store: &dyn Store, writer: &str, number: u32) {
    let updated = store.update(&mut |overlay| {
        let id = format!("{writer}-{number}");
        overlay.commands_mut().push(id.into());
        true
    });
    updated.unwrap_or_else(|error| panic!("{writer}: {error}"));
}

/// Checks that each of so many writers' updates is there, in its order.
#[track_caller]
fn assert_none_lost(overlay: &OverlayFile, writers: u32) {
    let found = overlay.read().unwrap().unwrap();
    assert_eq!(found.version(), u64::from(writers * UPDATES));
    for writer in 0..writers {
        let of = format!("{writer}-");
        let ids = found.commands().iter().filter_map(|id| id.as_str());
        let numbers = ids.filter_map(|id| id.strip_prefix(&of)?.parse().ok());
        let numbers: Vec<u32> = numbers.collect();
        assert_eq!(numbers, (0..UPDATES).collect::<Vec<_>>(), "{writer}");
    }
}

fn kill(overlay: &mut Overlay) -> bool {
    *overlay = std::mem::take(overlay).kill("new-checkout");
    true
}

fn is_killed(flags: &Flags) -> bool {
    let found = flags.resolve("new-checkout", &Context::new("user-42"));
    found.reason() == fader::Reason::Disabled
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn threads_lose_no_update_of_each_other() {
    let place = Place::new();
    let overlay = OverlayFile::beside(place.at("flags.json"));
    thread::scope(|scope| {
        for writer in 0..8_u32 {
            // Half of them share one, and half have one of their own, as parts of a service have that know nothing of
            // each other.
            let own = if writer < 4 {
                overlay.clone()
            } else {
                OverlayFile::new(overlay.path())
            };
            scope.spawn(move || {
                for number in 0..UPDATES {
                    add(&own, &writer.to_string(), number);
                }
            });
        }
    });
    assert_none_lost(&overlay, 8);
}

#[test]
fn processes_lose_no_update_of_each_other() {
    let name = "processes_lose_no_update_of_each_other";
    if let Some(root) = self::place() {
        let writer = root.file_name().unwrap().to_str().unwrap().to_owned();
        let overlay = OverlayFile::beside(root.parent().unwrap().join("flags.json"));
        for number in 0..UPDATES {
            add(&overlay, &writer, number);
        }
        return;
    }
    let place = Place::new();
    let writers = 0..4_u32;
    let children: Vec<_> = writers
        .map(|writer| {
            again(
                module_path!(),
                name,
                &["env"],
                &place.at(&writer.to_string()),
            )
        })
        .collect();
    for child in children {
        assert_passes(child);
    }
    assert_none_lost(&OverlayFile::beside(place.at("flags.json")), 4);
}

/// The lock ends with its holder, and what is there is the old overlay or the new one.
#[test]
fn a_writer_that_is_killed_leaves_a_whole_overlay_and_no_lock() {
    let name = "a_writer_that_is_killed_leaves_a_whole_overlay_and_no_lock";
    if let Some(root) = self::place() {
        let overlay = OverlayFile::beside(root.join("flags.json"));
        let mut number = 0;
        loop {
            number += 1;
            let padding = "x".repeat(100_000);
            let written = overlay.update(&mut |overlay| {
                *overlay.commands_mut() = vec![number.into(), padding.clone().into()];
                true
            });
            written.unwrap();
        }
    }
    let place = Place::new();
    let overlay = OverlayFile::beside(place.at("flags.json"));
    let version = || overlay.read().unwrap().map_or(0, |found| found.version());
    for round in 0..20_u64 {
        let before = version();
        let mut child = again(module_path!(), name, &["env"], place.root.path());
        until("the writer", || version() > before);
        thread::sleep(Duration::from_micros(round * 7_919 % 30_011));
        child.kill().unwrap();
        child.wait().unwrap();
        let left = version();
        let next = overlay.update(&mut |_| true).unwrap();
        assert_eq!(next.version(), left + 1, "the next one writes at once");
    }
}

#[test]
fn what_is_there_stays_as_it_is_but_for_the_change() {
    let place = Place::new();
    let written = r#"{ "version": 41, "flags": {
        "search": { "rules": { "rules[0]": { "percent": 12.345678, "waves": 2 } }, "by": "anna", "reason": "load" } },
        "commands": [ { "do": "promote", "x": [1, -2.5, 1e-7, null, { "deep": true }] }, "odd", 7 ] }"#;
    let path = place.write("flags.json.overlay.json", written);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let overlay = OverlayFile::new(&path);
    let before = overlay.read().unwrap().unwrap();

    let same = overlay.update(&mut |found| {
        kill(found);
        false
    });
    assert_eq!(same.unwrap(), before);
    assert_eq!(fs::read_to_string(&path).unwrap(), written, "not written");

    let after = overlay.update(&mut kill).unwrap();
    assert_eq!(after, before.clone().kill("new-checkout").with_version(42));
    assert_eq!(overlay.read().unwrap(), Some(after.clone()));
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let now = fs::read_to_string(&path).unwrap();
    assert_eq!(json(&now)["commands"], json(written)["commands"]);
    assert_eq!(
        json(&now)["flags"]["search"],
        json(written)["flags"]["search"]
    );
    assert_eq!(mode(&path), 0o640);
    let lock = place.at("flags.json.overlay.json.lock");
    assert_eq!(fs::read(&lock).unwrap(), b"", "it stays, and says nothing");

    let higher = overlay.update(&mut |found| {
        *found = std::mem::take(found).with_version(100);
        true
    });
    assert_eq!(higher.unwrap().version(), 101);
}

#[test]
fn a_broken_overlay_is_not_written_over() {
    let place = Place::new();
    let path = place.at("flags.json.overlay.json");
    let overlay = OverlayFile::new(&path);
    for (broken, what) in [
        (&b""[..], "1:1"),
        (
            b"{ \"version\": 3,\n  \"flags\": { \"a\": { \"kiled\": true } } }",
            "2:21",
        ),
        (b"{ \"flags\": ", ":"),
        (b"\xff\xfe", ":"),
    ] {
        fs::write(&path, broken).unwrap();
        let error = overlay.update(&mut kill).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{}:", path.display())),
            "{error}"
        );
        assert!(
            error.contains(what) && error.contains("mend it there"),
            "{error}"
        );
        assert!(error.ends_with("nothing was written"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), broken);
        assert_eq!(overlay.read().unwrap_err().kind(), ErrorKind::Refused);
    }
}

/// Who writes by the symlink and who writes by what it leads to take one lock.
#[test]
fn a_symlink_stays_one_and_the_lock_lies_beside_what_it_leads_to() {
    let place = Place::new();
    let real = place.write("state/overlay.json", "{}");
    let link = place.at("flags.json.overlay.json");
    symlink("state/overlay.json", &link).unwrap();
    let overlay = OverlayFile::new(&link);
    overlay.update(&mut kill).unwrap();
    overlay.announce("state").unwrap();
    let version = |path: &Path| OverlayFile::new(path).read().unwrap().unwrap().version();
    assert_eq!((version(&real), version(&link)), (1, 1));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(place.at("state/overlay.json.lock").exists());
    assert_eq!(
        OverlayFile::new(&real).controller().unwrap().unwrap(),
        "state"
    );
    assert_eq!(fs::read_dir(place.root.path()).unwrap().count(), 2);

    fs::remove_file(&real).unwrap();
    let error = overlay.update(&mut kill).unwrap_err().to_string();
    assert!(
        error.contains("it is a symlink that leads nowhere"),
        "{error}"
    );
}

#[test]
fn a_directory_that_cannot_be_written_is_named_with_the_cure() {
    let name = "a_directory_that_cannot_be_written_is_named_with_the_cure";
    let Some(root) = self::place() else {
        let place = Place::new();
        place.write("rules/flags.json.overlay.json", r#"{ "version": 3 }"#);
        let below = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];
        if can_run(&below, "a directory that can't be written") {
            assert_passes(again(module_path!(), name, &below, place.root.path()));
        }
        return;
    };
    let rules = root.join("rules");
    fs::set_permissions(&rules, fs::Permissions::from_mode(0o555)).unwrap();
    let overlay = OverlayFile::beside(rules.join("flags.json"));
    let path = overlay.path().display();
    for error in [overlay.update(&mut kill).err(), overlay.announce("x").err()] {
        let error = error.unwrap().to_string();
        assert!(
            error.starts_with(&format!("cannot write `{path}.")),
            "{error}"
        );
        assert!(
            error.contains("permission denied; its directory has to be writable"),
            "{error}"
        );
    }
    // Where another user made the lock, it can be had all the same, and the overlay is what can't be written.
    fs::set_permissions(&rules, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(rules.join("flags.json.overlay.json.lock"), "").unwrap();
    let lock = rules.join("flags.json.overlay.json.lock");
    fs::set_permissions(&lock, fs::Permissions::from_mode(0o444)).unwrap();
    assert_eq!(overlay.update(&mut kill).unwrap().version(), 4);
    fs::set_permissions(&rules, fs::Permissions::from_mode(0o555)).unwrap();
    let error = overlay.update(&mut kill).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("cannot write `{path}`: permission")),
        "{error}"
    );
    assert_eq!(overlay.read().unwrap().unwrap().version(), 4);
    fs::set_permissions(&rules, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_directory_that_is_not_there_is_named_with_the_cure() {
    let place = Place::new();
    let overlay = OverlayFile::new(place.at("no/such/overlay.json"));
    assert_eq!(overlay.read().unwrap(), None);
    assert_eq!(overlay.controller().unwrap(), None);
    let error = overlay.update(&mut kill).unwrap_err().to_string();
    assert!(error.ends_with("; make its directory first"), "{error}");
}

#[test]
fn a_full_disk_leaves_the_old_overlay() {
    let Some(root) = on_a_full_disk(module_path!(), "a_full_disk_leaves_the_old_overlay") else {
        return;
    };
    let overlay = OverlayFile::beside(root.join("flags.json"));
    overlay.update(&mut kill).unwrap();
    let error = overlay.update(&mut |overlay| {
        overlay.commands_mut().push("x".repeat(100_000).into());
        true
    });
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("file too large; make room on its disk"),
        "{error}"
    );
    assert_eq!(overlay.read().unwrap().unwrap().version(), 1);
    assert_eq!(fs::read_dir(&root).unwrap().count(), 2, "it and its lock");
}

/// Where nothing notifies of changes and the poll is far away, too: the handle's store tells its follower.
#[test]
fn what_a_handles_store_writes_is_live_within_a_second() {
    let place = Place::new();
    let path = place.write("flags.json", document(1));
    let beside = place.at("flags.json.overlay.json");
    let chosen = place.at("state/overlay.json");
    fs::create_dir(place.at("state")).unwrap();
    let unnotified = |builder: FileBuilder| builder.poll_every(NEVER).watch(false);
    for (builder, expected) in [
        (file(&path), &beside),
        (file(&path).overlay(&chosen), &chosen),
    ] {
        for builder in [
            builder.poll_every(NEVER),
            unnotified(file(&path).overlay(expected)),
        ] {
            let flags = builder.open().unwrap();
            let store = flags.store().expect("the provider names it");
            assert_eq!(store.name(), expected.display().to_string());
            calm();
            let began = Instant::now();
            let version = store.update(&mut kill).unwrap().version();
            until("the kill", || flags.status().overlay_version() == version);
            assert!(
                began.elapsed() < Duration::from_secs(1),
                "{:?}",
                began.elapsed()
            );
            assert!(is_killed(&flags));
            let lifted = store.update(&mut |overlay| {
                overlay.forget("new-checkout");
                true
            });
            lifted.unwrap();
            until("the lifting", || !is_killed(&flags));
        }
    }

    let flags = file(&path).without_overlay().open().unwrap();
    assert!(flags.store().is_none());
    file(&chosen).as_overlay().follow(&flags).unwrap();
    let name = flags.store().unwrap().name().to_owned();
    assert_eq!(name, chosen.display().to_string());
}

/// They lie in the watched directory.
#[test]
fn locks_and_words_of_the_controller_disturb_nobody() {
    let place = Place::new();
    let path = place.write("flags.json", document(1));
    let overlay = OverlayFile::beside(&path);
    overlay.update(&mut kill).unwrap();
    let flags = notified(&path).open().unwrap();
    let (_subscription, told) = record(&flags);
    let checked = || flags.status().sources()[0].checked_at();
    calm();
    let before = checked();
    // Each takes the lock and writes nothing.
    for _ in 0..3 {
        overlay.update(&mut |_| false).unwrap();
    }
    calm();
    assert_eq!(checked(), before, "the lock makes no reading due");

    overlay.announce("/var/lib/shop/controller.json").unwrap();
    let word = overlay.controller().unwrap();
    assert_eq!(word.as_deref(), Some("/var/lib/shop/controller.json"));
    until("the reading", || checked() != before);
    let after = checked();
    calm();
    assert_eq!(checked(), after, "one reading for one word");
    assert_eq!(*told.lock().unwrap(), [""; 0]);
    assert_eq!(flags.status().state(), State::Ready);
}
