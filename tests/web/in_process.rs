//! The service without a socket, for what takes many requests.

use std::net::SocketAddr;

use crate::apps;
use crate::data::{self, Adapter};
use crate::service::Service;

/// Where requests come from.
pub(crate) const PEER: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 1)),
    4711,
);

/// A request without a body.
#[derive(Debug, Default)]
pub(crate) struct Plain<'a> {
    pub(crate) target: &'a [u8],
    pub(crate) headers: &'a [(&'static str, &'a [u8])],
}

/// The head of a response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) headers: Vec<(String, String)>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(each, _)| each == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Answers requests; `None` is one that cannot be made, since HTTP or the framework has no such target or header.
pub(crate) type InProcess = Box<dyn FnMut(&Plain<'_>) -> Option<Answer>>;

/// Makes a service with this setup, which is a case without steps.
pub(crate) fn start(adapter: Adapter, setup: &str) -> (Service, InProcess) {
    let service = Service::new(&data::inline(setup));
    let app = match adapter {
        Adapter::Axum => apps::axum_in_process(&service),
        Adapter::Actix => apps::actix_in_process(&service),
    };
    (service, app)
}
