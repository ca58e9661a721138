//! Text to syntax tree: `jsonc-parser`, held to what a document may be.
//!
//! The parser accepts more than JSON with comments and trailing commas, some of it whatever its options: other white
//! space and raw control characters in strings. [`scan`] finds those, and the nesting, in one pass over the bytes.

use std::cell::Cell;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::errors::ParseErrorKind;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use crate::document::diagnostic::DiagnosticKind;
use crate::document::scan::scan;

/// How deep a document may nest.
pub(crate) const MAX_NESTING: usize = 128;

/// A stretch of the text, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    pub(crate) fn of(node: &impl Ranged) -> Self {
        let range = node.range();
        Self {
            start: range.start,
            end: range.end,
        }
    }

    pub(crate) fn point(at: usize) -> Self {
        Self { start: at, end: at }
    }
}

/// What is wrong with a text, and where.
pub(crate) struct SyntaxProblem {
    pub(crate) kind: DiagnosticKind,
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) help: Option<&'static str>,
}

/// Which language a text is in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// RFC 8259.
    Json,
    /// The same with comments and trailing commas.
    Document,
}

/// Parses a text without a BOM.
pub(crate) fn parse(text: &str, syntax: Syntax) -> Result<ast::Value<'_>, SyntaxProblem> {
    parse_scanned(text, syntax, scan(text, |_| {}))
}

/// Parses a text of which it is known already what [`scan`] finds in it.
pub(crate) fn parse_scanned(
    text: &str,
    syntax: Syntax,
    stray: Option<SyntaxProblem>,
) -> Result<ast::Value<'_>, SyntaxProblem> {
    let relaxed = syntax == Syntax::Document;
    let options = ParseOptions {
        allow_comments: relaxed,
        allow_trailing_commas: relaxed,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let parsed = match parse_to_ast(text, &CollectOptions::default(), &options) {
        Ok(result) => result.value.ok_or_else(|| SyntaxProblem {
            kind: DiagnosticKind::Syntax,
            span: Span::point(text.len()),
            message: "the text is empty".to_owned(),
            help: Some("an object is expected, such as {\"flags\": {}}"),
        }),
        Err(error) => Err(refusal(&error, text)),
    };
    match (parsed, stray) {
        (Ok(value), None) => Ok(value),
        (Err(problem), Some(stray)) if problem.span.start < stray.span.start => Err(problem),
        (_, Some(stray)) => Err(stray),
        (Err(problem), None) => Err(problem),
    }
}

/// Words a parser's error as ours.
fn refusal(error: &jsonc_parser::errors::ParseError, text: &str) -> SyntaxProblem {
    use jsonc_parser::ParseStringErrorKind as InString;

    let mut span = Span::of(&error.range());
    let found = text.get(span.start..).and_then(|rest| rest.chars().next());
    let (message, help) = match error.kind() {
        ParseErrorKind::ExpectedComma => {
            // The parser points behind the entry; what cannot stand there is the next one.
            let after_zero = text
                .get(..span.start)
                .is_some_and(|before| before.ends_with('0'));
            if after_zero && found.is_some_and(|found| found.is_ascii_digit()) {
                span = Span::point(span.start - 1);
                (
                    "a number has no leading zero",
                    Some("write it without the `0` in front"),
                )
            } else {
                span = Span::point(next_token(text, span.start));
                ("a comma is missing", Some("separate entries by `,`"))
            }
        }
        ParseErrorKind::TrailingCommasNotAllowed => ("a trailing comma is not JSON", None),
        ParseErrorKind::CommentsNotAllowed => ("a comment is not JSON", None),
        ParseErrorKind::SingleQuotedStringsNotAllowed => {
            ("single quotes are not JSON", Some("use double quotes"))
        }
        ParseErrorKind::HexadecimalNumbersNotAllowed => (
            "a hexadecimal number is not JSON",
            Some("write it in decimal"),
        ),
        ParseErrorKind::UnaryPlusNumbersNotAllowed => {
            ("a number has no leading `+`", Some("leave the `+` out"))
        }
        ParseErrorKind::BareDecimalPointNumbersNotAllowed => (
            "a decimal point needs digits on both sides",
            Some("write `0.5`, `5.0`"),
        ),
        ParseErrorKind::NonFiniteNumbersNotAllowed => ("NaN and Infinity are not JSON", None),
        ParseErrorKind::ExpectedStringObjectProperty => (
            "a name needs double quotes",
            Some("write it as \"name\": value"),
        ),
        ParseErrorKind::ExpectedColonAfterObjectKey => ("a `:` is missing after the name", None),
        ParseErrorKind::ExpectedObjectValue => ("a value is missing after the `:`", None),
        ParseErrorKind::MultipleRootJsonValues => {
            ("there is more text after the document's end", None)
        }
        ParseErrorKind::UnterminatedArray => return ends_in("array", "add `]`", span.start, text),
        ParseErrorKind::UnterminatedObject => {
            return ends_in("object", "add `}`", span.start, text);
        }
        ParseErrorKind::UnterminatedCommentBlock => {
            ("this comment is not closed", Some("add `*/`"))
        }
        ParseErrorKind::NestingDepthExceeded => {
            return too_deep(span.start);
        }
        ParseErrorKind::String(InString::UnterminatedStringLiteral) => {
            return ends_in("string", "add the closing `\"`", span.start, text);
        }
        ParseErrorKind::String(InString::InvalidUnicodeEscapeSequence(_)) => (
            "a \\u escape that is half of a surrogate pair is no character",
            Some("write the pair, or the character itself"),
        ),
        ParseErrorKind::String(InString::ExpectedFourHexDigits) => {
            ("\\u needs four hexadecimal digits", None)
        }
        ParseErrorKind::String(_) => (
            "an escape that JSON does not know",
            Some("a backslash itself is `\\\\`"),
        ),
        _ => {
            let message = match found {
                Some(found) => format!("unexpected `{}`", found.escape_default()),
                None => {
                    span = Span::point(text.len());
                    "the text ends too early".to_owned()
                }
            };
            return SyntaxProblem {
                kind: DiagnosticKind::Syntax,
                span,
                message,
                help: None,
            };
        }
    };
    SyntaxProblem {
        kind: DiagnosticKind::Syntax,
        span,
        message: message.to_owned(),
        help,
    }
}

