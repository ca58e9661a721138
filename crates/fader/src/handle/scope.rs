//! A unit of work: one snapshot, one time, one set of attributes.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::attributes::{AttributeName, Attributes, ValueRef};
use crate::decision::{Answer, Decision, Note, Resolution};
use crate::evaluate::{Evaluation, NoObserver, admitted, shortcut};
use crate::explain::{Explanation, Recorder};
use crate::key::{FlagKey, FlagValue, VariantRef};
use crate::memo::{Memo, ScopeMemo};
use crate::observe::{self, DrawnFlag, Outcome, Whose};
use crate::overrides::Forced;
use crate::ruleset::FlagId;
use crate::snapshot::{Course, Entry, Snapshot};

/// One snapshot with the attributes of one unit of work, usually a request.
///
/// Document, overlay and time stay the same for all its flags, whatever is loaded meanwhile. A flag is decided once, its
/// resolution is kept, and later reads return it; two threads that ask at once may both decide it, alike. A scope is
/// shared by reference between whoever takes part in the request.
///
/// ```
/// use fader::{Context, FlagKey, Flags};
///
/// static NEW_CHECKOUT: FlagKey<bool> = FlagKey::new("new-checkout", &false);
///
/// let flags = Flags::fixed([("new-checkout", true)]);
/// let scope = flags.scope(Context::new("user-42"));
/// assert!(*scope.get(&NEW_CHECKOUT));
/// assert_eq!(scope.resolve("new-checkout").variant(), Some("on"));
/// ```
///
/// Making one takes eight bytes for each flag that the handle has ever had, and for each 32 segments: within the scope
/// itself for up to 24 of these, in an allocation for more. Reading allocates nothing.
pub struct Scope<A> {
    snapshot: Snapshot,
    attributes: A,
    memo: ScopeMemo,
    /// What was reported; the sinks are told at the end.
    events: [OnceLock<&'static str>; 4],
    /// Whether a flag that is the same for everybody may be another one here: one is forced, or fell back.
    differs: AtomicBool,
}

impl<A: Attributes> Scope<A> {
    #[inline(always)]
    pub(crate) fn new(snapshot: Snapshot, attributes: A) -> Self {
        let live = &*snapshot.live;
        let memo = ScopeMemo::of_scope(&live.ruleset, live.hooks.tick());
        Self {
            differs: AtomicBool::new(snapshot.overrides.is_some()),
            snapshot,
            attributes,
            memo,
            events: [const { OnceLock::new() }; 4],
        }
    }

    /// Returns a flag's value. It never fails: where the document has no value, the key's default holds.
    #[inline]
    #[must_use]
    pub fn get<'s, T: FlagValue + ?Sized>(&'s self, key: &'s FlagKey<T>) -> &'s T {
        // Whatever takes more than a few steps is called last, so that the rest needs no room on the stack.
        let Some(id) = key.cached(self.snapshot.lineage) else {
            return self.get_uncached(key);
        };
        let Some(entry) = self.snapshot.live.entry(id) else {
            return self.get_uncached(key);
        };
        match entry.course {
            Course::Fixed(decision)
                if !self.differs.load(Ordering::Relaxed)
                    && self.attributes.admission().is_none() =>
            {
                self.memo.note(id, decision);
                read_served(entry, decision, key)
            }
            _ => self.get_decided(key, id, entry),
        }
    }

    #[cold]
    fn get_uncached<'s, T: FlagValue + ?Sized>(&'s self, key: &'s FlagKey<T>) -> &'s T {
        let live = &*self.snapshot.live;
        let id = key.find(self.snapshot.lineage, &live.ruleset);
        match live.entry(id) {
            Some(entry) => self.get_decided(key, id, entry),
            None => self.forced_value(key).unwrap_or(key.default_value()),
        }
    }

