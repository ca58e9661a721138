//! What is wrong with the arguments, in one line, and where help is.

use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::output;

/// Prints the help or version that was asked for, or what is wrong with the arguments.
pub(crate) fn answer(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A closed pipe has seen enough of the help.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(2)
        }
        _ => {
            output::complain(&in_one_line(&error.render().to_string()));
            ExitCode::from(2)
        }
    }
}

/// Keeps the message and the tips of clap's text, and of its usage only the command.
fn in_one_line(text: &str) -> String {
    let mut line = String::new();
    let mut command = String::from("fader");
    for paragraph in text.split("\n\n") {
        let words = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(message) = words.strip_prefix("error: ") {
            line.push_str(message);
        } else if let Some(tip) = words.strip_prefix("tip: ") {
            line.push_str("; ");
            line.push_str(tip);
        } else if let Some(usage) = words.strip_prefix("Usage: ") {
            command = usage
                .split(' ')
                .take_while(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
                .collect::<Vec<_>>()
                .join(" ");
        } else if words.starts_with("[possible values") {
            line.push(' ');
            line.push_str(&words);
        }
    }
    format!("{}; see `{command} --help`", quoted(&line))
}

/// Puts arguments in backticks, where clap has `'…'`; an apostrophe inside a word stays.
fn quoted(text: &str) -> String {
    let mut inside_word = false;
    let mut quoted = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let before_word = rest.peek().is_some_and(|next| next.is_alphanumeric());
        quoted.push(if character == '\'' && !(inside_word && before_word) {
            '`'
        } else {
            character
        });
        inside_word = character.is_alphanumeric();
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_several_paragraphs_becomes_one_line() {
        let text = "error: unexpected argument '--formt' found\n\n  tip: a similar argument exists: '--format'\n\n\
                    Usage: fader check --format <FORMAT> <FILE>...\n\nFor more information, try '--help'.\n";
        assert_eq!(
            in_one_line(text),
            "unexpected argument `--formt` found; a similar argument exists: `--format`; see `fader check --help`"
        );
    }

    #[test]
    fn missing_arguments_are_listed_in_the_line() {
        let text = "error: the following required arguments were not provided:\n  --salt <SALT>\n  --unit <UNIT>\n\n\
                    Usage: fader position --salt <SALT> --unit <UNIT>\n\nFor more information, try '--help'.\n";
        assert_eq!(
            in_one_line(text),
            "the following required arguments were not provided: --salt <SALT> --unit <UNIT>; see `fader position --help`"
        );
    }

    #[test]
    fn an_apostrophe_is_no_quote() {
        assert_eq!(
            quoted("the argument 'x' can't be"),
            "the argument `x` can't be"
        );
    }
}
