use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::dev::fn_service;
use actix_web::error::{ErrorBadGateway, PayloadError};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Next, from_fn};
use actix_web::test::{self, TestRequest};
use actix_web::{App, HttpRequest, HttpResponse, rt, web};
use fader::{Arm, Ending};

use super::*;
use crate::testing::{Drawn, NEW_CHECKOUT, answer};
use crate::{ArmFactory, FlagsMiddleware, RequestScope, gray};

/// An app with one route of two arms, as a whole that lives on.
macro_rules! app {
    ($drawn:expr, $gray:expr, $stable:expr, $fall_back:expr) => {{
        let arms = gray(&NEW_CHECKOUT, $gray, $stable).fall_back($fall_back);
        let app = App::new()
            .app_data(web::Data::new("shop"))
            .app_data(web::PayloadConfig::new(1 << 20))
            .route("/{cart}", web::route().service(arms))
            .wrap(FlagsMiddleware::new(
                $drawn.routing.clone().response_header(true),
            ));
        &*Box::leak(Box::new(test::init_service(app).await))
    }};
}

fn panics() -> impl ArmFactory {
    web::to(|| async { panic!("on purpose") as &'static str })
}

fn stable() -> impl ArmFactory {
    web::to(|| async { "stable" })
}

/// An arm that sends back the body.
fn echo() -> impl ArmFactory {
    web::to(|body: Bytes| async { body })
}

#[actix_web::test]
async fn stable_answers_where_gray_panics_or_is_too_slow() {
    let at_once = fn_service(|_: ServiceRequest| -> std::future::Ready<_> { panic!("on purpose") });
    let later = web::to(|| async {
        rt::task::yield_now().await;
        panic!("on purpose") as &'static str
    });
    let slow = web::to(|| async {
        rt::time::sleep(Duration::from_secs(60)).await;
        "slow"
    });
    let in_an_extractor = web::to(|_: Panics| async { "extracted" });
    let drawn = Drawn::new();
    let limits = FallBack::new().budget(Duration::from_millis(30));
    let apps = [
        app!(drawn, panics(), stable(), limits) as &dyn Any<_, _>,
        app!(drawn, at_once, stable(), limits),
        app!(drawn, later, stable(), limits),
        app!(drawn, in_an_extractor, stable(), limits),
        app!(drawn, slow, stable(), limits),
    ];
    for (number, app) in apps.into_iter().enumerate() {
        for request in [
            TestRequest::get(),
            TestRequest::default().method(Method::HEAD),
        ] {
            let response = app.answer(request.uri("/7").to_request()).await;
            assert_eq!(
                response.headers().get("x-fader").unwrap(),
                "new-checkout=off"
            );
            assert_eq!(test::read_body(response).await, "stable");
            let expected = if number == 4 {
                Ending::Timeout
            } else {
                Ending::Panic
            };
            assert_eq!(drawn.arms(), [(Arm::Gray, expected)], "{number}");
            assert_eq!(drawn.in_flight(), 0);
        }
    }
}

/// An extractor that does not get so far.
struct Panics;

impl actix_web::FromRequest for Panics {
    type Error = Error;
    type Future = std::future::Ready<Result<Self, Error>>;

    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        panic!("on purpose")
    }
}

/// Apps of several types, side by side.
trait Any<R, B> {
    fn answer(&self, request: R) -> futures_util::future::LocalBoxFuture<'_, ServiceResponse<B>>;
}

impl<S, R, B> Any<R, B> for S
where
    S: Service<R, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
{
    fn answer(&self, request: R) -> futures_util::future::LocalBoxFuture<'_, ServiceResponse<B>> {
        let response = self.call(request);
        Box::pin(async { response.await.unwrap() })
    }
}

