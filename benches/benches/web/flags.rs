//! The flags that a handler asks, what it answers by them, and whom it is asked by.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fader::{
    Attributes, Context, DrawnFlag, Flags, MemoryStore, Outcome, OutcomeSink, Overlay, Scope, Watch,
};
use fader_benches::keys::{IN_ROLLOUT, PLAIN};
use fader_benches::{User, documents};
use fader_rollout::control::Rollouts;

fader::flags! {
    ByRule: bool = "rule", default false;
}

/// How many endings of requests were counted: up to the last second, where a controller does.
pub type Told = Box<dyn Fn() -> u64 + Send>;

pub const PATH: &str = "/api/checkout";

/// A plain flag, a rollout by user, and a rule on path and header of which every second user is in.
const DOCUMENT: &str = r#"{ "flags": {
"plain": true,
"rollout": { "rules": [ { "name": "users", "percent": 25, "by": "user.id", "serve": "on" } ] },
"rule": { "rules": [ { "name": "paying", "percent": 50, "by": "user.id", "serve": "on", "if": { "all": [
  { "attribute": "request.path", "starts_with": "/api/" },
  { "attribute": "request.header.x-plan", "in": ["pro", "enterprise"] } ] } } ] } } }
"#;

/// Makes the handle of the variant that is told of no outcomes.
pub fn unwatched() -> Flags {
    documents::load(DOCUMENT)
}

/// Makes the same with staged ramps in the place of the percents, which the overlay sets to the same, under control and
/// with a sink that is told of both.
pub fn watched() -> (Flags, Told) {
    const GUARDED: &str = r#""ramp": { "stages": [ { "percent": 1, "bake": "1h" } ] }"#;
    let document = DOCUMENT
        .replace(r#""percent": 25"#, GUARDED)
        .replace(r#""percent": 50"#, GUARDED);
    let flags = documents::load(&document);
    let percent = |text: &str| text.parse().expect("a percent");
    flags.apply(
        Overlay::new()
            .percent("rollout", "users", percent("25"))
            .percent("rule", "paying", percent("50")),
    );
    let outcomes = Arc::new(Outcomes::default());
    flags.add_outcome_sink(Arc::clone(&outcomes), Watch::Guarded);
    // It is not given back while the process lives.
    std::mem::forget(flags.control_ramps());
    (flags, Box::new(move || outcomes.told()))
}

/// Makes the same run by a controller, which exposes so many by its plans' first stages, and has a sink of its own.
pub fn controlled() -> anyhow::Result<(Flags, Told)> {
    const REST: &str = r#""start": "2026-01-01T00:00:00Z", "guardrails": [ { "metric": "errors", "no_worse_than": 1.1 },
        { "metric": "latency_p99", "below": "500ms" }, { "metric": "errors", "below": 0.01 } ] }"#;
    let staged = |percent: u32| {
        format!(r#""ramp": {{ "stages": [ {{ "percent": {percent}, "bake": "1h" }} ], {REST}"#)
    };
    let document = DOCUMENT
        .replace(r#""percent": 25"#, &staged(25))
        .replace(r#""percent": 50"#, &staged(50));
    let flags = documents::load(&document);
    flags.set_store(MemoryStore::new(&flags));
    let state = tempfile::tempdir()?;
    let rollouts = Rollouts::start(&flags, state.path())?;
    // It lasts as long as the process.
    std::mem::forget(state);
    let told = move || {
        let ramps = rollouts.status().ramps.into_iter();
        let requests = ramps.map(|ramp| ramp.requests.candidate + ramp.requests.stable);
        requests.sum()
    };
    Ok((flags, Box::new(told)))
}

/// Asks the three flags.
#[inline]
pub fn answer<A: Attributes>(scope: &Scope<A>) -> &'static str {
    match (
        *scope.get(&PLAIN),
        *scope.get(&IN_ROLLOUT),
        *scope.get(&BY_RULE),
    ) {
        (false, false, false) => "000",
        (false, false, true) => "001",
        (false, true, false) => "010",
        (false, true, true) => "011",
        (true, false, false) => "100",
        (true, false, true) => "101",
        (true, true, false) => "110",
        (true, true, true) => "111",
    }
}

/// What a handler answers that asks no flag.
pub const BARE: &str = "000";

/// Returns what a user has to be answered behind the layer, as the flags by themselves say.
pub fn expected(user: &User) -> &'static str {
    thread_local!(static FLAGS: Flags = unwatched());
    let context = Context::new(user.id.as_str())
        .with("user.id", user.id.as_str())
        .with("request.path", PATH)
        .with("request.header.x-plan", user.plan);
    FLAGS.with(|flags| answer(&flags.scope(&context)))
}

/// Writes a user's request as a client sends it.
pub fn request(user: &User) -> Vec<u8> {
    let (id, plan) = (&user.id, user.plan);
    format!(
        "GET {PATH}?page=2 HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: fader-benches\r\naccept: */*\r\n\
         accept-encoding: gzip, br\r\ncookie: session=0123456789abcdef; theme=dark\r\nx-user-id: {id}\r\n\
         x-plan: {plan}\r\n\r\n"
    )
    .into_bytes()
}

/// Counts outcomes and their latency by arm, as the least that a controller needs.
#[derive(Default)]
struct Outcomes {
    began: [AtomicU64; 2],
    ended: [[AtomicU64; 8]; 2],
    micros: [AtomicU64; 2],
}

impl Outcomes {
    /// Returns how many endings it was told of.
    fn told(&self) -> u64 {
        let ended = self.ended.iter().flatten();
        ended.map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

impl OutcomeSink for Outcomes {
    fn began(&self, drawn: &DrawnFlag<'_>) {
        self.began[drawn.arm() as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn ended(&self, drawn: &DrawnFlag<'_>, outcome: &Outcome) {
        let arm = drawn.arm() as usize;
        self.ended[arm][outcome.ending() as usize].fetch_add(1, Ordering::Relaxed);
        if let Some(latency) = outcome.latency() {
            let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
            self.micros[arm].fetch_add(micros, Ordering::Relaxed);
        }
    }
}
