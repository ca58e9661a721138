//! One try: a request, signed, and what came of it.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::hmac;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Error};

/// Where it is posted to. Only its origin is shown.
pub(super) struct Address {
    uri: Uri,
    origin: String,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("the address of a webhook can't be used: {why}");
        let uri: Uri = url.parse().map_err(|_| wrong("it is no URL"))?;
        let scheme = uri.scheme_str().filter(|s| matches!(*s, "http" | "https"));
        let scheme =
            scheme.ok_or_else(|| wrong("it begins with neither `https://` nor `http://`"))?;
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| wrong("it has no host"))?;
        let port = uri.port().map(|port| format!(":{port}"));
        let origin = format!("{scheme}://{host}{}", port.unwrap_or_default());
        Ok(Self { uri, origin })
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }
}

/// Posts to one address.
pub(super) struct Client {
    agent: Agent,
    address: Address,
    key: Option<hmac::Key>,
}

impl Client {
    pub(super) fn new(address: Address, secret: Option<&[u8]>, time_out: Duration) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(time_out))
            .http_status_as_error(false)
            // Whoever is redirected to has not been named.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .tls_config(TlsConfig::builder().root_certs(roots(&address)).build())
            .user_agent(concat!("fader/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            agent: config.into(),
            address,
            key: secret.map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret)),
        }
    }

    pub(super) fn origin(&self) -> &str {
        self.address.origin()
    }

    pub(super) fn post(&self, body: &[u8]) -> Result<(), Failed> {
        let mut request = self
            .agent
            .post(&self.address.uri)
            .header("content-type", "application/json");
        if let Some(key) = &self.key {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let stamp = now.unwrap_or_default().as_secs().to_string();
            request = request
                .header("x-fader-signature", signature(key, &stamp, body))
                .header("x-fader-timestamp", stamp);
        }
        let response = request.send(body).map_err(|error| Failed::of(&error))?;
        match response.status().as_u16() {
            200..300 => Ok(()),
            status => Err(Failed::Status(status)),
        }
    }
}

/// Returns the certificates to trust: the machine's own, among which a company's authority is, or bundled ones where it has
/// none, as in an empty container.
fn roots(address: &Address) -> RootCerts {
    if address.uri.scheme_str() == Some("http") {
        return RootCerts::WebPki;
    }
    let native = rustls_native_certs::load_native_certs().certs;
    if native.is_empty() {
        return RootCerts::WebPki;
    }
    let certificates = native
        .iter()
        .map(|der| Certificate::from_der(der).to_owned());
    RootCerts::from(certificates)
}

pub(super) fn signature(key: &hmac::Key, stamp: &str, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(key);
    context.update(stamp.as_bytes());
    context.update(b".");
    context.update(body);
    let mut text = String::from("sha256=");
    for byte in context.sign().as_ref() {
        text.push(hex(byte >> 4));
        text.push(hex(byte & 15));
    }
    text
}

fn hex(digit: u8) -> char {
    char::from_digit(digit.into(), 16).unwrap_or('0')
}

/// Why a try did not arrive. It never has the address in it.
#[derive(Debug)]
pub(super) enum Failed {
    Status(u16),
    /// No answer at all.
    Unreached(String),
    /// It can't be sent, and won't ever be.
    Unsent,
}

impl Failed {
    fn of(error: &Error) -> Self {
        let why = match error {
            Error::Timeout(_) => "no answer in time".to_owned(),
            Error::HostNotFound => "the host is not found".to_owned(),
            Error::Io(error) => error.to_string(),
            Error::Rustls(error) => error.to_string(),
            Error::ConnectionFailed => "no connection".to_owned(),
            Error::ConnectProxyFailed(_) => "the proxy does not connect".to_owned(),
            Error::Tls(why) => (*why).to_owned(),
            Error::Protocol(_) | Error::LargeResponseHeader(..) => {
                "the answer is not HTTP".to_owned()
            }
            _ => return Self::Unsent,
        };
        Self::Unreached(why)
    }

    /// Tells whether another try may arrive.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Status(status) => matches!(status, 408 | 429 | 500..),
            Self::Unreached(_) => true,
            Self::Unsent => false,
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "the status is {status}"),
            Self::Unreached(why) => f.write_str(why),
            Self::Unsent => f.write_str("the request can't be sent"),
        }
    }
}
