//! Outcomes that are appended to a file.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::process::Signal;
use serde_json::Value;

use crate::service::{Example, folder, wait_for};

const DOCUMENT: &str = r#"{ "flags": {
    "new-checkout": { "rules": [
        { "name": "tests", "if": { "attribute": "user.id", "is": "qa-1" }, "serve": "on" },
        { "name": "ramp", "percent": 50, "by": "user.id", "serve": "on" } ] } } }"#;

pub fn both_arms_are_told(example: Example) {
    let directory = folder();
    let path = directory.path().join("outcomes.jsonl");
    std::fs::write(&path, "{\"kept\":true}\n").unwrap();
    let arguments = ["--outcomes", path.to_str().unwrap()];
    let mut service = example.start_as(DOCUMENT, &arguments, |_| ());
    let mut connection = service.connect();
    let mut served = HashMap::new();
    for user in 0..100 {
        let user = user.to_string();
        let answer = connection.get("/checkout", &[("x-user-id", &user)]);
        *served.entry(answer.unwrap().body).or_default() += 1;
    }
    // Nobody is drawn for these.
    connection.get("/checkout", &[]).unwrap();
    connection
        .get("/checkout", &[("x-user-id", "qa-1")])
        .unwrap();
    drop(connection);
    service.signal(Signal::TERM);
    assert_eq!(service.wait_for_exit().code(), Some(0));

    let lines = std::fs::read_to_string(&path).unwrap();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines.collect();
    assert_eq!(lines[0]["kept"], true, "it appends");
    let mut told: HashMap<String, usize> = HashMap::new();
    for line in &lines[1..] {
        let time = line["time"].as_str().unwrap();
        assert!(fader::Timestamp::parse(time).is_some(), "{line}");
        assert_eq!(line["flag"], "new-checkout");
        assert_eq!(line["rule"], "ramp");
        let arm = line["arm"].as_str().unwrap();
        let variant = if arm == "gray" { "on" } else { "off" };
        assert_eq!(line["variant"], variant);
        if line["event"] == "began" {
            assert!(line.get("ending").is_none(), "{line}");
        } else {
            assert_eq!(line["event"], "ended");
            assert_eq!(line["ending"], "success");
            assert!(line["latency_ms"].as_f64().unwrap() > 0.0, "{line}");
            *told.entry(arm.to_owned()).or_default() += 1;
        }
    }
    assert_eq!(lines.len(), 201);
    assert_eq!(told, served);
}

/// A pipe that nobody reads.
pub fn a_disk_that_takes_nothing_holds_up_nothing(example: Example) {
    const REQUESTS: usize = 6000;
    let directory = folder();
    let path = directory.path().join("pipe");
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let pipe = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let arguments = ["--outcomes", path.to_str().unwrap()];
    let service = example.start_as(DOCUMENT, &arguments, |_| ());
    let mut connection = service.connect();
    for user in 0..REQUESTS {
        let user = user.to_string();
        let answer = connection.get("/checkout", &[("x-user-id", &user)]);
        assert_eq!(answer.unwrap().status, 200);
    }
    let warning = "outcomes come faster than they are written";
    wait_for("a warning", || {
        service.stderr().contains(warning).then_some(())
    });

    // Once the disk gets on, every line is there or was counted.
    let read = count_lines(pipe);
    let dropped = || {
        let said = service.stdout();
        let counts = said
            .lines()
            .filter_map(|line| line.strip_suffix(" lines of outcomes were dropped"));
        counts
            .map(|count| count.parse::<usize>().unwrap())
            .sum::<usize>()
    };
    wait_for("all lines", || {
        (read.load(Ordering::Relaxed) + dropped() == 2 * REQUESTS).then_some(())
    });
    assert!(dropped() > 0);
}

fn count_lines(pipe: File) -> Arc<AtomicUsize> {
    let lines = Arc::new(AtomicUsize::new(0));
    let read = Arc::clone(&lines);
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            serde_json::from_str::<Value>(&line).expect("a whole line");
            read.fetch_add(1, Ordering::Relaxed);
        }
    });
    lines
}