/// Words an early end: what is open began somewhere, but the text ends here.
fn ends_in(what: &str, help: &'static str, start: usize, text: &str) -> SyntaxProblem {
    let line = text.get(..start).unwrap_or_default().matches('\n').count() + 1;
    let message = format!("the text ends here, but the {what} of line {line} is not closed");
    SyntaxProblem {
        kind: DiagnosticKind::Syntax,
        span: Span::point(text.len()),
        message,
        help: Some(help),
    }
}

/// Finds where the next token begins, past white space and comments.
fn next_token(text: &str, mut at: usize) -> usize {
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let trimmed = rest.trim_start();
        at += rest.len() - trimmed.len();
        let comment = if trimmed.starts_with("//") {
            trimmed.find('\n')
        } else if trimmed.starts_with("/*") {
            trimmed.find("*/").map(|end| end + 2)
        } else {
            return at;
        };
        at += comment.unwrap_or(trimmed.len());
    }
}

pub(crate) fn too_deep(at: usize) -> SyntaxProblem {
    SyntaxProblem {
        kind: DiagnosticKind::TooDeep,
        span: Span::point(at),
        message: format!("nested deeper than {MAX_NESTING} levels"),
        help: Some("flatten the structure; conditions can share segments"),
    }
}

/// Returns the entries of an object, of each key the last.
pub(crate) fn last_of_each_key<'t, 'a>(
    object: &'t ast::Object<'a>,
) -> impl Iterator<Item = (&'t str, &'t ast::Value<'a>)> {
    let mut last = std::collections::HashMap::with_capacity(object.properties.len());
    for (at, property) in object.properties.iter().enumerate() {
        last.insert(property.name.as_str(), at);
    }
    object
        .properties
        .iter()
        .enumerate()
        .filter_map(move |(at, property)| {
            let key = property.name.as_str();
            (last.get(key) == Some(&at)).then_some((key, &property.value))
        })
}

/// Turns places of a text into lines and columns, both from 1, columns in characters.
///
/// It goes on from the place asked for last, so that places in the order of the text cost one walk over it, also where
/// the whole document is one line.
pub(crate) struct Lines<'t> {
    text: &'t str,
    /// The last place, with its line and column.
    last: Cell<(usize, u32, u32)>,
}

impl<'t> Lines<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self {
            text,
            last: Cell::new((0, 1, 1)),
        }
    }

    pub(crate) fn place(&self, at: usize) -> (u32, u32) {
        let start = (0, 1, 1);
        let last = self.last.get();
        let (from, line, column) = if last.0 <= at { last } else { start };
        let passed = self.text.as_bytes().get(from..at).unwrap_or_default();
        let lines = count(passed, |byte| byte == b'\n');
        let last_line = passed.rsplit(|byte| *byte == b'\n').next();
        // A character has one byte that does not continue another.
        let columns = count(last_line.unwrap_or_default(), |byte| byte & 0xC0 != 0x80);
        let column = if lines == 0 { column } else { 1 };
        let (line, column) = (line.saturating_add(lines), column.saturating_add(columns));
        self.last.set((at, line, column));
        (line, column)
    }
}

/// Counts bytes, chunk by chunk in eight bits each, which the compiler turns into a few wide instructions.
fn count(bytes: &[u8], counts: impl Fn(u8) -> bool) -> u32 {
    bytes
        .chunks(255)
        .map(|chunk| u32::from(chunk.iter().map(|byte| u8::from(counts(*byte))).sum::<u8>()))
        .fold(0, u32::saturating_add)
}

