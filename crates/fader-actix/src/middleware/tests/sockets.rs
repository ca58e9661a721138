//! What actix-web's server does with requests that do not end well, and what is told of them.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use actix_web::HttpServer;
use actix_web::dev::ServerHandle;
use actix_web::web::Bytes;
use futures_util::stream;

use super::*;

/// A server on a thread of its own, stopped when dropped.
struct Server {
    address: SocketAddr,
    handle: ServerHandle,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    fn start(drawn: &Drawn, half_closed: bool) -> Self {
        let routing = drawn.routing.clone();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, receiver) = mpsc::channel();
        let run = move || {
            let server = HttpServer::new(move || {
                App::new()
                    .route("/panic", web::get().to(panics))
                    .route("/sleep/{ms}", web::get().to(sleeps))
                    .route("/stream", web::get().to(streams))
                    .route("/upgrade", web::get().to(upgrades))
                    .route("/", web::get().to(|| async { "fine" }))
                    .wrap(FlagsMiddleware::new(routing.clone()).until_body_end())
            });
            let server = server
                .workers(2)
                .disable_signals()
                .h1_allow_half_closed(half_closed)
                .listen_auto_h2c(listener)
                .unwrap()
                .run();
            sender.send(server.handle()).unwrap();
            rt::System::new().block_on(server).unwrap();
        };
        let thread = thread::spawn(run);
        Self {
            address,
            handle: receiver.recv().unwrap(),
            thread: Some(thread),
        }
    }

    fn send(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let timeout = Some(Duration::from_secs(10));
        stream.set_read_timeout(timeout).unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        let stopped = self.thread.take().map(thread::JoinHandle::join);
        assert!(thread::panicking() || stopped.is_none_or(|stopped| stopped.is_ok()));
    }
}

async fn panics(scope: RequestScope) -> &'static str {
    ask(scope).await;
    panic!("on purpose")
}

async fn sleeps(scope: RequestScope, ms: web::Path<u64>) -> &'static str {
    ask(scope).await;
    rt::time::sleep(Duration::from_millis(*ms)).await;
    "slept"
}

async fn streams(scope: RequestScope) -> HttpResponse {
    ask(scope).await;
    let chunks = stream::unfold((), async |()| {
        rt::time::sleep(Duration::from_millis(5)).await;
        Some((Ok::<_, Error>(Bytes::from_static(&[b'x'; 1024])), ()))
    });
    HttpResponse::Ok().streaming(Box::pin(chunks))
}

/// Answers 101 and sends back what comes, in capitals, until the client is done. The scope is kept until then.
async fn upgrades(scope: RequestScope, payload: web::Payload) -> HttpResponse {
    ask(scope.clone()).await;
    let echo = futures_util::StreamExt::map(payload, move |chunk| {
        let _ = &scope;
        chunk.map(|chunk| Bytes::from(chunk.to_ascii_uppercase()))
    });
    HttpResponse::SwitchingProtocols()
        .insert_header(("upgrade", "websocket"))
        .streaming(echo)
}

fn read(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text
}

/// Waits until something is there.
fn wait<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(10));
        thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until a handler is at work.
fn wait_for_the_handler(drawn: &Drawn) {
    wait(|| (drawn.in_flight() == 1).then_some(()));
}

/// Waits for the outcome of one request, and until nothing of it is left.
fn ending(drawn: &Drawn) -> Ending {
    let ending = wait(|| drawn.endings().pop());
    wait(|| (drawn.in_flight() == 0).then_some(()));
    ending
}

#[test]
fn a_panic_closes_the_connection_and_the_worker_goes_on() {
    let drawn = Drawn::new();
    let server = Server::start(&drawn, true);
    for _ in 0..3 {
        assert_eq!(read(&mut server.send("/panic")), "");
        assert_eq!(ending(&drawn), Ending::Panic);
    }
    assert!(read(&mut server.send("/")).ends_with("fine"));
}

#[test]
fn a_connection_closed_on_one_side_is_served_on_unless_the_server_is_told_otherwise() {
    for (half_closed, expected) in [(true, Ending::Success), (false, Ending::Dropped)] {
        let drawn = Drawn::new();
        let server = Server::start(&drawn, half_closed);
        let mut stream = server.send("/sleep/200");
        stream.shutdown(Shutdown::Write).unwrap();
        let text = read(&mut stream);
        assert_eq!(text.ends_with("slept"), half_closed, "{text}");
        assert_eq!(ending(&drawn), expected);
    }
}

