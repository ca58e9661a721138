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
    gauges: BTreeMap<String, Gauge>,
    facts: BTreeMap<String, Json>,
    health: BTreeMap<String, Health>,
}

#[derive(Debug)]
struct Gauge {
    value: f64,
    set: Instant,
    /// For how long it shows that.
    lasts: Duration,
}

#[derive(Debug)]
struct Health {
    /// The flag that it is for, or all.
    flag: Option<String>,
    result: Result<(), String>,
    /// Until when that counts; always, where there is none.
    until: Option<Instant>,
}

impl Health {
    fn wrong(&self) -> Option<&str> {
        if self.until.is_some_and(|until| until < Instant::now()) {
            return Some("nothing has been heard of it for too long");
        }
        self.result.as_ref().err().map(String::as_str)
    }
}

impl Signals {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_gauge(&self, name: &str, value: f64) {
        self.set_gauge_for(name, value, GAUGE_LASTS);
    }

    /// Sets a gauge that shows nothing once it was not set for so long.
    pub(super) fn set_gauge_for(&self, name: &str, value: f64, lasts: Duration) {
        let set = Instant::now();
        let gauge = Gauge { value, set, lasts };
        self.known().gauges.insert(name.to_owned(), gauge);
    }

    pub(super) fn gauge(&self, name: &str) -> Option<f64> {
        let known = self.known();
        let Gauge { value, set, lasts } = known.gauges.get(name)?;
        (set.elapsed() < *lasts && value.is_finite()).then_some(*value)
    }

    pub(super) fn set_fact(&self, name: &str, fact: Json) {
        self.known().facts.insert(name.to_owned(), fact);
    }

    pub(super) fn facts(&self) -> BTreeMap<String, Json> {
        self.known().facts.clone()
    }

    pub(super) fn set_health(&self, name: &str, flag: Option<&str>, health: Result<(), String>) {
        self.note(name, flag, health, None);
    }

    /// Sets it for so long: what is not set again by then is not well.
    #[cfg(feature = "probes")]
    pub(super) fn set_health_for(
        &self,
        name: &str,
        flag: Option<&str>,
        health: Result<(), String>,
        lasts: Duration,
    ) {
        self.note(name, flag, health, Instant::now().checked_add(lasts));
    }

    fn note(
        &self,
        name: &str,
        flag: Option<&str>,
        result: Result<(), String>,
        until: Option<Instant>,
    ) {
        let health = Health {
            flag: flag.map(str::to_owned),
            result,
            until,
        };
        self.known().health.insert(name.to_owned(), health);
    }

    /// Returns what is not well for a flag, in words.
    pub(super) fn ill(&self, flag: Option<&str>) -> Vec<String> {
        let known = self.known();
        let all = known.health.iter();
        let ill = all.filter_map(|(name, health)| {
            let of = health.flag.as_deref();
            let concerns = of.is_none() || flag.is_none() || of == flag;
            let why = health.wrong().filter(|_| concerns)?;
            Some(format!("{name}: {why}"))
        });
        ill.collect()
    }
}
