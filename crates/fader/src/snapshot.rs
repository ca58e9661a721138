//! What is live at one moment: a ruleset with its overlay.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::attributes::Attributes;
use crate::decision::{Answer, Code, Decision};
use crate::handle::Scope;
use crate::hash::Reach;
use crate::observe::Hooks;
use crate::overlay::Overlay;
use crate::overrides::Overrides;
use crate::plan::{Freeze, PlannedRamp};
use crate::ruleset::{Flag, FlagId, Recall, Ruleset, Slot};
use crate::source::Source;
use crate::time::Timestamp;
use crate::wanted::Wanted;

/// A ruleset and what the overlay says on top of it, swapped as one.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) ruleset: Arc<Ruleset>,
    pub(crate) overlay: Arc<Overlay>,
    /// By [`FlagId`].
    entries: Box<[Entry]>,
    /// By [`FlagId`]; empty where the overlay says nothing of any flag.
    bound: Box<[Option<FlagOverlay>]>,
    /// Whether a document has been loaded.
    pub(crate) loaded: bool,
    /// Tells the content that the ruleset was made from.
    pub(crate) content: u128,
    pub(crate) notes: Arc<Notes>,
    pub(crate) hooks: Arc<Hooks>,
    /// The flags that sinks want to know of.
    pub(crate) watched: Box<[FlagId]>,
}

/// What an evaluation asks of a flag first: ruleset and overlay in one.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) course: Course,
    /// The flag; one without variants where there is none that could be evaluated.
    pub(crate) flag: Arc<Flag>,
}

/// The shortest way to a decision.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Course {
    /// It is the same for everybody.
    Fixed(Decision),
    /// One draw and nothing else, see [`OneDraw`](crate::ruleset::OneDraw).
    OneDraw,
    Rules(Recall),
    /// Rules, and sinks that want to know when they draw.
    Watched(Recall),
}

impl Entry {
    /// Tells whether sinks want to know when it draws.
    #[inline(always)]
    pub(crate) fn is_watched(&self) -> bool {
        matches!(self.course, Course::Watched(_))
    }

    fn new(slot: &Slot, overlay: Option<&FlagOverlay>, hooks: &Hooks, no_flag: &Arc<Flag>) -> Self {
        let failed = |code| Self {
            course: Course::Fixed(Decision::of(code)),
            flag: Arc::clone(no_flag),
        };
        let (flag, recall) = match slot {
            Slot::Flag { flag, recall, .. } => (flag, *recall),
            Slot::Vacant => return failed(Code::NotFound),
            Slot::SetAside => return failed(Code::SetAside),
        };
        let course = if !flag.enabled || overlay.is_some_and(|overlay| overlay.killed) {
            Course::Fixed(flag.killed())
        } else if flag.rules.is_empty() {
            Course::Fixed(Decision::of(Code::Static).serving(flag.default))
        } else if hooks.watch(flag) {
            Course::Watched(recall)
        } else if flag.one_draw.is_some() && overlay.is_none() {
            Course::OneDraw
        } else {
            Course::Rules(recall)
        };
        Self {
            course,
            flag: Arc::clone(flag),
        }
    }
}

/// What is told of a ruleset beside its answers.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Where the document came from.
    pub(crate) source: Option<Source>,
    pub(crate) compile_time: Duration,
    pub(crate) loaded_at: Option<Timestamp>,
    pub(crate) warnings: Vec<crate::Diagnostic>,
    pub(crate) set_aside: Vec<String>,
}

/// What the overlay says of one flag, with its rules looked up.
#[derive(Clone, Debug, Default)]
pub(crate) struct FlagOverlay {
    pub(crate) killed: bool,
    rules: BTreeMap<u16, HeldRule>,
}

/// What the overlay says of one rule.
#[derive(Clone, Copy, Debug)]
struct HeldRule {
    reach: Reach,
    waves: u32,
}

