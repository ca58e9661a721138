//! The overlay beside the document.

use super::*;

const KILL: &str = r#"{ "version": 3, "flags": { "new-checkout": { "killed": true } } }"#;
const NAME: &str = ".overlay.json";

fn is_killed(flags: &Flags) -> bool {
    flags
        .resolve("new-checkout", &Context::new("user-42"))
        .reason()
        == fader::Reason::Disabled
}

#[test]
fn an_overlay_missing_at_the_start_is_none_and_is_found_later() {
    let place = Place::new();
    let flags = notified(&place.write("flags.json", document(1)))
        .open()
        .unwrap();
    assert!(is_at(&flags, 1) && !is_killed(&flags));
    calm();
    place.replace("flags.json.overlay.json", KILL);
    until("the kill", || is_killed(&flags));
    assert_eq!(flags.status().overlay_version(), 3);
    assert!(is_at(&flags, 1));
}

#[test]
fn an_overlay_is_loaded_with_the_document() {
    let place = Place::new();
    place.write("flags.json.overlay.json", KILL);
    let flags = notified(&place.write("flags.json", document(1)))
        .open()
        .unwrap();
    assert!(is_killed(&flags));
    calm();
    place.replace(
        "flags.json.overlay.json",
        r#"{ "version": 4, "flags": {} }"#,
    );
    until("the revival", || !is_killed(&flags));
}

#[test]
fn a_deleted_overlay_stays_in_force() {
    let place = Place::new();
    place.write("flags.json.overlay.json", KILL);
    let path = place.write("flags.json", document(1));
    let flags = notified(&path).open().unwrap();
    fs::remove_file(place.at("flags.json.overlay.json")).unwrap();
    until("what is gone", || flags.status().state() == State::Stale);
    assert!(error_of(&flags, NAME).ends_with("flags.json.overlay.json`: no such file"));
    assert!(is_killed(&flags), "a kill is not lifted by losing it");
    assert_eq!(error_of(&flags, "flags.json"), "", "the document is fine");

    fs::write(&path, document(2)).unwrap();
    until("the document goes on", || flags.status().version() == "2");
    assert!(is_killed(&flags));
    calm();
    place.write("flags.json.overlay.json", KILL);
    until("the same one is back", || is_at(&flags, 2));
    assert!(is_killed(&flags));
    place.write("flags.json.overlay.json", "{}");
    until("the kill is lifted", || !is_killed(&flags));
}

#[test]
fn a_broken_overlay_is_an_error_of_open() {
    let place = Place::new();
    let path = place.write("flags.json", document(1));
    let overlay = place.write("flags.json.overlay.json", "{ \"flags\": ");
    let error = notified(&path).open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(
        error.to_string().contains(overlay.to_str().unwrap()),
        "{error}"
    );
    fs::remove_file(&overlay).unwrap();
    fs::create_dir(&overlay).unwrap();
    let error = notified(&path).open().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot read `{}`: it is a directory, not a file",
            overlay.display()
        )
    );
}

#[test]
fn an_overlay_broken_later_leaves_the_last_good_one() {
    let place = Place::new();
    place.write("flags.json.overlay.json", KILL);
    let path = place.write("flags.json", document(1));
    let flags = notified(&path).open().unwrap();
    for broken in [
        "",
        "{ \"flags\": {",
        r#"{ "flags": 7 }"#,
        r#"{ "flags": { "new-checkout": { "killed": "yes" } } }"#,
    ] {
        place.write("flags.json.overlay.json", broken);
        until("the refusal", || !error_of(&flags, NAME).is_empty());
        assert!(is_killed(&flags), "{broken}");
        place.write("flags.json.overlay.json", KILL);
        until("what was in force, whole again", || is_at(&flags, 1));
    }
}

/// It is as when an operator stops a ramp, and the deploy that brings the flag is later, or takes it away again.
#[test]
fn entries_for_a_flag_or_a_rule_that_is_not_there_wait_with_a_warning() {
    let place = Place::new();
    let flag = |revision: u32, rule: &str| {
        format!(
            r#"{{ "revision": {revision}, "flags": {{ "new-checkout": {{ "rules": [
                 {{ "name": "{rule}", "percent": 50, "serve": "on" }} ] }} }} }}"#
        )
    };
    let path = place.write("flags.json", flag(1, "ramp"));
    place.write(
        "flags.json.overlay.json",
        r#"{ "version": 3, "flags": {
             "not-yet": { "killed": true },
             "new-checkout": { "rules": { "ramp": { "percent": 100 } } } } }"#,
    );
    let flags = notified(&path).open().unwrap();
    let warnings = || {
        let status = flags.status();
        let waiting = status.warnings().iter();
        let waiting = waiting.filter(|warning| warning.message().contains("lacks"));
        waiting
            .map(|warning| warning.path().to_owned())
            .collect::<Vec<_>>()
    };
    let all_on = || {
        let mut users = (0..100).map(|user| Context::new(format!("user-{user}")));
        users.all(|user| flags.resolve("new-checkout", &user).variant() == Some("on"))
    };
    assert_eq!(flags.status().overlay_version(), 3);
    assert!(is_at(&flags, 1) && all_on());
    assert_eq!(warnings(), ["flags.not-yet"]);

    place.replace("flags.json", flag(2, "other"));
    until("the rule is gone", || is_at(&flags, 2));
    assert!(!all_on());
    let rule = "flags.new-checkout.rules.ramp";
    assert_eq!(warnings(), [rule, "flags.not-yet"]);

    let both = flag(3, "ramp").replacen(r#""new-"#, r#""not-yet": true, "new-"#, 1);
    place.replace("flags.json", both);
    until("both are there", || is_at(&flags, 3));
    assert!(all_on());
    let waited = flags.resolve("not-yet", &Context::new("user-42"));
    assert_eq!(waited.reason(), fader::Reason::Disabled);
    assert_eq!(warnings(), [""; 0]);
}

