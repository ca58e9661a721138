//! What figures and lines say of ramps, and ramps that go at once to everybody.

use std::io;
use std::sync::Mutex;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

use super::*;
use crate::control::event::{Event, What};
use crate::control::rollouts::RolloutsBuilder;
use crate::control::status::Status;
use crate::machine::{Cause, Evidence, Exposure, Notice, Wait};

/// Nobody, then everybody: what runs beside it is kept for half an hour.
const BLUE_GREEN: &str = r#""stages": [ { "percent": 100, "bake": "30m" } ],
    "guardrails": [ { "metric": "errors", "below": 0.5 } ]"#;

#[test]
fn blue_green_waits_for_a_green_check_and_flips_at_once() {
    let machine = Machine::new();
    let mut process = machine.boot_with(&document(BLUE_GREEN), 0, |signals| {
        signals.set_health("pre-check", None, Err("no answer yet".to_owned()));
    });
    assert_eq!(process.ask(Wish::Start), Answer::Done);
    process.seconds(30);
    assert_eq!((process.phase(), process.gray), (Phase::Armed, 0));
    assert_eq!(process.ramp().waits, [Wait::Probes]);
    process.signals.set_health("pre-check", None, Ok(()));
    process.look();
    assert_eq!(process.told(), Percent::HUNDRED);
    process.second();
    assert_eq!(process.gray, 1000);
    process.seconds(1700);
    assert_eq!(process.phase(), Phase::Bake, "the old side is kept");
    process.seconds(200);
    assert_eq!((process.phase(), process.gray), (Phase::Completed, 1000));
}

#[test]
fn blue_green_goes_back_at_once_at_any_moment() {
    for second in [1, 2, 60, 1790] {
        let machine = Machine::new();
        let mut process = machine.boot(&document(BLUE_GREEN), 0);
        assert_eq!(process.ask(Wish::Start), Answer::Done);
        process.seconds(second);
        assert_eq!(process.gray, 1000, "{second}");
        // A check that is red by now holds nothing up that goes back.
        process
            .signals
            .set_health("pre-check", None, Err("down".to_owned()));
        assert_eq!(process.ask(Wish::RollBack), Answer::Done);
        assert_eq!(process.told(), Percent::ZERO, "{second}");
        process.second();
        assert_eq!(
            (process.gray, process.phase()),
            (0, Phase::RolledBack),
            "{second}"
        );
    }
}

#[test]
fn a_guardrail_rolls_back_by_the_failures_of_a_probe() {
    let ramp = STAGES.replace(
        r#""guardrails": ["#,
        r#""guardrails": [ { "metric": "gauge:synthetic check-out", "below": 3 }, "#,
    );
    let machine = Machine::new();
    let mut process = machine.boot(&document(&ramp), 0);
    let probe = |process: &Process, failed: f64| {
        let health = if failed == 0.0 {
            Ok(())
        } else {
            Err("no".to_owned())
        };
        process
            .signals
            .set_health("synthetic check-out", None, health);
        process.signals.set_gauge("synthetic check-out", failed);
    };
    probe(&process, 2.0);
    process.seconds(120);
    assert_eq!(
        (process.phase(), process.told()),
        (Phase::Gate, percent("5"))
    );
    assert!(process.ramp().waits.contains(&Wait::Probes));
    probe(&process, 3.0);
    process.seconds(3);
    assert_eq!(
        (process.phase(), process.told()),
        (Phase::RolledBack, Percent::ZERO)
    );
}

type Figure = (String, f64);

fn figures(snapshotter: &Snapshotter) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (key, _, description, value) in snapshotter.snapshot().into_vec() {
        let (_, key) = key.into_parts();
        let labels: Vec<_> = key.labels().map(|label| label.value().to_owned()).collect();
        let name = [vec![key.name().to_owned()], labels].concat().join(" ");
        assert!(description.is_some(), "{name} is not described");
        let value = match value {
            DebugValue::Gauge(value) => value.into_inner(),
            DebugValue::Counter(count) => f64::from(u32::try_from(count).unwrap()),
            DebugValue::Histogram(_) => panic!("{name} is a histogram"),
        };
        figures.push((name, value));
    }
    figures.sort_by(|a, b| a.0.cmp(&b.0));
    figures
}