impl FlagOverlay {
    #[inline]
    pub(crate) fn reach(&self, rule: u16) -> Option<Reach> {
        self.rules.get(&rule).map(|held| held.reach)
    }

    /// Returns how many waves of a rule are open.
    pub(crate) fn waves(&self, rule: u16) -> u32 {
        self.rules.get(&rule).map_or(0, |held| held.waves)
    }
}

impl Live {
    pub(crate) fn empty() -> Self {
        let (ruleset, overlay) = (Arc::new(Ruleset::empty()), Arc::new(Overlay::default()));
        Self {
            ruleset,
            overlay,
            entries: Box::default(),
            bound: Box::default(),
            loaded: false,
            content: 0,
            notes: Arc::default(),
            hooks: Arc::default(),
            watched: Box::default(),
        }
    }

    pub(crate) fn new(
        ruleset: Arc<Ruleset>,
        overlay: Arc<Overlay>,
        content: u128,
        notes: Arc<Notes>,
        hooks: Arc<Hooks>,
    ) -> Self {
        let bound = bind(&ruleset, &overlay, &hooks);
        let overlaid = bound
            .iter()
            .map(Option::as_ref)
            .chain(std::iter::repeat(None));
        let no_flag = Arc::new(Flag::default());
        let entries = ruleset.flags.iter().zip(overlaid);
        let entries: Box<[Entry]> = entries
            .map(|(slot, overlay)| Entry::new(slot, overlay, &hooks, &no_flag))
            .collect();
        let watched = (0..)
            .zip(&entries)
            .filter(|(_, entry)| entry.is_watched())
            .map(|(at, _)| FlagId(at));
        Self {
            watched: watched.collect(),
            entries,
            hooks,
            ruleset,
            overlay,
            bound,
            loaded: true,
            content,
            notes,
        }
    }

    /// The same ruleset under another overlay.
    pub(crate) fn with_overlay(&self, overlay: Arc<Overlay>) -> Self {
        self.under(overlay, Arc::clone(&self.hooks))
    }

    /// The same ruleset under another overlay and other hooks.
    pub(crate) fn under(&self, overlay: Arc<Overlay>, hooks: Arc<Hooks>) -> Self {
        let (ruleset, notes) = (Arc::clone(&self.ruleset), Arc::clone(&self.notes));
        Self {
            loaded: self.loaded,
            ..Self::new(ruleset, overlay, self.content, notes, hooks)
        }
    }

    #[inline]
    pub(crate) fn entry(&self, id: FlagId) -> Option<&Entry> {
        self.entries.get(id.index())
    }

    /// Resolves a flag by name: a forced value, or what `decide` decides.
    #[inline]
    pub(crate) fn resolve(
        &self,
        flag: &str,
        overrides: Option<&Overrides>,
        decide: impl FnOnce(FlagId, &Entry) -> Decision,
    ) -> Answer {
        let id = self.ruleset.find(flag);
        if let Some(forced) = overrides.and_then(|overrides| overrides.get(flag)) {
            let variant = id.and_then(|id| Some((id, forced.variant_of(self.ruleset.flag(id)?)?)));
            return Answer::Forced(Arc::clone(forced), variant);
        }
        match id.and_then(|id| Some((id, self.entry(id)?))) {
            Some((id, entry)) => Answer::Decided(id, decide(id, entry)),
            None if self.loaded => Answer::Failed(Decision::of(Code::NotFound)),
            None => Answer::Failed(Decision::of(Code::NotReady)),
        }
    }

    #[inline]
    pub(crate) fn overlay_of(&self, id: FlagId) -> Option<&FlagOverlay> {
        self.bound.get(id.index())?.as_ref()
    }
}

