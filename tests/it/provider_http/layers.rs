//! An overlay from an address, on top of what another provider delivers.

use fader_providers::file;

use super::*;

/// It would lift what has been killed since, or kill it again.
#[test]
fn an_older_overlay_is_refused_unless_allowed() {
    const NEW: &str = r#"{ "version": 7, "flags": { "new-checkout": { "killed": true } } }"#;
    for is_allowed in [false, true] {
        let server = Server::new(|_| Answer::json(NEW));
        let flags = Flags::builder().build();
        let overlay = polled(&server.url("/overlay.json")).as_overlay();
        let overlay = if is_allowed {
            overlay.allow_downgrade()
        } else {
            overlay
        };
        overlay.follow(&flags).unwrap();
        assert_eq!(flags.status().overlay_version(), 7);
        server.now(|_| Answer::json(r#"{ "version": 6, "flags": {} }"#));
        if is_allowed {
            until("the older one", || flags.status().overlay_version() == 6);
            continue;
        }
        until_error(&flags, "version 6 is below the live one, 7");
        assert_eq!(flags.status().overlay_version(), 7);
        server.now(|_| Answer::json(r#"{ "version": 8, "flags": {} }"#));
        until("a newer one", || flags.status().overlay_version() == 8);
        assert_eq!(error_of(&flags, ""), "");
    }
}

/// A document that is built in, below one from a file, below an overlay from an address: each of them comes, fails and
/// comes back by itself.
#[test]
fn three_layers_come_and_fail_each_by_itself() {
    const BUILT_IN: &str = r#"{ "revision": 900, "flags": { "new-checkout": true } }"#;
    const KILL: &str = r#"{ "version": 1, "flags": { "new-checkout": { "killed": true } } }"#;

    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("flags.json");
    let server = Server::new(|_| Answer::json(KILL));
    let flags = file(&path)
        .bootstrap(BUILT_IN)
        .without_overlay()
        .poll_every(SOON)
        .open()
        .unwrap();
    let checkout = || {
        let resolution = flags.resolve("new-checkout", &Context::anonymous());
        resolution.variant().map(str::to_owned)
    };
    let state = || {
        let status = flags.status();
        (status.version().to_owned(), status.state())
    };
    assert_eq!(checkout().as_deref(), Some("on"));
    assert_eq!(state(), ("900".to_owned(), State::Stale));

    polled(&server.url("/overlay.json"))
        .as_overlay()
        .stale_after(Duration::ZERO)
        .follow(&flags)
        .unwrap();
    assert_eq!(checkout(), None, "a kill on top of what is built in");
    assert_eq!(state(), ("900".to_owned(), State::Stale));
    assert_eq!(error_of(&flags, "overlay.json"), "");

    std::fs::write(&path, document(7)).unwrap();
    until("the file", || is_at(&flags, 7));
    assert_eq!(checkout(), None, "it is in force for the file as well");

    server.now(|_| Answer::status("500 Internal Server Error"));
    until_error(&flags, "500");
    assert_eq!(error_of(&flags, "flags.json"), "", "the file is fine");
    std::fs::write(&path, document(8)).unwrap();
    until("the file beside it", || {
        state() == ("8".to_owned(), State::Stale)
    });
    assert_eq!(checkout(), None);

    std::fs::write(&path, "{").unwrap();
    until("the refusal", || !error_of(&flags, "flags.json").is_empty());
    server.now(|_| Answer::json(r#"{ "version": 2, "flags": {} }"#));
    until("the revival", || checkout().as_deref() == Some("on"));
    assert_eq!(error_of(&flags, "overlay.json"), "");
    assert_eq!(
        state(),
        ("8".to_owned(), State::Stale),
        "the last good one, not what is built in"
    );
    std::fs::write(&path, document(9)).unwrap();
    until("all is well", || is_at(&flags, 9));
}
