//! A context built by hand or read from JSON.

use std::collections::HashMap;
use std::fmt;

use jsonc_parser::ast;

use crate::attributes::{AttributeName, Attributes, TARGETING_KEY, Value, ValueRef};
use crate::document::syntax::{self, Syntax};
use crate::hash;
use crate::number::Literal;
use crate::packed::Packed;

/// Who or what a decision is about: a set of named attributes, usually with a targeting key among them.
///
/// ```
/// use fader::Context;
///
/// let context = Context::new("user-42").with("app.id", "acme-pos").with("country", "NL");
/// let same = Context::from_json(r#"{ "targetingKey": "user-42", "app": { "id": "acme-pos" }, "country": "NL" }"#)?;
/// assert_eq!(context, same);
/// # Ok::<(), fader::ContextError>(())
/// ```
///
/// Setting an attribute costs one allocation for its name and one for a text. Reading one goes by a table over the hashes
/// of the names and allocates nothing.
#[derive(Clone, Default)]
pub struct Context {
    /// In the order in which they were set.
    entries: Vec<Entry>,
    index: Index,
}

#[derive(Clone)]
struct Entry {
    packed: Packed,
    name: Box<str>,
    value: Value,
}

/// Where an entry stands.
#[derive(Clone)]
enum Index {
    /// A handful of attributes, by the hash of the name: open addressing, at most half full. 0 is free, n is the n-th.
    Few([u8; PLACES]),
    /// So many that somebody may have chosen their names: a map that nobody can aim collisions at.
    Many(HashMap<Box<str>, usize>),
}

const PLACES: usize = 32;

impl Default for Index {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl Index {
    const EMPTY: Self = Self::Few([0; PLACES]);

    fn of(entries: &[Entry]) -> Self {
        if entries.len() > PLACES / 2 {
            let places = entries.iter().enumerate();
            return Self::Many(places.map(|(at, entry)| (entry.name.clone(), at)).collect());
        }
        let mut index = Self::EMPTY;
        for (at, entry) in entries.iter().enumerate() {
            index.insert(at, entry);
        }
        index
    }

    /// Notes an entry; there is a free place.
    fn insert(&mut self, at: usize, entry: &Entry) {
        match self {
            Self::Few(places) => {
                let mut free = first_place(hash::attribute(&entry.name));
                while places.get(free % PLACES).is_some_and(|number| *number != 0) {
                    free += 1;
                }
                if let (Some(place), Ok(number)) =
                    (places.get_mut(free % PLACES), u8::try_from(at + 1))
                {
                    *place = number;
                }
            }
            Self::Many(places) => {
                places.insert(entry.name.clone(), at);
            }
        }
    }
}

/// Returns where a search begins: any bits of the hash will do.
#[inline]
fn first_place(hash: u64) -> usize {
    usize::from(hash.to_le_bytes()[0])
}

impl Context {
    /// Makes a context of one attribute, the targeting key: a user, an account, an instance.
    #[must_use]
    pub fn new(targeting_key: impl Into<Value>) -> Self {
        Self::anonymous().with(TARGETING_KEY, targeting_key)
    }

    /// Makes a context without any attribute; rules that hash a unit decide nothing for it.
    #[must_use]
    pub const fn anonymous() -> Self {
        Self {
            entries: Vec::new(),
            index: Index::EMPTY,
        }
    }

    /// Sets an attribute, replacing an earlier one of the same name.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.set(name, value);
        self
    }

