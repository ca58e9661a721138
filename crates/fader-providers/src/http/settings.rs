//! What a builder was told, checked: what no waiting mends is found here, before anything is asked.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use ring::digest::{SHA256, digest};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Headers that say how a request is made, which is not for the caller to say.
const OWN_HEADERS: [&str; 10] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "host",
    "if-modified-since",
    "if-none-match",
    "range",
    "te",
    "transfer-encoding",
];

/// Returns a token, as the value of the header `authorization`.
pub(super) type Authorization = dyn Fn() -> Option<String> + Send + Sync;

/// The settings of a source.
pub(super) struct Settings {
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) authorization: Option<Arc<Authorization>>,
    pub(super) roots: Vec<CertificateDer<'static>>,
    pub(super) content_types: Vec<String>,
    pub(super) connect_timeout: Duration,
    pub(super) timeout: Duration,
    pub(super) max_bytes: u64,
    pub(super) max_list_bytes: u64,
    /// Whether what is fetched is an overlay, which names no lists.
    pub(super) overlay: bool,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("url", &name_of(&self.url))
            .finish_non_exhaustive()
    }
}

/// Reads an address: `http` or `https`, and no user in it.
pub(super) fn url(written: &str) -> Result<Url, String> {
    let url = match Url::parse(written) {
        Ok(url) => url,
        Err(error) => return Err(format!("{} is no address: {error}", shown(written))),
    };
    let name = name_of(&url);
    if has_user(&url) {
        return Err(format!(
            "the address `{name}` has a user or a password in it; use `authorization`, which keeps them out of sight"
        ));
    }
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!(
            "the address is of the scheme `{other}`; only `http` and `https` can be fetched"
        )),
    }
}

pub(super) fn has_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// Names an address in messages: without what may be a secret, and another one for another query.
pub(super) fn name_of(url: &Url) -> String {
    let mut name = bare(url.clone()).to_string();
    if let Some(query) = url.query() {
        name.push_str("?…");
        name.extend(sha256(query.as_bytes()).chars().take(4));
    }
    name
}

/// Returns the SHA-256 of bytes, in hex.
pub(super) fn sha256(bytes: &[u8]) -> String {
    let hash = digest(&SHA256, bytes);
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Takes from an address what may be a secret.
pub(super) fn bare(mut url: Url) -> Url {
    url.set_query(None);
    url.set_fragment(None);
    // They fail where there is no host, and so neither.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

/// Names what is not even an address, unless a secret may be in it.
pub(super) fn shown(written: &str) -> String {
    match Url::parse(written) {
        Ok(url) if url.has_host() => format!("`{}`", name_of(&url)),
        _ if written.contains(['@', '?', '#']) => "what was given".to_owned(),
        _ => format!("`{}`", written.escape_debug()),
    }
}

pub(super) fn headers(written: &[(String, String)]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in written {
        let Ok(name) = HeaderName::try_from(name) else {
            return Err(format!("`{}` is no name of a header", name.escape_debug()));
        };
        if OWN_HEADERS.contains(&name.as_str()) {
            return Err(format!("the header `{name}` is for the provider to send"));
        }
        // It may be a secret, so it is neither in the message nor in what is shown of the map.
        let Ok(mut value) = HeaderValue::try_from(value) else {
            return Err(format!(
                "the value of the header `{name}` can stand in no header"
            ));
        };
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

/// Reads root certificates in PEM form.
pub(super) fn roots(written: &[Vec<u8>]) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut roots = Vec::new();
    for pem in written {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate
                .map_err(|error| format!("the root certificate cannot be read: {error}"))?;
            RootCertStore::empty()
                .add(certificate.clone())
                .map_err(|error| format!("the root certificate cannot be used: {error}"))?;
            roots.push(certificate);
        }
        if roots.len() == before {
            return Err(
                "the root certificate is not in PEM form: it has no `BEGIN CERTIFICATE`".to_owned(),
            );
        }
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_fetched_by_http_and_has_no_user() {
        assert!(url("https://flags.example.com/shop.json?tenant=7").is_ok());
        assert!(url("http://[::1]:8080/").is_ok());
        for (written, expected) in [
            (
                "shop.json",
                "`shop.json` is no address: relative URL without a base",
            ),
            ("", "`` is no address: relative URL without a base"),
            (
                "ftp://example.com/shop.json?secret",
                "the address is of the scheme `ftp`; only `http` and `https` can be fetched",
            ),
            (
                "https://bo:secret@example.com/shop.json#secret",
                "the address `https://example.com/shop.json` has a user or a password in it; use `authorization`, \
                 which keeps them out of sight",
            ),
            (
                "localhost:8080/shop.json",
                "the address is of the scheme `localhost`; only `http` and `https` can be fetched",
            ),
        ] {
            assert_eq!(url(written).unwrap_err(), expected);
        }
        for secret in [
            "//bo:secret@example.com",
            "bo:secret@example.com",
            "/shop.json?secret",
            "https://bo:secret@exa mple.com/?secret",
        ] {
            assert!(!url(secret).unwrap_err().contains("secret"), "{secret}");
            assert!(!shown(secret).contains("secret"), "{secret}");
        }
    }

    #[test]
    fn bad_headers_are_named_without_their_value() {
        let given = |name: &str, value: &str| headers(&[(name.to_owned(), value.to_owned())]);
        assert_eq!(given("x-tenant", "shop").unwrap()["x-tenant"], "shop");
        assert_eq!(
            given("x tenant", "secret").unwrap_err(),
            "`x tenant` is no name of a header"
        );
        assert_eq!(
            given("x-key", "secret\n").unwrap_err(),
            "the value of the header `x-key` can stand in no header"
        );
        assert_eq!(
            given("If-None-Match", "x").unwrap_err(),
            "the header `if-none-match` is for the provider to send"
        );
        assert!(!format!("{:?}", given("x-key", "secret")).contains("secret"));
    }

    #[test]
    fn a_certificate_is_pem() {
        for pem in [
            "",
            "nonsense",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ] {
            let error = roots(&[pem.into()]).unwrap_err();
            assert!(error.contains("not in PEM form"), "{error}");
        }
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let error = roots(&[cut.into()]).unwrap_err();
        assert!(
            error.starts_with("the root certificate cannot be used: "),
            "{error}"
        );
    }
}
