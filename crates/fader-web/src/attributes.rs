//! The attributes of a request: only those that the rules can ask for, copied once.
//!
//! A request is gone when the handler has taken its body, a scope lives on, so the attributes are owned. Copying all
//! headers would cost more than the evaluation; the ruleset knows which names its rules can ask, and mostly these are
//! few. So they lie within the scope itself, by the numbers that [`Wanted`] gives them, texts one behind the other; rules
//! that ask for more than [`SLOTS`] attributes, or a request with more than 192 bytes of them, cost an allocation.
//!
//! Cookies and the query are kept as they came. One of their values is looked for when a rule asks for it, and where it
//! was found is kept beside it.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fader::{Admission, AttributeName, Attributes, Value, ValueRef, Wanted};

use crate::caps::Grants;
use crate::texts::{Place, Texts};
use crate::{cookies, query};

/// Attributes that need no allocation.
const SLOTS: usize = 12;

/// The attribute that is the id in the visitor cookie.
pub(crate) const VISITOR: &str = "visitor";

pub(crate) const COOKIE_PREFIX: &str = "request.cookie.";
pub(crate) const QUERY_PREFIX: &str = "request.query.";

/// The attributes of one request that a snapshot's rules can ask for; all others are missing.
///
/// Its `Debug` form has the names alone: what a request says of a person is not for logs.
pub struct RequestAttributes {
    wanted: Wanted,
    /// By the numbers of the wanted attributes.
    few: [Slot; SLOTS],
    /// Those from [`SLOTS`] on.
    more: Box<[Slot]>,
    texts: Texts,
    cookies: Option<Place>,
    query: Option<Place>,
    late: Late,
    visitor_age: Option<Duration>,
    pub(crate) grants: Option<Grants>,
}

/// A wanted attribute: its value, and what became of it.
#[derive(Default)]
struct Slot {
    value: Stored,
    note: AtomicU64,
}

/// What a [`Slot`]'s note says, in its lowest bits. Those above are a number: of a late value, or where a text was found.
mod note {
    /// A rule has asked for the attribute.
    pub(super) const READ: u64 = 1;
    /// The value is a late one.
    pub(super) const LATE: u64 = 1 << 1;
    /// The cookie or parameter was found.
    pub(super) const FOUND: u64 = 1 << 2;
    /// It was looked for, and is not there.
    pub(super) const ABSENT: u64 = 1 << 3;
    /// The service has set the value: it is in no header.
    pub(super) const OURS: u64 = 1 << 4;
    /// Where the number begins; of a place, the start has as many bits as the length.
    pub(super) const NUMBER: u32 = 8;
    pub(super) const HALF: u32 = 24;
}

#[derive(Default)]
enum Stored {
    #[default]
    Missing,
    Untyped(Place),
    Text(Place),
    Bool(bool),
    Integer(i64),
    Float(f64),
    Other(Box<Value>),
    /// To be looked for among the cookies.
    Cookie,
    /// To be looked for in the query.
    Query,
}

/// Values that come after the request was captured, one behind the other.
#[derive(Default)]
struct Late(OnceLock<Box<(Value, Self)>>);

impl Late {
    /// Appends a value and returns its number.
    fn push(&self, value: Value) -> u64 {
        let mut link = Box::new((value, Self::default()));
        let (mut list, mut number) = (self, 0);
        loop {
            match list.0.set(link) {
                Ok(()) => return number,
                Err(back) => link = back,
            }
            // INVARIANT: it is set, or this one could have been.
            match list.0.get() {
                Some(next) => list = &next.1,
                None => return number,
            }
            number += 1;
        }
    }

    fn get(&self, number: u64) -> Option<&Value> {
        let mut link = self.0.get()?;
        for _ in 0..number {
            link = link.1.0.get()?;
        }
        Some(&link.0)
    }
}

