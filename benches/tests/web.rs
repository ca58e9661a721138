//! What a request allocates behind the adapters at their busiest: a visitor who is known by a signed cookie, rules on
//! cookies and on the query, a staged ramp under control, and a sink that is told of outcomes.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use actix_web::dev::ServiceResponse;
use actix_web::{App, HttpResponse, rt::System, test::TestRequest, test::init_service, web};
use axum::body::Body;
use axum::http::{Request, Response};
use fader::{Attributes, DrawnFlag, Outcome, OutcomeSink, Overlay, RampControl, Scope, Watch};
use fader_axum::{Routing, Visitor};
use fader_benches::counting::{Counting, counted};
use fader_benches::documents;
use tower_layer::Layer;
use tower_service::Service;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many requests are sent; the first may do what is done once.
const REQUESTS: u64 = 100;

const URI: &str = "/checkout?page=2&lang=de";

const DOCUMENT: &str = r#"{ "flags": {
"by-cookie": { "rules": [ { "if": { "attribute": "request.cookie.theme", "in": ["dark"] }, "serve": "on" } ] },
"by-query": { "rules": [ { "if": { "attribute": "request.query.page", "in": ["2"] }, "serve": "on" } ] },
"guarded": { "rules": [ { "name": "ramp", "by": "visitor", "serve": "on",
  "ramp": { "stages": [ { "percent": 1, "bake": "1h" } ] } } ] } } }
"#;

fader::flags! {
    ByCookie: bool = "by-cookie", default false;
    ByQuery: bool = "by-query", default false;
    Guarded: bool = "guarded", default false;
}

/// Tells whether the flags say what they have to.
fn is_right<A: Attributes>(scope: &Scope<A>) -> bool {
    *scope.get(&BY_COOKIE) && *scope.get(&BY_QUERY) && *scope.get(&GUARDED)
}

#[derive(Default)]
struct Ended(AtomicU64);

impl OutcomeSink for Ended {
    fn ended(&self, _: &DrawnFlag<'_>, _: &Outcome) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Busy {
    routing: Routing,
    ended: Arc<Ended>,
    _control: RampControl,
}

impl Busy {
    fn new() -> Self {
        let flags = documents::load(DOCUMENT);
        let (ended, everybody) = (Arc::new(Ended::default()), "100".parse().unwrap());
        flags.add_outcome_sink(Arc::clone(&ended), Watch::Guarded);
        flags.apply(Overlay::new().percent("guarded", "ramp", everybody));
        let control = flags.control_ramps();
        let visitor = Visitor::new().key([7; 32]).unwrap();
        Self {
            routing: Routing::new(flags).visitor(visitor),
            ended,
            _control: control,
        }
    }

    fn assert_told(&self, requests: u64) {
        assert_eq!(self.ended.0.load(Ordering::Relaxed), requests);
    }
}

/// Returns what is ready at once, and what that allocated.
fn at_once<F: Future>(call: impl FnOnce() -> F) -> (F::Output, u64) {
    let (answer, counts) = counted(|| {
        let answer = pin!(call());
        match answer.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer,
            Poll::Pending => panic!("the handler is ready at once"),
        }
    });
    (answer, counts.allocations)
}

/// Returns the header `cookie` of a visitor, as the answer to a navigation sets it.
fn cookies(set_cookie: &str) -> String {
    let visitor = set_cookie.split(';').next().unwrap();
    format!("session=0123; theme=dark; {visitor}")
}

/// Has each request sent and judged, and returns what one allocates at most.
fn most(mut send: impl FnMut() -> (u16, u64)) -> u64 {
    send();
    let allocations = (1..REQUESTS).map(|_| {
        let (status, allocations) = send();
        assert_eq!(status, 200);
        allocations
    });
    allocations.max().unwrap()
}

fn assert_few(layered: u64, bare: u64) {
    println!("{layered} and {bare} allocations a request");
    assert!(layered <= bare + 2, "{layered} and {bare}");
}

/// A handler of axum's that asks, where it is asked within the layer.
#[derive(Clone)]
struct Asking;

impl Service<Request<Body>> for Asking {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut response = Response::new(Body::empty());
        if let Some(scope) = request.extensions().get::<fader_axum::RequestScope>()
            && !is_right::<fader_axum::RequestAttributes>(scope)
        {
            *response.status_mut() = axum::http::StatusCode::CONFLICT;
        }
        ready(Ok(response))
    }
}

#[test]
fn at_most_two_behind_the_layer_of_axum() {
    fn send<S>(service: &mut S, name: &str, value: &str) -> (Response<Body>, u64)
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let mut request = Request::get(URI).header(name, value).body(Body::empty());
        // A server brings an extension of its own.
        request.as_mut().unwrap().extensions_mut().insert(());
        let (answer, allocations) = at_once(|| service.call(request.unwrap()));
        (answer.unwrap(), allocations)
    }

    let busy = Busy::new();
    let mut layered = fader_axum::FlagsLayer::new(busy.routing.clone()).layer(Asking);
    let (answer, _) = send(&mut layered, "sec-fetch-mode", "navigate");
    let cookies = cookies(answer.headers()["set-cookie"].to_str().unwrap());
    let mut most = |is_layered: bool| {
        most(|| {
            let (answer, allocations) = if is_layered {
                send(&mut layered, "cookie", &cookies)
            } else {
                send(&mut Asking, "cookie", &cookies)
            };
            assert!(!answer.headers().contains_key("set-cookie"));
            (answer.status().as_u16(), allocations)
        })
    };
    assert_few(most(true), most(false));
    // The navigation came without the cookie of the first rule.
    busy.assert_told(REQUESTS);
}

#[test]
fn at_most_two_behind_the_middleware_of_actix() {
    /// What is looked at of a response, whose body differs.
    fn send<S, R, B>(app: &S, request: R) -> (HttpResponse<()>, u64)
    where
        S: actix_web::dev::Service<R, Response = ServiceResponse<B>, Error = actix_web::Error>,
    {
        let (answer, allocations) = at_once(|| app.call(request));
        (answer.unwrap().into_parts().1.drop_body(), allocations)
    }

    let request = |header: (&str, &str)| {
        let request = TestRequest::get().uri(URI).insert_header(header);
        request.to_request()
    };
    async fn asking(scope: Option<fader_actix::RequestScope>) -> HttpResponse {
        match scope {
            Some(scope) if !is_right::<fader_actix::RequestAttributes>(&scope) => {
                HttpResponse::Conflict().finish()
            }
            _ => HttpResponse::Ok().finish(),
        }
    }

    System::new().block_on(async {
        let busy = Busy::new();
        let app = || App::new().route("/checkout", web::get().to(asking));
        let layered = app().wrap(fader_actix::FlagsMiddleware::new(busy.routing.clone()));
        let (layered, bare) = (init_service(layered).await, init_service(app()).await);
        let (answer, _) = send(&layered, request(("sec-fetch-mode", "navigate")));
        let cookies = cookies(
            answer
                .headers()
                .get("set-cookie")
                .unwrap()
                .to_str()
                .unwrap(),
        );
        let most = |is_layered: bool| {
            most(|| {
                let request = request(("cookie", &cookies));
                let (answer, allocations) = if is_layered {
                    send(&layered, request)
                } else {
                    send(&bare, request)
                };
                assert!(answer.headers().get("set-cookie").is_none());
                (answer.status().as_u16(), allocations)
            })
        };
        assert_few(most(true), most(false));
        busy.assert_told(REQUESTS);
    });
}
