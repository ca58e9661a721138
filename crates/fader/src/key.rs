//! Typed names of flags: what code asks by.

use std::any::Any;
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::ruleset::{self, FlagId, Ruleset};

/// The lineage of handles for which no number was left: no key remembers them. No handle has lineage 0, which is what a
/// key begins with.
pub(crate) const NO_LINEAGE: u32 = u32::MAX;

/// A typed name of a flag, with the value that code uses where the document has none.
///
/// Written by [`flags!`](crate::flags) or by hand:
///
/// ```
/// use fader::{Context, FlagKey, Flags};
///
/// static NEW_CHECKOUT: FlagKey<bool> = FlagKey::new("new-checkout", &false);
/// static GREETING: FlagKey<str> = FlagKey::new("greeting", "hello");
///
/// let flags = Flags::fixed([("new-checkout", true)]);
/// let context = Context::new("user-42");
/// assert!(flags.get(&NEW_CHECKOUT, &context));
/// assert_eq!(flags.scope(&context).get(&GREETING), "hello");
/// ```
///
/// A static key remembers the flag's number in the handle that it was last used with: with one handle a process, the
/// name is looked up once.
pub struct FlagKey<T: ?Sized + 'static> {
    name: &'static str,
    default: &'static T,
    /// A handle's lineage in the upper half, the flag's number there in the lower; 0 for none.
    cache: AtomicU64,
}

impl<T: ?Sized> FlagKey<T> {
    /// Makes a key of a flag's name and the value that code uses where the document has none: the flag is unknown, set
    /// aside, of another type, or disabled without an `off` variant.
    #[must_use]
    pub const fn new(name: &'static str, default: &'static T) -> Self {
        Self {
            name,
            default,
            cache: AtomicU64::new(0),
        }
    }

    /// Returns the flag's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the value that code uses where the document has none.
    #[must_use]
    pub const fn default_value(&self) -> &'static T {
        self.default
    }

    /// Returns the flag's number, if the key was last used with that lineage. Numbers hold for a lineage's life, so this
    /// one is good for every ruleset of it.
    #[inline(always)]
    pub(crate) fn cached(&self, lineage: u32) -> Option<FlagId> {
        let cached = self.cache.load(Ordering::Relaxed);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the two halves of the word"
        )]
        let (of, id) = ((cached >> 32) as u32, cached as u32);
        (of == lineage).then_some(FlagId(id))
    }

    /// Finds the flag, [`FlagId::NOWHERE`] if there is none.
    #[inline]
    pub(crate) fn find(&self, lineage: u32, ruleset: &Ruleset) -> FlagId {
        match self.cached(lineage) {
            Some(id) => id,
            None => self.look_up(lineage, ruleset),
        }
    }

    #[cold]
    fn look_up(&self, lineage: u32, ruleset: &Ruleset) -> FlagId {
        let Some(id) = ruleset.find(self.name) else {
            return FlagId::NOWHERE;
        };
        if lineage != NO_LINEAGE {
            let found = u64::from(lineage) << 32 | u64::from(id.0);
            self.cache.store(found, Ordering::Relaxed);
        }
        id
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for FlagKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlagKey")
            .field("name", &self.name)
            .field("default", &self.default)
            .finish_non_exhaustive()
    }
}

impl<T: ?Sized> AsRef<str> for FlagKey<T> {
    fn as_ref(&self) -> &str {
        self.name
    }
}

/// A variant, as a type reads itself from it.
#[derive(Clone, Copy, Debug)]
pub struct VariantRef<'a>(pub(crate) &'a ruleset::Variant);

impl<'a> VariantRef<'a> {
    /// Returns the variant's name.
    #[must_use]
    pub fn name(self) -> &'a str {
        &self.0.name
    }

    /// Returns the variant's value.
    #[must_use]
    pub fn value(self) -> &'a Json {
        &self.0.value
    }
}

