//! How a handle is set up.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use crate::attributes::Value;
use crate::handle::Flags;
use crate::key::{Decoded, Decoder, FlagKey};
use crate::ruleset::Decoders;
use crate::time::{Clock, SystemClock};

/// Sets up a [`Flags`] handle.
///
/// ```
/// use fader::{Flags, ManualClock, Timestamp};
///
/// let flags = Flags::builder()
///     .ambient("env", "prod")
///     .clock(ManualClock::new(Timestamp::EPOCH))
///     .history(5)
///     .build();
/// # let _ = flags;
/// ```
pub struct FlagsBuilder {
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) ambient: BTreeMap<String, Value>,
    pub(crate) decoders: Decoders,
    pub(crate) history: usize,
    pub(crate) list_seed: u64,
}

impl FlagsBuilder {
    pub(crate) fn new() -> Self {
        Self {
            clock: Box::new(SystemClock::new()),
            ambient: BTreeMap::new(),
            decoders: Decoders::new(),
            history: 2,
            list_seed: RandomState::new().hash_one("fader"),
        }
    }

    /// Sets where time comes from. The default is the [`SystemClock`].
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Sets an attribute that is constant for this process: environment, region, host. Conditions on it are decided
    /// when a document is compiled, and it wins over a context's attribute of the same name. The default is none.
    #[must_use]
    pub fn ambient(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.ambient.insert(name.into(), value.into());
        self
    }

    /// Registers the type of a key, so that the flag's variants are decoded to it when a document is loaded. A variant
    /// that can't be decoded is an error of the document.
    #[must_use]
    pub fn decode<T: Decoded>(mut self, key: &FlagKey<T>) -> Self {
        self.decoders
            .insert(key.name().to_owned(), Decoder::of::<T>());
        self
    }

    /// Sets how many replaced rulesets are kept for [`Flags::rollback`]. The default is 2.
    #[must_use]
    pub fn history(mut self, count: usize) -> Self {
        self.history = count;
        self
    }

    /// Sets the seed under which ids of lists are hashed in memory. The default is drawn at random for each handle, so
    /// that nobody can aim a collision at a list.
    #[must_use]
    pub fn list_seed(mut self, seed: u64) -> Self {
        self.list_seed = seed;
        self
    }

    /// Makes the handle. Until a document is loaded every flag answers with the caller's default.
    #[must_use]
    pub fn build(self) -> Flags {
        Flags::new(self)
    }
}

impl Default for FlagsBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for FlagsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlagsBuilder")
            .field("ambient", &self.ambient)
            .field("history", &self.history)
            .finish_non_exhaustive()
    }
}
