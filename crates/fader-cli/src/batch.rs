//! One case a line in, one answer a line out: `fader eval --batch`.
//!
//! A case is read, answered and forgotten, so a batch may be of any length. What is buffered is written out whenever
//! the input has no whole line at hand: a program may ask, wait for the answer and ask again.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::path::Path;

use anyhow::anyhow;
use fader::{Context, Flags, Timestamp};
use serde_json::value::RawValue;

use crate::eval::Answer;
use crate::{Outcome, output};

/// The longest line that is taken for a case.
const MAX_LINE: u64 = 16 << 20;

/// Answers every case of a file, or of standard input where the path is `-`.
pub(crate) fn run(flags: &Flags, cases: &Path, now: Timestamp) -> anyhow::Result<Outcome> {
    let unread = |error: io::Error| {
        anyhow!(output::reason(&error)).context(format!("cannot read `{}`", cases.display()))
    };
    let mut out = output::plain();
    let outcome = if cases.as_os_str() == "-" {
        answer_all(flags, io::stdin().lock(), &mut out, now)
    } else {
        answer_all(flags, File::open(cases).map_err(unread)?, &mut out, now)
    };
    match outcome {
        Ok(outcome) => {
            out.flush().map_err(output::failed)?;
            Ok(outcome)
        }
        Err(Stop::Input(error)) => Err(unread(error)),
        Err(Stop::Output(error)) => Err(output::failed(error)),
    }
}

/// What ended a batch before its end.
enum Stop {
    Input(io::Error),
    Output(io::Error),
}

fn answer_all(
    flags: &Flags,
    input: impl io::Read,
    out: &mut impl Write,
    now: Timestamp,
) -> Result<Outcome, Stop> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    let snapshot = flags.snapshot();
    let names: Vec<&str> = snapshot.flags().collect();
    let mut outcome = Outcome::Fine;
    let mut line = Vec::new();
    let mut is_first = true;
    loop {
        if !input.buffer().contains(&b'\n') {
            out.flush().map_err(Stop::Output)?;
        }
        let length = next_line(&mut input, &mut line).map_err(Stop::Input)?;
        let text = match length {
            Length::End => return Ok(outcome),
            Length::Fits => without_bom(&line, std::mem::take(&mut is_first)),
            Length::TooLong => &[],
        };
        if length == Length::Fits && text.trim_ascii().is_empty() {
            continue;
        }
        let mut write = |answer: Answer<'_>| {
            if answer.is_error() {
                outcome = Outcome::Findings;
            }
            answer.write(out).map_err(Stop::Output)
        };
        match Case::read(text, now) {
            Ok(case) => {
                let scope = flags.scope_at(&case.context, case.now);
                match &case.flag {
                    Some(flag) => write(Answer::new(flag, &scope.resolve(flag)))?,
                    None => {
                        for flag in &names {
                            write(Answer::new(flag, &scope.resolve(flag)))?;
                        }
                    }
                }
            }
            Err(Unreadable { flag }) => {
                write(Answer::unreadable(flag.as_deref(), snapshot.version()))?;
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    End,
    Fits,
    TooLong,
}

/// Reads the next line, with its end.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Length> {
    line.clear();
    let length = input.by_ref().take(MAX_LINE).read_until(b'\n', line)?;
    if length == 0 {
        return Ok(Length::End);
    }
    if length as u64 == MAX_LINE && !line.ends_with(b"\n") {
        input.skip_until(b'\n')?;
        return Ok(Length::TooLong);
    }
    Ok(Length::Fits)
}

fn without_bom(line: &[u8], is_first: bool) -> &[u8] {
    line.strip_prefix("\u{feff}".as_bytes())
        .filter(|_| is_first)
        .unwrap_or(line)
}

/// A question of a batch.
struct Case {
    /// The flag; every flag where it is left out.
    flag: Option<String>,
    context: Context,
    now: Timestamp,
}