/// Writes the path from a node to that at a place behind it, such as `flags.checkout.rules[2].serve`; the root is empty.
pub(crate) fn push_path(path: &mut String, root: &ast::Value<'_>, at: usize) {
    let mut node = root;
    loop {
        match node {
            ast::Value::Object(object) => {
                let inside = |range: &dyn Ranged| range.start() <= at && at < range.end();
                let Some(property) = object.properties.iter().find(|property| inside(*property))
                else {
                    return;
                };
                push_name(path, property.name.as_str());
                if at < property.value.start() {
                    return;
                }
                node = &property.value;
            }
            ast::Value::Array(array) => {
                let Some((index, element)) = index_at(&array.elements, at) else {
                    return;
                };
                path.extend(["[", &*index.to_string(), "]"]);
                node = element;
            }
            _ => return,
        }
    }
}

/// Finds the item that a place is in; items stand in the order of the text.
fn index_at<T: Ranged>(items: &[T], at: usize) -> Option<(usize, &T)> {
    let index = items.partition_point(|item| item.end() <= at);
    let item = items.get(index)?;
    (item.start() <= at).then_some((index, item))
}

fn entry_at<T: Ranged>(items: &[T], at: usize) -> Option<&T> {
    index_at(items, at).map(|(_, item)| item)
}

/// Finds the entry of the document's sections that a place is in: a section's name and the entry's.
pub(crate) fn owner<'t>(root: &'t ast::Value<'_>, at: usize) -> Option<(&'t str, &'t str)> {
    let section = entry_at(&root.as_object()?.properties, at)?;
    let entry = entry_at(&section.value.as_object()?.properties, at)?;
    Some((section.name.as_str(), entry.name.as_str()))
}

/// Writes a name as a step of a path, `.a` or `["a.b"]`.
pub(crate) fn step(name: &str) -> String {
    let mut path = "x".to_owned();
    push_name(&mut path, name);
    path.split_off(1)
}

fn push_name(path: &mut String, name: &str) {
    let plain = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_$-".contains(&byte));
    if plain {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(name);
    } else {
        path.extend(["[", &*serde_json::Value::from(name).to_string(), "]"]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(root: &ast::Value<'_>, at: usize) -> String {
        let mut path = String::new();
        push_path(&mut path, root, at);
        path
    }

    fn accepts(text: &str) -> bool {
        parse(text, Syntax::Document).is_ok()
    }

    #[test]
    fn accepts_comments_and_trailing_commas_and_nothing_else_beyond_json() {
        for text in [
            "{}",
            "[1, 2,]",
            "{\"a\": 1,} // end",
            "/* a */ 1",
            "\t\r\n 1",
            "\"é\\ud83d\\ude00\"",
            "-0.5e-3",
        ] {
            assert!(accepts(text), "{text}");
        }
        for text in [
            "",
            "{",
            "[1 2]",
            "{\"a\" 1}",
            "{a: 1}",
            "{'a': 1}",
            "['a']",
            "0x1",
            "+1",
            "01",
            "-",
            ".5",
            "5.",
            "1e",
            "NaN",
            "-Infinity",
            "tru",
            "[,]",
            "[1,,]",
            "{,}",
            "{} {}",
            "\"\\ud800\"",
            "\"\\x41\"",
            "\"\\'\"",
            "\"a\nb\"",
            "\"\t\"",
            "\u{b}1",
            "\u{a0}1",
            "1\u{2028}",
            "/* open",
            "/",
            "\"open",
            "[1] ,",
            "{\"a\": 1 \"b\": 2}",
            "[{} {}]",
            "{\"a\": {} \"b\": 2}",
            "\u{feff}1",
            "nul",
            "[1}",
            "{]",
            "1//\u{1}\n2",
            "{\"a\":}",
            "{\"a\"}",
        ] {
            assert!(!accepts(text), "{text:?}");
        }
    }

    #[test]
    fn nests_128_levels_and_no_more() {
        for (levels, good) in [(128, true), (129, false), (400, false), (100_000, false)] {
            let text = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
            assert_eq!(accepts(&text), good, "{levels}");
            let text = format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
            assert_eq!(accepts(&text), good, "{levels}");
        }
    }

    #[test]
    fn names_the_path_of_a_place() {
        let text = r#"{ "flags": { "a.b": { "rules": [ 1, { "serve": "x" } ] } }, "": 1 }"#;
        let root = parse(text, Syntax::Document).ok().unwrap();
        let at = |part: &str| path(&root, text.find(part).unwrap());
        assert_eq!(at("\"x\""), r#"flags["a.b"].rules[1].serve"#);
        assert_eq!(at("{ \"serve"), r#"flags["a.b"].rules[1]"#);
        assert_eq!(at("\"rules"), r#"flags["a.b"].rules"#);
        assert_eq!(at("\"\""), r#"[""]"#);
        assert_eq!(path(&root, 0), "");
    }

    #[test]
    fn counts_columns_in_characters() {
        let lines = Lines::new("é1\r\n23");
        assert_eq!(lines.place(2), (1, 2));
        assert_eq!(lines.place(5), (2, 1));
        assert_eq!(lines.place(6), (2, 2));
    }
}
