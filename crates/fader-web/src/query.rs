//! Parameters of a query, by name.
//!
//! They are read as `application/x-www-form-urlencoded`. The crate `form_urlencoded` puts U+FFFD in the place of what is
//! not UTF-8, and a value that was not sent could then be compared with a rule's; here it is missing.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// Returns the value of the first parameter of that name, both decoded.
///
/// A plus sign is a space and `%XX` a byte; what only looks like it, such as `%zz`, stays as it is. A value that is
/// empty or not UTF-8 is missing. Nothing is allocated where there is nothing to decode.
pub(crate) fn find<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(|(key, _)| decoded(key).eq(name.bytes()))
        .find_map(|(_, value)| text(value))
}

fn text(value: &str) -> Option<Cow<'_, str>> {
    if value.is_empty() {
        None
    } else if value.contains(['%', '+']) {
        let text = String::from_utf8(decoded(value).collect()).ok()?;
        Some(Cow::Owned(text))
    } else {
        Some(Cow::Borrowed(value))
    }
}

/// Decodes piece by piece, so that a plus sign that was written `%2B` is none that separates pieces.
fn decoded(text: &str) -> impl Iterator<Item = u8> {
    text.split('+').enumerate().flat_map(|(at, piece)| {
        let space = (at > 0).then_some(b' ');
        space.into_iter().chain(percent_decode(piece.as_bytes()))
    })
}

#[cfg(test)]
mod tests;
