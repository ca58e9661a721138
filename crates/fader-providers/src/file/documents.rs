//! Where the documents of a source lie: in one file, or in a folder with one for each team.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Named;
use super::read::ReadError;

/// The place of one document, or of several that make one.
#[derive(Clone, Debug)]
pub(super) enum Documents {
    File(Named),
    Folder {
        named: Named,
        /// A path in it where nothing is, so that its directory is what can tell of a change.
        inside: PathBuf,
    },
}

/// A document's file, and what its path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    /// Its name in messages.
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) real: PathBuf,
}

impl Documents {
    pub(super) fn folder(named: Named) -> Self {
        let inside = named.path.join("*.json");
        Self::Folder { named, inside }
    }

    pub(super) fn named(&self) -> &Named {
        match self {
            Self::File(named) | Self::Folder { named, .. } => named,
        }
    }

    pub(super) fn is_folder(&self) -> bool {
        matches!(self, Self::Folder { .. })
    }

    /// Returns the path whose directories tell of a change.
    pub(super) fn watched(&self) -> &Path {
        match self {
            Self::File(named) => &named.path,
            Self::Folder { inside, .. } => inside,
        }
    }

    /// Finds the files, those of a folder in the order of their names.
    pub(super) fn resolve(&self) -> Result<Vec<Resolved>, ReadError> {
        match self {
            Self::File(named) => Ok(vec![Resolved {
                name: named.name.clone(),
                path: named.path.clone(),
                real: fs::canonicalize(&named.path)?,
            }]),
            Self::Folder { named, .. } => in_folder(named),
        }
    }

    /// Says which of several documents an error is about.
    pub(super) fn of_part(&self, part: &Resolved, error: ReadError) -> ReadError {
        match self {
            Self::File(_) => error,
            Self::Folder { .. } => ReadError::Part {
                name: part.name.clone(),
                source: Box::new(error),
            },
        }
    }
}

fn in_folder(named: &Named) -> Result<Vec<Resolved>, ReadError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(&named.path).map_err(|error| match error.kind() {
        io::ErrorKind::NotADirectory => ReadError::NotAFolder,
        _ => error.into(),
    })? {
        let file = entry?.file_name();
        let path = named.path.join(&file);
        let name = format!("{}/{}", named.name, file.display());
        if !is_document(&file.to_string_lossy()) {
            continue;
        }
        let real = fs::canonicalize(&path).map_err(|error| ReadError::Part {
            name: name.clone(),
            source: Box::new(error.into()),
        })?;
        if !real.is_dir() {
            found.push(Resolved { name, path, real });
        }
    }
    if found.is_empty() {
        return Err(ReadError::NoDocuments);
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

/// Returns whether a file of a folder is one of its documents: not hidden, as what editors and mounts leave there is, and
/// not an overlay.
fn is_document(file: &str) -> bool {
    file.ends_with(".json") && !file.starts_with('.') && !file.ends_with(".overlay.json")
}
