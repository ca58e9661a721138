//! A request through the adapter: attributes captured, a scope pinned, three flags read.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use fader::Flags;
use fader_axum::{FlagsLayer, RequestScope};
use fader_benches::{User, documents, mixed};
use tower_layer::Layer;
use tower_service::Service;

use crate::evaluate::{Asked, ByRules, InRollout, Plain};
use crate::report::{Report, task};

/// What a login puts into the request.
#[derive(Clone, Copy)]
struct Session(&'static User);

/// A handler that reads three flags where it has a scope.
#[derive(Clone)]
struct Handler;

impl Service<Request<Body>> for Handler {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if let Some(scope) = request.extensions().get::<RequestScope>() {
            use fader::FlagType;

            std::hint::black_box((
                *scope.get(Plain::key()),
                *scope.get(InRollout::key()),
                scope.get(ByRules::key()).as_ptr(),
            ));
        }
        ready(Ok(Response::new(Body::empty())))
    }
}

pub fn measure(report: &mut Report) {
    if !report.wants("request/three") && !report.wants("request/three-of-1000") {
        return;
    }
    // The users of a service outlive its requests.
    let users: &'static [User] = Asked::new().users.leak();
    three(report, "request/three", documents::flags(10_000), users);
    three(
        report,
        "request/three-of-1000",
        documents::flags_among(10_000, &mixed(993)),
        users,
    );
}

fn three(report: &mut Report, name: &str, flags: Flags, users: &'static [User]) {
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
    // As a server hands a request on: with extensions, of its own and of the login.
    let request = |at: usize| {
        let mut request = Request::get("/checkout")
            .body(Body::empty())
            .expect("a request");
        request
            .extensions_mut()
            .insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1))));
        request
            .extensions_mut()
            .insert(Session(&users[at % users.len()]));
        Some(request)
    };
    let (mut layered, mut bare) = (layer.layer(Handler), Handler);
    report.measure(
        name,
        task(request, |request| {
            request.take().map(|request| answer(layered.call(request)))
        }),
        Some(task(request, |request| {
            request.take().map(|request| answer(bare.call(request)))
        })),
    );
}

/// Polls a future that is ready at once.
fn answer<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the handler is ready at once"),
    }
}
