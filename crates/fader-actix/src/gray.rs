//! A service with two arms: gray and stable code behind one route.
//!
//! # Example
//!
//! ```
//! use actix_web::{App, test, web};
//! use fader::{Flags, flags};
//! use fader_actix::{FlagsMiddleware, gray};
//!
//! flags! {
//!     /// Checkout v2
//!     pub NewCheckout: bool = "new-checkout", default false;
//! }
//!
//! // The arms are handlers like any other, each with extractors and a response of its own.
//! async fn checkout(cart: web::Path<u32>) -> String {
//!     format!("cart {cart}")
//! }
//!
//! async fn checkout_v2() -> &'static str {
//!     "checkout v2"
//! }
//!
//! # #[actix_web::main]
//! # async fn main() {
//! for (on, body) in [(true, "checkout v2"), (false, "cart 7")] {
//!     let arms = gray(&NEW_CHECKOUT, web::to(checkout_v2), web::to(checkout));
//!     let app = App::new()
//!         .route("/checkout/{cart}", web::get().service(arms))
//!         .wrap(FlagsMiddleware::new(Flags::fixed([("new-checkout", on)])));
//!     let app = test::init_service(app).await;
//!     let request = test::TestRequest::get().uri("/checkout/7").to_request();
//!     assert_eq!(test::call_and_read_body(&app, request).await, body);
//! }
//! # }
//! ```
//!
//! # Arms
//!
//! An arm is any service factory that a route takes: [`web::to`](actix_web::web::to) makes one of a handler,
//! [`fn_service`](actix_web::dev::fn_service) of a function over the request. Guards of a route that is an arm are not
//! asked. Arms nest, and they serve wherever actix-web takes such a factory, as in
//! [`App::default_service`](actix_web::App::default_service).

use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::dev::{Service, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::{Error, HttpMessage};
use fader::FlagKey;
use fader_web::FallBack;
use futures_util::future::{Either, LocalBoxFuture, TryFutureExt, try_join};

use crate::repeat;
use crate::scope::enter;
use crate::view::View;

/// What every arm is.
pub trait ArmFactory:
    ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse,
        Error = Error,
        InitError = (),
    > + 'static
{
}

impl<S> ArmFactory for S where
    S: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse,
            Error = Error,
            InitError = (),
        > + 'static
{
}

/// Makes a service that calls `gray` where the flag is on for the request, and `stable` where it is off.
///
/// The flag is read from the scope that [`FlagsMiddleware`](crate::FlagsMiddleware) has pinned, so that middleware,
/// guards, extractors and handlers of a request agree. Picking an arm boxes nothing. Where the middleware is missing,
/// `stable` is called, whatever the key's own default is.
///
/// See the [module docs](self) for an example.
pub fn gray<G, H>(flag: &'static FlagKey<bool>, gray: G, stable: H) -> Gray<G, H> {
    Gray {
        flag,
        arms: Rc::new((gray, stable)),
        fall_back: None,
    }
}

/// What [`gray()`] makes: the factory of a service, and the service.
#[derive(Clone, Debug)]
#[must_use]
pub struct Gray<G, H> {
    flag: &'static FlagKey<bool>,
    arms: Rc<(G, H)>,
    fall_back: Option<FallBack>,
}

impl<G, H> Gray<G, H> {
    /// Has `stable` answer a request for which `gray` panics, or is too slow, before its response begins; see
    /// [`FallBack`]. Default: never.
    ///
    /// A response with an error status, and an error, are answers of `gray`. A tunnel (`CONNECT`, or a request with the
    /// header `upgrade`, such as a WebSocket's) has no second try. A body that is too long or breaks off is passed on
    /// to `gray`, which then has no second try either. `stable` gets the request as `gray` did; what `gray` left in the
    /// request's extensions is still there.
    ///
    /// The request is kept meanwhile, so a middleware around the gray arm cannot change its head: actix-web panics
    /// where a request is changed that somebody else holds, and then `stable` always serves. Such middleware belongs
    /// around the whole route. A request that may have a second try costs an allocation more.
    pub fn fall_back(self, fall_back: FallBack) -> Self {
        Self {
            fall_back: Some(fall_back),
            ..self
        }
    }
}

impl<G, H> ServiceFactory<ServiceRequest> for Gray<G, H>
where
    G: ArmFactory,
    H: ArmFactory,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Config = ();
    type Service = Gray<G::Service, H::Service>;
    type InitError = ();
    type Future = LocalBoxFuture<'static, Result<Self::Service, ()>>;

    fn new_service(&self, (): ()) -> Self::Future {
        let (flag, fall_back) = (self.flag, self.fall_back);
        let (gray, stable) = &*self.arms;
        let arms = try_join(gray.new_service(()), stable.new_service(()));
        Box::pin(arms.map_ok(move |arms| Gray {
            flag,
            arms: Rc::new(arms),
            fall_back,
        }))
    }
}

impl<G, H> Service<ServiceRequest> for Gray<G, H>
where
    G: Service<ServiceRequest, Response = ServiceResponse, Error = Error> + 'static,
    H: Service<ServiceRequest, Response = ServiceResponse, Error = Error> + 'static,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Future = Either<
        Either<G::Future, H::Future>,
        LocalBoxFuture<'static, Result<ServiceResponse, Error>>,
    >;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.arms.0.poll_ready(cx))?;
        self.arms.1.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        if !enter(&request.extensions(), self.flag) {
            return Either::Left(Either::Right(self.arms.1.call(request)));
        }
        match self.fall_back {
            Some(limits) if limits.repeats(&View::new(&request)) => {
                let arms = Rc::clone(&self.arms);
                let answer = repeat::answer(self.flag, arms, limits, request);
                Either::Right(Box::pin(answer))
            }
            _ => Either::Left(Either::Left(self.arms.0.call(request))),
        }
    }
}

#[cfg(test)]
mod tests;
