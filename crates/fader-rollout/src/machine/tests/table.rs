//! Every state and every event: what comes of it stands in `table.txt`, one row each.

use std::fmt::Write as _;

use fader::plan::Freeze;

use super::*;
use crate::machine::{Part, Position};

const TABLE: &str = include_str!("table.txt");

/// Stages of 5, 25 (to be approved) and 100 %, an hour each, after a minute of warm-up and one of shadow.
fn plan() -> Plan {
    let mut plan = Plan::new(vec![
        stage("5", HOUR),
        stage("25", HOUR),
        stage("100", HOUR),
    ]);
    plan.stages[1].approve = true;
    plan.guardrails = vec![errors()];
    plan.warmup = Some(seconds(MINUTE));
    plan.shadow = Some(seconds(MINUTE));
    plan
}

type Made = fn() -> Run;

const STATES: [(&str, Made); 20] = [
    ("draft", || settled(Run::new(plan()))),
    ("armed", || {
        let mut run = Run::new(plan());
        run.plan.stages[0].approve = true;
        run.reload();
        after(run, &[Wish::Start])
    }),
    ("warmup", || after(Run::new(plan()), &[Wish::Start])),
    ("shadow", || {
        passed(after(Run::new(plan()), &[Wish::Start]), &[MINUTE])
    }),
    ("settle", || {
        passed(after(Run::new(plan()), &[Wish::Start]), &[MINUTE, MINUTE])
    }),
    ("observe", observe),
    ("gate", || passed(observe(), &[HOUR])),
    ("bake", bake),
    ("completed", || passed(bake(), &[HOUR])),
    ("paused", || after(observe(), &[Wish::Pause])),
    ("held: plan changed", || {
        let mut run = observe();
        run.plan.terms += 1;
        run.reload();
        settled(run)
    }),
    ("held: lowered by hand", || {
        let mut run = observe();
        run.see(1, |seen| seen.found = Some(exposure("2")));
        run
    }),
    ("held: assignment broken", || {
        let mut run = observe();
        run.count(1, &skewed());
        run
    }),
    ("held: restart", || {
        let mut run = observe();
        run.see(1, |seen| seen.unclean_end = true);
        run
    }),
    ("held: stalled", || {
        let mut run = observe();
        run.see(1, |seen| seen.stalled = true);
        run
    }),
    ("frozen", || {
        let mut run = observe();
        run.freezes = vec![Freeze::new(run.wall, later(run.wall, seconds(DAY)))];
        run.reload();
        settled(run)
    }),
    ("rolling back", || after(observe(), &[Wish::RollBack])),
    ("rolled back", || {
        passed(after(observe(), &[Wish::RollBack]), &[1])
    }),
    ("killed", || passed(after(observe(), &[Wish::Kill]), &[1])),
    ("reset", || {
        let run = passed(after(observe(), &[Wish::RollBack]), &[1]);
        after(run, &[Wish::Reset])
    }),
];

type Event = fn(&mut Run) -> Option<Result<(), String>>;

const EVENTS: [(&str, Event); 27] = [
    ("a second", |run| seen(run, 1, |_| {})),
    ("a second unserved", |run| {
        seen(run, 1, |seen| seen.serving = false)
    }),
    ("an hour", |run| seen(run, HOUR, |_| {})),
    ("an hour unserved", |run| {
        seen(run, HOUR, |seen| seen.serving = false)
    }),
    ("an outage of a day", |run| {
        run.outage(DAY);
        None
    }),
    ("start", |run| Some(run.wish(Wish::Start))),
    ("approve 1", |run| {
        Some(run.wish(Wish::Approve { stage: 1 }))
    }),
    ("approve 2", |run| {
        Some(run.wish(Wish::Approve { stage: 2 }))
    }),
    ("pause", |run| Some(run.wish(Wish::Pause))),
    ("resume", |run| Some(run.wish(Wish::Resume))),
    ("accept", |run| Some(run.wish(Wish::Accept))),
    ("roll back", |run| Some(run.wish(Wish::RollBack))),
    ("kill", |run| Some(run.wish(Wish::Kill))),
    ("unkill", |run| Some(run.wish(Wish::Unkill))),
    ("reset", |run| Some(run.wish(Wish::Reset))),
    ("breach", |run| {
        run.count(1, &counts(60, 1));
        None
    }),
    ("broken assignment", |run| {
        run.count(1, &skewed());
        None
    }),
    ("source fails", |run| {
        seen(run, HOUR, |seen| seen.source_works = false)
    }),
    ("unclean end", |run| {
        seen(run, 1, |seen| seen.unclean_end = true)
    }),
    ("stall", |run| seen(run, 1, |seen| seen.stalled = true)),
    ("lowered by hand", |run| {
        seen(run, 1, |seen| seen.found = Some(exposure("1")))
    }),
    ("raised by hand", |run| {
        seen(run, 1, |seen| seen.found = Some(exposure("90")))
    }),
    ("killed by hand", |run| {
        seen(run, 1, |seen| {
            seen.found = Some(Exposure {
                killed: true,
                ..exposure("0")
            });
        })
    }),
    ("another salt", |run| {
        edited(run, |plan| plan.assignment += 1)
    }),
    ("other terms", |run| edited(run, |plan| plan.terms += 1)),
    ("lower percents", |run| {
        edited(run, |plan| {
            plan.terms += 1;
            for (stage, to) in plan.stages.iter_mut().zip(["3", "4", "50"]) {
                stage.to = Reached::Percent(percent(to));
            }
        })
    }),
    ("freeze", |run| {
        run.freezes = vec![Freeze::new(run.wall, later(run.wall, seconds(DAY)))];
        run.reload();
        seen(run, HOUR, |_| {})
    }),
];

