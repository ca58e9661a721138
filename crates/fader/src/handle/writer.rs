//! How something new goes live: one writer at a time, readers never wait.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use crate::attributes::Value;
use crate::compile::{self, Compilation, Input, link};
use crate::document::diagnostic::{CompileError, Diagnostic, DiagnosticKind, Severity};
use crate::document::overlay::read_overlay;
use crate::handle::builder::FlagsBuilder;
use crate::handle::events::{Change, Event};
use crate::handle::sources::Sources;
use crate::handle::status::{State, Status};
use crate::handle::swap::Swap;
use crate::handle::warnings::warnings;
use crate::hash;
use crate::observe::Hooks;
use crate::overlay::Overlay;
use crate::ruleset::{Decoders, FlagId, Registry, Ruleset, Slot};
use crate::snapshot::{Live, Notes};
use crate::source::{Delivery, Source};
use crate::time::Timestamp;

/// What compiling needs from one document to the next, behind a mutex of its own: a kill never waits for a document.
#[derive(Debug)]
pub(crate) struct Compiler {
    registry: Registry,
    ambient: BTreeMap<String, Value>,
    decoders: Decoders,
    list_seed: u64,
}

impl Compiler {
    pub(crate) fn new(builder: &mut FlagsBuilder) -> Self {
        Self {
            registry: Registry::default(),
            ambient: std::mem::take(&mut builder.ambient),
            decoders: std::mem::take(&mut builder.decoders),
            list_seed: builder.list_seed,
        }
    }

    pub(crate) fn compile(
        &mut self,
        delivery: &Delivery,
        source: &Source,
        live: &Live,
        now: Timestamp,
    ) -> Result<Compilation, CompileError> {
        let input = Input {
            document: &delivery.document,
            lists: &delivery.lists,
            source,
            previous: &live.ruleset,
            is_successor: !live.notes.source.as_ref().is_some_and(Source::is_bootstrap),
            ambient: &self.ambient,
            decoders: &self.decoders,
            list_seed: self.list_seed,
            now,
        };
        compile::compile(&input, &mut self.registry)
            .map_err(|diagnostics| CompileError::new(source.shared_name(), diagnostics))
    }
}

/// What only the writer knows, behind the handle's mutex.
#[derive(Debug)]
pub(crate) struct Writer {
    /// Replaced rulesets that a roll-back can bring back, the latest last.
    history: VecDeque<Arc<Live>>,
    keep: usize,
    /// What was replaced for good. It is dropped here once nobody else holds it, so that no request frees a ruleset.
    retired: Vec<Arc<Live>>,
    sources: Sources,
    overlay_content: Option<u128>,
    rolled_back: Option<RolledBack>,
}

/// What a roll-back took away: it holds until the source delivers something else.
#[derive(Debug)]
struct RolledBack {
    content: u128,
    version: Arc<str>,
}

/// What came of a delivery that was taken.
#[derive(Clone, Debug)]
pub struct Loaded {
    is_new: bool,
    version: Arc<str>,
    keys: Vec<Arc<str>>,
    warnings: Arc<[Diagnostic]>,
    overlay_error: Option<CompileError>,
}

impl Loaded {
    /// Returns whether anything new went live; identical content changes nothing.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Returns the version that is live now.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the flags that are new, gone, or may answer differently, by name.
    #[must_use]
    pub fn keys(&self) -> &[Arc<str>] {
        &self.keys
    }

    /// Returns the warnings of what is live now; from a source that quarantines also the errors of flags set aside.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// Returns why the overlay that came with the document was refused; the last good one stays.
    #[must_use]
    pub fn overlay_error(&self) -> Option<&CompileError> {
        self.overlay_error.as_ref()
    }
}

/// A version of the document that can be brought back.
#[derive(Clone, Debug)]
pub struct HistoryEntry {
    version: Arc<str>,
    loaded_at: Option<Timestamp>,
}

impl HistoryEntry {
    /// Returns the version: the revision, or 16 hex digits.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns when it went live.
    #[must_use]
    pub fn loaded_at(&self) -> Option<Timestamp> {
        self.loaded_at
    }
}

/// Why nothing was rolled back: no earlier ruleset is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RollbackError;

impl fmt::Display for RollbackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no earlier ruleset is kept")
    }
}

impl std::error::Error for RollbackError {}

impl Writer {
    pub(crate) fn new(builder: &FlagsBuilder) -> Self {
        Self {
            history: VecDeque::new(),
            keep: builder.history,
            retired: Vec::new(),
            sources: Sources::default(),
            overlay_content: None,
            rolled_back: None,
        }
    }

