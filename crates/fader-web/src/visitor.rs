//! The visitor cookie: a unit for those who have not signed in.
//!
//! Its value is `1.ID.BORN`, and with a key `1.ID.BORN.SIGNATURE`: a random id of 128 bits, the second of its birth
//! since 1970, and the first 128 bits of an HMAC-SHA256 over the cookie's name, `=`, and what stands before the
//! signature. Bytes are base64url without padding (RFC 4648, 5). The name is signed too, so that a value is of no use in
//! another cookie. No arm is stored: who is enrolled follows from the id, as with any other unit.

use std::fmt::{self, Write as _};
use std::time::Duration;

use arrayvec::ArrayString;
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::cookies;
use crate::view::RequestView;

/// The name where none is set.
const NAME: &str = "fader_visitor";
/// What browsers keep at most (RFC 6265bis, 5.5).
const MAX_AGE: Duration = Duration::from_secs(400 * 24 * 60 * 60);
const SHORTEST_KEY: usize = 16;
/// How far the clocks of two machines may be apart, in seconds.
const SKEW: u64 = 60;
/// How many cookies of the name are tried. Browsers send one for each path and domain that set it; each more that a
/// client sends would cost signatures to check.
const TRIES: usize = 8;

/// How a visitor is known again who has not signed in: by a cookie with a random id.
///
/// With a key the cookie is signed. Without one anybody can write an id and a birth of their own, and with them pick
/// their arm. So give a key where a guardrail watches what visitors do. Signed or not, a visitor can throw the cookie
/// away and be a new one.
///
/// Scripts do not see the cookie, and it is sent on secure connections alone. Its `Debug` form has no key.
///
/// ```
/// use std::time::Duration;
///
/// use fader_web::Visitor;
///
/// # let (this_year, last_year) = ([1; 32], [2; 32]);
/// let visitor = Visitor::new()
///     .cookie("__Host-visitor")?
///     .max_age(Duration::from_secs(90 * 24 * 60 * 60))
///     .key(this_year)?
///     .key(last_year)?;
/// # Ok::<(), fader_web::VisitorError>(())
/// ```
#[derive(Clone)]
pub struct Visitor {
    name: String,
    max_age: u64,
    /// The first signs, all verify.
    keys: Vec<Hmac<Sha256>>,
}

/// Tells why a visitor cookie cannot be set up so: one clear line with the cure.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct VisitorError(Problem);

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("`{0}` is no name of a cookie: use letters, digits, `-`, `_` and `.`")]
    Name(String),
    #[error("a key of {0} bytes is too short: use {SHORTEST_KEY} random bytes or more")]
    Key(usize),
}

/// A visitor who came with a good cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known<'a> {
    pub(crate) id: &'a str,
    /// When the id was issued, in seconds since 1970.
    pub(crate) born: u64,
}

/// A new visitor.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) id: ArrayString<22>,
    /// The value of the header `set-cookie`.
    pub(crate) set_cookie: String,
}

impl Visitor {
    /// Makes the cookie `fader_visitor`, which lives for 400 days and is not signed.
    #[must_use]
    pub fn new() -> Self {
        Self {
            name: NAME.to_owned(),
            max_age: MAX_AGE.as_secs(),
            keys: Vec::new(),
        }
    }

