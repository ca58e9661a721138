//! A document from one provider, an overlay from another, a bootstrap document below both.

use super::*;

const BOOTSTRAP: &str = r#"{ "revision": 50, "flags": { "new-checkout": false } }"#;

#[test]
fn a_bootstrap_document_stands_in_for_one_that_is_missing_or_broken() {
    for content in [
        None,
        Some("{ \"flags\": "),
        Some(r#"{ "flags": { "x": 5 } }"#),
    ] {
        let place = Place::new();
        if let Some(content) = content {
            place.write("flags.json", content);
        }
        let path = place.at("flags.json");
        let flags = notified(&path).bootstrap(BOOTSTRAP).open().unwrap();
        let status = flags.status();
        assert_eq!((status.state(), status.version()), (State::Stale, "50"));
        assert_eq!(status.source(), Some("bootstrap document"));
        assert!(!error_of(&flags, "flags.json").is_empty());
        assert!(error_of(&flags, "bootstrap document").is_empty());

        place.replace("flags.json", document(7));
        until("the document", || is_at(&flags, 7));
        let status = flags.status();
        assert_eq!(status.source(), path.to_str());
        assert!(
            status.warnings().is_empty(),
            "no revision is compared with the bootstrap's: {:?}",
            status.warnings()
        );
        fs::remove_file(&path).unwrap();
        until("what is gone", || flags.status().state() == State::Stale);
        assert_eq!(
            flags.status().version(),
            "7",
            "the last good one, not the bootstrap"
        );
    }
}

#[test]
fn a_bootstrap_document_is_out_of_the_way_where_there_is_a_good_one() {
    let place = Place::new();
    let path = place.write("flags.json", document(7));
    let flags = notified(&path).bootstrap(BOOTSTRAP).open().unwrap();
    assert!(is_at(&flags, 7));
    assert!(flags.history().is_empty());
    assert_eq!(
        flags.status().sources().len(),
        1,
        "{:?}",
        flags.status().sources()
    );
}

/// Another provider, or the service itself, may have loaded something that is better.
#[test]
fn a_bootstrap_document_takes_the_place_of_nothing() {
    let place = Place::new();
    let flags = Flags::builder().build();
    flags
        .load(document(7), &fader::Source::new("elsewhere"))
        .unwrap();
    let missing = place.at("flags.json");
    notified(&missing)
        .bootstrap(BOOTSTRAP)
        .follow(&flags)
        .unwrap();
    let status = flags.status();
    assert_eq!((status.state(), status.version()), (State::Stale, "7"));
    assert_eq!(status.source(), Some("elsewhere"));
}

/// What is written through another name of the same file, in a directory that is not watched, is told to nobody.
#[test]
fn a_bootstrap_document_stands_in_for_half_a_file_until_the_retry() {
    let place = Place::new();
    let path = place.write("rules/flags.json", &document(7)[..20]);
    let unseen = place.at("unseen.json");
    fs::hard_link(&path, &unseen).unwrap();
    let flags = notified(&path).bootstrap(BOOTSTRAP).open().unwrap();
    assert_eq!(flags.status().version(), "50");
    fs::write(&unseen, document(7)).unwrap();
    until("the retry", || is_at(&flags, 7));
}

#[test]
fn a_broken_bootstrap_document_is_an_error_before_it_is_needed() {
    let place = Place::new();
    let path = place.write("flags.json", document(7));
    let error = file(&path)
        .bootstrap("{ \"flgas\": {} }")
        .open()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "bootstrap document:1:3: error: at flgas: unknown field `flgas` in the document; help: did you mean `flags`?"
    );
}

