//! Conditions to their cheapest form: names looked up, constants folded.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::attributes::Value;
use crate::compile::{Index, Input};
use crate::decision::MAX_ITEMS;
use crate::document::diagnostic::{DiagnosticKind, Report};
use crate::document::model::{self, ConditionKind, FlagSet, Name};
use crate::document::slice;
use crate::document::syntax::Span;
use crate::document::text::Text;
use crate::hash::{self, NameHashing};
use crate::ruleset::condition::{Equals, Lists, Test};
use crate::ruleset::list::IdList;
use crate::ruleset::network::NetworkSet;
use crate::ruleset::pattern::Pattern;
use crate::ruleset::text::{TextMatch, TextSet, Words};
use crate::ruleset::version::Requirement;
use crate::ruleset::{
    self, Attribute, Condition, Flag, FlagId, KnownVariants, List, ListId, Patterns, Registry,
    Segment, SegmentId, Truth,
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
    names: &'c Names<'c, 't>,
    pub(crate) registry: &'c mut Registry,
    pub(crate) input: &'c Input<'c>,
    lists: &'c [(ListId, Option<Arc<List>>)],
    pub(crate) report: &'c mut Report,
    /// Patterns compiled already: one document tends to repeat them.
    patterns: Patterns,
    /// Variants compiled already, by the fingerprint of their text.
    pub(crate) variants: KnownVariants,
    /// Version requirements compiled already, by the identity of their texts.
    versions: HashMap<u128, Arc<[Requirement]>, NameHashing>,
    labels: HashSet<Arc<str>, NameHashing>,
    references: Vec<Reference<'t>>,
    /// The variants that flags are asked to serve: whether they have them shows when all are compiled.
    asked: Vec<Asked<'t>>,
    /// The salts of guarded ramps, with their flags.
    guarded: HashMap<String, &'t str>,
    /// Whether all that known flags name is there.
    all_resolve: bool,
    /// The lists that a constant of the part being compiled was made of, by fingerprint.
    folded: Vec<u128>,
    inside: Part<'t>,
    text: &'c Text<'c>,
    /// How far behind its place in its own text the part stands in the whole text, if it has one of its own.
    shift: Option<usize>,
}

/// A variant that a condition names.
struct Asked<'t> {
    flag: &'t str,
    variant: String,
    at: Span,
}

fn find_list(lists: &[(ListId, Option<Arc<List>>)], id: ListId) -> Option<&List> {
    let (_, list) = lists.iter().find(|(known, _)| *known == id)?;
    list.as_deref()
}

