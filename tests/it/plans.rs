//! Plans of staged ramps: what of a document a controller is given, and what counts as a change of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fader::plan::{
    Count, FactTest, Freeze, Guardrail, Limit, Metric, OnBreach, Plan, Reached, Requirement, Stage,
    Window,
};
use fader::{
    Context, DrawnFlag, Ending, Flags, ManualClock, Outcome, OutcomeSink, Overlay, Percent, Source,
    Timestamp, Watch,
};

fn loaded(document: &str) -> Flags {
    let flags = Flags::builder()
        .clock(ManualClock::at("2026-12-01T00:00:00Z").unwrap())
        .build();
    load(&flags, document);
    flags
}

fn load(flags: &Flags, document: &str) {
    let loaded = flags.load(document, &Source::new("flags.json").quarantine());
    loaded.unwrap_or_else(|error| panic!("{document}: {error}"));
}

fn plan_of(flags: &Flags, flag: &str) -> Option<Arc<Plan>> {
    let snapshot = flags.snapshot();
    let found = snapshot.plans().find(|ramp| ramp.flag == flag);
    found.map(|ramp| Arc::clone(ramp.plan))
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

fn percent(text: &str) -> Percent {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

#[test]
fn every_field_of_a_plan_is_given_out() {
    let flags = loaded(
        r#"{ "segments": { "staff": { "if": { "attribute": "staff", "is": true } } },
        "freezes": [ { "from": "2026-12-20T00:00:00+01:00", "until": "2027-01-04T00:00:00Z", "reason": "holidays" },
                     { "from": "2026-11-01T00:00:00Z", "until": "2026-11-02T00:00:00Z" } ],
        "flags": {
          "other": { "rules": [ { "serve": "on", "ramp": { "stages": [ { "percent": 100, "bake": "1s" } ] } } ] },
          "plain": true,
          "f": { "by": "user.id", "rules": [ { "if": { "attribute": "x", "is": 1 }, "serve": "on" },
            { "name": "ramp", "serve": "on", "ramp": {
              "start": "2026-12-01T09:00:00+01:00",
              "stages": [ { "segment": "staff", "bake": "1h30m", "idle": "10m" },
                          { "sets": [ 10, 9 ], "of": "n", "width": 100, "bake": "1d" },
                          { "percent": 5.5, "bake": "30m", "approve": true, "irreversible": true } ],
              "guardrails": [ { "metric": "errors", "no_worse_than": 1.1 },
                { "metric": "client_errors", "below": 0.5, "on_breach": "notify" },
                { "metric": "latency_p999", "below": "800ms", "on_breach": "pause", "require": "safe" },
                { "metric": "latency_p50", "below": "2s" },
                { "metric": "custom:lost", "no_worse_than": 1 },
                { "metric": "gauge:queue", "below": -3, "for": "5m" } ],
              "false_alarm": 0.05, "min_units": 500, "min_bad_units": 99999999999, "count": "all-units",
              "windows": [ { "days": "sat-mon,wed", "from": "09:05", "to": "16:00", "zone": "Europe/Amsterdam" },
                           { "from": "12:00" }, {} ],
              "warmup": "10m", "shadow": "1h", "group": "checkout",
              "requires": [ { "flag": "other", "is": "completed" }, { "fact": "schema", "gte": 123 },
                { "fact": "a", "gt": 1.5 }, { "fact": "b", "lt": -1 }, { "fact": "c", "lte": 0 },
                { "fact": "d", "is": "x" }, { "fact": "e", "is": 7 }, { "fact": "f", "is": false } ] } } ] } } }"#,
    );
    let snapshot = flags.snapshot();
    let ramps: Vec<_> = snapshot.plans().collect();
    let names: Vec<_> = ramps.iter().map(|ramp| (ramp.flag, ramp.rule)).collect();
    assert_eq!(names, [("other", "rules[0]"), ("f", "ramp")]);
    assert_ne!(ramps[0].index, ramps[1].index);

    let (other, f) = (ramps[0].plan, ramps[1].plan);
    let mut expected = Plan::new(vec![Stage::new(
        Reached::Percent(Percent::HUNDRED),
        Duration::from_secs(1),
    )]);
    (expected.assignment, expected.terms) = (other.assignment, other.terms);
    assert_eq!(**other, expected, "all that is left out has its default");

    let mut first = Stage::new(Reached::Segment("staff".into()), minutes(90));
    first.idle = Some(minutes(10));
    let sets = Reached::Sets {
        sets: vec![10, 9],
        of: "n".into(),
        width: 100,
    };
    let mut last = Stage::new(Reached::Percent(percent("5.5")), minutes(30));
    (last.approve, last.irreversible) = (true, true);
    let mut expected = Plan::new(vec![first, Stage::new(sets, minutes(24 * 60)), last]);
    expected.start = Some(at("2026-12-01T08:00:00Z"));
    let mut client = Guardrail::new(Metric::ClientErrors, Limit::Below(0.5));
    client.on_breach = OnBreach::Notify;
    let limit = Limit::Faster(Duration::from_millis(800));
    let mut latency = Guardrail::new(Metric::Latency(999), limit);
    (latency.on_breach, latency.require_safe) = (OnBreach::Pause, true);
    let mut gauge = Guardrail::new(Metric::Gauge("queue".into()), Limit::Below(-3.0));
    gauge.hold = Some(minutes(5));
    let median = Limit::Faster(Duration::from_secs(2));
    expected.guardrails = vec![
        Guardrail::new(Metric::Errors, Limit::NoWorseThan(1.1)),
        client,
        latency,
        Guardrail::new(Metric::Latency(500), median),
        Guardrail::new(Metric::Custom("lost".into()), Limit::NoWorseThan(1.0)),
        gauge,
    ];
    (expected.false_alarm, expected.min_units) = (0.05, 500);
    (expected.min_bad_units, expected.count) = (u32::MAX, Count::AllUnits);
    let days = [true, false, true, false, false, true, true];
    let mut window = Window::new(days, 9 * 60 + 5, 16 * 60);
    window.zone = "Europe/Amsterdam".into();
    let afternoons = Window::new([true; 7], 12 * 60, 24 * 60);
    expected.windows = vec![window, afternoons, Window::new([true; 7], 0, 24 * 60)];
    (expected.warmup, expected.shadow) = (Some(minutes(10)), Some(minutes(60)));
    expected.group = Some("checkout".into());
    let facts = [
        ("schema", FactTest::Gte(123.0)),
        ("a", FactTest::Gt(1.5)),
        ("b", FactTest::Lt(-1.0)),
        ("c", FactTest::Lte(0.0)),
        ("d", FactTest::Is("x".into())),
        ("e", FactTest::Is(7.into())),
        ("f", FactTest::Is(false.into())),
    ];
    let facts = facts.map(|(name, test)| Requirement::Fact {
        name: name.into(),
        test,
    });
    expected.requires = [Requirement::Completed("other".into())].into();
    expected.requires.extend(facts);
    expected.by = "user.id".into();
    (expected.assignment, expected.terms) = (f.assignment, f.terms);
    assert_eq!(**f, expected);

    let mut holidays = Freeze::new(at("2026-12-19T23:00:00Z"), at("2027-01-04T00:00:00Z"));
    holidays.reason = Some("holidays".into());
    let past = Freeze::new(at("2026-11-01T00:00:00Z"), at("2026-11-02T00:00:00Z"));
    assert_eq!(snapshot.freezes(), [holidays, past]);
}

#[test]
fn days_of_a_window() {
    for (days, expected) in [
        ("mon", "1000000"),
        ("sun", "0000001"),
        ("mon-sun", "1111111"),
        ("tue-tue", "0100000"),
        ("fri-tue", "1100111"),
        ("sun-mon", "1000001"),
        ("tue-mon", "1111111"),
        ("mon,mon-tue,thu", "1101000"),
    ] {
        let ramp = format!(
            r#"{{ "stages": [ {{ "percent": 1, "bake": "1h" }} ], "windows": [ {{ "days": "{days}" }} ] }}"#
        );
        let plan = plan_of(&of_ramp(&ramp), "f").unwrap();
        let found = plan.windows[0].days.map(|day| if day { '1' } else { '0' });
        assert_eq!(found.iter().collect::<String>(), expected, "{days}");
    }
}

fn of_rule(rule: &str) -> Flags {
    loaded(&format!(
        r#"{{ "segments": {{ "s": {{ "if": {{ "attribute": "a", "is": 1 }} }} }}, "flags": {{
            "b": {{ "rules": [ {{ "ramp": {{ "stages": [ {{ "percent": 1, "bake": "1h" }} ] }}, "serve": "on" }} ] }},
            "f": {{ "rules": [ {rule} ] }} }} }}"#
    ))
}

