//! A folder of documents, one for each team.

use super::*;
use fader_providers::folder;

/// Follows by notifications alone.
fn notified(path: &Path) -> FileBuilder {
    folder(path).poll_every(NEVER)
}

fn flag(name: &str, variant: &str) -> String {
    format!(
        r#"{{ "flags": {{ "{name}": {{ "variants": {{ "{variant}": "{variant}" }}, "default": "{variant}" }} }} }}"#
    )
}

fn variant(flags: &Flags, name: &str) -> Option<String> {
    let resolution = flags.resolve(name, &Context::anonymous());
    resolution.variant().map(ToOwned::to_owned)
}

fn is(flags: &Flags, name: &str, expected: &str) -> bool {
    variant(flags, name).as_deref() == Some(expected)
}

#[test]
fn the_documents_of_a_folder_make_one() {
    let place = Place::new();
    place.write("flags.d/payments.json", flag("checkout", "a"));
    place.write("flags.d/search.json", flag("ranker", "a"));
    // None of these is a document of the folder.
    place.write("flags.d/.search.json", "half");
    place.write("flags.d/search.overlay.json", "half");
    place.write("flags.d/search.json~", "half");
    place.write("flags.d/old/search.json", flag("ranker", "old"));
    place.write("flags.d/old.json/search.json", flag("ranker", "old"));
    let flags = notified(&place.at("flags.d")).open().unwrap();
    assert_eq!(flags.status().flag_count(), 2);
    assert!(is(&flags, "checkout", "a") && is(&flags, "ranker", "a"));

    place.replace("flags.d/search.json", flag("ranker", "b"));
    until("an edit", || is(&flags, "ranker", "b"));
    assert!(is(&flags, "checkout", "a"));
    calm();
    place.write("flags.d/ads.json", flag("banner", "a"));
    until("a new document", || is(&flags, "banner", "a"));
    calm();
    fs::remove_file(place.at("flags.d/search.json")).unwrap();
    until("one that is gone", || flags.status().flag_count() == 2);
    assert_eq!(variant(&flags, "ranker"), None);
    assert_eq!(flags.status().state(), State::Ready);
}

#[test]
fn what_is_in_two_documents_is_an_error_that_names_both() {
    let place = Place::new();
    for (section, entry) in [
        ("flags", r#""x": true"#),
        (
            "segments",
            r#""x": { "if": { "attribute": "a", "is": 1 } }"#,
        ),
        ("lists", r#""x": ["a"]"#),
        ("metadata", r#""x": 1"#),
    ] {
        let document = format!("{{\n  \"{section}\": {{ {entry} }}\n}}");
        place.write("flags.d/a.json", &document);
        place.write("flags.d/b.json", &document);
        let error = folder(place.at("flags.d")).open().unwrap_err();
        let [a, b] = ["a", "b"].map(|name| place.at(&format!("flags.d/{name}.json")));
        let at = section.len() + 9;
        let expected = format!(
            "{}:2:{at}: error: at {section}.x: `x` comes a second time: it is in `{}` too, at 2:{at}; \
             help: keep one of the two",
            b.display(),
            a.display()
        );
        assert_eq!(error.to_string(), expected);
    }
    for name in ["a", "b"] {
        place.write(&format!("flags.d/{name}.json"), r#"{ "revision": 1 }"#);
    }
    let error = folder(place.at("flags.d")).open().unwrap_err().to_string();
    assert!(error.contains("b.json:1:3: error: at revision"), "{error}");

    place.write("flags.d/b.json", flag("x", "a"));
    let flags = notified(&place.at("flags.d")).open().unwrap();
    assert_eq!(flags.status().version(), "1");
    place.replace("flags.d/a.json", flag("x", "b"));
    until("the refusal", || flags.status().state() == State::Stale);
    assert!(is(&flags, "x", "a"), "the last good one stays");
    place.replace("flags.d/a.json", flag("y", "b"));
    until("the cure", || is(&flags, "y", "b"));
}

#[test]
fn a_mistake_is_told_with_the_document_that_it_is_in() {
    let place = Place::new();
    place.write("flags.d/a.json", flag("a", "on"));
    for (text, expected) in [
        (
            "{\n  \"flags\": {\n    \"b\": 5 } }",
            "b.json:3:10: error: at flags.b: ",
        ),
        ("{\n  \"flags\": {", "b.json:2:13: error: "),
        ("", "b.json:1:1: error: the text is empty"),
        ("{\n  \"flgas\": {} }", "b.json:2:3: error: at flgas: "),
        ("{ \"flags\": [] }", "b.json:1:12: error: at flags: "),
    ] {
        place.write("flags.d/b.json", text);
        let error = folder(place.at("flags.d")).open().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.to_string().contains(expected), "{error}");
    }
    fs::remove_file(place.at("flags.d/b.json")).unwrap();
    let pipe = place.at("flags.d/b.json");
    let made = std::process::Command::new("mkfifo").arg(pipe).status();
    assert!(made.unwrap().success());
    let error = folder(place.at("flags.d")).open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotAFile);
    let shown = place.at("flags.d");
    let shown = shown.display();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot read `{shown}`: `{shown}/b.json`: it is a pipe, a socket or a device, not a file"
        )
    );
}

