//! What the rules of a document can ask for.

use std::fmt;
use std::sync::Arc;

use crate::attributes::AttributeName;
use crate::ruleset::Attribute;

/// The attributes that the rules of one document can ask for, sorted by name and numbered from 0.
///
/// An adapter captures these and no others, and keeps their values by number: a name is found in a step or two, whatever
/// their count. It shares the list with the ruleset; a clone costs a reference count.
///
/// ```
/// use fader::{AttributeName, Flags, Source};
///
/// let flags = Flags::builder().build();
/// let document = r#"{ "flags": { "f": { "rules": [ { "if": { "attribute": "country", "is": "NL" }, "serve": "on" } ] } } }"#;
/// flags.load(document, &Source::new("flags.json"))?;
///
/// let wanted = flags.snapshot().wanted();
/// assert_eq!(wanted.index_of(AttributeName::new("country")), Some(0));
/// assert_eq!(wanted.index_of(AttributeName::new("plan")), None);
/// # Ok::<(), fader::CompileError>(())
/// ```
#[derive(Clone, Default)]
pub struct Wanted(Arc<Table>);

#[derive(Default)]
struct Table {
    attributes: Box<[Arc<Attribute>]>,
    /// Numbers, one above, by the hashes of the names: open addressing, at most half full, 0 is free. Whoever writes
    /// documents has no need to aim collisions.
    places: Box<[u32]>,
}

impl Wanted {
    /// Takes attributes sorted by name.
    pub(crate) fn new(attributes: Box<[Arc<Attribute>]>) -> Self {
        let mut places = vec![0; (2 * attributes.len()).next_power_of_two()].into_boxed_slice();
        for (number, attribute) in (1..).zip(&attributes) {
            let mut place = attribute.as_name().hash();
            while let Some(taken) = places.get_mut(masked(place, places.len())) {
                if *taken == 0 {
                    *taken = number;
                    break;
                }
                place = place.wrapping_add(1);
            }
        }
        Self(Arc::new(Table { attributes, places }))
    }

    /// Returns how many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.attributes.len()
    }

    /// Returns whether no rule asks for anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the names, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = AttributeName<'_>> {
        self.0
            .attributes
            .iter()
            .map(|attribute| attribute.as_name())
    }

    /// Returns the number of an attribute, `None` if no rule asks for it.
    #[inline]
    #[must_use]
    pub fn index_of(&self, name: AttributeName<'_>) -> Option<usize> {
        let Table { attributes, places } = &*self.0;
        let mut place = name.hash();
        loop {
            let number = *places.get(masked(place, places.len()))?;
            // A free place wraps around to a number that no attribute has.
            let at = (number as usize).wrapping_sub(1);
            if attributes.get(at)?.as_name() == name {
                return Some(at);
            }
            place = place.wrapping_add(1);
        }
    }
}

/// Maps a hash to a place in a table whose length is a power of two.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "any bits of a hash will do"
)]
fn masked(hash: u64, places: usize) -> usize {
    hash as usize & places.wrapping_sub(1)
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(AttributeName::as_str))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_name_and_no_other() {
        for count in [0, 1, 2, 3, 100, 1_000] {
            let names: Vec<String> = (0..count).map(|number| format!("a.{number}")).collect();
            let attributes = names
                .iter()
                .map(|name| Arc::new(Attribute::new(&name.as_str().into())));
            let wanted = Wanted::new(attributes.collect());
            assert_eq!((wanted.len(), wanted.is_empty()), (count, count == 0));
            for (at, name) in names.iter().enumerate() {
                assert_eq!(wanted.index_of(AttributeName::new(name)), Some(at));
            }
            assert_eq!(wanted.index_of(AttributeName::new("b")), None);
            assert!(wanted.iter().map(AttributeName::as_str).eq(&names));
        }
    }
}
