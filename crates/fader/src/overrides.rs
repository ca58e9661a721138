//! Forced values, for tests.

use std::any::Any;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::key::{FlagKey, FlagValue};
use crate::ruleset::{Flag, FlagId, Ruleset, Variant};

/// Flags whose value is forced, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides(HashMap<&'static str, Arc<Forced>>);

/// A forced value.
pub(crate) struct Forced {
    pub(crate) variant: Option<&'static str>,
    pub(crate) value: serde_json::Value,
    /// The value in the key's owned type.
    typed: Box<dyn Any + Send + Sync>,
}

impl Overrides {
    pub(crate) fn force<T: FlagValue + ?Sized>(&mut self, key: &FlagKey<T>, value: T::Owned) {
        let (variant, json) = value.borrow().describe();
        self.0.insert(
            key.name(),
            Arc::new(Forced {
                variant,
                value: json,
                typed: Box::new(value),
            }),
        );
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Forced>> {
        self.0.get(name)
    }

    /// Tells whether a flag of a ruleset is forced.
    pub(crate) fn has(&self, ruleset: &Ruleset, id: FlagId) -> bool {
        ruleset
            .flag_name(id)
            .is_some_and(|name| self.0.contains_key(name))
    }
}

impl Forced {
    /// Finds the variant that the value stands for: by name where its type has names, else by value.
    pub(crate) fn variant_of(&self, flag: &Flag) -> Option<u16> {
        let is_it = |variant: &Variant| match self.variant {
            Some(name) => *variant.name == *name,
            None => variant.value == self.value,
        };
        flag.variants
            .iter()
            .position(is_it)
            .and_then(|at| u16::try_from(at).ok())
    }

    pub(crate) fn read<T: FlagValue + ?Sized>(&self) -> Option<&T> {
        self.typed.downcast_ref::<T::Owned>().map(Borrow::borrow)
    }
}

impl fmt::Debug for Forced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forced")
            .field("variant", &self.variant)
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}