#[test]
fn what_is_no_folder_of_documents_is_refused() {
    let place = Place::new();
    let error = || folder(place.at("flags.d")).open().unwrap_err();
    assert_eq!(error().kind(), ErrorKind::NotFound);
    fs::create_dir(place.at("flags.d")).unwrap();
    assert!(
        error()
            .to_string()
            .ends_with("it holds no documents (`*.json`)")
    );
    assert_eq!(error().kind(), ErrorKind::NotFound);
    fs::remove_dir(place.at("flags.d")).unwrap();
    place.write("flags.d", "{}");
    assert!(
        error()
            .to_string()
            .ends_with("it is a file, not a folder of documents")
    );
}

#[test]
fn a_folder_that_is_gone_or_empty_leaves_the_last_good_one() {
    let place = Place::new();
    place.write("flags.d/a.json", flag("a", "1"));
    let flags = notified(&place.at("flags.d")).open().unwrap();
    for (round, gone) in [(2, "flags.d"), (3, "flags.d/a.json")] {
        if gone.ends_with(".json") {
            fs::remove_file(place.at(gone)).unwrap();
        } else {
            fs::remove_dir_all(place.at(gone)).unwrap();
        }
        until("what is gone", || flags.status().state() == State::Stale);
        assert!(is(&flags, "a", &(round - 1).to_string()));
        calm();
        place.write("flags.d/a.json", flag("a", &round.to_string()));
        until("what is back", || is(&flags, "a", &round.to_string()));
    }
}

/// Nothing else could tell of it but the poll.
#[cfg(target_os = "linux")]
#[test]
fn an_empty_folder_is_watched_for_its_first_document() {
    let place = Place::new();
    fs::create_dir(place.at("flags.d")).unwrap();
    let flags = notified(&place.at("flags.d"))
        .bootstrap(flag("a", "built-in"))
        .open()
        .unwrap();
    assert!(is(&flags, "a", "built-in"));
    assert!(is_watched(&place.at("flags.d")));
    calm();
    place.write("flags.d/a.json", flag("a", "1"));
    until("the first document", || is(&flags, "a", "1"));
}

