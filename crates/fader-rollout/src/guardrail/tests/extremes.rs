//! Counts, shares, margins and lengths of runs beyond all that is likely.

use std::time::Duration;

use proptest::prelude::*;

use super::super::{Absolute, Arms, Relative, Verdict};
use super::{HOUR, relative};

/// Checks that all that a test tells is a number, and in order.
fn assert_sound(test: &Relative) {
    let (evidence, limits) = (test.evidence(), test.limits());
    assert!(evidence.is_finite() && evidence >= 0.0, "{evidence}");
    assert!(
        0.0 <= limits.lower() && limits.lower() <= limits.upper(),
        "{limits:?}"
    );
    assert!(test.estimate().is_none_or(|ratio| ratio >= 0.0));
    let numbers = test.inner().likelihood();
    assert!(
        numbers.iter().all(|number| number.is_finite()),
        "{numbers:?}"
    );
}

fn count() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(1), Just(u32::MAX), 0..100_u32, any::<u32>()]
}

fn share() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(f64::MIN_POSITIVE),
        Just(5e-324),
        Just(1e-17),
        Just(1e-8),
        Just(0.5),
        Just(1.0 - 1e-8),
        Just(1.0 - f64::EPSILON / 2.0),
        any::<f64>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_number_overflows(
        steps in prop::collection::vec((any::<u64>(), share(), count(), count()), 1..40),
        margin in prop_oneof![Just(1.0), Just(1000.0), 1.0..1000.0],
        level in prop_oneof![Just(1e-12), Just(1.0 - 1e-12), 0.001..0.1],
        planned in any::<u64>(),
    ) {
        let planned = Duration::from_secs(planned);
        let mut test = Relative::new(margin, level, planned).unwrap().min_bad_units(0);
        for (now, share, candidate, stable) in steps {
            test.observe(Duration::from_secs(now), share, Arms { candidate, stable });
            assert_sound(&test);
        }
    }

    #[test]
    fn no_number_of_an_absolute_test_overflows(
        steps in prop::collection::vec((any::<u32>(), count(), count()), 1..40),
        limit in prop_oneof![Just(1e-12), Just(1.0 - 1e-12), 0.0001..0.9999],
    ) {
        let mut test = Absolute::new(limit, 0.05, HOUR).unwrap();
        for (now, bad, of) in steps {
            test.observe(Duration::from_secs(now.into()), bad, of);
            let limits = test.limits();
            prop_assert!(test.evidence().is_finite());
            prop_assert!(0.0 <= limits.lower() && limits.lower() <= limits.upper(), "{:?}", limits);
            prop_assert!(limits.upper() <= 1.0, "{:?}", limits);
            prop_assert_eq!(limits.lower() > limit, test.verdict() == Verdict::Regressed);
            prop_assert_eq!(limits.upper() < limit, test.verdict() == Verdict::Safe);
        }
    }
}

#[test]
fn a_million_strata_are_no_trouble() {
    for (candidate, stable) in [(5, 95), (u32::MAX, 0), (0, u32::MAX)] {
        let mut test = relative(1.0, 0.05);
        for second in 0..1_000_000 {
            test.observe(
                Duration::from_secs(second),
                0.05,
                Arms { candidate, stable },
            );
        }
        assert_sound(&test);
        let expected = [Verdict::Undecided, Verdict::Regressed, Verdict::Safe];
        let expected = expected[usize::from(candidate > 5) + 2 * usize::from(candidate < 5)];
        assert_eq!(test.verdict(), expected);
    }
}

#[test]
fn extremes_neither_overflow_nor_raise_an_alarm() {
    let huge = u32::MAX;
    let both = Arms {
        candidate: huge,
        stable: huge,
    };
    let mut test = relative(1.0, 0.05);
    for minute in 0..200_u64 {
        test.observe(Duration::from_secs(60 * minute), 0.5, both);
        assert!(test.evidence() <= 1.0, "{}", test.evidence());
    }
    for share in [0.0, 1.0, -1.0, 2.0, f64::NAN, f64::INFINITY] {
        test.observe(
            HOUR * 5,
            share,
            Arms {
                candidate: 1000,
                stable: 0,
            },
        );
    }
    assert_ne!(test.verdict(), Verdict::Regressed);
    for share in [f64::MIN_POSITIVE, 1e-300, 1.0 - f64::EPSILON] {
        let mut test = relative(1.0, 0.05);
        test.observe(HOUR, share, both);
        assert!(test.evidence().is_finite());
    }
    test.observe(
        HOUR * 9,
        0.5,
        Arms {
            candidate: huge,
            stable: 0,
        },
    );
    assert_eq!(test.verdict(), Verdict::Regressed);
    // It stays, and no later evidence makes a NaN of what was beyond all bounds.
    test.observe(
        HOUR * 9,
        0.5,
        Arms {
            candidate: 0,
            stable: huge,
        },
    );
    assert_eq!(test.verdict(), Verdict::Regressed);
    assert!(test.evidence().is_finite());
}

/// A shared outage takes all terms to nothing; what fails from the next minute on is seen at once nevertheless.
#[test]
fn evidence_that_vanished_is_back_with_the_next_start() {
    let mut test = relative(1.0, 0.01);
    for second in 0..30 {
        let outage = Arms {
            candidate: 5000,
            stable: 95_000,
        };
        test.observe(Duration::from_secs(second), 0.05, outage);
    }
    assert!(test.evidence() < 0.51);
    let failing = Arms {
        candidate: 20,
        stable: 0,
    };
    test.observe(Duration::from_secs(60), 0.05, failing);
    assert_eq!(test.verdict(), Verdict::Regressed);
}
