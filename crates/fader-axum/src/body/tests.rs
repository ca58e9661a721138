use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use fader::{Ending, Flags, MemoryOutcomes, OutcomeEvent, Source, Watch};
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use tower::ServiceExt as _;

use super::*;
use crate::{FlagsLayer, RequestScope};

const DRAWN: &str =
    r#"{ "flags": { "f": { "rules": [ { "percent": 100, "by": "request", "serve": "on" } ] } } }"#;

/// An app whose requests are drawn, and what is told of them.
fn watched(until_body_end: bool) -> (Router, Arc<MemoryOutcomes>) {
    let flags = Flags::builder().build();
    flags.load(DRAWN, &Source::new("flags.json")).unwrap();
    let outcomes = Arc::new(MemoryOutcomes::new());
    flags.add_outcome_sink(Arc::clone(&outcomes), Watch::Drawn);
    async fn chunks(count: usize, then_fails: bool) -> Body {
        let chunks = (0..count)
            .map(|_| Ok("chunk"))
            .chain(then_fails.then_some(Err("broken")));
        Body::from_stream(stream::iter(chunks))
    }
    async fn with_trailers(status: &'static str) -> Body {
        let trailers =
            HeaderMap::from_iter([("grpc-status".parse().unwrap(), status.parse().unwrap())]);
        let frames = [
            Frame::data(bytes::Bytes::from("data")),
            Frame::trailers(trailers),
        ];
        Body::new(StreamBody::new(stream::iter(
            frames.map(Ok::<_, Infallible>),
        )))
    }
    let app = Router::new()
        .route("/text", get(|| async { "text" }))
        .route("/stream", get(|| chunks(3, false)))
        .route("/broken", get(|| chunks(3, true)))
        .route(
            "/sized",
            get(|| async { ([(CONTENT_LENGTH, "15")], chunks(4, false).await) }),
        )
        .route(
            "/nothing",
            get(|| async { ([(CONTENT_LENGTH, "0")], chunks(0, false).await) }),
        )
        .route(
            "/none",
            get(|| async { (StatusCode::NO_CONTENT, chunks(0, false).await) }),
        )
        .route("/grpc-ok", get(|| with_trailers("0")))
        .route("/grpc-failed", get(|| with_trailers("13")))
        .route("/failed", get(|| async { StatusCode::BAD_GATEWAY }))
        .route(
            "/panic",
            get(|| async {
                let chunks = stream::iter(0..3).map(|at| {
                    assert!(at < 2, "in the stream");
                    Ok::<_, Infallible>("chunk")
                });
                Body::from_stream(chunks)
            }),
        )
        .route_layer(axum::middleware::from_fn(
            async |scope: RequestScope, request, next: axum::middleware::Next| {
                let _ = scope.resolve("f");
                next.run(request).await.into_response()
            },
        ));
    use futures_util::StreamExt as _;
    let layer = FlagsLayer::new(flags);
    let app = if until_body_end {
        app.layer(layer.until_body_end())
    } else {
        app.layer(layer)
    };
    (app, outcomes)
}

fn endings(outcomes: &MemoryOutcomes) -> Vec<Ending> {
    let ended = |event| match event {
        OutcomeEvent::Ended(outcome) => Some(outcome.ending()),
        _ => None,
    };
    let records = outcomes.take().into_iter();
    records.filter_map(|record| ended(record.event)).collect()
}

async fn respond(app: &Router, method: &str, path: &str) -> Response<Body> {
    let request = Request::builder().method(method).uri(path);
    let request = request.body(Body::empty()).unwrap();
    app.clone().oneshot(request).await.unwrap()
}

#[tokio::test]
async fn a_request_ends_at_its_head_or_with_its_body() {
    for (until_body_end, at_head) in [(false, &[Ending::Success][..]), (true, &[])] {
        let (app, outcomes) = watched(until_body_end);
        for path in ["/text", "/stream", "/sized", "/grpc-ok"] {
            let response = respond(&app, "GET", path).await;
            assert_eq!(endings(&outcomes), at_head, "{path}");
            response.into_body().collect().await.unwrap();
            let at_end: &[_] = if until_body_end {
                &[Ending::Success]
            } else {
                &[]
            };
            assert_eq!(endings(&outcomes), at_end, "{path}");
        }
    }
}

#[tokio::test]
async fn how_the_body_ends_is_the_outcome() {
    let (app, outcomes) = watched(true);
    for (path, expected) in [
        ("/broken", Ending::ServerError),
        ("/grpc-failed", Ending::ServerError),
        ("/failed", Ending::ServerError),
    ] {
        let _ = respond(&app, "GET", path).await.into_body().collect().await;
        assert_eq!(endings(&outcomes), [expected], "{path}");
    }
    drop(respond(&app, "GET", "/stream").await);
    assert_eq!(endings(&outcomes), [Ending::Dropped]);
    let mut body = respond(&app, "GET", "/stream").await.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(endings(&outcomes), [Ending::Dropped]);

    let body = respond(&app, "GET", "/panic").await.into_body();
    assert!(tokio::spawn(body.collect()).await.is_err());
    assert_eq!(endings(&outcomes), [Ending::Panic]);
}

/// A server does not ask for what it does not send.
#[tokio::test]
async fn a_body_that_nobody_asks_for_has_ended() {
    let (app, outcomes) = watched(true);
    for (method, path) in [("HEAD", "/stream"), ("GET", "/nothing"), ("GET", "/none")] {
        drop(respond(&app, method, path).await);
        assert_eq!(endings(&outcomes), [Ending::Success], "{method} {path}");
    }
    // Nor for the end behind the bytes that the head told of.
    let mut body = respond(&app, "GET", "/sized").await.into_body();
    for _ in 0..3 {
        assert_eq!(endings(&outcomes), []);
        body.frame().await.unwrap().unwrap();
    }
    assert_eq!(endings(&outcomes), [Ending::Success]);
}