fn of_ramp(ramp: &str) -> Flags {
    of_rule(&format!(r#"{{ "ramp": {ramp}, "serve": "on" }}"#))
}

/// The fingerprints of a rule: of who is enrolled, and of all else.
fn fingerprints(rule: &str) -> (u64, u64) {
    let plan = plan_of(&of_rule(rule), "f").unwrap_or_else(|| panic!("no plan: {rule}"));
    (plan.assignment, plan.terms)
}

const RULE: &str = r#"{ "if": { "attribute": "x", "in": [1, 2] }, "serve": "on", "ramp": { "start": "2026-12-01T09:00:00Z",
    "stages": [ { "percent": 5, "bake": "90m" }, { "segment": "s", "bake": "1d" }, { "sets": [1], "of": "n", "width": 7, "bake": "1d" } ],
    "guardrails": [ { "metric": "errors", "no_worse_than": 1.5 }, { "metric": "gauge:q", "below": 3 } ],
    "windows": [ { "days": "mon-wed" } ], "requires": [ { "flag": "b", "is": "completed" } ] } }"#;

#[test]
fn what_is_only_written_otherwise_is_no_change_of_a_plan() {
    let usual = fingerprints(RULE);
    for (from, to) in [
        ("\n", "\n // a comment\n\n"),
        (
            r#""attribute": "x", "in": [1, 2]"#,
            r#""in": [ 1.0, 2e0, ], "attribute": "x", "x-why": true"#,
        ),
        (r#""in": [1, 2]"#, r#""x-y": {}, "in": [1, 2]"#),
        ("2026-12-01T09:00:00Z", "2026-12-01T10:00:00.000+01:00"),
        ("90m", "1h30m"),
        (
            "\"percent\": 5,",
            "\"approve\": false, \"irreversible\": false, \"percent\": 5.0,",
        ),
        ("1.5", "15e-1"),
        (
            "\"below\": 3",
            "\"below\": 3.0, \"on_breach\": \"rollback\"",
        ),
        (
            "mon-wed\"",
            "mon,tue,wed\", \"from\": \"00:00\", \"zone\": \"UTC\"",
        ),
        (
            r#""windows""#,
            r#""false_alarm": 0.01, "min_units": 200, "min_bad_units": 3, "count": "known-units", "windows""#,
        ),
        (
            r#""serve": "on""#,
            r#""serve": "\u006fn", "by": "targetingKey", "salt": "f", "name": "ramp", "description": "d""#,
        ),
    ] {
        let rule = RULE.replacen(from, to, 1);
        assert_ne!(rule, RULE, "{from}");
        assert_eq!(fingerprints(&rule), usual, "{rule}");
    }
    let text = r#"{ "if": { "attribute": "x", "is": "a" }, "serve": "on", "ramp": { "stages": [ { "percent": 5, "bake": "1h" } ] } }"#;
    for (from, to) in [
        (r#""a""#, r#""a", "ignore_case": false"#),
        (
            r#""ramp": {"#,
            r#""ramp": { "windows": [], "guardrails": [], "requires": [], "#,
        ),
    ] {
        let rule = text.replacen(from, to, 1);
        assert_eq!(fingerprints(&rule), fingerprints(text), "{rule}");
    }
    let everybody = text.replace(r#"{ "attribute": "x", "is": "a" }"#, "[]");
    let omitted = text.replace(r#""if": { "attribute": "x", "is": "a" },"#, "");
    assert_eq!(fingerprints(&everybody), fingerprints(&omitted));
}

#[test]
fn each_change_of_a_plan_is_one_of_who_is_enrolled_or_of_the_terms() {
    let usual = fingerprints(RULE);
    let mut seen = vec![usual];
    for (is_assignment, from, to) in [
        (true, "[1, 2]", "[1, 3]"),
        (true, "[1, 2]", "[12]"),
        (true, r#""x""#, r#""y""#),
        (true, r#""in": [1, 2]"#, r#""in": ["1", "2"]"#),
        (
            true,
            r#""in": [1, 2]"#,
            r#""in": ["1", "2"], "ignore_case": true"#,
        ),
        (true, r#""serve": "on""#, r#""serve": "off""#),
        (true, r#""serve""#, r#""salt": "s", "serve""#),
        (true, r#""serve""#, r#""salt": "", "serve""#),
        (true, r#""serve""#, r#""by": "s", "serve""#),
        (true, "09:00:00Z", "09:00:01Z"),
        (true, r#""start": "2026-12-01T09:00:00Z","#, ""),
        (false, r#""percent": 5"#, r#""percent": 6"#),
        (false, "90m", "91m"),
        (false, r#""segment": "s""#, r#""percent": 7"#),
        (false, "[1]", "[2]"),
        (false, "7", "8"),
        (false, r#""n""#, r#""m""#),
        (
            false,
            r#""bake": "90m""#,
            r#""bake": "90m", "approve": true"#,
        ),
        (
            false,
            r#""bake": "90m""#,
            r#""bake": "90m", "irreversible": true"#,
        ),
        (false, r#""bake": "90m""#, r#""bake": "90m", "idle": "1m""#),
        (false, r#""bake": "1d""#, r#""bake": "1d", "approve": true"#),
        (
            false,
            r#""metric": "errors""#,
            r#""metric": "client_errors""#,
        ),
        (
            false,
            r#""metric": "errors", "no_worse_than": 1.5"#,
            r#""metric": "errors", "below": 0.5"#,
        ),
        (false, "1.5", "1.6"),
        (false, "1.5", r#"1.5, "require": "safe""#),
        (false, "1.5", r#"1.5, "on_breach": "pause""#),
        (false, "1.5", r#"1.5, "on_breach": "notify""#),
        (false, "gauge:q", "gauge:r"),
        (false, "gauge:q\"", "gauge:q\", \"for\": \"5m\""),
        (false, "mon-wed", "mon-thu"),
        (false, "mon-wed\"", "mon-wed\", \"zone\": \"Europe/Paris\""),
        (false, "mon-wed\"", "mon-wed\", \"to\": \"23:59\""),
        (false, r#"[ { "flag": "b", "is": "completed" } ]"#, "[]"),
        (
            false,
            r#""flag": "b", "is": "completed""#,
            r#""fact": "b", "is": "completed""#,
        ),
        (false, r#""windows""#, r#""warmup": "1m", "windows""#),
        (false, r#""windows""#, r#""shadow": "1m", "windows""#),
        (false, r#""windows""#, r#""group": "g", "windows""#),
        (false, r#""windows""#, r#""count": "all-units", "windows""#),
        (false, r#""windows""#, r#""false_alarm": 0.02, "windows""#),
        (false, r#""windows""#, r#""min_units": 0, "windows""#),
        (false, r#""windows""#, r#""min_bad_units": 4, "windows""#),
    ] {
        let rule = RULE.replacen(from, to, 1);
        let found = fingerprints(&rule);
        let same = (found.0 == usual.0, found.1 == usual.1);
        assert_eq!(same, (!is_assignment, is_assignment), "{from} → {to}");
        assert!(!seen.contains(&found), "{from} → {to}");
        seen.push(found);
    }
}

/// They are kept on disks and compared by later releases.
#[test]
fn fingerprints_stay_as_they_are() {
    let known = (6_111_456_083_092_516_944, 13_123_508_353_731_137_740);
    assert_eq!(fingerprints(RULE), known);
}

const TWO: &str = r#"{ "segments": { "s": { "if": { "attribute": "a", "is": 1 } } }, "flags": {
    "f": { "rules": [ { "name": "ramp", "ramp": { "stages": [ { "segment": "s", "bake": "1h" }, { "percent": 5, "bake": "1h" } ],
        "requires": [ { "flag": "g", "is": "completed" } ] }, "serve": "on" } ] },
    "g": { "rules": [ { "name": "ramp", "ramp": { "stages": [ { "percent": 7, "bake": "1h" } ] }, "serve": "on" } ] } } }"#;

#[test]
fn plans_are_right_whatever_was_live_before() {
    let flags = loaded(TWO);
    let (f, g) = (plan_of(&flags, "f").unwrap(), plan_of(&flags, "g").unwrap());

    // A change of one leaves the other as it is.
    load(&flags, &TWO.replace("\"percent\": 7", "\"percent\": 8"));
    assert!(Arc::ptr_eq(&plan_of(&flags, "f").unwrap(), &f));
    let raised = plan_of(&flags, "g").unwrap();
    assert_eq!(raised.stages[0].to, Reached::Percent(percent("8")));
    assert_eq!(
        (raised.assignment == g.assignment, raised.terms == g.terms),
        (true, false)
    );

    // A default of the flag, and its key, are in the salt and the unit.
    for (default, by) in [(r#""salt": "s","#, "targetingKey"), (r#""by": "u","#, "u")] {
        load(
            &flags,
            &TWO.replace("\"f\": {", &format!("\"f\": {{ {default}")),
        );
        let moved = plan_of(&flags, "f").unwrap();
        assert_ne!(moved.assignment, f.assignment, "{default}");
        assert_eq!((moved.terms, &*moved.by), (f.terms, by), "{default}");
    }
    load(&flags, &TWO.replace("\"f\"", "\"h\""));
    assert_eq!(plan_of(&flags, "f"), None);
    assert_ne!(plan_of(&flags, "h").unwrap().assignment, f.assignment);

    // A plan that another one waits for is missed as soon as it is gone, though that other flag is as it was.
    load(&flags, TWO);
    let gone = TWO.replace("\"g\": { \"rules\"", "\"g\": { \"x-rules\"");
    load(&flags, &gone);
    let status = flags.status();
    assert_eq!(status.set_aside(), ["f"]);
    assert_eq!(plan_of(&flags, "f"), Some(f.clone()), "its last good form");
    assert_eq!(plan_of(&flags, "g"), None);
    load(&flags, TWO);
    assert!(flags.status().set_aside().is_empty());

    // A broken flag keeps its plan, in the order of the document.
    load(
        &flags,
        &TWO.replace("\"bake\": \"1h\" }, {", "\"bake\": \"never\" }, {"),
    );
    let snapshot = flags.snapshot();
    let order: Vec<_> = snapshot.plans().map(|ramp| ramp.flag).collect();
    assert_eq!((order, plan_of(&flags, "f")), (vec!["f", "g"], Some(f)));
}

#[test]
fn freezes_go_live_by_themselves() {
    let flags = loaded(TWO);
    let f = plan_of(&flags, "f").unwrap();
    let frozen = TWO.replacen(
        '{',
        r#"{ "freezes": [ { "from": "2026-12-20T00:00:00Z", "until": "2027-01-04T00:00:00Z" } ],"#,
        1,
    );
    let before = flags.snapshot();
    load(&flags, &frozen);
    assert_eq!(
        (before.freezes().len(), flags.snapshot().freezes().len()),
        (0, 1)
    );
    assert!(Arc::ptr_eq(&plan_of(&flags, "f").unwrap(), &f));
    // A broken one refuses the whole document, also where broken flags are set aside.
    let broken = frozen.replace("2027-01-04", "2026-01-04");
    let source = Source::new("flags.json").quarantine();
    let error = flags.load(broken.as_str(), &source).unwrap_err();
    assert!(error.to_string().contains("freezes[0]"), "{error}");
    assert_eq!(flags.snapshot().freezes().len(), 1);
}

#[test]
fn waves_ask_for_their_attributes_and_their_segments() {
    let document = TWO.replace(
        r#"{ "percent": 7,"#,
        r#"{ "sets": [2], "of": "n", "width": 5, "bake": "1h" }, { "percent": 7,"#,
    );
    let flags = loaded(&document);
    let wanted = flags.snapshot().wanted();
    let names: Vec<_> = wanted.iter().map(|name| name.as_str().to_owned()).collect();
    assert_eq!(names, ["a", "n", "targetingKey"]);
    let kinds = |flags: &Flags| -> Vec<String> {
        let status = flags.status();
        let kinds = status
            .warnings()
            .iter()
            .map(|found| found.kind().to_string());
        kinds.filter(|kind| kind.contains("segment")).collect()
    };
    assert!(kinds(&flags).is_empty(), "the segment is used");
    // A segment that a wave names is part of what the flag means, and of its mistakes.
    let changed = document.replace("\"is\": 1", "\"is\": 2");
    let source = Source::new("flags.json").quarantine();
    let loaded = flags.load(changed.as_str(), &source).unwrap();
    let keys: Vec<_> = loaded.keys().iter().map(|key| key.to_string()).collect();
    assert_eq!(keys, ["f"]);
    load(&flags, &document.replace("\"is\": 1", "\"is\": null"));
    assert_eq!(flags.status().set_aside(), ["f"]);
    // A flag that a segment of a wave asks for can't ask back.
    let circle = document.replace(
        r#"{ "attribute": "a", "is": 1 }"#,
        r#"{ "flag": "f", "is": "on" }"#,
    );
    let error = flags.load(circle.as_str(), &Source::new("flags.json"));
    assert!(error.unwrap_err().to_string().contains("circle"));
}

#[test]
fn waves_nest_as_deep_as_conditions_do() {
    let is_taken = |flag: &str, chain: usize| {
        let segments = (1..chain).map(|at| {
            let before = at - 1;
            format!(r#", "s{at}": {{ "if": {{ "segment": "s{before}" }} }}"#)
        });
        let segments: String = segments.collect();
        let last = format!("\"s{}\"", chain - 1);
        let document = format!(
            r#"{{ "segments": {{ "s0": {{ "if": {{ "not": {{ "attribute": "a", "is": 1 }} }} }}{segments} }},
                "flags": {{ "f": {{ "rules": [ {} ] }} }} }}"#,
            flag.replace("LAST", &last)
        );
        let flags = Flags::builder().build();
        flags.load(document, &Source::new("flags.json")).is_ok()
    };
    let condition = r#"{ "if": { "segment": LAST }, "serve": "on" }"#;
    let wave = r#"{ "ramp": { "stages": [ { "segment": LAST, "bake": "1h" } ] }, "serve": "on" }"#;
    let deepest = (200..600).collect::<Vec<_>>();
    let deepest = deepest.partition_point(|chain| is_taken(condition, *chain)) + 199;
    assert!(is_taken(wave, deepest) && !is_taken(wave, deepest + 1));
}

#[test]
fn an_overlay_says_how_many_waves_are_open() {
    let overlay = Overlay::new()
        .waves("f", "ramp", 2)
        .percent("f", "ramp", percent("5"))
        .percent("g", "ramp", percent("1"))
        .waves("h", "rules[0]", 1);
    let read: Overlay = overlay.to_string().parse().unwrap();
    assert_eq!(read, overlay);
    let held: Vec<_> = read
        .flags()
        .map(|(_, entry)| (entry.percents().collect(), entry.waves().collect()))
        .collect::<Vec<(Vec<_>, Vec<_>)>>();
    let zero = Percent::ZERO;
    assert_eq!(held[0], (vec![("ramp", percent("5"))], vec![("ramp", 2)]));
    assert_eq!(held[1], (vec![("ramp", percent("1"))], vec![]));
    assert_eq!(held[2], (vec![("rules[0]", zero)], vec![("rules[0]", 1)]));
    for (waves, expected) in [
        ("-1", "is a count"),
        ("4294967296", "is a count"),
        ("1.0", "an integer"),
        ("\"1\"", "an integer"),
        ("null", "an integer"),
    ] {
        let text = format!(
            r#"{{ "flags": {{ "f": {{ "rules": {{ "r": {{ "percent": 1, "waves": {waves} }} }} }} }} }}"#
        );
        let error = text.parse::<Overlay>().unwrap_err().to_string();
        assert!(error.contains(expected), "{waves}: {error}");
    }
    let alone = r#"{ "flags": { "f": { "rules": { "r": { "waves": 1 } } } } }"#;
    assert!(alone.parse::<Overlay>().is_err(), "the percent is needed");
}

#[test]
fn waves_that_there_are_not_are_warned_of() {
    let flags = loaded(TWO);
    let warned = |overlay: Overlay| {
        flags.apply(overlay);
        let status = flags.status();
        let of_overlay = status.warnings().iter();
        of_overlay
            .filter(|found| found.kind().as_str() == "overlay")
            .map(|found| found.message().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(warned(Overlay::new().waves("f", "ramp", 1)).is_empty());
    let two = warned(Overlay::new().waves("f", "ramp", 2).waves("g", "ramp", 1));
    assert_eq!(
        two,
        [
            "the overlay opens 2 of the waves of the rule `ramp`, which has 1",
            "the overlay opens 1 of the waves of the rule `ramp`, which has 0"
        ]
    );
}

#[test]
fn an_explanation_shows_the_open_waves() {
    let flags = loaded(TWO);
    let control = flags.control_ramps();
    flags.apply(Overlay::new().waves("f", "ramp", 1));
    let explain = |a: i64| {
        flags
            .explain("f", &Context::new("u").with("a", a))
            .to_string()
    };
    let lines = [
        "decides, the unit is in an open wave",
        "wave 1: segment `s`: holds",
    ];
    for line in lines {
        assert!(explain(1).contains(line), "{}", explain(1));
    }
    let outside = explain(2);
    assert!(
        outside.contains("wave 1: segment `s`: does not hold"),
        "{outside}"
    );
    assert!(outside.contains("outside the first"), "{outside}");
    drop(control);
    assert!(!explain(1).contains("wave"), "{}", explain(1));
}

/// Keeps what it is told of draws.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Told {
    fn tell(&self, what: &str, drawn: &DrawnFlag<'_>) {
        let wave = if drawn.is_wave() { " wave" } else { "" };
        let (flag, arm, share, tick) = (drawn.flag(), drawn.arm(), drawn.share(), drawn.tick());
        let line = format!("{what} {flag} {arm}{wave} at {share} in {tick}");
        self.0.lock().unwrap().push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl OutcomeSink for Told {
    fn began(&self, drawn: &DrawnFlag<'_>) {
        self.tell("began", drawn);
    }

    fn ended(&self, drawn: &DrawnFlag<'_>, _: &Outcome) {
        self.tell("ended", drawn);
    }
}

fn success() -> Outcome {
    Outcome::new(Ending::Success)
}

#[test]
fn a_sink_knows_the_share_and_the_tick_under_which_a_unit_was_drawn() {
    let document = TWO.replace(
        "\"g\": {",
        r#""p": { "rules": [ { "percent": 12.345678, "serve": "on" } ] }, "w": { "rules": [ { "serve": { "on": 100 } } ] },
            "c": { "rules": [ { "ramp": { "start": "2026-11-30T00:00:00Z", "over": "4d" }, "serve": "on" } ] },
            "after": { "rules": [ { "if": { "flag": "f", "is": "on" }, "serve": "on" } ] }, "g": {"#,
    );
    let flags = loaded(&document);
    let told = Arc::new(Told::default());
    flags.add_outcome_sink(Arc::clone(&told), Watch::Drawn);
    let began = |flag: &str, a: i64| {
        let scope = flags.scope(Context::new("u").with("a", a));
        let _ = scope.resolve(flag);
        told.take().join(", ")
    };
    assert_eq!(began("p", 1), "began p stable at 12.345678 in 0");
    assert_eq!(began("w", 1), "began w gray at 100 in 0");
    assert_eq!(began("c", 1), "began c stable at 25 in 0");
    let later = flags.scope_at(Context::new("u"), at("2026-12-03T00:00:00Z"));
    let _ = later.resolve("c");
    assert!(told.take()[0].contains("at 75 in 0"));
    let overlay = Overlay::new().percent("f", "ramp", percent("100"));
    let overlay = overlay
        .waves("f", "ramp", 1)
        .percent("p", "rules[0]", percent("0.5"));
    flags.apply(overlay);
    assert_eq!(began("p", 1), "began p stable at 0.5 in 0");
    assert_eq!(began("f", 1), "began f stable at 0 in 0", "nobody runs it");

    let control = flags.control_ramps();
    control.begin_tick(7);
    assert_eq!(began("f", 1), "began f gray wave at 100 in 7");
    assert_eq!(began("f", 2), "began f gray at 100 in 7");
    assert_eq!(
        began("after", 1),
        "began f gray wave at 100 in 7",
        "for another flag"
    );
    // A unit of work has one tick, whatever is swapped or begins meanwhile.
    let scope = flags.scope(Context::new("u"));
    control.begin_tick(8);
    let _ = scope.resolve("f");
    load(
        &flags,
        &document.replace("\"percent\": 7", "\"percent\": 8"),
    );
    flags.apply(Overlay::new());
    control.begin_tick(9);
    assert!(scope.finish(success()));
    assert_eq!(
        told.take(),
        ["began f gray at 100 in 7", "ended f gray at 100 in 7"]
    );
    assert_eq!(
        began("f", 1),
        "began f stable at 0 in 9",
        "ticks live through swaps"
    );
    let second = flags.control_ramps();
    drop(control);
    assert_eq!(began("f", 1), "began f stable at 0 in 9");
    second.begin_tick(u32::MAX);
    assert_eq!(
        began("f", 1),
        format!("began f stable at 0 in {}", u32::MAX)
    );
    drop(second);
    assert_eq!(began("f", 1), "began f stable at 0 in 0", "nobody counts");
}

/// Keeps the numbers of flags.
#[derive(Default)]
struct Numbers(Mutex<Vec<(String, u32)>>);

impl OutcomeSink for Numbers {
    fn ended(&self, drawn: &DrawnFlag<'_>, _: &Outcome) {
        let seen = (drawn.flag().to_owned(), drawn.index());
        self.0.lock().unwrap().push(seen);
    }
}

#[test]
fn a_flag_keeps_its_number() {
    let flags = loaded(TWO);
    let numbers = Arc::new(Numbers::default());
    flags.add_outcome_sink(Arc::clone(&numbers), Watch::Guarded);
    let planned = |flags: &Flags| -> Vec<(String, u32)> {
        let snapshot = flags.snapshot();
        let plans = snapshot.plans();
        plans
            .map(|ramp| (ramp.flag.to_owned(), ramp.index))
            .collect()
    };
    let first = planned(&flags);
    for document in [TWO, r#"{ "flags": { "new": true } }"#, TWO] {
        load(&flags, document);
        let scope = flags.scope(Context::new("u"));
        let _ = (scope.resolve("f"), scope.resolve("g"));
        scope.finish(success());
    }
    assert_eq!(planned(&flags), first);
    assert_eq!(*numbers.0.lock().unwrap(), [first.clone(), first].concat());
}
