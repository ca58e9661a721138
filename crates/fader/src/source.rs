//! What a provider delivers, and where it says that it comes from.

use std::collections::BTreeMap;
use std::sync::Arc;

/// How a document with errors is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strictness {
    /// Any error refuses the document: nothing changes. The default.
    #[default]
    Strict,
    /// Flags with errors are set aside, each keeping its last good form or else answering with the caller's default, and
    /// the rest goes live.
    ///
    /// An error in a segment or list sets aside each flag that uses it. A syntax error, or one outside flags, segments
    /// and lists, refuses the document all the same.
    Quarantine,
}

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
    strictness: Strictness,
    network: bool,
    allows_downgrade: bool,
    allows_empty: bool,
    bootstrap: bool,
}

impl Source {
    /// Makes a source by its name, a path or an address, that stands in messages. By default it is strict and not a
    /// network source.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            strictness: Strictness::Strict,
            network: false,
            allows_downgrade: false,
            allows_empty: false,
            bootstrap: false,
        }
    }

    /// Sets how documents with errors are taken, by default strictly.
    #[must_use]
    pub fn strictness(mut self, strictness: Strictness) -> Self {
        self.strictness = strictness;
        self
    }

    /// Takes documents with errors in single flags: short for [`Strictness::Quarantine`].
    #[must_use]
    pub fn quarantine(self) -> Self {
        self.strictness(Strictness::Quarantine)
    }

    /// Marks a network source, of which two documents are refused that a file may well deliver: one whose revision is
    /// below the live one's (from a file it is a warning: a revert), and one without any flag while flags are live (a
    /// server that lost its data). An overlay of a lower version is refused likewise: it would lift a kill.
    #[must_use]
    pub fn network(mut self) -> Self {
        self.network = true;
        self
    }

    /// Marks a document that only stands in until a source delivers: no revision is compared with its own.
    #[must_use]
    pub fn bootstrap(mut self) -> Self {
        self.bootstrap = true;
        self
    }

    /// Lets a network source's revision go down, and the version of its overlay.
    #[must_use]
    pub fn allow_downgrade(mut self) -> Self {
        self.allows_downgrade = true;
        self
    }

    /// Lets a network source deliver a document without flags while flags are live.
    #[must_use]
    pub fn allow_empty(mut self) -> Self {
        self.allows_empty = true;
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
        self.strictness == Strictness::Strict
    }

    /// Returns whether it is a network source.
    #[must_use]
    pub fn is_network(&self) -> bool {
        self.network
    }

    pub(crate) fn is_bootstrap(&self) -> bool {
        self.bootstrap
    }

    pub(crate) fn refuses_downgrade(&self) -> bool {
        self.network && !self.allows_downgrade
    }

    pub(crate) fn refuses_empty(&self) -> bool {
        self.network && !self.allows_empty
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
    pub(crate) document: Content,
    pub(crate) lists: BTreeMap<String, Result<Vec<u8>, String>>,
    pub(crate) overlay: Option<(Arc<str>, Vec<u8>)>,
}

impl Delivery {
    /// Makes a delivery of a document's bytes.
    #[must_use]
    pub fn new(document: impl Into<Vec<u8>>) -> Self {
        Self {
            document: Content::One(document.into()),
            ..Self::default()
        }
    }

    /// Makes a delivery of several documents that make one, as those of a folder do: each by its name, which stands in
    /// messages, in the order in which they are read.
    ///
    /// What stands in their sections is put together. A flag, a segment, a list or another entry that is in two of them
    /// is an error that names both.
    ///
    /// ```
    /// use fader::{Delivery, Flags, Source};
    ///
    /// let flags = Flags::builder().build();
    /// let parts = [
    ///     ("flags.d/payments.json", r#"{ "flags": { "new-checkout": true } }"#),
    ///     ("flags.d/search.json", r#"{ "flags": { "ranker": true, "new-checkout": false } }"#),
    /// ];
    /// let error = flags.load(Delivery::from_parts(parts), &Source::new("flags.d")).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "flags.d/search.json:1:30: error: at flags.new-checkout: `new-checkout` comes a second time: \
    ///      it is in `flags.d/payments.json` too, at 1:14; help: keep one of the two"
    /// );
    /// ```
    #[must_use]
    pub fn from_parts<N: Into<Arc<str>>, D: Into<Vec<u8>>>(
        parts: impl IntoIterator<Item = (N, D)>,
    ) -> Self {
        let part = |(name, bytes): (N, D)| Part {
            name: name.into(),
            bytes: bytes.into(),
        };
        Self {
            document: Content::Parts(parts.into_iter().map(part).collect()),
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
        let mut identity = self.document.identity();
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

/// The text of a delivery.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// One document.
    One(Vec<u8>),
    /// Several that make one.
    Parts(Vec<Part>),
}

/// One of several documents.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) name: Arc<str>,
    pub(crate) bytes: Vec<u8>,
}

impl Default for Content {
    fn default() -> Self {
        Self::One(Vec::new())
    }
}

impl Content {
    /// Returns the texts that it is made of.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        let (one, parts) = match self {
            Self::One(document) => (Some(&**document), &[][..]),
            Self::Parts(parts) => (None, &**parts),
        };
        one.into_iter().chain(parts.iter().map(|part| &*part.bytes))
    }

    fn identity(&self) -> u128 {
        match self {
            Self::One(document) => crate::hash::identity(document),
            Self::Parts(parts) => parts.iter().fold(0, |before, part| {
                let entry = [
                    before.to_le_bytes(),
                    crate::hash::identity(part.name.as_bytes()).to_le_bytes(),
                    crate::hash::identity(&part.bytes).to_le_bytes(),
                ];
                crate::hash::identity(entry.as_flattened())
            }),
        }
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
