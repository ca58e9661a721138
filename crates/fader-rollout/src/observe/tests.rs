//! Tests of what is counted.

use std::sync::Arc;
use std::time::Duration;

use fader::plan::{Count, Guardrail, Limit, Metric, Plan, Reached, Stage};
use fader::{Ending, Outcome, Percent};

use super::collector::Collector;
use super::drawn::Drawn;
use super::label::Label;
use super::observer::Observer;
use crate::counts::{Counts, Stratum};
use crate::guardrail::Arms;

mod endings;
mod expected;
mod exposures;
mod fair;
mod hanging;
mod latency;
mod recalled;
mod shards;
mod spent;
mod through_a_handle;

const FLAG: u32 = 3;
const MS: Duration = Duration::from_millis(1);

fn percent(percent: u32) -> Percent {
    Percent::from_micros(percent * 1_000_000).unwrap()
}

fn relative(metric: Metric) -> Guardrail {
    Guardrail::new(metric, Limit::NoWorseThan(1.0))
}

fn absolute(metric: Metric) -> Guardrail {
    Guardrail::new(metric, Limit::Below(0.1))
}

fn plan(by: &str, guardrails: Vec<Guardrail>) -> Plan {
    let stage = Stage::new(Reached::Percent(percent(5)), Duration::from_secs(60));
    let mut plan = Plan::new(vec![stage]);
    plan.by = by.into();
    plan.count = Count::AllUnits;
    plan.min_bad_units = 1;
    plan.guardrails = guardrails;
    plan
}

/// A unit spread over all 64 bits, as the core's hashes are.
fn unit(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn arms(candidate: u32, stable: u32) -> Arms {
    Arms { candidate, stable }
}

/// A request of this unit, drawn by chance under 5 %.
fn drawn(number: u64, enrolled: bool, tick: u32) -> Drawn {
    Drawn {
        label: Label::new(percent(5), enrolled, false),
        tick,
        unit: Some(unit(number)),
        known: true,
    }
}

fn under(share: u32, drawn: Drawn) -> Drawn {
    let label = Label::new(percent(share), drawn.label.is_enrolled(), false);
    Drawn { label, ..drawn }
}

fn by_wave(drawn: Drawn) -> Drawn {
    let label = Label::new(drawn.label.share(), drawn.label.is_enrolled(), true);
    Drawn { label, ..drawn }
}

fn took(ending: Ending, millis: u32) -> Outcome {
    Outcome::new(ending).took(MS * millis)
}

const FAILED: Outcome = Outcome::new(Ending::ServerError);
const DONE: Outcome = Outcome::new(Ending::Success);

/// An observer with its collector; ticks begin with 0.
struct World {
    observer: Arc<Observer>,
    collector: Collector,
}

impl World {
    fn new(plan: &Plan) -> Self {
        Self::with_shards(plan, 1)
    }

    fn with_shards(plan: &Plan, shards: usize) -> Self {
        let observer = Arc::new(Observer::with_shards(shards));
        observer.watch(FLAG, plan, 1);
        let collector = Collector::new(Arc::clone(&observer));
        Self {
            observer,
            collector,
        }
    }

    /// With the first guardrail's limits of latency, for requests that begin in tick 2 or later.
    fn with_limits(plan: &Plan, candidate: u32, stable: u32) -> Self {
        let mut world = Self::new(plan);
        world
            .observer
            .set_limits(FLAG, 0, MS * candidate, MS * stable);
        world.collect(0);
        world
    }

    fn began(&self, drawn: Drawn) {
        self.began_on(0, drawn);
    }

    fn began_on(&self, shard: usize, drawn: Drawn) {
        self.observer
            .on(shard, |shard| shard.book(FLAG).unwrap().began(&drawn));
    }

    fn ended(&self, drawn: Drawn, how: Outcome) {
        self.ended_on(0, drawn, how);
    }

    fn ended_on(&self, shard: usize, drawn: Drawn, how: Outcome) {
        self.observer
            .on(shard, |shard| shard.book(FLAG).unwrap().ended(&drawn, how));
    }

    fn reported(&self, drawn: Drawn, event: &str) {
        self.observer
            .on(0, |shard| shard.book(FLAG).unwrap().reported(&drawn, event));
    }

    /// A request that begins and ends.
    fn request(&self, drawn: Drawn, how: Outcome) {
        self.began(drawn);
        self.ended(drawn, how);
    }

    fn collect(&mut self, tick: u32) -> Counts {
        let mut all = self.collector.collect(tick);
        assert_eq!(all.len(), 1);
        all.remove(0).counts
    }

    /// The strata of ticks up to this one.
    fn strata(&mut self, ticks: std::ops::RangeInclusive<u32>) -> Vec<Stratum> {
        ticks.flat_map(|tick| self.collect(tick).strata).collect()
    }
}

fn stratum(guardrail: usize, share: u32, bad: Arms, of: Arms) -> Stratum {
    Stratum {
        guardrail,
        share: percent(share),
        bad,
        of,
    }
}
