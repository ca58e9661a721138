//! The service on axum.

use std::io;
use std::net::TcpListener;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use fader_axum::{FlagsLayer, Routing, gray, readiness};

use super::gray::{GRAY, switch};
use crate::NEW_CHECKOUT;

pub fn serve(
    listener: TcpListener,
    routing: Routing,
    workers: usize,
    stop: oneshot::Receiver<()>,
) -> io::Result<()> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()?;
    let served = runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let stop = async { drop(stop.await) };
        axum::serve(listener, app(routing))
            .with_graceful_shutdown(stop)
            .await
    });
    // Some of its threads may be blocked.
    runtime.shutdown_background();
    served
}

fn app(routing: Routing) -> Router {
    Router::new()
        .route("/checkout", get(gray(&NEW_CHECKOUT, gray_arm, stable_arm)))
        .route("/ready", readiness(routing.in_flight()))
        .route("/gray/{behaviour}", post(switch_gray))
        .layer(FlagsLayer::new(routing).attributes(|_, attributes| super::caller(attributes)))
}

async fn stable_arm() -> &'static str {
    "stable"
}

async fn gray_arm() -> (StatusCode, &'static str) {
    let (status, body) = GRAY.serve().await;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, body)
}

async fn switch_gray(Path(behaviour): Path<String>) -> (StatusCode, &'static str) {
    match switch(&behaviour) {
        true => (StatusCode::OK, ""),
        false => (StatusCode::NOT_FOUND, super::gray::WORDS),
    }
}
