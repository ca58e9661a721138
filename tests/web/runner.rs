//! Does what a case says, and compares.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fader::Source;

use crate::apps;
use crate::client::{Body, Connection, Fault, Head};
use crate::data::{self, Adapter, Case, Drain, Expect, Send, Step};
use crate::expect;
use crate::service::Service;
use crate::text::Kept;

/// How long what happens after a response may take: a sink is told, a request leaves its arm.
const SETTLING: Duration = Duration::from_secs(10);

/// Runs a file's cases on one adapter, and tells of all that fail.
pub(crate) fn run(file: &str, adapter: Adapter) {
    let mut failures = Vec::new();
    let cases = data::cases(file);
    for case in &cases {
        if case.only.as_ref().is_some_and(|it| it.adapter != adapter) {
            continue;
        }
        if let Err(failure) = run_case(case, adapter) {
            failures.push(format!("{}: {failure}", case.name));
        }
    }
    assert!(
        failures.is_empty(),
        "{file}, {adapter:?}: {} of {} cases fail\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}

fn run_case(case: &Case, adapter: Adapter) -> Result<(), String> {
    let service = Service::new(case);
    let server = apps::serve(adapter, &service);
    let mut run = Run {
        case,
        service: &service,
        server: server.address(),
        connections: BTreeMap::new(),
        kept: Kept::new(),
        drains: BTreeMap::new(),
    };
    for (at, step) in case.steps.iter().enumerate() {
        for _ in 0..step.times.unwrap_or(1) {
            run.step(step)
                .map_err(|failure| format!("step {at}: {failure}"))?;
        }
    }
    drop(run);
    // Nothing is left behind: not in flight, and not told to a sink that nobody asked.
    settled(|| match service.in_flight.arms() {
        arms if arms.iter().all(|(_, _, requests)| *requests == 0) => Ok(()),
        arms => Err(format!("at the end there are in flight {arms:?}")),
    })?;
    let watches = |asks: fn(&Step) -> bool| case.steps.iter().any(asks);
    if watches(|step| step.outcomes.is_some()) {
        expect::same("outcomes at the end", &service.outcomes(), &Vec::new())?;
    }
    if watches(|step| step.exposures.is_some()) {
        expect::same("exposures at the end", &service.exposures(), &Vec::new())?;
    }
    Ok(())
}

struct Run<'a> {
    case: &'a Case,
    service: &'a Service,
    server: SocketAddr,
    connections: BTreeMap<String, Exchange>,
    kept: Kept,
    drains: BTreeMap<String, JoinHandle<usize>>,
}

/// A connection, and what of its current response was read.
struct Exchange {
    connection: Connection,
    method: String,
    response: Option<(Head, Body)>,
}

impl Run<'_> {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        self.change(step)?;
        let mut exchange = match &step.on {
            Some(name) => self.connections.remove(name),
            None => None,
        }
        .unwrap_or_else(|| Exchange {
            connection: Connection::open(self.server),
            method: "GET".to_owned(),
            response: None,
        });
        if let Some(send) = &step.send {
            let (method, bytes) = self.request(send);
            exchange.method = method;
            exchange.response = None;
            exchange.connection.send(&bytes);
        }
        if let Some(text) = &step.write {
            exchange.connection.send(&text.bytes(&self.kept));
        }
        let answered = match &step.expect {
            Some(expected) => self.answer(&mut exchange, expected),
            None => Ok(()),
        };
        if let Some(name) = &step.on {
            self.connections.insert(name.clone(), exchange);
        }
        answered?;
        self.told(step)
    }

    fn change(&mut self, step: &Step) -> Result<(), String> {
        let flags = &self.service.flags;
        if let Some(document) = self.case.load(step) {
            flags
                .load(document.as_str(), &Source::new("document"))
                .map_err(|error| error.to_string())?;
        }
        if let Some(overlay) = self.case.step_overlay(step) {
            self.service.overlay(&overlay);
        }
        if let Some(millis) = step.sleep_ms {
            thread::sleep(Duration::from_millis(millis));
        }
        if let Some(name) = &step.disconnect {
            self.connections
                .remove(name)
                .ok_or("there is no such connection")?;
        }
        if let Some(drain) = &step.drain {
            self.drain(drain)?;
        }
        for (name, left) in &step.drained {
            let drain = self.drains.remove(name).ok_or("nothing drains so")?;
            expect::same("left", &drain.join().unwrap(), left)?;
        }
        Ok(())
    }

    fn drain(&mut self, drain: &Drain) -> Result<(), String> {
        let in_flight = self.service.in_flight.clone();
        let deadline = Duration::from_millis(drain.deadline_ms);
        let arm = drain.arm.clone();
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap();
            runtime.block_on(async {
                match arm.as_deref().and_then(|arm| arm.split_once(' ')) {
                    Some((flag, variant)) => in_flight.drain(flag, variant, deadline).await,
                    None => in_flight.drain_all(deadline).await,
                }
            })
        };
        match &drain.background {
            Some(name) => {
                self.drains.insert(name.clone(), thread::spawn(work));
                let in_flight = &self.service.in_flight;
                settled(|| match in_flight.is_draining() {
                    true => Ok(()),
                    false => Err("nothing drains".to_owned()),
                })
            }
            None => match drain.left {
                Some(left) => expect::same("left", &work(), &left),
                None => Err("a drain tells how many are left".to_owned()),
            },
        }
    }

    fn request(&self, send: &Send) -> (String, Vec<u8>) {
        let kept = &self.kept;
        let (method, path, headers, body) = match send {
            Send::Raw { raw } => {
                let bytes = raw.bytes(kept);
                let method = bytes.split(|byte| *byte == b' ').next().unwrap_or_default();
                return (String::from_utf8_lossy(method).into_owned(), bytes);
            }
            Send::Line(line) => {
                let (method, path) = line.split_once(' ').unwrap_or(("GET", line));
                (method, path.as_bytes().to_vec(), Vec::new(), None)
            }
            Send::Request {
                method,
                path,
                headers,
                body,
            } => {
                let lines = headers.iter().map(|line| line.bytes(kept)).collect();
                let method = method.as_deref().unwrap_or("GET");
                let body = body.as_ref().map(|body| body.bytes(kept));
                (method, path.bytes(kept), lines, body)
            }
        };
        let mut bytes = [method.as_bytes(), b" ", &path, b" HTTP/1.1\r\n"].concat();
        let has = |name: &str| {
            let starts = |line: &Vec<u8>| {
                let start = line.get(..name.len());
                start.is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
            };
            headers.iter().any(starts)
        };
        if !has("host:") {
            bytes.extend(b"host: test\r\n");
        }
        for line in &headers {
            bytes.extend([line, &b"\r\n"[..]].concat());
        }
        if let Some(body) = &body
            && !has("transfer-encoding:")
        {
            bytes.extend(format!("content-length: {}\r\n", body.len()).into_bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(body.unwrap_or_default());
        (method.to_owned(), bytes)
    }

    fn answer(&mut self, exchange: &mut Exchange, expected: &Expect) -> Result<(), String> {
        let expected = match expected {
            Expect::Response(expected) => expected,
            Expect::Body(_) => {
                let (head, body) = read(exchange, None, false).map_err(|it| it.to_string())?;
                return expect::plain(expected, head, body);
            }
        };
        let result = read(exchange, expected.until.as_deref(), expected.rest);
        match (result, expected.closed || expected.refused) {
            (Ok((head, body)), true) if expected.refused => {
                expect::response(expected, head, body, &self.kept)
            }
            (Err(Fault::Closed), true) => Ok(()),
            (Ok((head, _)), true) => Err(format!(
                "the connection should be closed, but there is a response of status {}",
                head.status
            )),
            (Ok((head, body)), false) => {
                expect::response(expected, head, body, &self.kept)?;
                expect::keep(expected, head, body, &mut self.kept)
            }
            (Err(fault), _) => Err(fault.to_string()),
        }
    }

    fn told(&self, step: &Step) -> Result<(), String> {
        for (arm, requests) in &step.in_flight {
            let (flag, variant) = arm.split_once(' ').unwrap_or((arm, ""));
            let count = || self.service.in_flight.count(flag, variant);
            settled(|| expect::same(&format!("in flight on {arm}"), &count(), requests))?;
        }
        if let Some(expected) = &step.outcomes {
            settled_list("outcomes", expected, || self.service.outcomes())?;
        }
        if let Some(expected) = &step.exposures {
            settled_list("exposures", expected, || self.service.exposures())?;
        }
        expect::distinct(&step.distinct, &self.kept)
    }
}

/// Reads the head where it was not read yet, and then the body as far as it is wanted.
fn read<'a>(
    exchange: &'a mut Exchange,
    until: Option<&str>,
    rest: bool,
) -> Result<(&'a Head, &'a Body), Fault> {
    let Exchange {
        connection,
        method,
        response,
    } = exchange;
    if !rest {
        let head = connection.head()?;
        let body = connection.body(&head, method);
        *response = Some((head, body));
    }
    let (head, body) = response.as_mut().expect("a response has begun");
    let is_there =
        |body: &Body| until.is_some_and(|text| String::from_utf8_lossy(&body.bytes).contains(text));
    while !body.is_complete && !is_there(body) {
        connection.read_piece(body)?;
    }
    Ok((head, body))
}

/// Tries until it holds.
fn settled(check: impl Fn() -> Result<(), String>) -> Result<(), String> {
    let start = Instant::now();
    loop {
        match check() {
            Err(_) if start.elapsed() < SETTLING => thread::sleep(Duration::from_millis(2)),
            result => return result,
        }
    }
}

/// Collects what is told until it is as much as was expected.
fn settled_list(
    what: &str,
    expected: &[String],
    take: impl Fn() -> Vec<String>,
) -> Result<(), String> {
    let mut told = Vec::new();
    let start = Instant::now();
    loop {
        told.extend(take());
        if told.len() >= expected.len() || start.elapsed() > SETTLING {
            break;
        }
        thread::sleep(Duration::from_millis(2));
    }
    told.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    expect::same(what, &told, &expected)
}
