//! Where an overlay is kept that people and controllers write.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::handle::WeakFlags;
use crate::overlay::Overlay;

/// Where an overlay is kept, so that it outlives the process: a file, say.
///
/// People's tools and the controller of staged ramps write the same overlay. Each write is of the whole: it reads what is
/// there, changes it, raises its version and puts it in place as one, and no other write comes between.
pub trait Store: Send + Sync {
    /// Returns its name, for people: a path, or an address without its secrets.
    fn name(&self) -> &str;

    /// Changes the overlay, and returns what is there now, with a version that is higher than before. Where `change`
    /// returns false, nothing is written. Where another write has come between, `change` is called anew.
    ///
    /// It may wait for other writers, for some seconds at the most.
    ///
    /// # Errors
    ///
    /// What is there can't be read, or the change not be written. Then it is as it was.
    fn update(&self, change: &mut dyn FnMut(&mut Overlay) -> bool) -> Result<Overlay, StoreError>;

    /// Says, for tools of other processes, where the controller keeps its state: beside the overlay, until another one
    /// says so. A store that has no room for it does nothing.
    ///
    /// # Errors
    ///
    /// It can't be written.
    fn announce(&self, controller: &str) -> Result<(), StoreError> {
        let _ = controller;
        Ok(())
    }
}

/// Why an overlay could not be read or written, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError(String);

impl StoreError {
    /// Makes one that says what went wrong, and where.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StoreError {}

/// Keeps an overlay in memory, for tests and for services that need none that outlives them. Each change is applied to the
/// handle that it was made for.
///
/// ```
/// use fader::{Context, Flags, MemoryStore, Store};
///
/// let flags = Flags::fixed([("new-checkout", true)]);
/// let store = MemoryStore::new(&flags);
/// store.update(&mut |overlay| {
///     *overlay = std::mem::take(overlay).kill("new-checkout");
///     true
/// })?;
/// assert_eq!(flags.resolve("new-checkout", &Context::new("user-42")).reason(), fader::Reason::Disabled);
/// # Ok::<(), fader::StoreError>(())
/// ```
#[derive(Debug)]
pub struct MemoryStore {
    flags: WeakFlags,
    overlay: Mutex<Overlay>,
}

impl MemoryStore {
    /// Makes one for a handle, with its present overlay.
    #[must_use]
    pub fn new(flags: &crate::Flags) -> Self {
        Self {
            overlay: Mutex::new(flags.snapshot().overlay().clone()),
            flags: flags.downgrade(),
        }
    }
}

impl Store for MemoryStore {
    fn name(&self) -> &str {
        "memory"
    }

    fn update(&self, change: &mut dyn FnMut(&mut Overlay) -> bool) -> Result<Overlay, StoreError> {
        let mut kept = self.overlay.lock().unwrap_or_else(PoisonError::into_inner);
        let mut overlay = kept.clone();
        if !change(&mut overlay) {
            return Ok(overlay);
        }
        overlay.version = kept.version.max(overlay.version).saturating_add(1);
        kept.clone_from(&overlay);
        // Who is told of it may change it again.
        drop(kept);
        if let Some(flags) = self.flags.upgrade() {
            flags.apply_newer(overlay.clone());
        }
        Ok(overlay)
    }
}
