//! Plans: what a controller reads from a snapshot.

use std::sync::Arc;
use std::time::Duration;

use fader::plan::{
    Count, FactTest, Freeze, Guardrail, Limit, Metric, OnBreach, Plan, PlannedRamp, Reached,
    Requirement, Stage, Window,
};
use fader::{Json, Percent, Snapshot, Timestamp};

use super::{compared, copied, empty, is, lends};

#[test]
fn given_out() {
    lends::<Snapshot, PlannedRamp<'_>, _>(Snapshot::plans);
    let _: fn(&Snapshot) -> &[Freeze] = Snapshot::freezes;
    let _: fn(PlannedRamp<'_>) = |ramp| {
        is::<([&str; 2], u32)>(([ramp.flag, ramp.rule], ramp.index));
        is::<&Arc<Plan>>(ramp.plan);
    };
}

#[test]
fn plan() {
    let _: fn(Vec<Stage>) -> Plan = Plan::new;
    let _: fn(Plan) = |plan| {
        is::<(Option<Timestamp>, Vec<Stage>, Vec<Guardrail>)>((
            plan.start,
            plan.stages,
            plan.guardrails,
        ));
        is::<(f64, u64, u32)>((plan.false_alarm, plan.min_units, plan.min_bad_units));
        is::<(Count, Vec<Window>)>((plan.count, plan.windows));
        is::<[Option<Duration>; 2]>([plan.warmup, plan.shadow]);
        is::<(Option<Arc<str>>, Vec<Requirement>)>((plan.group, plan.requires));
        is::<(Arc<str>, [u64; 2])>((plan.by, [plan.assignment, plan.terms]));
    };
    let _: fn(Reached, Duration) -> Stage = Stage::new;
    let _: fn(Stage) = |stage| {
        is::<(Reached, Duration, Option<Duration>)>((stage.to, stage.bake, stage.idle));
        is::<[bool; 2]>([stage.approve, stage.irreversible]);
    };
    let _: fn(Reached) = |to| match to {
        Reached::Percent(percent) => is::<Percent>(percent),
        Reached::Segment(name) => is::<Arc<str>>(name),
        Reached::Sets { sets, of, width } => is::<(Vec<u64>, Arc<str>, u64)>((sets, of, width)),
        _ => {}
    };
    compared::<(Plan, Stage, Reached)>();
}

#[test]
fn guardrail() {
    let _: fn(Metric, Limit) -> Guardrail = Guardrail::new;
    let _: fn(Guardrail) = |guardrail| {
        is::<(Metric, Limit)>((guardrail.metric, guardrail.limit));
        is::<(Option<Duration>, OnBreach)>((guardrail.hold, guardrail.on_breach));
        is::<bool>(guardrail.require_safe);
    };
    let _: fn(Metric) = |metric| match metric {
        Metric::Errors | Metric::ClientErrors => {}
        Metric::Latency(quantile) => is::<u16>(quantile),
        Metric::Custom(name) | Metric::Gauge(name) => is::<Arc<str>>(name),
        _ => {}
    };
    let _: fn(Limit) = |limit| match limit {
        Limit::NoWorseThan(value) | Limit::Below(value) => is::<f64>(value),
        Limit::Faster(limit) => is::<Duration>(limit),
        _ => {}
    };
    let _: fn(OnBreach) = |action| match action {
        OnBreach::Rollback | OnBreach::Pause | OnBreach::Notify => {}
        _ => {}
    };
    compared::<(Guardrail, Metric, Limit)>();
    copied::<OnBreach>();
    empty::<OnBreach>();
}

#[test]
fn when_and_who() {
    let _: fn([bool; 7], u16, u16) -> Window = Window::new;
    let _: fn(Window) = |window| {
        is::<([bool; 7], [u16; 2], Arc<str>)>((window.days, [window.from, window.to], window.zone));
    };
    let _: fn(Timestamp, Timestamp) -> Freeze = Freeze::new;
    let _: fn(Freeze) = |freeze| {
        is::<([Timestamp; 2], Option<Arc<str>>)>(([freeze.from, freeze.until], freeze.reason));
    };
    let _: fn(Count) = |count| match count {
        Count::KnownUnits | Count::AllUnits => {}
        _ => {}
    };
    let _: fn(Requirement) = |requirement| match requirement {
        Requirement::Completed(flag) => is::<Arc<str>>(flag),
        Requirement::Fact { name, test } => is::<(Arc<str>, FactTest)>((name, test)),
        _ => {}
    };
    let _: fn(FactTest) = |test| match test {
        FactTest::Is(value) => is::<Json>(value),
        FactTest::Gt(number)
        | FactTest::Gte(number)
        | FactTest::Lt(number)
        | FactTest::Lte(number) => is::<f64>(number),
        _ => {}
    };
    compared::<(Window, Freeze, Requirement, FactTest)>();
    copied::<Count>();
    empty::<Count>();
}
