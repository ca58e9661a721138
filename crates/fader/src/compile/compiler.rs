//! What parts of a document have in common while they are compiled: names, numbers, and what several write alike.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::attributes::Value;
use crate::compile::plan::{Required, check_required};
use crate::compile::{Index, Input};
use crate::decision::MAX_ITEMS;
use crate::document::diagnostic::{DiagnosticKind, Report};
use crate::document::model::FlagSet;
use crate::document::syntax::Span;
use crate::document::text::Text;
use crate::hash::{self, NameHashing};
use crate::ruleset::version::Requirement;
use crate::ruleset::{
    self, Attribute, Flag, FlagId, KnownVariants, List, ListId, Patterns, Registry, SegmentId,
};

/// What a document's names stand for.
pub(crate) struct Names<'p, 't> {
    pub(crate) set: &'p FlagSet<'t>,
    pub(crate) flags: Index<'t>,
    pub(crate) segments: Index<'t>,
    pub(crate) lists: Index<'t>,
}

impl<'p, 't> Names<'p, 't> {
    pub(crate) fn of(set: &'p FlagSet<'t>) -> Self {
        fn index<'t>(names: impl Iterator<Item = &'t str>) -> Index<'t> {
            names.enumerate().map(|(at, name)| (name, at)).collect()
        }
        Self {
            set,
            flags: index(set.flags.iter().map(|flag| flag.name.value)),
            segments: index(set.segments.iter().map(|segment| segment.name.value)),
            lists: index(set.lists.iter().map(|list| list.name.value)),
        }
    }
}

