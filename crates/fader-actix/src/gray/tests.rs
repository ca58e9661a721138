use actix_web::dev::{fn_factory, fn_service};
use actix_web::http::StatusCode;
use actix_web::test::{self, TestRequest};
use actix_web::{App, HttpResponse, error, guard, rt, web};
use fader::Flags;

use super::*;
use crate::testing::{Drawn, NEW_CHECKOUT, ON_BY_DEFAULT, answer, flags};
use crate::{FlagsMiddleware, by_variant};

/// An app with one route, on which stands a service.
macro_rules! app {
    ($service:expr) => {
        App::new().route("/{cart}", web::route().service($service))
    };
    ($service:expr, $routing:expr) => {
        test::init_service(app!($service).wrap(FlagsMiddleware::new($routing))).await
    };
}

fn arms(flag: &'static FlagKey<bool>) -> impl ArmFactory {
    gray(
        flag,
        web::to(|| async { "gray" }),
        web::to(|| async { "stable" }),
    )
}

#[actix_web::test]
async fn picks_the_arm_of_the_request() {
    let flags = flags(
        r#"{ "flags": { "new-checkout": { "rules": [
            { "if": { "attribute": "request.header.x-user", "is": "qa-1" }, "serve": "on" } ] } } }"#,
    );
    let app = app!(arms(&NEW_CHECKOUT), flags.clone());
    let request = |user| TestRequest::with_uri("/7").insert_header(("x-user", user));
    for (user, arm) in [("qa-1", "gray"), ("ann", "stable"), ("qa-1", "gray")] {
        assert_eq!(answer(&app, request(user).to_request()).await, arm);
    }
    let on = r#"{ "flags": { "new-checkout": true } }"#;
    flags.load(on, &fader::Source::new("flags.json")).unwrap();
    assert_eq!(answer(&app, request("ann").to_request()).await, "gray");
}

#[actix_web::test]
async fn the_arms_have_extractors_of_their_own() {
    async fn old(cart: web::Path<u32>, shop: web::Data<&'static str>) -> String {
        format!("{}: cart {cart}", **shop)
    }
    async fn new(body: String) -> Result<String, Error> {
        if body.is_empty() {
            return Err(error::ErrorConflict("no order"));
        }
        Ok(format!("order {body}"))
    }
    for (on, expected) in [(true, "order two pears"), (false, "shop: cart 7")] {
        let app = app!(gray(&NEW_CHECKOUT, web::to(new), web::to(old)))
            .app_data(web::Data::new("shop"))
            .wrap(FlagsMiddleware::new(Flags::fixed([("new-checkout", on)])));
        let app = test::init_service(app).await;
        let request = TestRequest::post().uri("/7").set_payload("two pears");
        assert_eq!(answer(&app, request.to_request()).await, expected);
        // An arm's error is the route's.
        let request = TestRequest::post().uri("/7").to_request();
        let status = test::call_service(&app, request).await.status();
        assert_eq!(status == StatusCode::CONFLICT, on);
    }
}

#[actix_web::test]
async fn arms_nest_and_may_be_any_service() {
    let both = fn_service(|request: ServiceRequest| async {
        Ok(request.into_response(HttpResponse::Ok().body("both")))
    });
    let inner = gray(&ON_BY_DEFAULT, both, web::to(|| async { "one" }));
    let arms = gray(&NEW_CHECKOUT, inner, web::to(|| async { "stable" }));
    let flags = Flags::fixed([("new-checkout", true)]);
    let app = App::new().default_service(arms);
    let app = test::init_service(app.wrap(FlagsMiddleware::new(flags))).await;
    let request = TestRequest::with_uri("/nowhere").to_request();
    assert_eq!(answer(&app, request).await, "both");
}

#[actix_web::test]
async fn guards_of_an_arm_are_not_asked() {
    let guarded = web::post()
        .guard(guard::fn_guard(|_| false))
        .to(|| async { "gray" });
    let arms = gray(&NEW_CHECKOUT, guarded, web::to(|| async { "stable" }));
    let app = app!(arms, Flags::fixed([("new-checkout", true)]));
    let request = TestRequest::with_uri("/7").to_request();
    assert_eq!(answer(&app, request).await, "gray");
}

#[actix_web::test]
async fn a_flag_that_the_document_lacks_serves_the_key_s_default() {
    for (flag, arm) in [(&NEW_CHECKOUT, "stable"), (&ON_BY_DEFAULT, "gray")] {
        let app = app!(arms(flag), Flags::fixed([("other", true)]));
        let request = TestRequest::with_uri("/7").to_request();
        assert_eq!(answer(&app, request).await, arm);
    }
}

#[actix_web::test]
async fn without_the_middleware_stable_serves() {
    for flag in [&NEW_CHECKOUT, &ON_BY_DEFAULT] {
        let limited = gray(
            flag,
            web::to(|| async { "gray" }),
            web::to(|| async { "stable" }),
        );
        let limited = limited.fall_back(FallBack::new());
        let app = App::new()
            .service(web::resource("/a").route(web::get().service(arms(flag))))
            .service(web::resource("/b").route(web::get().service(limited)));
        let app = test::init_service(app).await;
        for path in ["/a", "/b"] {
            let request = TestRequest::with_uri(path).to_request();
            assert_eq!(answer(&app, request).await, "stable");
        }
    }
}

