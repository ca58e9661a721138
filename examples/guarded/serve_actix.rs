//! The service on actix-web.

use std::io;
use std::net::TcpListener;

use actix_web::http::StatusCode;
use actix_web::rt::System;
use actix_web::{App, HttpResponse, HttpServer, web};
use tokio::sync::oneshot;

use fader_actix::{FlagsMiddleware, Routing, gray, readiness};

use super::gray::{GRAY, switch};
use super::stop::GRACE;
use crate::NEW_CHECKOUT;

pub fn serve(
    listener: TcpListener,
    routing: Routing,
    workers: usize,
    stop: oneshot::Receiver<()>,
) -> io::Result<()> {
    System::new().block_on(async {
        let stop = async { drop(stop.await) };
        let server = HttpServer::new(move || {
            let layer = FlagsMiddleware::new(routing.clone())
                .attributes(|_, attributes| super::caller(attributes));
            let checkout = gray(&NEW_CHECKOUT, web::to(gray_arm), web::to(stable_arm));
            App::new()
                .route("/checkout", web::get().service(checkout))
                .route("/ready", web::get().to(readiness(routing.in_flight())))
                .route("/gray/{behaviour}", web::post().to(switch_gray))
                .wrap(layer)
        });
        server
            .workers(workers)
            .listen(listener)?
            .h1_allow_half_closed(false)
            .shutdown_signal(stop)
            .shutdown_timeout(GRACE.as_secs())
            .run()
            .await
    })
}

async fn stable_arm() -> &'static str {
    "stable"
}

async fn gray_arm() -> HttpResponse {
    let (status, body) = GRAY.serve().await;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status).body(body)
}

async fn switch_gray(behaviour: web::Path<String>) -> HttpResponse {
    match switch(&behaviour) {
        true => HttpResponse::Ok().finish(),
        false => HttpResponse::NotFound().body(super::gray::WORDS),
    }
}