    #[inline(never)]
    fn get_decided<'s, T: FlagValue + ?Sized>(
        &'s self,
        key: &'s FlagKey<T>,
        id: FlagId,
        entry: &'s Entry,
    ) -> &'s T {
        let decision = self.decide(id, entry);
        if self.snapshot.overrides.is_some()
            && let Some(value) = self.forced_value(key)
        {
            return value;
        }
        read_served(entry, decision, key)
    }

    /// Returns a forced value.
    #[cold]
    fn forced_value<'s, T: FlagValue + ?Sized>(&'s self, key: &'s FlagKey<T>) -> Option<&'s T> {
        let forced = self.forced(key.name())?;
        Some(forced.read().unwrap_or(key.default_value()))
    }

    /// Returns the name of the variant that a flag serves, `None` where the caller's default holds. Forced values have one
    /// where their type has names, or the flag has a variant of that value.
    #[must_use]
    pub fn variant(&self, flag: impl AsRef<str>) -> Option<&str> {
        let (flag, live) = (flag.as_ref(), &*self.snapshot.live);
        let found = live.ruleset.find(flag);
        let found = found.and_then(|id| Some((id, live.entry(id)?)));
        let decision = found.map(|(id, entry)| self.decide(id, entry));
        let variant = match self.forced(flag) {
            Some(forced) => {
                let known = found.and_then(|(_, entry)| forced.variant_of(&entry.flag));
                let Some(known) = known else {
                    return forced.variant;
                };
                known
            }
            None => decision?.variant()?,
        };
        self.name_of(found?.0, variant)
    }

    fn name_of(&self, id: FlagId, variant: u16) -> Option<&str> {
        let flag = self.snapshot.live.ruleset.flag(id)?;
        Some(&flag.variant(variant)?.name)
    }

    /// Returns how a flag resolves: value, variant, reason, rule, version.
    #[must_use]
    pub fn resolve(&self, flag: impl AsRef<str>) -> Resolution {
        let (flag, live) = (flag.as_ref(), &self.snapshot.live);
        if self.forced(flag).is_some() {
            self.decide_named(flag);
        }
        let answer = live.resolve(flag, self.snapshot.overrides.as_deref(), |id, entry| {
            self.decide(id, entry)
        });
        Resolution {
            live: Arc::clone(live),
            answer,
        }
    }

    /// Explains how a flag resolves: every rule, also those that did not decide, and why. It runs the same evaluation
    /// once more, and allocates.
    #[must_use]
    pub fn explain(&self, flag: impl AsRef<str>) -> Explanation {
        let flag = flag.as_ref();
        let live = &self.snapshot.live;
        let id = live.ruleset.find(flag);
        let (Some(id), None) = (id, self.forced(flag)) else {
            return Explanation::new(flag, self.resolve(flag), Recorder::default(), None);
        };
        let mut evaluation = Evaluation {
            live,
            attributes: &self.attributes,
            now: self.snapshot.now,
            memo: &ScopeMemo::new(&live.ruleset),
            overrides: None,
            observer: Recorder::default(),
        };
        let decision = evaluation.flag(id);
        let recorder = evaluation.observer;
        let resolution = Resolution {
            live: Arc::clone(live),
            answer: Answer::Decided(id, decision),
        };
        Explanation::new(flag, resolution, recorder, live.ruleset.flag(id))
    }

    /// Returns a scope that answers as this one does, but for flags whose value is forced: for tests.
    #[must_use]
    pub fn overridden<'k, T: FlagValue + ?Sized>(
        mut self,
        values: impl IntoIterator<Item = (&'k FlagKey<T>, T::Owned)>,
    ) -> Self {
        let mut overrides = self
            .snapshot
            .overrides
            .as_deref()
            .cloned()
            .unwrap_or_default();
        values
            .into_iter()
            .for_each(|(key, value)| overrides.force(key, value));
        self.snapshot.overrides = Some(Arc::new(overrides));
        self.differs = AtomicBool::new(true);
        self
    }

    fn decide_named(&self, flag: &str) {
        let live = &self.snapshot.live;
        let found = live.ruleset.find(flag);
        if let Some((id, entry)) = found.and_then(|id| Some((id, live.entry(id)?))) {
            self.decide(id, entry);
        }
    }

    #[inline(always)]
    fn decide(&self, id: FlagId, entry: &Entry) -> Decision {
        if entry.is_watched() || self.attributes.admission().is_some() {
            return self.decide_watched(id, entry);
        }
        self.memo.ask(id, || self.evaluate(id, entry))
    }

    #[inline(always)]
    fn evaluate(&self, id: FlagId, entry: &Entry) -> Decision {
        if let Some(decision) = shortcut(entry, &self.attributes) {
            return decision;
        }
        let mut evaluation = Evaluation {
            live: &self.snapshot.live,
            attributes: &self.attributes,
            now: self.snapshot.now,
            memo: &self.memo,
            overrides: self.snapshot.overrides.as_deref(),
            observer: NoObserver,
        };
        evaluation.by_rules(id, &entry.flag)
    }

    /// Decides a flag on which others have a say, or of which sinks want to know.
    #[inline(never)]
    fn decide_watched(&self, id: FlagId, entry: &Entry) -> Decision {
        let live = &*self.snapshot.live;
        let decision = match self.memo.flag(id) {
            Some(kept) if kept.was_asked() => return kept,
            Some(kept) => kept,
            None => {
                let decided = self.evaluate(id, entry);
                let decided = admitted(live, id, decided, &self.attributes);
                if self.memo.keep_flag(id, decided) && !self.is_forced(id) {
                    observe::tell_drawn(live, id, decided, self.whose(), &self.memo);
                }
                self.memo.flag(id).unwrap_or(decided)
            }
        };
        if self.memo.mark(id, Note::Asked)
            && entry.is_watched()
            && !self.is_forced(id)
            && let Some(drawn) = DrawnFlag::new(live, id, decision, self.whose())
        {
            live.hooks.exposed(&drawn);
        }
        decision
    }

    /// Ends the unit of work: the sinks are told how it went for each flag that was drawn in it. Flags that are drawn
    /// later are late and count in no arm. Returns whether this was the end: only the first call is.
    ///
    /// The adapters for web frameworks call it at the head of the response. Work without HTTP calls it itself:
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use fader::{Context, Ending, Flags, MemoryOutcomes, Outcome, OutcomeEvent, Source, Watch};
    ///
    /// let flags = Flags::builder().build();
    /// let outcomes = Arc::new(MemoryOutcomes::new());
    /// flags.add_outcome_sink(Arc::clone(&outcomes), Watch::Drawn);
    /// let document = r#"{ "flags": { "new-mailer": { "rules": [ { "percent": 50, "serve": "on" } ] } } }"#;
    /// flags.load(document, &Source::new("flags.json"))?;
    ///
    /// let scope = flags.scope(Context::new("order-17"));
    /// let _ = scope.resolve("new-mailer");
    /// scope.finish(Outcome::new(Ending::Success));
    /// assert_eq!(
    ///     outcomes.records()[1].event,
    ///     OutcomeEvent::Ended(Outcome::new(Ending::Success))
    /// );
    /// # Ok::<(), fader::CompileError>(())
    /// ```
    pub fn finish(&self, outcome: Outcome) -> bool {
        if !self.memo.finish() {
            return false;
        }
        for id in &self.snapshot.live.watched {
            self.settle(*id, &outcome);
        }
        true
    }

    /// Tells the sinks how the unit of work went for one flag and what was reported, unless they know already.
    fn settle(&self, id: FlagId, outcome: &Outcome) {
        let decision = self.memo.flag(id);
        if let Some(drawn) = decision.and_then(|decision| self.drawn_flag(id, decision))
            && self.memo.mark(id, Note::Settled)
        {
            self.tell_end(&drawn, outcome);
        }
    }

    fn tell_end(&self, drawn: &DrawnFlag<'_>, outcome: &Outcome) {
        let hooks = &self.snapshot.live.hooks;
        hooks.ended(drawn, outcome);
        for event in self.events.iter().filter_map(OnceLock::get) {
            hooks.reported(drawn, event);
        }
    }

    /// Reports an event of the service's own, such as `checkout_failed`. With the end of the unit of work the sinks are
    /// told of it, once for each flag that was drawn, however often it was reported.
    ///
    /// Returns whether they will be: not after the end, and not beyond four different events.
    pub fn report(&self, event: &'static str) -> bool {
        let kept = self
            .events
            .iter()
            .any(|place| *place.get_or_init(|| event) == event);
        kept && !self.memo.is_finished()
    }

    /// Gives up on a flag for this unit of work: it counts with this outcome, and from here on the scope serves what a
    /// killed flag does, its `off` variant or the caller's default. Flags that were decided by it stay as they are, and
    /// so does a forced one. Where no sink watches the flag, a thread that first reads it at that moment may undo it.
    pub fn fall_back(&self, flag: impl AsRef<str>, outcome: Outcome) {
        let live = &self.snapshot.live;
        let found = live.ruleset.find(flag.as_ref());
        if let Some((id, entry)) = found.and_then(|id| Some((id, live.entry(id)?))) {
            self.differs.store(true, Ordering::Relaxed);
            let replaced = self.memo.replace(id, entry.flag.killed());
            let unsettled =
                replaced.filter(|decision| entry.is_watched() && !decision.was_settled());
            if let Some(drawn) = unsettled.and_then(|decision| self.drawn_flag(id, decision)) {
                self.tell_end(&drawn, &outcome);
            }
        }
    }

    /// Tells whether a request with the same attributes would now get the same variant of each flag that was asked for
    /// here. A flag that fell back or was capped does not count, and the default of the code counts as `false`: a kill
    /// changes nothing for those who had the stable code. The scope knows only attributes that the rules asked for when
    /// it was made; others are missing.
    #[must_use]
    pub fn agrees_with(&self, snapshot: &Snapshot) -> bool {
        let (old, new) = (&self.snapshot.live.ruleset, &snapshot.live);
        let memo = ScopeMemo::new(&new.ruleset);
        // Flags that fell back or were capped stay so, for those that depend on them too.
        let withdrawn = |id: FlagId| {
            let kept = self.memo.flag(id).is_some_and(Decision::is_killed);
            let entry = self.snapshot.live.entry(id);
            let was_killed = |entry: &Entry| matches!(entry.course, Course::Fixed(decision) if decision.is_killed());
            kept && !entry.is_some_and(was_killed)
        };
        for id in old.order.iter().filter(|id| withdrawn(**id)) {
            if let Some(entry) = new.entry(*id) {
                memo.replace(*id, entry.flag.killed());
            }
        }
        old.order.iter().all(|id| {
            let Some(kept) = self.memo.asked(*id) else {
                return true;
            };
            if self.is_forced(*id) || withdrawn(*id) {
                return true;
            }
            // Numbers of flags hold for the life of a handle.
            let mut evaluation = Evaluation {
                live: new,
                attributes: &Unlimited(&self.attributes),
                now: snapshot.now,
                memo: &memo,
                overrides: None,
                observer: NoObserver,
            };
            let decided = evaluation.flag(*id);
            let was = old.flag(*id).and_then(|flag| flag.served(kept));
            let is = new.ruleset.flag(*id).and_then(|flag| flag.served(decided));
            match (was, is) {
                (Some(was), Some(is)) => was.name == is.name,
                (Some(one), None) | (None, Some(one)) => one.value == false,
                (None, None) => true,
            }
        })
    }

    /// Returns the flags for which the unit of work was drawn so far and of which a sink is told, in the document's order;
    /// none once it has ended.
    pub fn drawn(&self) -> impl Iterator<Item = DrawnFlag<'_>> {
        let watched = self.snapshot.live.watched.iter();
        let going_on = watched.filter(|_| !self.memo.is_finished());
        going_on.filter_map(|id| self.drawn_flag(*id, self.memo.flag(*id)?))
    }

    /// Returns a flag that was drawn, whether asked for or for the sake of another one.
    fn drawn_flag(&self, id: FlagId, decision: Decision) -> Option<DrawnFlag<'_>> {
        if self.is_forced(id) {
            return None;
        }
        DrawnFlag::new(&self.snapshot.live, id, decision, self.whose())
    }

    /// Returns whose unit of work it is, and when it began.
    fn whose(&self) -> Whose<'_> {
        Whose {
            attributes: &self.attributes,
            now: self.snapshot.now,
            tick: self.memo.tick(),
        }
    }

    fn is_forced(&self, id: FlagId) -> bool {
        let overrides = self.snapshot.overrides.as_ref();
        overrides.is_some_and(|overrides| overrides.has(&self.snapshot.live.ruleset, id))
    }
}

