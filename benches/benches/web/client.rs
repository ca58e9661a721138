//! Sends requests over connections that are kept, one at a time on each, and holds every answer to what it has to be.
//!
//! It has no runtime and never sleeps: what sends must be cheaper than what answers, and waking a client that sleeps is
//! CPU time of the server's, more of it the longer the server takes.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

/// How long an answer may take before the server counts as stuck.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request, and what the body of its answer has to be.
pub struct Ask {
    pub request: Vec<u8>,
    pub answer: &'static str,
}

/// Connections to one server.
pub struct Client<'a> {
    connections: Vec<Connection>,
    /// They are asked in turn.
    asks: std::iter::Cycle<std::slice::Iter<'a, Ask>>,
}

impl<'a> Client<'a> {
    pub fn connect(
        address: SocketAddr,
        connections: usize,
        asks: &'a [Ask],
    ) -> anyhow::Result<Self> {
        let connections = (0..connections).map(|_| Connection::new(address));
        Ok(Self {
            connections: connections.collect::<anyhow::Result<_>>()?,
            asks: asks.iter().cycle(),
        })
    }

    /// Sends so many requests as fast as they are answered: each connection has always one on its way.
    pub fn flood(&mut self, count: usize) -> anyhow::Result<Duration> {
        let (start, width) = (Instant::now(), self.connections.len());
        for turn in 0..count + width {
            let connection = &mut self.connections[turn % width];
            if turn >= width {
                let waits = Instant::now();
                while !connection.receive()? {
                    ensure!(waits.elapsed() < PATIENCE, "the server does not answer");
                }
            }
            if turn < count {
                connection.send(self.asks.next().context("there are some")?)?;
            }
        }
        Ok(start.elapsed())
    }

    /// Sends each request when it is due, whatever has been answered. Returns the latencies, each from when it was due:
    /// one that has to wait for a connection waits on the clock.
    pub fn keep_to(&mut self, schedule: &[Duration]) -> anyhow::Result<Vec<Duration>> {
        let mut idle: VecDeque<&mut Connection> = self.connections.iter_mut().collect();
        let mut busy: Vec<(&mut Connection, Duration)> = Vec::with_capacity(idle.len());
        let mut due = schedule.iter().copied().peekable();
        let mut latencies = Vec::with_capacity(schedule.len());
        let (start, mut last) = (Instant::now(), Duration::ZERO);
        while latencies.len() < schedule.len() {
            let now = start.elapsed();
            while let Some(due) = due.next_if(|due| *due <= now && !idle.is_empty()) {
                let connection = idle.pop_front().context("one is idle")?;
                connection.send(self.asks.next().context("there are some")?)?;
                busy.push((connection, due));
            }
            let mut at = 0;
            while at < busy.len() {
                if !busy[at].0.receive()? {
                    at += 1;
                    continue;
                }
                let (connection, due) = busy.remove(at);
                last = start.elapsed();
                latencies.push(last - due);
                idle.push_back(connection);
            }
            let is_stuck = !busy.is_empty() && now.saturating_sub(last) > PATIENCE;
            ensure!(!is_stuck, "the server does not answer");
        }
        Ok(latencies)
    }
}

struct Connection {
    stream: TcpStream,
    buffer: [u8; 1_024],
    filled: usize,
    /// The bytes of an answer; all are as long.
    length: Option<usize>,
    answer: &'static str,
}

impl Connection {
    fn new(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).context("cannot connect")?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            buffer: [0; 1_024],
            filled: 0,
            length: None,
            answer: "",
        })
    }

    fn send(&mut self, ask: &Ask) -> anyhow::Result<()> {
        self.filled = 0;
        self.answer = ask.answer;
        // It fits into the socket's buffer, which is empty.
        self.stream
            .write_all(&ask.request)
            .context("cannot send a request")
    }

    /// Reads what is there. Returns whether the answer is complete, and fails where it is wrong.
    fn receive(&mut self) -> anyhow::Result<bool> {
        match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => bail!("the server has closed a connection"),
            Ok(read) => self.filled += read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error).context("cannot read an answer"),
        }
        let got = &self.buffer[..self.filled];
        let length = match self.length {
            Some(length) => length,
            None => match length(got)? {
                Some(length) => *self.length.insert(length),
                None => return Ok(false),
            },
        };
        if got.len() < length {
            return Ok(false);
        }
        let is_right = got.len() == length
            && got.starts_with(b"HTTP/1.1 200")
            && got.ends_with(self.answer.as_bytes());
        ensure!(
            is_right,
            "an answer is not `{}` but:\n{}",
            self.answer,
            String::from_utf8_lossy(got)
        );
        Ok(true)
    }
}

/// Reads how long an answer is, head and body, once its head is there.
fn length(got: &[u8]) -> anyhow::Result<Option<usize>> {
    let text = std::str::from_utf8(got)?;
    let Some(end) = text.find("\r\n\r\n") else {
        return Ok(None);
    };
    let fields = text[..end].lines().filter_map(|line| line.split_once(": "));
    let body = fields
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .find_map(|(_, value)| value.parse::<usize>().ok());
    Ok(Some(end + 4 + body.context("an answer has no length")?))
}
