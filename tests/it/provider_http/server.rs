//! A server that misbehaves on demand: bytes, pauses and cuts, on threads and raw TCP.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What a client asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// With its query.
    pub path: String,
    headers: BTreeMap<String, String>,
}

impl Request {
    /// A header, or an empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value)
    }
}

/// One step of an answer.
#[derive(Clone, Debug)]
enum Step {
    Send(Vec<u8>),
    Wait(Duration),
    /// Says nothing more, for as long as the client stays.
    Hang,
    /// Ends the connection by a reset, not by an end.
    Reset,
}

/// An answer, as the steps that it is sent in; the connection ends with it.
#[derive(Clone, Debug, Default)]
pub struct Answer(Vec<Step>);

impl Answer {
    /// A whole answer.
    pub fn new(status: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let length = body.as_ref().len().to_string();
        let headers = [headers, &[("content-length", &length)]].concat();
        Self::head(status, &headers).send(body)
    }

    /// The head of an answer, without a length.
    pub fn head(status: &str, headers: &[(&str, &str)]) -> Self {
        let mut head = format!("HTTP/1.1 {status}\r\nconnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        Self::default().send(head + "\r\n")
    }

    pub fn json(body: impl AsRef<[u8]>) -> Self {
        Self::new("200 OK", &[("content-type", "application/json")], body)
    }

    /// A document or a list with a tag, or 304 to who has it already.
    pub fn tagged(request: &Request, etag: &str, body: impl AsRef<[u8]>) -> Self {
        if request.header("if-none-match") == etag {
            return Self::new("304 Not Modified", &[("etag", etag)], "");
        }
        Self::new("200 OK", &[("etag", etag)], body)
    }

    pub fn status(status: &str) -> Self {
        Self::new(status, &[], "")
    }

    pub fn redirect(location: &str) -> Self {
        Self::new("302 Found", &[("location", location)], "")
    }

    pub fn send(mut self, bytes: impl AsRef<[u8]>) -> Self {
        if !bytes.as_ref().is_empty() {
            self.0.push(Step::Send(bytes.as_ref().to_vec()));
        }
        self
    }

    /// One chunk of a body in chunks; an empty one ends it.
    pub fn chunk(self, bytes: &str) -> Self {
        self.send(format!("{:x}\r\n{bytes}\r\n", bytes.len()))
    }

    pub fn wait(mut self, pause: Duration) -> Self {
        self.0.push(Step::Wait(pause));
        self
    }

    /// The same answer, later.
    pub fn after(mut self, pause: Duration) -> Self {
        self.0.insert(0, Step::Wait(pause));
        self
    }

    pub fn hang(mut self) -> Self {
        self.0.push(Step::Hang);
        self
    }

    pub fn reset(mut self) -> Self {
        self.0.push(Step::Reset);
        self
    }
}

type Script = dyn Fn(&Request) -> Answer + Send + Sync;

struct Shared {
    script: RwLock<Arc<Script>>,
    requests: Mutex<Vec<Request>>,
    tls: Option<Arc<ServerConfig>>,
    stopped: AtomicBool,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
    left: AtomicUsize,
}

/// A server at an address of its own. It stops when it is dropped.
pub struct Server {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<thread::JoinHandle<()>>,
}

impl Server {
    pub fn new(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        Self::at(nobodys_address(), script)
    }

    pub fn at(
        address: SocketAddr,
        script: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::start(address, None, Arc::new(script))
    }

    pub fn with_tls(
        tls: ServerConfig,
        script: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::with_tls_at(nobodys_address(), tls, script)
    }

    pub fn with_tls_at(
        address: SocketAddr,
        tls: ServerConfig,
        script: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::start(address, Some(Arc::new(tls)), Arc::new(script))
    }

