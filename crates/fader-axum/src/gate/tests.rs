use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request as AxumRequest;
use axum_extra::handler::HandlerCallWithExtractors as _;
use fader::Flags;
use tower::ServiceExt as _;

use super::*;
use crate::{FlagsLayer, Routing};

fader::flags! {
    /// Reports
    Reports: bool = "reports", default false;
}

async fn answer(app: &Router, path: &str) -> (u16, String) {
    let request = AxumRequest::get(path).body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 100).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn routes() -> Router {
    async fn new(on: FlagOn<Reports>) -> String {
        format!("new {on:?}")
    }
    async fn old() -> &'static str {
        "old"
    }
    Router::new()
        .route("/gated", get(|| async { "gated" }))
        .route_layer(gate(&REPORTS))
        .route("/extracted", get(new))
        .route("/or", get(new.or(old)))
}

#[tokio::test]
async fn a_route_is_there_while_its_flag_is_on() {
    let off = (404, String::new());
    let on = |text: &str| (200, text.to_owned());
    let layered = |value| routes().layer(FlagsLayer::new(Flags::fixed([("reports", value)])));
    for (app, gated, extracted, or) in [
        (
            layered(true),
            on("gated"),
            on(r#"new FlagOn("reports")"#),
            on(r#"new FlagOn("reports")"#),
        ),
        (layered(false), off.clone(), off.clone(), on("old")),
        (routes(), off.clone(), off.clone(), on("old")),
    ] {
        assert_eq!(answer(&app, "/gated").await, gated);
        assert_eq!(answer(&app, "/extracted").await, extracted);
        assert_eq!(answer(&app, "/or").await, or);
        // What is not there stays so.
        assert_eq!(answer(&app, "/unknown").await, off);
    }
}

#[tokio::test(start_paused = true)]
async fn readiness_ends_while_something_drains() {
    let routing = Routing::new(Flags::fixed([("reports", true)]));
    let in_flight = routing.in_flight();
    let (hold, held) = tokio::sync::oneshot::channel::<()>();
    let held = std::sync::Arc::new(tokio::sync::Mutex::new(held));
    let app = Router::new()
        .route(
            "/slow",
            get(|_: FlagOn<Reports>| async move {
                let _ = (&mut *held.lock().await).await;
            }),
        )
        .route("/ready", readiness(in_flight.clone()))
        .layer(FlagsLayer::new(routing));
    let ready = (200, "ready".to_owned());
    assert_eq!(answer(&app, "/ready").await, ready);

    let slow = tokio::spawn({
        let app = app.clone();
        async move { answer(&app, "/slow").await }
    });
    // While this task waits the other one is polled, on the same thread.
    tokio::time::sleep(Duration::from_millis(1)).await;
    let drain = tokio::spawn({
        let in_flight = in_flight.clone();
        async move {
            in_flight
                .drain("reports", "on", Duration::from_secs(9))
                .await
        }
    });
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(answer(&app, "/ready").await, (503, "draining".to_owned()));
    drop(hold);
    assert_eq!(slow.await.unwrap().0, 200);
    assert_eq!(drain.await.unwrap(), 0);
    assert_eq!(answer(&app, "/ready").await, ready);
}
