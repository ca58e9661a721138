//! From a document to a ruleset: the checks that need the whole document, then the cheapest form of each part.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jsonc_parser::ast;

use crate::attributes::Value;
use crate::document::compose::{Place, Places, compose};
use crate::document::diagnostic::{Diagnostic, DiagnosticKind, Problem, Report, Severity};
use crate::document::model::{FlagEntry, FlagSet, FlagText, Ids};
use crate::document::read;
use crate::document::scan::scan;
use crate::document::slice;
use crate::document::syntax::{self, Span, Syntax, SyntaxProblem};
use crate::document::text::Text;
use crate::hash::{self, NameHashing};
use crate::ruleset::{
    Decoders, FlagId, ListId, Recall, Registry, Ruleset, Segment, SegmentId, Slot,
};
use crate::source::{Content, Source};
use crate::time::Timestamp;
use crate::wanted::Wanted;

mod compiler;
mod condition;
mod flag;
mod graph;
pub(crate) mod link;
mod list;
mod plan;
mod references;
mod reuse;
mod warnings;

use compiler::{Compiler, Names};
use references::Graph;
use reuse::Unsettled;

/// What a compilation reads.
pub(crate) struct Input<'i> {
    pub(crate) document: &'i Content,
    /// Contents of list files, by the path that the document gives, or why one can't be read.
    pub(crate) lists: &'i BTreeMap<String, Result<Vec<u8>, String>>,
    pub(crate) source: &'i Source,
    /// The ruleset to share unchanged parts with, and to take last good forms from.
    pub(crate) previous: &'i Ruleset,
    /// Whether that one came from a source, not from what stands in for one, so that revisions compare.
    pub(crate) is_successor: bool,
    pub(crate) ambient: &'i BTreeMap<String, Value>,
    pub(crate) decoders: &'i Decoders,
    pub(crate) list_seed: u64,
    pub(crate) now: Timestamp,
}

/// A ruleset, and what there is to say of it.
pub(crate) struct Compilation {
    pub(crate) ruleset: Ruleset,
    /// Warnings; with errors among them where flags were set aside.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Flags that have errors, by name.
    pub(crate) set_aside: Vec<String>,
    /// How long it took.
    pub(crate) took: Duration,
}

/// Removes the one BOM that a document may begin with.
pub(crate) fn text_of(document: &[u8]) -> Result<&str, Diagnostic> {
    match std::str::from_utf8(document) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let good = document
                .get(..error.valid_up_to())
                .and_then(|good| std::str::from_utf8(good).ok());
            let good = good.unwrap_or_default();
            let good = good.strip_prefix('\u{feff}').unwrap_or(good);
            let problem = Problem {
                severity: Severity::Error,
                kind: DiagnosticKind::Syntax,
                span: Span::point(good.len()),
                first: None,
                message: "the text is not UTF-8 here".to_owned(),
                help: Some("save the file as UTF-8".to_owned()),
            };
            Err(place(&problem, &Places::of(good), String::new()))
        }
    }
}

/// Words a syntax problem as the diagnostic that comes alone.
pub(crate) fn syntax_diagnostic(problem: SyntaxProblem, text: &str) -> Diagnostic {
    let help = problem.help.map(str::to_owned);
    let problem = Problem {
        severity: Severity::Error,
        kind: problem.kind,
        span: problem.span,
        first: None,
        message: problem.message,
        help,
    };
    place(&problem, &Places::of(text), String::new())
}

/// Words a problem that stands at a place of the whole text.
fn place(problem: &Problem, places: &Places<'_>, path: String) -> Diagnostic {
    let Place { file, line, column } = places.place(problem.span.start);
    let mut message = problem.message.clone();
    if let (Some(first), true) = (problem.first, places.are_of_several()) {
        let first = places.place(first.start);
        if let Some(other) = first.file.filter(|other| file.as_ref() != Some(other)) {
            let (line, column) = (first.line, first.column);
            message = format!("{message}: it is in `{other}` too, at {line}:{column}");
        }
    }
    Diagnostic {
        severity: problem.severity,
        kind: problem.kind,
        file,
        path,
        line,
        column,
        message,
        help: problem.help.clone(),
    }
}

