//! A service whose code fades from stable to gray while it serves, with actix-web.
//!
//! `cargo run --example gray_actix`, then edit `flags.example.json` and see `/checkout` follow.

mod service;

use std::pin::pin;
use std::process::ExitCode;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer, Route, guard, rt};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, Session};
use anyhow::Result;
use futures_util::TryStreamExt as _;

use fader_actix::{FlagsMiddleware, RequestScope, Routing, by_variant, gray, readiness};
use service::{GRACE, NEW_CHECKOUT, NEW_LANDING, SEARCH_RANKER, Service};

fn main() -> ExitCode {
    service::run(serve)
}

#[actix_web::main]
async fn serve(service: Service) -> Result<()> {
    let (drained, grace_is_over) = service.start()?;
    // Made outside of the closure, which runs once a worker: so all workers share flags, counts and limits.
    let routing = service.routing;
    let server = HttpServer::new(move || {
        let layer = FlagsMiddleware::new(routing.clone())
            .attributes(|_, attributes| service::caller(attributes));
        App::new()
            .configure(|services| routes(services, &routing))
            .wrap(layer)
    });
    let server = server
        .listen(service.listener)?
        // Or a stream to a client that has gone would go on until it retires.
        .h1_allow_half_closed(false)
        .shutdown_signal(drained)
        .shutdown_timeout(GRACE.as_secs())
        .run();
    service::within(grace_is_over, server).await
}

fn routes(services: &mut ServiceConfig, routing: &Routing) {
    let checkout = || gray(&NEW_CHECKOUT, web::to(gray_arm), web::to(stable_arm));
    let search = by_variant(&SEARCH_RANKER, web::to(async || "bm25"))
        .arm("a", web::to(async || "hybrid-a"))
        .arm("b", web::to(async || "hybrid-b"));
    let landing = gray(&NEW_LANDING, web::to(gray_arm), web::to(stable_arm));
    services
        .route("/checkout", get().service(checkout()))
        .route("/v2/checkout", get().service(checkout()))
        .route("/search", get().service(search))
        .route("/visitor", get().service(landing))
        .route("/flags", get().to(decisions))
        .route("/events", get().to(events))
        .route("/ws", get().to(socket))
        .route("/ready", get().to(readiness(routing.in_flight())));
}

/// A route for `GET` and, as with axum, for `HEAD`.
fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn stable_arm() -> &'static str {
    "stable"
}

async fn gray_arm() -> &'static str {
    "gray"
}

async fn decisions(scope: RequestScope) -> HttpResponse {
    let json = service::decisions(&scope);
    HttpResponse::Ok()
        .content_type("application/json")
        .body(json)
}

async fn events(scope: RequestScope) -> HttpResponse {
    let events = service::events((*scope).clone());
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-cache"))
        .streaming(events.map_ok(Bytes::from))
}

async fn socket(
    scope: RequestScope,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, Error> {
    let (response, session, messages) = actix_ws::handle(&request, body)?;
    service::arm(&scope);
    rt::spawn(echo(session, messages.aggregate_continuations(), scope));
    Ok(response)
}

/// Sends back what comes, until the caller's checkout is another one.
async fn echo(mut session: Session, mut messages: AggregatedMessageStream, scope: RequestScope) {
    let mut retired = pin!(scope.retired());
    loop {
        let message = tokio::select! {
            message = messages.recv() => message,
            () = &mut retired => {
                let reason = CloseReason { code: CloseCode::Away, description: Some(service::RETIRED.into()) };
                let _ = session.close(Some(reason)).await;
                return;
            }
        };
        let sent = match message {
            Some(Ok(AggregatedMessage::Text(text))) => session.text(text).await,
            Some(Ok(AggregatedMessage::Binary(bytes))) => session.binary(bytes).await,
            Some(Ok(AggregatedMessage::Ping(bytes))) => session.pong(&bytes).await,
            Some(Ok(AggregatedMessage::Pong(_))) => Ok(()),
            Some(Ok(AggregatedMessage::Close(reason))) => {
                let _ = session.close(reason).await;
                return;
            }
            Some(Err(_)) | None => return,
        };
        if sent.is_err() {
            return;
        }
    }
}
