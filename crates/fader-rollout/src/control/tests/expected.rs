//! What should follow a request: an order that is paid.

use super::*;

const STAGES: &str = r#""min_units": 20, "start": "2026-12-01T09:00:00Z", "count": "all-units",
    "stages": [ { "percent": 5, "bake": "2m" }, { "percent": 100, "bake": "1m" } ],
    "guardrails": [ { "metric": "custom:unpaid", "no_worse_than": 1.5 } ]"#;

/// Lets a minute of orders come in, of which all are paid at once but, where the candidate is sick, its own and, as a rule,
/// one of a hundred.
fn minutes(process: &mut Process, seconds: usize, is_sick: bool) {
    let observer = process.controller.observer();
    for _ in 0..seconds {
        for _ in 0..200 {
            process.requests += 1;
            let user = i64::from(process.requests);
            let scope = process
                .flags
                .scope(Context::default().with("user.id", user));
            let is_gray = scope.variant(FLAG) == Some("on");
            let expected = observer.expect(scope.drawn(), "unpaid", Duration::from_secs(10));
            scope.finish(Outcome::new(Ending::Success));
            if !(process.requests.is_multiple_of(100) || (is_gray && is_sick)) {
                observer.meet(expected);
            }
        }
        process.look();
    }
}

#[test]
fn a_candidate_whose_orders_are_not_paid_is_rolled_back() {
    for (is_sick, phase) in [(false, Phase::Observe), (true, Phase::RolledBack)] {
        let machine = Machine::new();
        let mut process = machine.boot(&document(STAGES), 0);
        // Nothing can be known before ten seconds have gone by.
        minutes(&mut process, 10, is_sick);
        assert_eq!(process.phase(), Phase::Observe);
        minutes(&mut process, 60, is_sick);
        assert_eq!(process.phase(), phase);
        if is_sick {
            let evidence = process.ramp().evidence.unwrap().to_string();
            assert!(evidence.contains("custom:unpaid"), "{evidence}");
            assert_eq!(process.told(), Percent::ZERO);
        }
    }
}
