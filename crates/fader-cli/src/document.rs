//! Reads a document with what belongs to it, and loads it as every command does.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use fader::{CompileError, Delivery, Diagnostic, DiagnosticKind, Flags, Severity, Source};

use crate::output;

/// The most bytes that are read of a document or an overlay, and of a list file: the file provider's limits.
const MAX_BYTES: u64 = 16 << 20;
const MAX_LIST_BYTES: u64 = 256 << 20;

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

/// Loads a document with its list files, which are read from the document's real directory, and the overlay beside it.
///
/// # Errors
///
/// The document or its overlay can't be read. What is wrong *in* them stands in the reports.
pub(crate) fn load(path: &Path) -> anyhow::Result<Loaded> {
    let name = path.display().to_string();
    let real = path
        .canonicalize()
        .map_err(ReadError::Io)
        .with_context(|| cannot_read(path))?;
    let text = read(&real, MAX_BYTES).with_context(|| cannot_read(path))?;

    let mut delivery = Delivery::new(text.clone());
    for list in fader::list_files(&text) {
        let content =
            read(&real.with_file_name(&list), MAX_LIST_BYTES).map_err(|error| error.to_string());
        delivery = delivery.list(list, content);
    }
    let overlay = overlay(path)?;
    if let Some((name, bytes)) = &overlay {
        delivery = delivery.overlay(name.clone(), bytes.clone());
    }

    let flags = Flags::builder().build();
    let source = Source::new(&*name);
    let (diagnostics, refusal) = match flags.load(delivery, &source) {
        Ok(loaded) => (loaded.warnings().to_vec(), loaded.overlay_error().cloned()),
        Err(error) => (
            error.diagnostics().to_vec(),
            overlay_refusal(&flags, overlay.as_ref()),
        ),
    };
    // An entry that waits for a flag or rule is told of by the handle, and stands in the overlay.
    let (waiting, mut diagnostics): (Vec<_>, Vec<_>) = diagnostics
        .into_iter()
        .partition(|diagnostic| diagnostic.kind() == DiagnosticKind::Overlay);
    diagnostics.sort_by_key(|diagnostic| (diagnostic.line(), diagnostic.column()));

    let mut reports = vec![Report {
        file: name,
        text,
        diagnostics,
    }];
    if let Some((file, text)) = overlay {
        let diagnostics = refusal.map_or(waiting, |error| error.diagnostics().to_vec());
        if !diagnostics.is_empty() {
            reports.push(Report {
                file,
                text,
                diagnostics,
            });
        }
    }
    Ok(Loaded { flags, reports })
}

/// Finds out what is wrong with an overlay whose document was refused: an empty document takes its place.
fn overlay_refusal(flags: &Flags, overlay: Option<&(String, Vec<u8>)>) -> Option<CompileError> {
    let (name, bytes) = overlay?;
    let delivery = Delivery::new("{}").overlay(name.as_str(), bytes.as_slice());
    flags
        .load(delivery, &Source::new("{}"))
        .ok()?
        .overlay_error()
        .cloned()
}

/// Reads the overlay beside a document, where there is one.
fn overlay(document: &Path) -> anyhow::Result<Option<(String, Vec<u8>)>> {
    let mut path = document.as_os_str().to_owned();
    path.push(".overlay.json");
    let path = PathBuf::from(path);
    match read(&path, MAX_BYTES) {
        Ok(bytes) => Ok(Some((path.display().to_string(), bytes))),
        Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| cannot_read(&path)),
    }
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read `{}`", path.display())
}

/// Reads a regular file, never a pipe or a device that may not end.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let found = path.metadata()?;
    if found.is_dir() {
        return Err(ReadError::Directory);
    }
    if !found.is_file() {
        return Err(ReadError::Special);
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(ReadError::TooLarge(limit));
    }
    Ok(bytes)
}

/// Why a file could not be read.
#[derive(Debug)]
enum ReadError {
    Directory,
    Special,
    TooLarge(u64),
    Io(io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory => f.write_str("it is a directory, not a file"),
            Self::Special => f.write_str("it is a pipe, a socket or a device, not a file"),
            Self::TooLarge(limit) => write!(f, "it is larger than the limit of {limit} bytes"),
            Self::Io(error) => f.write_str(&output::reason(error)),
        }
    }
}

impl std::error::Error for ReadError {}
