//! What a service says of itself: gauges, facts, and whether what it depends on is well.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fader::Json;

/// A gauge that was not set for so long shows nothing.
pub(super) const GAUGE_LASTS: Duration = Duration::from_secs(60);

/// What a service says of itself. Setting anything takes a lock for some nanoseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Signals(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    gauges: BTreeMap<String, (f64, Instant)>,
    facts: BTreeMap<String, Json>,
    /// By name: the flag that it is for, or all, and what is wrong with it.
    health: BTreeMap<String, (Option<String>, Result<(), String>)>,
}

impl Signals {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_gauge(&self, name: &str, value: f64) {
        let set = (value, Instant::now());
        self.known().gauges.insert(name.to_owned(), set);
    }

    pub(super) fn gauge(&self, name: &str) -> Option<f64> {
        let (value, set) = *self.known().gauges.get(name)?;
        (set.elapsed() < GAUGE_LASTS && value.is_finite()).then_some(value)
    }

    pub(super) fn set_fact(&self, name: &str, fact: Json) {
        self.known().facts.insert(name.to_owned(), fact);
    }

    pub(super) fn facts(&self) -> BTreeMap<String, Json> {
        self.known().facts.clone()
    }

    pub(super) fn set_health(&self, name: &str, flag: Option<&str>, health: Result<(), String>) {
        let health = (flag.map(str::to_owned), health);
        self.known().health.insert(name.to_owned(), health);
    }

    /// Returns what is not well for a flag, in words.
    pub(super) fn ill(&self, flag: Option<&str>) -> Vec<String> {
        let known = self.known();
        let all = known.health.iter();
        let ill = all.filter_map(|(name, (of, health))| {
            let concerns = of.is_none() || flag.is_none() || of.as_deref() == flag;
            let why = health.as_ref().err().filter(|_| concerns)?;
            Some(format!("{name}: {why}"))
        });
        ill.collect()
    }
}