/// Turns problems, at their places in the whole text, into diagnostics in its order.
pub(crate) fn diagnostics(
    mut problems: Vec<Problem>,
    root: &ast::Value<'_>,
    text: &Text<'_>,
    places: &Places<'_>,
) -> Vec<Diagnostic> {
    if problems.is_empty() {
        return Vec::new();
    }
    problems.sort_by_key(|problem| (problem.span.start, problem.severity));
    // The flag that was parsed by itself last.
    let mut parsed: Option<(usize, ast::Value<'_>)> = None;
    let place = |problem: &Problem| {
        let at = problem.span.start;
        let (in_read, cut) = text.in_read(at);
        let mut path = String::new();
        syntax::push_path(&mut path, root, in_read);
        if let Some(Span { start, end }) = cut.map(|cut| cut.whole) {
            if parsed.as_ref().is_none_or(|(place, _)| *place != start) {
                let written = slice(text.all(), Span { start, end });
                let flag = syntax::parse_scanned(written, Syntax::Document, None);
                parsed = flag.ok().map(|flag| (start, flag));
            }
            if let Some((_, flag)) = &parsed {
                syntax::push_path(&mut path, flag, at - start);
            }
        }
        place(problem, places, path)
    };
    let mut diagnostics: Vec<_> = problems.iter().map(place).collect();
    if places.are_of_several() {
        let order = |found: &Diagnostic| (found.file.clone(), found.line, found.column);
        diagnostics.sort_by_key(order);
    }
    diagnostics
}

/// Compiles a document; on an error that can't be set aside returns everything found.
///
/// Where flags are those of the document before, only the others are read. If that finds any error, or anything else out
/// of the ordinary, all of them are, as if nothing were known: what is told of a document never depends on the one before
/// it.
pub(crate) fn compile(
    input: &Input<'_>,
    registry: &mut Registry,
) -> Result<Compilation, Vec<Diagnostic>> {
    let mark = registry.mark();
    let compilation = compile_content(input, mark, registry);
    if compilation.is_err() {
        registry.forget(mark);
    }
    registry.forget_attributes();
    compilation
}

fn compile_content(
    input: &Input<'_>,
    mark: [usize; 3],
    registry: &mut Registry,
) -> Result<Compilation, Vec<Diagnostic>> {
    match input.document {
        Content::One(document) => {
            let text = text_of(document).map_err(|diagnostic| vec![diagnostic])?;
            compile_known_or_whole(text, &Places::of(text), input, mark, registry)
        }
        Content::Parts(parts) => {
            let composed = compose(parts)?;
            compile_known_or_whole(&composed.text, &composed.places(), input, mark, registry)
        }
    }
}

fn compile_known_or_whole(
    text: &str,
    places: &Places<'_>,
    input: &Input<'_>,
    mark: [usize; 3],
    registry: &mut Registry,
) -> Result<Compilation, Vec<Diagnostic>> {
    let mut entries = Vec::new();
    let stray = scan(text, |entry| entries.push(entry));
    if stray.is_none() {
        let mut cuts = reuse::cuts(&entries, text, input, registry);
        if cuts.iter().any(|cut| cut.known.is_some()) {
            let text = Text::abridged(text, cuts.clone());
            match compile_text(&text, places, None, input, registry) {
                Some(Ok(compilation)) => return Ok(compilation),
                _ => registry.forget(mark),
            }
            cuts.iter_mut().for_each(|cut| cut.known = None);
        }
        match compile_text(&Text::abridged(text, cuts), places, None, input, registry) {
            Some(compilation) => return compilation,
            None => registry.forget(mark),
        }
    }
    let whole = compile_text(&Text::whole(text), places, stray, input, registry);
    whole.unwrap_or_else(|| Err(Vec::new()))
}

/// Compiles a text of which [`scan`] has found what is stray. `None` if it is abridged and can't be judged so: what is
/// cut out of it is not what it seemed, or something is wrong and flags are known.
fn compile_text(
    text: &Text<'_>,
    places: &Places<'_>,
    stray: Option<SyntaxProblem>,
    input: &Input<'_>,
    registry: &mut Registry,
) -> Option<Result<Compilation, Vec<Diagnostic>>> {
    let is_abridged = !text.cuts().is_empty();
    let root = match syntax::parse_scanned(text.read(), Syntax::Document, stray) {
        Ok(root) => root,
        Err(_) if is_abridged => return None,
        Err(problem) => return Some(Err(vec![syntax_diagnostic(problem, text.read())])),
    };
    let mut report = Report::default();
    let set = read(&root, text, &mut report);
    check_revision(&set, input, &mut report);
    check_emptiness(&set, &root, input, &mut report);

    let names = Names::of(&set);
    registry.flags.reserve(set.flags.len());
    let mut lists = Vec::with_capacity(set.lists.len());
    for list in &set.lists {
        lists.push(list::compile_list(
            list,
            input,
            text.read(),
            registry,
            &mut report,
        ));
    }
    report.place(|span| text.span_in_whole(span));
    let mut compiler = Compiler::new(&names, registry, input, &lists, text, &mut report);
    let segments: Vec<_> = set
        .segments
        .iter()
        .map(|segment| compiler.segment(segment))
        .collect();
    let mut flags = Vec::with_capacity(set.flags.len());
    for entry in &set.flags {
        flags.push(flag::compile_entry(entry, text, &mut compiler)?);
    }
    let (edges, all_resolve, waiting) = compiler.finish(&flags);

    let graph = Graph::of_document(&names, &edges, &flags);
    let mut cyclic = graph.report_cycles(&mut report);
    cyclic.extend(waiting.into_iter().map(references::Node::Flag));
    warnings::unused(&set, &edges, &mut report);

    let is_cut = |flag: &&FlagEntry<'_>| matches!(flag.value, FlagText::Cut(_));
    if set.flags.iter().filter(is_cut).count() < text.cuts().len() {
        return None;
    }
    let any_errors = report.errors().next().is_some();
    let any_known = text.cuts().iter().any(|cut| cut.known.is_some());
    if any_known && (any_errors || !all_resolve) {
        return None;
    }
    let broken = Broken::find(&names, &root, text, &graph, &cyclic, &report);
    let fatal = broken.document || (input.source.is_strict() && any_errors);
    let parts = Parts {
        set: &set,
        lists,
        segments,
        flags,
        unsettled: Unsettled::of(&report),
    };
    let problems = std::mem::take(&mut report.problems);
    let diagnostics = diagnostics(problems, &root, text, places);
    if fatal {
        return Some(Err(diagnostics));
    }
    let (ruleset, set_aside) = assemble(parts, &broken, input, registry, places);
    Some(Ok(Compilation {
        ruleset,
        diagnostics,
        set_aside,
        took: Duration::ZERO,
    }))
}

fn check_revision(set: &FlagSet<'_>, input: &Input<'_>, report: &mut Report) {
    let (Some(revision), Some(live)) = (set.revision, input.previous.revision) else {
        return;
    };
    if !input.is_successor || revision.value >= live {
        return;
    }
    let message = format!("revision {} is below the live one, {live}", revision.value);
    if input.source.refuses_downgrade() {
        report
            .error(DiagnosticKind::Revision, revision.span, message)
            .help("an older answer came late, or a revert kept its number: raise the revision");
    } else {
        report.warning(DiagnosticKind::Revision, revision.span, message);
    }
}

fn check_emptiness(
    set: &FlagSet<'_>,
    root: &ast::Value<'_>,
    input: &Input<'_>,
    report: &mut Report,
) {
    let live = input.previous.order.len();
    if set.flags.is_empty() && live > 0 && input.source.refuses_empty() {
        let message = format!("it has no flags, where the live document has {live}");
        report
            .error(DiagnosticKind::EmptyDocument, Span::of(root), message)
            .help("allow an empty document at the source if it is meant");
    }
}

/// What has errors and is to be set aside.
struct Broken<'t> {
    /// An error outside flags, segments and lists.
    document: bool,
    flags: HashSet<&'t str>,
    segments: HashSet<&'t str>,
    lists: HashSet<&'t str>,
}

