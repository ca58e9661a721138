//! What a provider delivers, and where it says that it comes from.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a document comes from, and how it is taken.
///
/// ```
/// use fader::Source;
///
/// let file = Source::new("/etc/shop/flags.json");
/// let address = Source::new("https://flags.example.com/shop.json").network().quarantine();
/// assert!(file.is_strict() && !address.is_strict());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    name: Arc<str>,
    quarantine: bool,
    network: bool,
}

impl Source {
    /// Makes a source by its name, a path or an address, that stands in messages. By default it is strict and not a
    /// network source.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            quarantine: false,
            network: false,
        }
    }

    /// Takes documents with errors in single flags: those are set aside, each keeping its last good form or else
    /// answering with the caller's default, and the rest goes live. A strict source changes nothing then.
    ///
    /// An error in a segment or list sets aside each flag that uses it. A syntax error, or one outside flags, segments
    /// and lists, refuses the document all the same.
    #[must_use]
    pub fn quarantine(mut self) -> Self {
        self.quarantine = true;
        self
    }

    /// Marks a network source: a document whose revision is below the live one's is refused. From a file, where it may
    /// be a revert, it is a warning.
    #[must_use]
    pub fn network(mut self) -> Self {
        self.network = true;
        self
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether any error refuses the document.
    #[must_use]
    pub fn is_strict(&self) -> bool {
        !self.quarantine
    }

    /// Returns whether it is a network source.
    #[must_use]
    pub fn is_network(&self) -> bool {
        self.network
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }
}

/// A document with all that belongs to it, which is swapped as one.
///
/// ```
/// use fader::{Delivery, Flags, Source};
///
/// let document = r#"{
///     "lists": { "vip": { "file": "lists/vip.txt" } },
///     "flags": { "lounge": { "rules": [
///         { "if": { "attribute": "user.id", "in_list": "vip" }, "serve": "on" } ] } } }"#;
/// let flags = Flags::builder().build();
/// flags.load(Delivery::new(document).list("lists/vip.txt", Ok("anna\nbo\n".into())), &Source::new("example"))?;
/// # Ok::<(), fader::CompileError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    pub(crate) document: Vec<u8>,
    pub(crate) lists: BTreeMap<String, Result<Vec<u8>, String>>,
    pub(crate) overlay: Option<(Arc<str>, Vec<u8>)>,
}

impl Delivery {
    /// Makes a delivery of a document's bytes.
    #[must_use]
    pub fn new(document: impl Into<Vec<u8>>) -> Self {
        Self {
            document: document.into(),
            ..Self::default()
        }
    }

    /// Adds the content of a list file, by the path that the document gives, or the reason why it can't be read.
    /// [`list_files`](crate::list_files) tells which there are.
    #[must_use]
    pub fn list(mut self, path: impl Into<String>, content: Result<Vec<u8>, String>) -> Self {
        self.lists.insert(path.into(), content);
        self
    }

    /// Adds the overlay and the name of its source. Without one the live overlay stays.
    #[must_use]
    pub fn overlay(mut self, name: impl Into<Arc<str>>, content: impl Into<Vec<u8>>) -> Self {
        self.overlay = Some((name.into(), content.into()));
        self
    }

    /// Tells the document and its lists from others.
    pub(crate) fn identity(&self) -> u128 {
        let mut identity = crate::hash::identity(&self.document);
        for (path, content) in &self.lists {
            let content = match content {
                Ok(content) => crate::hash::identity_of(b"read", content),
                Err(reason) => crate::hash::identity_of(b"failed", reason.as_bytes()),
            };
            let entry = [
                identity.to_le_bytes(),
                crate::hash::identity(path.as_bytes()).to_le_bytes(),
                content.to_le_bytes(),
            ];
            identity = crate::hash::identity(entry.as_flattened());
        }
        identity
    }
}

impl From<Vec<u8>> for Delivery {
    fn from(document: Vec<u8>) -> Self {
        Self::new(document)
    }
}

impl From<&[u8]> for Delivery {
    fn from(document: &[u8]) -> Self {
        Self::new(document)
    }
}

impl From<&str> for Delivery {
    fn from(document: &str) -> Self {
        Self::new(document)
    }
}

impl From<String> for Delivery {
    fn from(document: String) -> Self {
        Self::new(document)
    }
}
