//! The handle, what it makes, and what it tells of itself.

use std::sync::Arc;
use std::time::Duration;

use fader::{
    AttributeName, Attributes, Change, Clock, CompileError, Context, Decoded, Delivery, Diagnostic,
    DrawnFlag, Event, Explanation, FlagKey, FlagValue, Flags, FlagsBuilder, HistoryEntry, Json,
    Key, KeyReport, Loaded, ManualClock, MemoryStore, Overlay, Resolution, RollbackError, Scope,
    Snapshot, Source, SourceStatus, State, Status, Store, StoreError, Subscription, Timestamp,
    Value, Wanted, WeakFlags,
};

use super::keys::Limits;
use super::{cloned, compared, copied, empty, error, is, lends, shared, shown};

#[test]
fn flags() {
    let _: fn() -> FlagsBuilder = Flags::builder;
    let _: fn(&Flags) -> Snapshot = Flags::snapshot;
    let _: fn(&Flags, &Source, &'static str, &str) = Flags::source_failed;
    let _: fn(&Flags, &Source, &'static str, &str) = Flags::source_retrying;
    let _: fn(&Flags, &Source) = Flags::source_unchanged;
    let _: fn(&Flags, Overlay) = Flags::apply;
    let _: fn(&Flags, Overlay) -> bool = Flags::apply_newer;
    let _: fn(&Flags, fn(Overlay) -> Overlay) = Flags::change_overlay;
    let _: fn(&Flags) -> Result<Change, RollbackError> = Flags::rollback;
    let _: fn(&Flags) -> Vec<HistoryEntry> = Flags::history;
    let _: fn(&Flags) -> Status = Flags::status;
    let _: fn(&Flags) -> Vec<&'static str> = Flags::missing_keys;
    let _: fn(&Flags, &str, &str) -> Option<String> = Flags::find_unit;
    let _: fn(&Flags) -> WeakFlags = Flags::downgrade;
    let _: fn(&Flags) = Flags::reclaim;
    let _: fn(&WeakFlags) -> Option<Flags> = WeakFlags::upgrade;
    cloned::<(Flags, WeakFlags)>();
    shared::<Subscription>();
}

#[test]
fn flags_read_any_key_by_any_attributes() {
    fn copy<T: FlagValue + Copy, A: Attributes + ?Sized>() {
        let _: fn(&Flags, &FlagKey<T>, &A) -> T = Flags::get;
    }
    fn borrow<T: FlagValue + ?Sized, A: Attributes + ?Sized, R, F: FnOnce(&T) -> R>() {
        let _: fn(&Flags, &FlagKey<T>, &A, F) -> R = Flags::with;
    }
    fn by_name<N: AsRef<str>, A: Attributes + ?Sized>() {
        let _: fn(&Flags, N, &A) -> Resolution = Flags::resolve;
        let _: fn(&Flags, N, &A) -> Explanation = Flags::explain;
    }
    fn scope<A: Attributes>() {
        let _: fn(&Flags, A) -> Scope<A> = Flags::scope;
        let _: fn(&Flags, A, Timestamp) -> Scope<A> = Flags::scope_at;
    }
    copy::<bool, dyn Attributes>();
    borrow::<str, Context, usize, fn(&str) -> usize>();
    by_name::<&FlagKey<bool>, Context>();
    scope::<&Context>();
}

#[test]
fn flags_take_what_converts() {
    fn fixed<N: Into<String>, V: Into<Json>, I: IntoIterator<Item = (N, V)>>() {
        let _: fn(I) -> Flags = Flags::fixed::<N, V>;
    }
    fn overridden<'k, T, A, I>()
    where
        T: FlagValue + ?Sized,
        A: Attributes,
        I: IntoIterator<Item = (&'k FlagKey<T>, T::Owned)>,
    {
        let _: fn(&Flags, I) -> Flags = Flags::overridden::<T>;
        let _: fn(Scope<A>, I) -> Scope<A> = Scope::overridden::<T>;
    }
    fn load<D: Into<Delivery>>() {
        let _: fn(&Flags, D, &Source) -> Result<Loaded, CompileError> = Flags::load;
    }
    fn load_overlay<O: AsRef<[u8]>>() {
        let _: fn(&Flags, O, &Source) -> Result<bool, CompileError> = Flags::load_overlay;
    }
    fn subscribe<F: Fn(&Event) + Send + Sync + 'static>() {
        let _: fn(&Flags, F) -> Subscription = Flags::subscribe;
    }
    fn check_keys<I: IntoIterator<Item = &'static dyn Key>>() {
        let _: fn(&Flags, I) -> KeyReport = Flags::check_keys;
    }
    fn attach<G: Send + 'static>() {
        let _: fn(&Flags, G) = Flags::attach;
    }
    fn store<S: Store + 'static>() {
        let _: fn(&Flags, S) = Flags::set_store;
    }
    let _: fn(&Flags) -> Option<Arc<dyn Store>> = Flags::store;
    store::<MemoryStore>();
    fixed::<&str, bool, [(&str, bool); 1]>();
    overridden::<str, Context, Vec<(&FlagKey<str>, String)>>();
    load::<&str>();
    load_overlay::<&str>();
    subscribe::<fn(&Event)>();
    check_keys::<[&dyn Key; 2]>();
    attach::<std::sync::mpsc::Sender<()>>();
}