#[test]
fn the_overlay_lies_beside_the_folder() {
    let place = Place::new();
    place.write("flags.d/a.json", r#"{ "flags": { "a": true } }"#);
    // With the slash that a shell completes.
    let path = format!("{}/", place.at("flags.d").display());
    let flags = notified(Path::new(&path)).open().unwrap();
    assert_eq!(flags.status().source(), Some(path.trim_end_matches('/')));
    place.replace(
        "flags.d.overlay.json",
        r#"{ "version": 1, "flags": { "a": { "killed": true } } }"#,
    );
    until("the kill", || variant(&flags, "a").is_none());
}

/// `flags.d/a.json -> ..data/a.json`, `..data -> ..3`: only `..data` is renamed.
#[test]
fn a_folder_that_is_switched_is_never_a_mix() {
    use std::os::unix::fs::symlink;

    let place = Place::new();
    let mount = place.at("flags.d");
    let version = |number: u32| {
        let folder = format!("flags.d/..{number}");
        for name in ["a", "b"] {
            place.write(
                &format!("{folder}/{name}.json"),
                flag(name, &number.to_string()),
            );
        }
        symlink(format!("..{number}"), mount.join("..next")).unwrap();
        fs::rename(mount.join("..next"), mount.join("..data")).unwrap();
    };
    version(0);
    for name in ["a", "b"] {
        symlink(
            format!("..data/{name}.json"),
            mount.join(format!("{name}.json")),
        )
        .unwrap();
    }
    let flags = folder(&mount)
        .poll_every(Duration::from_millis(10))
        .open()
        .unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (weak, note) = (flags.downgrade(), Arc::clone(&seen));
    let _subscription = flags.subscribe(move |event| {
        if let (Event::Loaded(_), Some(flags)) = (event, weak.upgrade()) {
            let scope = flags.scope(Context::anonymous());
            let [a, b] = ["a", "b"].map(|name| scope.resolve(name).variant().map(str::to_owned));
            note.lock().unwrap().push((a, b));
        }
    });
    for number in 1..300 {
        version(number);
        if number > 1 {
            fs::remove_dir_all(mount.join(format!("..{}", number - 2))).unwrap();
        }
    }
    until("the last one", || {
        is(&flags, "a", "299") && is(&flags, "b", "299")
    });
    let seen = seen.lock().unwrap();
    assert!(seen.iter().all(|(a, b)| a == b), "{seen:?}");
}

/// Each lies in a real directory of its own, with a list of the same name beside it.
#[test]
fn two_documents_that_mean_two_lists_by_one_name_are_refused() {
    use std::os::unix::fs::symlink;

    let place = Place::new();
    fs::create_dir(place.at("flags.d")).unwrap();
    for (team, guest) in [("one", "anna"), ("two", "bo")] {
        place.write(&format!("{team}/lists/vip.txt"), guest);
        let document = format!(
            r#"{{ "lists": {{ "{team}-vip": {{ "file": "lists/vip.txt" }} }}, "flags": {{ "{team}": {{ "rules": [
                {{ "if": {{ "attribute": "user.id", "in_list": "{team}-vip" }}, "serve": "on" }} ] }} }} }}"#
        );
        place.write(&format!("{team}/flags.json"), document);
        let link = place.at(&format!("flags.d/{team}.json"));
        symlink(format!("../{team}/flags.json"), link).unwrap();
    }
    let error = folder(place.at("flags.d")).open().unwrap_err().to_string();
    assert!(
        error.contains("two of its documents name the list `lists/vip.txt`, one for")
            && error.contains("/one/lists/vip.txt` and one for")
            && error.ends_with("/two/lists/vip.txt`"),
        "{error}"
    );
    // The same file in the end is one list.
    fs::remove_file(place.at("two/lists/vip.txt")).unwrap();
    fs::remove_dir(place.at("two/lists")).unwrap();
    symlink("../one/lists", place.at("two/lists")).unwrap();
    let flags = folder(place.at("flags.d")).open().unwrap();
    for flag in ["one", "two"] {
        let context = Context::anonymous().with("user.id", "anna");
        assert_eq!(
            flags.resolve(flag, &context).variant(),
            Some("on"),
            "{flag}"
        );
    }
}

#[test]
fn a_name_that_is_no_unicode_is_a_name() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let place = Place::new();
    place.write("flags.d/a.json", flag("a", "1"));
    let name = place.at("flags.d").join(OsStr::from_bytes(b"t\xe9am.json"));
    fs::write(name, flag("b", "1")).unwrap();
    let flags = folder(place.at("flags.d")).open().unwrap();
    assert!(is(&flags, "a", "1") && is(&flags, "b", "1"));
}
