//! Routes that are there only while a flag is on, and the readiness probe.
//!
//! ```
//! use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
//! use fader::{Flags, flags};
//! use fader_axum::{FlagOn, FlagsLayer, Routing, gate, readiness};
//! use tower::ServiceExt;
//!
//! flags! {
//!     /// Reports
//!     pub Reports: bool = "reports", default false;
//! }
//!
//! // One handler, by an extractor.
//! async fn report(_: FlagOn<Reports>) -> &'static str {
//!     "report"
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let routing = Routing::new(Flags::fixed([("reports", false)]));
//! let app: Router = Router::new()
//!     // All routes so far, by a layer.
//!     .route("/reports", get(|| async { "reports" }))
//!     .route_layer(gate(&REPORTS))
//!     .route("/report", get(report))
//!     .route("/ready", readiness(routing.in_flight()))
//!     .layer(FlagsLayer::new(routing));
//!
//! for (path, status) in [
//!     ("/reports", StatusCode::NOT_FOUND),
//!     ("/report", StatusCode::NOT_FOUND),
//!     ("/ready", StatusCode::OK),
//! ] {
//!     let response = app.clone().oneshot(Request::get(path).body(Body::empty())?).await?;
//!     assert_eq!(response.status(), status);
//! }
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::task::{Context, Poll};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};
use fader::{FlagKey, FlagType};
use fader_web::InFlight;
use futures_util::future::Either;
use tower_layer::Layer;
use tower_service::Service;

use crate::scope::is_on;

/// Makes a layer that answers with status 404 and an empty body where the flag is off for the request; for [`Router::route_layer`](axum::Router::route_layer) and
/// [`MethodRouter::route_layer`](axum::routing::MethodRouter::route_layer). Where
/// [`FlagsLayer`](crate::FlagsLayer) is missing around it, the flag is off.
pub fn gate(flag: &'static FlagKey<bool>) -> Gate {
    Gate { flag }
}

/// The layer that [`gate()`] makes.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Gate {
    flag: &'static FlagKey<bool>,
}

impl<S> Layer<S> for Gate {
    type Service = GateService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GateService {
            inner,
            flag: self.flag,
        }
    }
}

/// The service that [`Gate`] makes.
#[derive(Clone, Debug)]
#[must_use]
pub struct GateService<S> {
    inner: S,
    flag: &'static FlagKey<bool>,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for GateService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<S::Response, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        if is_on(request.extensions(), self.flag) {
            return Either::Left(self.inner.call(request));
        }
        let mut response = Response::new(ResBody::default());
        *response.status_mut() = StatusCode::NOT_FOUND;
        Either::Right(ready(Ok(response)))
    }
}

/// Extracts nothing where the flag is on for the request, and rejects the request where it is off: for handlers that
/// are there only while the flag is on, and for `new.or(old)` of
/// [axum-extra](https://docs.rs/axum-extra/0.12/axum_extra/handler/trait.HandlerCallWithExtractors.html).
///
/// # Rejection
///
/// [`FlagOff`], which is answered with status 404. Where [`FlagsLayer`](crate::FlagsLayer) is missing, the flag is off.
pub struct FlagOn<T>(PhantomData<fn() -> T>);

impl<T, S> FromRequestParts<S> for FlagOn<T>
where
    T: FlagType<Value = bool>,
    S: Sync,
{
    type Rejection = FlagOff;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        if is_on(&parts.extensions, T::key()) {
            Ok(Self(PhantomData))
        } else {
            Err(FlagOff { _private: () })
        }
    }
}

impl<T: FlagType> fmt::Debug for FlagOn<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FlagOn").field(&T::key().as_ref()).finish()
    }
}

/// Why there is no [`FlagOn`]: the flag is off. It is answered with status 404.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the flag is off")]
pub struct FlagOff {
    _private: (),
}

impl IntoResponse for FlagOff {
    fn into_response(self) -> axum::response::Response {
        StatusCode::NOT_FOUND.into_response()
    }
}

/// Makes a route for readiness probes: 200 `ready`, or 503 `draining` while an arm is drained, see [`InFlight::drain`].
pub fn readiness<S>(in_flight: InFlight) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    get(async move || {
        if in_flight.is_draining() {
            (StatusCode::SERVICE_UNAVAILABLE, "draining")
        } else {
            (StatusCode::OK, "ready")
        }
    })
}

#[cfg(test)]
mod tests;
