//! Lines for the subscriber of the crate `tracing`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use fader::{Change, CompileError, Diagnostic, DiagnosticKind, Event, Flags, Severity, State};
use tracing::{info, warn};

/// Logs what is live, and from then on what happens to it, with the target `fader`:
///
/// | line | level | fields |
/// |---|---|---|
/// | `flags are live`, at the call | info | `source`, `state`, `version`, `overlay`: its version, `flags` |
/// | `nothing is live`, at the call | warn | |
/// | `a document went live` | info | `source`, `version`, `previous`, `changed`, `warnings`, `compile_ms` |
/// | `an overlay went live` | info | `source`, `version`, `overlay`, `changed` |
/// | `rolled back` | warn | `version`, `previous`, `changed` |
/// | `refused, the last good one stays live` | warn | `source`, `kind`, `error` |
/// | `a source failed` | warn | `source`, `kind`, `error`, `stale`: whether what is live counts as out of date by it |
/// | `a source is good again` | info | `source` |
/// | `a flag is set aside` | warn | `source`, `kind`, `error` |
/// | `a warning of what is live` | warn | `source`, `kind`, `warning` |
///
/// At the call there is also a line `a source failed` for each source that is in trouble by then. From then on an error is
/// logged when it is seen first, and not again at each retry while it stays the same: alert on `stale=true`, which comes
/// once more where what is live ceases to count as fresh. Counts of flags stand in `changed` and `warnings`. Messages
/// quote the document, never a request.
///
/// What a provider tells [`on_warning`](crate) is not among them, as it may come before there is a handle: pass it
/// `|line| tracing::warn!("{line}")` for that.
///
/// ```
/// let flags = fader::Flags::fixed([("new-checkout", true)]);
/// fader_providers::telemetry::log(&flags);
/// ```
pub fn log(flags: &Flags) {
    let log = Arc::new(Log::default());
    let teller = Arc::clone(&log);
    // Before it is said what is live, so that nothing is missed in between.
    flags.attach(flags.subscribe(move |event| teller.tell(event)));
    let status = flags.status();
    if status.state() == State::Failed {
        warn!(target: "fader", "nothing is live");
    } else {
        info!(
            target: "fader",
            source = status.source(),
            state = status.state().as_str(),
            version = status.version(),
            overlay = status.overlay_version(),
            flags = status.flag_count(),
            "flags are live"
        );
        warnings(status.source().unwrap_or_default(), status.warnings());
    }
    for source in status.sources() {
        let (name, stale) = (source.name(), source.is_stale());
        if let Some(error) = source.error() {
            log.is_news(name, error, stale);
            let kind = source.kind();
            warn!(target: "fader", source = name, kind, error, stale, "a source failed");
        }
    }
}

#[derive(Default)]
struct Log {
    /// The failure of each source that was told last, and whether as one that makes stale.
    told: Mutex<HashMap<String, (String, bool)>>,
}

impl Log {
    fn tell(&self, event: &Event) {
        match event {
            Event::Loaded(change) => self.loaded(change),
            Event::Overlaid(change) => {
                self.forget(change.source());
                info!(
                    target: "fader",
                    source = change.source(),
                    version = change.version(),
                    overlay = change.overlay_version(),
                    changed = change.keys().len(),
                    "an overlay went live"
                );
                let of_overlay = |warning: &&Diagnostic| {
                    use DiagnosticKind::{Overlay, OverlayHolds};
                    matches!(warning.kind(), Overlay | OverlayHolds)
                };
                warnings(change.source(), change.warnings().iter().filter(of_overlay));
            }
            Event::RolledBack(change) => {
                let (version, previous) = (change.version(), change.previous());
                let changed = change.keys().len();
                warn!(target: "fader", version, previous, changed, "rolled back");
            }
            Event::Refused(error) => {
                // It was read.
                self.forget(error.source_name());
                refused(error);
            }
            // What makes it stale is told with this one.
            Event::Failed {
                source,
                kind,
                error,
                stale,
                ..
            } if self.is_news(source, error, *stale) => {
                warn!(target: "fader", source, kind, error, stale, "a source failed");
            }
            Event::Recovered { source, .. } => {
                self.forget(source);
                info!(target: "fader", source, "a source is good again");
            }
            _ => {}
        }
    }

    fn loaded(&self, change: &Change) {
        self.forget(change.source());
        info!(
            target: "fader",
            source = change.source(),
            version = change.version(),
            previous = change.previous(),
            changed = change.keys().len(),
            warnings = change.warnings().len(),
            compile_ms = change.compile_time().as_secs_f64() * 1e3,
            "a document went live"
        );
        warnings(change.source(), change.warnings());
    }

    /// Returns whether a failure is another than the one told last.
    fn is_news(&self, source: &str, error: &str, stale: bool) -> bool {
        let failure = (error.to_owned(), stale);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.get(source) == Some(&failure) {
            return false;
        }
        told.insert(source.to_owned(), failure);
        true
    }

    fn forget(&self, source: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.remove(source);
    }
}

fn refused(error: &CompileError) {
    let (source, kind) = (error.source_name(), error.first());
    let kind = kind.map(|first| first.kind().as_str());
    let error = error.to_string();
    warn!(target: "fader", source, kind, error, "refused, the last good one stays live");
}

fn warnings<'w>(source: &str, warnings: impl IntoIterator<Item = &'w Diagnostic>) {
    for warning in warnings {
        let source = warning.file().unwrap_or(source);
        let kind = warning.kind().as_str();
        let text = warning.to_string();
        if warning.severity() == Severity::Error {
            warn!(target: "fader", source, kind, error = text, "a flag is set aside");
        } else {
            warn!(target: "fader", source, kind, warning = text, "a warning of what is live");
        }
    }
}
