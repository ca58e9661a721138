use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Instant;

use fader::{Flags, MemoryStore, Source, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::*;
use crate::control::Rollouts;
use crate::control::event::What;

const PATIENCE: Duration = Duration::from_secs(20);
const SOON: Duration = Duration::from_millis(5);

/// A request as it came.
#[derive(Debug)]
struct Post {
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Post {
    fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let mut headers = Vec::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let Some((name, value)) = header.trim_end().split_once(": ") else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut post = Self {
            line: line.trim_end().to_owned(),
            headers,
            body: Vec::new(),
        };
        post.body = vec![0; post.header("content-length")?.parse().ok()?];
        reader.read_exact(&mut post.body).ok()?;
        Some(post)
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(each, _)| each == name);
        found.map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn text(&self) -> String {
        self.json()["text"].as_str().unwrap().to_owned()
    }
}

/// Answers one request after the other by the given statuses, and with 200 from then on.
fn serve(listener: TcpListener, statuses: &[u16]) -> Receiver<Post> {
    let (sender, posts) = mpsc::channel();
    let mut statuses = statuses.to_vec();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            while let Some(post) = Post::read(&stream) {
                let status = if statuses.is_empty() {
                    200
                } else {
                    statuses.remove(0)
                };
                let answer =
                    format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nlocation: /other\r\n\r\n");
                if sender.send(post).is_err() || stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        }
    });
    posts
}

fn server(statuses: &[u16]) -> (String, Receiver<Post>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "http://{}/hook?token=geheim",
        listener.local_addr().unwrap()
    );
    (url, serve(listener, statuses))
}

fn fast(url: &str) -> Webhook {
    let mut hook = Webhook::new(url);
    hook.waits = [SOON; 4];
    hook
}

fn trouble(why: &str) -> Event {
    Event {
        at: Timestamp::parse("2026-12-01T09:00:00Z").unwrap(),
        flag: None,
        run: None,
        what: What::Trouble(why.to_owned()),
    }
}

fn next(posts: &Receiver<Post>) -> Post {
    posts.recv_timeout(PATIENCE).unwrap()
}

/// The signature by other code than the library's.
fn signature(secret: &[u8], stamp: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(&[stamp.as_bytes(), b".", body].concat());
    let bytes = mac.finalize().into_bytes();
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    format!("sha256={}", digits.collect::<String>())
}

#[test]
fn an_event_is_posted_as_json_and_signed() {
    let (url, posts) = server(&[]);
    let url = url.replace("http://", "http://anna:pass@");
    let mut told = fast(&url).secret("a key").start().unwrap();
    told(&trouble("a full disk"));
    let post = next(&posts);
    assert_eq!(post.line, "POST /hook?token=geheim HTTP/1.1");
    assert_eq!(post.header("content-type"), Some("application/json"));
    assert_eq!(post.header("authorization"), Some("Basic YW5uYTpwYXNz"));
    let stamp = post.header("x-fader-timestamp").unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert!(now.as_secs() - stamp.parse::<u64>().unwrap() < 60);
    let expected = signature(b"a key", stamp, &post.body);
    assert_eq!(post.header("x-fader-signature"), Some(&*expected));
    assert_ne!(signature(b"another", stamp, &post.body), expected);
    let mut json = post.json();
    assert!(json["id"].as_str().unwrap().ends_with("-1"));
    json["id"] = Value::Null;
    let expected = serde_json::json!({
        "id": null,
        "text": "no exposure is raised: a full disk",
        "at": "2026-12-01T09:00:00Z",
        "what": { "trouble": "a full disk" },
    });
    assert_eq!(json, expected);
}

#[test]
fn without_a_secret_nothing_is_signed() {
    let (url, posts) = server(&[]);
    fast(&url).start().unwrap()(&trouble("a"));
    let post = next(&posts);
    assert_eq!(post.header("x-fader-signature"), None);
    assert_eq!(post.header("x-fader-timestamp"), None);
}

/// Which tries are made of one event, before the next one has its turn.
#[test]
fn what_may_pass_is_tried_again_in_order_and_five_times_at_most() {
    for (statuses, tries, arrives) in [
        (&[500, 503, 429, 408][..], 5, true),
        (&[500, 500, 500, 500, 500], 5, false),
        (&[400], 1, false),
        (&[404], 1, false),
        (&[307], 1, false),
        (&[204], 1, true),
    ] {
        let (url, posts) = server(statuses);
        let losses = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&losses);
        let hook = fast(&url).on_loss(move |why| noted.lock().unwrap().push(why.to_owned()));
        let mut told = hook.start().unwrap();
        told(&trouble("first"));
        told(&trouble("second"));
        let first: Vec<Post> = (0..tries).map(|_| next(&posts)).collect();
        let ids: BTreeSet<String> = first
            .iter()
            .map(|post| post.json()["id"].to_string())
            .collect();
        assert_eq!(ids.len(), 1, "{statuses:?}: an event has one id");
        assert!(first.iter().all(|post| post.text().ends_with("first")));
        let second = next(&posts);
        assert!(second.text().ends_with("second"), "{statuses:?}");
        assert_eq!(second.line, first[0].line, "no redirect is followed");
        let lost = if arrives { Value::Null } else { 1.into() };
        assert_eq!(second.json()["lost"], lost, "{statuses:?}");
        let losses = losses.lock().unwrap();
        assert_eq!(losses.is_empty(), arrives);
        for why in &*losses {
            assert!(
                why.contains("no exposure is raised: first`: the status is "),
                "{why}"
            );
            assert!(!why.contains("geheim") && !why.contains("hook"), "{why}");
        }
    }
}

