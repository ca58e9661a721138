//! What a document's conditions ask about: attributes, and who answers for them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::BuildHasher;
use std::time::Duration;

use crate::hash;
use crate::observe::Admission;
use crate::packed::Packed;

/// The name of the attribute that is the unit where a rule names no other.
pub const TARGETING_KEY: &str = "targetingKey";

/// An attribute's name, with its hash worked out beforehand.
///
/// Names are compared byte for byte.
#[derive(Clone, Copy)]
pub struct AttributeName<'a> {
    hash: u64,
    name: &'a str,
    /// The name itself if it is short, which saves comparing the bytes of most.
    packed: Packed,
}

impl PartialEq for AttributeName<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.packed == other.packed && (self.packed.is_whole() || self.name == other.name)
    }
}

impl Eq for AttributeName<'_> {}

impl fmt::Debug for AttributeName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AttributeName").field(&self.name).finish()
    }
}

impl<'a> AttributeName<'a> {
    /// Makes the name of an attribute.
    #[must_use]
    pub fn new(name: &'a str) -> Self {
        let hash = hash::attribute(name);
        let packed = Packed::or_hash(name.as_bytes(), hash);
        Self { hash, name, packed }
    }

    /// Makes the name again from what was kept of it.
    #[inline]
    pub(crate) const fn kept(name: &'a str, hash: u64, packed: Packed) -> Self {
        Self { hash, name, packed }
    }

    #[inline]
    pub(crate) const fn packed(self) -> Packed {
        self.packed
    }

    /// Returns the name as written, such as `user.id`.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.name
    }

    /// Returns `XXH3_64` of the name: equal names have equal hashes.
    #[must_use]
    pub const fn hash(self) -> u64 {
        self.hash
    }
}

/// An attribute's value, borrowed from whoever holds it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ValueRef<'a> {
    /// A boolean.
    Bool(bool),
    /// A number written as an integer: the only number that can be a unit or an id of a list.
    Integer(i64),
    /// Any other number. NaN compares with nothing.
    Float(f64),
    /// A string.
    Text(&'a str),
    /// Text of a request (header, query, cookie), which has no type of its own: numeric, date and version operators
    /// parse it, and `is`, `in` and `between` take it as a number or a string. It is never a boolean.
    Untyped(&'a str),
    /// Several values under one name. A condition holds if it holds for one of them.
    List(&'a [Value]),
    /// Present, but of no type that a condition could compare: an object, array or null within a list.
    Opaque,
}

/// An attribute's value, owned.
///
/// ```
/// use fader::Value;
///
/// assert_eq!(Value::from("NL"), Value::Text("NL".into()));
/// assert_eq!(Value::from(7_u8), Value::Integer(7));
/// assert_eq!(Value::from(vec!["a", "b"]), Value::List(vec!["a".into(), "b".into()]));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
// What it is stands in a byte of its own, which is read faster than the niche of a `Vec`.
#[repr(u8)]
pub enum Value {
    /// See [`ValueRef::Bool`].
    Bool(bool),
    /// See [`ValueRef::Integer`].
    Integer(i64),
    /// See [`ValueRef::Float`].
    Float(f64),
    /// See [`ValueRef::Text`].
    Text(Box<str>),
    /// See [`ValueRef::Untyped`].
    Untyped(Box<str>),
    /// See [`ValueRef::List`].
    List(Vec<Self>),
    /// See [`ValueRef::Opaque`].
    Opaque,
}

impl Value {
    /// Makes text that came with a request and has no type of its own: see [`ValueRef::Untyped`].
    #[must_use]
    pub fn untyped(text: impl Into<Box<str>>) -> Self {
        Self::Untyped(text.into())
    }

    /// Borrows the value.
    #[must_use]
    #[inline(always)]
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Bool(value) => ValueRef::Bool(*value),
            Self::Integer(value) => ValueRef::Integer(*value),
            Self::Float(value) => ValueRef::Float(*value),
            Self::Text(text) => ValueRef::Text(text),
            Self::Untyped(text) => ValueRef::Untyped(text),
            Self::List(values) => ValueRef::List(values),
            Self::Opaque => ValueRef::Opaque,
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.as_str().into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<f32> for Value {
    fn from(value: f32) -> Self {
        Self::Float(value.into())
    }
}

macro_rules! from_integers {
    ($($small:ty),*; $($large:ty),*) => {
        $(impl From<$small> for Value {
            fn from(value: $small) -> Self {
                Self::Integer(value.into())
            }
        })*
        $(impl From<$large> for Value {
            /// Beyond i64 it is the nearest float, as in a JSON document.
            fn from(value: $large) -> Self {
                #[expect(clippy::cast_precision_loss, reason = "the nearest float is what JSON would give")]
                i64::try_from(value).map_or(Self::Float(value as f64), Self::Integer)
            }
        })*
    };
}
from_integers!(i8, i16, i32, i64, u8, u16, u32; u64, usize, isize, i128, u128);

impl<T: Into<Self>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Self> + Clone> From<&[T]> for Value {
    fn from(values: &[T]) -> Self {
        Self::List(values.iter().cloned().map(Into::into).collect())
    }
}

/// Answers for attributes by name: a [`Context`](crate::Context), a map, or a request.
///
/// An implementation answers alike for as long as a [`Scope`](crate::Scope) lives, and should neither lock nor
/// allocate: evaluation calls it whenever a condition asks. [`Snapshot::wanted`](crate::Snapshot::wanted) tells which
/// names the rules can ask, so that only those need be kept at hand.
pub trait Attributes {
    /// Returns the attribute's value, `None` where it is missing.
    fn get(&self, name: AttributeName<'_>) -> Option<ValueRef<'_>>;

    /// Returns how long whoever the value stands for has been known, such as a visitor since the cookie was made. By
    /// default it is not known. Sinks of outcomes ask for it.
    fn age(&self, name: AttributeName<'_>) -> Option<Duration> {
        let _ = name;
        None
    }

    /// Returns what decides whether this unit of work may have a variant beside the rules, see [`Admission`]. By default
    /// there is no such thing.
    #[inline(always)]
    fn admission(&self) -> Option<&dyn Admission> {
        None
    }
}

macro_rules! forward {
    () => {
        #[inline(always)]
        fn get(&self, name: AttributeName<'_>) -> Option<ValueRef<'_>> {
            (**self).get(name)
        }

        fn age(&self, name: AttributeName<'_>) -> Option<Duration> {
            (**self).age(name)
        }

        #[inline(always)]
        fn admission(&self) -> Option<&dyn Admission> {
            (**self).admission()
        }
    };
}

impl<A: Attributes + ?Sized> Attributes for &A {
    forward!();
}

impl<A: Attributes + ?Sized> Attributes for Box<A> {
    forward!();
}

impl<A: Attributes + ?Sized> Attributes for std::sync::Arc<A> {
    forward!();
}

impl<S: BuildHasher> Attributes for HashMap<String, Value, S> {
    fn get(&self, name: AttributeName<'_>) -> Option<ValueRef<'_>> {
        Self::get(self, name.as_str()).map(Value::as_ref)
    }
}

impl Attributes for BTreeMap<String, Value> {
    fn get(&self, name: AttributeName<'_>) -> Option<ValueRef<'_>> {
        Self::get(self, name.as_str()).map(Value::as_ref)
    }
}

/// Nobody in particular: no attribute at all.
impl Attributes for () {
    fn get(&self, _: AttributeName<'_>) -> Option<ValueRef<'_>> {
        None
    }
}
