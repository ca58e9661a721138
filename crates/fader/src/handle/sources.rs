//! How each source is doing, as its deliveries and failures tell.

use std::sync::Arc;

use crate::handle::events::Event;
use crate::handle::status::SourceStatus;
use crate::time::Timestamp;

/// The sources of a handle, in the order in which they first said something.
#[derive(Debug, Default)]
pub(crate) struct Sources(Vec<SourceStatus>);

/// What is wrong with a source.
#[derive(Clone, Copy)]
struct Trouble<'t> {
    kind: &'static str,
    error: &'t str,
    /// Tells the content that was refused.
    refused: Option<u128>,
    /// Whether what is live may be out of date by it.
    is_stale: bool,
}

impl Sources {
    pub(crate) fn all(&self) -> &[SourceStatus] {
        &self.0
    }

    pub(crate) fn is_any_stale(&self) -> bool {
        self.0.iter().any(|known| known.is_stale)
    }

    /// Returns whether this content of a source was refused, or taken in part, and still is.
    pub(crate) fn has_refused(&self, name: &str, content: u128) -> bool {
        self.0
            .iter()
            .any(|known| *known.name == *name && known.refused == Some(content))
    }

    /// Notes that a source is good; tells that it recovered if it had been failing, or refused and is now as before.
    pub(crate) fn good(
        &mut self,
        name: &Arc<str>,
        now: Timestamp,
        unchanged: bool,
        events: &mut Vec<Event>,
    ) {
        let known = self.known(name, now);
        known.checked_at = Some(now);
        if known.error.is_none() {
            return;
        }
        if unchanged || known.refused.is_none() {
            events.push(Event::Recovered {
                source: name.to_string(),
            });
        }
        (known.error, known.refused, known.since) = (None, None, now);
        (known.kind, known.is_stale) = (None, false);
    }

    /// Notes that a source can be read again, but that flags of it are set aside as before.
    pub(crate) fn partly_good(
        &mut self,
        name: &Arc<str>,
        error: &str,
        content: u128,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) {
        let known = self.known(name, now);
        if known.error.is_some() && known.refused != Some(content) {
            events.push(Event::Recovered {
                source: name.to_string(),
            });
        }
        self.refused(name, error, content, now);
    }

    /// Notes that a source's content was refused, in whole or in part; returns whether that is news.
    pub(crate) fn refused(
        &mut self,
        name: &Arc<str>,
        error: &str,
        content: u128,
        now: Timestamp,
    ) -> bool {
        let known = self.known(name, now);
        known.checked_at = Some(now);
        known.note(
            Trouble {
                kind: "refused",
                error,
                refused: Some(content),
                is_stale: true,
            },
            now,
        )
    }

    /// Notes that a source can't be read, and whether what is live is stale by it.
    pub(crate) fn failed(
        &mut self,
        name: &Arc<str>,
        (kind, error): (&'static str, &str),
        is_stale: bool,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) {
        let source = name.to_string();
        let known = self.known(name, now);
        // What is stale already stays so.
        let trouble = Trouble {
            kind,
            error,
            refused: None,
            is_stale: is_stale || known.is_stale,
        };
        let news = known.note(trouble, now);
        events.push(Event::Failed {
            source: source.clone(),
            kind,
            error: error.to_owned(),
            stale: trouble.is_stale,
        });
        if is_stale && news {
            let error = error.to_owned();
            events.push(Event::Stale {
                source,
                kind,
                error,
            });
        }
    }

    fn known(&mut self, name: &Arc<str>, now: Timestamp) -> &mut SourceStatus {
        let place = self.0.iter().position(|known| known.name == *name);
        let place = place.unwrap_or_else(|| {
            self.0.push(SourceStatus {
                name: Arc::clone(name),
                error: None,
                kind: None,
                since: now,
                checked_at: None,
                is_stale: false,
                refused: None,
            });
            self.0.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "the place was just found or made")]
        &mut self.0[place]
    }
}

impl SourceStatus {
    /// Notes what is wrong; returns whether that is news.
    fn note(&mut self, trouble: Trouble<'_>, now: Timestamp) -> bool {
        let news = self.error.as_deref() != Some(trouble.error)
            || self.refused != trouble.refused
            || self.is_stale != trouble.is_stale;
        if news {
            (self.error, self.since) = (Some(trouble.error.to_owned()), now);
            self.kind = Some(trouble.kind);
            (self.refused, self.is_stale) = (trouble.refused, trouble.is_stale);
        }
        news
    }
}
