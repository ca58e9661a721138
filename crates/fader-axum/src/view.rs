//! What axum's requests and responses answer.

use std::net::{IpAddr, SocketAddr};

use axum::extract::connect_info::MockConnectInfo;
use axum::extract::{ConnectInfo, MatchedPath};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Response};
use fader_web::{RequestView, ResponseView};

pub(crate) struct View<'a>(pub(crate) &'a Parts);

impl RequestView for View<'_> {
    fn method(&self) -> &str {
        self.0.method.as_str()
    }

    fn path(&self) -> &str {
        self.0.uri.path()
    }

    fn query(&self) -> Option<&str> {
        self.0.uri.query()
    }

    fn route(&self) -> Option<&str> {
        self.0.extensions.get().map(MatchedPath::as_str)
    }

    fn authority(&self) -> Option<&str> {
        self.0.uri.authority().map(|authority| authority.as_str())
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.0.headers.get(name).map(HeaderValue::as_bytes)
    }

    fn headers<'a>(&'a self, name: &str, each: &mut dyn FnMut(&'a [u8])) {
        let values = self.0.headers.get_all(name).into_iter();
        values.map(HeaderValue::as_bytes).for_each(each);
    }

    fn peer(&self) -> Option<IpAddr> {
        let extensions = &self.0.extensions;
        let address = extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|ConnectInfo(address)| address);
        let mocked = || {
            extensions
                .get::<MockConnectInfo<SocketAddr>>()
                .map(|MockConnectInfo(address)| address)
        };
        address.or_else(mocked).map(SocketAddr::ip)
    }
}

pub(crate) struct HeadView<'a, B>(pub(crate) &'a mut Response<B>);

impl<B> ResponseView for HeadView<'_, B> {
    fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    fn headers<'a>(&'a self, name: &str, each: &mut dyn FnMut(&'a [u8])) {
        let values = self.0.headers().get_all(name).into_iter();
        values.map(HeaderValue::as_bytes).for_each(each);
    }

    fn append(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            let name = HeaderName::from_static(name);
            self.0.headers_mut().append(name, value);
        }
    }

    fn insert(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            let name = HeaderName::from_static(name);
            self.0.headers_mut().insert(name, value);
        }
    }
}
