//! Each lint, with a plan that has it and one that just does not.

use super::*;

/// Returns the lints of a kind that a plan has after a change, as places with messages.
fn found(
    kind: LintKind,
    expected: &Expected,
    change: impl FnOnce(&mut Plan),
) -> Vec<(String, String)> {
    let mut plan = plan();
    change(&mut plan);
    let lints = of(&plan, expected).lints.into_iter();
    lints
        .filter(|lint| lint.kind == kind)
        .inspect(|lint| assert!(!lint.help.is_empty() && !lint.message.ends_with('.')))
        .map(|lint| {
            let place = lint.place.strip_prefix("flags.a.rules[0].ramp").unwrap();
            (place.to_owned(), lint.message)
        })
        .collect()
}

fn places(kind: LintKind, expected: &Expected, change: impl FnOnce(&mut Plan)) -> Vec<String> {
    let found = found(kind, expected, change);
    found.into_iter().map(|(place, _)| place).collect()
}

fn document(kind: LintKind, change: impl FnOnce(&mut Plan)) -> Vec<String> {
    places(kind, &usual(), change)
}

#[test]
fn a_draw_by_client_address() {
    let kind = LintKind::PercentByIp;
    assert_eq!(document(kind, |plan| plan.by = "client.ip".into()), [""]);
    assert!(document(kind, |plan| plan.by = "request".into()).is_empty());
}

#[test]
fn an_irreversible_stage_without_approval() {
    let kind = LintKind::UnapprovedStage;
    let irreversible = |plan: &mut Plan| plan.stages[1].irreversible = true;
    assert_eq!(document(kind, irreversible), [".stages[1].irreversible"]);
    let approved = |plan: &mut Plan| {
        irreversible(plan);
        plan.stages[1].approve = true;
    };
    assert!(document(kind, approved).is_empty());
}

#[test]
fn guardrails_that_never_say_anything() {
    let gauge = |limit| Guardrail::new(Metric::Gauge("queue".into()), limit);
    let kind = LintKind::RelativeGauge;
    let with = |guardrail: Guardrail| move |plan: &mut Plan| plan.guardrails = vec![guardrail];
    let relative = document(kind, with(gauge(Limit::NoWorseThan(1.1))));
    assert_eq!(relative, [".guardrails[0].no_worse_than"]);
    assert!(document(kind, with(gauge(Limit::Below(1.1)))).is_empty());

    let slow = |seconds| {
        let limit = Limit::Faster(Duration::from_secs(seconds));
        Guardrail::new(Metric::Latency(990), limit)
    };
    let kind = LintKind::LimitTooLong;
    assert_eq!(document(kind, with(slow(61))), [".guardrails[0].below"]);
    assert!(document(kind, with(slow(60))).is_empty());
}

#[test]
fn no_guardrails() {
    let kind = LintKind::NoGuardrails;
    assert_eq!(document(kind, |plan| plan.guardrails.clear()), [""]);
    assert!(document(kind, |plan| plan.guardrails.truncate(1)).is_empty());
    assert!(
        document(LintKind::NoAbsoluteGuardrail, |plan| plan
            .guardrails
            .clear())
        .is_empty()
    );
}

#[test]
fn a_last_stage_that_nothing_watches() {
    let kind = LintKind::NoAbsoluteGuardrail;
    assert_eq!(
        document(kind, |plan| plan.guardrails.truncate(1)),
        [".stages[2]"]
    );
    let ends_before = |plan: &mut Plan| {
        plan.guardrails.truncate(1);
        plan.stages[2].to = percent("99.999999");
    };
    assert!(document(kind, ends_before).is_empty());
    let gauge = |plan: &mut Plan| {
        plan.guardrails[1] = Guardrail::new(Metric::Gauge("g".into()), Limit::Below(1.0));
    };
    assert!(document(kind, gauge).is_empty());
}

#[test]
fn many_false_alarms() {
    let kind = LintKind::ManyFalseAlarms;
    assert_eq!(
        document(kind, |plan| plan.false_alarm = 0.101),
        [".false_alarm"]
    );
    assert!(document(kind, |plan| plan.false_alarm = 0.1).is_empty());
}

#[test]
fn a_wide_first_stage() {
    let kind = LintKind::WideFirstStage;
    assert_eq!(
        document(kind, |plan| plan.stages[0].to = percent("25.000001")),
        [".stages[0].percent"]
    );
    assert!(document(kind, |plan| plan.stages[0].to = percent("25")).is_empty());
    assert!(
        document(kind, |plan| plan
            .stages
            .insert(0, Stage::new(segment(), HOUR)))
        .is_empty()
    );
}

