//! Documents that are refused: at the start by `open`, later with the last good one staying live.

use std::os::unix::fs::symlink;
use std::process::Command;

use super::*;

/// Puts something else in the document's place.
pub(super) type Break = fn(&Path);

pub(super) fn breakages() -> Vec<(&'static str, Break, &'static str)> {
    vec![
        (
            "invalid JSON",
            |path| fs::write(path, "{ \"flags\": nonsense }").unwrap(),
            "",
        ),
        (
            "half a document",
            |path| fs::write(path, "{ \"flags\": {").unwrap(),
            "",
        ),
        ("nothing", |path| fs::write(path, "").unwrap(), ""),
        (
            "an unknown field",
            |path| fs::write(path, "{ \"flag\": {} }").unwrap(),
            "did you mean `flags`?",
        ),
        (
            "invalid UTF-8",
            |path| fs::write(path, b"{ \"flags\": { \"a\xff\": true } }").unwrap(),
            "UTF-8",
        ),
        (
            "duplicate keys",
            |path| fs::write(path, r#"{ "flags": { "a": true, "a": false } }"#).unwrap(),
            "comes a second time",
        ),
        (
            "deep nesting",
            |path| fs::write(path, "[".repeat(10_000) + &"]".repeat(10_000)).unwrap(),
            "128",
        ),
        (
            "too large",
            |path| fs::File::create(path).unwrap().set_len(2 << 30).unwrap(),
            "larger than the limit of 16777216 bytes",
        ),
        (
            "a pipe",
            |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
            "it is a pipe, a socket or a device, not a file",
        ),
        (
            "a device",
            |path| symlink("/dev/zero", path).unwrap(),
            "it is a pipe, a socket or a device, not a file",
        ),
        (
            "a directory",
            |path| fs::create_dir(path).unwrap(),
            "it is a directory, not a file",
        ),
        (
            "a symlink to nothing",
            |path| symlink("nothing", path).unwrap(),
            "no such file",
        ),
        (
            "symlinks in a circle",
            |path| symlink("flags.json", path).unwrap(),
            "symbolic links",
        ),
        (
            "a missing list",
            |path| fs::write(path, r#"{ "lists": { "vip": { "file": "vip.txt" } } }"#).unwrap(),
            "no such file",
        ),
        (
            "a list that is a directory",
            |path| fs::write(path, r#"{ "lists": { "vip": { "file": "." } } }"#).unwrap(),
            "a directory",
        ),
        (
            "a list that is a device",
            |path| {
                symlink("/dev/zero", path.with_file_name("zero.txt")).unwrap();
                fs::write(path, r#"{ "lists": { "vip": { "file": "zero.txt" } } }"#).unwrap();
            },
            "a pipe, a socket or a device",
        ),
        (
            "a list that is too large",
            |path| {
                let list = fs::File::create(path.with_file_name("large.txt")).unwrap();
                list.set_len((256 << 20) + 1).unwrap();
                fs::write(path, r#"{ "lists": { "vip": { "file": "large.txt" } } }"#).unwrap();
            },
            "larger than the limit of 268435456 bytes",
        ),
    ]
}

fn clear(path: &Path) {
    let removed = if path.is_dir() {
        fs::remove_dir(path)
    } else {
        fs::remove_file(path)
    };
    removed.unwrap();
}

#[test]
fn a_broken_first_document_is_an_error_of_open() {
    for (what, breaks, reason) in breakages() {
        let place = Place::new();
        let path = place.at("flags.json");
        breaks(&path);
        let error = notified(&path).open().unwrap_err();
        let text = error.to_string();
        assert!(text.contains(path.to_str().unwrap()), "{what}: {text}");
        assert!(text.contains(reason), "{what}: {text}");
        assert_eq!(text.lines().count(), 1, "{what}: {text}");
        assert_eq!(
            error.compile_error().is_some(),
            error.kind() == ErrorKind::Refused,
            "{what}: {text}"
        );
        assert!(!error.is_transient(), "{what}: {text}");
        assert_eq!(format!("{error:?}"), text, "what a `main` prints");
        assert!(std::error::Error::source(&error).is_none(), "{what}");
    }
}

#[test]
fn a_missing_first_document_is_named_as_it_was_written() {
    let error = file("no/such/flags.json").open().unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read `no/such/flags.json`: no such file"
    );
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        file("").open().unwrap_err().to_string(),
        "cannot read ``: no such file"
    );

    let place = Place::new();
    let path = place.write("file", "{}").join("flags.json");
    let text = file(&path).open().unwrap_err().to_string();
    assert!(
        text.ends_with("a part of its path is a file, not a directory"),
        "{text}"
    );
}

#[test]
fn a_document_broken_later_leaves_the_last_good_one() {
    let place = Place::new();
    let path = place.write("flags.json", document(1));
    let flags = notified(&path).open().unwrap();
    let (_subscription, told) = record(&flags);
    for (revision, (what, breaks, reason)) in (2..).zip(breakages()) {
        clear(&path);
        breaks(&path);
        until(what, || {
            let error = error_of(&flags, "flags.json");
            !error.is_empty()
                && error.contains(reason)
                && (reason == "no such file" || !error.contains("no such file"))
        });
        assert_eq!(flags.status().state(), State::Stale, "{what}");
        assert_eq!(
            flags.status().version(),
            (revision - 1).to_string(),
            "{what}"
        );
        clear(&path);
        fs::write(&path, document(revision)).unwrap();
        until(what, || is_at(&flags, revision));
    }
    let loads = || {
        let told = told.lock().unwrap();
        told.iter()
            .filter(|told| told.starts_with("loaded"))
            .count()
    };
    until("the word of the last one", || loads() >= breakages().len());
    assert_eq!(loads(), breakages().len());
}

/// A refusal is told once, however often the same content is read again.
#[test]
fn the_same_error_is_told_once() {
    let place = Place::new();
    let path = place.write("flags.json", document(1));
    let flags = polled(&path).open().unwrap();
    let (_subscription, told) = record(&flags);
    place.replace("flags.json", "{");
    until("the refusal", || flags.status().state() == State::Stale);
    place.look_again(&flags);
    assert_told(&told, &["refused", "overlaid"]);
    fs::remove_file(&path).unwrap();
    until("what is gone", || {
        error_of(&flags, "flags.json").contains("no such file")
    });
    place.look_again(&flags);
    assert_told(&told, &["refused", "overlaid", "stale", "overlaid"]);
}

#[test]
fn a_byte_order_mark_is_fine() {
    let place = Place::new();
    let path = place.write("flags.json", format!("\u{feff}{}", document(1)));
    let flags = notified(&path).open().unwrap();
    assert!(is_at(&flags, 1));
    place.replace("flags.json", format!("\u{feff}{}", document(2)));
    until("another one with a mark", || is_at(&flags, 2));
}

/// The system says that it has no bytes, and it has more than anybody has memory for.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_says_nothing_of_its_size_is_read_up_to_the_limit() {
    // It is read in units of eight bytes, of which the first above the limit is the last one that is read.
    let pages = file("/proc/self/pagemap").max_bytes((1 << 20) - 1);
    let error = pages.open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
}

#[test]
fn limits_can_be_set() {
    let place = Place::new();
    with_list(place.root.path(), 1, "anna");
    let path = place.at("flags.json");
    let error = notified(&path).max_bytes(10).open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let error = notified(&path).max_list_bytes(4).open().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("larger than the limit of 4 bytes"),
        "{error}"
    );
    assert!(admits(
        &notified(&path).max_list_bytes(5).open().unwrap(),
        "anna"
    ));
}

#[test]
fn quarantine_takes_the_rest() {
    let place = Place::new();
    let path = place.write(
        "flags.json",
        r#"{ "revision": 1, "flags": { "good": true, "bad": 7 } }"#,
    );
    assert_eq!(
        notified(&path).open().unwrap_err().kind(),
        ErrorKind::Refused
    );
    let flags = notified(&path)
        .strictness(fader::Strictness::Quarantine)
        .open()
        .unwrap();
    assert_eq!(flags.status().set_aside(), ["bad"]);
    assert_eq!(
        flags.resolve("good", &Context::anonymous()).variant(),
        Some("on")
    );
}
