//! What the handlers of the service answer, as far as they name no framework.

use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use fader::{Attributes, Ending, Outcome, ValueRef};
use fader_web::PinnedScope;
use futures_util::stream::{self, Stream};
use serde_json::json;

use crate::service::{NEW_CHECKOUT, Shared};

/// What `/finish` tells by hand.
pub(crate) const BY_HAND: Ending = Ending::ClientError;

/// A request, as far as a handler needs it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// Without the slash at its start and the prefix that chose the handler.
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) gray: Option<String>,
    pub(crate) body: Bytes,
}

/// What a handler answers.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: ReplyBody,
}

pub(crate) enum ReplyBody {
    Whole(Bytes),
    Stream(Pieces),
}

pub(crate) type Pieces = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

impl Reply {
    fn text(text: impl Into<Bytes>) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: ReplyBody::Whole(text.into()),
        }
    }

    fn stream(pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: ReplyBody::Stream(Box::pin(pieces)),
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Call {
    /// Strips the prefixes that chose a handler with arms.
    pub(crate) fn new(method: &str, path: &str, query: Option<&str>, body: Bytes) -> Self {
        let prefixes = ["/arm/", "/fallback/"];
        let path = prefixes
            .iter()
            .find_map(|prefix| path.strip_prefix(prefix))
            .unwrap_or(path);
        Self {
            method: method.to_owned(),
            path: path.trim_start_matches('/').to_owned(),
            query: query.unwrap_or_default().to_owned(),
            gray: None,
            body,
        }
    }

    /// The value of a parameter of the query, as it came.
    fn param(&self, name: &str) -> Option<&str> {
        let pairs = self
            .query
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        pairs
            .into_iter()
            .find(|(key, _)| *key == name)
            .map(|it| it.1)
    }

    fn number(&self, name: &str) -> u64 {
        self.param(name).map_or(0, |text| text.parse().unwrap())
    }

    async fn wait(&self) {
        tokio::time::sleep(Duration::from_millis(self.number("ms"))).await;
    }
}

/// Answers as gray code: it may be made to fail.
pub(crate) async fn gray(shared: &Shared, scope: &PinnedScope, call: Call) -> Reply {
    let runs = shared.gray_runs.fetch_add(1, Ordering::SeqCst) + 1;
    match call.gray.as_deref() {
        Some("panic") => panic!("the gray arm panics"),
        Some("hang") => std::future::pending().await,
        Some("late panic") => {
            tokio::time::sleep(Duration::from_millis(20)).await;
            panic!("the gray arm panics late");
        }
        Some("500") => {
            let mut reply = Reply::text("gray error");
            reply.status = 500;
            return reply.header("x-arm", "gray");
        }
        _ => {}
    }
    answer(scope, call)
        .await
        .header("x-arm", "gray")
        .header("x-gray-runs", &runs.to_string())
}

pub(crate) async fn stable(shared: &Shared, scope: &PinnedScope, call: Call) -> Reply {
    let runs = shared.gray_runs.load(Ordering::SeqCst);
    answer(scope, call)
        .await
        .header("x-arm", "stable")
        .header("x-gray-runs", &runs.to_string())
}

/// Answers by the path: the handlers that need nothing of a framework.
pub(crate) async fn answer(scope: &PinnedScope, call: Call) -> Reply {
    let scope = scope.clone();
    match call.param("read") {
        Some("new-checkout") => {
            scope.enter(&NEW_CHECKOUT);
        }
        Some(flag) => {
            let _ = scope.resolve(flag);
        }
        None => {}
    }
    let (route, rest) = call.path.split_once('/').unwrap_or((&call.path, ""));
    match route {
        "resolve" => Reply::text(resolution(&scope, rest)),
        "status" => status(rest, &call),
        "body" => Reply::text("a body"),
        "echo" => {
            let body = String::from_utf8_lossy(&call.body);
            Reply::text(format!("{} {} {body}", call.method, body.len()))
        }
        "slow" => {
            call.wait().await;
            Reply::text("slow")
        }
        "hang" => std::future::pending().await,
        "panic" => panic!("the handler panics"),
        "report" => {
            scope.report("checkout_failed");
            Reply::text("reported")
        }
        "finish" => {
            let first = scope.finish(Outcome::new(BY_HAND));
            let second = scope.finish(Outcome::new(Ending::Success));
            Reply::text(format!("{first} {second}"))
        }
        "identify" => Reply::text(identified(&scope, &call)),
        "grpc-head" => Reply::text("")
            .header("content-type", "application/grpc")
            .header("grpc-status", call.param("status").unwrap_or("0")),
        "stream" | "abort-stream" | "panic-stream" => streamed(scope, call),
        "late" => late(scope, call),
        "sse" => events(scope),
        _ => Reply::text(all_attributes(&scope)),
    }
}

/// The status in the path, with headers by parameters: `cache` is `cache-control`.
fn status(status: &str, call: &Call) -> Reply {
    let mut reply = Reply::text(if status.starts_with('3') || status == "204" {
        ""
    } else {
        "status"
    });
    reply.status = status.parse().unwrap();
    let names = [
        ("cache", "cache-control"),
        ("vary", "vary"),
        ("x-fader", "x-fader"),
        ("set-cookie", "set-cookie"),
    ];
    for (param, name) in names {
        if let Some(value) = call.param(param) {
            reply = reply.header(name, &value.replace('+', " "));
        }
    }
    reply
}

pub(crate) fn resolution(scope: &PinnedScope, flag: &str) -> String {
    let resolution = scope.resolve(flag);
    json!({
        "variant": resolution.variant(),
        "reason": resolution.reason().as_str(),
        "rule": resolution.rule(),
    })
    .to_string()
}

pub(crate) fn variant(scope: &PinnedScope) -> &'static str {
    if *scope.get(&NEW_CHECKOUT) {
        "on"
    } else {
        "off"
    }
}