#[test]
fn freezes_that_cover_the_plan() {
    let plan = plan();
    let lints = |freezes: &[Freeze]| {
        let subject = Subject {
            freezes,
            ..subject(&plan)
        };
        lint(&subject)
    };
    let freeze = |from: &str, until: &str| Freeze::new(at(from), at(until));
    // It takes 26 hours.
    let first = freeze("2026-12-01T12:00:00Z", "2026-12-02T00:00:00Z");
    let second = freeze("2026-12-02T00:00:00Z", "2026-12-02T14:00:00Z");
    let found = lints(&[second.clone(), first.clone()]);
    assert_eq!(found[0].kind, LintKind::Frozen);
    assert!(
        found[0].help.contains("2026-12-02T14:00:00Z"),
        "{}",
        found[0].help
    );
    assert_eq!(lints(&[second]), []);
    let short = freeze("2026-12-02T00:00:00Z", "2026-12-02T13:59:59Z");
    assert_eq!(lints(&[first, short]), []);
}

#[test]
fn windows_and_freezes_that_leave_no_time() {
    let mut plan = plan();
    let monday = [true, false, false, false, false, false, false];
    plan.windows = vec![Window::new(monday, 540, 600)];
    let lints = |plan: &Plan, until: &str| {
        let freeze = Freeze::new(at("2026-12-07T09:00:00Z"), at(until));
        let freezes = &[freeze];
        let subject = Subject {
            freezes,
            ..subject(plan)
        };
        lint(&subject)
            .into_iter()
            .map(|lint| lint.kind)
            .collect::<Vec<_>>()
    };
    // The next opening is on the 7th, and the one after it on the 14th, when the plan of 26 hours would be over.
    assert_eq!(lints(&plan, "2026-12-07T10:00:00Z"), [LintKind::Frozen]);
    assert_eq!(lints(&plan, "2026-12-07T09:59:00Z"), []);
    plan.stages[2].bake = 30 * 24 * HOUR;
    assert_eq!(lints(&plan, "2026-12-07T10:00:00Z"), []);
}

#[test]
fn windows_that_never_open() {
    let kind = LintKind::NeverOpens;
    let on = |days: [bool; 7]| move |plan: &mut Plan| plan.windows = vec![Window::new(days, 0, 1)];
    assert_eq!(document(kind, on([false; 7])), [".windows"]);
    assert!(document(kind, on([false, false, false, false, false, false, true])).is_empty());
    assert!(document(kind, |plan| plan.windows.clear()).is_empty());
    let never = of(
        &{
            let mut plan = plan();
            on([false; 7])(&mut plan);
            plan
        },
        &usual(),
    );
    assert!(never.stages.iter().all(|stage| stage.begins.is_none()));
}

#[test]
fn a_zone_that_is_not_known() {
    let kind = LintKind::UnknownZone;
    let zones = |zones: [&'static str; 2]| {
        move |plan: &mut Plan| {
            plan.windows = zones
                .map(|zone| {
                    let mut window = Window::new([true; 7], 0, 1440);
                    window.zone = zone.into();
                    window
                })
                .into();
        }
    };
    let wrong = zones(["UTC", "Europe/Amsterdm"]);
    assert_eq!(document(kind, wrong), [".windows[1].zone"]);
    assert!(document(kind, zones(["UTC", "Europe/Amsterdam"])).is_empty());
    let mut plan = plan();
    wrong(&mut plan);
    let help = lint(&subject(&plan)).remove(0).help;
    assert_eq!(help, "did you mean `Europe/Amsterdam`?");
}

#[test]
fn a_stage_too_short() {
    let kind = LintKind::StageTooShort;
    let only_relative = |bake: Duration| {
        move |plan: &mut Plan| {
            plan.guardrails.truncate(1);
            plan.stages.truncate(1);
            plan.stages[0].bake = bake;
        }
    };
    let mut plan = plan();
    only_relative(HOUR)(&mut plan);
    let takes = of(&plan, &usual()).stages[0].guardrails[0]
        .ten_times
        .unwrap()
        .p50;
    assert!(places(kind, &usual(), only_relative(takes)).is_empty());
    let late = found(
        kind,
        &usual(),
        only_relative(takes - Duration::from_secs(1)),
    );
    assert_eq!(late[0].0, ".stages[0]");
    assert!(late[0].1.contains(&written(takes)), "{}", late[0].1);

    // What is within a limit is no rise; it is asked for a total failure there.
    let only_absolute = |bake: u64| {
        move |plan: &mut Plan| {
            plan.guardrails.remove(0);
            plan.stages.truncate(1);
            plan.stages[0].bake = Duration::from_secs(bake);
        }
    };
    let rare = Expected::new(1.0, 0.0005);
    let late = found(kind, &rare, only_absolute(60));
    assert!(late[0].1.contains("a total failure"), "{}", late[0].1);
    assert!(places(kind, &rare, only_absolute(3600)).is_empty());

    let nothing = Expected::new(1e-12, 0.0005);
    let late = found(kind, &nothing, only_absolute(3600));
    assert!(late[0].1.contains("sees nothing"), "{}", late[0].1);
}

