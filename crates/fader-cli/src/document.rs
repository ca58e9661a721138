//! Reads a document with what belongs to it, and loads it as every command does.

use std::path::Path;

use fader::{Diagnostic, DiagnosticKind, Flags, Severity};
use fader_providers::ProviderError;

/// What was found in one file.
pub(crate) struct Report {
    /// The file's name as it was given.
    pub(crate) file: String,
    /// The file's bytes.
    pub(crate) text: Vec<u8>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// A document after an attempt to load it.
pub(crate) struct Loaded {
    pub(crate) flags: Flags,
    /// The document's report and, where there is something to say of it, the overlay's.
    pub(crate) reports: Vec<Report>,
}

impl Loaded {
    /// Whether the document or its overlay has errors.
    pub(crate) fn is_refused(&self) -> bool {
        let mut all = self.reports.iter().flat_map(|report| &report.diagnostics);
        all.any(|diagnostic| diagnostic.severity() == Severity::Error)
    }
}

/// Loads a document with its list files and the overlay beside it, as a service would.
///
/// # Errors
///
/// The document or its overlay can't be read. What is wrong *in* them stands in the reports.
pub(crate) fn load(path: &Path) -> Result<Loaded, ProviderError> {
    let read = fader_providers::file(path).read()?;
    let (source, text) = (read.source().clone(), read.document().to_vec());
    let overlay = read
        .overlay()
        .map(|bytes| (read.overlay_source().clone(), bytes.to_vec()));

    let flags = Flags::builder().build();
    let diagnostics = match flags.load(read, &source) {
        Ok(loaded) => loaded.warnings().to_vec(),
        Err(error) => error.diagnostics().to_vec(),
    };
    // It was taken or refused with the document, whatever became of that: this asks which.
    let refusal = overlay
        .as_ref()
        .and_then(|(source, bytes)| flags.load_overlay(bytes, source).err());
    // An entry that waits for a flag or rule is told of by the handle, and stands in the overlay.
    let (waiting, mut diagnostics): (Vec<_>, Vec<_>) = diagnostics
        .into_iter()
        .partition(|diagnostic| diagnostic.kind() == DiagnosticKind::Overlay);
    diagnostics.sort_by_key(|diagnostic| (diagnostic.line(), diagnostic.column()));

    let mut reports = vec![Report {
        file: source.name().to_owned(),
        text,
        diagnostics,
    }];
    if let Some((source, text)) = overlay {
        let diagnostics = refusal.map_or(waiting, |error| error.diagnostics().to_vec());
        if !diagnostics.is_empty() {
            reports.push(Report {
                file: source.name().to_owned(),
                text,
                diagnostics,
            });
        }
    }
    Ok(Loaded { flags, reports })
}
