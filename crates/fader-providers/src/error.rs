//! Why a provider could not deliver.

use std::fmt;
use std::io;

use fader::CompileError;

#[cfg(feature = "file")]
use crate::file::ReadError;
#[cfg(feature = "http")]
use crate::http::FetchError;

/// Tells why a provider could not deliver a document: one clear line that names the path or the address.
///
/// The line says all there is to say, so `source()` adds nothing to it. `Debug` is the same line, as it is what a
/// `main` that returns the error prints.
///
#[cfg_attr(feature = "file", doc = "```")]
#[cfg_attr(not(feature = "file"), doc = "```ignore")]
/// let error = fader_providers::file("no/such/flags.json").open().unwrap_err();
///
/// assert_eq!(error.to_string(), "cannot read `no/such/flags.json`: no such file");
/// assert_eq!(error.kind(), fader_providers::ErrorKind::NotFound);
/// ```
pub struct ProviderError(Box<Repr>);

#[derive(Debug, thiserror::Error)]
enum Repr {
    #[cfg(feature = "file")]
    #[error("cannot read `{name}`: {source}")]
    Read { name: String, source: ReadError },
    #[cfg(feature = "http")]
    #[error("cannot fetch `{name}`: {source}")]
    Fetch { name: String, source: FetchError },
    #[error("{0}")]
    Setting(String),
    #[error(transparent)]
    Refused(CompileError),
    #[error("cannot write `{name}`: {}", reason_of(source))]
    Write { name: String, source: io::Error },
    #[error("cannot start the thread that follows `{name}`: {}", reason_of(source))]
    Thread { name: String, source: io::Error },
}

/// What kind of failure a [`ProviderError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nothing is there.
    NotFound,
    /// Something is there that is no regular file: a directory, a pipe, a device.
    NotAFile,
    /// It is larger than the limit.
    TooLarge,
    /// It is being rewritten, so that no reading of it was whole.
    Changing,
    /// The system refused to read it.
    Unreadable,
    /// The system refused to write it.
    Unwritable,
    /// No server could be reached: its name, the connection, or TLS.
    Unreachable,
    /// The server took too long.
    TimedOut,
    /// The server refuses who asks: 401 or 403.
    Denied,
    /// The server's answer is not what was asked for: another status, another type, a redirect to another origin, half
    /// of it.
    BadAnswer,
    /// A setting of the provider can't be used: an address, a header, a certificate.
    Setting,
    /// It was read, and what it says is refused: see [`ProviderError::compile_error`].
    Refused,
    /// The system refused a thread to follow it with.
    Thread,
}

impl ErrorKind {
    /// Returns the kind's name, such as `not-found`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::NotAFile => "not-a-file",
            Self::TooLarge => "too-large",
            Self::Changing => "changing",
            Self::Unreadable => "unreadable",
            Self::Unwritable => "unwritable",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed-out",
            Self::Denied => "denied",
            Self::BadAnswer => "bad-answer",
            Self::Setting => "setting",
            Self::Refused => "refused",
            Self::Thread => "thread",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ProviderError {
    #[cfg(feature = "file")]
    pub(crate) fn read(name: &str, source: ReadError) -> Self {
        Self(Box::new(Repr::Read {
            name: name.to_owned(),
            source,
        }))
    }

    #[cfg(feature = "http")]
    pub(crate) fn fetch(name: &str, source: FetchError) -> Self {
        Self(Box::new(Repr::Fetch {
            name: name.to_owned(),
            source,
        }))
    }

    pub(crate) fn setting(line: String) -> Self {
        Self(Box::new(Repr::Setting(line)))
    }

    pub(crate) fn write(name: &str, source: io::Error) -> Self {
        Self(Box::new(Repr::Write {
            name: name.to_owned(),
            source,
        }))
    }

    pub(crate) fn refused(error: CompileError) -> Self {
        Self(Box::new(Repr::Refused(error)))
    }

    pub(crate) fn thread(name: &str, source: io::Error) -> Self {
        Self(Box::new(Repr::Thread {
            name: name.to_owned(),
            source,
        }))
    }

    /// Returns what kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match &*self.0 {
            #[cfg(feature = "file")]
            Repr::Read { source, .. } => source.kind(),
            #[cfg(feature = "http")]
            Repr::Fetch { source, .. } => source.kind(),
            Repr::Setting(_) => ErrorKind::Setting,
            Repr::Refused(_) => ErrorKind::Refused,
            Repr::Write { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => ErrorKind::NotFound,
                io::ErrorKind::IsADirectory => ErrorKind::NotAFile,
                _ => ErrorKind::Unwritable,
            },
            Repr::Thread { .. } => ErrorKind::Thread,
        }
    }

    /// Returns whether trying again can help although nobody mends anything: the file was just being written, the server
    /// was down or busy, or the system was short of something.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match &*self.0 {
            #[cfg(feature = "file")]
            Repr::Read { source, .. } => source.is_transient(),
            #[cfg(feature = "http")]
            Repr::Fetch { source, .. } => source.is_transient(),
            Repr::Setting(_) => false,
            Repr::Refused(_) | Repr::Write { .. } => false,
            Repr::Thread { .. } => true,
        }
    }

    /// Returns the errors in the document or its overlay, where it was read and refused.
    #[must_use]
    pub fn compile_error(&self) -> Option<&CompileError> {
        match &*self.0 {
            Repr::Refused(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Debug for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for ProviderError {}

/// Words a system's error as other messages are: in lower case, without its number.
pub(crate) fn reason_of(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotADirectory {
        return "a part of its path is a file, not a directory".to_owned();
    }
    let text = error.to_string();
    let text = text
        .split_once(" (os error")
        .map_or(text.as_str(), |(text, _)| text);
    let mut letters = text.chars();
    letters
        .next()
        .into_iter()
        .flat_map(char::to_lowercase)
        .chain(letters)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use fader::{Flags, Source};

    use super::*;

    #[test]
    fn it_is_one_line_however_it_is_printed() {
        let denied = || io::Error::from_raw_os_error(13);
        let refused = Flags::builder()
            .build()
            .load("{ \"flag\": {} }", &Source::new("flags.json"))
            .unwrap_err();
        for (error, line) in [
            #[cfg(feature = "file")]
            (
                ProviderError::read("flags.json", denied().into()),
                "cannot read `flags.json`: permission denied".to_owned(),
            ),
            #[cfg(feature = "http")]
            (
                ProviderError::fetch("https://example.com/", FetchError::TooLarge(7)),
                "cannot fetch `https://example.com/`: it is larger than the limit of 7 bytes"
                    .to_owned(),
            ),
            (
                ProviderError::write("flags.json", denied()),
                "cannot write `flags.json`: permission denied".to_owned(),
            ),
            (
                ProviderError::thread("flags.json", denied()),
                "cannot start the thread that follows `flags.json`: permission denied".to_owned(),
            ),
            (ProviderError::refused(refused.clone()), refused.to_string()),
        ] {
            assert_eq!(error.to_string(), line);
            assert_eq!(format!("{error:?}"), line);
            assert_eq!(format!("{error:#?}"), line);
            assert!(error.source().is_none(), "the line says it already");
        }
    }
}