fn named(figures: &[(&str, f64)]) -> Vec<Figure> {
    let figures = figures.iter();
    figures
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect()
}

fn event(what: What) -> Event {
    Event {
        at: at(0),
        flag: Some(FLAG.to_owned()),
        run: Some(1),
        what,
    }
}

fn rolled_back(process: &Process) -> Evidence {
    process.ramp().evidence.unwrap()
}

#[test]
fn figures_follow_the_ramps() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let mut settings = RolloutsBuilder::default().measure().settings;
        let machine = Machine::new();
        let mut process = machine.boot(&document(STAGES), 0);
        let status = |process: &Process| {
            process
                .controller
                .status(&process.flags, at(process.second), true)
        };
        let show = |settings: &mut Settings, status: &Status| settings.statuses[0](status);
        show(&mut settings, &status(&process));
        let begin = [
            ("fader_controller_trouble", 0.0),
            ("fader_evidence checkout errors below 0.5", 1.0),
            ("fader_evidence checkout errors no_worse_than 1.5", 1.0),
            ("fader_percent checkout", 5.0),
            ("fader_phase checkout settle", 1.0),
        ];
        assert_eq!(figures(&snapshotter), named(&begin));
        process.seconds(10);
        process.is_sick = true;
        process.seconds(3);
        let seen = status(&process);
        assert_eq!(seen.ramps[0].phase, Phase::RolledBack);
        show(
            &mut settings,
            &Status {
                troubles: vec!["a full disk".to_owned()],
                ..seen
            },
        );
        let evidence = rolled_back(&process);
        let notice = |cause| {
            event(What::Ramp(Notice::RolledBack(Box::new(Evidence {
                cause,
                ..evidence.clone()
            }))))
        };
        let by = || ("anna".to_owned(), String::new());
        let operator = || {
            let (by, reason) = by();
            Cause::Operator { by, reason }
        };
        let killed = {
            let (by, reason) = by();
            Cause::Killed { by, reason }
        };
        for cause in [
            evidence.cause.clone(),
            operator(),
            operator(),
            killed,
            Cause::CrashLoop { crashes: 2 },
        ] {
            settings.events[0](&notice(cause));
        }
        let ended: Vec<_> = figures(&snapshotter)
            .into_iter()
            .filter(|(name, _)| !name.contains("evidence"))
            .collect();
        let expected = [
            ("fader_controller_trouble", 1.0),
            ("fader_percent checkout", 0.0),
            ("fader_phase checkout rolled-back", 1.0),
            ("fader_phase checkout settle", 0.0),
            ("fader_rollbacks_total checkout crash-loop", 1.0),
            (
                "fader_rollbacks_total checkout errors no_worse_than 1.5",
                1.0,
            ),
            ("fader_rollbacks_total checkout killed", 1.0),
            ("fader_rollbacks_total checkout operator", 2.0),
        ];
        assert_eq!(ended, named(&expected));
        // The end of the controller: the figures of its ramps don't stay as though it ran.
        show(&mut settings, &status(&process));
        drop(settings);
        let phases = figures(&snapshotter)
            .into_iter()
            .filter(|(name, _)| name.starts_with("fader_phase"));
        assert!(phases.clone().count() == 2 && phases.into_iter().all(|(_, value)| value == 0.0));
    });
}

