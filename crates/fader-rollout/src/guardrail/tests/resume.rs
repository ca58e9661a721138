//! A test that was written down and read back goes on bit for bit.

use proptest::prelude::*;

use super::super::{Absolute, Arms, Relative, SampleRatio};
use super::{HOUR, feed, margin, relative, steps};

fn reread<T: serde::Serialize + serde::de::DeserializeOwned>(state: &T) -> T {
    serde_json::from_str(&serde_json::to_string(state).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_resumed_test_is_the_same(before in steps(), after in steps(), margin in margin()) {
        let mut whole = relative(margin, 0.01 / 3.0);
        feed(&mut whole, &before);
        let mut resumed = reread(&whole);
        prop_assert_eq!(&resumed, &whole);
        feed(&mut whole, &after);
        feed(&mut resumed, &after);
        prop_assert_eq!(&resumed, &whole);
        prop_assert_eq!(resumed.evidence().to_bits(), whole.evidence().to_bits());
    }

    #[test]
    fn so_are_the_others(counts in prop::collection::vec((0..30_u32, 30..900_u32), 1..20)) {
        let mut rate = Absolute::new(0.01, 0.01 / 3.0, HOUR).unwrap();
        let mut shares = SampleRatio::new();
        for (some, all) in counts {
            rate.observe(HOUR / 7, some, all);
            shares.observe(0.037, some, all);
            rate = { let resumed = reread(&rate); prop_assert_eq!(&resumed, &rate); resumed };
            shares = { let resumed = reread(&shares); prop_assert_eq!(&resumed, &shares); resumed };
        }
    }
}

#[test]
fn a_state_of_another_shape_is_refused() {
    let text = serde_json::to_string(&relative(1.0, 0.05)).unwrap();
    for (part, many) in [("start", 9), ("late", 9), ("costs", 81)] {
        let (before, after) = text.split_once(&format!("\"{part}\":[")).unwrap();
        let (_, shorter) = after.split_once(',').unwrap();
        let wrong = format!("{before}\"{part}\":[{shorter}");
        let error = serde_json::from_str::<Relative>(&wrong).unwrap_err();
        let expected = format!("expected {many} numbers, found {}", many - 1);
        assert!(error.to_string().contains(&expected), "{error}");
    }
}

#[test]
fn a_state_is_small() {
    let mut test = relative(1.1, 0.05);
    for minute in 0..100 {
        let bad = Arms {
            candidate: 7,
            stable: 93,
        };
        test.observe(HOUR / 60 * minute, 0.0537, bad);
    }
    let text = serde_json::to_string(&test).unwrap();
    assert!(text.len() < 3000, "{} bytes", text.len());
}
