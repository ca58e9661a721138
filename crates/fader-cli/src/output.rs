//! What people read: messages, diagnostics with the line they are about, tables.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use crate::document::{Finding, Report};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HELP: Style = AnsiColor::Cyan.on_default().bold();
const FRAME: Style = AnsiColor::Blue.on_default().bold();
const STRONG: Style = Style::new().bold();

/// How many characters of a source line are shown at most, and how many of them before the place in question.
const EXCERPT: usize = 100;
const EXCERPT_BEFORE: usize = 60;

/// Why standard output did not take the answers.
#[derive(Debug)]
struct OutputError(io::Error);

impl std::fmt::Display for OutputError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot write to standard output: {}", reason(&self.0))
    }
}

impl std::error::Error for OutputError {}

/// Opens standard output, buffered, with colours only where it is a terminal that wants them.
pub(crate) fn stdout() -> impl Write {
    BufWriter::new(anstream::stdout().lock())
}

/// Opens standard output, buffered, for what has no colours.
pub(crate) fn plain() -> impl Write {
    BufWriter::with_capacity(1 << 16, io::stdout().lock())
}

/// Opens standard error, with colours only where it is a terminal that wants them.
pub(crate) fn stderr() -> impl Write {
    anstream::stderr().lock()
}

/// Marks an error as one of writing the answers.
pub(crate) fn failed(error: impl Into<io::Error>) -> anyhow::Error {
    OutputError(error.into()).into()
}

/// Whether the answers could not be written because nobody reads them any longer.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<OutputError>()
        .is_some_and(|error| error.0.kind() == io::ErrorKind::BrokenPipe)
}

/// Says in one line on standard error why something could not be done.
pub(crate) fn complain(message: &str) {
    // Where standard error is closed, the exit code still tells.
    let _ = writeln!(stderr(), "{ERROR}fader{ERROR:#}: {}", printable(message));
}

/// Says in one line on standard error what does no harm but should be known.
pub(crate) fn warn(message: &str) {
    let _ = writeln!(
        stderr(),
        "{WARNING}warning{WARNING:#}: {}",
        printable(message)
    );
}

/// Writes a line of its own to standard output, at once. That nobody reads it any longer is no error.
pub(crate) fn say(line: &str) -> anyhow::Result<()> {
    let mut out = plain();
    match writeln!(out, "{}", printable(line)).and_then(|()| out.flush()) {
        // The exit code still tells.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed(error)),
        _ => Ok(()),
    }
}

/// Writes a line that begins with a word that nobody is to overlook.
pub(crate) fn alert(out: &mut impl Write, word: &str, message: &str) -> io::Result<()> {
    writeln!(out, "{ERROR}{word}{ERROR:#}: {}", printable(message))
}

/// Words an I/O error for people: without its number, and in lower case.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => return "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => return "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => return "it is a directory, not a file".to_owned(),
        io::ErrorKind::NotADirectory => {
            return "a part of its path is a file, not a directory".to_owned();
        }
        _ => {}
    }
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(rest).collect()
    })
}

/// Writes all that was found in so many documents, and counts it in a last line.
pub(crate) fn report(out: &mut impl Write, reports: &[Report], checked: usize) -> io::Result<()> {
    for report in reports {
        findings(out, report)?;
    }
    let (errors, warnings) = totals(reports);
    writeln!(
        out,
        "{} checked: {}, {}",
        count(checked, "file"),
        count(errors, "error"),
        count(warnings, "warning")
    )
}

/// Counts the errors and the warnings.
pub(crate) fn totals(reports: &[Report]) -> (usize, usize) {
    let all = || reports.iter().flat_map(|report| &report.findings);
    let errors = all().filter(|finding| finding.is_error()).count();
    (errors, all().count() - errors)
}

/// Writes every finding of a file, each followed by an empty line.
fn findings(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let text = String::from_utf8_lossy(&report.text);
    let lines: Vec<&str> = text
        .strip_prefix('\u{feff}')
        .unwrap_or(&text)
        .split('\n')
        .collect();
    for finding in &report.findings {
        let line = usize::try_from(finding.line)
            .ok()
            .and_then(|line| lines.get(line.checked_sub(1)?));
        one_finding(out, &report.file, finding, line.copied())?;
    }
    Ok(())
}

fn one_finding(
    out: &mut impl Write,
    file: &str,
    finding: &Finding,
    line: Option<&str>,
) -> io::Result<()> {
    let style = if finding.is_error() { ERROR } else { WARNING };
    let (severity, kind) = (finding.severity(), finding.kind);
    let message = printable(&finding.message);
    writeln!(
        out,
        "{style}{severity}[{kind}]{style:#}{STRONG}: {message}{STRONG:#}"
    )?;

    let number = finding.line.to_string();
    let indent = number.len();
    write!(
        out,
        "{:indent$}{FRAME}-->{FRAME:#} {}:{number}:{}",
        "",
        printable(file),
        finding.column
    )?;
    match &*finding.path {
        "" => writeln!(out)?,
        path => writeln!(out, " at {}", printable(path))?,
    }
    if let Some(line) = line {
        let (shown, caret) = excerpt(line, usize::try_from(finding.column).unwrap_or(usize::MAX));
        writeln!(out, "{:indent$} {FRAME}|{FRAME:#}", "")?;
        writeln!(out, "{FRAME}{number} |{FRAME:#} {shown}")?;
        writeln!(
            out,
            "{:indent$} {FRAME}|{FRAME:#} {:caret$}{style}^{style:#}",
            "", ""
        )?;
    }
    if let Some(help) = &finding.help {
        writeln!(out, "{HELP}help{HELP:#}: {}", printable(help))?;
    }
    writeln!(out)
}