#[test]
fn a_broken_overlay_is_an_error_of_open_with_a_bootstrap_document_too() {
    let place = Place::new();
    place.write("flags.json.overlay.json", "{");
    let open = || file(place.at("flags.json")).bootstrap(BOOTSTRAP).open();
    let refused = format!(
        "{}:1:2: error: the text ends here, but the object of line 1 is not closed; help: add `}}`",
        place.at("flags.json.overlay.json").display()
    );
    assert_eq!(open().unwrap_err().to_string(), refused);
    place.write("flags.json", "{");
    assert_eq!(open().unwrap_err().to_string(), refused);
    place.write("flags.json", document(1));
    assert_eq!(open().unwrap_err().to_string(), refused);

    let overlay = place.at("flags.json.overlay.json");
    let unreadable = format!(
        "cannot read `{}`: it is a directory, not a file",
        overlay.display()
    );
    fs::remove_file(&overlay).unwrap();
    fs::create_dir(&overlay).unwrap();
    assert_eq!(open().unwrap_err().to_string(), unreadable);
    fs::remove_file(place.at("flags.json")).unwrap();
    assert_eq!(open().unwrap_err().to_string(), unreadable);
    fs::remove_dir(&overlay).unwrap();
    place.write("flags.json", document(1));
    let kill = r#"{ "version": 3, "flags": { "new-checkout": { "killed": true } } }"#;
    place.write("flags.json.overlay.json", kill);
    fs::remove_file(place.at("flags.json")).unwrap();
    assert_eq!(open().unwrap().status().overlay_version(), 3);
}

#[test]
fn an_overlay_comes_from_another_provider() {
    let place = Place::new();
    let path = place.write("rules/flags.json", document(1));
    place.write("rules/flags.json.overlay.json", "this is not read");
    let overlay = place.at("fleet/overlay.json");
    let flags = notified(&path).without_overlay().open().unwrap();
    notified(&overlay).as_overlay().follow(&flags).unwrap();
    assert_eq!(flags.status().overlay_version(), 0);

    let kill = r#"{ "version": 3, "flags": { "new-checkout": { "killed": true } } }"#;
    place.write("fleet/overlay.json", kill);
    until("the kill", || flags.status().overlay_version() == 3);
    fs::write(&path, document(2)).unwrap();
    until("an edit below it", || is_at(&flags, 2));
    assert_eq!(
        flags
            .resolve("new-checkout", &Context::anonymous())
            .variant(),
        None
    );

    place.replace("fleet/overlay.json", "{ \"version\": ");
    until("a refusal", || !error_of(&flags, "overlay.json").is_empty());
    assert!(error_of(&flags, "flags.json").is_empty());
    assert_eq!(flags.status().overlay_version(), 3);
    fs::remove_file(&overlay).unwrap();
    until("what is gone", || {
        error_of(&flags, "overlay.json").ends_with("no such file")
    });
    assert_eq!(flags.status().overlay_version(), 3, "it holds a kill");
    place.write("fleet/overlay.json", r#"{ "version": 4, "flags": {} }"#);
    until("the new one", || flags.status().overlay_version() == 4);
    assert_eq!(flags.status().state(), State::Ready);
}

/// In a process of its own, where no other test has such threads.
#[cfg(target_os = "linux")]
#[test]
fn the_threads_of_both_end_with_the_handle() {
    let place = Place::new();
    if child::place().is_none() {
        let name = "the_threads_of_both_end_with_the_handle";
        let child = child::again(module_path!(), name, &["env"], place.root.path());
        return child::assert_passes(child);
    }
    let path = place.write("flags.json", document(1));
    let flags = notified(&path).without_overlay().open().unwrap();
    notified(&place.at("overlay.json"))
        .as_overlay()
        .follow(&flags)
        .unwrap();
    let other = flags.clone();
    drop(flags);
    calm();
    assert_eq!(child::threads("fader-file"), 2, "a clone keeps them");
    drop(other);
    until("the end of both", || child::threads("fader-file") == 0);
}

#[test]
fn settings_that_make_no_sense_for_an_overlay_are_refused() {
    let place = Place::new();
    let path = place.at("overlay.json");
    let flags = Flags::builder().build();
    let error = file(&path)
        .as_overlay()
        .bootstrap(BOOTSTRAP)
        .follow(&flags)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Setting);
    let error = fader_providers::folder(&path)
        .as_overlay()
        .follow(&flags)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("is a folder, which is no overlay: name a file")
    );
}
