//! Attributes, contexts, resolutions, percents and time.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fader::{
    AttributeName, Attributes, Clock, Context, ContextError, Draw, ErrorCode, Explanation, Json,
    ManualClock, ParsePercentError, Percent, Reason, Resolution, SystemClock, TARGETING_KEY,
    Timestamp, Value, ValueRef, hash,
};

use super::{cloned, compared, copied, empty, error, is, lends, shared, shown, word};

#[test]
fn attributes() {
    fn name<'a>(_: &'a str) {
        let _: fn(&'a str) -> AttributeName<'a> = AttributeName::new;
        let _: fn(AttributeName<'a>) -> &'a str = AttributeName::as_str;
        let _: fn(AttributeName<'a>) -> u64 = AttributeName::hash;
        const fn in_constants(name: AttributeName<'_>) -> (&str, u64) {
            (name.as_str(), name.hash())
        }
        let _ = in_constants;
    }
    fn answer<A: Attributes + ?Sized>() {
        let _: for<'a> fn(&'a A, AttributeName<'_>) -> Option<ValueRef<'a>> = Attributes::get;
    }
    fn map<S: BuildHasher>() {
        answer::<HashMap<String, Value, S>>();
    }
    name("user.id");
    map::<std::hash::RandomState>();
    answer::<BTreeMap<String, Value>>();
    answer::<Context>();
    answer::<()>();
    answer::<&dyn Attributes>();
    answer::<Box<dyn Attributes>>();
    answer::<Arc<dyn Attributes + Send + Sync>>();
    answer::<Header>();
    copied::<AttributeName<'static>>();
    const KEY: &str = TARGETING_KEY;
    assert_eq!(KEY, "targetingKey");
}

#[test]
fn context() {
    fn set<V: Into<Value>>() {
        let _: fn(V) -> Context = Context::new;
        let _: fn(Context, &str, V) -> Context = Context::with;
        let _: fn(&mut Context, &str, V) = Context::set;
    }
    fn collect<N: AsRef<str>, V: Into<Value>, C: FromIterator<(N, V)> + Extend<(N, V)>>() {}
    const _: Context = Context::anonymous();
    let _: fn(&mut Context, &str) = Context::remove;
    let _: fn(&str) -> Result<Context, ContextError> = Context::from_json;
    lends::<Context, (&str, ValueRef<'_>), _>(Context::iter);
    set::<i128>();
    collect::<String, &str, Context>();
    compared::<(Context, ContextError)>();
    empty::<Context>();
    error::<ContextError>();
}

#[test]
fn value() {
    fn untyped<T: Into<Box<str>>>() {
        let _: fn(T) -> Value = Value::untyped;
    }
    fn list<'a, T: Into<Value> + Clone + 'a>() {
        let _: fn(Vec<T>) -> Value = Value::from;
        let _: fn(&'a [T]) -> Value = Value::from;
    }
    fn text<'a, V: From<&'a str> + From<String> + From<&'a String>>() {}
    fn small<V: From<i8> + From<i16> + From<i32> + From<u8> + From<u16> + From<u32>>() {}
    fn large<V: From<i64> + From<u64> + From<isize> + From<usize> + From<i128> + From<u128>>() {}
    fn other<V: From<bool> + From<f32> + From<f64>>() {}
    let _: for<'a> fn(&'a Value) -> ValueRef<'a> = Value::as_ref;
    untyped::<String>();
    list::<bool>();
    text::<Value>();
    small::<Value>();
    large::<Value>();
    other::<Value>();
    compared::<(Value, ValueRef<'static>)>();
    let _: fn(Value) = |value| match value {
        Value::Bool(value) => is::<bool>(value),
        Value::Integer(value) => is::<i64>(value),
        Value::Float(value) => is::<f64>(value),
        Value::Text(text) | Value::Untyped(text) => is::<Box<str>>(text),
        Value::List(values) => is::<Vec<Value>>(values),
        Value::Opaque => {}
        _ => {}
    };
    let _: fn(ValueRef<'_>) = |value| match value {
        ValueRef::Bool(value) => is::<bool>(value),
        ValueRef::Integer(value) => is::<i64>(value),
        ValueRef::Float(value) => is::<f64>(value),
        ValueRef::Text(text) | ValueRef::Untyped(text) => is::<&str>(text),
        ValueRef::List(values) => is::<&[Value]>(values),
        ValueRef::Opaque => {}
        _ => {}
    };
}

#[test]
fn percent() {
    const _: [Percent; 2] = [Percent::ZERO, Percent::HUNDRED];
    const _: Option<Percent> = Percent::from_micros(Percent::HUNDRED.micros());
    let _: fn(u32) -> Option<Percent> = Percent::from_micros;
    let _: fn(Percent) -> u32 = Percent::micros;
    let _: fn(&str) -> Result<Percent, ParsePercentError> = str::parse;
    word::<Percent>();
    empty::<Percent>();
    assert!(Percent::ZERO < Percent::HUNDRED);
    error::<ParsePercentError>();
    copied::<ParsePercentError>();
    let _: fn(ParsePercentError) = |error| match error {
        ParsePercentError::Form | ParsePercentError::Range | ParsePercentError::Decimals => {}
        _ => {}
    };
}

#[test]
fn hashing() {
    let _: fn(&str, &str) -> u64 = hash::position;
    let _: fn(&str, &str) -> u64 = hash::place;
    let _: fn(Percent) -> u128 = hash::threshold;
}

#[test]
fn time() {
    const EPOCH: Timestamp = Timestamp::EPOCH;
    let _: fn(i128) -> Timestamp = Timestamp::from_nanos;
    let _: fn(Timestamp) -> i128 = Timestamp::as_nanos;
    let _: fn(&str) -> Option<Timestamp> = Timestamp::parse;
    let _: fn(SystemTime) -> Timestamp = Timestamp::from;
    word::<Timestamp>();
    empty::<Timestamp>();
    assert!(EPOCH <= Timestamp::EPOCH);
}

#[test]
fn clocks() {
    fn clock<C: Clock + ?Sized>() {
        let _: fn(&C) -> Timestamp = Clock::now;
    }
    fn shared_clock<C: Clock + ?Sized>() {
        clock::<Arc<C>>();
    }
    const _: SystemClock = SystemClock::new();
    const _: ManualClock = ManualClock::new(Timestamp::EPOCH);
    let _: fn(&str) -> Option<ManualClock> = ManualClock::at;
    let _: fn(&ManualClock, Timestamp) = ManualClock::set;
    let _: fn(&ManualClock, Duration) = ManualClock::advance;
    clock::<SystemClock>();
    clock::<ManualClock>();
    clock::<Noon>();
    shared_clock::<dyn Clock>();
    cloned::<SystemClock>();
    shared::<ManualClock>();
    empty::<(SystemClock, ManualClock)>();
}

#[test]
fn resolution() {
    let _: fn(&Resolution) -> Option<&Json> = Resolution::value;
    let _: fn(&Resolution) -> Option<&str> = Resolution::variant;
    let _: fn(&Resolution) -> Reason = Resolution::reason;
    let _: fn(&Resolution) -> Option<ErrorCode> = Resolution::error_code;
    let _: fn(&Resolution) -> Option<&str> = Resolution::rule;
    let _: for<'r> fn(&'r Resolution) -> Option<Draw<'r>> = Resolution::draw;
    let _: fn(&Resolution) -> &str = Resolution::version;
    let _: fn(&Resolution) -> Option<&Json> = Resolution::metadata;
    let _: fn(&Explanation) -> &Resolution = Explanation::resolution;
    let _: for<'r> fn(Draw<'r>) -> (&'r str, [bool; 2]) =
        |draw| (draw.rule, [draw.enrolled, draw.wave]);
    let _: fn(Json) -> serde_json::Value = |json| json;
    cloned::<(Resolution, Explanation)>();
    shown::<Explanation>();
    copied::<Draw<'static>>();
}

#[test]
fn reasons_and_codes() {
    named! {
        Reason::as_str: Reason::Static = "STATIC", Reason::Default = "DEFAULT",
        Reason::TargetingMatch = "TARGETING_MATCH", Reason::Split = "SPLIT", Reason::Disabled = "DISABLED",
        Reason::Stale = "STALE", Reason::Error = "ERROR", Reason::Forced = "FORCED"
    }
    named! {
        ErrorCode::as_str: ErrorCode::FlagNotFound = "FLAG_NOT_FOUND", ErrorCode::ParseError = "PARSE_ERROR",
        ErrorCode::ProviderNotReady = "PROVIDER_NOT_READY", ErrorCode::InvalidContext = "INVALID_CONTEXT"
    }
}

/// A request, as an adapter shows it.
struct Header;

impl Attributes for Header {
    fn get(&self, name: AttributeName<'_>) -> Option<ValueRef<'_>> {
        (name.as_str() == "request.path").then_some(ValueRef::Untyped("/"))
    }
}

/// A clock that stands still for ever.
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::EPOCH
    }
}
