//! What outlives a ruleset: numbers for names, and the parts that the next document is likely to have too.

use std::collections::HashMap;
use std::sync::Arc;

use hashbrown::HashTable;

use crate::hash::{self, NameHashing};
use crate::ruleset::pattern::Pattern;
use crate::ruleset::{Attribute, FlagId, Variant};

/// Numbers for names, given out once: the same name has the same number in every ruleset of a handle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry {
    pub(crate) flags: Names,
    pub(crate) segments: Names,
    pub(crate) lists: Names,
    /// The attributes that compiled forms ask for.
    attributes: HashMap<Arc<str>, Arc<Attribute>, NameHashing>,
    /// The patterns of live documents, which the next one tends to repeat: they take long to compile.
    pub(crate) patterns: Patterns,
    /// The variants of live documents, by the fingerprint of their text: most flags have the same as others.
    pub(crate) variants: KnownVariants,
    /// The places of rules, such as `rules[2]`, which are the labels of those without a name.
    places: Vec<Arc<str>>,
}

/// Patterns by the identity of their sources, and of whether they ignore case.
pub(crate) type Patterns = HashMap<u128, Pattern, NameHashing>;

/// Variants by the fingerprint of their text.
pub(crate) type KnownVariants = HashMap<u128, Arc<[Variant]>, NameHashing>;

impl Registry {
    /// Counts what has numbers now, for [`forget`](Self::forget).
    pub(crate) fn mark(&self) -> [usize; 3] {
        [&self.flags, &self.segments, &self.lists].map(Names::len)
    }

    /// Finds the number that a flag's name has.
    pub(crate) fn find_flag(&self, name: &str) -> Option<FlagId> {
        self.flags.find(name).map(FlagId)
    }

    /// Keeps parts for the next document, beside those that a ruleset still uses.
    pub(crate) fn keep(&mut self, patterns: Patterns, variants: KnownVariants) {
        self.patterns.retain(|_, pattern| pattern.is_shared());
        self.patterns.extend(patterns);
        self.variants
            .retain(|_, variants| Arc::strong_count(variants) > 1);
        self.variants.extend(variants);
    }

    /// Returns the label of a flag's rule that has no name.
    pub(crate) fn place_label(&mut self, at: usize) -> Arc<str> {
        let labels = self.places.len()..=at;
        self.places
            .extend(labels.map(|at| Arc::from(format!("rules[{at}]"))));
        self.places.get(at).map_or_else(Arc::default, Arc::clone)
    }

    /// Takes back the numbers given out since a mark, to names that no ruleset came to know.
    pub(crate) fn forget(&mut self, [flags, segments, lists]: [usize; 3]) {
        self.flags.truncate(flags);
        self.segments.truncate(segments);
        self.lists.truncate(lists);
    }

    /// Returns an attribute, the same for each of its names.
    pub(crate) fn attribute(&mut self, name: &str) -> Arc<Attribute> {
        if let Some(attribute) = self.attributes.get(name) {
            return Arc::clone(attribute);
        }
        let name: Arc<str> = name.into();
        let attribute = Arc::new(Attribute::new(&name));
        self.attributes.insert(name, Arc::clone(&attribute));
        attribute
    }

    /// Forgets attributes that no compiled form asks for any more.
    pub(crate) fn forget_attributes(&mut self) {
        self.attributes
            .retain(|_, attribute| Arc::strong_count(attribute) > 1);
    }
}

/// Names with their numbers, shared between the registry and the rulesets until the next new name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(Arc<NameTable>);

#[derive(Clone, Debug, Default)]
struct NameTable {
    /// Numbers by the hash of their name: 4 bytes each, where a map with the names in it would take 24.
    numbers: HashTable<u32>,
    names: Vec<Arc<str>>,
}

impl NameTable {
    #[inline]
    fn name(&self, number: u32) -> Option<&Arc<str>> {
        self.names.get(number as usize)
    }

    #[inline]
    fn find(&self, name: &str) -> Option<u32> {
        let is_name = |number: &u32| self.name(*number).is_some_and(|known| **known == *name);
        self.numbers.find(hash::name(name), is_name).copied()
    }
}

impl Names {
    pub(crate) fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.find(name) {
            return number;
        }
        let table = Arc::make_mut(&mut self.0);
        let number = u32::try_from(table.names.len()).unwrap_or(u32::MAX);
        table.names.push(name.into());
        let names = &table.names;
        let hash_of = |number: &u32| {
            let name = names.get(*number as usize);
            name.map_or(0, |name| hash::name(name))
        };
        table
            .numbers
            .insert_unique(hash::name(name), number, hash_of);
        number
    }

    /// Makes room for so many names in all.
    pub(crate) fn reserve(&mut self, count: usize) {
        let more = count.saturating_sub(self.len());
        if more > 0 {
            Arc::make_mut(&mut self.0).names.reserve_exact(more);
        }
    }

    /// Finds the number that a name has.
    #[inline]
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.0.find(name)
    }

    pub(crate) fn name(&self, number: u32) -> Option<&Arc<str>> {
        self.0.name(number)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.names.len()
    }

    fn truncate(&mut self, len: usize) {
        while self.len() > len {
            let table = Arc::make_mut(&mut self.0);
            let Some(name) = table.names.pop() else {
                return;
            };
            let number = table.names.len();
            let is_last = |known: &u32| *known as usize == number;
            if let Ok(entry) = table.numbers.find_entry(hash::name(&name), is_last) {
                entry.remove();
            }
        }
    }
}
