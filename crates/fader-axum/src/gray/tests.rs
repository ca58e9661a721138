use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::routing::{get, post};
use fader::{Flags, Source};
use tower::ServiceExt;

use super::*;
use crate::FlagsLayer;

static NEW_CHECKOUT: FlagKey<bool> = FlagKey::new("new-checkout", &false);
static ON_BY_DEFAULT: FlagKey<bool> = FlagKey::new("new-checkout", &true);

async fn answer(app: Router, request: http::request::Builder, body: &'static str) -> String {
    let response = app
        .oneshot(request.body(Body::from(body)).unwrap())
        .await
        .unwrap();
    String::from_utf8(to_bytes(response.into_body(), 4096).await.unwrap().to_vec()).unwrap()
}

fn arms(flag: &'static FlagKey<bool>) -> Router {
    Router::new().route(
        "/",
        get(gray(flag, || async { "gray" }, || async { "stable" })),
    )
}

#[tokio::test]
async fn picks_the_arm_of_the_request() {
    let flags = Flags::builder().build();
    let document = r#"{ "flags": { "new-checkout": { "rules": [
        { "if": { "attribute": "request.header.x-user", "is": "qa-1" }, "serve": "on" } ] } } }"#;
    flags.load(document, &Source::new("flags.json")).unwrap();
    let app = arms(&NEW_CHECKOUT).layer(FlagsLayer::new(flags.clone()));
    for (user, arm) in [("qa-1", "gray"), ("ann", "stable"), ("qa-1", "gray")] {
        assert_eq!(
            answer(
                app.clone(),
                http::Request::get("/").header("x-user", user),
                ""
            )
            .await,
            arm
        );
    }
    flags
        .load(
            r#"{ "flags": { "new-checkout": true } }"#,
            &Source::new("flags.json"),
        )
        .unwrap();
    assert_eq!(
        answer(app, http::Request::get("/").header("x-user", "ann"), "").await,
        "gray"
    );
}

#[tokio::test]
async fn the_arms_have_extractors_of_their_own() {
    async fn old(Path(cart): Path<u32>, State(shop): State<&'static str>) -> String {
        format!("{shop}: cart {cart}")
    }
    async fn new(body: String) -> Result<String, http::StatusCode> {
        Ok(format!("order {body}"))
    }
    for (on, expected) in [(true, "order two pears"), (false, "shop: cart 7")] {
        let app = Router::new()
            .route("/{cart}", post(gray(&NEW_CHECKOUT, new, old)))
            .layer(FlagsLayer::new(Flags::fixed([("new-checkout", on)])))
            .with_state("shop");
        assert_eq!(
            answer(app, http::Request::post("/7"), "two pears").await,
            expected
        );
    }
}

#[tokio::test]
async fn arms_nest() {
    let app = Router::new()
        .route(
            "/",
            get(gray(
                &NEW_CHECKOUT,
                gray(&ON_BY_DEFAULT, || async { "both" }, || async { "one" }),
                || async { "stable" },
            )),
        )
        .layer(FlagsLayer::new(Flags::fixed([("new-checkout", true)])));
    assert_eq!(answer(app, http::Request::get("/"), "").await, "both");
}

#[tokio::test]
async fn a_flag_that_the_document_lacks_serves_the_key_s_default() {
    let layer = FlagsLayer::new(Flags::fixed([("other", true)]));
    for (flag, arm) in [(&NEW_CHECKOUT, "stable"), (&ON_BY_DEFAULT, "gray")] {
        assert_eq!(
            answer(arms(flag).layer(layer.clone()), http::Request::get("/"), "").await,
            arm
        );
    }
}

#[tokio::test]
async fn without_the_layer_stable_serves() {
    for flag in [&NEW_CHECKOUT, &ON_BY_DEFAULT] {
        assert_eq!(
            answer(arms(flag), http::Request::get("/"), "").await,
            "stable"
        );
    }
}