impl<'t> Broken<'t> {
    fn find(
        names: &Names<'_, 't>,
        root: &ast::Value<'_>,
        text: &Text<'_>,
        graph: &Graph<'_, 't>,
        cyclic: &[references::Node<'t>],
        report: &Report,
    ) -> Self {
        let mut broken = Self {
            document: false,
            flags: HashSet::new(),
            segments: HashSet::new(),
            lists: HashSet::new(),
        };
        for problem in report.errors() {
            let (at, _) = text.in_read(problem.span.start);
            match syntax::owner(root, at) {
                Some(("flags", name)) => {
                    broken
                        .flags
                        .extend(names.flags.get_key_value(name).map(|(name, _)| *name));
                }
                Some(("segments", name)) => {
                    broken
                        .segments
                        .extend(names.segments.get_key_value(name).map(|(name, _)| *name));
                }
                Some(("lists", name)) => {
                    broken
                        .lists
                        .extend(names.lists.get_key_value(name).map(|(name, _)| *name));
                }
                _ => broken.document = true,
            }
        }
        for node in cyclic {
            match node {
                references::Node::Flag(name) => broken.flags.insert(name),
                references::Node::Segment(name) => broken.segments.insert(name),
            };
        }
        graph.spread(&mut broken.flags, &mut broken.segments, &broken.lists);
        broken
    }
}

/// The compiled parts of a document, beside the model that they came from.
struct Parts<'p, 't> {
    set: &'p FlagSet<'t>,
    lists: Vec<(ListId, Option<Arc<crate::ruleset::List>>)>,
    segments: Vec<(SegmentId, Segment)>,
    flags: Vec<(FlagId, Arc<crate::ruleset::Flag>)>,
    unsettled: Unsettled,
}

/// Puts a ruleset together. What is broken keeps its last good form: a flag its rules, a segment its condition, a list
/// its ids (ADR 0003). Returns the names of the flags set aside with it.
fn assemble(
    parts: Parts<'_, '_>,
    broken: &Broken<'_>,
    input: &Input<'_>,
    registry: &Registry,
    text_places: &Places<'_>,
) -> (Ruleset, Vec<String>) {
    let Parts {
        set,
        lists,
        segments,
        flags,
        unsettled,
    } = parts;
    let previous = input.previous;
    let any_kept = !broken.flags.is_empty();

    let mut list_slots = vec![None; registry.lists.len()];
    let mut segment_slots = vec![None; registry.segments.len()];
    if any_kept {
        // A kept flag may name segments and lists that the document no longer has.
        list_slots
            .iter_mut()
            .zip(&previous.lists)
            .for_each(|(slot, old)| slot.clone_from(old));
        segment_slots
            .iter_mut()
            .zip(&previous.segments)
            .for_each(|(slot, old)| slot.clone_from(old));
    }
    for ((id, list), model) in lists.into_iter().zip(&set.lists) {
        if let (false, Some(slot)) = (
            broken.lists.contains(model.name.value),
            list_slots.get_mut(id.index()),
        ) {
            *slot = list;
        }
    }
    for ((id, segment), model) in segments.into_iter().zip(&set.segments) {
        if let (false, Some(slot)) = (
            broken.segments.contains(model.name.value),
            segment_slots.get_mut(id.index()),
        ) {
            let unchanged = previous
                .segment(id)
                .filter(|old| old.fingerprint == segment.fingerprint);
            *slot = Some(unchanged.map_or_else(|| Arc::new(segment), Arc::clone));
        }
    }
    let mut slots = vec![Slot::Vacant; registry.flags.len()];
    let mut order = Vec::with_capacity(flags.len());
    let mut kept = Vec::new();
    let mut set_aside = Vec::new();
    let mut places = Vec::new();
    for ((id, flag), model) in flags.into_iter().zip(&set.flags) {
        order.push(id);
        let slot = if broken.flags.contains(model.name.value) {
            kept.push(id);
            set_aside.push(model.name.value.to_owned());
            previous.slot(id).kept()
        } else {
            places.extend(flag::percent_places(
                id,
                &flag,
                model.span.start,
                text_places,
            ));
            Slot::Flag {
                flag,
                recall: Recall::Nothing,
                meaning: 0,
                settled: !unsettled.any_in(model.span),
            }
        };
        if let Some(place) = slots.get_mut(id.index()) {
            *place = if matches!(slot, Slot::Vacant) {
                Slot::SetAside
            } else {
                slot
            };
        }
    }
    let mut ruleset = Ruleset {
        version: version_of(set, input),
        revision: set.revision.map(|revision| revision.value),
        metadata: set.metadata.clone(),
        freezes: set.freezes.as_slice().into(),
        names: registry.flags.clone(),
        flags: slots.into(),
        order: order.into(),
        segments: segment_slots.into(),
        lists: list_slots.into(),
        wanted: Wanted::default(),
        reads_time: false,
        places: places.into(),
    };
    link::link(&mut ruleset, &kept);
    (ruleset, set_aside)
}

/// The revision, or a hash of the document's bytes followed by those of its list files in document order.
fn version_of(set: &FlagSet<'_>, input: &Input<'_>) -> Arc<str> {
    if let Some(revision) = set.revision {
        return revision.value.to_string().into();
    }
    let files = set.lists.iter().filter_map(|list| match &list.ids {
        Ids::File(path) => input.lists.get(path.value)?.as_deref().ok(),
        _ => None,
    });
    hash::version(input.document.texts().chain(files)).into()
}

/// Returns the paths of a document's list files, as the document gives them and in its order; none for a document that
/// can't be parsed.
///
/// A provider reads them beside the document and delivers all together.
#[must_use]
pub fn list_files(document: &[u8]) -> Vec<String> {
    let Some(ast::Value::Object(root)) = text_of(document)
        .ok()
        .and_then(|text| syntax::parse(text, Syntax::Document).ok())
    else {
        return Vec::new();
    };
    let Some(lists) = root.get_object("lists") else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for property in &lists.properties {
        if let ast::Value::Object(list) = &property.value
            && let Some(file) = list.get_string("file")
        {
            let path = file.value.to_string();
            if !files.contains(&path) {
                files.push(path);
            }
        }
    }
    files
}

/// Names to indices.
pub(crate) type Index<'t> = HashMap<&'t str, usize, NameHashing>;

#[cfg(test)]
mod tests;
