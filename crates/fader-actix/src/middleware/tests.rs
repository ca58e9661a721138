use std::time::Duration;

use actix_web::error::{ErrorGatewayTimeout, ErrorNotFound, ErrorRequestTimeout, InternalError};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Next, from_fn};
use actix_web::test::{self, TestRequest};
use actix_web::{App, HttpResponse, Responder, rt, web};
use fader::{Ending, Flags, Source};
use futures_util::FutureExt as _;

use super::*;
use crate::testing::{Drawn, NEW_CHECKOUT, answer, flags};
use crate::{FlagsMiddleware, RequestScope};

mod sockets;

const BY_REQUEST: &str = r#"{ "flags": { "new-checkout": {
    "variants": { "stable": false, "gray": true }, "default": "stable",
    "rules": [
        { "name": "user", "if": { "attribute": "user.id", "is": "qa-1" }, "serve": "gray" },
        { "name": "number", "if": { "attribute": "user.number", "between": [1, 100] }, "serve": "gray" },
        { "name": "path", "if": { "attribute": "request.path", "starts_with": "/v2/" }, "serve": "gray" },
        { "name": "route", "if": { "attribute": "request.route", "is": "/carts/{id}" }, "serve": "gray" },
        { "name": "host", "if": { "attribute": "request.host", "is": "gray.example.com" }, "serve": "gray" },
        { "name": "method", "if": { "attribute": "request.method", "is": "PUT" }, "serve": "gray" },
        { "name": "header", "if": { "attribute": "request.header.X-Tenant", "is": "acme" }, "serve": "gray" },
        { "name": "cookie", "if": { "attribute": "request.cookie.tenant", "is": "acme" }, "serve": "gray" },
        { "name": "query", "if": { "attribute": "request.query.tenant", "is": "a c" }, "serve": "gray" },
        { "name": "network", "if": { "attribute": "client.ip", "in_network": "10.20.0.0/16" }, "serve": "gray" }
    ] } } }"#;

async fn rule(scope: RequestScope) -> String {
    scope
        .resolve(&NEW_CHECKOUT)
        .rule()
        .unwrap_or("none")
        .to_owned()
}

/// An app that answers with the rule that decided.
macro_rules! by_request {
    ($middleware:expr) => {
        test::init_service(
            App::new()
                .route("/carts", web::get().to(rule))
                .service(web::scope("/carts").route("/{id}", web::get().to(rule)))
                .default_service(web::to(rule))
                .wrap($middleware),
        )
        .await
    };
}

#[actix_web::test]
async fn the_request_answers_its_own_attributes() {
    let peer = |address: &str| TestRequest::get().peer_addr(address.parse().unwrap());
    let cases = [
        (TestRequest::get(), "none"),
        (TestRequest::get().uri("/v2/checkout?from=/v1/"), "path"),
        (TestRequest::get().uri("/%762/checkout"), "none"),
        (TestRequest::get().uri("/?path=/v2/"), "none"),
        (TestRequest::get().uri("/carts/7?a=b"), "route"),
        // actix-web decodes it before it routes.
        (TestRequest::get().uri("/c%61rts/7"), "route"),
        (TestRequest::get().uri("/carts"), "none"),
        (TestRequest::get().uri("/carts/7/items"), "none"),
        (
            TestRequest::get().insert_header(("host", "Gray.example.com:8080")),
            "host",
        ),
        (
            TestRequest::get()
                .uri("http://gray.example.com/")
                .insert_header(("host", "other.example.com")),
            "host",
        ),
        (TestRequest::put(), "method"),
        (
            TestRequest::get().insert_header(("x-tenant", "acme")),
            "header",
        ),
        (
            TestRequest::get()
                .append_header(("x-tenant", "other"))
                .append_header(("x-tenant", "acme")),
            "none",
        ),
        (
            TestRequest::get()
                .append_header(("cookie", "a=b"))
                .append_header(("cookie", "c=d; tenant=acme")),
            "cookie",
        ),
        (TestRequest::get().uri("/?tenant=a%20c"), "query"),
        (peer("10.20.3.4:5000"), "network"),
        (peer("[::ffff:10.20.3.4]:5000"), "network"),
        (
            peer("10.21.0.1:5000").insert_header(("x-forwarded-for", "10.20.3.4")),
            "none",
        ),
        (
            peer("10.21.0.1:5000").insert_header(("forwarded", "for=10.20.3.4")),
            "none",
        ),
    ];
    let app = by_request!(FlagsMiddleware::new(flags(BY_REQUEST)));
    for (request, expected) in cases {
        let request = request.to_request();
        let shown = format!("{request:?}");
        assert_eq!(answer(&app, request).await, expected, "{shown}");
    }
}

