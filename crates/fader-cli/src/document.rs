//! Reads a document with what belongs to it, and loads it as every command does.

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};
use fader::{CompileError, Diagnostic, DiagnosticKind, Flags, Severity, Strictness};
use fader_providers::{FileBuilder, FileContents, HttpBuilder, HttpContents, ProviderError};
use fader_rollout::explain::Lint;
use serde::Serialize;

/// What was found in one file.
pub(crate) struct Report {
    /// The file's name as it was given.
    pub(crate) file: String,
    /// The file's bytes.
    pub(crate) text: Vec<u8>,
    pub(crate) findings: Vec<Finding>,
}

/// A mistake or a warning, as JSON has it.
#[derive(Serialize)]
pub(crate) struct Finding {
    severity: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) path: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// A document after an attempt to load it.
pub(crate) struct Loaded {
    pub(crate) flags: Flags,
    /// The reports of the document's files and, where there is something to say of it, the overlay's.
    pub(crate) reports: Vec<Report>,
    /// How many files the document is made of.
    pub(crate) documents: usize,
}

impl Report {
    fn new(file: &str, text: &[u8]) -> Self {
        Self {
            file: file.to_owned(),
            text: text.to_vec(),
            findings: Vec::new(),
        }
    }
}

impl From<&Diagnostic> for Finding {
    fn from(diagnostic: &Diagnostic) -> Self {
        Self {
            severity: diagnostic.severity().as_str(),
            kind: diagnostic.kind().as_str(),
            path: diagnostic.path().to_owned(),
            line: diagnostic.line(),
            column: diagnostic.column(),
            message: diagnostic.message().to_owned(),
            help: diagnostic.help().map(str::to_owned),
        }
    }
}

impl Finding {
    /// Makes a warning of something that a document's check has warned of at the same line.
    pub(crate) fn beside(warning: &Diagnostic, lint: Lint) -> Self {
        Self {
            severity: Severity::Warning.as_str(),
            kind: lint.kind.as_str(),
            path: lint.place,
            line: warning.line(),
            column: warning.column(),
            message: lint.message,
            help: Some(lint.help),
        }
    }

    pub(crate) fn severity(&self) -> &'static str {
        self.severity
    }

    pub(crate) fn is_error(&self) -> bool {
        self.severity == Severity::Error.as_str()
    }
}

impl Loaded {
    /// Puts together what was found, each diagnostic with the file that it is in.
    fn new(flags: Flags, reports: Vec<Report>, mut diagnostics: Vec<Diagnostic>) -> Self {
        let documents = reports.len();
        diagnostics.sort_by_key(|diagnostic| (diagnostic.line(), diagnostic.column()));
        let mut loaded = Self {
            flags,
            reports,
            documents,
        };
        for diagnostic in &diagnostics {
            loaded.add(diagnostic.into(), diagnostic.file());
        }
        loaded
    }

    /// Adds what was found in a file, or in the only one.
    pub(crate) fn add(&mut self, finding: Finding, file: Option<&str>) {
        let is_in = |report: &&mut Report| file.is_none_or(|file| report.file == file);
        if let Some(report) = self.reports.iter_mut().find(is_in) {
            report.findings.push(finding);
        }
    }

    /// Whether the document or its overlay has errors.
    pub(crate) fn is_refused(&self) -> bool {
        let mut all = self.reports.iter().flat_map(|report| &report.findings);
        all.any(Finding::is_error)
    }
}

/// Where a document is: a file, a folder of files, or an address.
#[derive(Clone)]
pub(crate) enum Place {
    Path(PathBuf),
    Address(String),
}

impl From<OsString> for Place {
    fn from(written: OsString) -> Self {
        let address = written.to_str().filter(|text| is_address(text));
        match address {
            Some(address) => Self::Address(address.to_owned()),
            None => Self::Path(written.into()),
        }
    }
}