/// The attributes that rules want and the request has.
fn all_attributes(scope: &PinnedScope) -> String {
    let wanted = scope.snapshot().wanted();
    let attributes = scope.attributes();
    let found = wanted.iter().filter_map(|name| {
        let text = match attributes.get(name)? {
            ValueRef::Untyped(text) | ValueRef::Text(text) => text.to_owned(),
            other => format!("{other:?}"),
        };
        Some((name.as_str().to_owned(), text.into()))
    });
    serde_json::Value::Object(found.collect()).to_string()
}

/// Identifies a user as often as parameters say so, and then tells what a flag answers.
fn identified(scope: &PinnedScope, call: &Call) -> String {
    let mut text = String::new();
    for param in ["user", "again"] {
        if let Some(user) = call.param(param) {
            text += match scope.identify("user.id", user) {
                Ok(()) => "ok ",
                Err(_) => "refused ",
            };
        }
    }
    text + variant(scope)
}

/// Pieces of a stream, some milliseconds apart, and perhaps a bad end.
fn streamed(scope: PinnedScope, call: Call) -> Reply {
    let pieces = call.number("pieces");
    let pieces = stream::unfold((0, scope, call), move |(number, scope, call)| async move {
        call.wait().await;
        if number < pieces {
            let piece = Ok(Bytes::from(format!("piece {number}\n")));
            return Some((piece, (number + 1, scope, call)));
        }
        if number > pieces || !call.path.contains('-') {
            return None;
        }
        if call.path.contains("panic") {
            panic!("the body panics");
        }
        let broken = Err(io::Error::other("the body breaks off"));
        Some((broken, (number + 1, scope, call)))
    });
    Reply::stream(pieces)
}

/// Asks for a flag when the head is long gone.
fn late(scope: PinnedScope, call: Call) -> Reply {
    Reply::stream(stream::unfold(0, move |number| {
        let (scope, millis) = (scope.clone(), call.number("ms"));
        async move {
            if number == 0 {
                return Some((Ok(Bytes::from_static(b"head ")), 1));
            }
            tokio::time::sleep(Duration::from_millis(millis)).await;
            (number == 1).then(|| (Ok(Bytes::from(variant(&scope))), 2))
        }
    }))
}

/// Server-sent events: the variant, and a last one when the scope is retired.
fn events(scope: PinnedScope) -> Reply {
    let first = format!("data: {}\n\n", variant(&scope));
    scope.enter(&NEW_CHECKOUT);
    let pieces = stream::unfold((Some(first), Some(scope)), |(first, scope)| async move {
        match first {
            Some(first) => Some((Ok(Bytes::from(first)), (None, scope))),
            None => {
                let scope = scope?;
                scope.retired().await;
                Some((Ok(Bytes::from("data: retired\n\n")), (None, None)))
            }
        }
    });
    Reply::stream(pieces).header("content-type", "text/event-stream")
}