/// Arms that say who they are and what they were sent; gray panics for `panic` and hangs for `hang`.
fn with_fall_back(fall_back: FallBack) -> (Router, Flags) {
    async fn gray_one(body: String) -> String {
        match &*body {
            "panic" => panic!("gray"),
            "hang" => std::future::pending().await,
            _ => format!("gray {}", body.len()),
        }
    }
    async fn stable_one(scope: RequestScope, body: String) -> String {
        format!("stable {} {}", body.len(), *scope.get(&NEW_CHECKOUT))
    }
    let flags = Flags::builder().build();
    let document = r#"{ "flags": { "new-checkout": { "rules": [
        { "percent": 100, "by": "request", "serve": "on" } ] } } }"#;
    flags.load(document, &Source::new("flags.json")).unwrap();
    let arms = gray(&NEW_CHECKOUT, gray_one, stable_one).fall_back(fall_back);
    let app = Router::new().route("/", axum::routing::any(arms));
    (app.layer(FlagsLayer::new(flags.clone())), flags)
}

/// A request whose body comes in chunks, without a length.
fn chunked(method: &str, body: impl Into<Vec<u8>>) -> Request {
    let body = body.into();
    let chunks = (0..body.len().div_ceil(1000)).map(move |at| {
        let rest = &body[at * 1000..];
        Ok::<_, std::io::Error>(rest[..rest.len().min(1000)].to_vec())
    });
    let body = Body::from_stream(futures_util::stream::iter(chunks));
    Request::builder()
        .method(method)
        .uri("/")
        .body(body)
        .unwrap()
}

async fn text(app: &Router, request: Request) -> String {
    let response = app.clone().oneshot(request).await.unwrap();
    String::from_utf8(
        to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap()
            .to_vec(),
    )
    .unwrap()
}

#[tokio::test(start_paused = true)]
async fn stable_answers_where_gray_fails() {
    let budget = std::time::Duration::from_millis(300);
    let (app, flags) = with_fall_back(FallBack::new().budget(budget));
    let outcomes = std::sync::Arc::new(fader::MemoryOutcomes::new());
    flags.add_outcome_sink(std::sync::Arc::clone(&outcomes), fader::Watch::Drawn);
    for (method, body, answer, ending) in [
        ("GET", "", "gray 0", "success"),
        ("GET", "panic", "stable 5 false", "panic"),
        ("GET", "hang", "stable 4 false", "timeout"),
        ("POST", "fine", "gray 4", "success"),
    ] {
        assert_eq!(text(&app, chunked(method, body)).await, answer);
        let ended: Vec<_> = outcomes
            .take()
            .into_iter()
            .filter_map(|record| match record.event {
                fader::OutcomeEvent::Ended(outcome) => Some(outcome.ending().as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(ended, [ending], "{method} {body}");
    }
}

#[tokio::test]
async fn what_may_not_be_done_twice_is_not() {
    let (app, _) = with_fall_back(FallBack::new());
    let panics = tokio::spawn(async move { text(&app, chunked("POST", "panic")).await });
    assert!(panics.await.is_err());

    let (app, _) = with_fall_back(FallBack::new().idempotent(true));
    assert_eq!(text(&app, chunked("POST", "panic")).await, "stable 5 false");
}

#[tokio::test]
async fn a_body_reaches_the_arm_whole_however_long_it_is() {
    let (app, _) = with_fall_back(FallBack::new().idempotent(true));
    for length in [0, 1, FallBack::MAX_BODY, FallBack::MAX_BODY + 1, 300_000] {
        let body = vec![b'x'; length];
        assert_eq!(
            text(&app, chunked("POST", body.clone())).await,
            format!("gray {length}")
        );
        let sized = Request::post("/").body(Body::from(body)).unwrap();
        assert_eq!(text(&app, sized).await, format!("gray {length}"));
    }
    // One that breaks off is the arm's to see.
    let broken = [Ok("panic"), Err(std::io::Error::other("gone"))];
    let body = Body::from_stream(futures_util::stream::iter(broken));
    let response = app
        .oneshot(Request::post("/").body(body).unwrap())
        .await
        .unwrap();
    assert_eq!(response.status(), http::StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn services_and_whole_routers_are_arms_too() {
    for (on, expected) in [(true, "gray cart"), (false, "cart")] {
        let arm =
            |text: &'static str| Router::new().route("/cart", get(move || async move { text }));
        let app: Router = Router::new()
            .nest_service("/shop", gray(&NEW_CHECKOUT, arm("gray cart"), arm("cart")))
            .fallback_service(gray(&NEW_CHECKOUT, arm("gray cart"), arm("cart")))
            .layer(FlagsLayer::new(Flags::fixed([("new-checkout", on)])));
        for path in ["/shop/cart", "/cart"] {
            let request = Request::get(path).body(Body::empty()).unwrap();
            assert_eq!(text(&app, request).await, expected);
        }
    }
}