#[test]
fn stores() {
    type Changing<'c> = &'c mut dyn FnMut(&mut Overlay) -> bool;
    fn kept<S: Store>() {
        let _: fn(&S) -> &str = Store::name;
        let _: fn(&S, Changing<'_>) -> Result<Overlay, StoreError> = Store::update;
        let _: fn(&S, &str) -> Result<(), StoreError> = Store::announce;
    }
    fn message<M: Into<String>>() {
        let _: fn(M) -> StoreError = StoreError::new;
    }
    let _: fn(&Flags) -> MemoryStore = MemoryStore::new;
    kept::<MemoryStore>();
    message::<&str>();
    shared::<MemoryStore>();
    compared::<StoreError>();
    error::<StoreError>();
}

#[test]
fn builder() {
    fn clock<C: Clock + 'static>() {
        let _: fn(FlagsBuilder, C) -> FlagsBuilder = FlagsBuilder::clock;
    }
    fn ambient<N: Into<String>, V: Into<Value>>() {
        let _: fn(FlagsBuilder, N, V) -> FlagsBuilder = FlagsBuilder::ambient;
    }
    fn decode<T: Decoded>() {
        let _: fn(FlagsBuilder, &FlagKey<T>) -> FlagsBuilder = FlagsBuilder::decode;
    }
    let _: fn(FlagsBuilder, usize) -> FlagsBuilder = FlagsBuilder::history;
    let _: fn(FlagsBuilder, u64) -> FlagsBuilder = FlagsBuilder::list_seed;
    let _: fn(FlagsBuilder) -> Flags = FlagsBuilder::build;
    shared::<FlagsBuilder>();
    empty::<FlagsBuilder>();
    clock::<Arc<ManualClock>>();
    ambient::<&str, &str>();
    decode::<Limits>();
}

#[test]
fn scope() {
    fn reads<A: Attributes, T: FlagValue + ?Sized, N: AsRef<str>>() {
        let _: for<'s> fn(&'s Scope<A>, &'s FlagKey<T>) -> &'s T = Scope::get;
        let _: for<'s> fn(&'s Scope<A>, N) -> Option<&'s str> = Scope::variant;
        let _: fn(&Scope<A>, N) -> Resolution = Scope::resolve;
        let _: fn(&Scope<A>, N) -> Explanation = Scope::explain;
    }
    fn tells<A: 'static>() {
        let _: fn(&Scope<A>) -> &str = Scope::version;
        let _: fn(&Scope<A>) -> &Snapshot = Scope::snapshot;
        let _: fn(&Scope<A>) -> &A = Scope::attributes;
        lends::<Scope<A>, &str, _>(Scope::flags);
        lends::<Scope<A>, (&str, Option<&str>), _>(Scope::asked);
    }
    fn draws<A: Attributes + 'static>() {
        lends::<Scope<A>, DrawnFlag<'_>, _>(Scope::drawn);
    }
    reads::<Context, str, String>();
    draws::<Context>();
    tells::<Context>();
    shared::<Scope<Context>>();
}

