//! A handler with two arms: gray and stable code behind one route.
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

use std::fmt;

use axum::extract::Request;
use axum::handler::Handler;
use fader::FlagKey;
use futures_util::future::Either;

use crate::layer::RequestScope;

/// Makes a handler that calls `gray` where the flag is on for the request, and `stable` where it is off.
///
/// The flag is read from the scope that [`FlagsLayer`](crate::FlagsLayer) has pinned, so that layers, extractors and
/// handlers of a request agree. Picking an arm boxes nothing; the future is as large as that of the larger arm. Where
/// the layer is missing, `stable` is called, whatever the key's own default is.
///
/// See the [module docs](self) for an example.
pub fn gray<G, H>(flag: &'static FlagKey<bool>, gray: G, stable: H) -> Gray<G, H> {
    Gray { flag, gray, stable }
}

/// The handler that [`gray()`] makes.
#[derive(Clone, Copy)]
#[must_use]
pub struct Gray<G, H> {
    flag: &'static FlagKey<bool>,
    gray: G,
    stable: H,
}

impl<G, H, GrayArgs, StableArgs, S> Handler<(GrayArgs, StableArgs), S> for Gray<G, H>
where
    G: Handler<GrayArgs, S>,
    H: Handler<StableArgs, S>,
{
    type Future = Either<G::Future, H::Future>;

    fn call(self, request: Request, state: S) -> Self::Future {
        let scope = request.extensions().get::<RequestScope>();
        if scope.is_some_and(|scope| *scope.get(self.flag)) {
            Either::Left(self.gray.call(request, state))
        } else {
            Either::Right(self.stable.call(request, state))
        }
    }
}

impl<G, H> fmt::Debug for Gray<G, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gray")
            .field("flag", &self.flag.name())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::extract::{Path, State};
    use axum::routing::{get, post};
    use fader::{Flags, Source};
    use tower::ServiceExt;

    use super::*;
    use crate::FlagsLayer;

    static NEW_CHECKOUT: FlagKey<bool> = FlagKey::new("new-checkout", &false);
    static ON_BY_DEFAULT: FlagKey<bool> = FlagKey::new("new-checkout", &true);

    async fn answer(
        app: Router,
        request: axum::http::request::Builder,
        body: &'static str,
    ) -> String {
        let response = app
            .oneshot(request.body(Body::from(body)).unwrap())
            .await
            .unwrap();
        String::from_utf8(to_bytes(response.into_body(), 4096).await.unwrap().to_vec()).unwrap()
    }

    fn arms(flag: &'static FlagKey<bool>) -> Router {
        Router::new().route(
            "/",
            get(gray(flag, || async { "gray" }, || async { "stable" })),
        )
    }

    #[tokio::test]
    async fn picks_the_arm_of_the_request() {
        let flags = Flags::builder().build();
        let document = r#"{ "flags": { "new-checkout": { "rules": [
            { "if": { "attribute": "request.header.x-user", "is": "qa-1" }, "serve": "on" } ] } } }"#;
        flags.load(document, &Source::new("flags.json")).unwrap();
        let app = arms(&NEW_CHECKOUT).layer(FlagsLayer::new(flags.clone()));
        for (user, arm) in [("qa-1", "gray"), ("ann", "stable"), ("qa-1", "gray")] {
            assert_eq!(
                answer(
                    app.clone(),
                    axum::http::Request::get("/").header("x-user", user),
                    ""
                )
                .await,
                arm
            );
        }
        flags
            .load(
                r#"{ "flags": { "new-checkout": true } }"#,
                &Source::new("flags.json"),
            )
            .unwrap();
        assert_eq!(
            answer(
                app,
                axum::http::Request::get("/").header("x-user", "ann"),
                ""
            )
            .await,
            "gray"
        );
    }

    #[tokio::test]
    async fn the_arms_have_extractors_of_their_own() {
        async fn old(Path(cart): Path<u32>, State(shop): State<&'static str>) -> String {
            format!("{shop}: cart {cart}")
        }
        async fn new(body: String) -> Result<String, axum::http::StatusCode> {
            Ok(format!("order {body}"))
        }
        for (on, expected) in [(true, "order two pears"), (false, "shop: cart 7")] {
            let app = Router::new()
                .route("/{cart}", post(gray(&NEW_CHECKOUT, new, old)))
                .layer(FlagsLayer::new(Flags::fixed([("new-checkout", on)])))
                .with_state("shop");
            assert_eq!(
                answer(app, axum::http::Request::post("/7"), "two pears").await,
                expected
            );
        }
    }

    #[tokio::test]
    async fn arms_nest() {
        let app = Router::new()
            .route(
                "/",
                get(gray(
                    &NEW_CHECKOUT,
                    gray(&ON_BY_DEFAULT, || async { "both" }, || async { "one" }),
                    || async { "stable" },
                )),
            )
            .layer(FlagsLayer::new(Flags::fixed([("new-checkout", true)])));
        assert_eq!(answer(app, axum::http::Request::get("/"), "").await, "both");
    }

    #[tokio::test]
    async fn a_flag_that_the_document_lacks_serves_the_key_s_default() {
        let layer = FlagsLayer::new(Flags::fixed([("other", true)]));
        for (flag, arm) in [(&NEW_CHECKOUT, "stable"), (&ON_BY_DEFAULT, "gray")] {
            assert_eq!(
                answer(
                    arms(flag).layer(layer.clone()),
                    axum::http::Request::get("/"),
                    ""
                )
                .await,
                arm
            );
        }
    }

    #[tokio::test]
    async fn without_the_layer_stable_serves() {
        for flag in [&NEW_CHECKOUT, &ON_BY_DEFAULT] {
            assert_eq!(
                answer(arms(flag), axum::http::Request::get("/"), "").await,
                "stable"
            );
        }
    }
}
