//! Reading files that others are writing.
//!
//! A document and its lists belong together, but no call reads several files at one instant. So the path is resolved
//! once, all is read from the real directory that it led to, and afterwards everything is looked at again: where the
//! path leads elsewhere by now, or a file has another stamp than when it was opened, the whole reading starts anew.
//! Holding the directory open instead (`openat`) would also see one version of it, but not an edit in place while it
//! is read, and is not to be had everywhere.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use fader::Delivery;

use super::Named;
use super::documents::{Documents, Resolved};
use crate::error::{ErrorKind, ProviderError, reason_of};

/// How often a reading starts anew before it is given up until the next look, and the pause before each.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(5);

/// The files of one source.
#[derive(Debug)]
pub(super) struct Files {
    /// `None` where the source is an overlay alone.
    pub(super) documents: Option<Documents>,
    /// `None` where the overlay comes from elsewhere.
    pub(super) overlay: Option<Named>,
    pub(super) max_bytes: u64,
    pub(super) max_list_bytes: u64,
}

/// Documents and the lists that they name, which belong together.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) documents: Vec<Document>,
    pub(super) lists: Vec<List>,
    /// Whether the documents are those of a folder.
    pub(super) is_folder: bool,
}

/// A document as it was read.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) place: Resolved,
    pub(super) bytes: Vec<u8>,
    stamp: Stamp,
}

/// A list file.
#[derive(Debug)]
pub(super) struct List {
    /// Its path as the document names it.
    pub(super) written: String,
    pub(super) path: PathBuf,
    pub(super) content: Result<Content, ReadError>,
}

impl List {
    /// Returns whether its path still leads to what was read there.
    fn is_as_read(&self) -> bool {
        let now = Stamp::at(&self.path);
        match &self.content {
            Ok(content) => now.as_ref() == Some(&content.stamp),
            Err(ReadError::NotFound) => now.is_none(),
            // Whatever it is by now, that one did not become part of a mix.
            Err(_) => true,
        }
    }
}

#[derive(Debug)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    pub(super) stamp: Stamp,
}

impl Files {
    /// Reads the documents, their lists and the overlay, when every failure to do so is an error.
    pub(super) fn read_all(&self) -> Result<(Option<Set>, Option<Vec<u8>>), ProviderError> {
        let set = match &self.documents {
            Some(documents) => Some(
                self.read()
                    .map_err(|error| ProviderError::read(&documents.named().name, error))?,
            ),
            None => None,
        };
        let overlay = self.read_overlay().map_err(|error| {
            let overlay = self.overlay.as_ref();
            ProviderError::read(overlay.map_or("", |overlay| &overlay.name), error)
        })?;
        Ok((set, overlay))
    }

