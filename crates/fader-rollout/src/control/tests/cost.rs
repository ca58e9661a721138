//! What a look costs: `cargo test --release -p fader-rollout --lib cost -- --ignored --nocapture`.

use std::time::Instant;

use super::*;

#[test]
#[ignore = "it measures, and says so"]
fn of_a_look() {
    let guardrails = r#""guardrails": [ { "metric": "errors", "no_worse_than": 1.5 }, { "metric": "errors", "below": 0.5 },
        { "metric": "latency_p95", "no_worse_than": 1.5 }, { "metric": "latency_p99", "below": "2s" } ]"#;
    for count in [1, 3, 100] {
        let flag = |number: usize| {
            format!(
                r#""flag-{number}": {{ "rules": [ {{ "name": "ramp", "by": "user.id", "serve": "on", "ramp": {{
                    "start": "2026-12-01T09:00:00Z", "stages": [ {{ "percent": 50, "bake": "1h" }} ], {guardrails} }} }} ] }}"#
            )
        };
        let all: Vec<String> = (0..count).map(flag).collect();
        let flags = Flags::builder().build();
        let text = format!(r#"{{ "flags": {{ {} }} }}"#, all.join(", "));
        flags.load(text, &Source::new("flags.json")).unwrap();
        flags.set_store(Disk::new());
        let state = TempDir::new().unwrap();
        let (settings, signals) = (Settings::default(), Signals::default());
        let mut controller =
            Controller::open(&flags, state.path(), settings, signals, at(0)).unwrap();
        assert!(controller.tick(Now {
            wall: at(0),
            since_last: None
        }));
        let journal = state.path().join("journal.jsonl");
        let (mut took, mut grew, mut last) = (Vec::new(), 0, 0);
        for second in 1..=30 {
            for user in 0..1000_i64 {
                let scope = flags.scope(Context::default().with("user.id", user * second));
                for number in 0..count.min(3) {
                    let _ = scope.variant(format!("flag-{number}"));
                }
                scope.finish(Outcome::new(Ending::Success).took(Duration::from_millis(20)));
            }
            let began = Instant::now();
            let since_last = Some(Duration::from_secs(1));
            assert!(controller.tick(Now {
                wall: at(second),
                since_last
            }));
            took.push(began.elapsed());
            let length = std::fs::metadata(&journal).unwrap().len();
            if second > 5 {
                grew += length.saturating_sub(last);
            }
            last = length;
        }
        took.sort_unstable();
        println!(
            "{count} plans of 4 guardrails: a look takes {:?} (longest {:?}), and {} bytes of the journal",
            took[took.len() / 2],
            took[took.len() - 1],
            grew / 25
        );
    }
}