/// Returns whether a text begins with a scheme, whichever: one that can't be fetched is refused by its name.
fn is_address(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| {
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Reads arguments that say where a document is.
pub(crate) fn place() -> impl TypedValueParser<Value = Place> {
    OsStringValueParser::new().map(Place::from)
}

/// Names a document on disk: a file, or a folder of them.
pub(crate) fn on_disk(path: &Path) -> FileBuilder {
    if path.is_dir() {
        fader_providers::folder(path)
    } else {
        fader_providers::file(path)
    }
}

/// What is sent with each request to an address.
#[derive(clap::Args)]
pub(crate) struct Headers {
    /// A header to send to an address, such as "authorization: Bearer …"; as often as needed.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
}

/// Never fails: what was written may be a secret, and a message would have it. An empty name is refused later.
fn header(text: &str) -> Result<(String, String), Infallible> {
    let (name, value) = text.split_once(':').unwrap_or(("", text));
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// Names a document at an address: its errors are errors here, whatever a service would make of them.
pub(crate) fn at(address: &str, headers: &Headers) -> HttpBuilder {
    let source = fader_providers::http(address).strictness(Strictness::Strict);
    headers
        .headers
        .iter()
        .fold(source, |source, (name, value)| source.header(name, value))
}

/// Loads a document with its list files and, where it is on disk, the overlay beside it, as a service would.
///
/// # Errors
///
/// The document or its overlay can't be read. What is wrong *in* them stands in the reports.
pub(crate) fn load(place: &Place, headers: &Headers) -> Result<Loaded, ProviderError> {
    match place {
        Place::Path(path) => on_disk(path).read().map(from_disk),
        Place::Address(address) => at(address, headers).fetch().map(from_address),
    }
}

/// Loads a document with its list files, and no overlay.
///
/// # Errors
///
/// The document can't be read. What is wrong *in* it stands in the reports.
pub(crate) fn load_alone(place: &Place, headers: &Headers) -> Result<Loaded, ProviderError> {
    match place {
        Place::Path(path) => on_disk(path).without_overlay().read().map(from_disk),
        Place::Address(_) => load(place, headers),
    }
}

fn from_address(fetched: HttpContents) -> Loaded {
    let (flags, source) = (Flags::builder().build(), fetched.source().clone());
    let reports = vec![Report::new(source.name(), fetched.document())];
    let diagnostics = told(flags.load(fetched, &source));
    Loaded::new(flags, reports, diagnostics)
}

fn from_disk(read: FileContents) -> Loaded {
    let source = read.source().clone();
    let documents = read.documents();
    let reports = documents
        .map(|(name, text)| Report::new(name, text))
        .collect();
    let overlay = read
        .overlay_source()
        .cloned()
        .zip(read.overlay().map(<[u8]>::to_vec));

    let flags = Flags::builder().build();
    let diagnostics = told(flags.load(read, &source));
    // It was taken or refused with the document, whatever became of that: this asks which.
    let refusal = overlay
        .as_ref()
        .and_then(|(source, bytes)| flags.load_overlay(bytes, source).err());
    // An entry that waits for a flag or rule is told of by the handle, and stands in the overlay.
    let (waiting, diagnostics): (Vec<_>, Vec<_>) = diagnostics
        .into_iter()
        .partition(|diagnostic| diagnostic.kind() == DiagnosticKind::Overlay);
    let mut loaded = Loaded::new(flags, reports, diagnostics);
    if let Some((source, text)) = overlay {
        let diagnostics = refusal.map_or(waiting, |error| error.diagnostics().to_vec());
        if !diagnostics.is_empty() {
            loaded.reports.push(Report {
                findings: diagnostics.iter().map(Finding::from).collect(),
                ..Report::new(source.name(), &text)
            });
        }
    }
    loaded
}

fn told(loaded: Result<fader::Loaded, CompileError>) -> Vec<Diagnostic> {
    match loaded {
        Ok(loaded) => loaded.warnings().to_vec(),
        Err(error) => error.diagnostics().to_vec(),
    }
}
