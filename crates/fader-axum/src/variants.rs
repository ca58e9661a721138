//! Handlers with an arm for each variant.

use std::fmt;

use axum::extract::Request;
use axum::handler::Handler;
use axum::response::Response;
use fader::{FlagKey, FlagValue};
use futures_util::future::Either;

use crate::scope::RequestScope;

/// Makes a handler with an arm for each variant of a flag that is named with [`arm`](ByVariant::arm), and `otherwise`
/// for all others, for the default of the code, and where [`FlagsLayer`](crate::FlagsLayer) is missing. Picking an arm
/// boxes nothing.
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
pub fn by_variant<T, H>(flag: &'static FlagKey<T>, otherwise: H) -> ByVariant<T, Otherwise<H>>
where
    T: FlagValue + ?Sized,
{
    ByVariant {
        flag,
        arms: Otherwise(otherwise),
    }
}

/// The handler that [`by_variant`] makes.
#[must_use]
pub struct ByVariant<T: ?Sized + 'static, A> {
    flag: &'static FlagKey<T>,
    arms: A,
}

impl<T: ?Sized, A> ByVariant<T, A> {
    /// Adds the handler for a variant, by its name in the document. Of two for one variant the later counts.
    pub fn arm<G>(self, variant: &'static str, handler: G) -> ByVariant<T, Arm<G, A>> {
        ByVariant {
            flag: self.flag,
            arms: Arm {
                variant,
                handler,
                others: self.arms,
            },
        }
    }
}

impl<T: ?Sized, A: Clone> Clone for ByVariant<T, A> {
    fn clone(&self) -> Self {
        Self {
            flag: self.flag,
            arms: self.arms.clone(),
        }
    }
}

impl<T: ?Sized, A> fmt::Debug for ByVariant<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByVariant")
            .field("flag", &self.flag.name())
            .finish_non_exhaustive()
    }
}

impl<T, A, Args, S> Handler<Args, S> for ByVariant<T, A>
where
    T: FlagValue + ?Sized,
    A: Arms<Args, S>,
{
    type Future = A::Future;

    fn call(self, request: Request, state: S) -> Self::Future {
        let scope = request.extensions().get::<RequestScope>().cloned();
        let variant = scope
            .as_ref()
            .and_then(|scope| scope.enter_variant(self.flag));
        self.arms.call(variant, request, state)
    }
}

/// The arms of a [`ByVariant`], one within the other.
pub trait Arms<Args, S>: Clone + Send + Sync + Sized + 'static {
    #[doc(hidden)]
    type Future: Future<Output = Response> + Send + 'static;

    #[doc(hidden)]
    fn call(self, variant: Option<&str>, request: Request, state: S) -> Self::Future;
}

/// The handler for what has no arm.
#[derive(Clone, Copy, Debug)]
pub struct Otherwise<H>(H);

/// The handler for one variant, before other arms.
#[derive(Clone, Copy, Debug)]
pub struct Arm<G, A> {
    variant: &'static str,
    handler: G,
    others: A,
}

impl<H, Args, S> Arms<Args, S> for Otherwise<H>
where
    H: Handler<Args, S>,
{
    type Future = H::Future;

    fn call(self, _variant: Option<&str>, request: Request, state: S) -> Self::Future {
        self.0.call(request, state)
    }
}

impl<G, A, Args, OtherArgs, S> Arms<(Args, OtherArgs), S> for Arm<G, A>
where
    G: Handler<Args, S>,
    A: Arms<OtherArgs, S>,
{
    type Future = Either<G::Future, A::Future>;

    fn call(self, variant: Option<&str>, request: Request, state: S) -> Self::Future {
        if variant == Some(self.variant) {
            Either::Left(self.handler.call(request, state))
        } else {
            Either::Right(self.others.call(variant, request, state))
        }
    }
}

#[cfg(test)]
mod tests;