impl RequestAttributes {
    #[inline(always)]
    pub(crate) fn new(wanted: Wanted) -> Self {
        let more = wanted.len().saturating_sub(SLOTS);
        Self {
            wanted,
            few: Default::default(),
            more: (0..more).map(|_| Slot::default()).collect(),
            texts: Texts::default(),
            cookies: None,
            query: None,
            late: Late::default(),
            visitor_age: None,
            grants: None,
        }
    }

    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.wanted.index_of(AttributeName::new(name))
    }

    pub(crate) fn set_untyped(&mut self, at: usize, text: &str) {
        let kept = self.texts.keep(text);
        self.store(at, kept.map_or(Stored::Missing, Stored::Untyped));
        self.note_ours(at);
    }

    /// Notes that the service has set a value.
    fn note_ours(&mut self, at: usize) {
        if let Some(slot) = self.slot_mut(at) {
            *slot.note.get_mut() |= note::OURS;
        }
    }

    /// Sets a text that the client has sent, if there is still room for such.
    pub(crate) fn set_sent(&mut self, at: usize, text: &str) {
        let kept = self.texts.keep_sent(text);
        self.store(at, kept.map_or(Stored::Missing, Stored::Untyped));
    }

    /// Sets a text that the client has sent, in lower case.
    pub(crate) fn set_sent_lower(&mut self, at: usize, text: &str) {
        let kept = self.texts.keep_sent(text);
        if let Some(place) = kept {
            self.texts.lower(place);
        }
        self.store(at, kept.map_or(Stored::Missing, Stored::Untyped));
    }

    pub(crate) fn set(&mut self, at: usize, value: Value) {
        let value = match value {
            Value::Bool(value) => Some(Stored::Bool(value)),
            Value::Integer(value) => Some(Stored::Integer(value)),
            Value::Float(value) => Some(Stored::Float(value)),
            Value::Text(text) => self.texts.keep(&text).map(Stored::Text),
            Value::Untyped(text) => self.texts.keep(&text).map(Stored::Untyped),
            other => Some(Stored::Other(Box::new(other))),
        };
        self.store(at, value.unwrap_or_default());
        self.note_ours(at);
    }

    /// Has the attribute looked for among the cookies when a rule asks.
    pub(crate) fn set_cookie(&mut self, at: usize) {
        self.store(at, Stored::Cookie);
    }

    /// Has the attribute looked for in the query when a rule asks.
    pub(crate) fn set_query(&mut self, at: usize) {
        self.store(at, Stored::Query);
    }

    /// Keeps the cookies as they came, joined as in one header.
    pub(crate) fn keep_cookies(&mut self, cookies: &str) {
        self.cookies = self.texts.keep_sent(cookies);
    }

    /// Keeps the query as it came.
    pub(crate) fn keep_query(&mut self, query: &str) {
        self.query = self.texts.keep_sent(query);
    }

    /// Sets the visitor, and how long it has been known.
    pub(crate) fn set_visitor(&mut self, id: &str, age: Duration) {
        if let Some(at) = self.position(VISITOR) {
            let kept = self.texts.keep(id);
            self.store(at, kept.map_or(Stored::Missing, Stored::Untyped));
        }
        self.visitor_age = Some(age);
    }

    fn store(&mut self, at: usize, value: Stored) {
        if let Some(slot) = self.slot_mut(at) {
            slot.value = value;
        }
    }

    fn slot_mut(&mut self, at: usize) -> Option<&mut Slot> {
        match at.checked_sub(SLOTS) {
            None => self.few.get_mut(at),
            Some(beyond) => self.more.get_mut(beyond),
        }
    }

    #[inline]
    fn slot(&self, at: usize) -> Option<&Slot> {
        match at.checked_sub(SLOTS) {
            None => self.few.get(at),
            Some(beyond) => self.more.get(beyond),
        }
    }

    /// Sets an attribute for what is still to be decided. `Some` tells why that is too late.
    pub(crate) fn identify(&self, name: &str, value: Value) -> Result<(), IdentifyError> {
        let Some(slot) = self.position(name).and_then(|at| self.slot(at)) else {
            // No rule of this scope ever asks for it.
            return Ok(());
        };
        let refuse = |found: u64| {
            let problem = if found & note::READ == 0 {
                Problem::Identified
            } else {
                Problem::Read
            };
            Err(IdentifyError {
                name: name.into(),
                problem,
            })
        };
        let found = slot.note.load(Ordering::Acquire);
        if found & (note::READ | note::LATE) != 0 {
            return refuse(found);
        }
        let late = note::OURS | note::LATE | self.late.push(value) << note::NUMBER;
        // A rule that asks first, or another value, has the say.
        let noted = slot
            .note
            .compare_exchange(found, late, Ordering::AcqRel, Ordering::Acquire);
        noted.map(|_| ()).or_else(refuse)
    }

    /// Tells whether a limit had a say in what was decided.
    pub(crate) fn is_limited(&self) -> bool {
        self.grants.as_ref().is_some_and(Grants::were_asked)
    }

    /// Returns the names of the attributes that rules have asked for until now, and whether the service has set them.
    pub(crate) fn read(&self) -> impl Iterator<Item = (&str, bool)> {
        let names = self.wanted.iter().map(AttributeName::as_str).enumerate();
        names.filter_map(|(at, name)| {
            let note = self.slot(at)?.note.load(Ordering::Relaxed);
            (note & note::READ != 0).then_some((name, note & note::OURS != 0))
        })
    }

    /// Looks for a cookie or a parameter of the query, unless it was looked for before.
    #[inline(never)]
    fn look_up<'a>(
        &'a self,
        slot: &'a Slot,
        within: Option<Place>,
        find: impl FnOnce(&'a str) -> Option<std::borrow::Cow<'a, str>>,
    ) -> Option<ValueRef<'a>> {
        let text = self.texts.get(within?)?;
        let found = slot.note.load(Ordering::Acquire);
        let part = |found: u64| {
            let half = (1 << note::HALF) - 1;
            let (start, length) = (
                found >> note::NUMBER & half,
                found >> (note::NUMBER + note::HALF),
            );
            let (start, length) = (usize::try_from(start).ok()?, usize::try_from(length).ok()?);
            text.get(start..start + length).map(ValueRef::Untyped)
        };
        if found & note::ABSENT != 0 {
            return None;
        }
        if found & note::FOUND != 0 {
            return part(found);
        }
        let news = match find(text) {
            None => note::ABSENT,
            Some(std::borrow::Cow::Owned(decoded)) => {
                note::LATE | self.late.push(Value::Untyped(decoded.into())) << note::NUMBER
            }
            Some(std::borrow::Cow::Borrowed(value)) => {
                let start = value.as_ptr() as u64 - text.as_ptr() as u64;
                note::FOUND
                    | start << note::NUMBER
                    | (value.len() as u64) << (note::NUMBER + note::HALF)
            }
        };
        // Another thread may have been faster, with the same.
        let noted =
            slot.note
                .compare_exchange(found, found | news, Ordering::AcqRel, Ordering::Acquire);
        let now = noted.map_or_else(|now| now, |before| before | news);
        if now & note::LATE != 0 {
            self.late.get(now >> note::NUMBER).map(Value::as_ref)
        } else if now & note::FOUND != 0 {
            part(now)
        } else {
            None
        }
    }
}