    /// Sets an attribute, replacing an earlier one of the same name.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        let name = AttributeName::new(name);
        let value = value.into();
        if let Some(entry) = self
            .position(name.as_str())
            .and_then(|at| self.entries.get_mut(at))
        {
            entry.value = value;
            return;
        }
        let entry = Entry {
            packed: name.packed(),
            name: name.as_str().into(),
            value,
        };
        match &self.index {
            Index::Few(_) if self.entries.len() == PLACES / 2 => {
                self.entries.push(entry);
                self.index = Index::of(&self.entries);
            }
            _ => {
                self.index.insert(self.entries.len(), &entry);
                self.entries.push(entry);
            }
        }
    }

    /// Removes an attribute, so that it is missing.
    pub fn remove(&mut self, name: &str) {
        if let Some(at) = self.position(name) {
            self.entries.remove(at);
            self.index = Index::of(&self.entries);
        }
    }

    /// Returns the attributes, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, ValueRef<'_>)> {
        self.entries
            .iter()
            .map(|entry| (&*entry.name, entry.value.as_ref()))
    }

    /// Reads a JSON object. Nested objects flatten to dotted names, null is missing, an array is one list of values,
    /// and where a name comes twice, also once flat and once nested, the later one counts. It is strict JSON, nested
    /// at most 128 deep.
    ///
    /// # Errors
    ///
    /// The text is no JSON object, or holds a number beyond f64's range.
    pub fn from_json(text: &str) -> Result<Self, ContextError> {
        let value = syntax::parse(text, Syntax::Json).map_err(|problem| {
            ContextError(format!(
                "{} at byte {}",
                problem.message, problem.span.start
            ))
        })?;
        let ast::Value::Object(object) = value else {
            return Err(ContextError(
                "a context is an object such as {\"targetingKey\": \"user-42\"}".to_owned(),
            ));
        };
        let mut leaves = Vec::new();
        flatten(&object, "", &mut leaves)?;
        let last: HashMap<String, Option<Value>> = leaves.into_iter().collect();
        let present = last.into_iter();
        Ok(present
            .filter_map(|(name, value)| Some((name, value?)))
            .collect())
    }

    /// Finds an entry. Most names are short and there are few of them: that needs no call.
    #[inline(always)]
    fn find(&self, name: AttributeName<'_>) -> Option<&Entry> {
        let Index::Few(places) = &self.index else {
            return self.find_by_bytes(name.as_str());
        };
        if !name.packed().is_whole() {
            return self.find_by_bytes(name.as_str());
        }
        let mut place = first_place(name.hash());
        loop {
            // A free place wraps around to a number that no entry has.
            let at = usize::from(*places.get(place % PLACES)?).wrapping_sub(1);
            let entry = self.entries.get(at)?;
            if entry.packed == name.packed() {
                return Some(entry);
            }
            place += 1;
        }
    }

    #[inline(never)]
    fn find_by_bytes(&self, name: &str) -> Option<&Entry> {
        self.entries.get(self.position(name)?)
    }

    fn position(&self, name: &str) -> Option<usize> {
        match &self.index {
            Index::Few(_) => self.entries.iter().position(|entry| *entry.name == *name),
            Index::Many(places) => places.get(name).copied(),
        }
    }
}

/// Collects the leaves in the order of the text; null as `None`, since a later null removes.
fn flatten(
    object: &ast::Object<'_>,
    prefix: &str,
    leaves: &mut Vec<(String, Option<Value>)>,
) -> Result<(), ContextError> {
    for (key, value) in syntax::last_of_each_key(object) {
        let name = if prefix.is_empty() {
            key.to_owned()
        } else {
            format!("{prefix}.{key}")
        };
        match value {
            ast::Value::Object(inner) => flatten(inner, &name, leaves)?,
            ast::Value::NullKeyword(_) => leaves.push((name, None)),
            ast::Value::Array(array) => {
                let values = array
                    .elements
                    .iter()
                    .map(scalar)
                    .collect::<Result<_, _>>()?;
                leaves.push((name, Some(Value::List(values))));
            }
            leaf => leaves.push((name, Some(scalar(leaf)?))),
        }
    }
    Ok(())
}

fn scalar(value: &ast::Value<'_>) -> Result<Value, ContextError> {
    Ok(match value {
        ast::Value::StringLit(text) => Value::Text((&*text.value).into()),
        ast::Value::BooleanLit(value) => Value::Bool(value.value),
        ast::Value::NumberLit(number) => match Literal::parse(number.value) {
            Some(Literal::Integer(value)) => Value::Integer(value),
            Some(Literal::Float(value)) => Value::Float(value),
            None => {
                return Err(ContextError(format!(
                    "the number `{}` is beyond the range of 64-bit floats",
                    number.value
                )));
            }
        },
        ast::Value::Object(_) | ast::Value::Array(_) | ast::Value::NullKeyword(_) => Value::Opaque,
    })
}

impl Attributes for Context {
    #[inline(always)]
    fn get(&self, name: AttributeName<'_>) -> Option<ValueRef<'_>> {
        self.find(name).map(|entry| entry.value.as_ref())
    }
}

/// The order in which attributes were set makes no difference.
impl PartialEq for Context {
    fn eq(&self, other: &Self) -> bool {
        let value = |entry: &Entry| {
            Some(entry.value.as_ref()) == other.get(AttributeName::new(&entry.name))
        };
        self.entries.len() == other.entries.len() && self.entries.iter().all(value)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<N: AsRef<str>, V: Into<Value>> FromIterator<(N, V)> for Context {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(attributes: I) -> Self {
        let mut context = Self::anonymous();
        context.extend(attributes);
        context
    }
}

impl<N: AsRef<str>, V: Into<Value>> Extend<(N, V)> for Context {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, attributes: I) {
        for (name, value) in attributes {
            self.set(name.as_ref(), value);
        }
    }
}

/// Why a text is no context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextError(String);

impl fmt::Display for ContextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ContextError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Context {
        Context::from_json(text).unwrap()
    }