    /// Returns whether a source's content is what is live, or what a roll-back took away.
    pub(crate) fn knows(&self, live: &Live, content: u128, source: &Source) -> bool {
        // A strict source refuses what one that quarantines took in part.
        let as_strict = live.notes.set_aside.is_empty() || !source.is_strict();
        let is_live = live.loaded && live.content == content && as_strict;
        is_live
            || self
                .rolled_back
                .as_ref()
                .is_some_and(|rolled_back| rolled_back.content == content)
    }

    /// Takes or refuses a delivery: its document, compiled unless it is known already, and its overlay each by itself,
    /// what is taken swapped as one.
    pub(crate) fn load(
        &mut self,
        swap: &Swap<Live>,
        delivery: &Delivery,
        document: Option<Result<Compilation, CompileError>>,
        source: &Source,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) -> Result<Loaded, CompileError> {
        let live = swap.load();
        let content = delivery.identity();
        let document = self.take_document(&live, document, content, source, now, events);
        let overlay = match &delivery.overlay {
            Some((name, bytes)) => {
                let source = Source::new(Arc::clone(name));
                self.take_overlay(&live, bytes, &source, now, events)
            }
            None => Ok(None),
        };
        let (overlay, overlay_error) = match overlay {
            Ok(overlay) => (overlay, None),
            Err(error) => (None, Some(error)),
        };
        let (compilation, refusal) = match document {
            Ok(compilation) => (compilation, None),
            Err(error) => (None, Some(error)),
        };
        let is_loaded = compilation.is_some();
        let is_new = is_loaded || overlay.is_some();
        let overlay_source = overlay
            .as_ref()
            .and_then(|_| Some(Arc::clone(&delivery.overlay.as_ref()?.0)));
        let overlay = overlay.map_or_else(|| Arc::clone(&live.overlay), Arc::new);
        let next = match compilation {
            Some(Compilation {
                ruleset,
                diagnostics,
                set_aside,
                took,
            }) => {
                let notes = Notes {
                    source: Some(source.clone()),
                    compile_time: took,
                    loaded_at: Some(now),
                    warnings: diagnostics,
                    set_aside,
                };
                Some(Live::new(
                    Arc::new(ruleset),
                    overlay,
                    content,
                    Arc::new(notes),
                    Arc::clone(&live.hooks),
                ))
            }
            None if is_new => Some(live.with_overlay(overlay)),
            None => None,
        };
        let mut changed = Vec::new();
        let next = match next {
            Some(next) => {
                let change = self.go_live(swap, next, source);
                changed.clone_from(&change.keys);
                let overlaid = overlay_source.map(|source| Change {
                    source,
                    ..change.clone()
                });
                events.extend(is_loaded.then_some(Event::Loaded(change)));
                events.extend(overlaid.map(Event::Overlaid));
                swap.load()
            }
            None => live,
        };
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        let (version, warnings) = (Arc::clone(&next.ruleset.version), warnings(&next).into());
        Ok(Loaded {
            is_new,
            version,
            keys: changed,
            warnings,
            overlay_error,
        })
    }

    /// Notes what came of a document: of a known one that its source is good.
    fn take_document(
        &mut self,
        live: &Live,
        document: Option<Result<Compilation, CompileError>>,
        content: u128,
        source: &Source,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) -> Result<Option<Compilation>, CompileError> {
        let name = source.shared_name();
        match document {
            None if live.content == content => {
                if self.rolled_back.take().is_some() {
                    let source = name.to_string();
                    events.push(Event::Recovered { source });
                }
                match set_aside(&live.notes.set_aside, &live.notes.warnings) {
                    Some(error) => self
                        .sources
                        .partly_good(&name, &error, content, now, events),
                    None => self.sources.good(&name, now, true, events),
                }
                Ok(None)
            }
            None => {
                // Rolled back from: if it was taken in part it is so still.
                if !self.sources.has_refused(&name, content) {
                    self.sources.good(&name, now, true, events);
                }
                Ok(None)
            }
            Some(Ok(compilation)) => {
                self.rolled_back = None;
                self.sources.good(&name, now, false, events);
                if let Some(error) = set_aside(&compilation.set_aside, &compilation.diagnostics) {
                    self.sources.refused(&name, &error, content, now);
                }
                Ok(Some(compilation))
            }
            Some(Err(error)) => {
                if self
                    .sources
                    .refused(&name, &error.to_string(), content, now)
                {
                    events.push(Event::Refused(error.clone()));
                }
                Err(error)
            }
        }
    }