impl Attributes for RequestAttributes {
    #[inline]
    fn get(&self, name: AttributeName<'_>) -> Option<ValueRef<'_>> {
        let slot = self.slot(self.wanted.index_of(name)?)?;
        let mut found = slot.note.load(Ordering::Acquire);
        if found & note::READ == 0 {
            found = slot.note.fetch_or(note::READ, Ordering::AcqRel);
        }
        if found & note::LATE != 0 {
            return self.late.get(found >> note::NUMBER).map(Value::as_ref);
        }
        Some(match &slot.value {
            Stored::Missing => return None,
            Stored::Untyped(text) => ValueRef::Untyped(self.texts.get(*text)?),
            Stored::Text(text) => ValueRef::Text(self.texts.get(*text)?),
            Stored::Bool(value) => ValueRef::Bool(*value),
            Stored::Integer(value) => ValueRef::Integer(*value),
            Stored::Float(value) => ValueRef::Float(*value),
            Stored::Other(value) => Value::as_ref(value),
            Stored::Cookie => {
                let name = name.as_str().strip_prefix(COOKIE_PREFIX)?;
                return self.look_up(slot, self.cookies, |line| {
                    cookies::values(line.as_bytes(), name)
                        .next()
                        .map(Into::into)
                });
            }
            Stored::Query => {
                let name = name.as_str().strip_prefix(QUERY_PREFIX)?;
                return self.look_up(slot, self.query, |query| query::find(query, name));
            }
        })
    }

    fn age(&self, name: AttributeName<'_>) -> Option<Duration> {
        let at = self.wanted.index_of(name)?;
        let is_ours = self.slot(at)?.note.load(Ordering::Relaxed) & note::OURS != 0;
        // One that the service has put in its place has another age.
        self.visitor_age
            .filter(|_| name.as_str() == VISITOR && !is_ours)
    }

    #[inline]
    fn admission(&self) -> Option<&dyn Admission> {
        self.grants.as_ref().map(|grants| grants as &dyn Admission)
    }
}

impl fmt::Debug for RequestAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_there = |slot: &Slot| {
            !matches!(slot.value, Stored::Missing)
                || slot.note.load(Ordering::Relaxed) & note::LATE != 0
        };
        let names = self.wanted.iter().map(AttributeName::as_str).enumerate();
        f.debug_set()
            .entries(
                names
                    .filter(|(at, _)| self.slot(*at).is_some_and(is_there))
                    .map(|(_, name)| name),
            )
            .finish()
    }
}

/// Why an attribute can't be set any more for a request.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` {problem}")]
pub struct IdentifyError {
    name: Box<str>,
    problem: Problem,
}

#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Problem {
    #[error(
        "was read by a rule before: set it in the layer, or before the first flag that depends on it is asked for"
    )]
    Read,
    #[error("was identified before: once for a request")]
    Identified,
}

#[cfg(test)]
mod tests;