#[actix_web::test]
async fn an_answer_of_gray_stands_whatever_it_is() {
    let broken = web::to(|| async { HttpResponse::InternalServerError().body("gray") });
    let fails = web::to(|| async { Err::<String, Error>(ErrorBadGateway("gray")) });
    let refuses = fn_service(async |_: ServiceRequest| Err(ErrorBadGateway("gray")));
    let drawn = Drawn::new();
    let limits = FallBack::new().budget(Duration::from_secs(60));
    let request = || TestRequest::with_uri("/7").to_request();
    let app = app!(drawn, broken, stable(), limits);
    assert_eq!(answer(app, request()).await, "gray");
    let app = app!(drawn, fails, stable(), limits);
    assert_eq!(answer(app, request()).await, "gray");
    let app = app!(drawn, refuses, stable(), limits);
    let error = test::try_call_service(app, request()).await.err().unwrap();
    assert_eq!(
        error.as_response_error().status_code(),
        StatusCode::BAD_GATEWAY
    );
    assert_eq!(drawn.arms(), [(Arm::Gray, Ending::ServerError); 3]);
}

#[actix_web::test]
async fn only_what_may_be_done_twice_is() {
    let cases = [
        (Method::GET, false, true),
        (Method::HEAD, false, true),
        (Method::POST, false, false),
        (Method::PUT, false, false),
        (Method::DELETE, false, false),
        (Method::CONNECT, false, false),
        (Method::POST, true, true),
        (Method::DELETE, true, true),
        (Method::CONNECT, true, false),
    ];
    for (method, idempotent, is_done_twice) in cases {
        let drawn = Drawn::new();
        let limits = FallBack::new().idempotent(idempotent);
        let app = app!(drawn, panics(), stable(), limits);
        let request = TestRequest::with_uri("/7")
            .method(method.clone())
            .to_request();
        let answer = rt::spawn(async move { answer(app, request).await }).await;
        assert_eq!(answer.is_ok(), is_done_twice, "{method} {idempotent}");
        assert_eq!(drawn.endings(), [Ending::Panic]);
        assert_eq!(drawn.in_flight(), 0);
    }
}

#[actix_web::test]
async fn both_get_the_same_body_and_stable_all_that_extractors_need() {
    type Order = web::Json<Vec<u32>>;
    async fn order(
        request: HttpRequest,
        cart: web::Path<u32>,
        order: Order,
        shop: web::Data<&'static str>,
        scope: RequestScope,
    ) -> String {
        let mut left = request.extensions_mut();
        let is_first = left.insert("left by the first").is_none();
        let text = format!("{} {cart} {order:?} {}", **shop, *scope.get(&NEW_CHECKOUT));
        // The panic comes while the extensions are borrowed.
        assert!(!is_first || text.ends_with("false"), "on purpose");
        drop(left);
        format!("{text} {is_first}")
    }
    let drawn = Drawn::new();
    let limits = FallBack::new().idempotent(true);
    let app = app!(drawn, web::to(order), web::to(order), limits);
    let request = TestRequest::post()
        .uri("/7")
        .set_json([1, 2, 3])
        .to_request();
    assert_eq!(
        answer(app, request).await,
        "shop 7 Json([1, 2, 3]) false false"
    );
}

#[actix_web::test]
async fn a_body_up_to_64_kib_is_kept() {
    let drawn = Drawn::new();
    let limits = FallBack::new().idempotent(true);
    for length in [0, 1, FallBack::MAX_BODY, FallBack::MAX_BODY + 1, 200_000] {
        let body: Bytes = (0..=250).cycle().take(length).collect();
        let request = |size: usize| {
            let mut request = TestRequest::post().uri("/7").to_request();
            let chunks: Vec<_> = body
                .chunks(size)
                .map(Bytes::copy_from_slice)
                .map(Ok)
                .collect();
            *request.payload() = Payload::from(stream::iter(chunks).boxed_local());
            request
        };
        for size in [1000, 65_536, 1 << 20] {
            let whole = app!(drawn, echo(), stable(), limits);
            let response = test::call_service(whole, request(size)).await;
            assert!(
                test::read_body(response).await == body,
                "{length} by {size}"
            );

            let again = app!(drawn, panics(), echo(), limits);
            let request = request(size);
            let response = rt::spawn(async move {
                let response = test::call_service(again, request).await;
                test::read_body(response).await
            });
            let is_kept = length <= FallBack::MAX_BODY;
            assert!(
                response.await.ok() == is_kept.then(|| body.clone()),
                "{length} by {size}"
            );
        }
    }
}

