//! The handle that a service holds.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::attributes::{Attributes, TARGETING_KEY};
use crate::compile::Compilation;
use crate::context::Context;
use crate::decision::{Decision, Resolution};
use crate::document::diagnostic::CompileError;
use crate::evaluate::{admitted, shortcut};
use crate::explain::Explanation;
use crate::handle::builder::FlagsBuilder;
use crate::handle::events::{Change, Event, Events, Subscription};
use crate::handle::keys::KeyReport;
use crate::handle::once::Once;
use crate::handle::scope::Scope;
use crate::handle::status::Status;
use crate::handle::swap::Swap;
use crate::handle::writer::{Compiler, HistoryEntry, Loaded, RollbackError, Writer};
use crate::key::{FlagKey, FlagValue, Key, NO_LINEAGE, VariantRef};
use crate::observe::{ExposureSink, Hooks, OutcomeSink, Watch};
use crate::overlay::Overlay;
use crate::overrides::Overrides;
use crate::ruleset::{FlagId, Unit};
use crate::snapshot::{Entry, Live, Snapshot};
use crate::source::{Delivery, Source};
use crate::store::Store;
use crate::time::{Clock, Timestamp};

/// A set of flags that can be replaced while it answers: the handle that a service makes once and clones everywhere.
///
/// Reading never waits, never fails and, but for [`explain`](Self::explain) and what a load warned of, never allocates
/// ([`DiagnosticKind::SlowRegex`](crate::DiagnosticKind::SlowRegex),
/// [`DiagnosticKind::ManyReferences`](crate::DiagnosticKind::ManyReferences)); a thread that asks for the first time may
/// allocate 128 bytes, once, for the lock-free swap. Within a request use a
/// [`scope`](Self::scope), which pins one ruleset and one time for all its flags.
///
/// ```
/// use fader::{Context, Flags, Source};
///
/// fader::flags! {
///     /// Checkout v2.
///     pub NewCheckout: bool = "new-checkout", default false;
/// }
///
/// let flags = Flags::builder().build();
/// let document = r#"{ "flags": { "new-checkout": { "rules": [ { "percent": 25, "serve": "on" } ] } } }"#;
/// flags.load(document, &Source::new("flags.json"))?;
///
/// let context = Context::new("user-42");
/// if flags.get(&NEW_CHECKOUT, &context) {
///     println!("the gray code");
/// }
/// # Ok::<(), fader::CompileError>(())
/// ```
///
/// What was replaced is freed by whoever loads next, once no scope, snapshot or resolution holds it; one that is kept for
/// long keeps its version of the document in memory.
#[derive(Clone)]
pub struct Flags {
    inner: Arc<Inner>,
    overrides: Option<Arc<Overrides>>,
}

// A panic elsewhere leaves a handle whole: each change of it is one swap, made last.
impl std::panic::UnwindSafe for Flags {}
impl std::panic::RefUnwindSafe for Flags {}

struct Inner {
    /// Tells handles apart for the caches of keys.
    lineage: u32,
    live: Swap<Live>,
    clock: Box<dyn Clock>,
    /// The latest time seen, in nanoseconds: time never falls for a handle.
    latest: AtomicI64,
    /// Held while a document is compiled, so that documents go live in the order of their delivery.
    compiler: Mutex<Compiler>,
    /// Held for moments only.
    writer: Mutex<Writer>,
    events: Events,
    keys: Mutex<Vec<&'static dyn Key>>,
    attachments: Mutex<Vec<Box<dyn Any + Send>>>,
    store: Mutex<Option<Arc<dyn Store>>>,
}

/// The lineage of the next handle.
static NEXT_LINEAGE: AtomicU32 = AtomicU32::new(1);

impl Flags {
    /// Starts to set up a handle.
    #[must_use]
    pub fn builder() -> FlagsBuilder {
        FlagsBuilder::new()
    }