fn seen(
    run: &mut Run,
    passed: u64,
    change: fn(&mut Observation<'_>),
) -> Option<Result<(), String>> {
    run.see(passed, change);
    None
}

fn edited(run: &mut Run, edit: fn(&mut Plan)) -> Option<Result<(), String>> {
    edit(&mut run.plan);
    run.reload();
    seen(run, 1, |_| {})
}

fn settled(run: Run) -> Run {
    passed(run, &[1])
}

fn passed(mut run: Run, times: &[u64]) -> Run {
    for time in times {
        run.pass(*time);
    }
    run
}

fn after(mut run: Run, wishes: &[Wish]) -> Run {
    for wish in wishes {
        run.wish(*wish).unwrap();
    }
    run
}

fn observe() -> Run {
    passed(
        after(Run::new(plan()), &[Wish::Start]),
        &[MINUTE, MINUTE, 1],
    )
}

fn bake() -> Run {
    passed(
        after(observe(), &[Wish::Approve { stage: 2 }]),
        &[HOUR, 1, HOUR, 1],
    )
}

fn word(value: impl serde::Serialize) -> String {
    let text = serde_json::to_string(&value).unwrap();
    text.trim_matches('"').replace('-', " ")
}

/// Says where a run is, as the table does.
fn place(run: &Run) -> String {
    let mut text = word(run.phase());
    if let (Phase::Held, Some(held)) = (run.phase(), run.state.held()) {
        write!(text, ": {}", word(held)).unwrap();
    }
    if let Some(stage) = run.state.stage() {
        write!(text, ", stage {stage}").unwrap();
    }
    if run.state.run() > 1 {
        write!(text, ", run {}", run.state.run()).unwrap();
    }
    text
}

fn rows() -> String {
    let mut rows = String::new();
    for (state, make) in STATES {
        for (event, act) in EVENTS {
            let mut run = make();
            let answer = match act(&mut run) {
                None => String::new(),
                Some(Ok(())) => "done".to_owned(),
                Some(Err(why)) => why,
            };
            let (place, percent) = (place(&run), run.percent());
            let row = format!("{state:<23} | {event:<18} | {place:<39} | {percent:<13} | {answer}");
            writeln!(rows, "{}", row.trim_end()).unwrap();
        }
    }
    rows
}

/// What is there is written to standard output where it differs, to be read and taken over.
#[test]
fn every_state_and_event_has_its_row() {
    let rows = rows();
    assert_eq!(rows.lines().count(), STATES.len() * EVENTS.len());
    let expected = TABLE
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let expected: String = expected.map(|line| format!("{line}\n")).collect();
    if rows != expected {
        println!("{rows}");
    }
    for (row, expected) in rows.lines().zip(expected.lines()) {
        assert_eq!(row, expected);
    }
    assert_eq!(rows, expected);
}

/// The states of the table are those that they are named after, and together they are all phases and positions.
#[test]
fn the_table_has_every_phase_and_position() {
    let runs = STATES.map(|(name, make)| (name, make()));
    let phases = runs.iter().map(|(_, run)| run.phase());
    let phases: std::collections::BTreeSet<Phase> = phases.collect();
    assert_eq!(phases.len(), 14);
    for (name, run) in &runs {
        let is = place(run);
        let named = is.starts_with(name) || (*name == "killed" && run.state.exposure().killed);
        assert!(named || *name == "reset", "{name}: {is}");
    }
    let has = |position| runs.iter().any(|(_, run)| run.state.position() == position);
    for part in [Part::Settle, Part::Observe, Part::Gate] {
        assert!(has(Position::Stage { index: 0, part }));
    }
    assert!(has(Position::Stage {
        index: 2,
        part: Part::Bake
    }));
}

/// Nothing of the table raises exposure but time, a start, an approval and what a person lets go on.
#[test]
fn no_row_raises_exposure_by_anything_else() {
    let may = [
        "a second",
        "an hour",
        "start",
        "approve",
        "resume",
        "accept",
        "an outage",
        "freeze",
    ];
    for (state, make) in STATES {
        for (event, act) in EVENTS {
            let mut run = make();
            let before = run.state.exposure();
            act(&mut run);
            let rises = !run.state.exposure().is_within(before) && !before.killed;
            assert!(
                !rises || may.iter().any(|may| event.starts_with(may)),
                "{state} | {event}"
            );
        }
    }
}