#[actix_web::test]
async fn the_request_counts_on_its_arm() {
    let drawn = Drawn::new();
    let in_flight = drawn.routing.in_flight();
    let counted = move || {
        let count = in_flight.count("new-checkout", "on").to_string();
        async { count }
    };
    let arms = gray(&NEW_CHECKOUT, web::to(counted), web::to(|| async { "" }));
    let app = app!(arms, drawn.routing.clone());
    let request = TestRequest::with_uri("/7").to_request();
    assert_eq!(answer(&app, request).await, "1");
    assert_eq!(drawn.in_flight(), 0);
}

/// A service that is never ready, or broken.
struct NotReady(bool);

impl Service<ServiceRequest> for NotReady {
    type Response = ServiceResponse;
    type Error = Error;
    type Future = std::future::Pending<Result<ServiceResponse, Error>>;

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.0 {
            Poll::Ready(Err(error::ErrorBadGateway("broken")))
        } else {
            Poll::Pending
        }
    }

    fn call(&self, _: ServiceRequest) -> Self::Future {
        std::future::pending()
    }
}

#[actix_web::test]
async fn both_arms_have_to_be_ready() {
    for is_broken in [false, true] {
        let not = || fn_factory(move || std::future::ready(Ok(NotReady(is_broken))));
        let good = || web::to(|| async { "" });
        let first = gray(&NEW_CHECKOUT, not(), good()).new_service(()).await;
        let second = gray(&NEW_CHECKOUT, good(), not()).new_service(()).await;
        let any = |arm| web::route().service(gray(&NEW_CHECKOUT, arm, good()));
        let third = by_variant(&NEW_CHECKOUT, good()).arm("on", any(not()));
        let third = third.new_service(()).await.unwrap();
        std::future::poll_fn(|cx| {
            let polls = [
                first.as_ref().unwrap().poll_ready(cx),
                second.as_ref().unwrap().poll_ready(cx),
                third.poll_ready(cx),
            ];
            for poll in polls {
                assert!(matches!(poll, Poll::Ready(Err(_))) == is_broken);
                assert!(poll.is_pending() != is_broken);
            }
            Poll::Ready(())
        })
        .await;
    }
}

#[actix_web::test]
async fn an_arm_that_cannot_be_made_is_no_service() {
    let none = || fn_factory(|| std::future::ready(Err::<NotReady, ()>(())));
    let good = || web::to(|| async { "" });
    assert!(
        gray(&NEW_CHECKOUT, none(), good())
            .new_service(())
            .await
            .is_err()
    );
    assert!(
        gray(&NEW_CHECKOUT, good(), none())
            .new_service(())
            .await
            .is_err()
    );
}

#[actix_web::test]
async fn each_variant_has_its_arm() {
    static RANKER: FlagKey<str> = FlagKey::new("ranker", "none");
    let by_user = r#"{ "flags": { "ranker": {
        "variants": { "old": "o", "a": "x", "b": "y", "c": "z" }, "default": "old", "rules": [
            { "if": { "attribute": "request.query.arm", "is": "a" }, "serve": "a" },
            { "if": { "attribute": "request.query.arm", "is": "b" }, "serve": "b" },
            { "if": { "attribute": "request.query.arm", "is": "c" }, "serve": "c" } ] } } }"#;
    let arms = || {
        by_variant(&RANKER, web::to(|| async { "otherwise" }))
            .arm("a", web::to(|| async { "replaced" }))
            .arm(
                "a",
                web::to(|cart: web::Path<u32>| async move { format!("a {cart}") }),
            )
            .arm("b", web::to(|| async { "b" }))
    };
    let routing = fader_web::Routing::new(flags(by_user));
    let in_flight = routing.in_flight();
    let app = app!(arms(), routing);
    let cases = [
        ("a", "a 7"),
        ("b", "b"),
        ("c", "otherwise"),
        ("", "otherwise"),
    ];
    for (arm, expected) in cases {
        let request = TestRequest::with_uri(&format!("/7?arm={arm}")).to_request();
        assert_eq!(answer(&app, request).await, expected);
    }
    let entered = in_flight.arms();
    let entered: Vec<_> = entered
        .iter()
        .map(|(_, arm, left)| (arm.as_str(), *left))
        .collect();
    assert_eq!(entered, [("a", 0), ("b", 0), ("c", 0), ("old", 0)]);

    let unknown = app!(arms(), Flags::fixed([("other", true)]));
    let missing = test::init_service(app!(arms())).await;
    let request = || TestRequest::with_uri("/7?arm=a").to_request();
    assert_eq!(answer(&unknown, request()).await, "otherwise");
    assert_eq!(answer(&missing, request()).await, "otherwise");
}

#[actix_web::test]
async fn a_panic_is_not_caught_unless_asked_for() {
    let panics = web::to(|| async { panic!("on purpose") as &'static str });
    let arms = gray(&NEW_CHECKOUT, panics, web::to(|| async { "stable" }));
    let drawn = Drawn::new();
    let app = app!(arms, drawn.routing.clone());
    let request = TestRequest::with_uri("/7").to_request();
    let app = Box::leak(Box::new(app));
    let panicked = rt::spawn(async { answer(app, request).await });
    assert!(panicked.await.unwrap_err().is_panic());
    assert_eq!(drawn.endings(), [fader::Ending::Panic]);
}