    /// Reads the documents and their lists.
    pub(super) fn read(&self) -> Result<Set, ReadError> {
        let documents = self.documents.as_ref().ok_or(ReadError::NoDocuments)?;
        let mut last = ReadError::Changing;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                thread::sleep(PAUSE);
            }
            match self.attempt(documents) {
                Ok(Some(set)) => return Ok(set),
                Ok(None) => last = ReadError::Changing,
                // A switch may leave the path without a file for a moment.
                Err(error) if error.kind() == ErrorKind::NotFound => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Reads once. `None` says that something moved meanwhile, so that the parts may not belong together.
    fn attempt(&self, documents: &Documents) -> Result<Option<Set>, ReadError> {
        let places = documents.resolve()?;
        let mut set = Set {
            documents: Vec::with_capacity(places.len()),
            lists: Vec::new(),
            is_folder: documents.is_folder(),
        };
        for place in &places {
            let content = read(&place.real, self.max_bytes);
            let content = content.map_err(|error| documents.of_part(place, error))?;
            set.documents.push(Document {
                place: place.clone(),
                bytes: content.bytes,
                stamp: content.stamp,
            });
        }
        let mut folders = Folders::default();
        for document in &set.documents {
            let directory = document.place.real.parent();
            let directory = directory.unwrap_or(&document.place.real);
            for written in fader::list_files(&document.bytes) {
                let path = directory.join(&written);
                let real = folders.real(&path);
                match set.lists.iter().find(|list| list.written == written) {
                    Some(list) if folders.real(&list.path) == real => continue,
                    Some(list) => return Err(ReadError::two_lists(written, &list.path, &path)),
                    None => {}
                }
                let content = read(&real, self.max_list_bytes);
                set.lists.push(List {
                    written,
                    path,
                    content,
                });
            }
        }
        let is_as_read =
            |document: &Document| Stamp::at(&document.place.real).as_ref() == Some(&document.stamp);
        let whole = documents.resolve().is_ok_and(|now| now == places)
            && set.documents.iter().all(is_as_read)
            && set.lists.iter().all(List::is_as_read);
        Ok(whole.then_some(set))
    }

    /// Reads the overlay; `None` where there is none.
    pub(super) fn read_overlay(&self) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(overlay) = &self.overlay else {
            return Ok(None);
        };
        match read(&overlay.path, self.max_bytes) {
            Ok(content) => Ok(Some(content.bytes)),
            Err(ReadError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the paths of which is known what they lead to before anything is read.
    pub(super) fn watched(&self) -> impl Iterator<Item = &Path> {
        let documents = self.documents.iter().map(Documents::watched);
        documents.chain(self.overlay.iter().map(|overlay| &*overlay.path))
    }
}

impl Set {
    /// Makes a delivery of what was read; a list that could not be read is an error of loading it.
    pub(super) fn into_delivery(self) -> Delivery {
        let mut documents = self.documents.into_iter();
        let delivery = if self.is_folder {
            Delivery::from_parts(documents.map(|it| (it.place.name, it.bytes)))
        } else {
            let document = documents.next();
            Delivery::new(document.map(|it| it.bytes).unwrap_or_default())
        };
        self.lists.into_iter().fold(delivery, |delivery, list| {
            let content = list.content.map(|content| content.bytes);
            delivery.list(list.written, content.map_err(|error| error.to_string()))
        })
    }

    /// Returns the paths beside those that its files are configured by.
    pub(super) fn beside(&self) -> Vec<PathBuf> {
        let documents = self.documents.iter().map(|it| it.place.path.clone());
        let lists = self.lists.iter().map(|list| list.path.clone());
        documents.chain(lists).collect()
    }
}

/// Real folders, each looked up once: files of one folder are read from one version of it, however often a symlink on the
/// way is switched meanwhile. What is checked afterwards can't tell, as it may have been switched there and back.
#[derive(Default)]
struct Folders(HashMap<PathBuf, PathBuf>);

impl Folders {
    /// Returns where a file really is; its path as it is where that can't be told, for the error of reading it.
    fn real(&mut self, path: &Path) -> PathBuf {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return path.to_owned();
        };
        let real = match self.0.get(folder) {
            Some(real) => real,
            None => match fs::canonicalize(folder) {
                Ok(real) => self.0.entry(folder.to_owned()).or_insert(real),
                Err(_) => return path.to_owned(),
            },
        };
        real.join(name)
    }
}

/// Reads a regular file up to a limit, never waiting for a writer.
pub(super) fn read(path: &Path, limit: u64) -> Result<Content, ReadError> {
    // Asked before it is opened, as opening a device may do something; and after, as it may be another file by then.
    regular(&fs::metadata(path)?)?;
    let file = open(path)?;
    let found = file.metadata()?;
    regular(&found)?;

    let mut bytes = Vec::new();
    if found.len() <= limit {
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    }
    if found.len().max(bytes.len() as u64) > limit {
        return Err(ReadError::TooLarge { limit });
    }
    Ok(Content {
        bytes,
        stamp: Stamp::of(&found),
    })
}

fn regular(found: &Metadata) -> Result<(), ReadError> {
    match found.file_type() {
        kind if kind.is_file() => Ok(()),
        kind if kind.is_dir() => Err(ReadError::NotAFile("a directory")),
        _ => Err(ReadError::NotAFile("a pipe, a socket or a device")),
    }
}

/// Opens without waiting for a pipe's other end.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};

    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Tells a file, as it was at one time, from any other file and from what a later write makes of it.
///
/// It only finds out that something moved *while* it was read. Whether a source has changed is told by content alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: Option<(u64, u64)>,
    pub(super) len: u64,
    modified: Option<SystemTime>,
    /// When the system last noted a change, which no program can set back.
    changed: Option<(i64, i64)>,
}

impl Stamp {
    #[cfg(unix)]
    fn of(found: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;

        Self {
            inode: Some((found.dev(), found.ino())),
            len: found.len(),
            modified: found.modified().ok(),
            changed: Some((found.ctime(), found.ctime_nsec())),
        }
    }

