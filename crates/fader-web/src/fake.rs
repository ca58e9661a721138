//! Requests and responses for tests.

use std::net::IpAddr;

use fader::{Flags, Source};

use crate::{RequestView, ResponseView};

#[derive(Default)]
pub(crate) struct Request {
    pub(crate) method: Option<&'static str>,
    pub(crate) path: Option<&'static str>,
    pub(crate) query: Option<&'static str>,
    pub(crate) route: Option<&'static str>,
    pub(crate) authority: Option<&'static str>,
    pub(crate) headers: Vec<(&'static str, Vec<u8>)>,
    pub(crate) peer: Option<IpAddr>,
}

impl Request {
    /// One from a peer in 10.0.0.0/8.
    pub(crate) fn new(headers: &[(&'static str, &str)]) -> Self {
        Self {
            peer: Some([10, 0, 0, 1].into()),
            headers: headers
                .iter()
                .map(|(name, value)| (*name, value.as_bytes().to_vec()))
                .collect(),
            ..Self::default()
        }
    }
}

impl RequestView for Request {
    fn method(&self) -> &str {
        self.method.unwrap_or("GET")
    }

    fn path(&self) -> &str {
        self.path.unwrap_or("/")
    }

    fn query(&self) -> Option<&str> {
        self.query
    }

    fn route(&self) -> Option<&str> {
        self.route
    }

    fn authority(&self) -> Option<&str> {
        self.authority
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        let mut first = None;
        self.headers(name, &mut |value| first = first.or(Some(value)));
        first
    }

    fn headers<'a>(&'a self, name: &str, each: &mut dyn FnMut(&'a [u8])) {
        let named = self.headers.iter();
        for (_, value) in named.filter(|(known, _)| known.eq_ignore_ascii_case(name)) {
            each(value);
        }
    }

    fn peer(&self) -> Option<IpAddr> {
        self.peer
    }
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Response {
    pub(crate) fn new(status: u16, headers: &[(&'static str, &str)]) -> Self {
        let headers = headers
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        Self {
            status,
            headers: headers.collect(),
        }
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(known, _)| *known == name);
        named.map(|(_, value)| &**value).collect()
    }
}

impl ResponseView for Response {
    fn status(&self) -> u16 {
        self.status
    }

    fn headers<'a>(&'a self, name: &str, each: &mut dyn FnMut(&'a [u8])) {
        for value in self.all(name) {
            each(value.as_bytes());
        }
    }

    fn append(&mut self, name: &'static str, value: &str) {
        self.headers.push((name, value.to_owned()));
    }

    fn insert(&mut self, name: &'static str, value: &str) {
        self.headers.retain(|(known, _)| *known != name);
        self.append(name, value);
    }
}

/// A handle with a document.
pub(crate) fn flags(document: &str) -> Flags {
    let flags = Flags::builder().build();
    load(&flags, document);
    flags
}

pub(crate) fn load(flags: &Flags, document: &str) {
    flags.load(document, &Source::new("flags.json")).unwrap();
}
