//! What an engine has to offer to be measured.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::Result;
use fader_benches::User;

use crate::flags::Flag;

/// An engine with a set of flags, in one way of asking it.
pub trait Engine: Sized + Send + Sync + 'static {
    /// Its name in the tables.
    const NAME: &'static str;
    /// The package whose version the report states.
    const PACKAGE: &'static str;
    /// How it is asked.
    const CALL: &'static str;
    /// Whether it can ask for a pattern.
    const PATTERNS: bool = true;

    /// How code names a flag that is on or off.
    type OnKey: Send + Sync;
    /// How code names a flag of several variants.
    type VariantKey: Send + Sync;
    /// A user, as the engine wants to be told of him.
    type User: Send + Sync;
    /// What asks for one user: made before the clock starts.
    type Asker<'a>;

    /// Writes flags in the engine's own format.
    fn document(flags: &[Flag]) -> String;

    /// Makes an engine of its document: from text to the first answer.
    ///
    /// # Errors
    ///
    /// The engine refuses the document.
    fn load(document: &str) -> Result<Self>;

    fn on_key(flag: &Flag) -> Self::OnKey;
    fn variant_key(flag: &Flag) -> Self::VariantKey;
    fn user(user: &User) -> Self::User;
    fn asker<'a>(&'a self, user: &'a Self::User) -> Self::Asker<'a>;

    /// Asks a flag that is on or off.
    fn is_on(&self, asker: &Self::Asker<'_>, key: &Self::OnKey) -> bool;

    /// Asks a flag of several variants.
    fn variant<'a>(
        &'a self,
        asker: &'a Self::Asker<'_>,
        key: &'a Self::VariantKey,
    ) -> impl AsRef<str> + 'a;

    /// Makes an engine of the first document whose rules are replaced while it is asked, in its own way; `None` where
    /// another way of asking the same engine stands for it.
    ///
    /// # Errors
    ///
    /// The engine refuses the document.
    fn live(_documents: [String; 2]) -> Result<Option<Live<Self>>> {
        Ok(None)
    }

    /// Copies a user, where each call wants one of its own.
    fn copy_user(_user: &Self::User) -> Option<Self::User> {
        None
    }
}

/// A flag, as code names it.
pub enum Ask<E: Engine> {
    On(E::OnKey),
    Variant(E::VariantKey),
}

impl<E: Engine> Ask<E> {
    pub fn new(flag: &Flag) -> Self {
        if flag.is_boolean() {
            Self::On(E::on_key(flag))
        } else {
            Self::Variant(E::variant_key(flag))
        }
    }
}

/// Asks, and throws the answer away where the compiler can't see it.
#[inline]
pub fn ask<E: Engine>(engine: &E, asker: &E::Asker<'_>, ask: &Ask<E>) {
    match ask {
        Ask::On(key) => {
            black_box(engine.is_on(black_box(asker), key));
        }
        Ask::Variant(key) => {
            black_box(engine.variant(black_box(asker), key));
        }
    }
}

/// An engine whose rules are replaced while it is asked.
pub struct Live<E> {
    /// How, in words.
    pub how: &'static str,
    pub engine: Arc<E>,
    pub swap: Swap,
}

/// Brings in one of two documents, the first or the second, and returns once it is live.
pub type Swap = Box<dyn FnMut(usize) -> Result<()> + Send>;