    fn start(address: SocketAddr, tls: Option<Arc<ServerConfig>>, script: Arc<Script>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: RwLock::new(script),
            requests: Mutex::default(),
            tls,
            stopped: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
            left: AtomicUsize::new(0),
        });
        let accepting = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                for stream in listener.incoming() {
                    if shared.stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    let shared = Arc::clone(&shared);
                    if let Ok(stream) = stream {
                        thread::spawn(move || shared.serve(stream));
                    }
                }
            })
        };
        Self {
            address,
            shared,
            accepting: Some(accepting),
        }
    }

    pub fn url(&self, path: &str) -> String {
        let scheme = if self.shared.tls.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}{path}", self.address)
    }

    /// Answers otherwise from now on.
    pub fn now(&self, script: impl Fn(&Request) -> Answer + Send + Sync + 'static) {
        *self.shared.script.write().unwrap() = Arc::new(script);
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.shared.requests.lock().unwrap().len()
    }

    pub fn most_in_flight(&self) -> usize {
        self.shared.most_in_flight.load(Ordering::SeqCst)
    }

    /// How many clients left while they were kept waiting.
    pub fn left(&self) -> usize {
        self.shared.left.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

/// An address that no other test takes, also after a server there has stopped.
pub fn nobodys_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    if !cfg!(target_os = "linux") {
        return SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    }
    // Processes have different numbers, and there are a few million addresses.
    let number = std::process::id().wrapping_mul(64) + NEXT.fetch_add(1, Ordering::SeqCst);
    let [_, a, b, c] = number.to_be_bytes();
    let host = Ipv4Addr::new(127, a, b, c.clamp(1, 254));
    let listener = TcpListener::bind((host, 0)).unwrap();
    listener.local_addr().unwrap()
}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        match &self.tls {
            None => {
                // It stays unread until it is known that the connection is not to end by a reset, which is what ending
                // it with something unread does.
                let Some(request) = peek(&stream) else { return };
                self.answer(&request, &stream, stream.try_clone().unwrap());
            }
            Some(tls) => {
                let connection = ServerConnection::new(Arc::clone(tls)).unwrap();
                let mut secure = StreamOwned::new(connection, stream.try_clone().unwrap());
                let Some(request) = read(&mut secure) else {
                    return;
                };
                self.answer(&request, &stream, &mut secure);
                secure.conn.send_close_notify();
                let _ = secure.flush();
            }
        }
    }

    fn answer(&self, request: &Request, stream: &TcpStream, mut to: impl Write) {
        self.requests.lock().unwrap().push(request.clone());
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_flight.fetch_max(now, Ordering::SeqCst);
        let script = Arc::clone(&self.script.read().unwrap());
        let Answer(steps) = script(request);
        let resets = steps.iter().any(|step| matches!(step, Step::Reset));
        if !resets && self.tls.is_none() {
            let _ = read(&mut &*stream);
        }
        let last = steps.len().saturating_sub(1);
        let mut ends = Some(|| self.in_flight.fetch_sub(1, Ordering::SeqCst));
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Send(bytes) => {
                    // Who has the last byte may ask again before we get to count.
                    if number == last {
                        ends.take().map(|ends| ends());
                    }
                    if to.write_all(&bytes).and_then(|()| to.flush()).is_err() {
                        self.left.fetch_add(1, Ordering::SeqCst);
                        break;
                    }
                }
                Step::Wait(pause) => thread::sleep(pause),
                Step::Hang => {
                    // Nothing comes from a client that waits, and an end from one that has left.
                    let _ = (&*stream).read(&mut [0]);
                    self.left.fetch_add(1, Ordering::SeqCst);
                }
                Step::Reset => break,
            }
        }
        ends.map(|ends| ends());
    }
}

fn peek(stream: &TcpStream) -> Option<Request> {
    let mut head = vec![0; 64 << 10];
    loop {
        let length = stream.peek(&mut head).ok().filter(|length| *length > 0)?;
        if let Some(request) = parse(&head[..length]) {
            return Some(request);
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn read(stream: &mut impl Read) -> Option<Request> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    loop {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
        if let Some(request) = parse(&head) {
            return Some(request);
        }
    }
}

fn parse(head: &[u8]) -> Option<Request> {
    let text = std::str::from_utf8(head).unwrap();
    let (head, _) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    Some(Request {
        path,
        headers: headers.collect(),
    })
}
