//! The attributes of a request: only those that the rules can ask for, copied once.
//!
//! A request is gone when the handler has taken its body, a scope lives on, so the attributes are owned. Copying all
//! headers would cost more than the evaluation; the ruleset knows which names its rules can ask, and mostly these are
//! few. So they lie within the scope itself, names and texts one behind the other, and a request with more than
//! [`ENTRIES`] of them or [`TEXT`] bytes of text pays with an allocation.

use std::fmt::{self, Write as _};

use arrayvec::{ArrayString, ArrayVec};
use fader::{AttributeName, Attributes, Snapshot, Value, ValueRef};

use crate::view::RequestView;

/// Attributes that need no allocation.
const ENTRIES: usize = 8;
/// Bytes of names and texts that need no allocation.
const TEXT: usize = 192;

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
        self.wanted(name).is_some()
    }

    /// Sets an attribute, replacing an earlier one of the same name, also one of the request itself: a service behind
    /// a proxy that it trusts sets `client.ip` so.
    ///
    /// Text set so is a string and is never compared with a number; for text that came with the request use
    /// [`Capture::set_untyped`].
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        if let Some(name) = self.wanted(name) {
            let value = match value.into() {
                Value::Bool(value) => Some(Stored::Bool(value)),
                Value::Integer(value) => Some(Stored::Integer(value)),
                Value::Float(value) => Some(Stored::Float(value)),
                Value::Text(text) => self.attributes.texts.keep(&text).map(Stored::Text),
                Value::Untyped(text) => self.attributes.texts.keep(&text).map(Stored::Untyped),
                other => Some(Stored::Other(Box::new(other))),
            };
            self.attributes.set(name, value);
        }
    }

    /// Sets an attribute to text that came with the request and has no type of its own: numeric, date and version
    /// operators parse it. It replaces an earlier one of the same name.
    pub fn set_untyped(&mut self, name: &str, text: &str) {
        if let Some(name) = self.wanted(name) {
            self.attributes.set_untyped(name, text);
        }
    }

    /// Finds a name among those that the rules can ask for.
    fn wanted(&self, name: &str) -> Option<AttributeName<'a>> {
        let name = AttributeName::new(name);
        self.snapshot.wanted().find(|wanted| *wanted == name)
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
    few: ArrayVec<Entry, ENTRIES>,
    /// Those beyond.
    more: Vec<Entry>,
    texts: Texts,
}

#[derive(Clone)]
struct Entry {
    hash: u64,
    name: Place,
    value: Stored,
}

#[derive(Clone)]
enum Stored {
    Untyped(Place),
    Text(Place),
    Bool(bool),
    Integer(i64),
    Float(f64),
    Other(Box<Value>),
}

impl RequestAttributes {
    fn capture(&mut self, name: AttributeName<'_>, request: &dyn RequestView) {
        match name.as_str() {
            "request.method" => self.set_untyped(name, request.method()),
            "request.path" => self.set_untyped(name, request.path()),
            "request.host" => {
                if let Some(host) = host(request) {
                    let value = self.texts.keep(host).map(|place| {
                        self.texts.lower(place);
                        Stored::Untyped(place)
                    });
                    self.set(name, value);
                }
            }
            "client.ip" => {
                if let Some(peer) = request.peer() {
                    let mut text = ArrayString::<64>::new();
                    // The longest address takes 45 bytes.
                    let _ = write!(text, "{}", peer.to_canonical());
                    self.set_untyped(name, &text);
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
        let value = self.texts.keep(text).map(Stored::Untyped);
        self.set(name, value);
    }

    /// Sets an attribute; a value that could not be kept leaves it as it is.
    fn set(&mut self, name: AttributeName<'_>, value: Option<Stored>) {
        let Some(value) = value else {
            return;
        };
        let (texts, hash) = (&self.texts, name.hash());
        let same =
            |entry: &&mut Entry| entry.hash == hash && texts.get(entry.name) == Some(name.as_str());
        let known = self.few.iter_mut().chain(&mut self.more).find(same);
        if let Some(entry) = known {
            entry.value = value;
        } else if let Some(name) = self.texts.keep(name.as_str()) {
            let entry = Entry { hash, name, value };
            if let Err(full) = self.few.try_push(entry) {
                self.more.push(full.element());
            }
        }
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.few.iter().chain(&self.more)
    }
}

impl Attributes for RequestAttributes {
    #[inline]
    fn get(&self, name: AttributeName<'_>) -> Option<ValueRef<'_>> {
        let is_it = |entry: &&Entry| {
            entry.hash == name.hash() && self.texts.get(entry.name) == Some(name.as_str())
        };
        Some(match &self.entries().find(is_it)?.value {
            Stored::Untyped(text) => ValueRef::Untyped(self.texts.get(*text)?),
            Stored::Text(text) => ValueRef::Text(self.texts.get(*text)?),
            Stored::Bool(value) => ValueRef::Bool(*value),
            Stored::Integer(value) => ValueRef::Integer(*value),
            Stored::Float(value) => ValueRef::Float(*value),
            Stored::Other(value) => Value::as_ref(value),
        })
    }
}

/// Texts, one behind the other.
#[derive(Clone, Default)]
struct Texts {
    few: ArrayString<TEXT>,
    /// What does not fit there.
    more: String,
}

/// Where a text lies.
#[derive(Clone, Copy)]
struct Place {
    is_few: bool,
    start: u32,
    end: u32,
}

impl Texts {
    /// Puts a text behind the others; `None` beyond four gigabytes.
    fn keep(&mut self, text: &str) -> Option<Place> {
        let start = self.few.len();
        let (is_few, start) = match self.few.try_push_str(text) {
            Ok(()) => (true, start),
            Err(_) => {
                let start = self.more.len();
                self.more.push_str(text);
                (false, start)
            }
        };
        Some(Place {
            is_few,
            start: u32::try_from(start).ok()?,
            end: u32::try_from(start + text.len()).ok()?,
        })
    }

    /// Maps the ASCII letters of a text to lower case.
    fn lower(&mut self, place: Place) {
        let texts: &mut str = if place.is_few {
            &mut self.few
        } else {
            &mut self.more
        };
        if let Some(text) = texts.get_mut(place.start as usize..place.end as usize) {
            text.make_ascii_lowercase();
        }
    }

    #[inline]
    fn get(&self, place: Place) -> Option<&str> {
        let texts: &str = if place.is_few { &self.few } else { &self.more };
        texts.get(place.start as usize..place.end as usize)
    }
}

impl fmt::Debug for RequestAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(
                self.entries()
                    .filter_map(|entry| self.texts.get(entry.name)),
            )
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