#[actix_web::test]
async fn proxies_are_heeded_that_the_routing_names() {
    let routing = Routing::new(flags(BY_REQUEST)).trusted_proxies("10.21.0.0/16".parse().unwrap());
    let app = by_request!(FlagsMiddleware::new(routing));
    let request = TestRequest::get()
        .peer_addr("10.21.0.1:5000".parse().unwrap())
        .append_header(("x-forwarded-for", "192.0.2.1"))
        .append_header(("x-forwarded-for", "10.20.3.4"));
    assert_eq!(answer(&app, request.to_request()).await, "network");
}

#[actix_web::test]
async fn within_a_resource_the_route_is_the_one_that_serves() {
    let document = r#"{ "flags": { "new-checkout": { "rules": [
        { "name": "route", "if": { "attribute": "request.route", "is": "/shop/{cart}" }, "serve": "on" } ] } } }"#;
    let resource = web::resource("/{cart}")
        .wrap(FlagsMiddleware::new(flags(document)))
        .route(web::get().to(rule));
    let app = test::init_service(App::new().service(web::scope("/shop").service(resource))).await;
    let request = TestRequest::get().uri("/shop/7").to_request();
    assert_eq!(answer(&app, request).await, "route");
}

#[actix_web::test]
async fn the_closure_adds_attributes() {
    let middleware = FlagsMiddleware::new(flags(BY_REQUEST)).attributes(
        |request, attributes: &mut Capture<'_>| {
            if let Some(user) = attributes.header("x-user-id") {
                attributes.set_untyped("user.id", user);
                attributes.set_untyped("user.number", user);
            }
            if let Some(user) = request.extensions().get::<&'static str>() {
                attributes.set("user.id", *user);
            }
        },
    );
    let app = by_request!(middleware);
    let cases: [(&[u8], _); 6] = [
        (b"qa-1", "user"),
        (b"100", "number"),
        (b"101", "none"),
        (b"007", "none"),
        (b"", "none"),
        (b"qa-1\xff", "none"),
    ];
    for (user, expected) in cases {
        let request = TestRequest::get().insert_header(("x-user-id", user));
        let answer = answer(&app, request.to_request()).await;
        assert_eq!(answer, expected, "{user:?}");
    }
    let request = TestRequest::get().to_request();
    request.extensions_mut().insert("qa-1");
    assert_eq!(answer(&app, request).await, "user");
}

