use std::time::Duration;

use actix_web::http::Method;
use actix_web::middleware::{Compat, DefaultHeaders, Logger};
use actix_web::test::{self, TestRequest};
use actix_web::{App, guard, rt, web};
use fader::{Ending, Flags, flags};

use super::*;
use crate::testing::{Drawn, NEW_CHECKOUT, ON_BY_DEFAULT, answer, flags};
use crate::{FlagsMiddleware, RequestScope, Routing};

flags! {
    /// Checkout v2
    pub(crate) OtherCheckout: bool = "new-checkout", default true;
}

fn fixed(on: bool) -> FlagsMiddleware {
    FlagsMiddleware::new(Flags::fixed([("new-checkout", on)]))
}

#[actix_web::test]
async fn guards_choose_the_route() {
    let routes = |flag| {
        let (on, off) = (FlagGuard::on(flag), FlagGuard::off(flag));
        App::new()
            .route("/", web::get().guard(on).to(|| async { "on" }))
            .route("/", web::get().guard(off).to(|| async { "off" }))
    };
    for (on, expected) in [(true, "on"), (false, "off")] {
        let app = test::init_service(routes(&NEW_CHECKOUT).wrap(fixed(on))).await;
        assert_eq!(
            answer(&app, TestRequest::get().to_request()).await,
            expected
        );
    }
    for flag in [&NEW_CHECKOUT, &ON_BY_DEFAULT] {
        let app = test::init_service(routes(flag)).await;
        assert_eq!(answer(&app, TestRequest::get().to_request()).await, "off");
    }
}

#[actix_web::test]
async fn guards_see_the_scope_of_what_is_around_the_routing() {
    let routes = || {
        let on = FlagGuard::on(&NEW_CHECKOUT);
        web::scope("/shop")
            .route("", web::get().guard(on).to(|| async { "on" }))
            .default_service(web::to(|| async { "off" }))
    };
    let request = || TestRequest::with_uri("/shop").to_request();
    let within = App::new().service(routes().wrap(fixed(true)));
    assert_eq!(
        answer(&test::init_service(within).await, request()).await,
        "on"
    );

    let guarded = routes()
        .guard(FlagGuard::on(&NEW_CHECKOUT))
        .wrap(fixed(true));
    let nowhere = web::to(|| async { "not found" });
    let guarded = App::new().service(guarded).default_service(nowhere);
    let app = test::init_service(guarded).await;
    assert_eq!(answer(&app, request()).await, "not found");
}

#[actix_web::test]
async fn guard_extractor_middleware_and_handler_agree() {
    let document = r#"{ "flags": { "new-checkout": { "rules": [
        { "percent": 50, "by": "request", "serve": "on" } ] } } }"#;
    let all = |guard: &'static str| {
        move |on: Option<FlagOn<OtherCheckout>>, scope: RequestScope| async move {
            format!("{guard} {} {}", on.is_some(), scope.get(&NEW_CHECKOUT))
        }
    };
    let guard = FlagGuard::on(&NEW_CHECKOUT);
    let app = App::new()
        .route("/", web::get().guard(guard).to(all("true")))
        .route("/", web::get().to(all("false")))
        .wrap(when(
            &NEW_CHECKOUT,
            DefaultHeaders::new().add(("x-on", "1")),
        ))
        .wrap(FlagsMiddleware::new(flags(document)));
    let app = test::init_service(app).await;
    let mut seen = [0; 2];
    for _ in 0..100 {
        let response = test::call_service(&app, TestRequest::get().to_request()).await;
        let on = response.headers().contains_key("x-on");
        seen[usize::from(on)] += 1;
        let body = test::read_body(response).await;
        assert_eq!(body, format!("{on} {on} {on}"));
    }
    assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
}