#[test]
fn an_overlay_too_large_is_refused() {
    let place = Place::new();
    place.write("flags.json.overlay.json", KILL);
    let path = place.write("flags.json", document(1));
    let flags = notified(&path).open().unwrap();
    let file = fs::File::create(place.at("flags.json.overlay.json")).unwrap();
    file.set_len(2 << 30).unwrap();
    until("the refusal", || {
        error_of(&flags, NAME).ends_with("it is larger than the limit of 16777216 bytes")
    });
    assert!(is_killed(&flags));
    assert_eq!(flags.status().state(), State::Stale);
    assert_eq!(
        notified(&path).open().unwrap_err().kind(),
        ErrorKind::TooLarge
    );
}

/// One that was never good leaves nothing behind.
#[test]
fn a_broken_overlay_that_is_deleted_is_none() {
    let place = Place::new();
    let flags = notified(&place.write("flags.json", document(1)))
        .open()
        .unwrap();
    let overlay = place.write("flags.json.overlay.json", "{ \"flags\": {");
    until("the refusal", || flags.status().state() == State::Stale);
    fs::remove_file(overlay).unwrap();
    until("none again", || is_at(&flags, 1));
}

/// What operators decide takes effect also where nobody can read the document.
#[test]
fn a_kill_takes_effect_while_the_document_is_broken_or_gone() {
    let place = Place::new();
    let path = place.write("flags.json", document(1));
    let flags = notified(&path).open().unwrap();
    fs::write(&path, "{").unwrap();
    until("the refusal", || flags.status().state() == State::Stale);
    place.replace("flags.json.overlay.json", KILL);
    until("the kill beside a broken document", || is_killed(&flags));

    fs::remove_file(&path).unwrap();
    until("what is gone", || {
        error_of(&flags, "flags.json").contains("no such file")
    });
    place.replace("flags.json.overlay.json", "{}");
    until("the revival beside a missing document", || {
        !is_killed(&flags)
    });
    assert_eq!(flags.status().version(), "1");
    fs::write(&path, document(2)).unwrap();
    until("the document is back", || is_at(&flags, 2));
}

#[test]
fn the_overlay_can_lie_elsewhere() {
    let place = Place::new();
    place.write("flags.json.overlay.json", KILL);
    let elsewhere = place.at("state/overlay.json");
    let flags = notified(&place.write("flags.json", document(1)))
        .overlay(&elsewhere)
        .open()
        .unwrap();
    assert!(!is_killed(&flags), "the default place is not looked at");
    calm();
    place.write("state/overlay.json", KILL);
    until("the kill", || is_killed(&flags));
}

/// A deploy that switches the directory would lose what operators decided.
#[test]
fn an_overlay_behind_a_symlink_is_warned_of() {
    use std::os::unix::fs::symlink;
    use std::sync::mpsc;

    let place = Place::new();
    place.write("rules_1/flags.json", document(1));
    symlink("rules_1", place.at("rules")).unwrap();
    let warnings = |builder: FileBuilder| {
        let (told, warnings) = mpsc::channel();
        let flags = builder
            .on_warning(move |warning| told.send(warning.to_owned()).unwrap())
            .open()
            .unwrap();
        drop(flags);
        warnings.into_iter().collect::<Vec<_>>()
    };
    let found = warnings(notified(&place.at("rules/flags.json")));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("lies behind the symlink") && found[0].contains("`overlay(path)`"),
        "{found:?}"
    );
    assert!(
        warnings(notified(&place.at("rules/flags.json")).overlay(place.at("rules/overlay.json")))
            .is_empty()
    );
    assert!(warnings(notified(&place.at("rules_1/flags.json"))).is_empty());
}

/// What is live is not from there, and may be a kill.
#[test]
fn a_broken_overlay_that_is_deleted_lifts_nothing_of_others() {
    let place = Place::new();
    let path = place.write("flags.json", document(1));
    let flags = notified(&path).open().unwrap();
    flags.apply(fader::Overlay::new().kill("new-checkout"));
    let overlay = place.write("flags.json.overlay.json", "{ \"version\": ");
    until("the refusal", || flags.status().state() == State::Stale);
    fs::remove_file(overlay).unwrap();
    until("the end of it", || flags.status().state() == State::Ready);
    let killed = flags.resolve("new-checkout", &Context::anonymous());
    assert_eq!(killed.variant(), None, "{:?}", flags.status());
}

#[test]
fn an_overlay_that_says_nothing_may_be_deleted() {
    let place = Place::new();
    let path = place.write("flags.json", document(1));
    let kill = r#"{ "version": 1, "flags": { "new-checkout": { "killed": true } } }"#;
    let overlay = place.write("flags.json.overlay.json", kill);
    let flags = notified(&path).open().unwrap();
    for (version, nothing) in [(0, "{}\n"), (2, r#"{ "version": 2, "flags": {} }"#)] {
        place.replace("flags.json.overlay.json", nothing);
        until("the lifting", || {
            flags.status().overlay_version() == version
        });
        fs::remove_file(&overlay).unwrap();
        calm();
        assert_eq!(flags.status().state(), State::Ready, "{nothing}");
        place.replace("flags.json.overlay.json", kill);
        until("the kill", || flags.status().overlay_version() == 1);
    }
    fs::remove_file(&overlay).unwrap();
    until("the loss", || flags.status().state() == State::Stale);
}
