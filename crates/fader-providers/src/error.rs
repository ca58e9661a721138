//! Why a provider could not deliver.

use std::fmt;
use std::io;

use fader::CompileError;

use crate::file::{ReadError, reason_of};

/// Tells why a provider could not deliver a document: one clear line that names the path.
///
/// The line says all there is to say, so `source()` adds nothing to it. `Debug` is the same line, as it is what a
/// `main` that returns the error prints.
///
/// ```
/// let error = fader_providers::file("no/such/flags.json").open().unwrap_err();
///
/// assert_eq!(error.to_string(), "cannot read `no/such/flags.json`: no such file");
/// assert_eq!(error.kind(), fader_providers::ErrorKind::NotFound);
/// ```
pub struct ProviderError(Box<Repr>);

#[derive(Debug, thiserror::Error)]
enum Repr {
    #[error("cannot read `{name}`: {source}")]
    Read { name: String, source: ReadError },
    #[error(transparent)]
    Refused(CompileError),
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
    pub(crate) fn read(name: &str, source: ReadError) -> Self {
        Self(Box::new(Repr::Read {
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
            Repr::Read { source, .. } => source.kind(),
            Repr::Refused(_) => ErrorKind::Refused,
            Repr::Thread { .. } => ErrorKind::Thread,
        }
    }

    /// Returns whether trying again can help although nobody mends anything: the file was just being written, or the
    /// system was short of something.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match &*self.0 {
            Repr::Read { source, .. } => source.is_transient(),
            Repr::Refused(_) => false,
            Repr::Thread { .. } => true,
        }
    }

    /// Returns the errors in the document or its overlay, where it was read and refused.
    #[must_use]
    pub fn compile_error(&self) -> Option<&CompileError> {
        match &*self.0 {
            Repr::Refused(error) => Some(error),
            Repr::Read { .. } | Repr::Thread { .. } => None,
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
            (
                ProviderError::read("flags.json", denied().into()),
                "cannot read `flags.json`: permission denied".to_owned(),
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