#[actix_web::test]
async fn a_body_that_breaks_off_is_the_gray_arm_s_to_judge() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = {
        let tries = Arc::clone(&tries);
        move |mut payload: web::Payload| {
            tries.fetch_add(1, Ordering::SeqCst);
            async move {
                let first = payload.next().await.unwrap().unwrap();
                assert!(payload.next().await.unwrap().is_err());
                assert!(payload.next().await.is_none());
                first
            }
        }
    };
    let drawn = Drawn::new();
    let app = app!(drawn, web::to(counted), stable(), FallBack::new());
    let mut request = TestRequest::with_uri("/7").to_request();
    let chunks = [Ok(Bytes::from("some")), Err(PayloadError::Incomplete(None))];
    *request.payload() = Payload::from(stream::iter(chunks).boxed_local());
    assert_eq!(answer(app, request).await, "some");
    assert_eq!(tries.load(Ordering::SeqCst), 1);
}

#[actix_web::test]
async fn a_tunnel_is_not_read_before_it_begins() {
    let drawn = Drawn::new();
    let app = app!(
        drawn,
        web::to(|| async { "gray" }),
        stable(),
        FallBack::new()
    );
    let request = TestRequest::with_uri("/7").insert_header(("upgrade", "websocket"));
    let mut request = request.to_request();
    *request.payload() = Payload::from(stream::pending().boxed_local());
    let answer = rt::time::timeout(Duration::from_secs(10), answer(app, request));
    assert_eq!(answer.await.unwrap(), "gray");
}

#[actix_web::test]
async fn a_middleware_that_changes_the_head_belongs_outside() {
    async fn change(
        mut request: ServiceRequest,
        next: Next<actix_web::body::BoxBody>,
    ) -> Result<ServiceResponse, Error> {
        let value = HeaderValue::from_static("1");
        request
            .headers_mut()
            .insert(HeaderName::from_static("x-changed"), value);
        next.call(request).await
    }
    async fn changed(request: HttpRequest) -> String {
        request.headers().contains_key("x-changed").to_string()
    }
    let limits = FallBack::new();
    let drawn = Drawn::new();
    let request = || TestRequest::with_uri("/7").to_request();
    let inside = web::to(changed).wrap(from_fn(change));
    let app = app!(drawn, inside, stable(), limits);
    assert_eq!(answer(app, request()).await, "stable");
    // The second try holds the request alone.
    let inside = web::to(changed).wrap(from_fn(change));
    let app = app!(drawn, panics(), inside, limits);
    assert_eq!(answer(app, request()).await, "true");

    let arms = gray(&NEW_CHECKOUT, web::to(changed), stable()).fall_back(limits);
    let outside = App::new()
        .service(
            web::resource("/7")
                .wrap(from_fn(change))
                .route(web::get().service(arms)),
        )
        .wrap(FlagsMiddleware::new(drawn.routing.clone()));
    let outside = test::init_service(outside).await;
    assert_eq!(answer(&outside, request()).await, "true");
}

#[actix_web::test]
async fn the_second_try_counts_on_the_stable_arm() {
    let drawn = Drawn::new();
    let in_flight = drawn.routing.in_flight();
    let counted = move || {
        let count = |variant| in_flight.count("new-checkout", variant);
        let counts = format!("{} {}", count("on"), count("off"));
        async { counts }
    };
    let app = app!(drawn, panics(), web::to(counted), FallBack::new());
    let request = TestRequest::with_uri("/7").to_request();
    assert_eq!(answer(app, request).await, "0 1");
    assert_eq!(drawn.in_flight(), 0);
}

#[actix_web::test]
async fn a_panic_of_stable_is_one() {
    let drawn = Drawn::new();
    let app = app!(drawn, panics(), panics(), FallBack::new());
    let request = TestRequest::with_uri("/7").to_request();
    let panicked = rt::spawn(async move { answer(app, request).await }).await;
    assert!(panicked.unwrap_err().is_panic());
    assert_eq!(drawn.arms(), [(Arm::Gray, Ending::Panic)]);
    assert_eq!(drawn.in_flight(), 0);
}
