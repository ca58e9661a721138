//! Reading once, without following.

use std::os::unix::fs::symlink;

use super::*;

#[test]
fn what_is_read_loads_as_open_does() {
    let place = Place::new();
    with_list(&place.at("rules_1"), 1, "anna");
    symlink("rules_1/flags.json", place.at("flags.json")).unwrap();
    let overlay = place.write("state/overlay.json", r#"{ "version": 4, "flags": {} }"#);
    let path = place.at("flags.json");
    let read = file(&path).overlay(&overlay).read().unwrap();
    assert_eq!(read.documents().next().unwrap().1, fs::read(&path).unwrap());
    assert_eq!(read.overlay().unwrap(), fs::read(&overlay).unwrap());
    assert_eq!(read.source().name(), path.to_str().unwrap());
    assert_eq!(
        read.overlay_source().unwrap().name(),
        overlay.to_str().unwrap()
    );
    assert!(read.source().is_strict());

    let (flags, source) = (Flags::builder().build(), read.source().clone());
    flags.load(read, &source).unwrap();
    assert!(is_at(&flags, 1) && admits(&flags, "anna"));
    assert_eq!(flags.status().overlay_version(), 4);
}

#[test]
fn no_overlay_is_none_and_quarantine_is_kept() {
    let place = Place::new();
    let path = place.write("flags.json", document(1));
    let read = file(&path)
        .strictness(fader::Strictness::Quarantine)
        .read()
        .unwrap();
    assert!(read.overlay().is_none());
    assert!(!read.source().is_strict());
}

/// What is wrong in the document is found by loading it, and in the same words.
#[test]
fn errors_are_those_of_open() {
    for (what, breaks, _) in super::broken::breakages() {
        let place = Place::new();
        let path = place.at("flags.json");
        breaks(&path);
        let opened = file(&path).open().unwrap_err().to_string();
        let read = match file(&path).read() {
            Err(error) => error.to_string(),
            Ok(read) => {
                let source = read.source().clone();
                let loaded = Flags::builder().build().load(read, &source);
                loaded.unwrap_err().to_string()
            }
        };
        assert_eq!(read, opened, "{what}");
    }
}

#[test]
fn an_overlay_that_cannot_be_read_is_an_error() {
    let place = Place::new();
    let path = place.write("flags.json", document(1));
    fs::create_dir(place.at("flags.json.overlay.json")).unwrap();
    let error = file(&path).read().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotAFile);
    let text = error.to_string();
    assert!(text.contains("flags.json.overlay.json`"), "{text}");
    assert!(file(&path).overlay(place.at("none")).read().is_ok());
    let error = file(&path).max_bytes(3).read().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}
