//! A document and the lists that it names, fetched so that what is taken is whole.
//!
//! Several requests see several moments. A deploy that must never be seen half done redirects the document's address
//! into a folder of its own for each version: lists are looked for beside where the document was found. Otherwise a list
//! may be newer than its document, until the next poll.

use std::sync::Arc;

use reqwest::Url;

use super::client::{Answer, Client, Part, What};
use super::error::FetchError;
use super::settings::{Settings, bare};

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
        let (mut document, mut changed) =
            get(client, &self.settings.url, What::Document, held).await?;
        document.url = bare(document.url);

        let mut lists = Vec::new();
        let paths = if self.settings.overlay {
            Vec::new()
        } else {
            fader::list_files(&document.bytes)
        };
        for path in paths {
            let held = hand.and_then(|set| set.lists.iter().find(|list| list.path == path));
            let (part, list_changed) =
                list(client, &document.url, &path, held)
                    .await
                    .map_err(|error| FetchError::List {
                        path: path.clone(),
                        source: Box::new(error),
                    })?;
            changed |= list_changed;
            lists.push(List { path, part });
        }
        Ok(if changed {
            Fetched::Set(Set { document, lists })
        } else {
            Fetched::Unchanged
        })
    }
}

async fn list(
    client: &Client,
    document: &Url,
    path: &str,
    held: Option<&List>,
) -> Result<(Part, bool), FetchError> {
    let url = document
        .join(path)
        .map_err(|error| FetchError::ListPath(error.to_string()))?;
    if url.origin() != document.origin() {
        return Err(FetchError::ListElsewhere(
            url.origin().ascii_serialization(),
        ));
    }
    let held = held.map(|list| &list.part);
    // A tag says nothing of what lies at another address, where a redirect leads to another version.
    let same = held.filter(|part| part.url == url);
    let (mut part, changed) = get(client, &url, What::List, same).await?;
    if part.bytes.is_empty() && held.is_some_and(|held| !held.bytes.is_empty()) {
        return Err(FetchError::Emptied);
    }
    part.url = url;
    Ok((part, changed))
}

/// Gets a part, and tells whether it is another than what is held.
async fn get(
    client: &Client,
    url: &Url,
    what: What,
    held: Option<&Part>,
) -> Result<(Part, bool), FetchError> {
    let etag = held.and_then(|part| part.etag.as_ref());
    match (client.get(url, what, etag).await?, held) {
        (Answer::Content(part), _) => Ok((part, true)),
        (Answer::Unchanged { url }, Some(held)) => {
            let part = Part {
                url,
                ..held.clone()
            };
            Ok((part, false))
        }
        // INVARIANT: without something held no tag was sent, and the client takes that for an error already.
        (Answer::Unchanged { .. }, None) => Err(FetchError::UnmodifiedNothing),
    }
}
