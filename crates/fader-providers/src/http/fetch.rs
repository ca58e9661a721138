//! A document and the lists that it names, fetched so that what is taken is whole.
//!
//! Several requests see several moments. A deploy that must never be seen half done redirects the document's address
//! into a folder of its own for each version: lists are looked for beside where the document was found. Otherwise a list
//! may be newer than its document, until the next poll.

use std::sync::Arc;

use reqwest::Url;

use super::client::{Answer, Client, Part, What};
use super::error::{FetchError, told};
use super::settings::{Settings, bare, has_user};

/// A document and its lists, as they were fetched or read from the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) document: Part,
    pub(super) lists: Vec<List>,
}

/// A list file, by its path as the document names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct List {
    pub(super) path: String,
    pub(super) part: Part,
}

/// What a fetch has found.
#[derive(Debug)]
pub(super) enum Fetched {
    /// All is as it is in hand.
    Unchanged,
    /// Something is new, or nothing was in hand.
    Set(Set),
}

/// Fetches from one address, again and again.
#[derive(Debug)]
pub(super) struct Fetcher {
    settings: Arc<Settings>,
    /// Made at the first fetch, as reading the machine's certificates takes a while and may fail for a while.
    client: Option<Client>,
}

impl Fetcher {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        Self {
            settings,
            client: None,
        }
    }

    /// Fetches what has changed since `hand` was fetched, or everything where nothing is in hand.
    pub(super) async fn fetch(&mut self, hand: Option<&Set>) -> Result<Fetched, FetchError> {
        let client = match &mut self.client {
            Some(client) => client,
            none => none.insert(Client::new(Arc::clone(&self.settings))?),
        };
        let held = hand.map(|set| &set.document);
        let found = client.get(&self.settings.url, What::Document, held).await?;
        let (document, mut changed, base) = (found.part, found.changed, bare(found.url));

        let mut lists = Vec::new();
        let paths = if self.settings.overlay {
            Vec::new()
        } else {
            fader::list_files(&document.bytes)
        };
        for path in paths {
            let held = hand.and_then(|set| set.lists.iter().find(|list| list.path == path));
            let url = address(&base, &path);
            let name = name(&path, url.as_ref().ok());
            let found = list(client, url, held).await;
            let found = found.map_err(|error| FetchError::List {
                path: name,
                source: Box::new(error),
            })?;
            changed |= found.changed;
            let part = found.part;
            lists.push(List { path, part });
        }
        Ok(if changed {
            Fetched::Set(Set { document, lists })
        } else {
            Fetched::Unchanged
        })
    }
}

/// Returns where a list lies.
fn address(document: &Url, path: &str) -> Result<Url, FetchError> {
    let url = document
        .join(path)
        .map_err(|error| FetchError::ListPath(error.to_string()))?;
    if has_user(&url) {
        return Err(FetchError::ListUser);
    }
    if url.origin() != document.origin() {
        let origin = url.origin().ascii_serialization();
        return Err(FetchError::ListElsewhere(told(&origin)));
    }
    Ok(url)
}

/// Names a list by its path, without what may be a secret: the query, and a user.
fn name(path: &str, url: Option<&Url>) -> String {
    if url.is_none() && path.contains('@') {
        return "…".to_owned();
    }
    told(path.split(['?', '#']).next().unwrap_or_default())
}

async fn list(
    client: &mut Client,
    url: Result<Url, FetchError>,
    held: Option<&List>,
) -> Result<Answer, FetchError> {
    let held = held.map(|list| &list.part);
    let found = client.get(&url?, What::List, held).await?;
    if found.part.bytes.is_empty() && held.is_some_and(|held| !held.bytes.is_empty()) {
        return Err(FetchError::Emptied);
    }
    Ok(found)
}