/// A type that a flag's value can be read as: `bool`, `i64`, `f64`, `str`, enums of [`variants!`](crate::variants), and
/// whatever implements [`Decoded`].
pub trait FlagValue: Send + Sync + 'static {
    /// The owned form, for overrides: `String` for `str`, else the type itself.
    type Owned: Borrow<Self> + Send + Sync + 'static;

    /// Reads a variant; `None` where it is of another type.
    fn read<'a>(variant: VariantRef<'a>) -> Option<&'a Self>;

    /// Returns the name of the variant that the value stands for, where the type has such names, and the value as JSON,
    /// where it is any: what an override shows of itself.
    fn describe(&self) -> (Option<&'static str>, Json) {
        (None, Json::Null)
    }
}

impl FlagValue for bool {
    type Owned = Self;

    #[inline]
    fn read<'a>(variant: VariantRef<'a>) -> Option<&'a Self> {
        match &variant.0.value {
            Json::Bool(value) => Some(value),
            _ => None,
        }
    }

    fn describe(&self) -> (Option<&'static str>, Json) {
        (None, (*self).into())
    }
}

impl FlagValue for i64 {
    type Owned = Self;

    /// Takes a number that is whole and within i64, also written `1.0`.
    fn read<'a>(variant: VariantRef<'a>) -> Option<&'a Self> {
        variant.0.integer.as_ref()
    }

    fn describe(&self) -> (Option<&'static str>, Json) {
        (None, (*self).into())
    }
}

impl FlagValue for f64 {
    type Owned = Self;

    /// Takes any number, an integer as the nearest float.
    fn read<'a>(variant: VariantRef<'a>) -> Option<&'a Self> {
        variant.0.float.as_ref()
    }

    fn describe(&self) -> (Option<&'static str>, Json) {
        (None, (*self).into())
    }
}

impl FlagValue for str {
    type Owned = String;

    fn read<'a>(variant: VariantRef<'a>) -> Option<&'a Self> {
        variant.0.value.as_str()
    }

    fn describe(&self) -> (Option<&'static str>, Json) {
        (None, self.into())
    }
}

/// A type of the service's own that variants are decoded to when a document is loaded.
///
/// Registered with [`FlagsBuilder::decode`](crate::FlagsBuilder::decode); a variant that can't be decoded is an error
/// of the document. Reading one costs as much as reading a boolean.
///
/// ```
/// use fader::{Context, Decoded, FlagKey, Flags, Source};
///
/// #[derive(Debug)]
/// struct Limits(u32);
/// # impl<'de> serde::Deserialize<'de> for Limits {
/// #     fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> { u32::deserialize(d).map(Limits) }
/// # }
/// impl Decoded for Limits {} // and `#[derive(serde::Deserialize)]`
///
/// static LIMITS: FlagKey<Limits> = FlagKey::new("limits", &Limits(10));
///
/// let flags = Flags::builder().decode(&LIMITS).build();
/// flags.load(r#"{ "flags": { "limits": { "variants": { "wide": 99 }, "default": "wide" } } }"#, &Source::new("doc"))?;
/// assert_eq!(flags.with(&LIMITS, &Context::anonymous(), |limits| limits.0), 99);
/// # Ok::<(), fader::CompileError>(())
/// ```
pub trait Decoded: DeserializeOwned + Send + Sync + 'static {}

impl<T: Decoded> FlagValue for T {
    type Owned = Self;

    fn read<'a>(variant: VariantRef<'a>) -> Option<&'a Self> {
        variant.0.decoded.as_ref()?.0.downcast_ref()
    }
}

/// A variant's value in a registered type.
#[derive(Clone)]
pub(crate) struct DecodedValue(Arc<dyn Any + Send + Sync>);

impl fmt::Debug for DecodedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DecodedValue")
    }
}

/// Decodes a variant's value to a registered type.
#[derive(Clone, Copy)]
pub(crate) struct Decoder(fn(&Json) -> Result<DecodedValue, String>);

impl Decoder {
    pub(crate) fn of<T: Decoded>() -> Self {
        Self(|value| match T::deserialize(value) {
            Ok(value) => Ok(DecodedValue(Arc::new(value))),
            Err(error) => Err(error.to_string()),
        })
    }