    #[test]
    fn only_leaves_are_attributes() {
        let context = read(
            r#"{ "user": { "id": "u", "none": {}, "tags": ["a", 1, null, {}] }, "gone": null }"#,
        );
        let tags = Value::List(vec!["a".into(), 1.into(), Value::Opaque, Value::Opaque]);
        assert_eq!(
            context,
            Context::anonymous()
                .with("user.id", "u")
                .with("user.tags", tags)
        );
    }

    #[test]
    fn the_later_in_the_text_wins() {
        let one = |value: i32| Context::anonymous().with("a.b", value);
        assert_eq!(read(r#"{ "a.b": 1, "a": { "b": 2 } }"#), one(2));
        assert_eq!(read(r#"{ "a": { "b": 2 }, "a.b": 1 }"#), one(1));
        assert_eq!(read(r#"{ "a": { "b": 1, "b": 2 } }"#), one(2));
        assert_eq!(read(r#"{ "a": { "c": 1 }, "a": { "b": 2 } }"#), one(2));
        assert_eq!(
            read(r#"{ "a.b": 1, "a": { "b": null } }"#),
            Context::anonymous()
        );
        assert_eq!(read(r#"{ "a.b": 1, "a": {} }"#), one(1));
    }

    #[test]
    fn integers_are_told_from_floats() {
        let context = read(r#"{ "a": 1, "b": 1.0, "c": -0, "d": 1e3, "e": 9223372036854775808 }"#);
        let kinds: Vec<_> = ["a", "b", "c", "d", "e"]
            .map(|name| {
                matches!(
                    context.get(AttributeName::new(name)),
                    Some(ValueRef::Integer(_))
                )
            })
            .into();
        assert_eq!(kinds, [true, false, true, false, false]);
    }

    #[test]
    fn many_attributes_are_found_too() {
        let context: Context = (0..100).map(|n| (n.to_string(), n)).collect();
        for n in 0..100 {
            let name = n.to_string();
            assert_eq!(
                context.get(AttributeName::new(&name)),
                Some(ValueRef::Integer(n))
            );
        }
        assert_eq!(context.get(AttributeName::new("100")), None);
    }

    /// Counts at which the index is full and where it changes its form, and names that are compared as numbers and not.
    #[test]
    fn attributes_are_found_removed_and_set_again_at_any_count() {
        let integer = |context: &Context, name: &str| match context.get(AttributeName::new(name)) {
            Some(ValueRef::Integer(value)) => Some(value),
            None => None,
            other => panic!("{name}: {other:?}"),
        };
        for (count, prefix) in [15, 16, 17, 40].into_iter().flat_map(|count| {
            [
                "a",
                "thirteen.byte",
                "fourteen.bytes",
                "more.than.fifteen.bytes",
            ]
            .map(|prefix| (count, prefix))
        }) {
            // Of each prefix with two digits, so that names have 3, 15, 16 and 25 bytes.
            let name = |n: i64| format!("{prefix}{n:02}");
            let all: Context = (0..count).map(|n| (name(n), n)).collect();
            let backwards: Context = (0..count).rev().map(|n| (name(n), n)).collect();
            assert_eq!(all, backwards);
            assert_eq!(all.iter().count(), usize::try_from(count).unwrap());
            for n in 0..count {
                assert_eq!(integer(&all, &name(n)), Some(n));
                let mut less = all.clone();
                less.remove(&name(n));
                less.remove(&name(n));
                for other in 0..count {
                    let expected = (other != n).then_some(other);
                    assert_eq!(
                        integer(&less, &name(other)),
                        expected,
                        "{count} without {n}"
                    );
                }
                assert_ne!(less, all);
                assert_ne!(all, less);
                let other = less.clone().with(&name(count), n);
                assert_ne!(other, all, "as many, but another name");
                less.set(&name(n), -1);
                assert_ne!(less, all);
                less.set(&name(n), n);
                assert_eq!(less, all);
                assert_eq!(all, less);
            }
            assert_eq!(integer(&all, &name(count)), None);
            assert_eq!(integer(&all, prefix), None);
            let mut emptied = all.clone();
            (0..count).for_each(|n| emptied.remove(&name(n)));
            assert_eq!(emptied, Context::anonymous());
            emptied.extend((0..count).map(|n| (name(n), n)));
            assert_eq!(emptied, all);
        }
    }

    #[test]
    fn refuses_what_is_no_object() {
        for text in [
            "",
            "[]",
            "1",
            "{",
            "{\"a\": 1e999}",
            "{\"a\": 1,}",
            "{} // comment",
            "{'a': 1}",
        ] {
            assert!(Context::from_json(text).is_err(), "{text}");
        }
    }
}
