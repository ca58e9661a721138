//! A unit of work: one snapshot, one time, one set of attributes.

use std::fmt;
use std::sync::Arc;

use crate::attributes::Attributes;
use crate::decision::{Answer, Decision, Resolution};
use crate::evaluate::{Evaluation, NoObserver, shortcut};
use crate::explain::{Explanation, Recorder};
use crate::key::{FlagKey, FlagValue, VariantRef};
use crate::memo::ScopeMemo;
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
}

impl<A: Attributes> Scope<A> {
    #[inline(always)]
    pub(crate) fn new(snapshot: Snapshot, attributes: A) -> Self {
        let memo = ScopeMemo::new(&snapshot.live.ruleset);
        Self {
            snapshot,
            attributes,
            memo,
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
            Course::Fixed(decision) if self.snapshot.overrides.is_none() => {
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
        self.memo.ask(id, || {
            if let Some(decision) = shortcut(entry, &self.attributes) {
                return decision;
            }
            let mut evaluation = Evaluation {
                live: &self.snapshot.live,
                attributes: &self.attributes,
                now: self.snapshot.now,
                memo: &self.memo,
                observer: NoObserver,
            };
            evaluation.by_rules(id, &entry.flag)
        })
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