/// Attributes of somebody who only wants to know: nobody is admitted, so no place is taken.
struct Unlimited<'a, A>(&'a A);

impl<A: Attributes> Attributes for Unlimited<'_, A> {
    fn get(&self, name: AttributeName<'_>) -> Option<ValueRef<'_>> {
        self.0.get(name)
    }
}

/// Reads what a decision serves.
#[inline(always)]
fn read_served<'s, T: FlagValue + ?Sized>(
    entry: &'s Entry,
    decision: Decision,
    key: &'s FlagKey<T>,
) -> &'s T {
    match entry.flag.served(decision) {
        Some(variant) => T::read(VariantRef(variant)).unwrap_or(key.default_value()),
        None => key.default_value(),
    }
}

impl<A> Scope<A> {
    /// Returns the document's version, one for the whole scope.
    #[must_use]
    pub fn version(&self) -> &str {
        self.snapshot.version()
    }

    /// Returns the snapshot that the scope pins.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Tells whether a flag fell back here, see [`fall_back`](Self::fall_back), or one is forced.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.differs.load(Ordering::Relaxed)
    }

    /// Returns the attributes.
    #[must_use]
    pub fn attributes(&self) -> &A {
        &self.attributes
    }

    /// Returns the names of the document's flags, in its order.
    pub fn flags(&self) -> impl Iterator<Item = &str> {
        self.snapshot.flags()
    }

    fn forced(&self, flag: &str) -> Option<&Arc<Forced>> {
        self.snapshot.overrides.as_ref()?.get(flag)
    }

    /// Returns the flags that were read in this scope, each with the variant it served, in the order of the document;
    /// not those that were decided only because another flag depends on them.
    pub fn asked(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let ruleset = &self.snapshot.live.ruleset;
        ruleset.order.iter().filter_map(|id| {
            let decision = self.memo.asked(*id)?;
            let name = ruleset.flag_name(*id)?;
            let flag = ruleset.flag(*id);
            let index = match self.forced(name) {
                Some(forced) => flag.and_then(|flag| forced.variant_of(flag)),
                None => decision.variant(),
            };
            let variant = index.and_then(|index| flag?.variant(index));
            Some((name, variant.map(|variant| &*variant.name)))
        })
    }
}

impl<A: fmt::Debug> fmt::Debug for Scope<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("snapshot", &self.snapshot)
            .field("attributes", &self.attributes)
            .finish_non_exhaustive()
    }
}
