//! The attributes of a request: only those that the rules can ask for, copied once.
//!
//! A request is gone when the handler has taken its body, a scope lives on, so the attributes are owned. Copying all
//! headers would cost more than the evaluation; the ruleset knows which names its rules can ask, and mostly these are
//! few. So they lie within the scope itself, by the numbers that [`Wanted`] gives them, texts one behind the other; rules
//! that ask for more than [`VALUES`] attributes, or a request with more than [`TEXT`] bytes of them, cost an allocation.

use std::fmt::{self, Write as _};

use arrayvec::ArrayString;
use fader::{AttributeName, Attributes, Snapshot, Value, ValueRef, Wanted};

use crate::view::RequestView;

/// Attributes that need no allocation.
const VALUES: usize = 12;
/// Bytes of text that need no allocation.
const TEXT: usize = 192;

const HEADER_PREFIX: &str = "request.header.";

/// Collects the attributes of one request, as far as a snapshot's rules can ask for them.
///
/// It starts with what the request itself answers (see the [crate's page](crate)); the service adds its own.
pub struct Capture<'a> {
    request: &'a dyn RequestView,
    attributes: RequestAttributes,
}

impl<'a> Capture<'a> {
    /// Captures what the request answers itself.
    #[inline]
    #[must_use]
    pub fn new(snapshot: &Snapshot, request: &'a dyn RequestView) -> Self {
        let wanted = snapshot.wanted();
        let mut attributes = RequestAttributes::new(wanted.clone());
        for (at, name) in wanted.iter().enumerate() {
            attributes.capture(at, name.as_str(), request);
        }
        Self {
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
        self.attributes.position(name).is_some()
    }

    /// Sets an attribute, replacing an earlier one of the same name, also one of the request itself: a service behind
    /// a proxy that it trusts sets `client.ip` so.
    ///
    /// Text set so is a string and is never compared with a number; for text that came with the request use
    /// [`Capture::set_untyped`].
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        if let Some(at) = self.attributes.position(name) {
            self.attributes.set(at, value.into());
        }
    }

    /// Sets an attribute to text that came with the request and has no type of its own: numeric, date and version
    /// operators parse it. It replaces an earlier one of the same name.
    pub fn set_untyped(&mut self, name: &str, text: &str) {
        if let Some(at) = self.attributes.position(name) {
            self.attributes.set_untyped(at, text);
        }
    }

    /// Returns what was captured.
    #[inline(always)]
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
    wanted: Wanted,
    /// By the numbers of the wanted attributes.
    few: [Stored; VALUES],
    /// Those from [`VALUES`] on.
    more: Box<[Stored]>,
    texts: Texts,
}

#[derive(Clone, Default)]
enum Stored {
    #[default]
    Missing,
    Untyped(Place),
    Text(Place),
    Bool(bool),
    Integer(i64),
    Float(f64),
    Other(Box<Value>),
}

impl RequestAttributes {
    #[inline(always)]
    fn new(wanted: Wanted) -> Self {
        let more = wanted.len().saturating_sub(VALUES);
        Self {
            wanted,
            few: Default::default(),
            more: (0..more).map(|_| Stored::Missing).collect(),
            texts: Texts::default(),
        }
    }

    fn capture(&mut self, at: usize, name: &str, request: &dyn RequestView) {
        match name {
            "request.method" => self.set_untyped(at, request.method()),
            "request.path" => self.set_untyped(at, request.path()),
            "request.host" => {
                if let Some(host) = host(request) {
                    self.set_untyped(at, host);
                    self.lower(at);
                }
            }
            "client.ip" => {
                if let Some(peer) = request.peer() {
                    let mut text = ArrayString::<64>::new();
                    // The longest address takes 45 bytes.
                    let _ = write!(text, "{}", peer.to_canonical());
                    self.set_untyped(at, &text);
                }
            }
            other => {
                let header = other.strip_prefix(HEADER_PREFIX);
                if let Some(text) = header.and_then(|header| text_header(request, header)) {
                    self.set_untyped(at, text);
                }
            }
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.wanted.index_of(AttributeName::new(name))
    }

    fn set_untyped(&mut self, at: usize, text: &str) {
        let kept = self.texts.keep(text);
        self.store(at, kept.map(Stored::Untyped));
    }

    fn set(&mut self, at: usize, value: Value) {
        let value = match value {
            Value::Bool(value) => Some(Stored::Bool(value)),
            Value::Integer(value) => Some(Stored::Integer(value)),
            Value::Float(value) => Some(Stored::Float(value)),
            Value::Text(text) => self.texts.keep(&text).map(Stored::Text),
            Value::Untyped(text) => self.texts.keep(&text).map(Stored::Untyped),
            other => Some(Stored::Other(Box::new(other))),
        };
        self.store(at, value);
    }

    /// Stores a value; one that could not be kept leaves things as they are.
    fn store(&mut self, at: usize, value: Option<Stored>) {
        let place = match at.checked_sub(VALUES) {
            None => self.few.get_mut(at),
            Some(beyond) => self.more.get_mut(beyond),
        };
        if let (Some(place), Some(value)) = (place, value) {
            *place = value;
        }
    }

    #[inline]
    fn stored(&self, at: usize) -> Option<&Stored> {
        match at.checked_sub(VALUES) {
            None => self.few.get(at),
            Some(beyond) => self.more.get(beyond),
        }
    }

    /// Maps the ASCII letters of a text to lower case.
    fn lower(&mut self, at: usize) {
        if let Some(Stored::Untyped(place)) = self.stored(at) {
            let place = *place;
            self.texts.lower(place);
        }
    }
}

impl Attributes for RequestAttributes {
    #[inline]
    fn get(&self, name: AttributeName<'_>) -> Option<ValueRef<'_>> {
        Some(match self.stored(self.wanted.index_of(name)?)? {
            Stored::Missing => return None,
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
                self.wanted
                    .iter()
                    .filter(|name| self.get(*name).is_some())
                    .map(AttributeName::as_str),
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