#[actix_web::test]
async fn a_request_keeps_its_version_while_another_is_loaded() {
    let flags = flags(r#"{ "revision": 1, "flags": { "new-checkout": false } }"#);
    let handle = flags.clone();
    let versions = move |scope: RequestScope| {
        let handle = handle.clone();
        async move {
            let before = scope.version().to_owned();
            let document = r#"{ "revision": 2, "flags": { "new-checkout": true } }"#;
            handle.load(document, &Source::new("flags.json")).unwrap();
            format!("{before} {} {}", scope.version(), *scope.get(&NEW_CHECKOUT))
        }
    };
    let app = App::new().route("/", web::get().to(versions));
    let app = test::init_service(app.wrap(FlagsMiddleware::new(flags))).await;
    let request = || TestRequest::get().to_request();
    assert_eq!(answer(&app, request()).await, "1 1 false");
    assert_eq!(answer(&app, request()).await, "2 2 true");
}

#[actix_web::test]
async fn the_response_header_is_opt_in_and_names_what_was_asked_for() {
    let off = r#"{ "flags": { "new-checkout": { "enabled": false } } }"#;
    let cases = [
        (BY_REQUEST, false, "/", None),
        (BY_REQUEST, true, "/", Some("new-checkout=stable")),
        (BY_REQUEST, true, "/health", None),
        (off, true, "/", Some("new-checkout")),
    ];
    for (document, is_shown, path, expected) in cases {
        let routing = Routing::new(flags(document)).response_header(is_shown);
        let app = App::new()
            .route("/", web::get().to(rule))
            .route("/health", web::get().to(|| async { "fine" }))
            .wrap(FlagsMiddleware::new(routing));
        let app = test::init_service(app).await;
        let request = TestRequest::get().uri(path).to_request();
        let response = test::call_service(&app, request).await;
        let header = response.headers().get("x-fader");
        assert_eq!(header.map(|value| value.to_str().unwrap()), expected);
    }
}

#[actix_web::test]
async fn a_scope_may_outlive_its_request() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let keep = move |scope: RequestScope| {
        let sender = sender.clone();
        async move { sender.send(scope).unwrap() }
    };
    let keep = move |scope| keep(scope).map(|()| HttpResponse::Ok());
    let app = App::new().route("/", web::get().to(keep));
    let flags = Flags::fixed([("new-checkout", true)]);
    let app = test::init_service(app.wrap(FlagsMiddleware::new(flags))).await;
    test::call_service(&app, TestRequest::get().to_request()).await;
    assert!(*receiver.recv().unwrap().get(&NEW_CHECKOUT));
}

#[actix_web::test]
async fn without_the_middleware_the_extractor_says_so() {
    let optional = |scope: Option<RequestScope>| async move { scope.is_some().to_string() };
    let routes = || {
        App::new()
            .route("/", web::get().to(rule))
            .route("/optional", web::get().to(optional))
    };
    let request = |path| TestRequest::get().uri(path).to_request();
    let app = test::init_service(routes()).await;
    let response = test::call_service(&app, request("/")).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        test::read_body(response).await,
        "the flags layer is missing on this route"
    );
    assert_eq!(answer(&app, request("/optional")).await, "false");

    let middleware = FlagsMiddleware::new(Flags::fixed([("a", true)]));
    let app = test::init_service(routes().wrap(middleware)).await;
    assert_eq!(answer(&app, request("/optional")).await, "true");
}

#[actix_web::test]
async fn the_inner_one_of_two_counts_within_it() {
    let on = |on| FlagsMiddleware::new(Flags::fixed([("new-checkout", on)]));
    let value = |scope: RequestScope| async move { scope.get(&NEW_CHECKOUT).to_string() };
    let inner = web::scope("/inner")
        .wrap(on(true))
        .route("", web::get().to(value));
    let app = App::new()
        .service(inner)
        .route("/outer", web::get().to(value))
        .wrap(on(false));
    let app = test::init_service(app).await;
    for (path, expected) in [("/inner", "true"), ("/outer", "false")] {
        let request = TestRequest::get().uri(path).to_request();
        assert_eq!(answer(&app, request).await, expected);
    }
}

#[actix_web::test]
async fn a_flag_that_is_asked_for_within_two_counts_in_both() {
    let drawn = Drawn::new();
    let twice = || FlagsMiddleware::new(drawn.routing.clone());
    let app = App::new()
        .default_service(web::to(async |scope: RequestScope| {
            ask(scope).await;
            "body"
        }))
        .wrap(twice())
        .wrap_fn(|request, next| {
            let scope = request.extensions().get::<RequestScope>().cloned();
            assert!(*scope.unwrap().get(&NEW_CHECKOUT));
            next.call(request)
        })
        .wrap(twice());
    let app = test::init_service(app).await;
    test::call_service(&app, TestRequest::get().to_request()).await;
    assert_eq!(drawn.endings(), [Ending::Success; 2]);
}

