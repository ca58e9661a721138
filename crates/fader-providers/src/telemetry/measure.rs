//! Figures for the recorder of the crate `metrics`.

use std::sync::{Mutex, PoisonError};

use fader::{Event, Flags, State, Status, WeakFlags};
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

const LOADS: &str = "fader_loads_total";
const OVERLAYS: &str = "fader_overlays_total";
const REFUSALS: &str = "fader_refusals_total";
const ERRORS: &str = "fader_source_errors_total";
const STALE: &str = "fader_source_stale";
const STATE: &str = "fader_state";
const LOADED_AT: &str = "fader_loaded_timestamp_seconds";
const COMPILE: &str = "fader_last_compile_duration_seconds";
const FLAGS: &str = "fader_flags";
const SET_ASIDE: &str = "fader_flags_set_aside";
const OVERLAY: &str = "fader_overlay_version";
const VERSION: &str = "fader_document_info";

/// Every state, so that those that do not hold are 0.
const STATES: [State; 4] = [State::Ready, State::Stale, State::RolledBack, State::Failed];

/// Tells the recorder of the crate `metrics` how a handle is doing, now and whenever something happens to it:
///
/// | metric | kind | labels | what |
/// |---|---|---|---|
/// | `fader_loads_total` | counter | `source` | documents that went live |
/// | `fader_overlays_total` | counter | `source` | overlays that went live |
/// | `fader_refusals_total` | counter | `source`, `kind` | contents that were refused, by the kind of the first error ([`DiagnosticKind`](fader::DiagnosticKind)), each content once |
/// | `fader_source_errors_total` | counter | `source`, `kind` | failures to read a source, each try, by the provider's kind: those of `ErrorKind`; `cached` and `bootstrap` for a start without the server, once each |
/// | `fader_source_stale` | gauge | `source` | 1 while what is live may be out of date because of it, else 0 |
/// | `fader_state` | gauge | `state` | 1 for the state of the handle, 0 for the other ones |
/// | `fader_loaded_timestamp_seconds` | gauge | | when the live document went live, in seconds since 1970; its age is the time less this |
/// | `fader_last_compile_duration_seconds` | gauge | | how long the live document took to be read, checked and compiled |
/// | `fader_flags` | gauge | | flags of the live document |
/// | `fader_flags_set_aside` | gauge | | those of them that have errors and were set aside |
/// | `fader_overlay_version` | gauge | | version of the live overlay, 0 without one |
/// | `fader_document_info` | gauge | `version`, `source` | 1 for the live document, 0 for those that were live before |
///
/// Counters begin at the call: what is live by then is in the gauges, and not counted. Install the recorder before it. A
/// version label lives as long as the recorder keeps it: documents that go live thousands of times a day want a recorder
/// that forgets idle ones.
///
/// ```
/// let flags = fader::Flags::fixed([("new-checkout", true)]);
/// fader_providers::telemetry::measure(&flags);
/// ```
pub fn measure(flags: &Flags) {
    describe();
    let measures = Measures {
        flags: flags.downgrade(),
        live: Mutex::default(),
    };
    measures.status(&flags.status());
    flags.attach(flags.subscribe(move |event| measures.note(event)));
}

struct Measures {
    flags: WeakFlags,
    /// The version and source that are 1 now.
    live: Mutex<Option<[String; 2]>>,
}

impl Measures {
    fn note(&self, event: &Event) {
        match event {
            Event::Loaded(change) => {
                counter!(LOADS, "source" => change.source().to_owned()).increment(1);
            }
            Event::Overlaid(change) => {
                counter!(OVERLAYS, "source" => change.source().to_owned()).increment(1);
            }
            Event::Refused(error) => {
                let kind = error
                    .first()
                    .map_or("unknown", |first| first.kind().as_str());
                let source = error.source_name().to_owned();
                counter!(REFUSALS, "source" => source, "kind" => kind).increment(1);
            }
            Event::Failed { source, kind, .. } => {
                counter!(ERRORS, "source" => source.clone(), "kind" => *kind).increment(1);
            }
            _ => {}
        }
        if let Some(flags) = self.flags.upgrade() {
            self.status(&flags.status());
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a float is what a gauge takes")]
    fn status(&self, status: &Status) {
        for state in STATES {
            let holds = f64::from(u8::from(state == status.state()));
            gauge!(STATE, "state" => state.as_str()).set(holds);
        }
        for source in status.sources() {
            let stale = f64::from(u8::from(source.is_stale()));
            gauge!(STALE, "source" => source.name().to_owned()).set(stale);
        }
        if let Some(loaded_at) = status.loaded_at() {
            gauge!(LOADED_AT).set(loaded_at.as_nanos() as f64 / 1e9);
        }
        gauge!(COMPILE).set(status.compile_time().as_secs_f64());
        gauge!(FLAGS).set(status.flag_count() as f64);
        gauge!(SET_ASIDE).set(status.set_aside().len() as f64);
        gauge!(OVERLAY).set(status.overlay_version() as f64);
        let live = status
            .source()
            .map(|source| [status.version(), source].map(ToOwned::to_owned));
        let mut before = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if *before != live {
            let replaced = std::mem::replace(&mut *before, live.clone());
            for (labels, value) in [(replaced, 0.0), (live, 1.0)] {
                if let Some([version, source]) = labels {
                    gauge!(VERSION, "version" => version, "source" => source).set(value);
                }
            }
        }
    }
}

fn describe() {
    describe_counter!(LOADS, "documents that went live");
    describe_counter!(OVERLAYS, "overlays that went live");
    describe_counter!(
        REFUSALS,
        "contents that were refused, by the kind of the first error"
    );
    describe_counter!(ERRORS, "failures to read a source, by kind");
    describe_gauge!(
        STALE,
        "1 while what is live may be out of date because of this source"
    );
    describe_gauge!(STATE, "1 for the state that holds");
    describe_gauge!(
        LOADED_AT,
        Unit::Seconds,
        "when the live document went live, since 1970"
    );
    describe_gauge!(
        COMPILE,
        Unit::Seconds,
        "how long the live document took to compile"
    );
    describe_gauge!(FLAGS, "flags of the live document");
    describe_gauge!(SET_ASIDE, "flags that have errors and were set aside");
    describe_gauge!(OVERLAY, "version of the live overlay");
    describe_gauge!(VERSION, "1 for the live document");
}
