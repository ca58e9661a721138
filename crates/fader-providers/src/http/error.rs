//! Why a fetch brought nothing, and why a setting can't be used.

use std::error::Error;
use std::io;
use std::time::Duration;

use reqwest::StatusCode;
use rustls::CertificateError;

use crate::error::{ErrorKind, reason_of};

/// Why nothing could be fetched. No address, credential or header value is in it: an address may hold a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("{0}")]
    Unreachable(String),
    #[error("no connection within {0:?}")]
    NoConnection(Duration),
    #[error("no whole answer within {0:?}")]
    TimedOut(Duration),
    #[error("the answer broke off: {0}")]
    Cut(String),
    #[error("the server answers `{status}`")]
    Status {
        status: StatusCode,
        retry_after: Option<Duration>,
    },
    #[error("the server says `304 Not Modified` of what it was never asked about")]
    UnmodifiedNothing,
    #[error("the server redirects to another origin, `{0}`")]
    OtherOrigin(String),
    #[error("the server redirects more than {0} times")]
    TooManyRedirects(usize),
    #[error(
        "its content type is `{0}`, which is not JSON; a login page looks like that, and where it is right after all, `accept_content_type` takes it"
    )]
    ContentType(String),
    #[error("it is encoded with `{0}`, which was not asked for")]
    Encoding(String),
    #[error("it is larger than the limit of {0} bytes")]
    TooLarge(u64),
    #[error(
        "it has neither a length nor chunks, so that nobody could tell if half of it were missing"
    )]
    NoLength,
    #[error(
        "it became empty, as while it is being written; a list that is meant to be empty holds a comment line"
    )]
    Emptied,
    #[error("it lies at another origin, `{0}`")]
    ListElsewhere(String),
    #[error("its path is no address: {0}")]
    ListPath(String),
    #[error("its path has a user or a password in it")]
    ListUser,
    #[error("no whole answer yet, after {0:?}")]
    UnderWay(Duration),
    #[error("`authorization` {0}")]
    Authorization(&'static str),
    #[error("`authorization` returned nothing within {0:?}")]
    AuthorizationHangs(Duration),
    #[error("no trusted root certificate is found on this machine; `root_certificate` adds one")]
    NoRoots,
    #[error("no client can be made: {0}")]
    Client(String),
    #[error("list `{path}`: {source}")]
    List { path: String, source: Box<Self> },
}

impl FetchError {
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreachable(_) | Self::NoRoots | Self::Client(_) => ErrorKind::Unreachable,
            Self::NoConnection(_)
            | Self::TimedOut(_)
            | Self::UnderWay(_)
            | Self::AuthorizationHangs(_) => ErrorKind::TimedOut,
            Self::Status { status, .. } => match *status {
                StatusCode::NOT_FOUND | StatusCode::GONE => ErrorKind::NotFound,
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::Denied,
                _ => ErrorKind::BadAnswer,
            },
            Self::Authorization(_) => ErrorKind::Denied,
            Self::TooLarge(_) => ErrorKind::TooLarge,
            Self::Cut(_)
            | Self::UnmodifiedNothing
            | Self::OtherOrigin(_)
            | Self::TooManyRedirects(_)
            | Self::ContentType(_)
            | Self::Encoding(_)
            | Self::NoLength
            | Self::ListElsewhere(_)
            | Self::ListPath(_)
            | Self::ListUser => ErrorKind::BadAnswer,
            Self::Emptied => ErrorKind::Changing,
            Self::List { source, .. } => source.kind(),
        }
    }

    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_)
            | Self::NoConnection(_)
            | Self::TimedOut(_)
            | Self::UnderWay(_)
            | Self::AuthorizationHangs(_)
            | Self::Cut(_)
            | Self::Emptied => true,
            Self::Status { status, .. } => {
                status.is_server_error()
                    || matches!(
                        *status,
                        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
                    )
            }
            Self::List { source, .. } => source.is_transient(),
            _ => false,
        }
    }

    /// Returns how long the server asks to stay away.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::List { source, .. } => source.retry_after(),
            _ => None,
        }
    }

    /// Words an error of the client, without the address.
    pub(super) fn of(error: &reqwest::Error, connect_timeout: Duration, timeout: Duration) -> Self {
        if let Some(refused) = innermost::<Redirect>(error) {
            return match refused {
                Redirect::OtherOrigin(origin) => Self::OtherOrigin(told(origin)),
                Redirect::TooMany(most) => Self::TooManyRedirects(*most),
            };
        }
        match () {
            () if error.is_timeout() && error.is_connect() => Self::NoConnection(connect_timeout),
            () if error.is_timeout() => Self::TimedOut(timeout),
            () if error.is_connect() => {
                Self::Unreachable(format!("no connection: {}", root_of(error)))
            }
            () => Self::Cut(root_of(error)),
        }
    }
}

/// Words what a server or a document says: in one line without control characters, and not all of a long text.
pub(super) fn told(text: &str) -> String {
    let mut told: String = text
        .chars()
        .take(100)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(100).is_some() {
        told.push('…');
    }
    told
}

/// Why a redirect is not followed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Redirect {
    #[error("another origin")]
    OtherOrigin(String),
    #[error("too many redirects")]
    TooMany(usize),
}

/// Finds a cause by its type.
fn innermost<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// Words the first cause of an error, which says what the layers above only wrap.
fn root_of(error: &(dyn Error + 'static)) -> String {
    let mut root = error;
    while let Some(cause) = cause_of(root) {
        root = cause;
    }
    if let Some(rustls::Error::InvalidCertificate(refused)) = root.downcast_ref() {
        return format!("invalid peer certificate: {}", certificate(refused));
    }
    let io = root.downcast_ref::<io::Error>();
    io.map_or_else(|| root.to_string(), reason_of)
}

/// Returns what an error wraps: one of the system hands on the cause of what it wraps, not that itself.
fn cause_of<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    let io = error.downcast_ref::<io::Error>();
    match io.and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// Words what is wrong with a certificate, without the time of the try: an error that stays the same is told once.
fn certificate(refused: &CertificateError) -> String {
    match refused {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".to_owned()
        }
        other => other.to_string(),
    }
}
