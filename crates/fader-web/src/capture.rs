//! The attributes of a request: only those that the rules can ask for, copied once.
//!
//! A request is gone when the handler has taken its body, a scope lives on, so the attributes are owned. Copying all
//! headers would cost more than the evaluation; the ruleset knows which names its rules can ask, and mostly these are
//! few. Names and texts lie one behind the other in one buffer: no attribute is allocated by itself.

use std::fmt::{self, Write as _};
use std::ops::Range;

use fader::{AttributeName, Attributes, Snapshot, Value, ValueRef};

use crate::view::RequestView;

const HEADER_PREFIX: &str = "request.header.";

/// Collects the attributes of one request, as far as a snapshot's rules can ask for them.
///
/// It starts with what the request itself answers (see the [crate's page](crate)); the service adds its own.
pub struct Capture<'a> {
    snapshot: &'a Snapshot,
    request: &'a dyn RequestView,
    attributes: RequestAttributes,
}

impl<'a> Capture<'a> {
    /// Captures what the request answers itself.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot, request: &'a dyn RequestView) -> Self {
        let mut attributes = RequestAttributes::default();
        for name in snapshot.wanted() {
            attributes.capture(name, request);
        }
        Self {
            snapshot,
            request,
            attributes,
        }
    }

    /// Returns the first header of that name, whatever its case; `None` where it is absent, empty or not UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        text_header(self.request, name)
    }

    /// Tells whether a rule can ask for the attribute. What no rule asks for is not kept, so a costly value need not
    /// be worked out.
    #[must_use]
    pub fn is_wanted(&self, name: &str) -> bool {
        let name = AttributeName::new(name);
        self.snapshot.wanted().any(|wanted| wanted == name)
    }

    /// Sets an attribute, replacing an earlier one of the same name, also one of the request itself: a service behind
    /// a proxy that it trusts sets `client.ip` so.
    ///
    /// Text set so is a string and is never compared with a number; for text that came with the request use
    /// [`Capture::set_untyped`].
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        if self.is_wanted(name) {
            self.attributes
                .set(AttributeName::new(name), Stored::Value(value.into()));
        }
    }

    /// Sets an attribute to text that came with the request and has no type of its own: numeric, date and version
    /// operators parse it. It replaces an earlier one of the same name.
    pub fn set_untyped(&mut self, name: &str, text: &str) {
        if self.is_wanted(name) {
            self.attributes.set_untyped(AttributeName::new(name), text);
        }
    }

    /// Returns what was captured.
    #[must_use]
    pub fn finish(self) -> RequestAttributes {
        self.attributes
    }
}

impl fmt::Debug for Capture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture")
            .field("attributes", &self.attributes)
            .finish_non_exhaustive()
    }
}

/// The attributes of one request that a snapshot's rules can ask for; all others are missing.
///
/// Its `Debug` form has the names alone: what a request says of a person is not for logs.
#[derive(Clone, Default)]
pub struct RequestAttributes {
    /// Names and untyped texts, one behind the other.
    buffer: String,
    entries: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    hash: u64,
    name: Range<usize>,
    value: Stored,
}

#[derive(Clone)]
enum Stored {
    /// Untyped text, in the buffer.
    Untyped(Range<usize>),
    Value(Value),
}

impl RequestAttributes {
    fn capture(&mut self, name: AttributeName<'_>, request: &dyn RequestView) {
        match name.as_str() {
            "request.method" => self.set_untyped(name, request.method()),
            "request.path" => self.set_untyped(name, request.path()),
            "request.host" => {
                if let Some(host) = host(request) {
                    self.set_written(name, |buffer| {
                        let start = buffer.len();
                        buffer.push_str(host);
                        if let Some(host) = buffer.get_mut(start..) {
                            host.make_ascii_lowercase();
                        }
                    });
                }
            }
            "client.ip" => {
                if let Some(peer) = request.peer() {
                    let peer = peer.to_canonical();
                    // Writing to a `String` never fails.
                    self.set_written(name, |buffer| {
                        let _ = write!(buffer, "{peer}");
                    });
                }
            }
            other => {
                let header = other.strip_prefix(HEADER_PREFIX);
                if let Some(text) = header.and_then(|header| text_header(request, header)) {
                    self.set_untyped(name, text);
                }
            }
        }
    }

    fn set_untyped(&mut self, name: AttributeName<'_>, text: &str) {
        self.set_written(name, |buffer| buffer.push_str(text));
    }

    /// Sets an attribute to the text that `write` appends to the buffer.
    fn set_written(&mut self, name: AttributeName<'_>, write: impl FnOnce(&mut String)) {
        let start = self.buffer.len();
        write(&mut self.buffer);
        self.set(name, Stored::Untyped(start..self.buffer.len()));
    }

    fn set(&mut self, name: AttributeName<'_>, value: Stored) {
        if let Some(at) = self.position(name) {
            if let Some(entry) = self.entries.get_mut(at) {
                entry.value = value;
            }
            return;
        }
        let entry = Entry {
            hash: name.hash(),
            name: self.keep(name.as_str()),
            value,
        };
        self.entries.push(entry);
    }

    /// Puts text into the buffer and returns its place.
    fn keep(&mut self, text: &str) -> Range<usize> {
        let start = self.buffer.len();
        self.buffer.push_str(text);
        start..self.buffer.len()
    }

    fn name(&self, entry: &Entry) -> Option<&str> {
        self.buffer.get(entry.name.clone())
    }

    fn position(&self, name: AttributeName<'_>) -> Option<usize> {
        self.entries
            .iter()
            .position(|entry| entry.hash == name.hash() && self.name(entry) == Some(name.as_str()))
    }
}

impl Attributes for RequestAttributes {
    fn get(&self, name: AttributeName<'_>) -> Option<ValueRef<'_>> {
        match &self.entries.get(self.position(name)?)?.value {
            Stored::Untyped(text) => self.buffer.get(text.clone()).map(ValueRef::Untyped),
            Stored::Value(value) => Some(value.as_ref()),
        }
    }
}

impl fmt::Debug for RequestAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.entries.iter().filter_map(|entry| self.name(entry)))
            .finish()
    }
}

fn text_header<'a>(request: &'a dyn RequestView, name: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(request.header(name)?).ok()?;
    (!text.is_empty()).then_some(text)
}

/// Returns the host that the request was sent to, without user information and port.
fn host(request: &dyn RequestView) -> Option<&str> {
    let authority = request
        .authority()
        .or_else(|| text_header(request, "host"))?;
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    };
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests;
