//! What must not depend on the way of counting, or must depend on it in a known way.

use std::time::Duration;

use proptest::prelude::*;

use super::super::mixture::{ALTERNATIVES, Alternative, MARGINS, Mixture, Trials};
use super::super::two_sided::chance;
use super::reference::{WORSE, capped, strata, trickle, worse};
use super::{Arms, Step, arms, feed, margin, relative, steps};

/// Drops the time: all strata at once, so that no start lies between them.
fn at_once(steps: &[Step]) -> Vec<Step> {
    steps
        .iter()
        .map(|&(_, share, bad)| (0, share, bad))
        .collect()
}

/// Compares two histories at the margin, where neither is beyond what a term may be. The tiny starts are left out: they
/// are the only part of E that depends on the order.
fn same_evidence(margin: f64, one: &[Step], other: &[Step]) -> Result<(), TestCaseError> {
    let log = worse(margin);
    let (a, b) = (strata(one), strata(other));
    if capped(&a, log, WORSE) || capped(&b, log, WORSE) {
        return Ok(());
    }
    let (mut first, mut second) = (relative(margin, 0.05), relative(margin, 0.05));
    feed(&mut first, one);
    feed(&mut second, other);
    let (found, expected) = (first.evidence(), second.evidence());
    let (found_tiny, tiny) = (trickle(&a, log, WORSE), trickle(&b, log, WORSE));
    let off = (found - found_tiny) - (expected - tiny);
    let scale = 1e-12 + found + expected;
    prop_assert!(off.abs() <= 1e-8 * scale, "{found:e} is not {expected:e}");
    Ok(())
}

fn log_at(steps: &[Step], ratio: f64) -> f64 {
    let trials = |bad: Arms| Trials {
        hits: bad.candidate,
        misses: bad.stable,
    };
    let alternatives: [Alternative; ALTERNATIVES] = [(ratio, ratio.ln()); ALTERNATIVES];
    let mut mixture = Mixture::new(1.0);
    for &(_, share, bad) in steps {
        if bad != Arms::default() {
            let chances = [chance(share, 1.0); MARGINS];
            mixture.observe(&alternatives, 0.0, &chances, trials(bad));
        }
    }
    mixture.sums()[0].ln()
}

fn few() -> impl Strategy<Value = Vec<Step>> {
    let bad = (0..6_u32, 0..6_u32).prop_map(|(candidate, stable)| Arms { candidate, stable });
    prop::collection::vec((Just(0), 0.01..0.99, bad), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_strata_does_not_matter(steps in steps(), margin in margin()) {
        let steps = at_once(&steps);
        let mut reversed = steps.clone();
        reversed.reverse();
        same_evidence(margin, &steps, &reversed)?;
    }

    #[test]
    fn strata_of_one_share_may_be_merged(
        bad in prop::collection::vec(arms(), 1..20), share in 0.01..0.99, margin in margin(),
    ) {
        let sum = |of: fn(&Arms) -> u32| bad.iter().map(of).sum();
        let merged = Arms { candidate: sum(|bad| bad.candidate), stable: sum(|bad| bad.stable) };
        let steps: Vec<_> = bad.iter().map(|&bad| (0, share, bad)).collect();
        same_evidence(margin, &steps, &[(0, share, merged)])?;
    }

    /// ℓ(g) of the arms is ℓ(1/g) of the arms swapped, but for the same constant at all g: that of g = 1.
    #[test]
    fn swapped_arms_mirror_the_likelihood(steps in few(), times in 1.01..100.0) {
        let swapped: Vec<Step> = steps
            .iter()
            .map(|&(wait, share, bad)| {
                let swapped = Arms { candidate: bad.stable, stable: bad.candidate };
                (wait, 1.0 - share, swapped)
            })
            .collect();
        let (plain, mirrored) = (log_at(&steps, times), log_at(&swapped, 1.0 / times));
        prop_assert!((plain - mirrored).abs() < 1e-8, "{plain} is not {mirrored}");
    }

    #[test]
    fn strata_without_a_bad_event_change_nothing(steps in steps(), margin in margin()) {
        let (mut with, mut without) = (relative(margin, 0.05), relative(margin, 0.05));
        let mut now = 0;
        for &(wait, share, bad) in &steps {
            now += wait;
            for second in now - wait..=now {
                with.observe(Duration::from_secs(second), share, Arms::default());
            }
            with.observe(Duration::from_secs(now), share, bad);
            without.observe(Duration::from_secs(now), share, bad);
        }
        prop_assert_eq!(with, without);
    }
}

/// A stratum split by something that exposures alone decide stays valid: both halves are strata. What is lost is the
/// comparison between them.
#[test]
fn strata_split_by_share_stay_valid() {
    // All of the difference lies between the halves: within each, the arms have their share exactly.
    let halves = [
        (
            0.1,
            Arms {
                candidate: 10,
                stable: 90,
            },
        ),
        (
            0.9,
            Arms {
                candidate: 90,
                stable: 10,
            },
        ),
    ];
    let mut split = relative(1.0, 0.05);
    for (share, bad) in halves {
        split.observe(Duration::ZERO, share, bad);
    }
    assert!(split.evidence() < 1.0);
    // Pooled under a share that is not that of the bad events' strata, they would alarm.
    let mut pooled = relative(1.0, 0.05);
    pooled.observe(
        Duration::ZERO,
        0.2,
        Arms {
            candidate: 100,
            stable: 100,
        },
    );
    assert!(pooled.evidence() > 1e6);
}