/// A name in one part of the document that another part stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reference<'t> {
    pub(crate) from: Part<'t>,
    pub(crate) to: Part<'t>,
    pub(crate) at: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part<'t> {
    Flag(&'t str),
    Segment(&'t str),
    List(&'t str),
}

/// Compiles conditions, noting what they refer to.
pub(crate) struct Compiler<'c, 't> {
    pub(super) names: &'c Names<'c, 't>,
    pub(crate) registry: &'c mut Registry,
    pub(crate) input: &'c Input<'c>,
    pub(super) lists: &'c [(ListId, Option<Arc<List>>)],
    pub(crate) report: &'c mut Report,
    /// Patterns compiled already: one document tends to repeat them.
    pub(super) patterns: Patterns,
    /// Variants compiled already, by the fingerprint of their text.
    pub(crate) variants: KnownVariants,
    /// Version requirements compiled already, by the identity of their texts.
    pub(super) versions: HashMap<u128, Arc<[Requirement]>, NameHashing>,
    labels: HashSet<Arc<str>, NameHashing>,
    references: Vec<Reference<'t>>,
    /// The variants that flags are asked to serve: whether they have them shows when all are compiled.
    pub(super) asked: Vec<Asked<'t>>,
    /// The salts of guarded ramps, with their flags.
    guarded: HashMap<String, &'t str>,
    /// Whether all that known flags name is there.
    all_resolve: bool,
    /// The lists that a constant of the part being compiled was made of, by fingerprint.
    pub(super) folded: Vec<u128>,
    /// What plans require of one another: whether that can be shows when all are compiled.
    pub(super) required: Vec<Required<'t>>,
    pub(super) inside: Part<'t>,
    pub(super) text: &'c Text<'c>,
    /// How far behind its place in its own text the part stands in the whole text, if it has one of its own.
    pub(super) shift: Option<usize>,
}

/// A variant that a condition names.
pub(super) struct Asked<'t> {
    pub(super) flag: &'t str,
    pub(super) variant: String,
    pub(super) at: Span,
}

impl<'c, 't> Compiler<'c, 't> {
    pub(crate) fn new(
        names: &'c Names<'c, 't>,
        registry: &'c mut Registry,
        input: &'c Input<'c>,
        lists: &'c [(ListId, Option<Arc<List>>)],
        text: &'c Text<'c>,
        report: &'c mut Report,
    ) -> Self {
        Self {
            names,
            registry,
            input,
            lists,
            report,
            patterns: Patterns::default(),
            variants: KnownVariants::default(),
            versions: HashMap::default(),
            labels: HashSet::default(),
            references: Vec::new(),
            asked: Vec::new(),
            guarded: HashMap::new(),
            all_resolve: true,
            folded: Vec::new(),
            required: Vec::new(),
            inside: Part::Flag(""),
            text,
            shift: None,
        }
    }

    /// Returns the references of all that was compiled, and whether those of known flags lead somewhere; and the flags
    /// whose plans wait for one another. Flags are given in the order of the document.
    pub(crate) fn finish(
        self,
        flags: &[(FlagId, Arc<Flag>)],
    ) -> (Vec<Reference<'t>>, bool, Vec<&'t str>) {
        for Asked { flag, variant, at } in &self.asked {
            let index = self.names.flags.get(flag);
            let variants = index
                .and_then(|index| flags.get(*index))
                .map_or(&[][..], |(_, flag)| &flag.variants);
            let mut known = variants.iter().map(|known| &*known.name);
            // A flag without readable variants has its own mistake.
            if variants.is_empty() || known.any(|known| known == variant) {
                continue;
            }
            let message = format!("unknown variant `{variant}` of the flag `{flag}`");
            let known = variants.iter().map(|known| &*known.name);
            self.report
                .error(DiagnosticKind::UnknownVariant, *at, message)
                .suggest(variant, known);
        }
        let waiting = check_required(&self.required, self.names, flags, self.report);
        self.report.place(|span| span);
        self.registry.keep(self.patterns, self.variants);
        (self.references, self.all_resolve, waiting)
    }

    /// Begins a part of the document, which may have a text of its own that far behind the whole one.
    pub(crate) fn enter(&mut self, part: Part<'t>, shift: Option<usize>) {
        (self.inside, self.shift) = (part, shift);
        self.folded.clear();
    }

    /// Ends a part: what was reported of it is placed in the whole text.
    pub(crate) fn leave(&mut self) {
        let (text, shift) = (self.text, self.shift);
        self.report.place(|span| in_whole(span, text, shift));
    }

    /// Tells the part's compiled form from others: by its text, and by what else was made a constant of it.
    pub(crate) fn fingerprint(&self, text: &str) -> u128 {
        let of_text = hash::identity(text.as_bytes());
        if self.folded.is_empty() {
            return of_text;
        }
        let folded = self.folded.iter().chain([&of_text]);
        let bytes: Vec<u8> = folded.flat_map(|part| part.to_le_bytes()).collect();
        hash::identity(&bytes)
    }

    /// Returns a rule's name, shared with other flags: many ramps are named alike.
    pub(crate) fn label(&mut self, name: &str) -> Arc<str> {
        if let Some(label) = self.labels.get(name) {
            return Arc::clone(label);
        }
        let label: Arc<str> = name.into();
        self.labels.insert(Arc::clone(&label));
        label
    }

    /// Notes the salt of a guarded ramp; returns the flag that has another one of that salt.
    pub(crate) fn guard(&mut self, salt: &str) -> Option<&'t str> {
        let Part::Flag(flag) = self.inside else {
            return None;
        };
        self.guarded.insert(salt.to_owned(), flag)
    }

    /// Returns how many references there are so far.
    pub(crate) fn mark(&self) -> usize {
        self.references.len()
    }

    /// Returns the references since a mark, as a compiled flag keeps them.
    pub(crate) fn references_since(&mut self, mark: usize) -> Box<[ruleset::Reference]> {
        let since = self.references.iter().skip(mark);
        let registry = &mut *self.registry;
        since
            .map(|reference| match reference.to {
                Part::Flag(name) => ruleset::Reference::Flag(FlagId(registry.flags.number(name))),
                Part::Segment(name) => {
                    ruleset::Reference::Segment(SegmentId(registry.segments.number(name)))
                }
                Part::List(name) => ruleset::Reference::List(ListId(registry.lists.number(name))),
            })
            .collect()
    }

    /// Notes the references of a flag that is known already. Their places in its text are not: where one of them is at
    /// fault the whole text is read.
    pub(crate) fn refer_again(&mut self, flag: &Flag, at: Span) {
        fn key<'t>(names: &Index<'t>, name: Option<&Arc<str>>) -> Option<&'t str> {
            find(names, name?)
        }
        let names = self.names;
        for reference in flag.references() {
            let registry = &*self.registry;
            let to = match reference {
                ruleset::Reference::Flag(id) => {
                    key(&names.flags, registry.flags.name(id.0)).map(Part::Flag)
                }
                ruleset::Reference::Segment(id) => {
                    key(&names.segments, registry.segments.name(id.0)).map(Part::Segment)
                }
                ruleset::Reference::List(id) => {
                    key(&names.lists, registry.lists.name(id.0)).map(Part::List)
                }
            };
            let from = self.inside;
            match to {
                Some(to) => self.references.push(Reference { from, to, at }),
                None => self.all_resolve = false,
            }
        }
    }

    pub(crate) fn attribute(&mut self, name: &str) -> Arc<Attribute> {
        self.registry.attribute(name)
    }

    pub(crate) fn ambient(&self, name: &str) -> Option<&'c Value> {
        self.input.ambient.get(name)
    }

    pub(super) fn refer(&mut self, to: Part<'t>, at: Span) {
        self.references.push(Reference {
            from: self.inside,
            to,
            at: in_whole(at, self.text, self.shift),
        });
    }

    /// Reports what does not fit a decision's fields.
    pub(crate) fn check_count(&mut self, count: usize, what: &str, span: Span) {
        if count > MAX_ITEMS {
            let message = format!("{count} {what}: a flag has at most {MAX_ITEMS}");
            self.report
                .error(DiagnosticKind::TooMany, span, message)
                .help("a large set of ids is a list");
        }
    }
}

/// Finds a name as the document has it.
pub(super) fn find<'t>(names: &Index<'t>, name: &str) -> Option<&'t str> {
    names.get_key_value(name).map(|(name, _)| *name)
}

/// Finds a stretch of a part in the whole text.
pub(super) fn in_whole(span: Span, text: &Text<'_>, shift: Option<usize>) -> Span {
    match shift {
        Some(shift) => Span {
            start: span.start + shift,
            end: span.end + shift,
        },
        None => text.span_in_whole(span),
    }
}
