//! Full speed over keep-alive connections, while the document is replaced twenty times a second, half of the
//! replacements broken.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::service::{Connection, Example, wait_for};

/// How long the short form lasts; `LOAD_SECONDS` sets another length.
const SECONDS: u64 = 3;
const CONNECTIONS: usize = 4;
const REPLACEMENTS_A_SECOND: u64 = 20;

/// Half of them good, and in no step with the times at which the service reads.
const GOOD: [bool; 10] = [
    true, false, false, true, true, false, true, false, false, true,
];

/// A document whose every answer tells its revision: by version, variant and value.
fn good(revision: u64) -> String {
    let on = if gray(revision) { "gray" } else { "stable" };
    let mut document = format!(
        r#"{{ "revision": {revision}, "flags": {{
            "new-checkout": {{ "variants": {{ "stable": false, "gray": true }}, "default": "{on}" }}"#
    );
    for marker in 0..20 {
        let _ = write!(
            document,
            r#", "marker-{marker}": {{ "variants": {{ "v{revision}": {revision} }}, "default": "v{revision}",
                "rules": [{{ "percent": 50, "by": "user.id", "serve": "v{revision}" }}] }}"#
        );
    }
    document.push_str("} }");
    document
}

fn gray(revision: u64) -> bool {
    revision % 2 == 1
}

fn broken(turn: u64, revision: u64) -> Vec<u8> {
    let document = good(revision);
    match turn % 4 {
        0 => document.as_bytes()[..document.len() / 2].to_vec(),
        1 => document.replace("\"default\"", "\"defualt\"").into_bytes(),
        2 => Vec::new(),
        _ => [document.as_bytes(), b"\xff"].concat(),
    }
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    microseconds: Vec<u32>,
    versions: usize,
}

/// Asks until told to stop. It panics at a request that fails, that saw two versions, or an older one than the last.
fn ask(address: SocketAddr, user: &str, stop: &AtomicBool) -> Seen {
    let mut connection = Connection::open(address).expect("a connection");
    let mut seen = Seen::default();
    let mut last = 0;
    while !stop.load(Ordering::Relaxed) {
        let path = if seen.microseconds.len() % 2 == 0 {
            "/flags"
        } else {
            "/checkout"
        };
        let start = Instant::now();
        let answer = connection
            .get(path, &[("x-user-id", user)])
            .expect("an answer");
        seen.microseconds
            .push(u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX));
        assert_eq!(answer.status, 200);
        if path == "/checkout" {
            assert_eq!(
                answer.header("x-fader"),
                Some(format!("new-checkout={}", answer.body).as_str())
            );
            continue;
        }
        let flags = answer.json();
        let version = flags["new-checkout"]["version"]
            .as_str()
            .expect("a version")
            .to_owned();
        let revision: u64 = version.parse().expect("a revision");
        assert_eq!(flags["new-checkout"]["value"], gray(revision));
        for (name, flag) in flags.as_object().expect("an object") {
            assert_eq!(
                flag["version"], version,
                "{name} is of another version: {flags}"
            );
            assert!(
                name == "new-checkout" || flag["value"] == revision,
                "{name} is of another version: {flags}"
            );
        }
        assert!(revision >= last, "revision {revision} after {last}");
        seen.versions += usize::from(revision != last);
        last = revision;
    }
    seen
}

pub fn under_load(example: Example) {
    let seconds = std::env::var("LOAD_SECONDS").map_or(SECONDS, |text| {
        text.parse().expect("LOAD_SECONDS is a number")
    });
    let service = example.start_with(&good(1));
    let stop = AtomicBool::new(false);
    let (seen, last) = thread::scope(|scope| {
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|client| {
                let (address, stop) = (service.address, &stop);
                scope.spawn(move || ask(address, &format!("user-{client}"), stop))
            })
            .collect();
        let start = Instant::now();
        let mut last = 1;
        for turn in 0..seconds * REPLACEMENTS_A_SECOND {
            if GOOD[turn as usize % GOOD.len()] {
                last = turn + 2;
                service.replace(good(last));
            } else {
                service.replace(broken(turn, turn + 2));
            }
            let next = Duration::from_millis((turn + 1) * 1000 / REPLACEMENTS_A_SECOND);
            thread::sleep(next.saturating_sub(start.elapsed()));
        }
        stop.store(true, Ordering::Relaxed);
        let seen: Vec<_> = clients
            .into_iter()
            .map(|client| client.join().expect("no failed request"))
            .collect();
        (seen, last)
    });

    // The last replacement was a good one: it wins. A broken one after it takes nothing away.
    let version = || {
        service.get("/flags", &[]).json()["new-checkout"]["version"]
            .as_str()
            .map(str::to_owned)
    };
    wait_for("the last good document", || {
        (version()? == last.to_string()).then_some(())
    });
    let refusals = || service.stdout().matches("refused").count();
    let before = refusals();
    service.replace(b"{ \"flags\": nothing at all }");
    wait_for("a refusal", || (refusals() > before).then_some(()));
    assert_eq!(version(), Some(last.to_string()));

    let mut microseconds: Vec<_> = seen
        .iter()
        .flat_map(|seen| &seen.microseconds)
        .copied()
        .collect();
    microseconds.sort_unstable();
    let at = |share: f64| microseconds[((microseconds.len() - 1) as f64 * share) as usize];
    let versions = seen.iter().map(|seen| seen.versions).max().unwrap_or(0);
    println!(
        "{} requests in {seconds} s over {CONNECTIONS} connections, none failed; {} replacements, {versions} versions seen, \
         {before} refused; latency p50 {} µs, p99 {} µs, p99.9 {} µs, max {} µs",
        microseconds.len(),
        seconds * REPLACEMENTS_A_SECOND,
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
    );
    assert!(versions > 1, "the service followed no replacement");
}
