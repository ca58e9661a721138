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