    /// Names the cookie, by default `fader_visitor`. Whoever had one of another name is a new visitor.
    ///
    /// # Errors
    /// Where the name is no token (RFC 9110, 5.6.2).
    pub fn cookie(self, name: impl Into<String>) -> Result<Self, VisitorError> {
        let name = name.into();
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(VisitorError(Problem::Name(name)));
        }
        Ok(Self { name, ..self })
    }

    /// Sets how long an id lives after it was issued, by default 400 days. It is not prolonged.
    ///
    /// Whole seconds count. It is at least one second and at most 400 days, which is what browsers keep at most.
    #[must_use]
    pub fn max_age(self, max_age: Duration) -> Self {
        Self {
            max_age: max_age.as_secs().clamp(1, MAX_AGE.as_secs()),
            ..self
        }
    }

    /// Signs the cookie with a secret of at least 16 bytes, best 32 random ones. From then on no cookie is good without
    /// a signature.
    ///
    /// Further keys are older ones: the first key signs, and what any of them signed is good. To change keys, put the
    /// new one first, and leave the old one out once its cookies are too old.
    ///
    /// # Errors
    /// Where the secret is shorter.
    pub fn key(mut self, secret: impl AsRef<[u8]>) -> Result<Self, VisitorError> {
        let secret = secret.as_ref();
        let too_short = || VisitorError(Problem::Key(secret.len()));
        if secret.len() < SHORTEST_KEY {
            return Err(too_short());
        }
        // HMAC takes a key of any length, so this does not fail.
        let key = Hmac::new_from_slice(secret).map_err(|_| too_short())?;
        self.keys.push(key);
        Ok(self)
    }

    /// Returns the visitor of a request: the first cookie of the name that is good. Times are in seconds since 1970.
    pub(crate) fn find<'a>(&self, request: &'a dyn RequestView, now: u64) -> Option<Known<'a>> {
        let (mut found, mut tries) = (None, TRIES);
        request.headers("cookie", &mut |line| {
            for value in cookies::values(line, &self.name) {
                if found.is_some() || tries == 0 {
                    return;
                }
                found = self.read(value, now);
                tries -= 1;
            }
        });
        found
    }

    /// Reads the value of a cookie. Its form is exact, so a signature is worked out for short values alone.
    pub(crate) fn read<'a>(&self, value: &'a str, now: u64) -> Option<Known<'a>> {
        let (payload, signature) = if self.keys.is_empty() {
            (value, None)
        } else {
            let (payload, signature) = value.rsplit_once('.')?;
            (payload, Some(bytes(signature)?))
        };
        let (id, born) = payload.strip_prefix("1.")?.split_once('.')?;
        bytes(id)?;
        let born = seconds(born)?;
        let is_alive = born <= now.saturating_add(SKEW) && now.saturating_sub(born) <= self.max_age;
        let is_genuine = is_alive && signature.is_none_or(|it| self.is_signature(&it, payload));
        is_genuine.then_some(Known { id, born })
    }

    fn is_signature(&self, signature: &[u8; 16], payload: &str) -> bool {
        self.keys.iter().any(|key| {
            key.clone()
                .chain_update(&self.name)
                .chain_update("=")
                .chain_update(payload)
                .verify_truncated_left(signature)
                .is_ok()
        })
    }

    /// Issues a new id; `None` where the system has no randomness.
    pub(crate) fn issue(&self, now: u64) -> Option<Issued> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).ok()?;
        Some(self.issue_id(random, now))
    }

    fn issue_id(&self, random: [u8; 16], now: u64) -> Issued {
        let mut id = ArrayString::new();
        // 16 bytes take 22 characters, and a string grows: none of these fails.
        let _ = write!(id, "{}", BASE64URL_NOPAD.encode_display(&random));
        let mut line = format!("{}=1.{id}.{now}", self.name);
        if let Some(key) = self.keys.first() {
            let signature = key.clone().chain_update(&line).finalize().into_bytes();
            let signature = signature.get(..16).unwrap_or_default();
            let _ = write!(line, ".{}", BASE64URL_NOPAD.encode_display(signature));
        }
        let max_age = self.max_age;
        let _ = write!(
            line,
            "; Path=/; Max-Age={max_age}; HttpOnly; Secure; SameSite=Lax"
        );
        Issued {
            id,
            set_cookie: line,
        }
    }
}

impl Default for Visitor {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visitor")
            .field("name", &self.name)
            .field("max_age", &self.max_age)
            .field("keys", &self.keys.len())
            .finish()
    }
}

/// Tells whether a browser loads a page for somebody to see (Fetch Metadata). What loads parts of a page, and what
/// calls an interface, need no cookie, and a page that is only prefetched may never be seen.
pub(crate) fn is_navigation(request: &dyn RequestView) -> bool {
    let is_prefetch = |purpose: &[u8]| {
        let first = purpose.split(|byte| *byte == b';').next();
        first.is_some_and(|first| first.trim_ascii() == b"prefetch")
    };
    request.header("sec-fetch-mode") == Some(b"navigate")
        && !request.header("sec-purpose").is_some_and(is_prefetch)
}

/// Decodes 16 bytes; the one form in which they are encoded is the only one that is read.
fn bytes(text: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    // The decoder panics where the lengths do not fit.
    if text.len() != 22 {
        return None;
    }
    BASE64URL_NOPAD
        .decode_mut(text.as_bytes(), &mut bytes)
        .ok()?;
    Some(bytes)
}

/// Reads a decimal number without leading zeros.
fn seconds(text: &str) -> Option<u64> {
    let is_exact = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| is_exact)
}

/// Tells whether a byte may stand in a token (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests;
