//! Whole plans, from the first stage to the last.

use super::*;

const SHORT: &str = r#""min_units": 20, "start": "2026-12-01T09:00:00Z", "stages": [
    { "percent": 1, "bake": "6m" }, { "percent": 5, "bake": "6m" }, { "percent": 25, "bake": "6m" },
    { "percent": 50, "bake": "6m" }, { "percent": 100, "bake": "5m" } ],
    "guardrails": [ { "metric": "errors", "no_worse_than": 1.5 }, { "metric": "errors", "below": 0.5 } ]"#;

impl Process {
    /// Serves some of the requests of each second, as long as that.
    fn minutes(&mut self, minutes: u32) {
        for _ in 0..minutes * 60 {
            self.second();
        }
    }
}

#[test]
fn a_healthy_half_hour_completes_by_itself() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(SHORT), 0);
    // Of a few thousand users everybody would have seen an error in half an hour, and a guardrail has used up its units.
    process.users = 4_000_000;
    let mut told = vec![process.told()];
    for _ in 0..30 {
        process.minutes(1);
        if told.last() != Some(&process.told()) {
            told.push(process.told());
        }
    }
    let ramp = process.ramp();
    assert_eq!(ramp.phase, Phase::Completed, "{ramp:?}");
    assert_eq!(told, ["1", "5", "25", "50", "100"].map(percent));
    assert_eq!(process.phase(), Phase::Completed);
    assert_eq!(process.gray, 1000);
}

#[test]
fn a_paused_one_stays_and_a_frozen_one_waits() {
    let machine = Machine::new();
    let mut process = machine.boot(&document(STAGES), 0);
    process.seconds(10);
    assert_eq!(process.ask(Wish::Pause), Answer::Done);
    process.seconds(300);
    assert_eq!(
        (process.phase(), process.told()),
        (Phase::Paused, percent("5"))
    );

    let freeze = r#""freezes": [ { "from": "2026-12-01T09:00:30Z", "until": "2026-12-01T09:03:00Z", "reason": "sale" } ], "flags""#;
    let frozen = document(STAGES).replacen("\"flags\"", freeze, 1);
    let machine = Machine::new();
    let mut process = machine.boot(&frozen, 0);
    process.seconds(178);
    assert_eq!(
        (process.phase(), process.told()),
        (Phase::Frozen, percent("5"))
    );
    process.seconds(5);
    assert_eq!(process.told(), percent("50"));
}

#[test]
fn an_approval_opens_the_stage_that_it_names_and_no_other() {
    let approved = STAGES
        .replace(
            "50, \"bake\": \"1m\"",
            "50, \"bake\": \"1m\", \"approve\": true",
        )
        .replace(
            "100, \"bake\": \"1m\"",
            "100, \"bake\": \"1m\", \"approve\": true",
        );
    // What is approved, and how far it comes by itself.
    let cases: [(&[usize], &str); 5] = [
        (&[], "5"),
        (&[3], "5"),
        (&[2], "50"),
        (&[2, 3], "100"),
        (&[3, 2], "100"),
    ];
    for (stages, reached) in cases {
        let machine = Machine::new();
        let mut process = machine.boot(&document(&approved), 0);
        for stage in stages {
            assert_eq!(process.ask(Wish::Approve { stage: *stage }), Answer::Done);
        }
        process.seconds(160);
        assert_eq!(process.told(), percent(reached), "{stages:?}");
    }
}
