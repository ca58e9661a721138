//! What one reading found, for those who load it themselves.

use std::fmt;

use fader::{Delivery, Source};

use super::read::Set;

/// A document, its lists and its overlay, read once and not yet loaded: what [`FileBuilder::read`] returns.
///
/// It becomes a [`Delivery`], with which [`Flags::load`](fader::Flags::load) does what
/// [`open`](crate::FileBuilder::open) does with it.
///
/// [`FileBuilder::read`]: crate::FileBuilder::read
pub struct FileContents {
    pub(super) source: Source,
    pub(super) overlay_source: Option<Source>,
    pub(super) set: Option<Set>,
    pub(super) overlay: Option<Vec<u8>>,
}

impl FileContents {
    /// Returns the document's source: its path as it was given, and whether it quarantines.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Returns the documents, each by its name and with its bytes: one, or those of a folder in the order of their names.
    pub fn documents(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let documents = self.set.iter().flat_map(|set| &set.documents);
        documents.map(|document| (&*document.place.name, &*document.bytes))
    }

    /// Returns the overlay's source, named by its path, whether or not there is an overlay; `None` where it comes from
    /// elsewhere.
    #[must_use]
    pub fn overlay_source(&self) -> Option<&Source> {
        self.overlay_source.as_ref()
    }

    /// Returns the overlay's bytes; `None` where there is none.
    #[must_use]
    pub fn overlay(&self) -> Option<&[u8]> {
        self.overlay.as_deref()
    }
}

impl From<FileContents> for Delivery {
    fn from(read: FileContents) -> Self {
        let mut delivery = read.set.map_or_else(Self::default, Set::into_delivery);
        if let (Some(source), Some(overlay)) = (read.overlay_source, read.overlay) {
            delivery = delivery.overlay(source.name(), overlay);
        }
        delivery
    }
}

impl fmt::Debug for FileContents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileContents")
            .field("source", &self.source.name())
            .finish_non_exhaustive()
    }
}
