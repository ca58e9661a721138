//! Conditions to their cheapest form: names looked up, constants folded.

use std::sync::Arc;

use crate::compile::compiler::{Asked, Compiler, Part, find, in_whole};
use crate::document::diagnostic::DiagnosticKind;
use crate::document::model::{self, ConditionKind, Name};
use crate::document::slice;
use crate::document::syntax::Span;
use crate::hash;
use crate::ruleset::condition::{Equals, Lists, Test};
use crate::ruleset::list::IdList;
use crate::ruleset::network::NetworkSet;
use crate::ruleset::pattern::Pattern;
use crate::ruleset::text::{TextMatch, TextSet, Words};
use crate::ruleset::version::Requirement;
use crate::ruleset::{Condition, FlagId, List, ListId, Segment, SegmentId, Truth};

/// The lists of the document that is being compiled.
struct Compiled<'c>(&'c [(ListId, Option<Arc<List>>)]);

impl<'c> Compiled<'c> {
    fn find(&self, id: ListId) -> Option<&'c List> {
        let (_, list) = self.0.iter().find(|(known, _)| *known == id)?;
        list.as_deref()
    }
}

impl Lists for Compiled<'_> {
    fn ids(&self, id: ListId) -> Option<&IdList> {
        self.find(id).map(|list| &list.ids)
    }
}

impl<'t> Compiler<'_, 't> {
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
            let lists = Compiled(self.lists);
            if let Test::InList(id) = test {
                self.folded
                    .extend(lists.find(id).map(|list| list.fingerprint));
            }
            return Condition::Constant(test.holds(Some(value.as_ref()), &lists));
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