async fn ask(scope: RequestScope) {
    assert!(*scope.enter(&NEW_CHECKOUT));
}

async fn status(scope: RequestScope, status: web::Path<u16>) -> impl Responder {
    ask(scope).await;
    HttpResponse::new(StatusCode::from_u16(*status).unwrap())
}

async fn fails(scope: RequestScope) -> Result<String, Error> {
    ask(scope).await;
    Err(ErrorRequestTimeout("too late"))
}

#[actix_web::test]
async fn the_status_is_the_outcome() {
    let drawn = Drawn::new();
    let app = App::new()
        .route("/status/{status}", web::get().to(status))
        .route("/fails", web::get().to(fails))
        .wrap(FlagsMiddleware::new(drawn.routing.clone()));
    let app = test::init_service(app).await;
    let cases = [
        ("/status/101", Ending::Informational),
        ("/status/204", Ending::Success),
        ("/status/303", Ending::Redirection),
        ("/status/404", Ending::ClientError),
        ("/status/408", Ending::Timeout),
        ("/status/503", Ending::ServerError),
        ("/status/504", Ending::Timeout),
        ("/fails", Ending::Timeout),
    ];
    for (path, expected) in cases {
        test::call_service(&app, TestRequest::get().uri(path).to_request()).await;
        assert_eq!(drawn.endings(), [expected], "{path}");
        assert_eq!(drawn.in_flight(), 0, "{path}");
    }
}

#[actix_web::test]
async fn grpc_status_counts_in_the_head() {
    let drawn = Drawn::new();
    let unavailable = |scope: RequestScope| async move {
        ask(scope).await;
        HttpResponse::Ok()
            .insert_header(("grpc-status", "14"))
            .finish()
    };
    let app = App::new().route("/", web::get().to(unavailable));
    let app = test::init_service(app.wrap(FlagsMiddleware::new(drawn.routing.clone()))).await;
    test::call_service(&app, TestRequest::get().to_request()).await;
    assert_eq!(drawn.endings(), [Ending::ServerError]);
}

#[actix_web::test]
async fn an_error_of_what_is_wrapped_counts_by_its_status() {
    async fn refuse(
        request: ServiceRequest,
        _next: Next<actix_web::body::BoxBody>,
    ) -> Result<ServiceResponse, Error> {
        let scope = request.extensions().get::<RequestScope>().cloned();
        ask(scope.unwrap()).await;
        Err(match request.path() {
            "/404" => ErrorNotFound("no"),
            "/504" => {
                InternalError::from_response("slow", HttpResponse::GatewayTimeout().finish()).into()
            }
            _ => std::io::Error::other("broken").into(),
        })
    }
    let drawn = Drawn::new();
    let app = App::new()
        .wrap(from_fn(refuse))
        .wrap(FlagsMiddleware::new(drawn.routing.clone()).until_body_end());
    let app = test::init_service(app).await;
    for (path, expected) in [
        ("/404", Ending::ClientError),
        ("/504", Ending::Timeout),
        ("/", Ending::ServerError),
    ] {
        let request = TestRequest::get().uri(path).to_request();
        assert!(test::try_call_service(&app, request).await.is_err());
        assert_eq!(drawn.endings(), [expected]);
        assert_eq!(drawn.in_flight(), 0, "{path}");
    }
}