#[test]
fn a_safety_out_of_reach() {
    let kind = LintKind::SafeOutOfReach;
    let with = |margin: f64, require_safe: bool| {
        move |plan: &mut Plan| {
            plan.guardrails[0] = relative(Metric::Errors, margin);
            plan.guardrails[0].require_safe = require_safe;
        }
    };
    let often = Expected::new(1000.0, 0.002);
    assert_eq!(
        places(kind, &often, with(1.1, true)),
        [".guardrails[0].require"]
    );
    assert!(places(kind, &often, with(1.1, false)).is_empty());
    assert!(places(kind, &often, with(3.0, true)).is_empty());
    // Who is as good as stable is at a margin of 1, for ever.
    let late = found(kind, &often, with(1.0, true));
    assert!(late[0].1.contains("never"), "{}", late[0].1);
    let safe = |base: f64| {
        move |plan: &mut Plan| {
            plan.guardrails[1] = absolute(base);
            plan.guardrails[1].require_safe = true;
        }
    };
    assert!(places(kind, &often, safe(0.01)).is_empty());
    assert_eq!(
        places(kind, &often, safe(0.0015)),
        [".guardrails[1].require"]
    );
}

#[test]
fn too_few_units() {
    let kind = LintKind::TooFewUnits;
    let asked = |units: u64| move |plan: &mut Plan| plan.min_units = units;
    // 36,000 requests in an hour at 1 %; the last stage is asked for the candidate alone.
    assert!(places(kind, &usual(), asked(36_000)).is_empty());
    assert_eq!(places(kind, &usual(), asked(36_001)), [".stages[0]"]);
    assert!(places(kind, &usual(), asked(0)).is_empty());

    let mut few = usual();
    few.units = Some(20_000.0);
    assert!(places(kind, &few, asked(190)).is_empty());
    let never = found(kind, &few, asked(200));
    assert!(never[0].1.contains("has 200 of 20000"), "{}", never[0].1);
    // Nine tenths of 200 units take 2.3 requests each: 46 seconds of 10 a second.
    let short = |bake: u64| {
        move |plan: &mut Plan| {
            plan.min_units = 180;
            plan.stages[0].bake = Duration::from_secs(bake);
        }
    };
    assert!(places(kind, &few, short(47)).is_empty());
    assert_eq!(places(kind, &few, short(46)), [".stages[0]"]);
}

#[test]
fn too_few_units_of_a_stage() {
    let kind = LintKind::TooFewUnits;
    // The units of the stages before count, and as many requests must be of the stage itself.
    let second = |bake: u64| {
        move |plan: &mut Plan| {
            plan.min_units = 1000;
            plan.stages[1] = Stage::new(percent("1"), Duration::from_secs(bake));
        }
    };
    assert!(places(kind, &usual(), second(100)).is_empty());
    assert_eq!(places(kind, &usual(), second(99)), [".stages[1]"]);
    // At 100 % there is the candidate alone.
    let last = |bake: u64| move |plan: &mut Plan| plan.stages[2].bake = Duration::from_secs(bake);
    let slow = Expected::new(1.0, 0.0005);
    assert!(!places(kind, &slow, last(200)).contains(&".stages[2]".to_owned()));
    assert!(places(kind, &slow, last(199)).contains(&".stages[2]".to_owned()));
}

#[test]
fn units_that_are_spent() {
    let kind = LintKind::UnitsSpent;
    let latency = |by: &'static str| {
        move |plan: &mut Plan| {
            plan.guardrails.push(relative(Metric::Latency(990), 1.2));
            plan.by = by.into();
        }
    };
    // 65,536 units that were slow once, at ten a second: less than two hours.
    let spent = found(kind, &usual(), latency("user.id"));
    assert_eq!(spent[0].0, ".guardrails[2]");
    assert!(
        spent[0].1.contains("1h50m") && spent[0].1.contains("in stage 2"),
        "{}",
        spent[0].1
    );
    assert!(places(kind, &usual(), latency("request")).is_empty());
    let rare = Expected::new(1.0, 0.0005);
    assert!(places(kind, &rare, latency("user.id")).is_empty());
}
