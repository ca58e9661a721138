//! The last good document and its lists, on disk, for a start while the server is down.
//!
//! One file: a line of JSON that says whose it is and what follows, a line with the SHA-256 of that one, then the bodies,
//! one after the other. It is written as a whole or not at all, for its owner alone, and each body is told by its length
//! and its SHA-256. Whatever is wrong with it, it is as if it were not there: the next good document writes it anew.
//!
//! The address's query may hold a secret, and yet tells one document from another. So the line has the address without
//! it but for four digits of a hash, for people, and a hash of all of it.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use reqwest::header::HeaderValue;
use serde::{Deserialize, Serialize};

use super::client::Part;
use super::error::told;
use super::fetch::{List, Set};
use super::settings::{Settings, name_of, sha256};
use crate::error::{ProviderError, reason_of};
use crate::replace::{Access, replace};

/// The form of the file. One of another form is ignored.
const FORMAT: u32 = 1;

/// How long each of the first two lines may be.
const MAX_HEADER: u64 = 16 << 20;

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: u32,
    /// The address with four digits of a hash for its query, and the hash of all of it.
    url: String,
    address: String,
    /// When the document was fetched, as a date of HTTP.
    time: String,
    document: Entry,
    lists: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    /// The list's path; empty for the document.
    path: String,
    found: String,
    etag: Option<String>,
    bytes: u64,
    sha256: String,
}

/// A cache's file.
#[derive(Debug)]
pub(super) struct Cache {
    path: PathBuf,
    name: String,
}

/// What a cache held.
#[derive(Debug)]
pub(super) struct Cached {
    pub(super) set: Set,
    pub(super) time: String,
}

impl Cache {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            name: path.display().to_string(),
            path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        }
    }

    /// Reads the cache; `None` where there is none.
    ///
    /// # Errors
    ///
    /// If it can't be used, in a line for a person.
    pub(super) fn read(&self, settings: &Settings) -> Result<Option<Cached>, String> {
        let refused = |reason: &str| self.ignored(reason);
        match fs::metadata(&self.path) {
            Ok(found) if found.is_file() => {}
            Ok(_) => return Err(refused("it is no file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(refused(&reason_of(&error))),
        }
        let file = File::open(&self.path).map_err(|error| refused(&reason_of(&error)))?;
        let cached = read(BufReader::new(file), settings).map_err(|reason| refused(&reason))?;
        Ok(Some(cached))
    }

    /// Words why it is not used.
    pub(super) fn ignored(&self, reason: &str) -> String {
        format!("the cache `{}` is ignored: {reason}", self.name)
    }

    /// Writes what was just taken.
    pub(super) fn write(&self, set: &Set, settings: &Settings) -> Result<(), ProviderError> {
        let header = Header {
            format: FORMAT,
            url: name_of(&settings.url),
            address: address(settings),
            time: httpdate::fmt_http_date(SystemTime::now()),
            document: entry("", &set.document),
            lists: set
                .lists
                .iter()
                .map(|list| entry(&list.path, &list.part))
                .collect(),
        };
        let mut content = serde_json::to_vec(&header)
            .map_err(|error| ProviderError::write(&self.name, error.into()))?;
        let hash = sha256(&content);
        content.extend_from_slice(format!("\n{hash}\n").as_bytes());
        let lists = set.lists.iter().map(|list| &list.part);
        for part in std::iter::once(&set.document).chain(lists) {
            content.extend_from_slice(&part.bytes);
        }
        replace(&self.path, &content, Access::OwnerOnly)
            .map_err(|error| ProviderError::write(&self.name, error))
    }
}

fn read(mut file: impl BufRead, settings: &Settings) -> Result<Cached, String> {
    let unread = |error: io::Error| reason_of(&error);
    let mut line = || -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        let mut limited = (&mut file).take(MAX_HEADER);
        limited.read_until(b'\n', &mut line)?;
        line.pop_if(|last| *last == b'\n');
        Ok(line)
    };
    let (first, hash) = (line().map_err(unread)?, line().map_err(unread)?);
    if sha256(&first).as_bytes() != hash {
        return Err("its first line is damaged".to_owned());
    }
    let header: Header = serde_json::from_slice(&first)
        .map_err(|error| format!("its first line cannot be read: {error}"))?;
    if header.format != FORMAT {
        return Err(format!("it is of the form {}, not {FORMAT}", header.format));
    }
    if header.address != address(settings) {
        return Err(format!("it is of another address, `{}`", told(&header.url)));
    }
    let document = part(&mut file, header.document, settings.max_bytes)?.part;
    let lists = header.lists.into_iter();
    let lists = lists
        .map(|entry| part(&mut file, entry, settings.max_list_bytes))
        .collect::<Result<_, _>>()?;
    if !file.fill_buf().map_err(unread)?.is_empty() {
        return Err("it has more in it than its first line says".to_owned());
    }
    let set = Set { document, lists };
    Ok(Cached {
        set,
        time: header.time,
    })
}

fn part(file: &mut impl BufRead, entry: Entry, limit: u64) -> Result<List, String> {
    if entry.bytes > limit {
        return Err(format!(
            "a part of it is larger than the limit of {limit} bytes"
        ));
    }
    let mut bytes = Vec::new();
    file.take(entry.bytes)
        .read_to_end(&mut bytes)
        .map_err(|error| reason_of(&error))?;
    if bytes.len() as u64 != entry.bytes || sha256(&bytes) != entry.sha256 {
        return Err("it is damaged: a part of it is not what was written".to_owned());
    }
    let etag = entry.etag.and_then(|etag| HeaderValue::try_from(etag).ok());
    Ok(List {
        path: entry.path,
        part: Part {
            found: entry.found,
            etag,
            bytes: bytes.into(),
        },
    })
}

fn entry(path: &str, part: &Part) -> Entry {
    // One with other bytes than ASCII is not kept, which costs one answer in full.
    let etag = part.etag.as_ref().and_then(|etag| etag.to_str().ok());
    Entry {
        path: path.to_owned(),
        found: part.found.clone(),
        etag: etag.map(ToOwned::to_owned),
        bytes: part.bytes.len() as u64,
        sha256: sha256(&part.bytes),
    }
}

/// Tells whose a cache is: a document is not an overlay, and another query is another document.
fn address(settings: &Settings) -> String {
    let kind = if settings.overlay {
        "overlay"
    } else {
        "document"
    };
    sha256(format!("{kind} {}", settings.url).as_bytes())
}
