//! Streams of events and sockets: they end once what was decided for them no longer holds.

use rustix::process::Signal;

use crate::document;
use crate::service::{Connection, Example, Service};

/// Opens the stream of events of nobody in particular.
fn events(service: &Service, arm: &str) -> Connection {
    let mut events = service.connect();
    events.request("GET", "/events", &[]).unwrap();
    let head = events.receive_head().unwrap();
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    events.receive_until(&format!("event: arm\ndata: {arm}\n\n\r\n"));
    events
}

/// Opens a socket of nobody in particular.
pub fn socket(service: &Service) -> Connection {
    let mut socket = service.connect();
    let headers = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        // The example of RFC 6455, 1.3.
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    socket.request("GET", "/ws", &headers).unwrap();
    let head = socket.receive_head().unwrap();
    assert_eq!(head.status, 101);
    assert_eq!(
        head.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert!(head.header("x-fader").unwrap().starts_with("new-checkout="));
    socket
}

/// A frame with a text of less than 126 bytes, as a client sends it: with a mask, here of zeros.
fn text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()
}

fn assert_echoes(socket: &mut Connection) {
    socket.send(text("hello")).unwrap();
    assert_eq!(socket.receive_until("hello"), b"\x81\x05hello");
}

fn assert_closes(socket: &mut Connection) {
    // 1001: going away.
    assert_eq!(socket.receive_until("retired"), b"\x88\x09\x03\xe9retired");
}

pub fn events_end_once_the_arm_is_another_one(example: Example) {
    let service = example.start_with(&document(1, false));
    let mut stream = events(&service, "stable");
    service.replace(document(2, false));
    service.wait_until_it_says("loaded version 2");
    assert!(stream.is_silent(), "the same arm as before");
    service.replace(document(3, true));
    stream.receive_until("event: retired\ndata: stable\n\n\r\n0\r\n\r\n");
    // The connection is good for more.
    stream
        .send("GET /checkout HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    assert_eq!(stream.receive().unwrap().body, "gray");
    events(&service, "gray");
}

pub fn sockets_echo_until_the_arm_is_another_one(example: Example) {
    let service = example.start_with(&document(1, true));
    let mut socket = socket(&service);
    assert_echoes(&mut socket);
    service.replace(document(2, true));
    service.wait_until_it_says("loaded version 2");
    assert_echoes(&mut socket);
    service.replace(document(3, false));
    assert_closes(&mut socket);
}

pub fn sigterm_ends_streams_and_sockets_at_once(example: Example) {
    let mut service = example.start_with(&document(1, true));
    let mut stream = events(&service, "gray");
    let mut socket = socket(&service);
    service.signal(Signal::TERM);
    stream.receive_until("event: retired\ndata: gray\n\n\r\n0\r\n\r\n");
    assert_closes(&mut socket);
    drop(socket);
    assert_eq!(service.wait_for_exit().code(), Some(0));
    let said = service.stdout();
    assert!(!said.contains("left what was not finished"), "{said}");
}
