//! TLS with certificates made here.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;

use super::*;

type Root = CertifiedIssuer<'static, KeyPair>;

/// A root certificate in PEM form, and a server whose certificate it signs for a name.
fn authority(name: &str) -> (String, ServerConfig) {
    let root = root();
    (root.pem(), signed(&root, name, 4096))
}

fn root() -> Root {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server whose certificate ends with a year.
fn signed(root: &Root, name: &str, until: i32) -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new([name.to_owned()]).unwrap();
    leaf.not_after = date_time_ymd(until, 1, 1);
    let leaf = leaf.signed_by(&key, root).unwrap();
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap()
}

fn localhost(server: &Server) -> String {
    format!("https://{}/shop.json", server.address)
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused() {
    let address = super::server::nobodys_address();
    let name = address.ip().to_string();
    let ((another, _), (_, tls)) = (authority(&name), authority(&name));
    let server = Server::with_tls_at(address, tls, |_| Answer::json(document(1)));
    let flags = failing(&localhost(&server))
        .root_certificate(another)
        .open()
        .unwrap();
    until_error(&flags, "no connection: invalid peer certificate: ");
    assert_eq!(flags.status().state(), State::Failed);
    assert_eq!(server.count(), 0, "nothing was asked");
}

#[test]
fn a_root_certificate_that_was_given_is_trusted() {
    let address = super::server::nobodys_address();
    let (pem, tls) = authority(&address.ip().to_string());
    let server = Server::with_tls_at(address, tls, |_| Answer::json(document(1)));
    let flags = polled(&localhost(&server))
        .root_certificate(pem)
        .open()
        .unwrap();
    assert!(is_at(&flags, 1));
}

#[test]
fn a_certificate_of_another_name_is_refused() {
    let (pem, tls) = authority("flags.example.com");
    let server = Server::with_tls(tls, |_| Answer::json(document(1)));
    let flags = failing(&localhost(&server))
        .root_certificate(pem)
        .open()
        .unwrap();
    until_error(&flags, "no connection: invalid peer certificate");
    assert_eq!(server.count(), 0, "nothing was asked");
}

/// What the library says of it has the time in it, which would be news at each try.
#[test]
fn a_certificate_that_has_expired_is_told_once() {
    let address = super::server::nobodys_address();
    let (root, name) = (root(), address.ip().to_string());
    let serve = |until, revision| {
        let tls = signed(&root, &name, until);
        Server::with_tls_at(address, tls, move |_| Answer::json(document(revision)))
    };
    let server = serve(4096, 1);
    let flags = polled(&localhost(&server))
        .root_certificate(root.pem())
        .stale_after(Duration::ZERO)
        .open()
        .unwrap();
    assert!(is_at(&flags, 1));
    drop(server);

    let told = Arc::new(Mutex::new((Vec::new(), Vec::new())));
    let note = Arc::clone(&told);
    let _subscription = flags.subscribe(move |event| {
        let (failed, stale) = &mut *note.lock().unwrap();
        match event {
            Event::Failed { error, .. } if error.contains("certificate") => {
                failed.push((Instant::now(), error.clone()));
            }
            Event::Stale { error, .. } if error.contains("certificate") => {
                stale.push(error.clone());
            }
            _ => {}
        }
    });
    let server = serve(2020, 2);
    until("tries in two seconds", || {
        let (failed, _) = &*told.lock().unwrap();
        let first = failed.first().map(|(at, _)| *at);
        failed.len() > 2 && first.is_some_and(|at| at.elapsed() > Duration::from_secs(2))
    });
    assert_eq!(flags.status().version(), "1", "what was live stays live");
    assert_eq!(server.count(), 0, "nothing was asked");
    let (failed, stale) = told.lock().unwrap().clone();
    let error = format!(
        "cannot fetch `{}`: no connection: invalid peer certificate: ",
        localhost(&server)
    );
    assert!(
        stale[0].starts_with(&error) && stale[0].contains("expired"),
        "{stale:?}"
    );
    assert_eq!(stale.len(), 1, "{stale:?}");
    assert!(
        failed.iter().all(|(_, error)| *error == stale[0]),
        "{failed:?}"
    );
    drop(server);
    let _server = serve(4096, 3);
    until("a certificate that is renewed", || is_at(&flags, 3));
}

#[test]
fn a_redirect_from_https_to_http_is_refused() {
    let plain = Server::new(|_| Answer::json(document(9)));
    let address = super::server::nobodys_address();
    let (pem, tls) = authority(&address.ip().to_string());
    let elsewhere = plain.url("/shop.json");
    let server = Server::with_tls_at(address, tls, move |_| Answer::redirect(&elsewhere));
    let flags = failing(&localhost(&server))
        .root_certificate(pem)
        .authorization(|| Some("Bearer secret".into()))
        .open()
        .unwrap();
    until_error(&flags, "the server redirects to another origin, `http://");
    assert_eq!(plain.count(), 0);
}
