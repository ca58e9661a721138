//! How soon there are decisions after a start while the server is down: within 50 ms of `open()`, from the cache.

use super::*;

/// Prints how long it took, for `docs/RELIABILITY.md`; a busy machine may take any time, so that the test asserts only
/// that decisions are there when `open` returns, without one request.
///
/// `COLD_START_FLAGS=10000 cargo test --release -p fader-tests --test it cold_start -- --nocapture`
#[test]
fn decisions_are_there_when_open_returns() {
    let count = std::env::var("COLD_START_FLAGS").map_or(1000, |count| count.parse().unwrap());
    let flag = |number| {
        format!(
            r#""flag-{number}": {{ "rules": [
                {{ "name": "testers", "if": {{ "attribute": "user.email", "ends_with": "@example.com" }}, "serve": "on" }},
                {{ "name": "ramp", "percent": {}, "by": "user.id", "serve": "on" }} ] }}"#,
            number % 100
        )
    };
    let flags: Vec<_> = (0..count).map(flag).collect();
    let document = format!(r#"{{ "flags": {{ {} }} }}"#, flags.join(",\n"));
    let bytes = document.len();
    let root = tempfile::tempdir().unwrap();
    let cache = root.path().join("flags.cache");
    let server = Server::new(move |_| Answer::json(&document));
    let url = server.url("/shop.json");
    drop(polled(&url).cache(&cache).open().unwrap());
    drop(server);

    let mut times = Vec::new();
    for _ in 0..21 {
        let start = Instant::now();
        let flags = http(&url).cache(&cache).open().unwrap();
        let context = Context::new("user-42").with("user.email", "anna@example.com");
        let rule = flags.resolve("flag-7", &context).rule().map(str::to_owned);
        times.push(start.elapsed());
        assert_eq!(rule.as_deref(), Some("testers"));
        assert_eq!(flags.status().state(), State::Stale);
    }
    times.sort();
    println!(
        "{count} flags, {bytes} bytes: median {:.1?}, longest {:.1?}",
        times[10], times[20]
    );
}
