//! A client over a plain socket: it sends any bytes, and reads what HTTP/1.1 answers.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take; nothing in the data takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// One connection. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// What came and was not read yet.
    buffer: Vec<u8>,
}

/// The head of a response.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
}

/// Names in lower case, in the order of the lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Headers(Vec<(String, String)>);

/// A body while it comes.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    pub(crate) trailers: Headers,
    framing: Framing,
    pub(crate) is_complete: bool,
}

#[derive(Debug)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

/// Why there is no more to read.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The server closed the connection too early.
    Closed,
    TimedOut,
    Malformed(String),
}

type Result<T> = std::result::Result<T, Fault>;

impl Connection {
    pub(crate) fn open(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Sends bytes. A server that refuses a request may close before it has read all of it; what it answered counts.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let sent = self.stream.write_all(bytes);
        if let Err(error) = sent {
            let refused = matches!(
                error.kind(),
                ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
            );
            assert!(refused, "sending: {error}");
        }
    }

    pub(crate) fn head(&mut self) -> Result<Head> {
        let line = self.line()?;
        let status = line
            .strip_prefix("HTTP/1.1 ")
            .or_else(|| line.strip_prefix("HTTP/1.0 "))
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .ok_or_else(|| Fault::Malformed(line.clone()))?;
        let headers = self.header_lines()?;
        Ok(Head { status, headers })
    }

    /// Starts the body of a response to a request of that method.
    pub(crate) fn body(&self, head: &Head, method: &str) -> Body {
        let length = head.headers.first("content-length");
        let framing = if method == "HEAD" || matches!(head.status, 204 | 304) {
            Framing::Length(0)
        } else if head.status == 101 {
            Framing::UntilClose
        } else if head.headers.first("transfer-encoding") == Some("chunked") {
            Framing::Chunked
        } else {
            match length.map(|text| text.parse().expect("a length")) {
                Some(length) => Framing::Length(length),
                None => Framing::UntilClose,
            }
        };
        Body {
            bytes: Vec::new(),
            trailers: Headers::default(),
            is_complete: matches!(framing, Framing::Length(0)),
            framing,
        }
    }

    /// Reads the next piece of a body.
    pub(crate) fn read_piece(&mut self, body: &mut Body) -> Result<()> {
        match body.framing {
            Framing::Length(length) => {
                self.fill()?;
                let missing = length - body.bytes.len();
                let take = missing.min(self.buffer.len());
                body.bytes.extend(self.buffer.drain(..take));
                body.is_complete = take == missing;
            }
            Framing::Chunked => {
                let line = self.line()?;
                let length = usize::from_str_radix(line.trim(), 16)
                    .map_err(|_| Fault::Malformed(line.clone()))?;
                if length == 0 {
                    body.trailers = self.header_lines()?;
                    body.is_complete = true;
                    return Ok(());
                }
                while self.buffer.len() < length + 2 {
                    self.receive()?;
                }
                body.bytes.extend(self.buffer.drain(..length));
                self.buffer.drain(..2);
            }
            Framing::UntilClose => match self.fill() {
                Ok(()) => body.bytes.append(&mut self.buffer),
                Err(Fault::Closed) => body.is_complete = true,
                Err(fault) => return Err(fault),
            },
        }
        Ok(())
    }

    fn header_lines(&mut self) -> Result<Headers> {
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(Headers(headers));
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| Fault::Malformed(line.clone()))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn line(&mut self) -> Result<String> {
        let end = loop {
            match self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                Some(end) => break end,
                None => self.receive()?,
            }
        };
        let line: Vec<u8> = self.buffer.drain(..end + 2).take(end).collect();
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// Waits for bytes if there are none.
    fn fill(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            self.receive()?;
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<()> {
        let mut bytes = [0; 16_384];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(Fault::Closed),
                Ok(count) => {
                    self.buffer.extend(&bytes[..count]);
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::from(&error)),
            }
        }
    }
}

impl From<&io::Error> for Fault {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Self::TimedOut,
            _ => Self::Closed,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection was closed"),
            Self::TimedOut => f.write_str("no answer came"),
            Self::Malformed(line) => write!(f, "no HTTP: `{line}`"),
        }
    }
}

impl Headers {
    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        let first = self.0.iter().find(|(each, _)| each == name);
        first.map(|(_, value)| value.as_str())
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(each, _)| each == name);
        named.map(|(_, value)| value.as_str())
    }
}
