//! What a handle tells the subscriber of `tracing` and the recorder of `metrics`, line by line.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fader::{Clock, Context, Flags, ManualClock, Overlay, Source, Timestamp};
use fader_providers::telemetry;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tracing_subscriber::fmt::MakeWriter;

mod providers;

/// A clock that moves on by 5 ms whenever it is read, so that what is done between two readings takes as long.
struct Steps(ManualClock);

impl Steps {
    fn new() -> Arc<Self> {
        Arc::new(Self(ManualClock::at("2026-12-01T09:00:00Z").unwrap()))
    }
}

impl Clock for Steps {
    fn now(&self) -> Timestamp {
        self.0.advance(Duration::from_millis(5));
        self.0.now()
    }
}

fn document(revision: u32, percent: u32) -> String {
    format!(
        r#"{{ "revision": {revision}, "flags": {{ "f": {{ "rules": [ {{ "name": "ramp", "percent": {percent}, "serve": "on" }} ] }} }} }}"#
    )
}

const BROKEN: &str = r#"{ "flags": { "f": 5 } }"#;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// Takes what was logged since the last time.
    fn take(&self) -> Vec<String> {
        let text = String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Lines {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

fn logged(run: impl FnOnce(&Lines)) {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_writer(lines.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || run(&lines));
}

#[test]
fn each_thing_that_happens_is_a_line() {
    logged(|lines| {
        let file = Source::new("flags.json");
        let flags = Flags::builder().clock(Steps::new()).build();
        telemetry::log(&flags);
        assert_eq!(lines.take(), ["WARN fader: nothing is live"]);
        flags.load(document(1, 5), &file).unwrap();
        flags.load(document(2, 100), &file).unwrap();
        flags.load(BROKEN, &file).unwrap_err();
        flags.load(BROKEN, &file).unwrap_err();
        assert_eq!(
            lines.take(),
            [
                r#"INFO fader: a document went live source="flags.json" version="1" previous="" changed=1 warnings=0 compile_ms=5.0"#,
                r#"INFO fader: a document went live source="flags.json" version="2" previous="1" changed=1 warnings=1 compile_ms=5.0"#,
                r#"WARN fader: a warning of what is live source="flags.json" kind="percent-everybody" warning="1:76: warning: at flags.f.rules[0].percent: 100 % still leaves out whoever has no unit; help: drop `percent` to include everybody""#,
                r#"WARN fader: refused, the last good one stays live source="flags.json" kind="wrong-type" error="flags.json:1:19: error: at flags.f: `a flag` takes true, false or an object, not a number""#,
            ]
        );
        flags.rollback().unwrap();
        flags.apply(Overlay::default().kill("f"));
        assert_eq!(
            lines.take(),
            [
                r#"WARN fader: rolled back version="1" previous="2" changed=1"#,
                r#"INFO fader: an overlay went live source="overlay" version="1" overlay=0 changed=1"#,
            ]
        );
    });
}

#[test]
fn what_is_set_aside_is_a_line_each_and_a_figure() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        logged(|lines| {
            let source = Source::new("https://flags").strictness(fader::Strictness::Quarantine);
            let flags = Flags::builder().clock(Steps::new()).build();
            telemetry::log(&flags);
            telemetry::measure(&flags);
            flags
                .load(r#"{ "flags": { "good": true, "bad": 5 } }"#, &source)
                .unwrap();
            let told = lines.take();
            assert_eq!(told.len(), 3, "{told:?}");
            assert_eq!(
                told[2],
                r#"WARN fader: a flag is set aside source="https://flags" kind="wrong-type" error="1:35: error: at flags.bad: `a flag` takes true, false or an object, not a number""#
            );
            let aside = |count| {
                let figures = figures(&snapshotter);
                let expected = format!("fader_flags_set_aside{{}} {count}");
                assert!(figures.contains(&expected), "{figures:?}");
            };
            aside(1);
            flags
                .load(r#"{ "flags": { "good": true } }"#, &source)
                .unwrap();
            aside(0);
        });
    });
}

#[test]
fn an_error_is_a_line_when_it_is_seen_first() {
    logged(|lines| {
        let network = Source::new("https://flags");
        let flags = Flags::builder().build();
        flags.load(document(1, 5), &network).unwrap();
        telemetry::log(&flags);
        assert_eq!(
            lines.take(),
            [
                r#"INFO fader: flags are live source="https://flags" state="ready" version="1" overlay=0 flags=1"#
            ]
        );
        let fail = |error| flags.source_retrying(&network, "timeout", error);
        fail("it took too long");
        fail("it took too long");
        fail("connection refused");
        flags.source_failed(&network, "timeout", "connection refused");
        flags.source_failed(&network, "timeout", "connection refused");
        flags.source_unchanged(&network);
        fail("it took too long");
        let failed = |error: &str, stale: bool| {
            format!(
                r#"WARN fader: a source failed source="https://flags" kind="timeout" error="{error}" stale={stale}"#
            )
        };
        assert_eq!(
            lines.take(),
            [
                failed("it took too long", false),
                failed("connection refused", false),
                failed("connection refused", true),
                r#"INFO fader: a source is good again source="https://flags""#.to_owned(),
                failed("it took too long", false),
            ]
        );
    });
}

#[test]
fn nobody_who_asks_stands_in_a_line_or_a_label() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        logged(|lines| {
            let flags = Flags::builder().build();
            telemetry::log(&flags);
            telemetry::measure(&flags);
            flags
                .load(document(1, 50), &Source::new("flags.json"))
                .unwrap();
            for number in 0..100 {
                let context = Context::new(format!("secret-{number}")).with("user.id", "secret");
                let scope = flags.scope(&context);
                let _ = (
                    scope.resolve("f"),
                    scope.explain("f"),
                    flags.resolve("f", &context),
                );
            }
            flags.load(BROKEN, &Source::new("flags.json")).unwrap_err();
            let told = lines.take().join("\n");
            assert!(
                told.contains("refused") && !told.contains("secret"),
                "{told}"
            );
        });
    });
    let figures = figures(&snapshotter);
    assert!(!figures.is_empty());
    assert!(
        !figures.iter().any(|figure| figure.contains("secret")),
        "{figures:?}"
    );
}

