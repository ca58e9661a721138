//! What must not depend on the way of counting, or must depend on it in a known way.

use std::time::Duration;

use proptest::prelude::*;

use super::{Arms, Step, arms, assert_close, feed, margin, relative, steps};

/// Drops the time: all strata in one minute, so that no start lies between them, but ten before.
fn at_once(steps: &[Step]) -> Vec<Step> {
    let waits = [600].into_iter().chain(std::iter::repeat(0));
    let told = steps
        .iter()
        .filter(|&&(_, share, bad)| share > 0.0 && bad != Arms::default());
    waits
        .zip(told)
        .map(|(wait, &(_, share, bad))| (wait, share, bad))
        .collect()
}

/// Compares all that is known of two histories.
fn same(margin: f64, one: &[Step], other: &[Step]) -> Result<(), TestCaseError> {
    let (mut first, mut second) = (relative(margin, 0.05), relative(margin, 0.05));
    feed(&mut first, one);
    feed(&mut second, other);
    let pairs = first.inner().both().into_iter().zip(second.inner().both());
    pairs
        .into_iter()
        .try_for_each(|(found, expected)| assert_close(found, expected))?;
    same_likelihood(first.inner().likelihood(), second.inner().likelihood())
}

fn same_likelihood(
    one: impl IntoIterator<Item = f64>,
    other: impl IntoIterator<Item = f64>,
) -> Result<(), TestCaseError> {
    for (found, expected) in one.into_iter().zip(other) {
        let off = (found - expected).abs();
        prop_assert!(
            off <= 1e-9 * (1.0 + found.abs()),
            "{found} is not {expected}"
        );
    }
    Ok(())
}

fn few() -> impl Strategy<Value = Vec<Step>> {
    let bad = (0..6_u32, 0..6_u32).prop_map(|(candidate, stable)| Arms { candidate, stable });
    prop::collection::vec((Just(0), 0.01..0.99, bad), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_strata_does_not_matter(steps in steps(), margin in margin()) {
        let mut reversed = steps.clone();
        reversed.reverse();
        same(margin, &at_once(&steps), &at_once(&reversed))?;
    }

    #[test]
    fn strata_of_one_share_may_be_merged(
        bad in prop::collection::vec(arms(), 1..20), share in 0.01..0.99, margin in margin(),
    ) {
        let merged = bad.iter().fold(Arms::default(), |sum, &bad| sum + bad);
        let steps: Vec<_> = bad.iter().map(|&bad| (0, share, bad)).collect();
        same(margin, &at_once(&steps), &at_once(&[(0, share, merged)]))?;
    }

    /// ℓ(g) of the arms is ℓ(1/g) of the arms swapped.
    #[test]
    fn swapped_arms_mirror_the_likelihood(steps in few()) {
        let swapped: Vec<Step> = steps
            .iter()
            .map(|&(wait, share, bad)| {
                let swapped = Arms { candidate: bad.stable, stable: bad.candidate };
                (wait, 1.0 - share, swapped)
            })
            .collect();
        let (mut plain, mut mirrored) = (relative(1.0, 0.05), relative(1.0, 0.05));
        feed(&mut plain, &steps);
        feed(&mut mirrored, &swapped);
        let back = mirrored.inner().likelihood().into_iter().rev();
        same_likelihood(plain.inner().likelihood(), back)?;
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
