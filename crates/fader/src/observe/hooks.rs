//! What hangs on a handle and lives through every swap.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::handle::RampLimit;
use crate::observe::{DrawnFlag, ExposureSink, Outcome, OutcomeSink, Watch};
use crate::percent::Percent;
use crate::ruleset::Flag;

/// The sinks of a handle, and whether a controller runs its staged ramps.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    outcomes: Vec<(Arc<dyn OutcomeSink>, Watch)>,
    exposures: Vec<Arc<dyn ExposureSink>>,
    /// How many controllers run the staged ramps.
    controllers: usize,
    /// By flag: the most that the controller lets its staged ramp enrol.
    limits: Option<Arc<BTreeMap<String, RampLimit>>>,
    /// The number that the controller gave to the present moment. One for the life of the handle, whatever is swapped.
    tick: Arc<AtomicU32>,
}

impl Hooks {
    pub(crate) fn add_outcomes(&mut self, sink: Arc<dyn OutcomeSink>, watch: Watch) {
        self.outcomes.push((sink, watch));
    }

    pub(crate) fn add_exposures(&mut self, sink: Arc<dyn ExposureSink>) {
        self.exposures.push(sink);
    }

    pub(crate) fn add_controller(&mut self) {
        self.controllers += 1;
    }

    pub(crate) fn remove_controller(&mut self) {
        self.controllers = self.controllers.saturating_sub(1);
        if !self.controls() {
            self.limits = None;
            self.begin_tick(0);
        }
    }

    pub(crate) fn limit(&mut self, limits: BTreeMap<String, RampLimit>) {
        self.limits = Some(Arc::new(limits));
    }

    /// Returns the most that a staged ramp may enrol, in percent and in waves, if there are limits.
    pub(crate) fn limit_of(&self, flag: &str, rule: &str) -> Option<(Percent, u32)> {
        let limits = self.limits.as_ref()?;
        let limit = limits.get(flag).filter(|limit| limit.rule == rule);
        Some(limit.map_or((Percent::ZERO, 0), |limit| (limit.percent, limit.waves)))
    }

    /// Returns the flags of whose ramps a limit differs from that of other hooks.
    pub(crate) fn limited_otherwise<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = &'a str> {
        let of = |hooks: &'a Self| hooks.limits.iter().flat_map(|limits| limits.values());
        let differ = |limit: &&RampLimit| {
            self.limit_of(&limit.flag, &limit.rule) != other.limit_of(&limit.flag, &limit.rule)
        };
        of(self)
            .chain(of(other))
            .filter(differ)
            .map(|limit| &*limit.flag)
    }

    pub(crate) fn begin_tick(&self, tick: u32) {
        // Relaxed: a unit of work that begins at this moment may be of either tick.
        self.tick.store(tick, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn tick(&self) -> u32 {
        self.tick.load(Ordering::Relaxed)
    }

    /// Tells whether a controller runs the staged ramps. Without one these enrol nobody.
    #[inline]
    pub(crate) fn controls(&self) -> bool {
        self.controllers > 0
    }

    /// Tells whether anything here wants to know of a flag.
    pub(crate) fn watch(&self, flag: &Flag) -> bool {
        let exposed = !self.exposures.is_empty();
        let drawn = exposed
            || self
                .outcomes
                .iter()
                .any(|(_, watch)| *watch == Watch::Drawn);
        let guarded = !self.outcomes.is_empty();
        (guarded && flag.is_guarded()) || (drawn && flag.draws())
    }

    /// Tells each sink that wants to know of this flag.
    fn each(&self, drawn: &DrawnFlag<'_>, tell: impl Fn(&dyn OutcomeSink)) {
        for (sink, watch) in &self.outcomes {
            if *watch == Watch::Drawn || drawn.is_guarded() {
                guarded(|| tell(&**sink));
            }
        }
    }

    pub(crate) fn began(&self, drawn: &DrawnFlag<'_>) {
        self.each(drawn, |sink| sink.began(drawn));
    }

    pub(crate) fn ended(&self, drawn: &DrawnFlag<'_>, outcome: &Outcome) {
        self.each(drawn, |sink| sink.ended(drawn, outcome));
    }

    pub(crate) fn reported(&self, drawn: &DrawnFlag<'_>, event: &str) {
        self.each(drawn, |sink| sink.reported(drawn, event));
    }

    pub(crate) fn late(&self, drawn: &DrawnFlag<'_>) {
        self.each(drawn, |sink| sink.late(drawn));
    }

    pub(crate) fn exposed(&self, drawn: &DrawnFlag<'_>) {
        for sink in &self.exposures {
            guarded(|| sink.exposed(drawn));
        }
    }
}

/// Keeps a panic of a sink from the unit of work and from the other sinks.
fn guarded(tell: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(tell));
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("outcomes", &self.outcomes.len())
            .field("exposures", &self.exposures.len())
            .field("controllers", &self.controllers)
            .finish()
    }
}