/// Each figure as `name{labels} value`, in order.
fn figures(snapshotter: &Snapshotter) -> Vec<String> {
    let snapshot = snapshotter.snapshot().into_vec();
    let figure = |(key, _, _, value): (metrics_util::CompositeKey, _, _, DebugValue)| {
        let key = key.key();
        let mut labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        labels.sort();
        let value = match value {
            DebugValue::Counter(value) => value.to_string(),
            DebugValue::Gauge(value) if key.name() == "fader_loaded_timestamp_seconds" => {
                format!("{value:.1}")
            }
            DebugValue::Gauge(value) => value.to_string(),
            DebugValue::Histogram(_) => panic!("there is no histogram"),
        };
        format!("{}{{{}}} {value}", key.name(), labels.join(","))
    };
    let mut figures: Vec<_> = snapshot.into_iter().map(figure).collect();
    figures.sort();
    figures
}

#[test]
fn each_thing_that_happens_is_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let (file, network) = (Source::new("flags.json"), Source::new("https://flags"));
        let clock = Steps::new();
        let flags = Flags::builder().clock(Arc::clone(&clock)).build();
        flags.load(document(1, 5), &file).unwrap();
        telemetry::measure(&flags);
        clock.0.advance(Duration::from_secs(60));
        flags.load(document(2, 6), &file).unwrap();
        clock.0.advance(Duration::from_secs(60));
        flags.load(BROKEN, &file).unwrap_err();
        flags.apply(Overlay::default().kill("f"));
        for _ in 0..3 {
            flags.source_retrying(&network, "timeout", "it took too long");
        }
    });
    assert_eq!(
        figures(&snapshotter),
        [
            "fader_document_info{source=flags.json,version=1} 0",
            "fader_document_info{source=flags.json,version=2} 1",
            "fader_flags_set_aside{} 0",
            "fader_flags{} 1",
            "fader_last_compile_duration_seconds{} 0.005",
            "fader_loaded_timestamp_seconds{} 1796115660.0",
            "fader_loads_total{source=flags.json} 1",
            "fader_overlay_version{} 0",
            "fader_overlays_total{source=overlay} 1",
            "fader_refusals_total{kind=wrong-type,source=flags.json} 1",
            "fader_source_errors_total{kind=timeout,source=https://flags} 3",
            "fader_source_stale{source=flags.json} 1",
            "fader_source_stale{source=https://flags} 0",
            "fader_state{state=failed} 0",
            "fader_state{state=ready} 0",
            "fader_state{state=rolled-back} 0",
            "fader_state{state=stale} 1",
        ]
    );
}
