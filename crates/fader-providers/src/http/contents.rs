//! What one fetch found, for those who load it themselves.

use std::fmt;

use fader::{Delivery, Source};

use super::fetch::Set;

/// A document and its lists, fetched once and not yet loaded: what [`HttpBuilder::fetch`] returns.
///
/// It becomes a [`Delivery`], with which [`Flags::load`](fader::Flags::load) does what
/// [`open`](crate::HttpBuilder::open) does with it. Where an overlay was fetched, its bytes are what
/// [`Flags::load_overlay`](fader::Flags::load_overlay) takes.
///
/// [`HttpBuilder::fetch`]: crate::HttpBuilder::fetch
pub struct HttpContents {
    pub(super) source: Source,
    pub(super) set: Set,
}

impl HttpContents {
    /// Returns the source: its address with a hash in place of the query, and how it is taken.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Returns the bytes of the document, or of the overlay.
    #[must_use]
    pub fn document(&self) -> &[u8] {
        &self.set.document.bytes
    }
}

impl From<HttpContents> for Delivery {
    fn from(fetched: HttpContents) -> Self {
        delivery(&fetched.set)
    }
}

/// Makes what is loaded of a document and its lists.
pub(super) fn delivery(set: &Set) -> Delivery {
    let document = Delivery::new(set.document.bytes.to_vec());
    set.lists.iter().fold(document, |delivery, list| {
        delivery.list(&*list.path, Ok(list.part.bytes.to_vec()))
    })
}

impl fmt::Debug for HttpContents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpContents")
            .field("source", &self.source.name())
            .finish_non_exhaustive()
    }
}