#[test]
fn snapshot() {
    fn scope<A: Attributes>() {
        let _: fn(Snapshot, A) -> Scope<A> = Snapshot::into_scope;
        let _: fn(&Snapshot, A) -> Scope<A> = Snapshot::scope;
    }
    let _: fn(&Snapshot) -> &str = Snapshot::version;
    let _: fn(&Snapshot) -> Option<&Json> = Snapshot::metadata;
    let _: fn(&Snapshot) -> &Overlay = Snapshot::overlay;
    lends::<Snapshot, &str, _>(Snapshot::flags);
    let _: fn(&Snapshot) -> Wanted = Snapshot::wanted;
    lends::<Wanted, AttributeName<'_>, _>(Wanted::iter);
    let _: fn(&Wanted, AttributeName<'_>) -> Option<usize> = Wanted::index_of;
    let _: fn(&Wanted) -> usize = Wanted::len;
    let _: fn(&Wanted) -> bool = Wanted::is_empty;
    cloned::<Snapshot>();
    cloned::<Wanted>();
    empty::<Wanted>();
    scope::<()>();
}

#[test]
fn status() {
    let _: fn(&Status) -> State = Status::state;
    let _: fn(&Status) -> &str = Status::version;
    let _: fn(&Status) -> u64 = Status::overlay_version;
    let _: fn(&Status) -> Option<Timestamp> = Status::loaded_at;
    let _: fn(&Status) -> Option<Duration> = Status::age;
    let _: fn(&Status) -> &[SourceStatus] = Status::sources;
    let _: fn(&Status) -> Option<&str> = Status::error;
    let _: fn(&Status) -> &[String] = Status::set_aside;
    let _: fn(&Status) -> &[Diagnostic] = Status::warnings;
    let _: fn(&Status) -> Option<&str> = Status::rolled_back_from;
    let _: fn(&SourceStatus) -> &str = SourceStatus::name;
    let _: fn(&SourceStatus) -> Option<&str> = SourceStatus::error;
    let _: fn(&SourceStatus) -> Timestamp = SourceStatus::since;
    let _: fn(&SourceStatus) -> bool = SourceStatus::is_stale;
    let _: fn(&SourceStatus) -> Option<&'static str> = SourceStatus::kind;
    let _: fn(&SourceStatus) -> Option<Timestamp> = SourceStatus::checked_at;
    let _: fn(&Status) -> Option<&str> = Status::source;
    let _: fn(&Status) -> usize = Status::flag_count;
    let _: fn(&Status) -> Duration = Status::compile_time;
    let _: fn(&HistoryEntry) -> &str = HistoryEntry::version;
    let _: fn(&HistoryEntry) -> Option<Timestamp> = HistoryEntry::loaded_at;
    cloned::<(Status, SourceStatus, HistoryEntry)>();
    named! {
        State::as_str: State::Ready = "ready", State::Stale = "stale", State::RolledBack = "rolled-back",
        State::Failed = "failed"
    }
}

#[test]
fn changes() {
    let _: fn(&Change) -> &str = Change::version;
    let _: fn(&Change) -> &str = Change::previous;
    let _: fn(&Change) -> &[Arc<str>] = Change::keys;
    let _: fn(&Change) -> &[Diagnostic] = Change::warnings;
    let _: fn(&Change) -> &str = Change::source;
    let _: fn(&Change) -> u64 = Change::overlay_version;
    let _: fn(&Change) -> Duration = Change::compile_time;
    let _: fn(&Loaded) -> bool = Loaded::is_new;
    let _: fn(&Loaded) -> &str = Loaded::version;
    let _: fn(&Loaded) -> &[Arc<str>] = Loaded::keys;
    let _: fn(&Loaded) -> &[Diagnostic] = Loaded::warnings;
    let _: fn(&Loaded) -> Option<&CompileError> = Loaded::overlay_error;
    cloned::<(Change, Loaded, Event)>();
    error::<RollbackError>();
    copied::<RollbackError>();
    let _: fn(Event) = |event| match event {
        Event::Loaded(Change { .. })
        | Event::Overlaid(Change { .. })
        | Event::RolledBack(Change { .. }) => {}
        Event::Refused(CompileError { .. }) => {}
        Event::Stale { source, error, .. } => is::<[String; 2]>([source, error]),
        Event::Recovered { source, .. } => is::<String>(source),
        Event::Failed {
            source,
            kind,
            error,
            stale,
            ..
        } => {
            is::<bool>(stale);
            is::<[String; 2]>([source, error]);
            is::<&'static str>(kind);
        }
        _ => {}
    };
}

#[test]
fn key_report() {
    let _: fn(&KeyReport) -> &[&'static str] = KeyReport::missing;
    let _: fn(&KeyReport) -> &[&'static str] = KeyReport::mismatched;
    let _: fn(&KeyReport) -> &[String] = KeyReport::unnamed;
    let _: fn(&KeyReport) -> bool = KeyReport::is_fine;
    compared::<KeyReport>();
    empty::<KeyReport>();
    shown::<KeyReport>();
}
