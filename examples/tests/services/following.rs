//! How the examples start, and follow their file.

use std::net::TcpListener;

use rustix::process::Signal;
use serde_json::json;

use crate::document;
use crate::service::{Example, folder, wait_for};

pub fn says_what_to_try(example: Example) {
    let service = example.start();
    service.wait_until_it_says("curl -i -H 'x-user-id: qa-1'");
    service.wait_until_it_says("Ctrl-C stops the service");
}

pub fn follows_edits_and_refuses_broken_ones(example: Example) {
    let service = example.start_with(&document(1, false));
    let checkout = || service.get("/checkout", &[]).body;
    assert_eq!(checkout(), "stable");

    service.replace(document(2, true));
    wait_for("the gray arm", || (checkout() == "gray").then_some(()));
    service.wait_until_it_says("loaded version 2: new-checkout");

    service.replace(r#"{ "flags": { "new-checkout": { "default": "of" } } }"#);
    service.wait_until_it_says("refused, the last good version stays live");
    service.wait_until_it_says("flags.new-checkout.default");
    assert_eq!(checkout(), "gray");

    // In place, as some editors save.
    std::fs::write(service.document(), document(3, false)).unwrap();
    wait_for("the stable arm", || (checkout() == "stable").then_some(()));
    service.wait_until_it_says("loaded version 3: new-checkout");

    std::fs::remove_file(service.document()).unwrap();
    service.wait_until_it_says("stale, the last good version stays live");
    assert_eq!(checkout(), "stable");
    service.replace(document(4, true));
    wait_for("the gray arm", || (checkout() == "gray").then_some(()));
}

pub fn a_document_without_the_flags_is_a_warning_and_serves_the_defaults(example: Example) {
    let service = example.start_with(r#"{ "flags": { "other": true } }"#);
    assert_eq!(service.get("/checkout", &[]).body, "stable");
    assert_eq!(service.get("/search", &[]).body, "bm25");
    let warning =
        |flag| format!("warning: the document has no flag `{flag}`, so its default is served\n");
    assert_eq!(
        service.stderr(),
        ["new-checkout", "new-landing", "search-ranker"]
            .map(warning)
            .concat()
    );
}

pub fn what_keeps_it_from_starting_is_one_line(example: Example) {
    let directory = folder();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("good.json"), document(1, true)).unwrap();
    std::fs::write(
        path("broken.json"),
        r#"{ "flags": { "a": { "defalt": "on" }, "b": 7 } }"#,
    )
    .unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let cases = [
        (path("missing.json"), "127.0.0.1:0", path("missing.json")),
        (path("."), "127.0.0.1:0", path(".")),
        (
            path("broken.json"),
            "127.0.0.1:0",
            "did you mean `default`?".to_owned(),
        ),
        (path("good.json"), taken.as_str(), taken.clone()),
        (path("good.json"), "nonsense", "`nonsense`".to_owned()),
    ];
    for (flags, address, said) in cases {
        let output = example.run(&["--flags", &flags, "--addr", address]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert_eq!(output.stdout, b"", "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.starts_with("error: "), "{stderr}");
        assert_eq!(stderr.matches(&said).count(), 1, "{stderr}");
    }
    let wide = ["--trusted-proxies", "10.20.1.0/16"];
    let output = example.run(&[&wide[..], &["--flags", &path("good.json")]].concat());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("did you mean `10.20.0.0/16`?"), "{stderr}");
}

pub fn a_terminal_that_nobody_reads_holds_up_nothing(example: Example) {
    let document = |revision: u32| {
        let flags =
            (0..3_000).map(|n| format!(r#", "f{n}": {}"#, (revision + n).is_multiple_of(2)));
        let flags: String = flags.collect();
        format!(r#"{{ "revision": {revision}, "flags": {{ "new-checkout": true{flags} }} }}"#)
    };
    let mut service = example.start_with(&document(1));
    let stdout = service.collected_stdout();
    let unread = stdout.lock().unwrap();
    // Each names 3,000 flags that changed: together more than any pipe holds.
    for revision in 2..=20 {
        service.replace(document(revision));
        wait_for("the new version", || {
            let answer = service.get("/flags", &[]).json();
            (answer["new-checkout"]["version"] == json!(revision.to_string())).then_some(())
        });
    }
    service.signal(Signal::TERM);
    assert_eq!(service.wait_for_exit().code(), Some(0));
    drop(unread);
}
