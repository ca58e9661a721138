//! Collecting the attributes of a request, as far as the rules can ask for them.

use std::fmt::{self, Write as _};

use arrayvec::ArrayString;
use fader::{Snapshot, Value};

use crate::attributes::{COOKIE_PREFIX, QUERY_PREFIX, RequestAttributes};
use crate::client::{TrustedProxies, client_address};
use crate::view::RequestView;

pub(crate) const HEADER_PREFIX: &str = "request.header.";

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
    pub(crate) fn new(
        snapshot: &Snapshot,
        request: &'a dyn RequestView,
        proxies: &TrustedProxies,
    ) -> Self {
        let wanted = snapshot.wanted();
        let mut capture = Self {
            request,
            attributes: RequestAttributes::new(wanted.clone()),
        };
        let (mut cookies, mut query) = (false, false);
        for (at, name) in wanted.iter().enumerate() {
            let name = name.as_str();
            match name {
                "request.method" => capture.untyped(at, Some(request.method())),
                "request.path" => capture.untyped(at, Some(request.path())),
                "request.route" => capture.untyped(at, request.route()),
                "request.host" => {
                    if let Some(host) = host(request) {
                        capture.attributes.set_sent_lower(at, host);
                    }
                }
                "client.ip" => capture.address(at, proxies),
                "request" => capture.unit(at),
                _ if name.starts_with(COOKIE_PREFIX) => {
                    capture.attributes.set_cookie(at);
                    cookies = true;
                }
                _ if name.starts_with(QUERY_PREFIX) => {
                    capture.attributes.set_query(at);
                    query = true;
                }
                _ => {
                    let header = name.strip_prefix(HEADER_PREFIX);
                    capture.untyped(at, header.and_then(|header| text_header(request, header)));
                }
            }
        }
        if cookies {
            capture.cookies();
        }
        if let (true, Some(query)) = (query, request.query()) {
            capture.attributes.keep_query(query);
        }
        capture
    }

    fn untyped(&mut self, at: usize, text: Option<&str>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.attributes.set_sent(at, text);
        }
    }

    fn address(&mut self, at: usize, proxies: &TrustedProxies) {
        if let Some(address) = client_address(self.request, proxies) {
            let mut text = ArrayString::<64>::new();
            // The longest address takes 45 bytes.
            let _ = write!(text, "{address}");
            self.attributes.set_untyped(at, &text);
        }
    }

    /// Draws the unit of `by: "request"`: 128 bits for this request alone.
    fn unit(&mut self, at: usize) {
        let mut text = ArrayString::<32>::new();
        let _ = write!(text, "{:032x}", fastrand::u128(..));
        self.attributes.set_untyped(at, &text);
    }

    /// Keeps the cookies; where there are several headers, or some that are not UTF-8, what is good of them.
    fn cookies(&mut self) {
        let (mut lines, mut first) = (0, None);
        self.request.headers("cookie", &mut |line| {
            lines += 1;
            first = first.or(Some(line));
        });
        match first.map(std::str::from_utf8) {
            None => {}
            Some(Ok(line)) if lines == 1 => self.attributes.keep_cookies(line),
            Some(_) => {
                let mut good = String::new();
                self.request.headers("cookie", &mut |line| {
                    for pair in line.split(|byte| *byte == b';') {
                        if let Ok(pair) = std::str::from_utf8(pair)
                            && good.len() <= crate::texts::MOST
                        {
                            good.push_str(pair);
                            good.push(';');
                        }
                    }
                });
                self.attributes.keep_cookies(&good);
            }
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

    /// Sets an attribute, replacing an earlier one of the same name, also one of the request itself.
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

    #[inline(always)]
    pub(crate) fn finish(self) -> RequestAttributes {
        self.attributes
    }

    pub(crate) fn attributes_mut(&mut self) -> &mut RequestAttributes {
        &mut self.attributes
    }
}

impl fmt::Debug for Capture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture")
            .field("attributes", &self.attributes)
            .finish_non_exhaustive()
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