/// A flag that leaves the document takes its figures with it.
#[test]
fn figures_of_a_ramp_that_is_gone_are_nought() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let mut settings = RolloutsBuilder::default().measure().settings;
        let machine = Machine::new();
        let process = machine.boot(&document(STAGES), 0);
        let status = process.controller.status(&process.flags, at(0), true);
        settings.statuses[0](&status);
        settings.statuses[0](&Status {
            ramps: Vec::new(),
            ..status
        });
        assert!(figures(&snapshotter).iter().all(|(_, value)| *value == 0.0));
    });
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn events_are_lines_with_their_flag_and_run() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(10);
    assert_eq!(process.ask(Wish::RollBack), Answer::Done);
    process.seconds(1);
    let lines = Lines::default();
    let written = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_writer(move || written.clone())
        .finish();
    let mut settings = RolloutsBuilder::default().log().settings;
    let told = [
        event(What::Ramp(Notice::RolledBack(Box::new(rolled_back(
            &process,
        ))))),
        event(What::Ramp(Notice::Held(Held::AssignmentBroken))),
        event(What::Ramp(Notice::Held(Held::LoweredByHand))),
        event(What::Exposed {
            from: Exposure::NOBODY,
            to: Exposure {
                percent: percent("5"),
                ..Exposure::NOBODY
            },
        }),
        Event {
            flag: None,
            run: None,
            ..event(What::Trouble("a full disk".to_owned()))
        },
        Event {
            flag: None,
            run: None,
            ..event(What::Note("an old status".to_owned()))
        },
        Event {
            flag: None,
            run: None,
            ..event(What::TroubleOver("a full disk".to_owned()))
        },
    ];
    tracing::subscriber::with_default(subscriber, || {
        told.iter().for_each(|event| settings.events[0](event));
    });
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert_eq!(
        lines,
        [
            r#"WARN fader: a ramp was rolled back flag="checkout" run=1 what="rolled back, in stage 1 at 5 % after 10 s: by anna, a test""#,
            r#"WARN fader: a ramp needs a person flag="checkout" run=1 what="held: the arms get other units than the share says; find out why, then reset it or roll it back""#,
            r#"INFO fader: a ramp has stopped itself flag="checkout" run=1 what="held: somebody has lowered it by hand; resume it, or roll it back""#,
            r#"INFO fader: a ramp exposes others flag="checkout" run=1 what="5 % (was 0 %)""#,
            r#"WARN fader: the controller is in trouble what="no exposure is raised: a full disk""#,
            r#"WARN fader: the controller has a note what="an old status""#,
            r#"INFO fader: the controller is out of trouble what="over: a full disk""#,
        ]
    );
}

#[test]
fn events_come_in_the_order_in_which_they_happened() {
    let (sender, told) = mpsc::channel();
    let mut settings = Settings::default();
    settings.events.push(Box::new(move |event| {
        let text = event.to_string();
        let _ = sender.send(text.split(':').nth(1).unwrap_or_default().trim().to_owned());
    }));
    settings.start_telling().unwrap();
    let flags = Flags::builder().build();
    flags
        .load(document(STAGES), &Source::new("flags.json"))
        .unwrap();
    flags.set_store(Disk::new());
    let (state, signals) = (TempDir::new().unwrap(), Signals::default());
    let mut controller = Controller::open(&flags, state.path(), settings, signals, at(0)).unwrap();
    let now = |second| Now {
        wall: at(second),
        since_last: Some(Duration::from_secs(1)),
    };
    (0..3).for_each(|second| assert!(controller.tick(now(second))));
    for wish in [Wish::Pause, Wish::Resume, Wish::RollBack] {
        let (sender, _answer) = mpsc::channel();
        controller.obey(FLAG, wish, "anna", "", sender, now(3));
    }
    assert!(controller.tick(now(4)));
    drop(controller);
    let told: Vec<String> = told.iter().collect();
    assert_eq!(
        told,
        [
            "5 % (was 0 %)",
            "settle, stage 1 (was draft)",
            "observe, stage 1 (was settle)",
            "paused, stage 1 (was observe)",
            "observe, stage 1 (was paused)",
            "0 % (was 5 %)",
            "rolled back, in stage 1 at 5 % after 5 s",
            "rolling-back (was observe)",
            "rolled-back (was rolling-back)",
        ]
    );
}

/// Tools tell a controller that died by how old its status is.
#[test]
fn a_status_in_which_nothing_changes_is_written_every_five_seconds() {
    let machine = Machine::new();
    let waits = STAGES.replace(r#""start": "2026-12-01T09:00:00Z","#, "");
    let mut process = machine.boot(&document(&waits), 0);
    let mut written = Vec::new();
    for _ in 0..12 {
        process.look();
        let text = Status::read(machine.path()).unwrap().at;
        let nanos = Timestamp::parse(&text).unwrap().as_nanos() - at(0).as_nanos();
        written.push(nanos / 1_000_000_000);
    }
    assert_eq!(written, [0, 0, 0, 0, 5, 5, 5, 5, 5, 10, 10, 10]);
}
