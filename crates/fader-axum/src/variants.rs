//! An arm for each variant.

use std::task::{Context, Poll};

use axum::extract::Request;
use axum::handler::Handler;
use axum::http::{self, Extensions};
use fader::{FlagKey, FlagValue};
use futures_util::future::Either;
use tower_service::Service;

use crate::scope::RequestScope;

/// Makes a handler with an arm for each variant of a flag that is named with [`arm`](Otherwise::arm), and `otherwise`
/// for all others, for the default of the code, and where [`FlagsLayer`](crate::FlagsLayer) is missing; of services or
/// routers it makes a service. Picking an arm boxes nothing.
///
/// ```
/// use axum::{Router, body::{Body, to_bytes}, http::Request, routing::get};
/// use fader::{Flags, flags, variants};
/// use fader_axum::{FlagsLayer, by_variant};
/// use tower::ServiceExt;
///
/// variants! { pub enum Ranker { Old = "old", A = "a", B = "b" } }
/// flags! { pub SearchRanker: Ranker = "search-ranker", default Ranker::Old; }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let search = by_variant(&SEARCH_RANKER, || async { "bm25" })
///     .arm("a", || async { "hybrid-a" })
///     .arm("b", || async { "hybrid-b" });
/// let app: Router = Router::new()
///     .route("/search", get(search))
///     .layer(FlagsLayer::new(Flags::fixed([("search-ranker", "b")])));
///
/// let response = app.oneshot(Request::get("/search").body(Body::empty())?).await?;
/// assert_eq!(to_bytes(response.into_body(), 1024).await?, "hybrid-b");
/// # Ok(())
/// # }
/// ```
pub fn by_variant<T, H>(flag: &'static FlagKey<T>, otherwise: H) -> Otherwise<H>
where
    T: FlagValue + ?Sized,
{
    Otherwise {
        flag: flag.name(),
        otherwise,
    }
}

/// What [`by_variant`] makes: the arm for all variants that have none.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Otherwise<H> {
    flag: &'static str,
    otherwise: H,
}

/// The arm for one variant, before the other ones.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Arm<G, A> {
    flag: &'static str,
    variant: &'static str,
    arm: G,
    others: A,
}

impl<H> Otherwise<H> {
    /// Adds the arm for a variant, by its name in the document.
    pub fn arm<G>(self, variant: &'static str, arm: G) -> Arm<G, Self> {
        Arm {
            flag: self.flag,
            variant,
            arm,
            others: self,
        }
    }
}

impl<F, A> Arm<F, A> {
    /// Adds the arm for another variant. Of two for one variant the later counts.
    pub fn arm<G>(self, variant: &'static str, arm: G) -> Arm<G, Self> {
        Arm {
            flag: self.flag,
            variant,
            arm,
            others: self,
        }
    }

    fn is_chosen(&self, extensions: &Extensions) -> bool {
        enter(extensions, self.flag) == Some(self.variant)
    }
}

fn enter<'s>(extensions: &'s Extensions, flag: &str) -> Option<&'s str> {
    extensions.get::<RequestScope>()?.enter_variant(flag)
}

impl<H, Args, S> Handler<Args, S> for Otherwise<H>
where
    H: Handler<Args, S>,
{
    type Future = H::Future;

    fn call(self, request: Request, state: S) -> Self::Future {
        enter(request.extensions(), self.flag);
        self.otherwise.call(request, state)
    }
}

impl<G, A, Args, OtherArgs, S> Handler<(Args, OtherArgs), S> for Arm<G, A>
where
    G: Handler<Args, S>,
    A: Handler<OtherArgs, S>,
{
    type Future = Either<G::Future, A::Future>;

    fn call(self, request: Request, state: S) -> Self::Future {
        if self.is_chosen(request.extensions()) {
            Either::Left(self.arm.call(request, state))
        } else {
            Either::Right(self.others.call(request, state))
        }
    }
}

impl<H, B> Service<http::Request<B>> for Otherwise<H>
where
    H: Service<http::Request<B>>,
{
    type Response = H::Response;
    type Error = H::Error;
    type Future = H::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.otherwise.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        enter(request.extensions(), self.flag);
        self.otherwise.call(request)
    }
}

impl<G, A, B> Service<http::Request<B>> for Arm<G, A>
where
    G: Service<http::Request<B>>,
    A: Service<http::Request<B>, Response = G::Response, Error = G::Error>,
{
    type Response = G::Response;
    type Error = G::Error;
    type Future = Either<G::Future, A::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        both_ready(self.arm.poll_ready(cx)?, self.others.poll_ready(cx)?)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        if self.is_chosen(request.extensions()) {
            Either::Left(self.arm.call(request))
        } else {
            Either::Right(self.others.call(request))
        }
    }
}

/// Whatever arm a request will get has to be ready.
pub(crate) fn both_ready<E>(one: Poll<()>, other: Poll<()>) -> Poll<Result<(), E>> {
    match (one, other) {
        (Poll::Ready(()), Poll::Ready(())) => Poll::Ready(Ok(())),
        _ => Poll::Pending,
    }
}

#[cfg(test)]
mod tests;
