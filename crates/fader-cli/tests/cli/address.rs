//! Documents at an address.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::Folder;
use crate::watch::Watch;

const GOOD: &str = r#"{ "revision": 1, "flags": { "a": true } }"#;
const BROKEN: &str = "{\n  \"flags\": { \"a\": { \"default\": \"of\" } } }";

const DENIED: &str = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// A server that gives the same answer to everybody, until it gets another.
struct Server {
    address: String,
    answer: Arc<Mutex<String>>,
}

impl Server {
    fn start(document: &str) -> Self {
        Self::that_asks(false, document)
    }

    fn that_asks(asks_token: bool, document: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/flags.json", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&answer);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let mut is_allowed = !asks_token;
                while let Some(Ok(line)) = lines
                    .next()
                    .filter(|line| !matches!(line, Ok(line) if line.is_empty()))
                {
                    is_allowed |= line == "authorization: Bearer secret";
                }
                let answer = if is_allowed {
                    shared.lock().unwrap().clone()
                } else {
                    DENIED.to_owned()
                };
                // Who asked may have gone.
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        let server = Self { address, answer };
        server.serve(document);
        server
    }

    fn serve(&self, document: &str) {
        let length = document.len();
        *self.answer.lock().unwrap() = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{document}"
        );
    }
}

#[test]
fn an_address_is_checked_as_a_file_is() {
    let folder = Folder::new();
    let server = Server::start(GOOD);
    let address = &*server.address;
    folder
        .run(["check", address])
        .answered(0, "1 file checked: no errors, no warnings\n");
    let run = folder.run(["eval", address, "--context", "{}"]);
    assert!(
        run.exit == Some(0) && run.stdout.starts_with("a  = true (on)"),
        "{run:?}"
    );

    server.serve(BROKEN);
    let run = folder.run(["check", address]);
    assert_eq!(run.exit, Some(1));
    let place = format!("--> {address}:2:");
    assert!(
        run.stdout.contains(&place) && run.stdout.contains("2 |   \"flags\""),
        "{run:?}"
    );
    assert_eq!(
        folder.run(["eval", address, "--context", "{}"]).exit,
        Some(2)
    );

    server.answer.lock().unwrap().replace_range(9..12, "503");
    let run = folder.run(["check", address]);
    assert!(
        run.exit == Some(2) && run.stderr.contains(address) && run.stderr.contains("503"),
        "{run:?}"
    );
}

#[test]
fn a_scheme_that_cannot_be_fetched_is_named() {
    for (address, scheme) in [
        ("htp://x/flags.json", "htp"),
        ("file:///x/flags.json", "file"),
    ] {
        Folder::new().run(["check", address]).failed_with(&format!(
            "the address is of the scheme `{scheme}`; only `http` and `https` can be fetched"
        ));
    }
    let server = Server::start(GOOD);
    let loud = server.address.replace("http://", "HTTP://");
    assert_eq!(Folder::new().run(["check", &*loud]).exit, Some(0));
}

#[test]
fn a_header_goes_with_each_request_and_into_no_message() {
    let folder = Folder::new();
    let server = Server::that_asks(true, GOOD);
    let address = &*server.address;
    let header = |text| folder.run(["check", address, "--header", text]);
    header("Authorization: Bearer secret").answered(0, "1 file checked: no errors, no warnings\n");
    assert_eq!(folder.run(["check", address]).exit, Some(2));
    for wrong in [
        "authorization: wrong-secret",
        "wrong-secret",
        "wrong secret: x",
    ] {
        let run = header(wrong);
        assert_eq!(run.exit, Some(2));
        assert!(
            !run.stderr.contains("wrong-secret") && run.stdout.is_empty(),
            "{run:?}"
        );
    }
}

#[test]
fn an_address_is_watched_as_a_file_is() {
    let server = Server::start(GOOD);
    let watch = Watch::of(&Folder::new(), &server.address, "json");
    assert_eq!(watch.expect("loaded", Some("1"), None), "1 flag");
    server.serve(&GOOD.replace('1', "2"));
    watch.expect("loaded", Some("2"), None);
    server.serve(BROKEN);
    watch.expect("refused", Some("2"), Some("unknown-variant"));
    server.answer.lock().unwrap().replace_range(9..12, "503");
    watch.expect("stale", Some("2"), Some("bad-answer"));
}

#[test]
fn a_server_that_is_down_is_waited_for() {
    let server = Server::start("");
    let good = GOOD.to_owned();
    server.answer.lock().unwrap().clear();
    let watch = Watch::of(&Folder::new(), &server.address, "json");
    watch.expect("stale", None, None);
    server.serve(&good);
    // Its errors may be told again in other words.
    loop {
        let line = watch.next();
        if line.contains("\"loaded\"") {
            break;
        }
        let is_stale = line.contains("\"stale\"");
        assert!(!is_stale || line.contains("\"version\":null"), "{line}");
    }
}

#[test]
fn a_folder_is_checked_file_by_file() {
    let folder = Folder::new();
    folder.write("flags.d/a.json", GOOD);
    folder.write("flags.d/b.json", "{ \"flags\": { \"b\": true } }");
    folder
        .run(["check", "flags.d"])
        .answered(0, "2 files checked: no errors, no warnings\n");
    folder.write("flags.d/b.json", BROKEN);
    let run = folder.run(["check", "flags.d/"]);
    assert_eq!(run.exit, Some(1));
    assert!(
        run.stdout.contains("--> flags.d/b.json:2:14 at flags.a\n"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout
            .contains("it is in `flags.d/a.json` too, at 1:29"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("2 |   \"flags\""), "{}", run.stdout);
}
