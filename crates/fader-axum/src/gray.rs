//! Gray and stable code behind one route.
//!
//! # Example
//!
//! ```
//! use axum::{Router, routing::get};
//! use fader::flags;
//! use fader_axum::{FlagsLayer, gray};
//! # use fader::Flags;
//! # use axum::{body::{Body, to_bytes}, extract::Path, http::Request};
//! # use tower::ServiceExt;
//!
//! flags! {
//!     /// Checkout v2
//!     pub NewCheckout: bool = "new-checkout", default false;
//! }
//!
//! // The arms are handlers like any other, each with extractors and a response of its own.
//! async fn checkout(Path(cart): Path<u32>) -> String {
//!     format!("cart {cart}")
//! }
//!
//! async fn checkout_v2() -> &'static str {
//!     "checkout v2"
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let app = |flags: Flags| -> Router {
//!     Router::new()
//!         .route("/checkout/{cart}", get(gray(&NEW_CHECKOUT, checkout_v2, checkout)))
//!         .layer(FlagsLayer::new(flags))
//! };
//!
//! for (on, body) in [(true, "checkout v2"), (false, "cart 7")] {
//!     let app = app(Flags::fixed([("new-checkout", on)]));
//!     let response = app.oneshot(Request::get("/checkout/7").body(Body::empty())?).await?;
//!     assert_eq!(to_bytes(response.into_body(), 1024).await?, body);
//! }
//! # Ok(())
//! # }
//! ```

use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::handler::Handler;
use axum::http;
use axum::response::Response;
use fader::FlagKey;
use fader_web::FallBack;
use futures_util::future::{BoxFuture, Either};
use tower_service::Service;

use crate::repeat::repeatable;
use crate::scope::{RequestScope, is_on};
use crate::variants::both_ready;
use crate::view::View;

/// Makes a handler that calls `gray` where the flag is on for the request, and `stable` where it is off; of two services
/// or routers it makes a service.
///
/// The flag is read from the scope that [`FlagsLayer`](crate::FlagsLayer) has pinned, so that layers, extractors and
/// handlers of a request agree. Picking an arm boxes nothing; the future is as large as that of the larger arm. Where
/// the layer is missing, `stable` is called, whatever the key's own default is.
///
/// See the [module docs](self) for an example. Whole routers are two arms as well:
///
/// ```
/// use axum::{Router, routing::get};
/// use fader_axum::gray;
///
/// fader::flags! {
///     /// Checkout v2
///     pub NewCheckout: bool = "new-checkout", default false;
/// }
///
/// let stable: Router = Router::new().route("/cart", get(|| async { "cart" }));
/// let gray_ones: Router = Router::new().route("/cart", get(|| async { "cart v2" }));
/// let app: Router = Router::new().nest_service("/shop", gray(&NEW_CHECKOUT, gray_ones, stable));
/// # let _ = app;
/// ```
pub fn gray<G, H>(flag: &'static FlagKey<bool>, gray: G, stable: H) -> Gray<G, H> {
    Gray { flag, gray, stable }
}

/// The handler or service that [`gray()`] makes.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Gray<G, H> {
    flag: &'static FlagKey<bool>,
    gray: G,
    stable: H,
}

impl<G, H> Gray<G, H> {
    /// Has `stable` answer where `gray` panics or is too slow, see [`FallBack`]. Both are handlers then. A gray request
    /// that may be done twice is boxed, and its body read before the gray handler runs; its trailers are lost.
    pub fn fall_back(self, fall_back: FallBack) -> GrayOrStable<G, H> {
        GrayOrStable {
            arms: self,
            fall_back,
        }
    }
}

impl<G, H, GrayArgs, StableArgs, S> Handler<(GrayArgs, StableArgs), S> for Gray<G, H>
where
    G: Handler<GrayArgs, S>,
    H: Handler<StableArgs, S>,
{
    type Future = Either<G::Future, H::Future>;

    fn call(self, request: Request, state: S) -> Self::Future {
        if is_on(request.extensions(), self.flag) {
            Either::Left(self.gray.call(request, state))
        } else {
            Either::Right(self.stable.call(request, state))
        }
    }
}

impl<G, H, B> Service<http::Request<B>> for Gray<G, H>
where
    G: Service<http::Request<B>>,
    H: Service<http::Request<B>, Response = G::Response, Error = G::Error>,
{
    type Response = G::Response;
    type Error = G::Error;
    type Future = Either<G::Future, H::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        both_ready(self.gray.poll_ready(cx)?, self.stable.poll_ready(cx)?)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        if is_on(request.extensions(), self.flag) {
            Either::Left(self.gray.call(request))
        } else {
            Either::Right(self.stable.call(request))
        }
    }
}

/// The handler that [`Gray::fall_back`] makes.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct GrayOrStable<G, H> {
    arms: Gray<G, H>,
    fall_back: FallBack,
}

impl<G, H, GrayArgs, StableArgs, S> Handler<(GrayArgs, StableArgs), S> for GrayOrStable<G, H>
where
    G: Handler<GrayArgs, S>,
    H: Handler<StableArgs, S>,
    GrayArgs: 'static,
    StableArgs: 'static,
    S: Clone + Send + 'static,
{
    type Future = Either<BoxFuture<'static, Response>, Either<G::Future, H::Future>>;

    fn call(self, request: Request, state: S) -> Self::Future {
        let (parts, body) = request.into_parts();
        let repeats = self.fall_back.repeats(&View(&parts));
        let request = Request::from_parts(parts, body);
        if repeats && is_on(request.extensions(), self.arms.flag) {
            Either::Left(Box::pin(self.twice(request, state)))
        } else {
            Either::Right(self.arms.call(request, state))
        }
    }
}

impl<G, H> GrayOrStable<G, H> {
    async fn twice<GrayArgs, StableArgs, S>(self, request: Request, state: S) -> Response
    where
        G: Handler<GrayArgs, S>,
        H: Handler<StableArgs, S>,
        S: Clone,
    {
        let Gray { flag, gray, stable } = self.arms;
        let (parts, body) = match repeatable(request).await {
            Ok(repeatable) => repeatable,
            Err(request) => return gray.call(request, state).await,
        };
        let first = Request::from_parts(parts.clone(), Body::from(body.clone()));
        let attempt = {
            let state = state.clone();
            self.fall_back
                .attempt(async move { gray.call(first, state).await })
        };
        match attempt.await {
            Ok(response) => response,
            Err(failure) => {
                if let Some(RequestScope(scope)) = parts.extensions.get() {
                    failure.tell(scope, flag.name());
                    scope.enter(flag);
                }
                let again = Request::from_parts(parts, Body::from(body));
                stable.call(again, state).await
            }
        }
    }
}

#[cfg(test)]
mod tests;
