//! The handle: what goes live, what stays, what is told of it.

use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fader::{
    AttributeName, Attributes, Context, Delivery, Event, FlagKey, Flags, ManualClock, Overlay,
    Percent, RampLimit, Reason, Source, State, Timestamp, ValueRef,
};

fn file() -> Source {
    Source::new("flags.json")
}

fn document(version: u32, percent: u32) -> String {
    format!(
        r#"{{ "revision": {version}, "flags": {{
            "f": {{ "rules": [ {{ "name": "ramp", "percent": {percent}, "serve": "on" }} ] }}, "g": true }} }}"#
    )
}

fn loaded(text: &str) -> Flags {
    let flags = Flags::builder().build();
    flags.load(text, &file()).unwrap();
    flags
}

fn events(flags: &Flags) -> (Arc<Mutex<Vec<String>>>, fader::Subscription) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let writer = Arc::clone(&seen);
    let subscription = flags.subscribe(move |event| {
        let line = match event {
            Event::Loaded(change) => {
                format!("loaded {} {}", change.version(), change.keys().join(","))
            }
            Event::Overlaid(change) => format!("overlaid {}", change.keys().join(",")),
            Event::RolledBack(change) => format!("rolled back to {}", change.version()),
            Event::Refused(error) => format!("refused {}", error.first().unwrap().kind()),
            Event::Stale { source, error, .. } => format!("stale {source} {error}"),
            Event::Recovered { source, .. } => format!("recovered {source}"),
            Event::Failed { source, kind, .. } => format!("failed {source} {kind}"),
            _ => "?".to_owned(),
        };
        writer.lock().unwrap().push(line);
    });
    (seen, subscription)
}

fn take(seen: &Mutex<Vec<String>>) -> Vec<String> {
    std::mem::take(&mut seen.lock().unwrap())
}

#[test]
fn before_a_document_defaults_hold() {
    static F: FlagKey<bool> = FlagKey::new("f", &true);
    let flags = Flags::builder().build();
    assert!(flags.get(&F, &()));
    let resolution = flags.resolve("f", &());
    assert_eq!(
        (resolution.reason(), resolution.version()),
        (Reason::Error, "")
    );
    assert_eq!(
        resolution.error_code().unwrap().as_str(),
        "PROVIDER_NOT_READY"
    );
    assert_eq!(flags.status().state(), State::Failed);
}

#[test]
fn a_good_document_goes_live_and_a_bad_one_changes_nothing() {
    let flags = Flags::builder().build();
    let (seen, _subscription) = events(&flags);
    let load = |text: &str| flags.load(text, &file());

    assert!(load(&document(1, 5)).unwrap().is_new());
    assert!(!load(&document(1, 5)).unwrap().is_new());
    assert_eq!(take(&seen), ["loaded 1 f,g"]);

    for _ in 0..3 {
        assert!(load("{").is_err());
    }
    assert_eq!(take(&seen), ["refused syntax"], "one refusal is told once");
    let status = flags.status();
    assert_eq!((status.state(), status.version()), (State::Stale, "1"));
    assert!(
        status
            .error()
            .unwrap()
            .starts_with("flags.json:1:2: error: "),
        "{:?}",
        status.error()
    );

    load(&document(1, 5)).unwrap();
    assert_eq!(take(&seen), ["recovered flags.json"]);
    assert_eq!(flags.status().state(), State::Ready);
    assert!(load("[]").is_err());
    assert_eq!(load(&document(2, 25)).unwrap().keys().len(), 1);
    assert_eq!(take(&seen), ["refused wrong-type", "loaded 2 f"]);

    flags.source_failed(&file(), "not-found", "it is gone");
    flags.source_failed(&file(), "not-found", "it is gone");
    load(&document(3, 25)).unwrap();
    assert_eq!(
        take(&seen),
        [
            "failed flags.json not-found",
            "stale flags.json it is gone",
            "failed flags.json not-found",
            "recovered flags.json",
            "loaded 3 "
        ]
    );
}

#[test]
fn a_source_may_fail_for_a_while_before_what_is_live_is_stale() {
    let (flags, network) = (
        Flags::builder().build(),
        Source::new("http://flags").network(),
    );
    flags.load(document(1, 5), &network).unwrap();
    let (seen, _subscription) = events(&flags);
    let source = || flags.status().sources()[0].clone();

    flags.source_retrying(&network, "timeout", "it took too long");
    assert_eq!(flags.status().state(), State::Ready);
    assert_eq!(
        (source().error(), source().is_stale()),
        (Some("it took too long"), false)
    );
    flags.source_failed(&network, "timeout", "it took too long");
    assert_eq!(flags.status().state(), State::Stale);
    flags.source_retrying(&network, "unreachable", "connection refused");
    assert!(source().is_stale(), "it was, and nothing mended it");
    flags.source_unchanged(&network);
    assert_eq!(flags.status().state(), State::Ready);
    assert_eq!((source().error(), source().is_stale()), (None, false));
    assert_eq!(
        take(&seen),
        [
            "failed http://flags timeout",
            "failed http://flags timeout",
            "stale http://flags it took too long",
            "failed http://flags unreachable",
            "recovered http://flags",
        ]
    );
}

#[test]
fn status_says_where_the_live_document_came_from_and_when_it_was_confirmed() {
    let clock = Arc::new(ManualClock::at("2026-12-01T09:00:00Z").unwrap());
    let flags = Flags::builder().clock(Arc::clone(&clock)).build();
    assert_eq!(
        (flags.status().source(), flags.status().flag_count()),
        (None, 0)
    );
    flags
        .load(document(7, 5), &Source::new("bootstrap").bootstrap())
        .unwrap();
    let network = Source::new("http://flags").network();
    flags.source_failed(&network, "unreachable", "connection refused");
    let status = flags.status();
    assert_eq!(
        (status.source(), status.flag_count()),
        (Some("bootstrap"), 2)
    );
    assert_eq!(status.sources()[1].checked_at(), None);

    clock.advance(Duration::from_secs(60));
    flags.load(document(5, 5), &network).unwrap();
    clock.advance(Duration::from_secs(60));
    flags.source_unchanged(&network);
    let status = flags.status();
    assert_eq!(status.source(), Some("http://flags"));
    assert_eq!(status.age(), Some(Duration::from_secs(60)));
    assert_eq!(
        status.sources()[1].checked_at(),
        Timestamp::parse("2026-12-01T09:02:00Z")
    );
}

