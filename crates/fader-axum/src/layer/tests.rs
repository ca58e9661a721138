use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::connect_info::MockConnectInfo;
use axum::extract::{ConnectInfo, Extension};
use axum::http::StatusCode;
use axum::routing::get;
use fader::{FlagKey, Flags, Source};
use tower::ServiceExt;

use super::*;

static NEW_CHECKOUT: FlagKey<bool> = FlagKey::new("new-checkout", &false);

const BY_REQUEST: &str = r#"{ "flags": { "new-checkout": {
    "variants": { "stable": false, "gray": true }, "default": "stable",
    "rules": [
        { "name": "user", "if": { "attribute": "user.id", "is": "qa-1" }, "serve": "gray" },
        { "name": "number", "if": { "attribute": "user.number", "between": [1, 100] }, "serve": "gray" },
        { "name": "path", "if": { "attribute": "request.path", "starts_with": "/v2/" }, "serve": "gray" },
        { "name": "host", "if": { "attribute": "request.host", "is": "gray.example.com" }, "serve": "gray" },
        { "name": "method", "if": { "attribute": "request.method", "is": "PUT" }, "serve": "gray" },
        { "name": "header", "if": { "attribute": "request.header.X-Tenant", "is": "acme" }, "serve": "gray" },
        { "name": "network", "if": { "attribute": "client.ip", "in_network": "10.20.0.0/16" }, "serve": "gray" }
    ] } } }"#;

fn flags(document: &str) -> Flags {
    let flags = Flags::builder().build();
    flags.load(document, &Source::new("flags.json")).unwrap();
    flags
}

async fn rule(scope: RequestScope) -> String {
    scope
        .resolve(&NEW_CHECKOUT)
        .rule()
        .unwrap_or("none")
        .to_owned()
}

fn by_request() -> Router {
    Router::new()
        .fallback(rule)
        .layer(
            FlagsLayer::new(flags(BY_REQUEST)).attributes(|request, attributes| {
                if let Some(user) = attributes.header("x-user-id") {
                    attributes.set_untyped("user.id", user);
                    attributes.set_untyped("user.number", user);
                }
                if let Some(Extension(user)) = request.extensions.get::<Extension<&'static str>>() {
                    attributes.set("user.id", *user);
                }
            }),
        )
}

async fn text(response: axum::response::Response) -> String {
    String::from_utf8(to_bytes(response.into_body(), 4096).await.unwrap().to_vec()).unwrap()
}

async fn answer(app: Router, request: Request<Body>) -> String {
    text(app.oneshot(request).await.unwrap()).await
}

#[tokio::test]
async fn the_request_answers_its_own_attributes() {
    let peer = |address: &str| ConnectInfo(address.parse::<SocketAddr>().unwrap());
    let cases = [
        (Request::get("/"), "none"),
        (Request::get("/v2/checkout?from=/v1/"), "path"),
        (Request::get("/?path=/v2/"), "none"),
        (
            Request::get("/").header("host", "Gray.example.com:8080"),
            "host",
        ),
        (
            Request::get("http://gray.example.com/").header("host", "other.example.com"),
            "host",
        ),
        (Request::put("/"), "method"),
        (Request::get("/").header("x-tenant", "acme"), "header"),
        (
            Request::get("/")
                .header("x-tenant", "other")
                .header("x-tenant", "acme"),
            "none",
        ),
        (
            Request::get("/").extension(peer("10.20.3.4:5000")),
            "network",
        ),
        (
            Request::get("/").extension(peer("[::ffff:10.20.3.4]:5000")),
            "network",
        ),
        (
            Request::get("/").extension(MockConnectInfo(peer("10.20.3.4:5000").0)),
            "network",
        ),
        (
            Request::get("/")
                .header("x-forwarded-for", "10.20.3.4")
                .extension(peer("10.21.0.1:5000")),
            "none",
        ),
    ];
    for (request, expected) in cases {
        let request = request.body(Body::empty()).unwrap();
        let shown = format!("{request:?}");
        assert_eq!(answer(by_request(), request).await, expected, "{shown}");
    }
}