#[test]
fn a_server_that_comes_later_gets_it() {
    // Nobody else is given a port that was bound a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut hook = fast(&format!("http://{address}/"));
    hook.waits = [Duration::from_millis(500); 4];
    let mut told = hook.start().unwrap();
    told(&trouble("first"));
    told(&trouble("second"));
    thread::sleep(Duration::from_millis(100));
    let posts = serve(TcpListener::bind(address).unwrap(), &[]);
    assert!(next(&posts).text().ends_with("first"));
    assert!(next(&posts).text().ends_with("second"));
}

#[test]
fn what_finds_no_room_is_counted_and_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stuck = format!("http://{}/", listener.local_addr().unwrap());
    let mut told = fast(&stuck).start().unwrap();
    told(&trouble("first"));
    let (mut stream, _) = listener.accept().unwrap();
    let _ = Post::read(&stream).unwrap();
    for number in 0..WAITING + 7 {
        told(&trouble(&format!("{number}")));
    }
    let posts = serve(listener, &[]);
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(answer.as_bytes()).unwrap();
    drop(stream);
    let lost: u64 = (0..WAITING)
        .filter_map(|_| next(&posts).json()["lost"].as_u64())
        .sum();
    assert_eq!(lost, 7);
    told(&trouble("last"));
    let last = next(&posts);
    assert_eq!(
        (last.json()["lost"].as_u64(), last.text().ends_with("last")),
        (None, true)
    );
}

/// The thread that is told of events, and so the controller, never waits for a server.
#[test]
fn a_server_that_hangs_holds_nothing_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let directory = tempfile::TempDir::new().unwrap();
    let flags = Flags::builder().build();
    let document = r#"{ "flags": { "checkout": { "rules": [ { "name": "ramp", "by": "user.id", "serve": "on", "ramp": {
        "stages": [ { "percent": 5, "bake": "30m" }, { "percent": 100, "bake": "1h" } ],
        "guardrails": [ { "metric": "errors", "below": 0.5 } ] } } ] } } }"#;
    flags.load(document, &Source::new("flags.json")).unwrap();
    flags.set_store(MemoryStore::new(&flags));
    let (sender, told) = mpsc::channel();
    let rollouts = Rollouts::builder()
        .webhook(Webhook::new(&url))
        .on_event(move |event| drop(sender.send(event.to_string())))
        .start(&flags, directory.path())
        .unwrap();
    let began = Instant::now();
    rollouts.start_ramp("checkout", "anna", "").unwrap();
    // It has the request and says nothing.
    let (_stream, _) = listener.accept().unwrap();
    rollouts.roll_back("checkout", "anna", "enough").unwrap();
    assert_eq!(rollouts.status().ramps[0].percent, "0");
    loop {
        let event = told.recv_timeout(PATIENCE).unwrap();
        if event.contains("rolled back") {
            break;
        }
    }
    drop(rollouts);
    // The time-out of a try.
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn its_thread_ends_with_the_controller_and_waits_for_no_try() {
    let (url, posts) = server(&[500]);
    let (sender, ended) = mpsc::channel::<()>();
    let mut hook = Webhook::new(url).on_loss(move |_| {
        let _held = &sender;
    });
    hook.waits = [PATIENCE * 3; 4];
    let mut told = hook.start().unwrap();
    told(&trouble("first"));
    told(&trouble("second"));
    let _ = next(&posts);
    // So that it most probably waits for its next try; it has to end in any case.
    thread::sleep(Duration::from_millis(200));
    drop(told);
    assert!(next(&posts).text().ends_with("first"));
    assert!(next(&posts).text().ends_with("second"));
    assert_eq!(
        ended.recv_timeout(PATIENCE),
        Err(mpsc::RecvTimeoutError::Disconnected)
    );
}

#[test]
fn nothing_shows_what_is_secret() {
    let hook = Webhook::new("https://anna:pass@chat.example.com:8443/hooks/T0/geheim?token=geheim")
        .secret("schluessel");
    let shown = format!("{hook:?}");
    assert_eq!(
        shown,
        r#"Webhook { origin: "https://chat.example.com:8443", is_signed: true, .. }"#
    );
    for wrong in [
        "chat.example.com/geheim",
        "ftp://geheim/",
        "https:///geheim",
        "",
        "https://geheim geheim",
    ] {
        let directory = tempfile::TempDir::new().unwrap();
        let flags = Flags::builder().build();
        flags.set_store(MemoryStore::new(&flags));
        let builder = Rollouts::builder().webhook(Webhook::new(wrong));
        let error = builder
            .start(&flags, directory.path())
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("the address of a webhook can't be used: it "),
            "{error}"
        );
        assert!(!error.contains("geheim"), "{error}");
        assert!(!format!("{:?}", Webhook::new(wrong)).contains("geheim"));
    }
}

/// By the recipe of the docs, in another language.
#[test]
fn the_signature_is_that_of_the_recipe() {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"a key");
    let signature = post::signature(&key, "1700000000", br#"{"id":"1"}"#);
    assert_eq!(
        signature,
        "sha256=2189f985a8dade4a1ab1bd5e830937a940cd3b92f3b8b8f15788c41731a3b96e"
    );
}
