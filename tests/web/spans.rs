//! The span in which a request runs, as a subscriber sees it on each framework.

use std::io;
use std::sync::{Arc, Mutex};

use fader::{DrawnFlag, ExposureSink};
use tracing_subscriber::fmt::format::FmtSpan;

use crate::data::Adapter;
use crate::in_process::{self, Plain};

/// Writes a line within the request, when it is drawn.
struct Logs;

impl ExposureSink for Logs {
    fn exposed(&self, _: &DrawnFlag<'_>) {
        tracing::info!("drawn");
    }
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

/// The lines of a request: what is written within it, and the end of its span.
fn lines(adapter: Adapter, end: bool, target: &str, level: tracing::Level) -> Vec<String> {
    let setup = format!(
        r#"{{ "name": "spans", "steps": [], "config": {{ "until_body_end": {end} }}, "document": {{ "revision": 7, "flags": {{
            "new-checkout": {{ "rules": [ {{ "by": "request", "percent": 100, "serve": "on" }} ] }},
            "ranker": {{ "variants": {{ "a": "a", "b": "b" }}, "default": "a", "rules": [
                {{ "if": {{ "attribute": "request.path", "is": "/ranker" }}, "serve": "b" }} ] }} }} }} }}"#
    );
    let (service, mut app) = in_process::start(adapter, &setup);
    service.flags.add_exposure_sink(Logs);
    let lines = Lines::default();
    let written = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_max_level(level)
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(move || written.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let _outer = tracing::info_span!("outer").entered();
        let headers = &[];
        let target = target.as_bytes();
        let _ = app(&Plain { target, headers }).unwrap();
    });
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let ours = text.lines().filter(|line| line.contains("fader.request"));
    let cut = |line: &str| line.split(" time.busy").next().unwrap().trim().to_owned();
    ours.map(cut).collect()
}

fn carry_decisions_and_version(adapter: Adapter) {
    let info = tracing::Level::INFO;
    for end in [false, true] {
        let found = lines(adapter, end, "/arm/body", info);
        let [within, close] = &found[..] else {
            panic!("{adapter:?} {end}: {found:?}");
        };
        let begin = r#"INFO outer:fader.request{fader.version="7"}: "#;
        assert!(
            within.starts_with(begin) && within.ends_with(": drawn"),
            "{within}"
        );
        assert_eq!(
            close,
            r#"INFO outer:fader.request{fader.version="7" fader.flags="new-checkout=on@draw"}: fader: close"#
        );
    }
    let found = lines(adapter, false, "/ranker", info);
    assert_eq!(
        found,
        [
            r#"INFO outer:fader.request{fader.version="7" fader.flags="ranker=b@rule"}: fader: close"#
        ]
    );
    // No flag is asked for.
    let found = lines(adapter, false, "/carts/7", info);
    assert_eq!(
        found,
        [r#"INFO outer:fader.request{fader.version="7"}: fader: close"#]
    );
    assert!(lines(adapter, false, "/ranker", tracing::Level::WARN).is_empty());
}

#[test]
fn on_axum() {
    carry_decisions_and_version(Adapter::Axum);
}

#[test]
fn on_actix() {
    carry_decisions_and_version(Adapter::Actix);
}
