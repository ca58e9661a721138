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

use std::error::Error as StdError;
use std::fmt;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::guard::{Guard, GuardContext};
use actix_web::http::StatusCode;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError};
use fader::{FlagKey, FlagType};
use fader_web::InFlight;
use futures_util::future::{Either, LocalBoxFuture, MapOk, TryFutureExt};

use crate::gray::both_ready;
use crate::scope::is_on;

/// A guard that lets a route serve while a flag is on for the request, or while it is off.
///
/// It sees the scope of a [`FlagsMiddleware`](crate::FlagsMiddleware) that is around what routes: around the `App`, or
/// around the scope in which the guarded route is. A guard of a scope or resource is asked before the middleware that
/// wraps it.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct FlagGuard {
    flag: &'static FlagKey<bool>,
    serves: bool,
}

impl FlagGuard {
    /// Lets the route serve where the flag is on.
    pub const fn on(flag: &'static FlagKey<bool>) -> Self {
        Self { flag, serves: true }
    }

    /// Lets the route serve where the flag is off.
    pub const fn off(flag: &'static FlagKey<bool>) -> Self {
        Self {
            flag,
            serves: false,
        }
    }
}

impl Guard for FlagGuard {
    fn check(&self, context: &GuardContext<'_>) -> bool {
        is_on(&context.req_data(), self.flag) == self.serves
    }
}

/// An extractor that succeeds while a flag is on for the request. See the [module docs](self) for an example.
///
/// # Errors
///
/// [`FlagOff`], which is answered as a path that is not there. With `Option<FlagOn<T>>` it is `None`.
pub struct FlagOn<T>(PhantomData<fn() -> T>);

impl<T: FlagType<Value = bool>> FromRequest for FlagOn<T> {
    type Error = FlagOff;
    type Future = Ready<Result<Self, FlagOff>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let on = is_on(&request.extensions(), T::key()).then_some(Self(PhantomData));
        ready(on.ok_or(FlagOff { _private: () }))
    }
}

impl<T: FlagType> fmt::Debug for FlagOn<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FlagOn").field(&T::key().as_ref()).finish()
    }
}

/// Why there is no [`FlagOn`]: the flag is off. It is answered with status 404 and no body, as actix-web answers by
/// default where nothing is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlagOff {
    _private: (),
}

impl fmt::Display for FlagOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the flag is off")
    }
}

impl StdError for FlagOff {}

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
#[derive(Clone, Copy)]
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
        Box::pin(async move {
            let on = on.await?;
            Ok(WhenService { flag, on, inner })
        })
    }
}

impl<M> fmt::Debug for When<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("When")
            .field("flag", &self.flag.name())
            .finish_non_exhaustive()
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

/// Puts the body of an arm where it belongs.
type Place<B, E> = fn(ServiceResponse<B>) -> ServiceResponse<E>;

impl<M, S, B, C> Service<ServiceRequest> for WhenService<M, S>
where
    M: Service<ServiceRequest, Response = ServiceResponse<C>, Error = Error>,
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<EitherBody<C, B>>;
    type Error = Error;
    type Future = Either<
        MapOk<M::Future, Place<C, EitherBody<C, B>>>,
        MapOk<S::Future, Place<B, EitherBody<C, B>>>,
    >;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        both_ready(&self.on, &self.inner, cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        if is_on(&request.extensions(), self.flag) {
            let left: Place<C, _> = ServiceResponse::map_into_left_body;
            Either::Left(self.on.call(request).map_ok(left))
        } else {
            let right: Place<B, _> = ServiceResponse::map_into_right_body;
            Either::Right(self.inner.call(request).map_ok(right))
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
pub fn readiness(
    in_flight: InFlight,
) -> impl Fn() -> Ready<(&'static str, StatusCode)> + Clone + 'static {
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