#[test]
fn a_network_source_loses_no_flags_unless_that_is_allowed() {
    let network = Source::new("http://flags").network().quarantine();
    let flags = Flags::builder().build();
    flags.load("{}", &network).unwrap();
    flags.load(document(1, 5), &network).unwrap();
    for empty in ["{}", r#"{ "flags": {} }"#] {
        let error = flags.load(empty, &network).unwrap_err();
        assert_eq!(error.first().unwrap().kind().as_str(), "empty-document");
        assert_eq!(flags.status().version(), "1");
    }
    flags.load("{}", &network.allow_empty()).unwrap();
    flags.load(document(2, 5), &file()).unwrap();
    flags.load("{}", &file()).unwrap();
}

#[test]
fn an_overlay_of_a_network_source_never_goes_back() {
    let network = Source::new("http://overlay").network();
    let flags = loaded(&document(1, 5));
    let kill = r#"{ "version": 7, "flags": { "f": { "killed": true } } }"#;
    flags.load_overlay(kill, &network).unwrap();
    for older in [r#"{ "version": 6, "flags": {} }"#, "{}"] {
        let error = flags.load_overlay(older, &network).unwrap_err();
        let first = error.first().unwrap();
        assert_eq!(
            (first.kind().as_str(), first.path()),
            ("revision", "version")
        );
        assert_eq!(flags.status().overlay_version(), 7);
        assert_eq!(flags.status().state(), State::Stale);
    }
    flags.load_overlay(kill, &network).unwrap();
    assert_eq!(flags.status().state(), State::Ready);
    flags
        .load_overlay("{}", &network.clone().allow_downgrade())
        .unwrap();
    flags.load_overlay(kill, &network).unwrap();
    flags.load_overlay("{}", &file()).unwrap();
    assert_eq!(
        flags.status().overlay_version(),
        0,
        "a file is edited by people"
    );
}

#[test]
fn what_goes_live_together_is_told_of_each_source() {
    let flags = Flags::builder().build();
    let told = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&told);
    let _subscription = flags.subscribe(move |event| {
        let line = match event {
            Event::Loaded(change) => format!("loaded {}", change.source()),
            Event::Overlaid(change) => {
                format!("overlaid {} {}", change.source(), change.overlay_version())
            }
            other => format!("{other:?}"),
        };
        note.lock().unwrap().push(line);
    });
    let overlay = r#"{ "version": 3, "flags": { "f": { "killed": true } } }"#;
    let both = Delivery::new(document(1, 5)).overlay("kills.json", overlay);
    flags.load(both, &file()).unwrap();
    let overlay = overlay.replace('3', "4");
    let one = Delivery::new(document(1, 5)).overlay("kills.json", overlay);
    flags.load(one, &file()).unwrap();
    assert_eq!(
        *told.lock().unwrap(),
        [
            "loaded flags.json",
            "overlaid kills.json 3",
            "overlaid kills.json 4"
        ]
    );
}

#[test]
fn the_end_of_a_roll_back_is_told() {
    let flags = loaded(&document(1, 5));
    flags.load(document(2, 5), &file()).unwrap();
    let (seen, _subscription) = events(&flags);
    flags.rollback().unwrap();
    assert_eq!(flags.status().state(), State::RolledBack);
    flags.load(document(1, 5), &file()).unwrap();
    assert_eq!(flags.status().state(), State::Ready);
    assert_eq!(take(&seen), ["rolled back to 1", "recovered flags.json"]);
}

#[test]
fn a_misspelt_field_is_named_before_the_one_that_it_leaves_missing() {
    let text = r#"{ "flags": { "f": { "rules": [ { "sarve": "on" } ] } } }"#;
    let error = Flags::builder().build().load(text, &file()).unwrap_err();
    assert_eq!(error.diagnostics().len(), 2);
    assert_eq!(error.first().unwrap().help(), Some("did you mean `serve`?"));
}

#[test]
fn a_revision_that_falls_is_a_warning_for_a_file_and_a_refusal_for_a_network() {
    let flags = loaded(&document(5, 5));
    let error = flags
        .load(document(4, 5), &Source::new("http://flags").network())
        .unwrap_err();
    assert_eq!(error.first().unwrap().path(), "revision");
    assert_eq!(flags.status().version(), "5");
    let loaded = flags.load(document(4, 5), &file()).unwrap();
    assert_eq!(loaded.warnings()[0].kind().as_str(), "revision");
    assert_eq!(flags.status().version(), "4");
    let downgrading = Source::new("http://flags").network().allow_downgrade();
    flags.load(document(3, 5), &downgrading).unwrap();
    assert_eq!(flags.status().version(), "3");
}

