//! A service whose code fades from stable to gray while it serves, with axum.
//!
//! `cargo run --example gray_axum`, then edit `flags.example.json` and see `/checkout` follow.

mod service;

use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use fader_axum::{FlagsLayer, RequestScope, Routing, by_variant, gray, readiness};
use service::{NEW_CHECKOUT, NEW_LANDING, SEARCH_RANKER, Service};

fn main() -> ExitCode {
    service::run(serve)
}

#[tokio::main]
async fn serve(service: Service) -> Result<()> {
    let (drained, grace_is_over) = service.start()?;
    let listener = tokio::net::TcpListener::from_std(service.listener)?;
    let app = app(service.routing).into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, app).with_graceful_shutdown(drained);
    service::within(grace_is_over, server.into_future()).await
}

fn app(routing: Routing) -> Router {
    let checkout = get(gray(&NEW_CHECKOUT, gray_arm, stable_arm));
    let search = by_variant(&SEARCH_RANKER, async || "bm25")
        .arm("a", async || "hybrid-a")
        .arm("b", async || "hybrid-b");
    Router::new()
        .route("/checkout", checkout.clone())
        .route("/v2/checkout", checkout)
        .route("/search", get(search))
        .route("/visitor", get(gray(&NEW_LANDING, gray_arm, stable_arm)))
        .route("/flags", get(decisions))
        .route("/events", get(events))
        .route("/ws", get(socket))
        .route("/ready", readiness(routing.in_flight()))
        .layer(FlagsLayer::new(routing).attributes(|_, attributes| service::caller(attributes)))
}

async fn stable_arm() -> &'static str {
    "stable"
}

async fn gray_arm() -> &'static str {
    "gray"
}

async fn decisions(scope: RequestScope) -> impl IntoResponse {
    let json = service::decisions(&scope);
    ([(CONTENT_TYPE, "application/json")], json)
}

async fn events(scope: RequestScope) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache"),
    ];
    let events = service::events((*scope).clone());
    (headers, Body::from_stream(events))
}

async fn socket(scope: RequestScope, upgrade: WebSocketUpgrade) -> Response {
    service::arm(&scope);
    upgrade.on_upgrade(|socket| echo(socket, scope))
}

/// Sends back what comes, until the caller's checkout is another one.
async fn echo(mut socket: WebSocket, scope: RequestScope) {
    let mut retired = pin!(scope.retired());
    loop {
        let message = tokio::select! {
            message = socket.recv() => message,
            () = &mut retired => {
                let close = CloseFrame { code: close_code::AWAY, reason: service::RETIRED.into() };
                let _ = socket.send(Message::Close(Some(close))).await;
                return;
            }
        };
        let sent = match message {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                socket.send(message).await
            }
            // Pings are answered by the framework.
            Some(Ok(_)) => Ok(()),
            Some(Err(_)) | None => return,
        };
        if sent.is_err() {
            return;
        }
    }
}