    /// Reads an overlay, unless it is the one delivered last. Its source has a status of its own.
    fn take_overlay(
        &mut self,
        live: &Live,
        bytes: &[u8],
        source: &Source,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) -> Result<Option<Overlay>, CompileError> {
        let (name, content) = (source.shared_name(), hash::identity(bytes));
        if self.overlay_content == Some(content) {
            self.sources.good(&name, now, true, events);
            return Ok(None);
        }
        let overlay = read_overlay(bytes).and_then(|overlay| not_below(live, source, overlay));
        match overlay {
            Ok(mut overlay) => {
                self.overlay_content = Some(content);
                self.sources.good(&name, now, false, events);
                overlay.source = Some(name);
                Ok(Some(overlay))
            }
            Err(diagnostics) => {
                let error = CompileError::new(Arc::clone(&name), diagnostics);
                if self
                    .sources
                    .refused(&name, &error.to_string(), content, now)
                {
                    events.push(Event::Refused(error.clone()));
                }
                Err(error)
            }
        }
    }

    /// Takes or refuses an overlay that comes by itself.
    pub(crate) fn load_overlay(
        &mut self,
        swap: &Swap<Live>,
        bytes: &[u8],
        source: &Source,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) -> Result<bool, CompileError> {
        let live = swap.load();
        let overlay = self.take_overlay(&live, bytes, source, now, events)?;
        let is_new = overlay.is_some();
        if let Some(overlay) = overlay {
            let next = live.with_overlay(Arc::new(overlay));
            drop(live);
            events.push(Event::Overlaid(self.go_live(swap, next, source)));
        }
        Ok(is_new)
    }

    /// Puts an overlay on top of what is live.
    pub(crate) fn apply(&mut self, swap: &Swap<Live>, overlay: Overlay, events: &mut Vec<Event>) {
        let next = swap.load().with_overlay(Arc::new(overlay));
        events.push(Event::Overlaid(self.go_live(
            swap,
            next,
            &Source::new("overlay"),
        )));
    }

    /// Changes what hangs on the handle. Where that changes answers, it is told like a change of the overlay.
    pub(crate) fn hook(
        &mut self,
        swap: &Swap<Live>,
        change: impl FnOnce(&mut Hooks),
        events: &mut Vec<Event>,
    ) {
        let live = swap.load();
        let mut hooks = (*live.hooks).clone();
        change(&mut hooks);
        let next = live.under(Arc::clone(&live.overlay), Arc::new(hooks));
        drop(live);
        let change = self.go_live(swap, next, &Source::new("controller of ramps"));
        if !change.keys.is_empty() {
            events.push(Event::Overlaid(change));
        }
    }

    /// Brings the latest replaced ruleset back, under the present overlay.
    pub(crate) fn rollback(
        &mut self,
        swap: &Swap<Live>,
        events: &mut Vec<Event>,
    ) -> Result<Change, RollbackError> {
        let earlier = self.history.pop_back().ok_or(RollbackError)?;
        let live = swap.load();
        let next = earlier.under(Arc::clone(&live.overlay), Arc::clone(&live.hooks));
        self.retired.push(earlier);
        let change = describe_change(&live, &next, &Source::new("roll-back"));
        self.rolled_back.get_or_insert(RolledBack {
            content: live.content,
            version: Arc::clone(&live.ruleset.version),
        });
        // The one just read, which is now the writer's to free.
        drop(live);
        self.retired.push(swap.swap(Arc::new(next)));
        self.reclaim();
        events.push(Event::RolledBack(change.clone()));
        Ok(change)
    }

    fn go_live(&mut self, swap: &Swap<Live>, next: Live, source: &Source) -> Change {
        let next = Arc::new(next);
        let old = swap.swap(Arc::clone(&next));
        let change = describe_change(&old, &next, source);
        let replaced_ruleset = old.loaded && !Arc::ptr_eq(&old.ruleset, &next.ruleset);
        if replaced_ruleset {
            self.history.push_back(old);
            while self.history.len() > self.keep {
                self.retired.extend(self.history.pop_front());
            }
        } else {
            self.retired.push(old);
        }
        self.reclaim();
        change
    }

    /// Drops what was replaced and nobody else holds any more.
    pub(crate) fn reclaim(&mut self) {
        self.retired
            .retain(|retired| Arc::strong_count(retired) > 1);
    }

    /// Notes that a source was asked again and is as it was: where flags of it are set aside, they still are.
    pub(crate) fn source_unchanged(
        &mut self,
        live: &Live,
        source: &Source,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) {
        let name = source.shared_name();
        let is_live = live.notes.source.as_ref().map(Source::name) == Some(source.name());
        match set_aside(&live.notes.set_aside, &live.notes.warnings) {
            Some(error) if is_live => {
                self.sources
                    .partly_good(&name, &error, live.content, now, events);
            }
            _ => self.sources.good(&name, now, true, events),
        }
    }

