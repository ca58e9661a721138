//! What the core tells of its decisions: who was drawn, how it ended, who was shown what; and what others may change of
//! a decision.

use std::sync::{Arc, Mutex};

use fader::{
    Attributes, Context, DrawnFlag, Ending, ExposureSink, FlagKey, Flags, Outcome, OutcomeSink,
    Overlay, Scope, Source, Watch,
};

mod admission;
mod agreement;
mod exposures;
mod finish;
mod hashes;
mod outcomes;
mod races;
mod ramps;

static F: FlagKey<bool> = FlagKey::new("f", &false);
static G: FlagKey<bool> = FlagKey::new("g", &false);

/// A guarded rule. Its percent comes from the overlay.
const STAGED: &str = r#"{ "name": "ramp", "serve": "on",
    "ramp": { "stages": [ { "percent": 1, "bake": "30m" } ], "guardrails": [] } }"#;

/// Loads flags, with `STAGED` in them for the guarded rule.
fn load(handle: &Flags, flags: &str) {
    let document = format!(r#"{{ "flags": {{ {flags} }} }}"#).replace("STAGED", STAGED);
    let loaded = handle.load(document.as_str(), &Source::new("flags.json"));
    loaded.unwrap_or_else(|error| panic!("{flags}: {error}"));
}

fn handle(flags: &str) -> Flags {
    let handle = Flags::builder().build();
    load(&handle, flags);
    handle
}

/// An overlay that gives the ramp of `f` a percent.
fn at(percent: &str) -> Overlay {
    Overlay::new().percent("f", "ramp", percent.parse().unwrap())
}

fn success() -> Outcome {
    Outcome::new(Ending::Success)
}

fn failure() -> Outcome {
    Outcome::new(Ending::ServerError)
}

/// Keeps what it is told as lines such as `began f ramp gray on`.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Told {
    /// What was told, in the order of the alphabet: a document has no order of ends.
    fn take(&self) -> Vec<String> {
        let mut told = std::mem::take(&mut *self.0.lock().unwrap());
        told.sort();
        told
    }

    fn tell(&self, what: &str, drawn: &DrawnFlag<'_>) {
        let (flag, rule, arm) = (drawn.flag(), drawn.rule(), drawn.arm());
        let variant = drawn.variant().unwrap_or("-");
        let line = format!("{what} {flag} {rule} {arm} {variant}");
        self.0.lock().unwrap().push(line);
    }
}

impl OutcomeSink for Told {
    fn began(&self, drawn: &DrawnFlag<'_>) {
        self.tell("began", drawn);
    }

    fn ended(&self, drawn: &DrawnFlag<'_>, outcome: &Outcome) {
        self.tell(&format!("ended {}", outcome.ending()), drawn);
    }

    fn reported(&self, drawn: &DrawnFlag<'_>, event: &str) {
        self.tell(&format!("reported {event}"), drawn);
    }

    fn late(&self, drawn: &DrawnFlag<'_>) {
        self.tell("late", drawn);
    }
}

impl ExposureSink for Told {
    fn exposed(&self, drawn: &DrawnFlag<'_>) {
        self.tell("exposed", drawn);
    }
}

fn watched(handle: &Flags, watch: Watch) -> Arc<Told> {
    let told = Arc::new(Told::default());
    handle.add_outcome_sink(Arc::clone(&told), watch);
    told
}

fn exposed(handle: &Flags) -> Arc<Told> {
    let told = Arc::new(Told::default());
    handle.add_exposure_sink(Arc::clone(&told));
    told
}

/// A guarded flag at 100 %, and a sink of its outcomes.
fn guarded(flags: &str) -> (Flags, Arc<Told>, fader::RampControl) {
    let handle = handle(flags);
    let control = handle.control_ramps();
    handle.apply(at("100"));
    let told = watched(&handle, Watch::Guarded);
    (handle, told, control)
}

/// Returns the variant that a scope serves.
fn variant(scope: &Scope<impl Attributes>, flag: &str) -> String {
    let resolution = scope.resolve(flag);
    resolution.variant().unwrap_or("-").to_owned()
}

/// Returns what a scope was asked for.
fn asked(scope: &Scope<impl Attributes>) -> Vec<String> {
    let line = |(flag, variant): (&str, Option<&str>)| format!("{flag} {}", variant.unwrap_or("-"));
    scope.asked().map(line).collect()
}

/// One who is on the plan `pro`, and of whom nothing else is known.
fn user() -> Context {
    Context::new("user-42").with("plan", "pro")
}
