//! Plans in virtual time, against a service that a [`Scenario`] describes.
//!
//! What is simulated are requests; what judges them is the real thing: what was bad goes through the same removal of
//! duplicates, the same [guardrails](crate::guardrail) and the same [state machine](crate::machine) as in a service.
//! An hour of 1,000 requests a second takes some tens of milliseconds, so that thousands of runs tell what a plan does:
//! how often it rolls back a healthy candidate, and how soon a sick one.
//!
//! Requests that end well are not drawn one by one. Of each class of units (enrolled or not, sick or well) the number of
//! bad ones is drawn, which is the same, and each is of a unit by its activity. The stable arm's quantile of the latency
//! is drawn with the error that its estimate has. All is a function of the scenario and the seed.
//!
//! Virtual time 0 is the ramp's `start` or, where it has none, the first opening of its windows from a fixed Monday on.
//! What it requires is met, its group lets it move, and approvals are given at once. Latencies are measured before. A
//! wave has a thousandth of the units, or as many as the scenario says.
//!
//! With more than one process the counts of all are judged together at half the level, and those of each by itself at
//! its part of the other half, see [`BudgetPart`](crate::judge::BudgetPart).

mod fleet;
mod population;
mod report;
mod run;
mod scenario;
#[cfg(test)]
mod tests;
mod traffic;

pub use report::{Quantiles, Report};
pub use run::{Fate, Moment, Simulation};
pub use scenario::{Activity, Curve, Effect, InvalidScenario, Latency, Outage, Scenario, Sick};
