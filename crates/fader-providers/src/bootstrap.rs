//! A document that stands in until a source delivers.

use fader::{Flags, Source, State};

use crate::error::ProviderError;

/// The document that a service brings along, below all sources.
#[derive(Clone)]
pub(crate) struct Bootstrap {
    document: Vec<u8>,
    source: Source,
}

impl Bootstrap {
    pub(crate) fn new(document: impl Into<Vec<u8>>) -> Self {
        Self {
            document: document.into(),
            source: Source::new("bootstrap document").bootstrap(),
        }
    }

    /// Checks it, so that a mistake in it shows at each start and not only in the emergency that it is for.
    pub(crate) fn check(&self) -> Result<(), ProviderError> {
        self.load(&Flags::builder().build())
    }

    /// Loads it where nothing is live.
    pub(crate) fn load(&self, flags: &Flags) -> Result<(), ProviderError> {
        if flags.status().state() == State::Failed {
            let loaded = flags.load(self.document.clone(), &self.source);
            loaded.map_err(ProviderError::refused)?;
        }
        Ok(())
    }
}