#[test]
fn a_connection_that_is_reset_drops_the_handler() {
    let drawn = Drawn::new();
    let server = Server::start(&drawn, true);
    let mut stream = TcpStream::connect(server.address).unwrap();
    let request = b"GET /sleep/60000 HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\n\r\n";
    stream.write_all(request).unwrap();
    wait_for_the_handler(&drawn);
    // The answer to `expect` is there and was not read, so the system resets the connection.
    assert!(stream.peek(&mut [0]).unwrap() > 0);
    drop(stream);
    assert_eq!(ending(&drawn), Ending::Dropped);
}

/// Begins HTTP/2 and sends a GET (RFC 9113, 3.4 and 6; RFC 7541, 6).
fn send_h2(server: &Server, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).unwrap();
    let timeout = Some(Duration::from_secs(10));
    stream.set_read_timeout(timeout).unwrap();
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .unwrap();
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
    // `:method: GET`, `:scheme: http`, and literals for `:path` and `:authority`.
    let length = u8::try_from(path.len()).unwrap();
    let mut headers = vec![0x82, 0x86, 0x04, length];
    headers.extend(path.bytes());
    headers.extend(b"\x01\x09localhost");
    let length = u8::try_from(headers.len()).unwrap();
    // The head ends with this frame, and so does the request.
    stream
        .write_all(&[0, 0, length, 1, 0x05, 0, 0, 0, 1])
        .unwrap();
    stream.write_all(&headers).unwrap();
    stream
}

#[test]
fn with_http_2_a_handler_runs_on_for_nobody() {
    let drawn = Drawn::new();
    let server = Server::start(&drawn, false);
    let stream = send_h2(&server, "/sleep/200");
    wait_for_the_handler(&drawn);
    let start = Instant::now();
    // What the server has sent was not read, so the system resets the connection.
    drop(stream);
    // The handler slept to its end, and its body was not taken.
    assert_eq!(ending(&drawn), Ending::Dropped);
    assert!(start.elapsed() > Duration::from_millis(100));
}

#[test]
fn with_http_2_a_panic_resets_the_stream() {
    let drawn = Drawn::new();
    let server = Server::start(&drawn, true);
    let mut stream = send_h2(&server, "/panic");
    let kind = loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).unwrap();
        let [high, middle, low, kind, _, _, _, _, number] = head;
        let length = u32::from_be_bytes([0, high, middle, low]);
        let mut rest = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut rest).unwrap();
        if number == 1 {
            break kind;
        }
    };
    // RST_STREAM
    assert_eq!(kind, 3);
    assert_eq!(ending(&drawn), Ending::Panic);
}

#[test]
fn a_stream_that_nobody_reads_any_more_is_dropped() {
    let drawn = Drawn::new();
    let server = Server::start(&drawn, true);
    let stream = server.send("/stream");
    wait_for_the_handler(&drawn);
    drop(stream);
    assert_eq!(ending(&drawn), Ending::Dropped);
}

#[test]
fn an_upgrade_ends_at_its_head_and_is_in_flight_while_its_stream_keeps_the_scope() {
    let drawn = Drawn::new();
    let server = Server::start(&drawn, true);
    let mut stream = TcpStream::connect(server.address).unwrap();
    let request = b"GET /upgrade HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    stream.write_all(request).unwrap();
    stream.write_all(b"ping").unwrap();
    let mut text = String::new();
    while !text.ends_with("PING") {
        let mut some = [0; 256];
        let read = stream.read(&mut some).unwrap();
        assert!(read > 0, "{text}");
        text.push_str(std::str::from_utf8(&some[..read]).unwrap());
    }
    assert!(text.starts_with("HTTP/1.1 101 "), "{text}");
    assert_eq!(drawn.endings(), [Ending::Informational]);
    assert_eq!(drawn.in_flight(), 1);
    drop(stream);
    wait(|| (drawn.in_flight() == 0).then_some(()));
    assert!(drawn.endings().is_empty());
}
