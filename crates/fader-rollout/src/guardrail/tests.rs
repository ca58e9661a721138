//! Tests of the whole engine: exact enumeration, a slow reference, and what must not depend on the way of counting.

mod exact;
mod extremes;
mod metamorphic;
mod reference;
mod resume;

use std::time::Duration;

use proptest::prelude::*;

use super::{Arms, Relative};

/// One stratum: seconds since the one before, share, and bad events.
type Step = (u64, f64, Arms);

const HOUR: Duration = Duration::from_secs(3600);

fn relative(margin: f64, level: f64) -> Relative {
    Relative::new(margin, level, HOUR).unwrap()
}

fn feed(test: &mut Relative, steps: &[Step]) {
    let mut now = 0;
    for &(wait, share, bad) in steps {
        now += wait;
        test.observe(Duration::from_secs(now), share, bad);
    }
}

fn arms() -> impl Strategy<Value = Arms> {
    let count = prop_oneof![4 => 0..4_u32, 1 => 0..40_u32, 1 => 0..3000_u32];
    (count.clone(), count).prop_map(|(candidate, stable)| Arms { candidate, stable })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let wait = prop_oneof![4 => 0..3_u64, 1 => 0..400_u64];
    let share = prop_oneof![Just(0.01), Just(0.05), Just(0.5), 0.0..1.0];
    prop::collection::vec((wait, share, arms()), 0..60)
}

fn margin() -> impl Strategy<Value = f64> {
    prop_oneof![Just(1.0), Just(1.1), Just(2.0), 1.0..5.0]
}

/// Compares two values of E, of which all that are beyond the largest number are equal.
fn assert_close(found: f64, expected: f64) -> Result<(), TestCaseError> {
    let expected = expected.min(f64::MAX);
    let close = (found - expected).abs() <= 1e-8 * expected || found.min(expected) > 1e290;
    prop_assert!(close, "{found:e} is not {expected:e}");
    Ok(())
}
