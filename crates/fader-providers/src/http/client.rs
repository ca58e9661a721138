//! One request and its answer: what is sent, what is followed, and what counts as an answer at all.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

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
use tokio::task::{JoinHandle, spawn_blocking};

use super::body::Body;
use super::error::{FetchError, Redirect, told};
use super::settings::{Settings, sha256};

/// How many redirects are followed, all within one origin.
const MAX_REDIRECTS: usize = 5;

/// How long a tag may be. A longer one is no tag: sent back, it would be more than a server takes for a header.
const MAX_TAG: usize = 1024;

/// What is asked for, as far as it makes a difference to what is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Document,
    List,
}

/// What came of a request.
#[derive(Debug)]
pub(super) struct Answer {
    /// Where it was found, after redirects.
    pub(super) url: Url,
    pub(super) part: Part,
    /// Whether it was sent, and is not what was held.
    pub(super) changed: bool,
}

/// What lies at an address: a document, or a list.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// The hash of where it was found, after redirects: a tag says nothing of what lies at another address. That one may
    /// have a secret in its query, and this is kept on disk.
    pub(super) found: String,
    /// Its tag, to be sent back to the letter: what a weak one or one that a proxy has changed means is the server's
    /// business.
    pub(super) etag: Option<HeaderValue>,
    pub(super) bytes: Arc<[u8]>,
}

/// The same at another address is the same.
impl PartialEq for Part {
    fn eq(&self, other: &Self) -> bool {
        self.etag == other.etag && self.bytes == other.bytes
    }
}

impl Eq for Part {}

/// Asks one origin.
#[derive(Debug)]
pub(super) struct Client {
    client: reqwest::Client,
    settings: Arc<Settings>,
    /// `authorization`, which is asked and has not returned yet.
    asked: Option<JoinHandle<Option<String>>>,
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
            .build()
            .map_err(|error| FetchError::Client(error.without_url().to_string()))?;
        Ok(Self {
            client,
            settings,
            asked: None,
        })
    }

    /// Gets what lies at an address, unless it is still what is held.
    pub(super) async fn get(
        &mut self,
        url: &Url,
        what: What,
        held: Option<&Part>,
    ) -> Result<Answer, FetchError> {
        let etag = held.and_then(|part| part.etag.as_ref());
        let mut response = self.ask(url, what, etag, false).await?;
        let mut found = sha256(response.url().as_str().as_bytes());
        if response.status() == StatusCode::NOT_MODIFIED
            && let Some(held) = held.filter(|held| held.etag.is_some() && held.found == found)
        {
            return Ok(Answer {
                url: response.url().clone(),
                part: held.clone(),
                changed: false,
            });
        }
        // A 304 is one of what lies elsewhere, or somebody on the way answers for what others have.
        if response.status() == StatusCode::NOT_MODIFIED
            || etag.is_some() && may_refuse_tag(response.status())
        {
            response = self.ask(url, what, None, true).await?;
            found = sha256(response.url().as_str().as_bytes());
        }
        let url = response.url().clone();
        let etag = response.headers().get(ETAG);
        let etag = etag.filter(|etag| etag.len() <= MAX_TAG).cloned();
        match response.status() {
            StatusCode::OK => Ok(Answer {
                part: Part {
                    found,
                    etag,
                    bytes: self.body(response, what).await?.into(),
                },
                url,
                changed: true,
            }),
            StatusCode::NOT_MODIFIED => Err(FetchError::UnmodifiedNothing),
            status => Err(FetchError::Status {
                status,
                retry_after: retry_after(status, response.headers()),
            }),
        }
    }

    /// Sends a request, and once more with a new token where the first one is refused.
    async fn ask(
        &mut self,
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
        &mut self,
        url: &Url,
        what: What,
        etag: Option<&HeaderValue>,
        anew: bool,
    ) -> Result<Response, FetchError> {
        let accept = match what {
            What::Document => "application/json, */*;q=0.5",
            What::List => "text/plain, */*;q=0.5",
        };
        let begun = Instant::now();
        let token = self.token().await?;
        let left = self.settings.timeout.saturating_sub(begun.elapsed());
        let mut request = self
            .client
            .get(url.clone())
            .timeout(left)
            .header(ACCEPT, accept)
            .header(ACCEPT_ENCODING, "gzip");
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if anew {
            request = request.header(CACHE_CONTROL, "no-cache");
        }
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, token);
        }
        request.send().await.map_err(|error| self.error(&error))
    }

    /// Asks for a token, on a thread where it may block.
    async fn token(&mut self) -> Result<Option<HeaderValue>, FetchError> {
        let Some(ask) = &self.settings.authorization else {
            return Ok(None);
        };
        // One that hangs is waited for again, and not joined by another at each try.
        let asked = self.asked.get_or_insert_with(|| {
            let ask = Arc::clone(ask);
            spawn_blocking(move || ask())
        });
        let limit = self.settings.timeout;
        let token = tokio::time::timeout(limit, asked)
            .await
            .map_err(|_| FetchError::AuthorizationHangs(limit))?;
        self.asked = None;
        // A panic has been reported, and must not end the following.
        let token = token.map_err(|_| FetchError::Authorization("panicked"))?;
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
        if what == What::List && !is_framed(headers) {
            return Err(FetchError::NoLength);
        }
        let coding = text(headers, &CONTENT_ENCODING);
        let limit = match what {
            What::Document => self.settings.max_bytes,
            What::List => self.settings.max_list_bytes,
        };
        let mut body = Body::new(&coding, limit)?;
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
            Err(FetchError::ContentType(told(&essence)))
        }
    }

    fn error(&self, error: &reqwest::Error) -> FetchError {
        FetchError::of(error, self.settings.connect_timeout, self.settings.timeout)
    }
}

/// Tells whether a server may mean the tag by refusing a request, and not the request itself.
fn may_refuse_tag(status: StatusCode) -> bool {
    status.is_client_error()
        && !matches!(
            status,
            StatusCode::UNAUTHORIZED
                | StatusCode::FORBIDDEN
                | StatusCode::NOT_FOUND
                | StatusCode::REQUEST_TIMEOUT
                | StatusCode::GONE
                | StatusCode::TOO_MANY_REQUESTS
        )
}

/// Tells whether the end of a body shows in the body, and not only in the end of its connection (RFC 9112, section 6.3).
fn is_framed(headers: &HeaderMap) -> bool {
    match headers.get_all(TRANSFER_ENCODING).iter().next_back() {
        Some(codings) => codings.to_str().is_ok_and(|codings| {
            let last = codings.rsplit(',').next().unwrap_or_default();
            last.trim().eq_ignore_ascii_case("chunked")
        }),
        None => headers.contains_key(CONTENT_LENGTH),
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
