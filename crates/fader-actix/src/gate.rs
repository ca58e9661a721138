//! Routes and middleware that are there only while a flag is on, and the readiness probe.
//!
//! Each reads the scope that [`FlagsMiddleware`](crate::FlagsMiddleware) has pinned. Where that is missing, every flag
//! is off.
//!
//! # Example
//!
//! ```
//! use actix_web::middleware::DefaultHeaders;
//! use actix_web::{App, test, web};
//! use fader::{Flags, flags};
//! use fader_actix::{FlagGuard, FlagOn, FlagsMiddleware, when};
//!
//! flags! {
//!     /// Checkout v2
//!     pub NewCheckout: bool = "new-checkout", default false;
//! }
//!
//! # #[actix_web::main]
//! # async fn main() {
//! let flags = Flags::fixed([("new-checkout", true)]);
//! let app = App::new()
//!     // The first route whose guards agree serves.
//!     .route("/checkout", web::get().guard(FlagGuard::on(&NEW_CHECKOUT)).to(|| async { "new" }))
//!     .route("/checkout", web::get().to(|| async { "old" }))
//!     // There is no such page while the flag is off.
//!     .route("/beta", web::get().to(|_: FlagOn<NewCheckout>| async { "beta" }))
//!     .wrap(when(&NEW_CHECKOUT, DefaultHeaders::new().add(("x-beta", "1"))))
//!     // Outside of all that asks: the last one is the outermost.
//!     .wrap(FlagsMiddleware::new(flags));
//! let app = test::init_service(app).await;
//! for (path, body) in [("/checkout", "new"), ("/beta", "beta")] {
//!     let request = test::TestRequest::get().uri(path).to_request();
//!     let response = test::call_service(&app, request).await;
//!     assert!(response.headers().contains_key("x-beta"));
//!     assert_eq!(test::read_body(response).await, body);
//! }
//! # }
//! ```

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::guard::{Guard, GuardContext};
use actix_web::http::StatusCode;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError};
use fader::{FlagKey, FlagType};
use fader_web::InFlight;
use futures_util::future::{Either, LocalBoxFuture, MapOk, TryFutureExt};

use crate::scope::{RequestScope, enter};

/// A guard that lets a route serve while a flag is on for the request, or while it is off.
///
/// It sees the scope of a [`FlagsMiddleware`](crate::FlagsMiddleware) that is around what routes: around the `App`, or
/// around the scope in which the guarded route is. A guard of a scope or resource is asked before the middleware that
/// wraps it.
///
/// It counts nobody in flight, since another guard may still refuse the route: a route that is to be drained has an arm
/// of its own with [`gray`](crate::gray()), or [`FlagOn`], or calls [`PinnedScope::enter`](crate::PinnedScope::enter).
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct FlagGuard {
    flag: &'static FlagKey<bool>,
    on: bool,
}

impl FlagGuard {
    /// Lets the route serve where the flag is on.
    pub const fn on(flag: &'static FlagKey<bool>) -> Self {
        Self { flag, on: true }
    }

    /// Lets the route serve where the flag is off.
    pub const fn off(flag: &'static FlagKey<bool>) -> Self {
        Self { flag, on: false }
    }
}

impl Guard for FlagGuard {
    fn check(&self, context: &GuardContext<'_>) -> bool {
        let extensions = context.req_data();
        let scope = extensions.get::<RequestScope>();
        scope.is_some_and(|scope| *scope.get(self.flag)) == self.on
    }
}

/// An extractor that succeeds while a flag is on for the request. See the [module docs](self) for an example.
///
/// # Errors
///
/// [`FlagOff`], which is answered as a path that is not there. With `Option<FlagOn<T>>` it is `None`.
#[derive(Debug)]
pub struct FlagOn<T>(PhantomData<fn() -> T>);

impl<T: FlagType<Value = bool>> FromRequest for FlagOn<T> {
    type Error = FlagOff;
    type Future = Ready<Result<Self, FlagOff>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let on = enter(&request.extensions(), T::key()).then_some(Self(PhantomData));
        ready(on.ok_or(FlagOff))
    }
}

/// Why there is no [`FlagOn`]: the flag is off. It is answered with status 404 and no body, as actix-web answers by
/// default where nothing is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the flag is off")]
#[non_exhaustive]
pub struct FlagOff;

impl ResponseError for FlagOff {
    fn status_code(&self) -> StatusCode {
        StatusCode::NOT_FOUND
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

/// Makes a middleware that runs another one only for requests for which the flag is on; others go straight to what it
/// wraps. See the [module docs](self) for an example.
pub fn when<M>(flag: &'static FlagKey<bool>, middleware: M) -> When<M> {
    When { flag, middleware }
}

/// The middleware that [`when`] makes.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct When<M> {
    flag: &'static FlagKey<bool>,
    middleware: M,
}

impl<M, S, B, C> Transform<S, ServiceRequest> for When<M>
where
    M: Transform<Rc<S>, ServiceRequest, Response = ServiceResponse<C>, Error = Error>,
    M::Future: 'static,
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody,
    C: MessageBody,
{
    type Response = ServiceResponse<EitherBody<C, B>>;
    type Error = Error;
    type Transform = WhenService<M::Transform, S>;
    type InitError = M::InitError;
    type Future = LocalBoxFuture<'static, Result<Self::Transform, M::InitError>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        let (flag, inner) = (self.flag, Rc::new(inner));
        let on = self.middleware.new_transform(Rc::clone(&inner));
        Box::pin(on.map_ok(move |on| WhenService { flag, on, inner }))
    }
}

/// The service of [`When`].
#[derive(Debug)]
#[must_use]
pub struct WhenService<M, S> {
    flag: &'static FlagKey<bool>,
    on: M,
    inner: Rc<S>,
}

impl<M, S, B, C> Service<ServiceRequest> for WhenService<M, S>
where
    M: Service<ServiceRequest, Response = ServiceResponse<C>, Error = Error>,
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<EitherBody<C, B>>;
    type Error = Error;
    type Future = Either<
        MapOk<M::Future, fn(ServiceResponse<C>) -> Self::Response>,
        MapOk<S::Future, fn(ServiceResponse<B>) -> Self::Response>,
    >;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.on.poll_ready(cx))?;
        self.inner.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        if enter(&request.extensions(), self.flag) {
            let response = self.on.call(request);
            Either::Left(response.map_ok(ServiceResponse::map_into_left_body))
        } else {
            let response = self.inner.call(request);
            Either::Right(response.map_ok(ServiceResponse::map_into_right_body))
        }
    }
}

/// Makes the handler of a readiness probe: status 200 and `ready`, or 503 and `draining` while an arm, or all of them,
/// are drained with [`InFlight::drain`], so that a load balancer sends new requests elsewhere.
///
/// ```
/// use actix_web::{App, web};
/// use fader::Flags;
/// use fader_actix::{Routing, readiness};
///
/// let routing = Routing::new(Flags::fixed([("new-checkout", true)]));
/// let app = App::new().route("/ready", web::get().to(readiness(routing.in_flight())));
/// # let _ = app;
/// ```
pub fn readiness(in_flight: InFlight) -> impl Fn() -> Ready<(&'static str, StatusCode)> + Clone {
    move || {
        ready(if in_flight.is_draining() {
            ("draining", StatusCode::SERVICE_UNAVAILABLE)
        } else {
            ("ready", StatusCode::OK)
        })
    }
}

#[cfg(test)]
mod tests;
