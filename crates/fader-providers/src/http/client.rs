//! One request and its answer: what is sent, what is followed, and what counts as an answer at all.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, RETRY_AFTER,
    TRANSFER_ENCODING,
};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Response, StatusCode, Url};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use super::body::Body;
use super::error::{FetchError, Redirect};
use super::settings::Settings;

/// How many redirects are followed, all within one origin.
const MAX_REDIRECTS: usize = 5;

/// What is asked for, as far as it makes a difference to what is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Document,
    List,
}

/// What came of a request.
#[derive(Debug)]
pub(super) enum Answer {
    /// It is as it was when it had the tag that was sent.
    Unchanged { url: Url },
    /// It is this.
    Content(Part),
}

/// What lies at an address: a document, or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Where it was found, after redirects.
    pub(super) url: Url,
    /// Its tag, to be sent back to the letter: what a weak one or one that a proxy has changed means is the server's
    /// business.
    pub(super) etag: Option<HeaderValue>,
    pub(super) bytes: Arc<[u8]>,
}

/// Asks one origin.
#[derive(Debug)]
pub(super) struct Client {
    client: reqwest::Client,
    settings: Arc<Settings>,
}

impl Client {
    pub(super) fn new(settings: Arc<Settings>) -> Result<Self, FetchError> {
        let tls = tls(&settings)?;
        let origin = settings.url.origin();
        let follow = move |attempt: Attempt<'_>| {
            if attempt.url().origin() != origin {
                let elsewhere = attempt.url().origin().ascii_serialization();
                attempt.error(Redirect::OtherOrigin(elsewhere))
            } else if attempt.previous().len() > MAX_REDIRECTS {
                attempt.error(Redirect::TooMany(MAX_REDIRECTS))
            } else {
                attempt.follow()
            }
        };
        // Each is said although it is the default of these features: another crate may switch others on.
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(Policy::custom(follow))
            .referer(false)
            .no_proxy()
            .http1_only()
            .no_hickory_dns()
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .user_agent(concat!("fader/", env!("CARGO_PKG_VERSION")))
            .default_headers(settings.headers.clone())
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.timeout)
            .build()
            .map_err(|error| FetchError::Client(error.without_url().to_string()))?;
        Ok(Self { client, settings })
    }

    /// Gets what lies at an address, unless it still has the given tag.
    pub(super) async fn get(
        &self,
        url: &Url,
        what: What,
        etag: Option<&HeaderValue>,
    ) -> Result<Answer, FetchError> {
        let mut response = self.ask(url, what, etag, false).await?;
        if response.status() == StatusCode::NOT_MODIFIED && etag.is_none() {
            // Somebody on the way answers for what others have.
            response = self.ask(url, what, None, true).await?;
        }
        let found = response.url().clone();
        match response.status() {
            StatusCode::OK => Ok(Answer::Content(Part {
                etag: response.headers().get(ETAG).cloned(),
                bytes: self.body(response, what).await?.into(),
                url: found,
            })),
            StatusCode::NOT_MODIFIED if etag.is_some() => Ok(Answer::Unchanged { url: found }),
            StatusCode::NOT_MODIFIED => Err(FetchError::UnmodifiedNothing),
            status => Err(FetchError::Status {
                status,
                retry_after: retry_after(status, response.headers()),
            }),
        }
    }

    /// Sends a request, and once more with a new token where the first one is refused.
    async fn ask(
        &self,
        url: &Url,
        what: What,
        etag: Option<&HeaderValue>,
        anew: bool,
    ) -> Result<Response, FetchError> {
        let response = self.send(url, what, etag, anew).await?;
        if response.status() == StatusCode::UNAUTHORIZED && self.settings.authorization.is_some() {
            return self.send(url, what, etag, anew).await;
        }
        Ok(response)
    }

    async fn send(
        &self,
        url: &Url,
        what: What,
        etag: Option<&HeaderValue>,
        anew: bool,
    ) -> Result<Response, FetchError> {
        let accept = match what {
            What::Document => "application/json, */*;q=0.5",
            What::List => "text/plain, */*;q=0.5",
        };
        let mut request = self
            .client
            .get(url.clone())
            .header(ACCEPT, accept)
            .header(ACCEPT_ENCODING, "gzip");
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if anew {
            request = request.header(CACHE_CONTROL, "no-cache");
        }
        if let Some(token) = self.token()? {
            request = request.header(AUTHORIZATION, token);
        }
        request.send().await.map_err(|error| self.error(&error))
    }

    fn token(&self) -> Result<Option<HeaderValue>, FetchError> {
        let Some(ask) = &self.settings.authorization else {
            return Ok(None);
        };
        // A panic has been reported, and must not end the following.
        let token = panic::catch_unwind(AssertUnwindSafe(|| ask()))
            .map_err(|_| FetchError::Authorization("panicked"))?;
        let value = token.map(HeaderValue::try_from).transpose();
        let mut value =
            value.map_err(|_| FetchError::Authorization("returned what can stand in no header"))?;
        if let Some(value) = &mut value {
            value.set_sensitive(true);
        }
        Ok(value)
    }

    async fn body(&self, mut response: Response, what: What) -> Result<Vec<u8>, FetchError> {
        let headers = response.headers();
        self.check_type(&text(headers, &CONTENT_TYPE), what)?;
        // A document that was cut is no document, but a list that was cut is a list.
        let framed =
            headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
        let coding = text(headers, &CONTENT_ENCODING);
        let limit = match what {
            What::Document => self.settings.max_bytes,
            What::List => self.settings.max_list_bytes,
        };
        let mut body = Body::new(&coding, limit)?;
        if what == What::List && !framed && matches!(body, Body::Plain(_)) {
            return Err(FetchError::NoLength);
        }
        let whole = matches!(body, Body::Plain(_));
        if whole
            && response
                .content_length()
                .is_some_and(|length| length > limit)
        {
            return Err(FetchError::TooLarge(limit));
        }
        while let Some(chunk) = response.chunk().await.map_err(|error| self.error(&error))? {
            body.push(&chunk)?;
        }
        body.finish()
    }

    /// Takes for a document what says that it is JSON, or says nothing; for a list whatever is no page of HTML.
    fn check_type(&self, given: &str, what: What) -> Result<(), FetchError> {
        let essence = given.split(';').next().unwrap_or_default().trim();
        let essence = essence.to_ascii_lowercase();
        let taken = match what {
            What::Document => {
                matches!(
                    essence.as_str(),
                    "" | "application/json" | "text/json" | "application/jsonc"
                ) || essence.ends_with("+json")
                    || self.settings.content_types.contains(&essence)
            }
            What::List => !matches!(essence.as_str(), "text/html" | "application/xhtml+xml"),
        };
        if taken {
            Ok(())
        } else {
            Err(FetchError::ContentType(essence))
        }
    }

    fn error(&self, error: &reqwest::Error) -> FetchError {
        FetchError::of(error, self.settings.connect_timeout, self.settings.timeout)
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> String {
    let value = headers.get(name).map(HeaderValue::as_bytes);
    String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
}

/// Reads how long a busy server asks to stay away: seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    if !matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) {
        return None;
    }
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than there are numbers for is very long too.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// Sets up TLS with the machine's own root certificates, and those that were given.
///
/// The machine's: a company's own authority is among them, and they are renewed without a build of the service. Bundled
/// ones would also be there in a container without any, where `root_certificate` helps. The provider of cryptography is
/// `ring`, which needs a C compiler at most and no other tool; it is named here, so that it does not depend on what
/// another crate makes the process's default.
fn tls(settings: &Settings) -> Result<ClientConfig, FetchError> {
    let mut roots = RootCertStore::empty();
    if settings.url.scheme() == "https" {
        let native = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(native.certs);
        let given = settings.roots.iter().map(CertificateDer::clone);
        roots.add_parsable_certificates(given);
        if roots.is_empty() {
            return Err(FetchError::NoRoots);
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| FetchError::Client(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Makes the runtime in which requests run.
pub(super) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(status: u16, text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
        retry_after(StatusCode::from_u16(status).unwrap(), &headers)
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(asked(503, "120"), seconds(120));
        assert_eq!(asked(429, " 7 "), seconds(7));
        assert_eq!(asked(503, "99999999999999999999999"), seconds(u64::MAX));
        assert_eq!(asked(503, "Wed, 21 Oct 2015 07:28:00 GMT"), seconds(0));
        let later = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(600));
        let later = asked(503, &later).unwrap();
        assert!((500..=600).contains(&later.as_secs()), "{later:?}");
        for nonsense in ["", "soon", "-5", "1.5", "+3"] {
            assert_eq!(asked(503, nonsense), None, "{nonsense}");
        }
        assert_eq!(asked(500, "120"), None, "only who is busy asks for it");
    }
}
