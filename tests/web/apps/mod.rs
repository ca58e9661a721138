//! The same service on both frameworks.

mod actix;
mod axum;

pub(crate) use actix::in_process as actix_in_process;
pub(crate) use axum::in_process as axum_in_process;

use std::net::SocketAddr;

use crate::data::Adapter;
use crate::service::Service;

/// A server that listens; dropping it stops it.
pub(crate) enum Server {
    Axum(axum::Server),
    Actix(actix::Server),
}

/// Serves on a free port of this machine.
pub(crate) fn serve(adapter: Adapter, service: &Service) -> Server {
    match adapter {
        Adapter::Axum => Server::Axum(axum::serve(service)),
        Adapter::Actix => Server::Actix(actix::serve(service)),
    }
}

impl Server {
    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Axum(server) => server.address,
            Self::Actix(server) => server.address,
        }
    }
}