/// Looks up the overlay's flags and rules. An entry whose flag or rule the document lacks waits.
fn bind(ruleset: &Ruleset, overlay: &Overlay, hooks: &Hooks) -> Box<[Option<FlagOverlay>]> {
    let mut bound = Vec::new();
    for (name, entry) in overlay.flags() {
        let Some(id) = ruleset.find(name) else {
            continue;
        };
        let mut found = FlagOverlay {
            killed: entry.killed(),
            rules: BTreeMap::new(),
        };
        if let Some(flag) = ruleset.flag(id) {
            for (label, held) in &entry.rules {
                let rule = flag
                    .rule_named(label)
                    .and_then(|rule| u16::try_from(rule).ok());
                if let Some(rule) = rule {
                    let (mut percent, mut waves) = (held.percent, held.waves);
                    let is_staged = flag
                        .staged()
                        .is_some_and(|(staged, _)| *staged.label == *label.as_str());
                    if let Some((most, open)) = hooks.limit_of(name, label).filter(|_| is_staged) {
                        percent = percent.min(most);
                        waves = waves.min(open);
                    }
                    let reach = Reach::of(percent);
                    found.rules.insert(rule, HeldRule { reach, waves });
                }
            }
        }
        if bound.is_empty() {
            bound.resize(ruleset.flags.len(), None);
        }
        if let Some(slot) = bound.get_mut(id.index()) {
            *slot = Some(found);
        }
    }
    bound.into()
}

/// One ruleset with its overlay, held for a unit of work: whatever is loaded meanwhile, it stays the same.
///
/// It holds a reference, not a copy. A snapshot that is kept for long keeps that version of the document in memory.
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) live: Arc<Live>,
    pub(crate) now: Timestamp,
    pub(crate) lineage: u32,
    pub(crate) overrides: Option<Arc<Overrides>>,
}

impl Snapshot {
    /// Returns the document's version: its revision, or 16 hex digits of a hash of its bytes; empty before a document
    /// has been loaded.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.live.ruleset.version
    }

    /// Returns the document's free-form metadata.
    #[must_use]
    pub fn metadata(&self) -> Option<&serde_json::Value> {
        self.live.ruleset.metadata.as_ref()
    }

    /// Returns the names of the document's flags, in its order.
    pub fn flags(&self) -> impl Iterator<Item = &str> {
        let ruleset = &self.live.ruleset;
        ruleset.order.iter().filter_map(|id| ruleset.flag_name(*id))
    }

    /// Returns the staged ramps of the document, in its order; of a flag that is set aside, the one of its last good form.
    pub fn plans(&self) -> impl Iterator<Item = PlannedRamp<'_>> {
        let ruleset = &self.live.ruleset;
        ruleset.order.iter().filter_map(|id| {
            let flag = ruleset.flag(*id)?;
            let (rule, staged) = flag.staged()?;
            Some(PlannedRamp {
                flag: &flag.name,
                index: id.0,
                rule: &rule.label,
                plan: &staged.plan,
            })
        })
    }

    /// Returns the times in which no ramp is raised, as the document has them.
    #[must_use]
    pub fn freezes(&self) -> &[Freeze] {
        &self.live.ruleset.freezes
    }

    /// Returns the attributes that the rules can ask for, so that an adapter keeps only those at hand.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        self.live.ruleset.wanted.clone()
    }

    /// Makes a scope: this snapshot, and its time, with the attributes of one unit of work.
    #[inline(always)]
    #[must_use]
    pub fn scope<A: Attributes>(&self, attributes: A) -> Scope<A> {
        Scope::new(self.clone(), attributes)
    }

    /// Turns the snapshot into a scope, without the reference count that [`scope`](Self::scope) takes.
    #[inline(always)]
    #[must_use]
    pub fn into_scope<A: Attributes>(self, attributes: A) -> Scope<A> {
        Scope::new(self, attributes)
    }

    /// Returns the overlay.
    #[must_use]
    pub fn overlay(&self) -> &Overlay {
        &self.live.overlay
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("version", &self.version())
            .field("flags", &self.live.ruleset.order.len())
            .finish_non_exhaustive()
    }
}
