//! The scope of a request, and what holds for the request beside it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use fader::{FlagKey, FlagValue, Flags, Scope, Value};

use crate::attributes::{IdentifyError, RequestAttributes};
use crate::in_flight::{Entered, InFlight};

/// The scope of one request: one version of the document, and the attributes of this request.
///
/// It is a [`Scope`] by [`Deref`]: `get`, `resolve`, `report` and all the rest. A clone is cheap and may outlive the
/// request; until the last one is dropped, the request counts in flight on the arms that it has entered, and holds its
/// version of the document in memory.
#[derive(Clone)]
pub struct PinnedScope(Arc<Pinned>);

struct Pinned {
    scope: Scope<RequestAttributes>,
    entered: Entered,
    flags: Flags,
}

impl PinnedScope {
    pub(crate) fn new(
        scope: Scope<RequestAttributes>,
        flags: &Flags,
        in_flight: &InFlight,
    ) -> Self {
        Self(Arc::new(Pinned {
            scope,
            entered: Entered::new(in_flight),
            flags: flags.clone(),
        }))
    }

    /// Reads a flag as `get` does and enters the arm that it chooses: the request counts in flight there, so that the
    /// arm can be drained. It is for code that is about to run an arm; the combinators of the adapters call it.
    pub fn enter<T: FlagValue + ?Sized>(&self, key: &'static FlagKey<T>) -> &T {
        self.enter_variant(key);
        self.0.scope.get(key)
    }

    /// Enters the arm that a flag chooses and returns the name of its variant, `None` where it serves the default of
    /// the code.
    pub fn enter_variant(&self, flag: impl AsRef<str>) -> Option<&str> {
        let variant = self.0.scope.variant(&flag);
        self.0.entered.enter(flag.as_ref(), variant.unwrap_or(""));
        variant
    }

    /// Leaves the arms of a flag.
    pub(crate) fn leave(&self, flag: &str) {
        self.0.entered.leave(flag);
    }

    /// Sets an attribute that was not known in the layer, such as `user.id` once the caller has signed in. It replaces
    /// what the layer had captured, and counts for flags that are asked for from here on.
    ///
    /// # Errors
    ///
    /// A flag that was decided in this request has already asked for the attribute, or it was identified before: the
    /// request would see two answers.
    pub fn identify(&self, name: &str, value: impl Into<Value>) -> Result<(), IdentifyError> {
        self.0.scope.attributes().identify(name, value.into())
    }

    /// Waits until the request should end because its decisions no longer hold: a new one with the same attributes would
    /// get another variant of a flag that was asked for here, or an arm that it entered is drained.
    ///
    /// It is for handlers that live long, such as those of sockets and streams of events. It looks whenever a document or an
    /// overlay goes live; a clock ramp that moves on by itself wakes nobody.
    ///
    /// So ask for the flags first: one that is asked for while somebody waits is looked at with the next document. What
    /// it looks at counts as read for [`identify`](Self::identify). Attributes that only the new rules ask for were not
    /// captured and are missing here.
    pub async fn retired(&self) {
        let mut changes = self.0.entered.changes();
        while !self.is_retired() && changes.changed().await.is_ok() {}
    }

    fn is_retired(&self) -> bool {
        self.0.entered.is_draining() || !self.0.scope.agrees_with(&self.0.flags.snapshot())
    }
}

impl Deref for PinnedScope {
    type Target = Scope<RequestAttributes>;

    fn deref(&self) -> &Self::Target {
        &self.0.scope
    }
}

impl fmt::Debug for PinnedScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PinnedScope").field(&self.0.scope).finish()
    }
}
