//! Lines for the subscriber of the crate `tracing`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use fader::{Change, CompileError, Diagnostic, Event, Flags, State, WeakFlags};
use tracing::{info, warn};

/// Logs what is live, and from then on what happens to it, with the target `fader`:
///
/// | line | level | fields beside `source` |
/// |---|---|---|
/// | `flags are live`, at the call | info | `state`, `version`, `flags` |
/// | `nothing is live`, at the call | warn | |
/// | `a document went live` | info | `version`, `previous`, `changed`, `warnings`, `compile_ms` |
/// | `an overlay went live` | info | `version`, `overlay`, `changed` |
/// | `rolled back` | warn | `version`, `previous`, `changed` |
/// | `refused, the last good one stays live` | warn | `kind`, `error` |
/// | `a source failed` | warn | `kind`, `error`, `stale`: whether what is live counts as out of date by it |
/// | `a source is stale` | warn | `error` |
/// | `a source is good again` | info | |
/// | `a warning of what is live` | warn | `kind`, `warning` |
///
/// An error is logged when it is seen first, and not again at each retry while it stays the same. Counts of flags stand
/// in `changed` and `warnings`. Messages quote the document, never a request.
///
/// ```
/// let flags = fader::Flags::fixed([("new-checkout", true)]);
/// fader_providers::telemetry::log(&flags);
/// ```
pub fn log(flags: &Flags) {
    let status = flags.status();
    if status.state() == State::Failed {
        warn!(target: "fader", error = status.error(), "nothing is live");
    } else {
        info!(
            target: "fader",
            source = status.source(),
            state = status.state().as_str(),
            version = status.version(),
            flags = status.flags(),
            "flags are live"
        );
        warnings(status.source().unwrap_or_default(), status.warnings());
    }
    let log = Log {
        flags: flags.downgrade(),
        told: Mutex::default(),
    };
    flags.attach(flags.subscribe(move |event| log.tell(event)));
}

struct Log {
    flags: WeakFlags,
    /// The failure of each source that was told last, and whether as a stale one.
    told: Mutex<HashMap<String, (String, bool)>>,
}

impl Log {
    fn tell(&self, event: &Event) {
        match event {
            Event::Loaded(change) => self.loaded(change),
            Event::Overlaid(change) => {
                let flags = self.flags.upgrade();
                let overlay = flags.map(|flags| flags.status().overlay_version());
                let (source, version) = (change.source(), change.version());
                let changed = change.keys().len();
                info!(target: "fader", source, version, overlay, changed, "an overlay went live");
            }
            Event::RolledBack(change) => {
                let (version, previous) = (change.version(), change.previous());
                let changed = change.keys().len();
                warn!(target: "fader", version, previous, changed, "rolled back");
            }
            Event::Refused(error) => refused(error),
            Event::Failed {
                source,
                kind,
                error,
            } => {
                let stale = self.is_stale(source);
                if self.is_news(source, error, stale) {
                    warn!(target: "fader", source, kind, error, stale, "a source failed");
                }
            }
            Event::Stale { source, error } if self.is_news(source, error, true) => {
                warn!(target: "fader", source, error, "a source is stale");
            }
            Event::Recovered { source } => {
                self.forget(source);
                info!(target: "fader", source, "a source is good again");
            }
            _ => {}
        }
    }

    fn loaded(&self, change: &Change) {
        self.forget(change.source());
        let flags = self.flags.upgrade();
        let compile_ms = flags.map(|flags| flags.status().compile_time().as_secs_f64() * 1e3);
        info!(
            target: "fader",
            source = change.source(),
            version = change.version(),
            previous = change.previous(),
            changed = change.keys().len(),
            warnings = change.warnings().len(),
            compile_ms,
            "a document went live"
        );
        warnings(change.source(), change.warnings());
    }

    fn is_stale(&self, source: &str) -> bool {
        let Some(flags) = self.flags.upgrade() else {
            return false;
        };
        let status = flags.status();
        let mut sources = status.sources().iter();
        sources.any(|known| known.name() == source && known.is_stale())
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
    let kind = error.first().map(|first| first.kind().as_str());
    warn!(
        target: "fader",
        source = error.source_name(),
        kind,
        error = %error,
        "refused, the last good one stays live"
    );
}

fn warnings(source: &str, warnings: &[Diagnostic]) {
    for warning in warnings {
        let kind = warning.kind().as_str();
        warn!(target: "fader", source, kind, %warning, "a warning of what is live");
    }
}
