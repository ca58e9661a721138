//! One pass over a text's bytes: what the parser would wrongly accept, and where the entries of its sections stand.
//!
//! The pass knows strings, comments and brackets, and nothing else of the language; whether a text is well formed is the
//! parser's to say.

use crate::document::diagnostic::DiagnosticKind;
use crate::document::syntax::{MAX_NESTING, Span, SyntaxProblem, too_deep};

/// An object that stands where an entry of a section would: `"section": { "name": { … } }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The section's name, without its quotes.
    pub(crate) section: Span,
    /// The entry's name, without its quotes.
    pub(crate) name: Span,
    /// From `{` to behind `}`.
    pub(crate) value: Span,
}

/// Finds the first byte that JSON does not allow where it stands, or the bracket that nests too deep; until then hands
/// out the entries of sections.
pub(crate) fn scan(text: &str, mut found: impl FnMut(Entry)) -> Option<SyntaxProblem> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    // The string before this place, and what it names if a bracket follows.
    let mut string = Span::default();
    let mut section = Span::default();
    let mut entry = Entry {
        section,
        name: string,
        value: Span::default(),
    };
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => match string_end(text, at) {
                Ok(end) => {
                    string = Span {
                        start: at + 1,
                        end: end.saturating_sub(1),
                    };
                    at = end;
                    continue;
                }
                Err(problem) => return Some(problem),
            },
            // A comment may hold anything; a lone slash is the parser's to refuse.
            b'/' => at = comment_end(bytes, at),
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_NESTING {
                    return Some(too_deep(at));
                }
                match (depth, byte) {
                    (2, b'{') => section = string,
                    (2, _) => section = Span::default(),
                    (3, b'{') => {
                        let value = Span::point(at);
                        entry = Entry {
                            section,
                            name: string,
                            value,
                        };
                    }
                    _ => {}
                }
            }
            b'}' | b']' => {
                if (depth, byte) == (3, &b'}') {
                    entry.value.end = at + 1;
                    found(entry);
                }
                depth = depth.saturating_sub(1);
            }
            0x0B | 0x0C | 0x80.. => return Some(stray(text, at)),
            _ => {}
        }
        at += 1;
    }
    None
}

/// Returns the place behind a string that begins at a quote; the text's end, or one behind it, if it is not closed.
fn string_end(text: &str, start: usize) -> Result<usize, SyntaxProblem> {
    let bytes = text.as_bytes();
    let mut at = start + 1;
    loop {
        at += ordinary(bytes.get(at..).unwrap_or_default());
        match bytes.get(at) {
            None => return Ok(at),
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at += 2,
            Some(byte) => {
                return Err(SyntaxProblem {
                    kind: DiagnosticKind::Syntax,
                    span: Span::point(at),
                    message: format!("a raw control character (U+{byte:04X}) in a string"),
                    help: Some("write it as an escape, such as \\n or \\t"),
                });
            }
        }
    }
}

/// Counts the bytes up to the first that means something in a string, eight at a time.
fn ordinary(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks();
    for (at, word) in words.iter().enumerate() {
        let special = special(u64::from_le_bytes(*word));
        if special != 0 {
            return at * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let is_special = |byte: &u8| matches!(byte, 0..0x20 | b'"' | b'\\');
    words.len() * 8 + rest.iter().take_while(|byte| !is_special(byte)).count()
}

/// Sets the top bit of each byte that is a control character, a quote or a backslash. A borrow may set those of bytes
/// behind one of them as well, so that only the first is sure.
fn special(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, 0x20) | is(b'"') | is(b'\\')) & (ONES << 7)
}

/// Returns the last place of what begins at a slash: of a comment, or of the slash itself.
fn comment_end(bytes: &[u8], start: usize) -> usize {
    let inside = bytes.get(start + 2..).unwrap_or_default();
    let length = match bytes.get(start + 1) {
        Some(b'/') => inside
            .iter()
            .position(|byte| matches!(byte, b'\n' | b'\r'))
            .map(|end| end + 1),
        Some(b'*') => inside
            .windows(2)
            .position(|pair| pair == b"*/")
            .map(|end| end + 2),
        _ => return start,
    };
    start + 1 + length.unwrap_or(inside.len())
}

fn stray(text: &str, at: usize) -> SyntaxProblem {
    let found = text
        .get(at..)
        .and_then(|rest| rest.chars().next())
        .unwrap_or_default();
    SyntaxProblem {
        kind: DiagnosticKind::Syntax,
        span: Span::point(at),
        message: format!(
            "unexpected character `{}` (U+{:04X})",
            found.escape_debug(),
            u32::from(found)
        ),
        help: Some("outside strings JSON has only its own signs and white space"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &str) -> Vec<(&str, &str, &str)> {
        let slice = |span: Span| crate::document::slice(text, span);
        let mut entries = Vec::new();
        let problem = scan(text, |entry| {
            entries.push((slice(entry.section), slice(entry.name), slice(entry.value)));
        });
        assert!(problem.is_none());
        entries
    }

    #[test]
    fn finds_the_entries_of_sections() {
        let text = r#"{ // "a": {
            "lists": { "l": [ { "b": {} } ], "file": { "file": "}" } },
            "flags": { "on": true, /* { */ "c": { "rules": [ {}, "\"}" ] } , "d":{}},
            "metadata": [ { "e": { "f": {} } } ]
        }"#;
        assert_eq!(
            entries(text),
            [
                ("lists", "file", r#"{ "file": "}" }"#),
                ("flags", "c", r#"{ "rules": [ {}, "\"}" ] }"#),
                ("flags", "d", "{}"),
                ("", "metadata", r#"{ "e": { "f": {} } }"#),
            ]
        );
    }

    #[test]
    fn finds_the_first_byte_that_means_something_wherever_it_stands() {
        for byte in 0..=255 {
            for at in 0..20 {
                let mut bytes = [b'a'; 24];
                bytes[at] = byte;
                bytes[at + 2] = b'"';
                let is_special = byte < 0x20 || byte == b'"' || byte == b'\\';
                let expected = if is_special { at } else { at + 2 };
                assert_eq!(ordinary(&bytes), expected, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn comes_to_an_end_wherever_a_text_is_cut() {
        let text =
            "{ \"é\\\"\": /* x **/ [1, {\"a\": {}}], // y\n \"b\": \"0123456789abcdef\\\\\" }";
        for cut in (0..text.len()).filter_map(|end| text.get(..end)) {
            assert!(scan(cut, |_| {}).is_none(), "{cut}");
        }
    }
}