#[actix_web::test]
async fn what_is_off_is_as_though_it_were_not_there() {
    let beta = |_: FlagOn<OtherCheckout>| async { "beta" };
    let app = || App::new().route("/beta", web::get().to(beta));
    let request = |path| TestRequest::with_uri(path).to_request();
    let on = test::init_service(app().wrap(fixed(true))).await;
    assert_eq!(answer(&on, request("/beta")).await, "beta");

    let off = test::init_service(app().wrap(fixed(false))).await;
    let gone = test::call_service(&off, request("/beta")).await;
    let never = test::call_service(&off, request("/never")).await;
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    assert_eq!(gone.status(), never.status());
    assert_eq!(gone.headers().len(), never.headers().len());
    assert_eq!(test::read_body(gone).await, test::read_body(never).await);

    // Without the middleware the flag is off, whatever the key's own default is.
    let missing = test::init_service(app()).await;
    let response = test::call_service(&missing, request("/beta")).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn a_middleware_runs_only_while_the_flag_is_on() {
    for on in [true, false] {
        // One that changes the body's type, on an app and, boxed, on a resource.
        let logger = when(&NEW_CHECKOUT, Logger::new("%s"));
        let inner = web::resource("/")
            .wrap(Compat::new(when(&NEW_CHECKOUT, Logger::new("%s"))))
            .wrap(when(
                &NEW_CHECKOUT,
                DefaultHeaders::new().add(("x-inner", "1")),
            ))
            .get(|| async { "body" });
        let app = App::new()
            .service(inner)
            .wrap(logger)
            .wrap(when(
                &NEW_CHECKOUT,
                DefaultHeaders::new().add(("x-on", "1")),
            ))
            .wrap(fixed(on));
        let app = test::init_service(app).await;
        let response = test::call_service(&app, TestRequest::get().to_request()).await;
        assert_eq!(response.headers().contains_key("x-on"), on);
        assert_eq!(response.headers().contains_key("x-inner"), on);
        assert_eq!(test::read_body(response).await, "body");
    }
    let middleware = when(&ON_BY_DEFAULT, DefaultHeaders::new().add(("x-on", "1")));
    let app = test::init_service(App::new().wrap(middleware)).await;
    let response = test::call_service(&app, TestRequest::get().to_request()).await;
    assert!(!response.headers().contains_key("x-on"));
}

#[actix_web::test]
async fn whoever_asks_enters_the_arm_but_for_guards() {
    let drawn = Drawn::new();
    let in_flight = drawn.routing.in_flight();
    let count = move || {
        let count = in_flight.count("new-checkout", "on").to_string();
        async { count }
    };
    let extract = {
        let count = count.clone();
        move |_: FlagOn<OtherCheckout>| count()
    };
    let wrapped = web::resource("/when")
        .wrap(when(&NEW_CHECKOUT, DefaultHeaders::new()))
        .get(count.clone());
    let app = App::new()
        .service(wrapped)
        .route("/extract", web::get().to(extract))
        .route(
            "/guard",
            web::get()
                .guard(FlagGuard::on(&NEW_CHECKOUT))
                .guard(guard::fn_guard(|_| false)),
        )
        .route(
            "/guard",
            web::get().guard(FlagGuard::on(&NEW_CHECKOUT)).to(count),
        )
        .wrap(FlagsMiddleware::new(drawn.routing.clone()));
    let app = test::init_service(app).await;
    for (path, requests) in [("/when", "1"), ("/extract", "1"), ("/guard", "0")] {
        let request = TestRequest::with_uri(path).method(Method::GET).to_request();
        assert_eq!(answer(&app, request).await, requests, "{path}");
        assert_eq!(drawn.endings(), [Ending::Success], "{path}");
        assert_eq!(drawn.in_flight(), 0);
    }
}

#[actix_web::test]
async fn readiness_tells_of_a_drain() {
    let drawn = Drawn::new();
    let in_flight = drawn.routing.in_flight();
    async fn hang(scope: RequestScope) -> &'static str {
        let _ = scope.enter(&NEW_CHECKOUT);
        scope.retired().await;
        "retired"
    }
    let app = App::new()
        .route("/ready", web::get().to(readiness(in_flight.clone())))
        .route("/hang", web::get().to(hang))
        .wrap(FlagsMiddleware::new(Routing::clone(&drawn.routing)));
    let app = &*Box::leak(Box::new(test::init_service(app).await));
    let request = |path| TestRequest::with_uri(path).to_request();
    let ready = async || {
        let response = test::call_service(app, request("/ready")).await;
        (response.status().as_u16(), test::read_body(response).await)
    };
    assert_eq!(ready().await, (200, "ready".into()));

    let hanging = rt::spawn(answer(app, request("/hang")));
    // While this task waits the other one is polled, on the same thread.
    rt::time::sleep(Duration::from_millis(10)).await;
    let drain = in_flight.drain("new-checkout", "on", Duration::from_secs(10));
    let (left, during) = futures_util::future::join(drain, ready()).await;
    assert_eq!(left, 0);
    assert_eq!(during.0, 503);
    assert_eq!(hanging.await.unwrap(), "retired");
    assert_eq!(ready().await, (200, "ready".into()));
}
