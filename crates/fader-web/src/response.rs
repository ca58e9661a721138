//! What an adapter shows of its response, and what is added to it.

use fader::Ending;

use crate::attributes::{COOKIE_PREFIX, VISITOR};
use crate::capture::HEADER_PREFIX;
use crate::scope::PinnedScope;

/// The head of a response as the adapter of a web framework sees it.
pub trait ResponseView {
    /// Returns the status, such as 200.
    fn status(&self) -> u16;

    /// Hands out all headers of that name, whatever its case, in their order.
    fn headers<'a>(&'a self, name: &str, each: &mut dyn FnMut(&'a [u8]));

    /// Adds a header beside others of its name. A value that HTTP does not allow is left out.
    fn append(&mut self, name: &'static str, value: &str);

    /// Sets a header in the place of all others of its name. A value that HTTP does not allow is left out.
    fn insert(&mut self, name: &'static str, value: &str);
}

/// Returns the ending that a response tells of by its status and, where it is one of gRPC, by `grpc-status`.
pub(crate) fn ending(response: &dyn ResponseView) -> Ending {
    let mut grpc = None;
    response.headers("grpc-status", &mut |value| grpc = grpc.or(Some(value)));
    let by_status = Ending::of_status(response.status());
    match grpc {
        Some(status) if by_status == Ending::Success => grpc_ending(status),
        _ => by_status,
    }
}

/// Returns the ending that a status of gRPC tells of, by the HTTP status that goes with it (google.rpc.Code).
pub(crate) fn grpc_ending(status: &[u8]) -> Ending {
    match status {
        b"0" => Ending::Success,
        // Cancelled, as a rule by the caller.
        b"1" => Ending::Dropped,
        // Deadline exceeded.
        b"4" => Ending::Timeout,
        // Invalid argument, not found, already exists, permission denied, resource exhausted, failed precondition,
        // aborted, out of range, unauthenticated.
        b"3" | b"5" | b"6" | b"7" | b"8" | b"9" | b"10" | b"11" | b"16" => Ending::ClientError,
        _ => Ending::ServerError,
    }
}

/// Sets the cookie of a new visitor, unless a shared cache is told to keep the response. Any other response becomes
/// private: a shared cache may also keep one that says nothing, or nothing but an age (RFC 9111, 3).
pub(crate) fn set_visitor(response: &mut dyn ResponseView, set_cookie: &str) {
    let mut is_shared = false;
    directives(response, |directive| {
        is_shared |= lets_caches_share(directive);
    });
    if !is_shared {
        response.append("set-cookie", set_cookie);
        make_private(response);
    }
}

/// Tells caches what the decisions of a scope have read.
pub(crate) fn tell_caches(
    response: &mut dyn ResponseView,
    scope: &PinnedScope,
    is_new_visitor: bool,
) {
    let (mut headers, mut is_private) = (String::new(), false);
    for (name, is_ours) in scope.attributes().read() {
        if is_ours {
            is_private = true;
            continue;
        }
        // The id of a new visitor was drawn for this request, and the next one comes with the cookie.
        is_private |= name == VISITOR && is_new_visitor;
        let header = match name {
            // They are what a cache keeps a response under.
            "request.method" | "request.path" | "request.route" | "request.host" => continue,
            _ if name.starts_with(crate::attributes::QUERY_PREFIX) => continue,
            VISITOR => "cookie",
            _ if name.starts_with(COOKIE_PREFIX) => "cookie",
            _ => match name.strip_prefix(HEADER_PREFIX) {
                Some(header) => header,
                None => {
                    is_private = true;
                    continue;
                }
            },
        };
        let is_named = |known: &str| known.eq_ignore_ascii_case(header);
        if !headers.split(", ").any(is_named) {
            if !headers.is_empty() {
                headers.push_str(", ");
            }
            headers.push_str(header);
        }
    }
    if !headers.is_empty() {
        response.append("vary", &headers);
    }
    // What a limit or a fall-back has decided is in no header either.
    if is_private || scope.differs() || scope.attributes().is_limited() {
        make_private(response);
    }
}

/// Keeps a response out of shared caches, and leaves all else that it says of caches.
fn make_private(response: &mut dyn ResponseView) {
    let (mut kept, mut is_private) = (String::new(), false);
    directives(response, |directive| {
        if lets_caches_share(directive) {
            return;
        }
        is_private |= ["private", "no-store"]
            .iter()
            .any(|known| directive.eq_ignore_ascii_case(known));
        if !kept.is_empty() {
            kept.push_str(", ");
        }
        kept.push_str(directive);
    });
    if !is_private {
        kept.insert_str(
            0,
            if kept.is_empty() {
                "private"
            } else {
                "private, "
            },
        );
    }
    response.insert("cache-control", &kept);
}

fn lets_caches_share(directive: &str) -> bool {
    let name = directive.split('=').next().unwrap_or_default().trim();
    name.eq_ignore_ascii_case("public") || name.eq_ignore_ascii_case("s-maxage")
}

/// Hands out the directives of `Cache-Control`; what is not UTF-8 says nothing.
fn directives<'a>(response: &'a dyn ResponseView, mut each: impl FnMut(&'a str)) {
    response.headers("cache-control", &mut |value| {
        let text = std::str::from_utf8(value).unwrap_or_default();
        let parts = text.split(',').map(str::trim);
        parts.filter(|part| !part.is_empty()).for_each(&mut each);
    });
}

#[cfg(test)]
mod tests;
