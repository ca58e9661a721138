//! The keys that the library is asked with.

use std::hint::black_box;

use fader::{Attributes, FlagKey, Flags, Scope};

use crate::mixed::{Flag, Logic, Mixed};

fader::flags! {
    pub Plain: bool = "plain", default false;
    pub InRollout: bool = "rollout", default false;
    pub ByRules: str = "rules", default "";
    pub Listed: bool = "list", default false;
    pub Chained: bool = "chain-1", default false;
}

/// A key of a mixed set.
#[derive(Debug)]
pub enum Key {
    Switch(FlagKey<bool>),
    Name(FlagKey<str>),
}

impl Key {
    fn new(flag: &Flag) -> Self {
        let name: &'static str = flag.key.clone().leak();
        match flag.logic {
            Logic::Rules(_) => Self::Name(FlagKey::new(name, "")),
            _ => Self::Switch(FlagKey::new(name, &false)),
        }
    }

    /// Reads the flag in a scope, and throws away what it says.
    #[inline(always)]
    pub fn read<A: Attributes>(&self, scope: &Scope<A>) {
        match self {
            Self::Switch(key) => black_box(std::ptr::from_ref(scope.get(key)).cast::<u8>()),
            Self::Name(key) => black_box(scope.get(key).as_ptr()),
        };
    }

    /// Reads the flag on a handle, and throws away what it says.
    #[inline(always)]
    pub fn read_once(&self, flags: &Flags, attributes: &impl Attributes) {
        match self {
            Self::Switch(key) => {
                black_box(flags.get(key, attributes));
            }
            Self::Name(key) => {
                black_box(flags.with(key, attributes, str::as_ptr));
            }
        }
    }
}

/// Makes the keys of a mixed set; they live as long as the process, as a service's do.
#[must_use]
pub fn keys(set: &Mixed) -> Vec<Key> {
    set.flags.iter().map(Key::new).collect()
}