#[test]
fn changed_keys_follow_what_a_flag_depends_on() {
    let text = |country: &str, percent: u32, ids: &str| {
        format!(
            r#"{{ "segments": {{ "s": {{ "if": {{ "attribute": "c", "is": "{country}" }} }} }},
                 "lists": {{ "l": {{ "file": "{ids}" }} }},
                 "flags": {{ "by-segment": {{ "rules": [ {{ "if": {{ "segment": "s" }}, "serve": "on" }} ] }},
                             "by-list": {{ "rules": [ {{ "if": {{ "attribute": "u", "in_list": "l" }}, "serve": "on" }} ] }},
                             "base": {{ "rules": [ {{ "percent": {percent}, "serve": "on" }} ] }},
                             "above": {{ "rules": [ {{ "if": {{ "flag": "base", "is": "on" }}, "serve": "on" }} ] }},
                             "alone": true }} }}"#
        )
    };
    let deliver =
        |text: String, ids: &str| Delivery::new(text).list("ids.txt", Ok(ids.as_bytes().to_vec()));
    let flags = Flags::builder().build();
    let keys = |delivery: Delivery| flags.load(delivery, &file()).unwrap().keys().join(" ");
    assert_eq!(
        keys(deliver(text("NL", 5, "ids.txt"), "a")),
        "by-segment by-list base above alone"
    );
    assert_eq!(keys(deliver(text("BE", 5, "ids.txt"), "a")), "by-segment");
    assert_eq!(keys(deliver(text("BE", 6, "ids.txt"), "a")), "base above");
    assert_eq!(keys(deliver(text("BE", 6, "ids.txt"), "b")), "by-list");
    assert_eq!(keys(deliver(text("BE", 6, "ids.txt"), "b")), "");
    assert_eq!(
        keys(deliver(r#"{ "flags": { "alone": true } }"#.into(), "b")),
        "by-segment by-list base above"
    );
}

#[test]
fn a_scope_keeps_its_ruleset_and_its_first_answers() {
    struct Moody(Cell<bool>);
    impl Attributes for Moody {
        fn get(&self, _: AttributeName<'_>) -> Option<ValueRef<'_>> {
            self.0.set(!self.0.get());
            Some(ValueRef::Bool(self.0.get()))
        }
    }
    let rule = r#""rules": [ { "if": { "attribute": "a", "is": true }, "serve": "on" } ]"#;
    let flags = loaded(&format!(r#"{{ "flags": {{ "f": {{ {rule} }} }} }}"#));
    let scope = flags.scope(Moody(Cell::new(false)));
    for _ in 0..3 {
        assert_eq!(scope.resolve("f").variant(), Some("on"));
    }
    let version = scope.version().to_owned();
    flags.load(r#"{ "flags": {} }"#, &file()).unwrap();
    flags.apply(Overlay::new().kill("f"));
    assert_eq!(
        (scope.resolve("f").variant(), scope.version()),
        (Some("on"), &*version)
    );
    assert_eq!(
        flags.resolve("f", &()).error_code().unwrap().as_str(),
        "FLAG_NOT_FOUND"
    );
}

#[test]
fn a_scope_tells_what_was_asked_for() {
    let flags = loaded(
        r#"{ "flags": { "base": true, "f": { "rules": [ { "if": { "flag": "base", "is": "on" }, "serve": "on" } ] },
                        "none": { "enabled": false }, "unread": true } }"#,
    );
    let scope = flags.scope(());
    let _ = (
        scope.resolve("none"),
        scope.resolve("f"),
        scope.resolve("missing"),
    );
    assert_eq!(
        scope.asked().collect::<Vec<_>>(),
        [("f", Some("on")), ("none", None)]
    );
}

/// A scope has room for 24 words of its own, one a flag and one for each 32 segments, and allocates more: on either side
/// of that it remembers and tells the same.
#[test]
fn a_scope_remembers_alike_at_any_number_of_flags() {
    /// Counts how often it is asked.
    struct Counting(Context, Cell<usize>);
    impl Attributes for Counting {
        fn get(&self, name: AttributeName<'_>) -> Option<ValueRef<'_>> {
            self.1.set(self.1.get() + 1);
            self.0.get(name)
        }
    }
    let context = Context::new("user-1").with("plan", "pro");
    let counts = (22..=25).flat_map(|count| [0, 1, 32, 33].map(|segments| (count, segments)));
    for (count, segments) in counts {
        let flag = |at: usize| match at % 5 {
            0 => "true".to_owned(),
            1 => r#"{ "rules": [ { "percent": 50, "serve": "on" } ] }"#.to_owned(),
            2 if segments > 0 => {
                let segment = at * 7 % segments;
                format!(
                    r#"{{ "rules": [ {{ "if": {{ "segment": "s{segment}" }}, "serve": "on" }} ] }}"#
                )
            }
            2 => {
                r#"{ "rules": [ { "if": { "attribute": "plan", "is": "pro" }, "serve": "on" } ] }"#
                    .to_owned()
            }
            3 => format!(
                r#"{{ "rules": [ {{ "if": {{ "flag": "f{}", "is": "on" }}, "serve": "on" }} ] }}"#,
                at - 1
            ),
            _ => r#"{ "enabled": false }"#.to_owned(),
        };
        let segment = |at: usize| {
            let plan = ["pro", "free"][at % 2];
            format!(r#""s{at}": {{ "if": {{ "attribute": "plan", "is": "{plan}" }} }}"#)
        };
        let names: Vec<String> = (0..count).map(|at| format!("f{at}")).collect();
        let entries: Vec<String> = (0..count)
            .map(|at| format!(r#""f{at}": {}"#, flag(at)))
            .collect();
        let segments_of_it: Vec<String> = (0..segments).map(segment).collect();
        let flags = loaded(&format!(
            r#"{{ "segments": {{ {} }}, "flags": {{ {} }} }}"#,
            segments_of_it.join(", "),
            entries.join(", ")
        ));
        // The handle by itself remembers nothing from one flag to the next.
        let answers: Vec<_> = names
            .iter()
            .map(|name| flags.resolve(name, &context))
            .collect();
        let expected: Vec<_> = names
            .iter()
            .zip(&answers)
            .map(|(name, answer)| (&**name, answer.variant()))
            .collect();
        let place = format!("{count} flags, {segments} segments");
        let scope = flags.scope(Counting(context.clone(), Cell::new(0)));
        assert_eq!(scope.asked().count(), 0, "{place}");
        // From behind, every second one, of which some decide the one before them on the way.
        for name in names.iter().rev().step_by(2) {
            let _ = scope.resolve(name);
        }
        let some: Vec<_> = expected.iter().rev().step_by(2).rev().copied().collect();
        assert_eq!(scope.asked().collect::<Vec<_>>(), some, "{place}");
        let mut read = 0;
        for turn in 0..2 {
            for (name, answer) in names.iter().zip(&answers) {
                let found = scope.resolve(name);
                assert_eq!(
                    (found.variant(), found.reason(), found.rule(), found.draw()),
                    (
                        answer.variant(),
                        answer.reason(),
                        answer.rule(),
                        answer.draw()
                    ),
                    "{place}: {name}"
                );
                let key = FlagKey::new(name.clone().leak(), &true);
                assert_eq!(
                    *scope.get(&key),
                    answer.variant() != Some("off"),
                    "{place}: {name}"
                );
            }
            let attributes = scope.attributes().1.get();
            assert!(turn == 0 || attributes == read, "{place}: asked again");
            read = attributes;
            assert_eq!(scope.asked().collect::<Vec<_>>(), expected, "{place}");
        }
        assert!(read > 0 && expected.iter().any(|(_, variant)| variant.is_none()));
    }
}

#[test]
fn rolling_back_holds_until_the_source_says_something_else() {
    let flags = loaded(&document(1, 1));
    assert!(flags.rollback().is_err());
    flags.load(document(2, 2), &file()).unwrap();
    flags.load(document(3, 3), &file()).unwrap();
    flags.load(document(4, 4), &file()).unwrap();
    assert_eq!(
        flags
            .history()
            .iter()
            .map(|version| version.version().to_owned())
            .collect::<Vec<_>>(),
        ["3", "2"]
    );

    assert_eq!(flags.rollback().unwrap().version(), "3");
    assert_eq!(flags.rollback().unwrap().version(), "2");
    assert!(flags.rollback().is_err());
    let status = flags.status();
    assert_eq!(
        (status.state(), status.version(), status.rolled_back_from()),
        (State::RolledBack, "2", Some("4"))
    );
    assert!(!flags.load(document(4, 4), &file()).unwrap().is_new());
    assert!(flags.load("{", &file()).is_err());
    assert_eq!(flags.status().state(), State::RolledBack);
    flags.apply(Overlay::new().kill("g"));
    assert_eq!(
        (flags.resolve("g", &()).reason(), flags.status().version()),
        (Reason::Disabled, "2")
    );

    flags.load(document(5, 5), &file()).unwrap();
    assert_eq!(
        (flags.status().state(), flags.status().version()),
        (State::Ready, "5")
    );
    assert_eq!(
        flags.resolve("g", &()).reason(),
        Reason::Disabled,
        "the overlay stays"
    );
}

#[test]
fn an_overlay_kills_and_holds_percents() {
    let flags = loaded(&document(1, 5));
    let lucky = flags.find_unit("f", "on").unwrap();
    let context = Context::new(lucky);
    let (seen, _subscription) = events(&flags);
    flags.apply(
        Overlay::new()
            .percent("f", "ramp", "0".parse().unwrap())
            .kill("gone")
            .percent("f", "old", "1".parse().unwrap()),
    );
    assert_eq!(flags.resolve("f", &context).reason(), Reason::Default);
    let kinds: Vec<_> = flags
        .status()
        .warnings()
        .iter()
        .map(|w| format!("{} {}", w.kind(), w.path()))
        .collect();
    assert_eq!(
        kinds,
        [
            "overlay-holds flags.f.rules[0].percent",
            "overlay flags.f.rules.old",
            "overlay flags.gone"
        ]
    );
    flags.apply(Overlay::new().percent("f", "ramp", "5".parse().unwrap()));
    assert!(flags.status().warnings().is_empty());
    assert_eq!(flags.resolve("f", &context).reason(), Reason::Split);
    flags.apply(Overlay::new().kill("f"));
    assert_eq!(flags.resolve("f", &context).reason(), Reason::Disabled);
    assert_eq!(take(&seen), ["overlaid f", "overlaid f", "overlaid f"]);
}

#[test]
fn a_kill_works_beside_a_broken_document_and_a_broken_overlay_beside_a_good_one() {
    let flags = loaded(&document(1, 5));
    let kill = br#"{ "version": 3, "flags": { "g": { "killed": true, "by": "anna", "reason": "errors" } } }"#;
    assert!(
        flags
            .load(Delivery::new("{").overlay("overlay", kill), &file())
            .is_err()
    );
    assert_eq!(
        (
            flags.resolve("g", &()).reason(),
            flags.status().overlay_version()
        ),
        (Reason::Disabled, 3)
    );

    let (seen, _subscription) = events(&flags);
    let broken = br#"{ "flags": { "g": { "kiled": true } } }"#;
    let loaded = flags
        .load(
            Delivery::new(document(2, 5)).overlay("overlay", broken),
            &file(),
        )
        .unwrap();
    let error = loaded.overlay_error().unwrap();
    assert_eq!(
        error.to_string(),
        "overlay:1:21: error: at flags.g.kiled: unknown field `kiled` in an overlay's flag; help: did you mean `killed`?"
    );
    assert_eq!(
        (flags.resolve("g", &()).reason(), flags.status().version()),
        (Reason::Disabled, "2")
    );
    assert_eq!(flags.status().state(), State::Stale);
    assert_eq!(take(&seen), ["refused unknown-field", "loaded 2 "]);
}

#[test]
fn an_overlay_is_read_back_as_it_was_written() {
    let flags = loaded(&document(1, 5));
    let overlay = Overlay::new()
        .with_version(7)
        .kill("g")
        .percent("f", "ramp", "12.345678".parse().unwrap())
        .signed("g", "anna", "too slow");
    flags
        .load(
            Delivery::new(document(1, 5)).overlay("overlay", overlay.to_string()),
            &file(),
        )
        .unwrap();
    assert_eq!(*flags.snapshot().overlay(), overlay);
    assert_eq!(overlay.to_string().parse::<Overlay>().unwrap(), overlay);
    assert!("{ \"flag\": {} }".parse::<Overlay>().is_err());
}

#[test]
fn quarantine_sets_aside_what_is_broken_and_keeps_the_last_good_form() {
    let network = Source::new("http://flags").quarantine();
    let flags = Flags::builder().build();
    let text = |f: &str, segment: &str| {
        format!(
            r#"{{ "segments": {{ "s": {{ "if": {segment} }} }},
                 "flags": {{ "f": {f}, "g": true, "u": {{ "rules": [ {{ "if": {{ "segment": "s" }}, "serve": "on" }} ] }} }} }}"#
        )
    };
    let good = r#"{ "attribute": "a", "exists": false }"#;
    flags
        .load(
            text(
                r#"{ "variants": { "x": 1, "y": 2 }, "default": "y" }"#,
                good,
            ),
            &network,
        )
        .unwrap();
    flags
        .load(
            text(r#"{ "variants": { "x": 1 }, "default": "z" }"#, good),
            &network,
        )
        .unwrap();
    assert_eq!(
        (
            flags.resolve("f", &()).variant(),
            flags.resolve("g", &()).variant()
        ),
        (Some("y"), Some("on"))
    );
    assert_eq!(
        (flags.status().state(), flags.status().set_aside()),
        (State::Stale, &["f".to_owned()][..])
    );

    let loaded = flags
        .load(
            text("true", r#"{ "attribute": "a", "exsts": true }"#),
            &network,
        )
        .unwrap();
    assert_eq!(loaded.warnings()[0].path(), "segments.s.if.exsts");
    assert_eq!(
        (
            flags.resolve("f", &()).variant(),
            flags.resolve("u", &()).variant()
        ),
        (Some("on"), Some("on"))
    );
    assert_eq!(flags.status().set_aside(), ["u"]);

    assert!(
        flags.load(r#"{ "flag": {} }"#, &network).is_err(),
        "an error outside flags refuses the document"
    );
    flags.load(text("true", good), &network).unwrap();
    assert_eq!(flags.status().state(), State::Ready);
}

#[test]
fn a_kept_form_never_closes_a_circle() {
    let network = Source::new("http://flags").quarantine();
    let flags = Flags::builder().build();
    let on = |flag: &str| {
        format!(
            r#"{{ "rules": [ {{ "if": {{ "flag": "{flag}", "is": "on" }}, "serve": "on" }} ] }}"#
        )
    };
    flags
        .load(
            format!(r#"{{ "flags": {{ "a": {}, "b": true }} }}"#, on("b")),
            &network,
        )
        .unwrap();
    // `a` is broken now and would keep depending on `b`, which now depends on `a`.
    flags
        .load(
            format!(r#"{{ "flags": {{ "a": 5, "b": {} }} }}"#, on("a")),
            &network,
        )
        .unwrap();
    assert_eq!(
        flags.resolve("a", &()).error_code().unwrap().as_str(),
        "PARSE_ERROR"
    );
    assert_eq!(flags.resolve("b", &()).variant(), Some("off"));
}

#[test]
fn what_is_too_deep_is_set_aside_in_quarantine_too() {
    let nots = |inner: String| format!("{}{inner}{}", r#"{ "not": "#.repeat(56), "}".repeat(56));
    let flags: String = (1..400)
        .map(|n| {
            let prerequisite = format!(r#"{{ "flag": "f{}", "is": "on" }}"#, n - 1);
            format!(
                r#", "f{n}": {{ "rules": [ {{ "if": {}, "serve": "on" }} ] }}"#,
                nots(prerequisite)
            )
        })
        .collect();
    for circle in [
        "",
        r#", "c": { "rules": [ { "if": { "flag": "c", "is": "on" }, "serve": "on" } ] }"#,
    ] {
        let text = format!(r#"{{ "flags": {{ "f0": true{flags}{circle} }} }}"#);
        let handle = Flags::builder().build();
        handle
            .load(text, &Source::new("http://flags").quarantine())
            .unwrap();
        assert_eq!(
            handle.resolve("f399", &()).error_code().unwrap().as_str(),
            "PARSE_ERROR"
        );
        assert_eq!(handle.resolve("f1", &()).variant(), Some("on"));
        assert!(handle.status().set_aside().len() > 300);
    }
}

/// Chains in which each segment names the one before it several times, between others that push it out of any small
/// memory: 2⁶⁰ steps for an evaluation that forgets.
#[test]
fn meshes_of_references_are_evaluated_once() {
    for (leaves, length) in [(20, 60), (300, 60)] {
        let leaf = |n: usize| format!(r#""t{n}": {{ "if": {{ "attribute": "a", "is": {n} }} }}"#);
        let link = |n: usize| {
            let (before, leaf) = (
                format!(r#"{{ "segment": "s{}" }}"#, n - 1),
                format!(r#"{{ "segment": "t{}" }}"#, n * 5 % leaves),
            );
            format!(r#""s{n}": {{ "if": {{ "any": [ {before}, {leaf}, {before}, {leaf} ] }} }}"#)
        };
        let all: Vec<_> = (0..leaves).map(leaf).chain((1..length).map(link)).collect();
        let any: Vec<_> = (0..leaves)
            .map(|n| format!(r#"{{ "segment": "t{n}" }}"#))
            .collect();
        let text = format!(
            r#"{{ "segments": {{ {}, "s0": {{ "if": {{ "all": [ {} ] }} }} }},
                 "flags": {{ "f": {{ "rules": [ {{ "if": {{ "segment": "s{}" }}, "serve": "on" }} ] }} }} }}"#,
            all.join(","),
            any.join(","),
            length - 1
        );
        let flags = Flags::builder().build();
        let loaded = flags.load(text, &file()).unwrap();
        let warned = loaded
            .warnings()
            .iter()
            .any(|warning| warning.kind().as_str() == "many-references");
        assert_eq!(warned, leaves > 128);
        let context = Context::anonymous().with("a", -1);
        assert_eq!(flags.resolve("f", &context).variant(), Some("off"));
        assert_eq!(flags.scope(&context).resolve("f").variant(), Some("off"));
        assert_eq!(
            flags.explain("f", &context).resolution().variant(),
            Some("off")
        );
    }
}

/// Decoding waits until it is let go: a document that takes long to compile.
#[derive(Debug)]
struct Slow;

static LET_GO: std::sync::Barrier = std::sync::Barrier::new(2);

impl<'de> serde::Deserialize<'de> for Slow {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        LET_GO.wait();
        LET_GO.wait();
        bool::deserialize(deserializer).map(|_| Self)
    }
}

impl fader::Decoded for Slow {}

#[test]
fn a_kill_does_not_wait_for_a_document_that_is_being_compiled() {
    static SLOW: FlagKey<Slow> = FlagKey::new("slow", &Slow);
    let flags = Flags::builder().decode(&SLOW).build();
    flags.load(document(1, 5), &file()).unwrap();
    std::thread::scope(|threads| {
        let text = r#"{ "revision": 2, "flags": { "g": true, "slow": { "variants": { "v": true }, "default": "v" } } }"#;
        let flags = &flags;
        let loading = threads.spawn(move || flags.load(text, &file()).unwrap());
        LET_GO.wait();
        flags.apply(Overlay::new().kill("g"));
        assert_eq!(
            (flags.resolve("g", &()).reason(), flags.status().version()),
            (Reason::Disabled, "1")
        );
        LET_GO.wait();
        loading.join().unwrap();
    });
    assert_eq!(
        (flags.resolve("g", &()).reason(), flags.status().version()),
        (Reason::Disabled, "2")
    );
}

#[test]
fn a_kept_form_that_is_too_deep_takes_no_other_with_it() {
    let network = Source::new("http://flags").quarantine();
    let flags = Flags::builder().build();
    let segments = |length: usize| {
        let chain =
            (1..length).map(|n| format!(r#", "s{n}": {{ "if": {{ "segment": "s{}" }} }}"#, n - 1));
        format!(
            r#""s0": {{ "if": {{ "attribute": "a", "exists": false }} }}{}"#,
            chain.collect::<String>()
        )
    };
    let text = |segments: &str, deep: &str, other: &str| {
        format!(
            r#"{{ "segments": {{ {segments} }}, "flags": {{ "deep": {deep}, "other": {other} }} }}"#
        )
    };
    let deep =
        r#"{ "rules": [ { "if": { "not": { "not": { "segment": "top" } } }, "serve": "on" } ] }"#;
    let short = format!(
        r#"{}, "top": {{ "if": {{ "segment": "s0" }} }}"#,
        segments(1)
    );
    flags.load(text(&short, deep, "true"), &network).unwrap();
    let long = format!(
        r#"{}, "top": {{ "if": {{ "segment": "s253" }} }}"#,
        segments(254)
    );
    flags.load(text(&long, "5", "5"), &network).unwrap();
    assert_eq!(flags.resolve("other", &()).variant(), Some("on"));
    assert_eq!(
        flags.resolve("deep", &()).error_code().unwrap().as_str(),
        "PARSE_ERROR"
    );
}

#[test]
fn deep_and_wide_references_cost_neither_the_stack_nor_the_day() {
    let chain = |length: usize| {
        let segments: Vec<_> = (1..length)
            .map(|n| format!(r#""s{n}": {{ "if": {{ "all": [ {{ "segment": "s{}" }}, {{ "not": {{ "not": {{ "segment": "s{}" }} }} }} ] }} }}"#, n - 1, n - 1))
            .collect();
        format!(
            r#"{{ "segments": {{ "s0": {{ "if": {{ "attribute": "a", "is": 1 }} }}, {} }},
                 "flags": {{ "f": {{ "rules": [ {{ "if": {{ "segment": "s{}" }}, "serve": "on" }} ] }} }} }}"#,
            segments.join(", "),
            length - 1
        )
    };
    let flags = loaded(&chain(100));
    let context = Context::anonymous().with("a", 1);
    assert_eq!(flags.resolve("f", &context).variant(), Some("on"));
    assert_eq!(flags.scope(&context).resolve("f").variant(), Some("on"));
    assert!(flags.explain("f", &context).to_string().len() < 1_000_000);
    let error = Flags::builder()
        .build()
        .load(chain(100_000), &file())
        .unwrap_err();
    assert_eq!(error.first().unwrap().kind().as_str(), "too-deep");
}

#[test]
fn thousands_of_mistakes_in_one_line_are_all_told() {
    let rules: Vec<_> = (0..20_000)
        .map(|n| format!(r#"{{ "serve": "oops{n}", "name": "r{n}" }}"#))
        .collect();
    let flags: Vec<_> = (0..20_000)
        .map(|n| {
            format!(
                r#""f{n}": {{ "rules": [ {{ "if": {{ "segment": "s{n}" }}, "serve": "on" }} ] }}"#
            )
        })
        .collect();
    let text = format!(
        r#"{{ "flags": {{ "f": {{ "rules": [{}] }}, {} }} }}"#,
        rules.join(","),
        flags.join(",")
    );
    let error = Flags::builder().build().load(&*text, &file()).unwrap_err();
    assert_eq!(error.diagnostics().len(), 40_000);
    let last = error.diagnostics().last().unwrap();
    let column = text.find(r#""s19999""#).unwrap() + 1;
    assert_eq!(
        (last.path(), last.column() as usize),
        ("flags.f19999.rules[0].if.segment", column)
    );
}

#[test]
fn time_never_falls_for_a_handle() {
    let clock = Arc::new(ManualClock::at("2026-12-01T12:00:00Z").unwrap());
    let flags = Flags::builder().clock(Arc::clone(&clock)).build();
    let document = r#"{ "flags": { "f": { "rules": [ { "if": { "time": { "from": "2026-12-01T12:00:00Z" } }, "serve": "on" } ] } } }"#;
    flags.load(document, &file()).unwrap();
    assert_eq!(flags.resolve("f", &()).variant(), Some("on"));
    clock.set(Timestamp::parse("2026-12-01T11:00:00Z").unwrap());
    assert_eq!(flags.resolve("f", &()).variant(), Some("on"));
    let earlier = Timestamp::parse("2026-12-01T11:00:00Z").unwrap();
    assert_eq!(
        flags.scope_at((), earlier).resolve("f").variant(),
        Some("off"),
        "a time that is asked for is not clamped"
    );
    clock.set(Timestamp::parse("2026-12-01T13:00:00Z").unwrap());
    assert_eq!(flags.status().age(), Some(Duration::from_secs(3_600)));
}

#[test]
fn ambient_attributes_are_constants_of_the_process() {
    let flags = Flags::builder()
        .ambient("env", "prod")
        .ambient("host", "h1")
        .build();
    let document = r#"{ "flags": {
        "f": { "rules": [ { "if": [ { "attribute": "env", "is": "prod" }, { "attribute": "country", "is": "NL" } ], "serve": "on" } ] },
        "by-host": { "by": "host", "rules": [ { "percent": 50, "serve": "on" } ] },
        "elsewhere": { "rules": [ { "if": { "attribute": "env", "is": "test" }, "serve": "on" } ] } } }"#;
    flags.load(document, &file()).unwrap();
    let context = Context::new("u").with("country", "NL").with("env", "test");
    assert_eq!(flags.resolve("f", &context).variant(), Some("on"));
    assert_eq!(flags.resolve("elsewhere", &context).variant(), Some("off"));
    assert!(flags.resolve("by-host", &()).draw().is_some());
    assert_eq!(
        flags
            .snapshot()
            .wanted()
            .iter()
            .map(|name| name.as_str().to_owned())
            .collect::<Vec<_>>(),
        ["country"]
    );
}

fader::variants! {
    /// How results are ranked.
    enum Ranker { Old = "old", HybridA = "a" }
}

fader::flags! {
    SearchRanker: Ranker = "ranker", default Ranker::Old;
    Greeting: str = "greeting", default "hi";
    PoolSize: i64 = "pool", default 4;
    Gone: bool = "gone", default true;
    Ratio: f64 = "ratio", default 0.5;
    Odd: bool = "greeting", default false;
}

#[test]
fn keys_of_every_type_read_their_flags() {
    let flags = loaded(
        r#"{ "flags": { "ranker": { "variants": { "old": "bm25", "a": "hybrid" }, "default": "a" },
            "greeting": { "variants": { "short": "hey" }, "default": "short" }, "extra": true,
            "pool": { "variants": { "small": 2.0 }, "default": "small" }, "ratio": { "variants": { "r": 1 }, "default": "r" } } }"#,
    );
    let scope = flags.scope(());
    assert_eq!(flags.get(&SEARCH_RANKER, &()), Ranker::HybridA);
    assert_eq!(scope.get(&GREETING), "hey");
    assert_eq!(
        (
            flags.get(&POOL_SIZE, &()),
            flags.get(&RATIO, &()),
            flags.get(&GONE, &())
        ),
        (2, 1.0, true)
    );
    assert!(
        !flags.get(&ODD, &()),
        "another type answers with the default"
    );
    assert_eq!(flags.with(&GREETING, &(), str::len), 3);

    let report = flags.check_keys([
        &SEARCH_RANKER as &dyn fader::Key,
        &GREETING,
        &POOL_SIZE,
        &GONE,
        &RATIO,
    ]);
    assert_eq!(
        report.to_string(),
        "the document lacks gone; no code names extra"
    );
    assert_eq!(flags.missing_keys(), ["gone"]);
    assert_eq!(
        flags.check_keys([&ODD as &dyn fader::Key]).mismatched(),
        Vec::<&str>::new(),
        "a name is checked once"
    );
    let other = flags.clone();
    other
        .load(r#"{ "flags": { "gone": "x" } }"#, &file())
        .unwrap_err();
    other
        .load(r#"{ "flags": { "gone": true } }"#, &file())
        .unwrap();
    assert_eq!(
        flags.missing_keys(),
        ["ranker", "greeting", "pool", "ratio"]
    );
}

#[test]
fn one_key_serves_several_handles() {
    static F: FlagKey<bool> = FlagKey::new("f", &false);
    let (a, b) = (
        Flags::fixed([("f", true)]),
        Flags::fixed([("x", true), ("f", false)]),
    );
    for _ in 0..3 {
        assert!(a.get(&F, &()) && !b.get(&F, &()));
    }
    a.load(r#"{ "flags": { "z": true, "y": true } }"#, &file())
        .unwrap();
    assert!(!a.get(&F, &()));
    a.load(r#"{ "flags": { "z": false, "f": true } }"#, &file())
        .unwrap();
    assert!(a.get(&F, &()));
}

#[test]
fn overrides_force_values_without_touching_others() {
    let flags = loaded(
        r#"{ "flags": { "ranker": { "variants": { "old": 1, "a": 2 }, "default": "old" }, "gone": false } }"#,
    );
    let forced = flags
        .overridden([(&SEARCH_RANKER, Ranker::HybridA)])
        .overridden([(&GREETING, "forced".to_owned())]);
    assert_eq!(
        (
            forced.get(&SEARCH_RANKER, &()),
            flags.get(&SEARCH_RANKER, &())
        ),
        (Ranker::HybridA, Ranker::Old)
    );
    assert_eq!(forced.scope(()).get(&GREETING), "forced");
    let resolution = forced.resolve("ranker", &());
    assert_eq!(
        (resolution.reason(), resolution.variant()),
        (Reason::Forced, Some("a"))
    );
    let fixed = Flags::fixed([("ranker", "a"), ("greeting", "hey")]);
    assert_eq!(
        (
            fixed.get(&SEARCH_RANKER, &()),
            fixed.scope(()).get(&GREETING)
        ),
        (Ranker::HybridA, "hey")
    );
    let scope = forced.scope(());
    let _ = scope.get(&SEARCH_RANKER);
    assert_eq!(scope.asked().collect::<Vec<_>>(), [("ranker", Some("a"))]);
    assert_eq!(scope.resolve("ranker").value(), Some(&2.into()));
    let scope = flags.scope(()).overridden([(&GONE, true)]);
    assert!(*scope.get(&GONE) && scope.resolve("gone").reason() == Reason::Forced);
    assert!(
        forced
            .explain("greeting", &())
            .to_string()
            .contains("FORCED")
    );
}

#[test]
fn what_is_attached_goes_with_the_last_handle() {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let flags = Flags::fixed([("f", true)]);
    flags.attach(sender);
    let (clone, weak, scope) = (flags.clone(), flags.downgrade(), flags.scope(()));
    drop(flags);
    assert!(
        weak.upgrade().is_some()
            && receiver.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty)
    );
    drop(clone);
    assert!(
        weak.upgrade().is_none()
            && receiver.try_recv() == Err(std::sync::mpsc::TryRecvError::Disconnected)
    );
    assert_eq!(
        scope.resolve("f").variant(),
        Some("on"),
        "a scope outlives its handle"
    );
}

#[test]
fn a_subscriber_may_load_in_turn() {
    let flags = loaded(&document(1, 1));
    let (seen, _first) = events(&flags);
    let weak = flags.downgrade();
    let _second = flags.subscribe(move |event| {
        if let (Event::Loaded(change), Some(flags)) = (event, weak.upgrade())
            && change.version() == "2"
        {
            flags.load(document(3, 3), &file()).unwrap();
        }
    });
    flags.load(document(2, 2), &file()).unwrap();
    assert_eq!(take(&seen), ["loaded 2 f", "loaded 3 f"]);
}

#[test]
fn a_subscriber_that_panics_takes_nothing_from_others() {
    let flags = loaded(&document(1, 1));
    let _broken = flags.subscribe(|_| panic!("a subscriber's own mistake"));
    let (seen, _second) = events(&flags);
    flags.load(document(2, 2), &file()).unwrap();
    flags.load(document(3, 3), &file()).unwrap();
    assert_eq!(take(&seen), ["loaded 2 f", "loaded 3 f"]);
}

#[test]
fn a_source_that_is_taken_in_part_tells_of_its_outages() {
    let network = Source::new("http://flags").quarantine();
    let flags = Flags::builder().build();
    let (seen, _subscription) = events(&flags);
    let partly = r#"{ "flags": { "f": 5, "g": true } }"#;
    flags.load(partly, &network).unwrap();
    for _ in 0..2 {
        flags.source_failed(&network, "unreachable", "connection refused");
        flags.load(partly, &network).unwrap();
    }
    assert!(
        flags
            .status()
            .error()
            .unwrap()
            .starts_with("set aside: f; "),
        "{:?}",
        flags.status().error()
    );
    let outage = [
        "failed http://flags unreachable",
        "stale http://flags connection refused",
        "recovered http://flags",
    ];
    assert_eq!(take(&seen)[1..], [outage, outage].concat());
    flags.source_failed(&network, "unreachable", "connection refused");
    flags.source_unchanged(&network);
    assert_eq!(flags.status().state(), State::Stale);
    assert!(flags.status().error().unwrap().starts_with("set aside"));
    let strict = Source::new("http://flags");
    assert!(
        flags.load(partly, &strict).is_err(),
        "a strict source refuses what another took in part"
    );
}

/// Alive for as long as the ruleset that it was decoded for.
#[derive(Debug)]
struct Counted(u32);

static ALIVE: std::sync::atomic::AtomicI32 = std::sync::atomic::AtomicI32::new(0);

impl<'de> serde::Deserialize<'de> for Counted {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ALIVE.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        u32::deserialize(deserializer).map(Counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
    }
}

impl fader::Decoded for Counted {}

#[test]
fn what_was_replaced_is_freed_by_the_writer_and_unchanged_flags_are_shared() {
    static DEFAULT: Counted = Counted(0);
    static COUNTED: FlagKey<Counted> = FlagKey::new("counted", &DEFAULT);
    let alive = || ALIVE.load(std::sync::atomic::Ordering::SeqCst);
    let flags = Flags::builder().decode(&COUNTED).history(1).build();
    let text = |value: u32, other: u32| {
        format!(
            r#"{{ "flags": {{ "counted": {{ "variants": {{ "v": {value} }}, "default": "v" }},
                              "other": {{ "variants": {{ "v": {other} }}, "default": "v" }} }} }}"#
        )
    };
    for round in 1..=20 {
        flags.load(text(round, 0), &file()).unwrap();
        if round % 2 == 0 {
            flags.rollback().unwrap();
        }
    }
    assert!(alive() <= 3, "{} alive", alive());

    flags.load(text(99, 0), &file()).unwrap();
    let scope = flags.scope(());
    for other in 1..=5 {
        flags.load(text(99, other), &file()).unwrap();
    }
    assert_eq!(
        (alive(), scope.get(&COUNTED).0),
        (1, 99),
        "one form serves every ruleset"
    );
    for round in 100..105 {
        flags.load(text(round, 0), &file()).unwrap();
    }
    assert_eq!(
        alive(),
        3,
        "the live one, one of the history, one that a scope holds"
    );
    drop(scope);
    assert_eq!(alive(), 3, "a request frees no ruleset");
    flags.reclaim();
    assert_eq!(alive(), 2);
}

#[test]
fn refused_names_leave_no_trace() {
    let flags = loaded(&document(1, 1));
    for typo in 0..1_000 {
        flags
            .load(
                format!(r#"{{ "flags": {{ "typo{typo}": {{ "oops": 1 }} }} }}"#),
                &file(),
            )
            .unwrap_err();
    }
    let scope = format!("{:?}", flags.scope(()));
    assert!(scope.contains("flags: 2"), "{scope}");
    assert_eq!(flags.load(document(2, 1), &file()).unwrap().keys().len(), 0);
}

#[test]
fn readers_see_one_ruleset_while_others_load() {
    let flags = loaded(&document(1, 1));
    let until = std::time::Instant::now() + Duration::from_millis(500);
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                let (mut last, context) = (0, Context::new("u"));
                while std::time::Instant::now() < until {
                    let scope = flags.scope(&context);
                    let version: u32 = scope.version().parse().unwrap();
                    assert!(
                        version >= last
                            && scope.resolve("f").version() == scope.resolve("g").version()
                    );
                    last = version;
                }
            });
        }
        for version in 2.. {
            if std::time::Instant::now() >= until {
                break;
            }
            flags
                .load(document(version, version % 100), &file())
                .unwrap();
        }
    });
    flags.reclaim();
}

#[test]
fn an_override_holds_in_a_scope_older_than_the_flag() {
    static LATE: FlagKey<bool> = FlagKey::new("late", &false);
    let flags = Flags::builder().build();
    let old = flags.snapshot();
    flags
        .load(r#"{ "flags": { "late": true } }"#, &file())
        .unwrap();
    // The key knows the flag's number now; the old snapshot does not.
    assert!(flags.get(&LATE, &()));
    assert!(!*old.scope(()).get(&LATE));
    let scope = old.into_scope(()).overridden([(&LATE, true)]);
    assert!(*scope.get(&LATE));
    assert_eq!(scope.resolve("late").reason(), fader::Reason::Forced);
}

#[test]
fn a_kill_announces_the_flags_that_depend_on_it() {
    let flags = loaded(
        r#"{ "segments": { "s": { "if": { "flag": "a", "is": "on" } } },
             "flags": { "a": true, "other": true,
                "b": { "rules": [ { "if": { "flag": "a", "is": "on" }, "serve": "on" } ] },
                "c": { "rules": [ { "if": { "segment": "s" }, "serve": "on" } ] },
                "d": { "rules": [ { "if": { "flag": "c", "is": "on" }, "serve": "on" } ] } } }"#,
    );
    let keys = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&keys);
    let _subscription = flags.subscribe(move |event| {
        if let fader::Event::Overlaid(change) = event {
            let names: Vec<String> = change.keys().iter().map(ToString::to_string).collect();
            told.lock().unwrap().push(names);
        }
    });
    flags.apply(Overlay::new().kill("a"));
    flags.apply(Overlay::new().kill("a").kill("other"));
    flags.apply(Overlay::new());
    assert_eq!(
        *keys.lock().unwrap(),
        [
            vec!["a", "b", "c", "d"],
            vec!["other"],
            vec!["a", "other", "b", "c", "d"]
        ]
    );
}

/// Whatever an overlay says, a ramp enrols no more than its controller lets it.
#[test]
fn a_limit_holds_whatever_the_overlay_says() {
    let flags = Flags::builder().build();
    let ramp = r#"{ "flags": { "f": { "rules": [ { "name": "ramp", "serve": "on", "ramp": {
        "start": "2026-12-01T09:00:00Z", "stages": [ { "percent": 50, "bake": "1h" } ], "guardrails": [] } } ] } } }"#;
    flags.load(ramp, &Source::new("test")).unwrap();
    let everybody = Overlay::new().percent("f", "ramp", Percent::HUNDRED);
    let is_on = || flags.resolve("f", &Context::new("user")).variant() == Some("on");
    let limit = |percent| RampLimit {
        flag: "f".to_owned(),
        rule: "ramp".to_owned(),
        percent,
        waves: 0,
    };
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&told);
    let _subscription = flags.subscribe(move |event| {
        if let Event::Overlaid(change) = event {
            sink.lock().unwrap().push(change.keys().len());
        }
    });
    let control = flags.control_ramps();
    flags.apply(everybody.clone());
    assert!(is_on());
    control.limit([limit(Percent::ZERO)]);
    assert!(!is_on());
    flags.apply(everybody.with_version(2));
    assert!(!is_on(), "a later overlay raises nothing either");
    flags
        .load(format!("{ramp} "), &Source::new("test"))
        .unwrap();
    assert!(!is_on(), "nor does another document");
    control.limit([limit(Percent::HUNDRED)]);
    assert!(is_on());
    control.limit([]);
    assert!(!is_on(), "one that is not named enrols nobody");
    assert_eq!(*told.lock().unwrap(), [1, 1, 1, 0, 1, 1]);
    drop(control);
    assert!(!is_on(), "without a controller it enrols nobody");
}
