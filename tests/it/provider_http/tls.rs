//! TLS with certificates made here.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;

use super::*;

/// A root certificate in PEM form, and a server whose certificate it signs for a name.
fn authority(name: &str) -> (String, ServerConfig) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new([name.to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &root).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    (root.pem(), server)
}

fn localhost(server: &Server) -> String {
    format!("https://{}/shop.json", server.address)
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused() {
    let (_, tls) = authority("127.0.0.1");
    let server = Server::with_tls(tls, |_| Answer::json(document(1)));
    let flags = failing(&localhost(&server)).open().unwrap();
    until_error(&flags, "cannot fetch");
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
