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
    pub(super) overlay_source: Source,
    pub(super) set: Set,
    pub(super) overlay: Option<Vec<u8>>,
}

impl FileContents {
    /// Returns the document's source: its path as it was given, and whether it quarantines.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Returns the document's bytes.
    #[must_use]
    pub fn document(&self) -> &[u8] {
        &self.set.document
    }

    /// Returns the overlay's source, named by its path, whether or not there is an overlay.
    #[must_use]
    pub fn overlay_source(&self) -> &Source {
        &self.overlay_source
    }

    /// Returns the overlay's bytes; `None` where there is none.
    #[must_use]
    pub fn overlay(&self) -> Option<&[u8]> {
        self.overlay.as_deref()
    }
}

impl From<FileContents> for Delivery {
    fn from(read: FileContents) -> Self {
        let mut delivery = Self::new(read.set.document);
        for list in read.set.lists {
            let content = list.content.map(|content| content.bytes);
            delivery = delivery.list(list.written, content.map_err(|error| error.to_string()));
        }
        match read.overlay {
            Some(overlay) => delivery.overlay(read.overlay_source.name(), overlay),
            None => delivery,
        }
    }
}

impl fmt::Debug for FileContents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileContents")
            .field("source", &self.source.name())
            .finish_non_exhaustive()
    }
}