/// A line that is no case, and the flag it asks for where that could be read.
struct Unreadable {
    flag: Option<String>,
}

impl Case {
    /// Reads a line, which is strict JSON. Fields that a case does not have are ignored, of two alike the later counts.
    ///
    /// The context is handed on as it is written: the spelling of its numbers tells integers from floats.
    fn read(line: &[u8], now: Timestamp) -> Result<Self, Unreadable> {
        let mut fields: HashMap<String, &RawValue> =
            serde_json::from_slice(line).map_err(|_| Unreadable { flag: None })?;
        let mut text = |name: &str| fields.remove(name).map(RawValue::get);

        let flag: Option<String> = text("flag")
            .map(serde_json::from_str)
            .transpose()
            .map_err(|_| Unreadable { flag: None })?;
        let context = text("context").map_or(Ok(Context::anonymous()), |text| {
            Context::from_json(text).map_err(drop)
        });
        let now = text("now").map_or(Ok(now), |text| {
            let text: String = serde_json::from_str(text).map_err(drop)?;
            Timestamp::parse(&text).ok_or(())
        });
        match (context, now) {
            (Ok(context), Ok(now)) => Ok(Self { flag, context, now }),
            _ => Err(Unreadable { flag }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag_of(line: &str) -> Result<Option<String>, Option<String>> {
        Case::read(line.as_bytes(), Timestamp::EPOCH)
            .map(|case| case.flag)
            .map_err(|unreadable| unreadable.flag)
    }

    #[test]
    fn reads_cases() {
        let f = || Some("f".to_owned());
        assert_eq!(flag_of("{}"), Ok(None));
        assert_eq!(
            flag_of(r#"{"flag": "f", "context": {}, "now": "2026-12-01T00:00:00Z"}"#),
            Ok(f())
        );
        assert_eq!(flag_of(r#"{"flag": "f", "context": []}"#), Err(f()));
        assert_eq!(flag_of(r#"{"flag": "f", "context": null}"#), Err(f()));
        assert_eq!(
            flag_of(r#"{"flag": "f", "context": {"a": 1e400}}"#),
            Err(f())
        );
        assert_eq!(flag_of(r#"{"flag": "f", "now": "2026-12-01"}"#), Err(f()));
        assert_eq!(flag_of(r#"{"flag": "f", "now": null}"#), Err(f()));
        assert_eq!(flag_of(r#"{"flag": "g", "flag": "f"}"#), Ok(f()));
        for line in [
            "",
            "[]",
            "null",
            r#"{"flag": 1}"#,
            r#"{"flag": null}"#,
            r#"{"flag": "f",}"#,
            r#"{"flag": "f"} x"#,
        ] {
            assert_eq!(flag_of(line), Err(None), "{line}");
        }
        assert_eq!(
            Case::read(b"{\"flag\": \"\xff\"}", Timestamp::EPOCH)
                .err()
                .and_then(|error| error.flag),
            None
        );
    }

    #[test]
    fn the_context_is_taken_as_written() {
        let line = br#"{"context": {"a": 1.0, "a": 9007199254740993, "b": -0}}"#;
        let case = Case::read(line, Timestamp::EPOCH).ok().unwrap();
        let wanted = Context::anonymous()
            .with("a", 9_007_199_254_740_993_i64)
            .with("b", 0);
        assert_eq!(case.context, wanted);
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let long = io::repeat(b'x').take(2 * MAX_LINE + 5);
        let mut input = BufReader::new(long.chain(&b"\nnext\n"[..]));
        let mut line = Vec::new();
        assert!(next_line(&mut input, &mut line).unwrap() == Length::TooLong);
        assert_eq!(line.len() as u64, MAX_LINE);
        assert!(next_line(&mut input, &mut line).unwrap() == Length::Fits);
        assert_eq!(line, b"next\n");
        assert!(next_line(&mut input, &mut line).unwrap() == Length::End);
    }
}
