//! What actix-web's requests and responses show.

use std::cell::OnceCell;
use std::net::IpAddr;

use actix_web::dev::{ResponseHead, ServiceRequest};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use fader_web::{RequestView, ResponseView};

pub(crate) struct View<'a> {
    request: &'a ServiceRequest,
    route: OnceCell<Option<String>>,
}

impl<'a> View<'a> {
    pub(crate) fn new(request: &'a ServiceRequest) -> Self {
        Self {
            request,
            route: OnceCell::new(),
        }
    }
}

impl RequestView for View<'_> {
    fn method(&self) -> &str {
        self.request.method().as_str()
    }

    fn path(&self) -> &str {
        self.request.uri().path()
    }

    fn query(&self) -> Option<&str> {
        self.request.uri().query()
    }

    fn route(&self) -> Option<&str> {
        let pattern = || {
            let (path, routed) = (self.request.path(), self.request.match_info().as_str());
            // actix-web routes by a path of which parts are decoded, and searches the pattern by the one that came.
            if path == routed {
                self.request.match_pattern()
            } else {
                self.request.resource_map().match_pattern(routed)
            }
        };
        self.route.get_or_init(pattern).as_deref()
    }

    fn authority(&self) -> Option<&str> {
        self.request.uri().authority().map(|it| it.as_str())
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        named(self.request.headers(), name).next()
    }

    fn headers<'a>(&'a self, name: &str, each: &mut dyn FnMut(&'a [u8])) {
        named(self.request.headers(), name).for_each(each);
    }

    fn peer(&self) -> Option<IpAddr> {
        self.request.peer_addr().map(|address| address.ip())
    }
}

pub(crate) struct HeadView<'a>(pub(crate) &'a mut ResponseHead);

impl ResponseView for HeadView<'_> {
    fn status(&self) -> u16 {
        self.0.status.as_u16()
    }

    fn headers<'a>(&'a self, name: &str, each: &mut dyn FnMut(&'a [u8])) {
        named(&self.0.headers, name).for_each(each);
    }

    fn append(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = HeaderValue::try_from(value) {
            self.0.headers.append(HeaderName::from_static(name), value);
        }
    }

    fn insert(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = HeaderValue::try_from(value) {
            self.0.headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// Returns the headers of a name, in their order. A look-up by a text allocates where the name is no standard one; a
/// request has few headers.
fn named<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a [u8]> {
    headers
        .iter()
        .filter(move |(known, _)| known.as_str().eq_ignore_ascii_case(name))
        .map(|(_, value)| HeaderValue::as_bytes(value))
}