impl Lists for &[(ListId, Option<Arc<List>>)] {
    fn ids(&self, id: ListId) -> Option<&IdList> {
        find_list(self, id).map(|list| &list.ids)
    }
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
            inside: Part::Flag(""),
            text,
            shift: None,
        }
    }

    /// Returns the references of all that was compiled, and whether those of known flags lead somewhere. Flags are given
    /// in the order of the document.
    pub(crate) fn finish(self, flags: &[(FlagId, Arc<Flag>)]) -> (Vec<Reference<'t>>, bool) {
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
        self.report.place(|span| span);
        self.registry.keep(self.patterns, self.variants);
        (self.references, self.all_resolve)
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

    pub(crate) fn segment(&mut self, model: &model::Segment<'t>) -> (SegmentId, Segment) {
        self.enter(Part::Segment(model.name.value), None);
        let id = SegmentId(self.registry.segments.number(model.name.value));
        let condition = self.condition(&model.condition);
        let fingerprint = self.fingerprint(slice(self.text.read(), model.span));
        self.leave();
        (
            id,
            Segment {
                name: model.name.value.into(),
                fingerprint,
                condition,
            },
        )
    }

    pub(crate) fn attribute(&mut self, name: &str) -> Arc<Attribute> {
        self.registry.attribute(name)
    }

    pub(crate) fn ambient(&self, name: &str) -> Option<&'c Value> {
        self.input.ambient.get(name)
    }

    pub(crate) fn condition(&mut self, model: &model::Condition<'_>) -> Condition {
        match &model.kind {
            ConditionKind::All(parts) => {
                if parts.value.is_empty() {
                    self.report
                        .warning(
                            DiagnosticKind::AlwaysHolds,
                            parts.span,
                            "no condition at all always holds",
                        )
                        .help("leave it out, or name a condition");
                }
                let parts = parts
                    .value
                    .iter()
                    .map(|part| self.condition(part))
                    .collect();
                fold(parts, Truth::True, Truth::False, Condition::All)
            }
            ConditionKind::Any(parts) => {
                if parts.value.is_empty() {
                    self.report
                        .warning(
                            DiagnosticKind::NeverHolds,
                            parts.span,
                            "any of nothing never holds",
                        )
                        .help("name a condition");
                }
                let parts = parts
                    .value
                    .iter()
                    .map(|part| self.condition(part))
                    .collect();
                fold(parts, Truth::False, Truth::True, Condition::Any)
            }
            ConditionKind::Not(part) => match self.condition(part) {
                Condition::Constant(truth) => Condition::Constant(truth.not()),
                part => Condition::Not(Box::new(part)),
            },
            ConditionKind::Segment(name) => self.segment_reference(*name),
            ConditionKind::Flag { flag, variants } => self.prerequisite(*flag, variants),
            ConditionKind::Time { from, until } => Condition::Time {
                from: *from,
                until: *until,
            },
            ConditionKind::Attribute { name, test } => self.attribute_test(name, test),
            ConditionKind::Invalid => Condition::Constant(Truth::Unknown),
        }
    }

    fn refer(&mut self, to: Part<'t>, at: Span) {
        self.references.push(Reference {
            from: self.inside,
            to,
            at: in_whole(at, self.text, self.shift),
        });
    }

    fn segment_reference(&mut self, name: Name<'_>) -> Condition {
        let Some(known) = find(&self.names.segments, name.value) else {
            self.report
                .error(
                    DiagnosticKind::UnknownSegment,
                    name.span,
                    format!("unknown segment `{}`", name.value),
                )
                .suggest(
                    name.value,
                    self.names
                        .set
                        .segments
                        .iter()
                        .map(|segment| segment.name.value),
                );
            return Condition::Constant(Truth::Unknown);
        };
        self.refer(Part::Segment(known), name.span);
        Condition::Segment(SegmentId(self.registry.segments.number(name.value)))
    }

    fn prerequisite(&mut self, name: Name<'_>, variants: &model::At<Vec<Name<'_>>>) -> Condition {
        let Some(known) = find(&self.names.flags, name.value) else {
            self.report
                .error(
                    DiagnosticKind::UnknownFlag,
                    name.span,
                    format!("unknown flag `{}`", name.value),
                )
                .suggest(
                    name.value,
                    self.names.set.flags.iter().map(|flag| flag.name.value),
                );
            return Condition::Constant(Truth::Unknown);
        };
        self.refer(Part::Flag(known), name.span);
        let asked = variants.value.iter().map(|variant| Asked {
            flag: known,
            variant: variant.value.to_owned(),
            at: in_whole(variant.span, self.text, self.shift),
        });
        self.asked.extend(asked);
        if variants.value.is_empty() {
            self.report
                .warning(
                    DiagnosticKind::NeverHolds,
                    variants.span,
                    "none of no variants never holds",
                )
                .help("name a variant");
        }
        let variants = variants
            .value
            .iter()
            .map(|variant| variant.value.into())
            .collect();
        Condition::Flag {
            flag: FlagId(self.registry.flags.number(name.value)),
            variants,
        }
    }

    fn attribute_test(&mut self, name: &str, test: &model::At<model::Test<'_>>) -> Condition {
        let Some(test) = self.test(test) else {
            return Condition::Constant(Truth::Unknown);
        };
        // An ambient attribute is a constant of the process.
        if let Some(value) = self.ambient(name) {
            if let Test::InList(id) = test {
                self.folded
                    .extend(find_list(self.lists, id).map(|list| list.fingerprint));
            }
            return Condition::Constant(test.holds(Some(value.as_ref()), &self.lists));
        }
        Condition::Attribute {
            attribute: self.attribute(name),
            test,
        }
    }

    fn test(&mut self, test: &model::At<model::Test<'_>>) -> Option<Test> {
        let is_empty = match &test.value {
            model::Test::InNothing => true,
            model::Test::Text { operands, .. } => operands.is_empty(),
            model::Test::Matches { patterns, .. } => patterns.is_empty(),
            model::Test::InNetwork(networks) => networks.is_empty(),
            model::Test::Version(requirements) => requirements.iter().all(Requirement::is_empty),
            _ => false,
        };
        if is_empty {
            self.report
                .warning(
                    DiagnosticKind::NeverHolds,
                    test.span,
                    "nothing matches this",
                )
                .help("name what should match");
        }
        Some(match &test.value {
            model::Test::Exists(wanted) => Test::Exists(*wanted),
            model::Test::InNothing => Test::Equals(Box::new(Equals::Nothing)),
            model::Test::InBools(values) => Test::Equals(Box::new(Equals::Bools {
                yes: values.contains(&true),
                no: values.contains(&false),
            })),
            model::Test::InText {
                values,
                ignore_case,
            } => match Words::new(values).filter(|_| !*ignore_case) {
                Some(words) => Test::Words(words),
                None => Test::Equals(Box::new(Equals::Texts(TextSet::new(values, *ignore_case)))),
            },
            model::Test::InNumbers(values) => {
                Test::Equals(Box::new(Equals::numbers(values.clone())))
            }
            model::Test::InList(name) => return self.list_test(*name),
            model::Test::Text {
                operator,
                operands,
                ignore_case,
            } => Test::Text(TextMatch::new(*operator, operands, *ignore_case)),
            model::Test::Matches {
                patterns,
                ignore_case,
            } => Test::Matches(self.pattern(patterns, *ignore_case, test.span)?),
            model::Test::Order { operator, bound } => Test::Order(*operator, *bound),
            model::Test::Between(low, high) => Test::Between(*low, *high),
            model::Test::Before(instant) => Test::Before(*instant),
            model::Test::After(instant) => Test::After(*instant),
            model::Test::Version(requirements) => Test::Version(self.version(requirements)),
            model::Test::InNetwork(networks) => {
                Test::InNetwork(Box::new(NetworkSet::new(networks)))
            }
        })
    }

    /// Returns requirements, shared with other flags that write them alike: most name one of a few releases.
    fn version(&mut self, requirements: &[Requirement]) -> Arc<[Requirement]> {
        let texts = requirements.iter().map(Requirement::as_str);
        let key = hash::identity_of_all(texts, false);
        let shared = self.versions.entry(key);
        Arc::clone(shared.or_insert_with(|| requirements.into()))
    }

    fn list_test(&mut self, name: Name<'_>) -> Option<Test> {
        let Some(known) = find(&self.names.lists, name.value) else {
            self.report
                .error(
                    DiagnosticKind::UnknownList,
                    name.span,
                    format!("unknown list `{}`", name.value),
                )
                .suggest(
                    name.value,
                    self.names.set.lists.iter().map(|list| list.name.value),
                );
            return None;
        };
        self.refer(Part::List(known), name.span);
        Some(Test::InList(ListId(self.registry.lists.number(name.value))))
    }

    /// Compiles patterns, unless the document before had the same.
    fn compile_pattern(
        &mut self,
        key: u128,
        sources: &[&str],
        ignore_case: bool,
    ) -> Result<Pattern, (usize, String)> {
        match self.registry.patterns.remove(&key) {
            Some(pattern) => Ok(pattern),
            None => Pattern::new(sources, ignore_case),
        }
    }

    fn pattern(&mut self, patterns: &[Name<'_>], ignore_case: bool, span: Span) -> Option<Pattern> {
        let sources: Vec<&str> = patterns.iter().map(|pattern| pattern.value).collect();
        let key = hash::identity_of_all(sources.iter().copied(), ignore_case);
        let pattern = match self.patterns.get(&key) {
            Some(pattern) => pattern.clone(),
            None => match self.compile_pattern(key, &sources, ignore_case) {
                Ok(pattern) => self.patterns.entry(key).or_insert(pattern).clone(),
                Err((at, reason)) => {
                    let pattern = patterns.get(at).copied();
                    let span = pattern.map_or(span, |pattern| pattern.span);
                    let message = format!(
                        "`{}` is no pattern: {reason}",
                        pattern.map_or("", |pattern| pattern.value)
                    );
                    self.report
                        .error(DiagnosticKind::Regex, span, message)
                        .help("the syntax is that of the `regex` crate: no look-around, no back-references");
                    return None;
                }
            },
        };
        if pattern.is_slow() {
            // Where no pattern is too large by itself they are together.
            let is_slow = |one: &&Name<'_>| {
                Pattern::new(&[one.value], ignore_case).is_ok_and(|one| one.is_slow())
            };
            let slow = patterns.iter().filter(is_slow).map(|pattern| pattern.span);
            let mut places: Vec<_> = if patterns.len() > 1 {
                slow.collect()
            } else {
                Vec::new()
            };
            if places.is_empty() {
                places.push(span);
            }
            for place in places {
                self.report
                    .warning(DiagnosticKind::SlowRegex, place, "this pattern is too large for the form that never allocates")
                    .help("shorten it: smaller counts in `{…}`, `[0-9]` for `\\d`, `[A-Za-z0-9_]` for `\\w`");
            }
        }
        Some(pattern)
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
fn find<'t>(names: &Index<'t>, name: &str) -> Option<&'t str> {
    names.get_key_value(name).map(|(name, _)| *name)
}

/// Finds a stretch of a part in the whole text.
fn in_whole(span: Span, text: &Text<'_>, shift: Option<usize>) -> Span {
    match shift {
        Some(shift) => Span {
            start: span.start + shift,
            end: span.end + shift,
        },
        None => text.span_in_whole(span),
    }
}

/// Folds constants: drops parts that change nothing, and keeps only the part that settles all.
fn fold(
    parts: Vec<Condition>,
    neutral: Truth,
    settles: Truth,
    make: fn(Box<[Condition]>) -> Condition,
) -> Condition {
    let is = |part: &Condition, truth| matches!(part, Condition::Constant(constant) if *constant == truth);
    if parts.iter().any(|part| is(part, settles)) {
        return Condition::Constant(settles);
    }
    let mut rest: Vec<_> = parts
        .into_iter()
        .filter(|part| !is(part, neutral))
        .collect();
    match rest.len() {
        0 => Condition::Constant(neutral),
        1 => rest.pop().unwrap_or(Condition::Constant(neutral)),
        _ => make(rest.into()),
    }
}
