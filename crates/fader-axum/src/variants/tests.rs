use axum::Router;
use axum::body::{Body, to_bytes};
use axum::routing::get;
use fader::Flags;
use tower::ServiceExt as _;

use super::*;
use crate::{FlagsLayer, Routing};

static RANKER: FlagKey<str> = FlagKey::new("ranker", "none");

fn arms() -> Router {
    let handler = by_variant(&RANKER, || async { "otherwise" })
        .arm("a", || async { "first a" })
        .arm("a", || async { "a" })
        .arm("b", async |request: Request| {
            format!("b {}", request.uri().path())
        });
    Router::new().route("/{*rest}", get(handler))
}

async fn answer(app: &Router) -> String {
    let request = Request::get("/x").body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    String::from_utf8(to_bytes(response.into_body(), 100).await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn each_variant_has_its_arm_and_the_others_share_one() {
    for (variant, expected) in [("a", "a"), ("b", "b /x"), ("c", "otherwise")] {
        let routing = Routing::new(Flags::fixed([("ranker", variant)]));
        let in_flight = routing.in_flight();
        let app = arms().layer(FlagsLayer::new(routing));
        assert_eq!(answer(&app).await, expected);
        assert_eq!(
            in_flight.arms(),
            [("ranker".to_owned(), variant.to_owned(), 0)]
        );
    }
    let unknown = arms().layer(FlagsLayer::new(Flags::fixed([("other", true)])));
    assert_eq!(answer(&unknown).await, "otherwise");
    assert_eq!(answer(&arms()).await, "otherwise");
}

#[tokio::test]
async fn whole_routers_are_arms_too() {
    let arm = |text: &'static str| Router::new().route("/x", get(move || async move { text }));
    for (variant, expected) in [("a", "router a"), ("c", "router")] {
        let arms = by_variant(&RANKER, arm("router")).arm("a", arm("router a"));
        let app = Router::new().fallback_service(arms);
        let app = app.layer(FlagsLayer::new(Flags::fixed([("ranker", variant)])));
        assert_eq!(answer(&app).await, expected);
    }
}
