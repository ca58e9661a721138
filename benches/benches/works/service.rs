//! A handler that reads three flags, and the requests that it is sent.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use fader::{FlagType, Flags};
use fader_axum::{FlagsLayer, RequestScope};
use fader_benches::floor::{FiveRules, Rollout};
use fader_benches::keys::{ByRules, InRollout, Plain};
use fader_benches::{Rules, User};
use tower_layer::Layer;
use tower_service::Service;

/// What a login puts into the request.
#[derive(Clone, Copy)]
struct Session(&'static User);

/// Puts the handler behind the layer, which takes six attributes from the login.
pub fn layered(flags: Flags) -> impl Service<Request<Body>> {
    let layer = FlagsLayer::new(flags).attributes(|parts, attributes| {
        if let Some(Session(user)) = parts.extensions.get() {
            attributes.set_untyped(fader::TARGETING_KEY, &user.id);
            attributes.set_untyped("country", user.country);
            attributes.set_untyped("plan", user.plan);
            attributes.set_untyped("app.version", &user.version);
            attributes.set_untyped("user.email", &user.email);
            attributes.set_untyped("device", &user.device);
        }
    });
    layer.layer(ByScope)
}

/// Makes a request as a server hands it on: with extensions, of its own and of the login.
pub fn request(user: &'static User) -> Request<Body> {
    let mut request = Request::get("/checkout")
        .body(Body::empty())
        .expect("a request");
    let extensions = request.extensions_mut();
    extensions.insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1))));
    extensions.insert(Session(user));
    request
}

/// Calls a service whose answer is ready at once.
pub fn answer<S: Service<Request<Body>>>(
    service: &mut S,
    request: Request<Body>,
) -> Result<S::Response, S::Error> {
    let answer = pin!(service.call(request));
    match answer.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the handler is ready at once"),
    }
}

type Answer = Result<Response<Body>, Infallible>;

/// Reads the flags in the scope of the request.
#[derive(Clone)]
struct ByScope;

impl Service<Request<Body>> for ByScope {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if let Some(scope) = request.extensions().get::<RequestScope>() {
            black_box((
                *scope.get(Plain::key()),
                *scope.get(InRollout::key()),
                scope.get(ByRules::key()).as_ptr(),
            ));
        }
        ready(Ok(Response::new(Body::empty())))
    }
}

/// Decides the flags by hand, from the user of the login.
pub struct ByHand {
    plain: bool,
    rollout: Rollout,
    rules: FiveRules,
}

impl ByHand {
    pub fn new() -> Self {
        Self {
            plain: true,
            rollout: Rollout::new("rollout", 25),
            rules: FiveRules::new("rules", &Rules::one()),
        }
    }
}

impl Service<Request<Body>> for ByHand {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if let Some(Session(user)) = request.extensions().get() {
            black_box((
                black_box(self.plain),
                self.rollout.holds(user),
                self.rules.variant(user),
            ));
        }
        ready(Ok(Response::new(Body::empty())))
    }
}