    pub(crate) fn decode(self, value: &Json) -> Result<DecodedValue, String> {
        (self.0)(value)
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoder")
    }
}

/// A [`FlagKey`] of any type, for [`Flags::check_keys`](crate::Flags::check_keys).
pub trait Key: Send + Sync {
    /// Returns the flag's name.
    fn key_name(&self) -> &'static str;

    /// Returns whether the key's type can read a variant.
    fn reads(&self, variant: VariantRef<'_>) -> bool;
}

impl<T: FlagValue + ?Sized> Key for FlagKey<T> {
    fn key_name(&self) -> &'static str {
        self.name
    }

    fn reads(&self, variant: VariantRef<'_>) -> bool {
        T::read(variant).is_some()
    }
}

/// Names the flags that code asks for. Each entry makes a type, which extractors take as a parameter, and a static
/// [`FlagKey`] of the same name in upper snake case.
///
/// ```
/// fader::flags! {
///     /// Checkout v2.
///     pub NewCheckout: bool = "new-checkout", default false;
///     /// What visitors are greeted with.
///     pub Greeting: str = "greeting", default "hello";
/// }
///
/// use fader::FlagType;
/// assert_eq!(NEW_CHECKOUT.name(), "new-checkout");
/// assert_eq!(Greeting::key().default_value(), "hello");
/// ```
///
/// Words are told by their capitals, so an acronym is written `HttpServer`. Doc comments and `#[cfg]` may stand before
/// an entry.
#[macro_export]
macro_rules! flags {
    ($($(#[$attribute:meta])* $vis:vis $type:ident : $value:ty = $name:literal, default $default:expr);* $(;)?) => {
        $crate::__private::paste! {
            $(
                $(#[$attribute])*
                $vis static [<$type:snake:upper>]: $crate::FlagKey<$value> =
                    $crate::FlagKey::new($name, &$default);

                $(#[$attribute])*
                #[derive(Clone, Copy, Debug)]
                $vis struct $type;

                $(#[$attribute])*
                impl $crate::FlagType for $type {
                    type Value = $value;

                    fn key() -> &'static $crate::FlagKey<$value> {
                        &[<$type:snake:upper>]
                    }
                }
            )*
        }
    };
}

/// A type that stands for one flag, made by [`flags!`](crate::flags).
pub trait FlagType: Send + Sync + 'static {
    /// The type of the flag's value.
    type Value: FlagValue + ?Sized;

    /// Returns the flag's key.
    fn key() -> &'static FlagKey<Self::Value>;
}

/// Makes an enum of a flag's variants, read by their names.
///
/// ```
/// fader::variants! {
///     /// How results are ranked.
///     pub enum Ranker {
///         /// The old one.
///         Old = "old",
///         HybridA = "a",
///         HybridB = "b",
///     }
/// }
/// fader::flags! {
///     pub SearchRanker: Ranker = "search-ranker", default Ranker::Old;
/// }
///
/// let flags = fader::Flags::builder().build();
/// assert_eq!(flags.get(&SEARCH_RANKER, &fader::Context::anonymous()), Ranker::Old);
/// assert_eq!(Ranker::HybridA.as_str(), "a");
/// ```
#[macro_export]
macro_rules! variants {
    ($(#[$doc:meta])* $vis:vis enum $type:ident { $($(#[$item:meta])* $variant:ident = $name:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        $vis enum $type {
            $($(#[$item])* $variant,)+
        }

        impl $type {
            /// Returns the variant's name in the document.
            #[must_use]
            $vis const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }

        impl $crate::FlagValue for $type {
            type Owned = Self;

            fn read<'a>(variant: $crate::VariantRef<'a>) -> ::core::option::Option<&'a Self> {
                match variant.name() {
                    $($name => ::core::option::Option::Some(&Self::$variant),)+
                    _ => ::core::option::Option::None,
                }
            }

            fn describe(&self) -> (::core::option::Option<&'static str>, $crate::Json) {
                (::core::option::Option::Some(self.as_str()), $crate::Json::Null)
            }
        }
    };
}
