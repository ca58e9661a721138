//! Broken documents, and documents that work but were probably not meant so, with what must be said of each.

use fader::{CompileError, Delivery, Diagnostic, Flags, ManualClock, Source};

use crate::data::{self, Checked, Found};

fn check(document: &Checked) -> Result<Vec<Diagnostic>, CompileError> {
    let mut delivery = Delivery::new(document.document.clone());
    for path in fader::list_files(&document.document) {
        let content = document.list(&path);
        delivery = delivery.list(path, content);
    }
    let flags = Flags::builder()
        .clock(ManualClock::at("2026-12-01T00:00:00Z").unwrap())
        .build();
    flags
        .load(delivery, &Source::new("document"))
        .map(|loaded| loaded.warnings().to_vec())
}

fn found(diagnostics: &[Diagnostic]) -> Vec<Found> {
    let found = |diagnostic: &Diagnostic| Found {
        severity: diagnostic.severity().as_str().to_owned(),
        kind: diagnostic.kind().as_str().to_owned(),
        path: diagnostic.path().to_owned(),
        line: diagnostic.line(),
        column: diagnostic.column(),
        message: diagnostic.message().to_owned(),
        help: diagnostic.help().map(str::to_owned),
    };
    diagnostics.iter().map(found).collect()
}

fn differences(documents: &[Checked], is_error: bool) -> String {
    let mut all = String::new();
    for document in documents {
        let (refused, diagnostics) = match check(document) {
            Ok(warnings) => (false, warnings),
            Err(error) => (true, error.diagnostics().to_vec()),
        };
        let mut differences = data::differences(&document.expected, &found(&diagnostics));
        if refused != is_error {
            differences.push(format!("refused: {refused}"));
        }
        for diagnostic in &diagnostics {
            differences.extend(misworded(diagnostic));
        }
        if !differences.is_empty() {
            all.push_str(&format!(
                "{}\n  {}\n",
                document.name,
                differences.join("\n  ")
            ));
        }
    }
    all
}

/// Messages start in lower case or with input in backticks, and have no full stop.
fn misworded(diagnostic: &Diagnostic) -> Option<String> {
    let texts = [Some(diagnostic.message()), diagnostic.help()];
    texts.into_iter().flatten().find_map(|text| {
        let proper = ["JSON", "NaN"].iter().any(|name| text.starts_with(name));
        let starts = proper || text.starts_with(|first: char| !first.is_uppercase());
        (!starts || text.ends_with('.') || text.is_empty()).then(|| format!("misworded: {text}"))
    })
}

#[test]
fn every_broken_document_gets_its_diagnostics() {
    let documents = data::invalid();
    assert!(documents.len() >= 60);
    assert!(documents.iter().all(|document| !document.rules.is_empty()));
    let differences = differences(&documents, true);
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn every_doubtful_document_gets_its_warnings() {
    let differences = differences(&data::warnings(), false);
    assert!(differences.is_empty(), "{differences}");
}