#[tokio::test]
async fn the_closure_adds_attributes() {
    let cases: [(&[u8], _); 6] = [
        (b"qa-1", "user"),
        (b"100", "number"),
        (b"101", "none"),
        (b"007", "none"),
        (b"", "none"),
        (b"qa-1\xff", "none"),
    ];
    for (user, expected) in cases {
        let request = Request::get("/")
            .header("x-user-id", user)
            .body(Body::empty())
            .unwrap();
        assert_eq!(answer(by_request(), request).await, expected, "{user:?}");
    }
    let request = Request::get("/")
        .extension(Extension("qa-1"))
        .body(Body::empty())
        .unwrap();
    assert_eq!(answer(by_request(), request).await, "user");
}

#[tokio::test]
async fn a_request_keeps_its_version_while_another_is_loaded() {
    let flags = flags(r#"{ "revision": 1, "flags": { "new-checkout": false } }"#);
    let handle = flags.clone();
    let versions = |scope: RequestScope| async move {
        let before = scope.version().to_owned();
        let document = r#"{ "revision": 2, "flags": { "new-checkout": true } }"#;
        handle.load(document, &Source::new("flags.json")).unwrap();
        format!("{before} {} {}", scope.version(), *scope.get(&NEW_CHECKOUT))
    };
    let app = Router::new()
        .route("/", get(versions))
        .layer(FlagsLayer::new(flags));
    let request = || Request::get("/").body(Body::empty()).unwrap();
    assert_eq!(answer(app.clone(), request()).await, "1 1 false");
    assert_eq!(answer(app, request()).await, "2 2 true");
}

#[tokio::test]
async fn the_response_header_is_opt_in_and_names_what_was_asked_for() {
    let route = || {
        Router::new()
            .route("/", get(rule))
            .route("/health", get(|| async { "fine" }))
    };
    let header = |app: Router, path: &'static str| async move {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = app.oneshot(request).await.unwrap();
        response
            .headers()
            .get("x-fader")
            .map(|value| value.to_str().unwrap().to_owned())
    };

    let silent = route().layer(FlagsLayer::new(flags(BY_REQUEST)));
    assert_eq!(header(silent, "/").await, None);

    let talking = route().layer(FlagsLayer::new(
        Routing::new(flags(BY_REQUEST)).response_header(true),
    ));
    assert_eq!(
        header(talking.clone(), "/").await.as_deref(),
        Some("new-checkout=stable")
    );
    assert_eq!(header(talking, "/health").await, None);

    let off = flags(r#"{ "flags": { "new-checkout": { "enabled": false } } }"#);
    let without_variant = route().layer(FlagsLayer::new(Routing::new(off).response_header(true)));
    assert_eq!(
        header(without_variant, "/").await.as_deref(),
        Some("new-checkout")
    );
}

#[tokio::test]
async fn a_scope_may_outlive_its_request() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let keep = move |scope: RequestScope| async move { sender.send(scope).unwrap() };
    let app = Router::new()
        .route("/", get(keep))
        .layer(FlagsLayer::new(Flags::fixed([("new-checkout", true)])));
    app.oneshot(Request::get("/").body(Body::empty()).unwrap())
        .await
        .unwrap();
    assert!(*receiver.recv().unwrap().get(&NEW_CHECKOUT));
}

#[tokio::test]
async fn without_the_layer_the_extractor_says_so() {
    let request = || Request::get("/").body(Body::empty()).unwrap();
    let response = Router::new()
        .route("/", get(rule))
        .oneshot(request())
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        text(response).await,
        "the flags layer is missing on this route"
    );

    let optional = |scope: Option<RequestScope>| async move { scope.is_some().to_string() };
    let app = Router::new().route("/", get(optional));
    assert_eq!(answer(app.clone(), request()).await, "false");
    assert_eq!(
        answer(
            app.layer(FlagsLayer::new(Flags::fixed([("a", true)]))),
            request()
        )
        .await,
        "true"
    );
}

#[tokio::test]
async fn any_tower_service_takes_the_layer() {
    let service =
        FlagsLayer::new(Routing::new(Flags::fixed([("new-checkout", true)])).response_header(true))
            .layer(tower::service_fn(
                |request: Request<&'static str>| async move {
                    let on = *request
                        .extensions()
                        .get::<RequestScope>()
                        .unwrap()
                        .get(&NEW_CHECKOUT);
                    Ok::<_, Infallible>(Response::new((*request.body(), on)))
                },
            ));
    let response = service.oneshot(Request::new("body")).await.unwrap();
    assert_eq!(response.body(), &("body", true));
}