    #[cfg(not(unix))]
    fn of(found: &Metadata) -> Self {
        Self {
            inode: None,
            len: found.len(),
            modified: found.modified().ok(),
            changed: None,
        }
    }

    fn at(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|found| Self::of(&found))
    }

    /// Returns whether `later` is the same file, written to meanwhile.
    pub(super) fn is_rewritten(&self, later: &Self) -> bool {
        self.inode == later.inode && (self.len, self.modified) != (later.len, later.modified)
    }
}

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("no such file")]
    NotFound,
    #[error("it is {0}, not a file")]
    NotAFile(&'static str),
    #[error("it is a file, not a folder of documents")]
    NotAFolder,
    #[error("it holds no documents (`*.json`)")]
    NoDocuments,
    #[error("`{name}`: {source}")]
    Part { name: String, source: Box<Self> },
    #[error(
        "two of its documents name the list `{written}`, one for `{}` and one for `{}`",
        one.display(),
        other.display()
    )]
    TwoLists {
        written: String,
        one: PathBuf,
        other: PathBuf,
    },
    #[error("it is larger than the limit of {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("it kept changing while it was read")]
    Changing,
    #[error(
        "it became empty, as while it is being written; a list that is meant to be empty holds a comment line"
    )]
    Emptied,
    #[error("{}", reason_of(.0))]
    Io(#[source] io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            _ => Self::Io(error),
        }
    }
}

#[cfg(unix)]
impl From<rustix::io::Errno> for ReadError {
    fn from(error: rustix::io::Errno) -> Self {
        io::Error::from(error).into()
    }
}

impl ReadError {
    /// Two documents of a folder lie in different directories in truth, and each has a list of that name beside it.
    fn two_lists(written: String, one: &Path, other: &Path) -> Self {
        Self::TwoLists {
            written,
            one: one.to_owned(),
            other: other.to_owned(),
        }
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound | Self::NoDocuments => ErrorKind::NotFound,
            Self::Part { source, .. } => source.kind(),
            Self::NotAFile(_) | Self::NotAFolder => ErrorKind::NotAFile,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::Changing | Self::Emptied => ErrorKind::Changing,
            Self::Io(_) | Self::TwoLists { .. } => ErrorKind::Unreadable,
        }
    }

    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::NotFound
            | Self::NoDocuments
            | Self::NotAFile(_)
            | Self::NotAFolder
            | Self::TooLarge { .. }
            | Self::TwoLists { .. } => false,
            Self::Part { source, .. } => source.is_transient(),
            Self::Changing | Self::Emptied => true,
            Self::Io(error) => is_passing(error),
        }
    }
}

/// Returns whether the system was short of something, rather than that something is wrong.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{
        Interrupted, OutOfMemory, ResourceBusy, StaleNetworkFileHandle, TimedOut, WouldBlock,
    };

    #[cfg(unix)]
    if let Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) =
        rustix::io::Errno::from_io_error(error)
    {
        return true;
    }
    matches!(
        error.kind(),
        Interrupted | OutOfMemory | ResourceBusy | StaleNetworkFileHandle | TimedOut | WouldBlock
    )
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