#[actix_web::test]
async fn a_panic_is_one_wherever_it_happens() {
    async fn in_the_handler(scope: RequestScope) -> &'static str {
        ask(scope).await;
        rt::task::yield_now().await;
        panic!("on purpose")
    }
    let at_once = |request: ServiceRequest, _next: &_| {
        let scope = request.extensions().get::<RequestScope>().cloned();
        assert!(*scope.unwrap().enter(&NEW_CHECKOUT));
        if request.path() == "/at-once" {
            panic!("on purpose");
        }
        Service::<ServiceRequest>::call(_next, request)
    };
    let drawn = Drawn::new();
    let app = App::new()
        .route("/later", web::get().to(in_the_handler))
        .wrap_fn(at_once)
        .wrap(FlagsMiddleware::new(drawn.routing.clone()));
    let app = Box::leak(Box::new(test::init_service(app).await));
    for path in ["/at-once", "/later"] {
        let app = &*app;
        let request = TestRequest::get().uri(path).to_request();
        let panicked = rt::spawn(async move { test::call_service(app, request).await.status() });
        assert!(panicked.await.unwrap_err().is_panic());
        assert_eq!(drawn.endings(), [Ending::Panic], "{path}");
        assert_eq!(drawn.in_flight(), 0, "{path}");
    }
}

#[actix_web::test]
async fn a_request_that_is_dropped_is_told_so() {
    async fn hang(scope: RequestScope) -> &'static str {
        ask(scope).await;
        std::future::pending().await
    }
    let drawn = Drawn::new();
    let app = App::new().route("/", web::get().to(hang));
    let app = test::init_service(app.wrap(FlagsMiddleware::new(drawn.routing.clone()))).await;
    let response = app.call(TestRequest::get().to_request());
    let short = Duration::from_millis(20);
    assert!(rt::time::timeout(short, response).await.is_err());
    assert_eq!(drawn.endings(), [Ending::Dropped]);
    assert_eq!(drawn.in_flight(), 0);
}

#[actix_web::test]
async fn a_time_out_is_one_where_it_is_inside() {
    async fn give_up(
        request: ServiceRequest,
        next: Next<impl MessageBody>,
    ) -> Result<ServiceResponse<impl MessageBody>, Error> {
        let response = rt::time::timeout(Duration::from_millis(20), next.call(request));
        response
            .await
            .unwrap_or_else(|_| Err(ErrorGatewayTimeout("slow")))
    }
    async fn hang(scope: RequestScope) -> &'static str {
        ask(scope).await;
        std::future::pending().await
    }
    let drawn = Drawn::new();
    let app = || App::new().default_service(web::to(hang));
    let flags = || FlagsMiddleware::new(drawn.routing.clone());
    let inside = test::init_service(app().wrap(from_fn(give_up)).wrap(flags())).await;
    let outside = test::init_service(app().wrap(flags()).wrap(from_fn(give_up))).await;
    let request = || TestRequest::get().to_request();
    assert!(test::try_call_service(&inside, request()).await.is_err());
    assert_eq!(drawn.endings(), [Ending::Timeout]);
    assert!(test::try_call_service(&outside, request()).await.is_err());
    assert_eq!(drawn.endings(), [Ending::Dropped]);
    assert_eq!(drawn.in_flight(), 0);
}

#[actix_web::test]
async fn a_new_visitor_gets_a_cookie() {
    let routing = Routing::new(flags(BY_REQUEST)).visitor(fader_web::Visitor::new());
    let app = by_request!(FlagsMiddleware::new(routing));
    let request = TestRequest::get().insert_header(("sec-fetch-mode", "navigate"));
    let response = test::call_service(&app, request.to_request()).await;
    let headers = response.headers();
    let cookie = headers.get("set-cookie").unwrap().to_str().unwrap();
    assert!(cookie.starts_with("fader_visitor=1."), "{cookie}");
    assert_eq!(headers.get("cache-control").unwrap(), "private");
}

#[actix_web::test]
async fn a_method_of_one_s_own_does_no_harm() {
    let app = by_request!(FlagsMiddleware::new(flags(BY_REQUEST)));
    let method = Method::from_bytes(b"PURGE").unwrap();
    let request = TestRequest::default().method(method).to_request();
    assert_eq!(answer(&app, request).await, "none");
}
