//! Cookies of a request, by name.
//!
//! The crate `cookie` would do it, but brings the crate `time` for dates that nobody reads here; of a request's cookies
//! only the values of one name are wanted, which is one split, and what is set is a single line of fixed form.

/// Returns the values of all cookies of that name, whose case counts, in one line of the header `cookie`.
///
/// Double quotes around a value are removed, and nothing is decoded. A value that is empty or not UTF-8 is missing; what
/// other cookies look like does not matter.
pub(crate) fn values<'a>(line: &'a [u8], name: &str) -> impl Iterator<Item = &'a str> {
    line.split(|byte| *byte == b';')
        .filter_map(move |pair| value(pair, name.as_bytes()))
}

fn value<'a>(pair: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let after = pair.trim_ascii().strip_prefix(name)?;
    let value = after.trim_ascii_start().strip_prefix(b"=")?.trim_ascii();
    let unquoted = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    let text = std::str::from_utf8(unquoted.unwrap_or(value)).ok()?;
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests;