/// Writes a warning that has a place in a document and no line, followed by an empty line.
pub(crate) fn warning(
    out: &mut impl Write,
    kind: &str,
    message: &str,
    path: &str,
    help: &str,
) -> io::Result<()> {
    let [message, path, help] = [message, path, help].map(printable);
    writeln!(
        out,
        "{WARNING}warning[{kind}]{WARNING:#}{STRONG}: {message}{STRONG:#}"
    )?;
    writeln!(out, "{FRAME}-->{FRAME:#} {path}")?;
    writeln!(out, "{HELP}help{HELP:#}: {help}\n")
}

/// Cuts a line around a column, from 1 in characters, and says how wide the part before that column is on a terminal.
fn excerpt(line: &str, column: usize) -> (String, usize) {
    let line = line.strip_suffix('\r').unwrap_or(line);
    let at = column.saturating_sub(1);
    let is_long = line.chars().nth(EXCERPT).is_some();
    let start = if is_long {
        at.saturating_sub(EXCERPT_BEFORE)
    } else {
        0
    };
    let mut shown = String::from(if start > 0 { "…" } else { "" });
    let mut caret = None;
    let mut characters = line.chars().enumerate().skip(start);
    for (index, character) in characters.by_ref().take(EXCERPT) {
        if index == at {
            caret = Some(shown.width());
        }
        match character {
            '\t' => shown.push_str("    "),
            character if is_harmful(character) => shown.push(char::REPLACEMENT_CHARACTER),
            character => shown.push(character),
        }
    }
    let caret = caret.unwrap_or_else(|| shown.width());
    if characters.next().is_some() {
        shown.push('…');
    }
    (shown, caret)
}

/// Escapes what would move the cursor, end the line or reorder the text: a document is not to be trusted with a
/// terminal.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_harmful(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped.into()
}

fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Counts things: `no errors`, `1 error`, `2 errors`.
pub(crate) fn count(number: usize, name: &str) -> String {
    match number {
        0 => format!("no {name}s"),
        1 => format!("1 {name}"),
        more => format!("{more} {name}s"),
    }
}

/// Writes rows with their columns aligned, two spaces apart.
pub(crate) fn table(out: &mut impl Write, rows: &[Vec<String>]) -> io::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.width())
                .max()
                .unwrap_or(0)
        })
        .collect();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.width() + 2));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_below_the_column() {
        assert_eq!(
            excerpt("  \"serve\": 1", 12),
            ("  \"serve\": 1".to_owned(), 11)
        );
        assert_eq!(excerpt("\t\t1\r", 3), ("        1".to_owned(), 8));
        assert_eq!(excerpt("漢字1", 3), ("漢字1".to_owned(), 4));
        assert_eq!(excerpt("e\u{301}1", 3), ("e\u{301}1".to_owned(), 1));
    }

    #[test]
    fn a_place_at_the_end_of_the_text_has_a_caret_too() {
        assert_eq!(excerpt("", 1), (String::new(), 0));
        assert_eq!(excerpt("{", 2), ("{".to_owned(), 1));
    }

    #[test]
    fn a_long_line_is_cut_around_the_column() {
        let line = format!("{}X{}", "a".repeat(5000), "b".repeat(5000));
        let (shown, caret) = excerpt(&line, 5001);
        assert_eq!(shown.chars().nth(caret), Some('X'));
        assert_eq!(shown.chars().count(), EXCERPT + 2);
        assert!(shown.starts_with('…') && shown.ends_with('…'));

        let (shown, caret) = excerpt(&line, 3);
        assert_eq!(
            (caret, shown.starts_with('a'), shown.ends_with('…')),
            (2, true, true)
        );
        let (shown, caret) = excerpt(&line, 10_001);
        assert_eq!((caret, shown.ends_with('b')), (61, true));
    }

    #[test]
    fn nothing_of_a_document_moves_the_cursor() {
        assert_eq!(printable("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\\nc");
        assert_eq!(printable("é `x`"), "é `x`");
        assert_eq!(excerpt("a\u{1b}[2J", 1).0, "a\u{fffd}[2J");
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [
            vec!["a".to_owned(), "b".to_owned()],
            vec!["漢字".to_owned(), "c".to_owned()],
        ];
        let mut out = Vec::new();
        table(&mut out, &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a     b\n漢字  c\n");
    }
}