    pub(crate) fn source_failed(
        &mut self,
        source: &Source,
        failure: (&'static str, &str),
        is_stale: bool,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) {
        self.sources
            .failed(&source.shared_name(), failure, is_stale, now, events);
    }

    pub(crate) fn status(&self, live: &Live, now: Timestamp) -> Status {
        let state = if !live.loaded {
            State::Failed
        } else if self.rolled_back.is_some() {
            State::RolledBack
        } else if self.sources.is_any_stale() {
            State::Stale
        } else {
            State::Ready
        };
        Status {
            state,
            version: Arc::clone(&live.ruleset.version),
            overlay_version: live.overlay.version(),
            loaded_at: live.notes.loaded_at,
            now,
            sources: self.sources.all().to_vec(),
            source: live.notes.source.as_ref().map(Source::shared_name),
            flag_count: live.ruleset.order.len(),
            compile_time: live.notes.compile_time,
            set_aside: live.notes.set_aside.clone(),
            warnings: warnings(live),
            rolled_back_from: self
                .rolled_back
                .as_ref()
                .map(|rolled_back| Arc::clone(&rolled_back.version)),
        }
    }

    pub(crate) fn history(&self) -> Vec<HistoryEntry> {
        let versions = self.history.iter().rev();
        let version = |live: &Arc<Live>| HistoryEntry {
            version: Arc::clone(&live.ruleset.version),
            loaded_at: live.notes.loaded_at,
        };
        versions.map(version).collect()
    }
}

/// Refuses an overlay of a network source that is older than the live one: it would lift what has been killed since.
fn not_below(live: &Live, source: &Source, overlay: Overlay) -> Result<Overlay, Vec<Diagnostic>> {
    let (found, live) = (overlay.version(), live.overlay.version());
    if found >= live || !source.refuses_downgrade() {
        return Ok(overlay);
    }
    Err(vec![Diagnostic {
        severity: Severity::Error,
        kind: DiagnosticKind::Revision,
        file: None,
        path: "version".to_owned(),
        line: 1,
        column: 1,
        message: format!("version {found} is below the live one, {live}"),
        help: Some(
            "an older answer came late: each change of an overlay raises its version".to_owned(),
        ),
    }])
}

/// Words what was set aside, if anything was.
fn set_aside(flags: &[String], diagnostics: &[Diagnostic]) -> Option<String> {
    let first = diagnostics
        .iter()
        .find(|found| found.severity == Severity::Error)?;
    Some(format!("set aside: {}; {first}", flags.join(", ")))
}

fn describe_change(old: &Live, new: &Live, source: &Source) -> Change {
    Change {
        version: Arc::clone(&new.ruleset.version),
        previous: Arc::clone(&old.ruleset.version),
        keys: changed_keys(old, new),
        warnings: warnings(new).into(),
        source: source.shared_name(),
        overlay_version: new.overlay.version(),
        compile_time: new.notes.compile_time,
    }
}

/// Returns the flags that are new, gone or mean something else, in the order of the new document, those gone last.
fn changed_keys(old: &Live, new: &Live) -> Vec<Arc<str>> {
    let meaning = |ruleset: &Ruleset, id| match ruleset.slot(id) {
        Slot::Vacant => None,
        Slot::SetAside => Some(0),
        Slot::Flag { meaning, .. } => Some(*meaning),
    };
    let entry = |live: &Live, name: &str| {
        live.overlay
            .flags
            .get(name)
            .map(|entry| (entry.killed, entry.rules.clone()))
    };
    // What the overlay says of a flag also changes those that depend on it.
    let named = [old, new]
        .into_iter()
        .flat_map(|live| live.overlay.flags.keys());
    let overlaid = named
        .filter(|name| entry(old, name) != entry(new, name))
        .filter_map(|name| new.ruleset.find(name).or_else(|| old.ruleset.find(name)));
    // A controller that comes or goes changes every staged ramp.
    let staged = new.ruleset.order.iter().copied().filter(|id| {
        let flag = new.ruleset.flag(*id);
        new.hooks.controls() != old.hooks.controls() && flag.is_some_and(|flag| flag.is_guarded())
    });
    let limited = new.hooks.limited_otherwise(&old.hooks);
    let limited = limited.filter_map(|name| new.ruleset.find(name));
    let overlaid: HashSet<FlagId> = overlaid.chain(staged).chain(limited).collect();
    let overlaid = link::dependents(&new.ruleset, &overlaid);
    let in_new = new.ruleset.order.iter();
    let gone = old
        .ruleset
        .order
        .iter()
        .filter(|id| meaning(&new.ruleset, **id).is_none());
    let mut keys = Vec::new();
    for id in in_new.chain(gone) {
        let names = [&new.ruleset, &old.ruleset]
            .into_iter()
            .find_map(|ruleset| ruleset.names.name(id.0));
        let Some(name) = names else {
            continue;
        };
        if meaning(&old.ruleset, *id) != meaning(&new.ruleset, *id) || overlaid.contains(id) {
            keys.push(Arc::clone(name));
        }
    }
    keys
}