    pub(crate) fn new(mut builder: FlagsBuilder) -> Self {
        let (writer, compiler) = (Writer::new(&builder), Compiler::new(&mut builder));
        let next = NEXT_LINEAGE.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
            next.checked_add(1)
        });
        let inner = Inner {
            // After four billion handles there are no numbers left, and keys look their names up each time.
            lineage: next.unwrap_or(NO_LINEAGE),
            live: Swap::new(Arc::new(Live::empty())),
            clock: builder.clock,
            latest: AtomicI64::new(i64::MIN),
            compiler: Mutex::new(compiler),
            writer: Mutex::new(writer),
            events: Events::default(),
            keys: Mutex::default(),
            attachments: Mutex::default(),
            store: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
            overrides: None,
        }
    }

    /// Makes a handle whose flags have fixed values, for tests and as a stand-in: a boolean's variant is `on` or `off`,
    /// a text's is named by the text itself, so that enums of [`variants!`](crate::variants) read it too, and any other
    /// value's is `fixed`. A null is left out. For values of several types pass `Json::from(…)` of each.
    ///
    /// ```
    /// use fader::{Context, Flags};
    ///
    /// let flags = Flags::fixed([("new-checkout", true)]);
    /// assert_eq!(flags.resolve("new-checkout", &Context::anonymous()).variant(), Some("on"));
    /// ```
    #[must_use]
    pub fn fixed<N: Into<String>, V: Into<serde_json::Value>>(
        values: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let entries = values.into_iter().filter_map(|(name, value)| {
            let flag = match value.into() {
                serde_json::Value::Null => return None,
                serde_json::Value::Bool(value) => value.into(),
                serde_json::Value::String(text) => {
                    serde_json::json!({ "variants": { &*text: &*text }, "default": &*text })
                }
                value => serde_json::json!({ "variants": { "fixed": value }, "default": "fixed" }),
            };
            Some((name.into(), flag))
        });
        let entries: serde_json::Map<_, _> = entries.collect();
        let flags = Self::builder().build();
        let document = serde_json::json!({ "flags": entries }).to_string();
        // INVARIANT: a document of this form has no errors, but for values nested too deep, which are left out.
        let _ = flags.load(
            Delivery::new(document),
            &Source::new("fixed values").quarantine(),
        );
        flags
    }

    /// Makes a handle that answers as this one does, but for flags whose value is forced: for tests that run side by
    /// side. It follows what this one loads. Rules that depend on a forced flag do not see it.
    ///
    /// ```
    /// use fader::{Context, FlagKey, Flags};
    ///
    /// static NEW_CHECKOUT: FlagKey<bool> = FlagKey::new("new-checkout", &false);
    /// let flags = Flags::fixed([("new-checkout", false)]);
    /// let forced = flags.overridden([(&NEW_CHECKOUT, true)]);
    /// assert!(forced.get(&NEW_CHECKOUT, &Context::anonymous()));
    /// assert!(!flags.get(&NEW_CHECKOUT, &Context::anonymous()));
    /// ```
    #[must_use]
    pub fn overridden<'k, T: FlagValue + ?Sized>(
        &self,
        values: impl IntoIterator<Item = (&'k FlagKey<T>, T::Owned)>,
    ) -> Self {
        let mut overrides = self.overrides.as_deref().cloned().unwrap_or_default();
        values
            .into_iter()
            .for_each(|(key, value)| overrides.force(key, value));
        Self {
            inner: Arc::clone(&self.inner),
            overrides: Some(Arc::new(overrides)),
        }
    }

    /// Returns a flag's value. It never fails: where the document has no value, the key's default holds.
    ///
    /// For text and decoded types use [`with`](Self::with) or a scope's [`get`](Scope::get).
    #[inline]
    #[must_use]
    pub fn get<T: FlagValue + Copy>(
        &self,
        key: &FlagKey<T>,
        attributes: &(impl Attributes + ?Sized),
    ) -> T {
        self.with(key, attributes, |value| *value)
    }

    /// Hands a flag's value to `use_it`, which should be brief: meanwhile a snapshot is held.
    #[inline]
    pub fn with<T: FlagValue + ?Sized, R>(
        &self,
        key: &FlagKey<T>,
        attributes: &(impl Attributes + ?Sized),
        use_it: impl FnOnce(&T) -> R,
    ) -> R {
        if let Some(forced) = self
            .overrides
            .as_ref()
            .and_then(|overrides| overrides.get(key.name())?.read())
        {
            return use_it(forced);
        }
        self.inner.live.with(|live| {
            let id = key.find(self.inner.lineage, &live.ruleset);
            let served = live.entry(id).and_then(|entry| {
                let decision = self.evaluate(live, id, entry, attributes);
                entry.flag.served(decision)
            });
            let value = served.and_then(|variant| T::read(VariantRef(variant)));
            use_it(value.unwrap_or(key.default_value()))
        })
    }

    /// Decides one flag by itself.
    #[inline]
    fn evaluate(
        &self,
        live: &Live,
        id: FlagId,
        entry: &Entry,
        attributes: &(impl Attributes + ?Sized),
    ) -> Decision {
        // The clock is read only for what may depend on it.
        let decision = shortcut(entry, attributes).unwrap_or_else(|| {
            let now = self.now_for(live);
            Once {
                live,
                id,
                entry,
                attributes,
                now,
            }
            .decide()
        });
        admitted(live, id, decision, &attributes)
    }

    /// Returns how a flag resolves: value, variant, reason, rule, version.
    #[must_use]
    pub fn resolve(
        &self,
        flag: impl AsRef<str>,
        attributes: &(impl Attributes + ?Sized),
    ) -> Resolution {
        let live = self.inner.live.load();
        let answer = live.resolve(flag.as_ref(), self.overrides.as_deref(), |id, entry| {
            self.evaluate(&live, id, entry, attributes)
        });
        Resolution { live, answer }
    }

    /// Explains how a flag resolves: every rule, also those that did not decide, and why. It runs the same evaluation,
    /// and allocates.
    #[must_use]
    pub fn explain(
        &self,
        flag: impl AsRef<str>,
        attributes: &(impl Attributes + ?Sized),
    ) -> Explanation {
        self.scope(attributes).explain(flag)
    }

    /// Makes a scope: one snapshot, one time and one set of attributes for a whole request.
    #[must_use]
    pub fn scope<A: Attributes>(&self, attributes: A) -> Scope<A> {
        Scope::new(self.snapshot(), attributes)
    }

    /// Makes a scope at a given time, also an earlier one than the clock's.
    #[must_use]
    pub fn scope_at<A: Attributes>(&self, attributes: A, now: Timestamp) -> Scope<A> {
        Scope::new(
            Snapshot {
                now,
                ..self.snapshot()
            },
            attributes,
        )
    }

    /// Returns what is live now, to be held for a unit of work.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let live = self.inner.live.load();
        let now = self.now_for(&live);
        Snapshot {
            live,
            now,
            lineage: self.inner.lineage,
            overrides: self.overrides.clone(),
        }
    }

    /// Reads the clock where an answer can depend on it.
    #[inline]
    fn now_for(&self, live: &Live) -> Timestamp {
        if live.ruleset.reads_time {
            self.now()
        } else {
            Timestamp::EPOCH
        }
    }

    /// Returns the time of this handle's clock, which never falls.
    fn now(&self) -> Timestamp {
        let now = self.inner.clock.now();
        let nanos = i64::try_from(now.as_nanos()).unwrap_or(if now < Timestamp::EPOCH {
            i64::MIN
        } else {
            i64::MAX
        });
        let latest = self.inner.latest.fetch_max(nanos, Ordering::Relaxed);
        if latest > nanos {
            Timestamp::from_nanos(latest.into())
        } else {
            now
        }
    }

    /// Delivers a document: it is parsed, checked, compiled, swapped in and told to subscribers, or the last good one
    /// stays. Identical content, lists and overlay included, changes nothing.
    ///
    /// An overlay that comes with it is taken or refused by itself, so that a kill works beside a broken document;
    /// [`Loaded::overlay_error`] tells. One delivery is compiled at a time; readers never wait for it, and neither do
    /// [`apply`](Self::apply) and [`rollback`](Self::rollback).
    ///
    /// # Errors
    ///
    /// The document has errors: all of them, each with its place. From a source that quarantines, only those that no
    /// single flag can be set aside for.
    pub fn load(
        &self,
        delivery: impl Into<Delivery>,
        source: &Source,
    ) -> Result<Loaded, CompileError> {
        let delivery = delivery.into();
        let loaded = {
            let mut compiler = lock(&self.inner.compiler);
            let live = self.inner.live.load();
            let known = self.writer().knows(&live, delivery.identity(), source);
            let document = (!known).then(|| {
                let start = self.now();
                let compilation = compiler.compile(&delivery, source, &live, start)?;
                let took = self.now().since(start);
                Ok(Compilation {
                    took,
                    ..compilation
                })
            });
            drop(live);
            self.change(|writer, live, now, events| {
                writer.load(live, &delivery, document, source, now, events)
            })
        };
        self.inner.events.tell();
        loaded
    }

    /// Delivers an overlay by itself: a kill has to work also while the document can't be read. Returns whether it is
    /// new; identical content changes nothing.
    ///
    /// # Errors
    ///
    /// The overlay has errors; the last good one stays.
    pub fn load_overlay(
        &self,
        overlay: impl AsRef<[u8]>,
        source: &Source,
    ) -> Result<bool, CompileError> {
        let overlay = overlay.as_ref();
        self.write(|writer, live, now, events| {
            writer.load_overlay(live, overlay, source, now, events)
        })
    }

    /// Notes that a source was asked again and is as it was, where it says so without its content.
    pub fn source_unchanged(&self, source: &Source) {
        self.write(|writer, live, now, events| {
            writer.source_unchanged(&live.load(), source, now, events);
        });
    }

    /// Notes that a source can't be read: what is live stays, and is stale. `kind` is a stable name for programs, such as
    /// `not-found`; `error` is for people.
    pub fn source_failed(&self, source: &Source, kind: &'static str, error: &str) {
        self.write(|writer, _, now, events| {
            writer.source_failed(source, (kind, error), true, now, events);
        });
    }

    /// Notes that a source could not be read this time, as [`source_failed`](Self::source_failed) does, but what is live
    /// still counts as fresh: for a provider that tries again soon.
    pub fn source_retrying(&self, source: &Source, kind: &'static str, error: &str) {
        self.write(|writer, _, now, events| {
            writer.source_failed(source, (kind, error), false, now, events);
        });
    }

    /// Puts an overlay on top of the document, atomically, in the place of the present one. It stays until the next
    /// one, or until a source delivers another.
    pub fn apply(&self, overlay: Overlay) {
        self.write(|writer, live, _, events| writer.apply(live, overlay, events));
    }

    /// Puts an overlay on top of the document if its version is above that of the live one, and tells whether it is: for
    /// whoever has written it, while a provider may have delivered a later one already.
    #[expect(clippy::must_use_candidate, reason = "it is called for what it does")]
    pub fn apply_newer(&self, overlay: Overlay) -> bool {
        self.write(|writer, live, _, events| {
            let is_newer = live.with(|live| live.overlay.version() < overlay.version());
            if is_newer {
                writer.apply(live, overlay, events);
            }
            is_newer
        })
    }

    /// Changes the live overlay at once, for this process alone: no other change comes between.
    ///
    /// ```
    /// use fader::{Context, Flags, Reason};
    ///
    /// let flags = Flags::fixed([("new-checkout", true)]);
    /// flags.change_overlay(|overlay| overlay.kill("new-checkout"));
    /// assert_eq!(flags.resolve("new-checkout", &Context::new("user-42")).reason(), Reason::Disabled);
    /// ```
    pub fn change_overlay(&self, change: impl FnOnce(Overlay) -> Overlay) {
        self.write(|writer, live, _, events| {
            let overlay = live.with(|live| (*live.overlay).clone());
            writer.apply(live, change(overlay), events);
        });
    }

    /// Brings the ruleset before the live one back, under the present overlay: one pointer swap. It is local to this
    /// process, shows in [`status`](Self::status), and holds until the source delivers other content than what was
    /// rolled back from.
    ///
    /// # Errors
    ///
    /// No earlier ruleset is kept.
    pub fn rollback(&self) -> Result<Change, RollbackError> {
        self.write(|writer, live, _, events| writer.rollback(live, events))
    }

    /// Returns the versions that [`rollback`](Self::rollback) would bring back, the latest first.
    #[must_use]
    pub fn history(&self) -> Vec<HistoryEntry> {
        self.writer().history()
    }

    /// Returns how the handle is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        let now = self.now();
        let writer = self.writer();
        self.inner.live.with(|live| writer.status(live, now))
    }

    /// Adds a sink that is told of flags for which units of work are drawn, and how these end. Only scopes tell it:
    /// those of an adapter, and those made with [`scope`](Self::scope). It stays for the life of the handle.
    pub fn add_outcome_sink(&self, sink: impl OutcomeSink + 'static, watch: Watch) {
        let sink: Arc<dyn OutcomeSink> = Arc::new(sink);
        self.hook(|hooks| hooks.add_outcomes(sink, watch));
    }

    /// Adds a sink that is told which units were shown which variant, where a draw took part. Only scopes tell it. It
    /// stays for the life of the handle.
    pub fn add_exposure_sink(&self, sink: impl ExposureSink + 'static) {
        let sink: Arc<dyn ExposureSink> = Arc::new(sink);
        self.hook(|hooks| hooks.add_exposures(sink));
    }

    pub(super) fn hook(&self, change: impl FnOnce(&mut Hooks)) {
        self.write(|writer, live, _, events| writer.hook(live, change, events));
    }

    pub(super) fn begin_tick(&self, tick: u32) {
        self.inner.live.with(|live| live.hooks.begin_tick(tick));
    }

    /// Calls `subscriber` for every event, on the thread that caused it and after the swap, in order, until the
    /// subscription is dropped. It may itself load or apply; it should be brief, since the next load waits for it.
    pub fn subscribe(&self, subscriber: impl Fn(&Event) + Send + Sync + 'static) -> Subscription {
        let subscription = Subscription {
            callback: Arc::new(subscriber),
        };
        self.inner.events.subscribe(&subscription);
        subscription
    }

    /// Checks the keys that code uses against the live document, and remembers them for
    /// [`missing_keys`](Self::missing_keys).
    pub fn check_keys(&self, keys: impl IntoIterator<Item = &'static dyn Key>) -> KeyReport {
        let mut known = lock(&self.inner.keys);
        for key in keys {
            if !known.iter().any(|known| known.key_name() == key.key_name()) {
                known.push(key);
            }
        }
        self.inner
            .live
            .with(|live| KeyReport::of(&known, &live.ruleset))
    }

    /// Returns which of the keys given to [`check_keys`](Self::check_keys) the live document lacks.
    #[must_use]
    pub fn missing_keys(&self) -> Vec<&'static str> {
        self.check_keys([]).missing().to_vec()
    }

    /// Finds a targeting key that gets a variant of a flag, for tests: `None` if none of a million does.
    ///
    /// Attributes that the flag's rules draw by are set to the same value; others are missing.
    ///
    /// ```
    /// # use fader::{Context, Flags, Source};
    /// # let flags = Flags::builder().build();
    /// # let document = r#"{ "flags": { "new-checkout": { "rules": [ { "percent": 25, "serve": "on" } ] } } }"#;
    /// # flags.load(document, &Source::new("flags.json"))?;
    /// let lucky = flags.find_unit("new-checkout", "on").unwrap();
    /// assert_eq!(flags.resolve("new-checkout", &Context::new(lucky)).variant(), Some("on"));
    /// # Ok::<(), fader::CompileError>(())
    /// ```
    #[must_use]
    pub fn find_unit(&self, flag: &str, variant: &str) -> Option<String> {
        let snapshot = self.snapshot();
        let ruleset = &snapshot.live.ruleset;
        let id = ruleset.find(flag)?;
        let compiled = ruleset.flag(id)?;
        let units = compiled
            .rules
            .iter()
            .filter_map(|rule| match &rule.draw.as_ref()?.unit {
                Unit::Attribute(attribute) => Some(&*attribute.name),
                Unit::Constant(_) => None,
            });
        let units: Vec<&str> = units.chain([TARGETING_KEY]).collect();
        let entry = snapshot.live.entry(id)?;
        (0..1_000_000)
            .map(|number| format!("unit-{number}"))
            .find(|unit| {
                let context: Context = units.iter().map(|name| (*name, unit.as_str())).collect();
                let once = Once {
                    live: &snapshot.live,
                    id,
                    entry,
                    attributes: &context,
                    now: snapshot.now,
                };
                let decision = once.decide();
                let found = decision
                    .variant()
                    .and_then(|variant| compiled.variant(variant));
                found.is_some_and(|found| *found.name == *variant)
            })
    }

    /// Keeps `guard` for as long as this handle or a clone of it lives, and then drops it: how a provider's thread
    /// learns that it should stop.
    pub fn attach(&self, guard: impl Send + 'static) {
        lock(&self.inner.attachments).push(Box::new(guard));
    }

    /// Says where the handle's overlay is kept, in place of what was said before: the provider that follows it does, and
    /// whoever writes it asks for it.
    pub fn set_store(&self, store: impl Store + 'static) {
        *lock(&self.inner.store) = Some(Arc::new(store));
    }

    /// Returns where the handle's overlay is kept, if a provider has said so.
    #[must_use]
    pub fn store(&self) -> Option<Arc<dyn Store>> {
        lock(&self.inner.store).clone()
    }

    /// Makes a reference that does not keep the handle alive.
    #[must_use]
    pub fn downgrade(&self) -> WeakFlags {
        WeakFlags {
            inner: Arc::downgrade(&self.inner),
            overrides: self.overrides.clone(),
        }
    }

    /// Frees replaced rulesets that no scope holds any more. Loading does it too; a provider calls it at each poll.
    pub fn reclaim(&self) {
        self.writer().reclaim();
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        lock(&self.inner.writer)
    }

    /// Runs a change under the writer's lock, and tells what came of it after releasing it.
    fn write<R>(
        &self,
        change: impl FnOnce(&mut Writer, &Swap<Live>, Timestamp, &mut Vec<Event>) -> R,
    ) -> R {
        let result = self.change(change);
        self.inner.events.tell();
        result
    }

    /// Runs a change under the writer's lock, and queues what came of it.
    fn change<R>(
        &self,
        change: impl FnOnce(&mut Writer, &Swap<Live>, Timestamp, &mut Vec<Event>) -> R,
    ) -> R {
        let now = self.now();
        let mut events = Vec::new();
        let mut writer = self.writer();
        let result = change(&mut writer, &self.inner.live, now, &mut events);
        self.inner.events.queue(events);
        result
    }
}

/// Recovers what a panic elsewhere left: every change here is made in one step.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status();
        f.debug_struct("Flags")
            .field("state", &status.state())
            .field("version", &status.version())
            .field("overridden", &self.overrides.is_some())
            .finish_non_exhaustive()
    }
}

/// A reference to a handle that does not keep it alive.
#[derive(Clone)]
pub struct WeakFlags {
    inner: Weak<Inner>,
    overrides: Option<Arc<Overrides>>,
}

impl WeakFlags {
    /// Returns the handle, if it still lives.
    #[must_use]
    pub fn upgrade(&self) -> Option<Flags> {
        Some(Flags {
            inner: self.inner.upgrade()?,
            overrides: self.overrides.clone(),
        })
    }
}

impl fmt::Debug for WeakFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakFlags")
            .field("alive", &(self.inner.strong_count() > 0))
            .finish()
    }
}
