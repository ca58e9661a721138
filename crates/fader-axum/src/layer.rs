//! Pins one scope per request.
//!
//! # Example
//!
//! ```
//! use axum::{Router, body::{Body, to_bytes}, http::Request, routing::get};
//! use fader::{Flags, Source, flags};
//! use fader_axum::{FlagsLayer, RequestScope};
//! use tower::ServiceExt;
//!
//! flags! {
//!     /// Checkout v2
//!     pub NewCheckout: bool = "new-checkout", default false;
//! }
//!
//! async fn checkout(scope: RequestScope) -> &'static str {
//!     if *scope.get(&NEW_CHECKOUT) { "new" } else { "old" }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let flags = Flags::builder().build();
//! flags.load(
//!     r#"{ "flags": { "new-checkout": {
//!         "rules": [{ "if": { "attribute": "user.id", "in": ["qa-1"] }, "serve": "on" }] } } }"#,
//!     &Source::new("flags.json"),
//! )?;
//!
//! let app: Router = Router::new().route("/checkout", get(checkout)).layer(
//!     FlagsLayer::new(flags)
//!         // what the request does not answer itself
//!         .attributes(|_request, attributes| {
//!             if let Some(user) = attributes.header("x-user-id") {
//!                 attributes.set_untyped(fader::TARGETING_KEY, user);
//!                 attributes.set_untyped("user.id", user);
//!             }
//!         })
//!         // `x-fader` on each response, for those who want to see what they got
//!         .response_header(true),
//! );
//!
//! let request = Request::get("/checkout").header("x-user-id", "qa-1").body(Body::empty())?;
//! let response = app.clone().oneshot(request).await?;
//! assert_eq!(response.headers()["x-fader"], "new-checkout=on");
//! assert_eq!(to_bytes(response.into_body(), 1024).await?, "new");
//!
//! let response = app.oneshot(Request::get("/checkout").body(Body::empty())?).await?;
//! assert_eq!(response.headers()["x-fader"], "new-checkout=off");
//! assert_eq!(to_bytes(response.into_body(), 1024).await?, "old");
//! # Ok(())
//! # }
//! ```
//!
//! # Attributes
//!
//! The request answers `request.method`, `request.path`, `request.host`, `request.header.NAME` and `client.ip`, as
//! [`fader_web`] says; only what the rules can ask for is copied. `client.ip` is the address of the peer and needs
//! [`Router::into_make_service_with_connect_info::<SocketAddr>`][connect]; without it, it is missing. It is not read
//! from `x-forwarded-for`, which anybody can write: behind a proxy set it in [`FlagsLayer::attributes`] from what that
//! proxy is known to write.
//!
//! # Consistency
//!
//! The scope is made when the request comes in and holds that version of the document until the last clone of it is
//! dropped. Where two such layers are nested, what is inside the inner one sees the scope of the inner one.
//!
//! [connect]: axum::Router::into_make_service_with_connect_info

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::extract::connect_info::MockConnectInfo;
use axum::extract::{ConnectInfo, FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use axum::response::IntoResponse;
use fader::{Flags, Scope};
use fader_web::{Capture, DECISIONS_HEADER, RequestAttributes, RequestView};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

/// The closure of a layer that adds no attributes.
pub type NoAttributes = fn(&Parts, &mut Capture<'_>);

/// Pins one scope per request in the request's extensions.
///
/// See the [module docs](self) for an example.
#[derive(Clone)]
#[must_use]
pub struct FlagsLayer<F = NoAttributes> {
    flags: Flags,
    attributes: F,
    response_header: bool,
}

impl FlagsLayer {
    /// Makes a layer over these flags, which adds no attributes and no response header.
    pub fn new(flags: Flags) -> Self {
        Self {
            flags,
            attributes: |_, _| {},
            response_header: false,
        }
    }
}

impl<F> FlagsLayer<F> {
    /// Sets the closure that adds attributes to those of the request itself, such as `user.id` from a session that an
    /// outer layer has put into the request's extensions. It replaces an earlier one. Default: none.
    ///
    /// It runs once per request, before any rule asks; [`Capture::is_wanted`] tells it what no rule can ask for.
    pub fn attributes<G>(self, attributes: G) -> FlagsLayer<G>
    where
        G: Fn(&Parts, &mut Capture<'_>),
    {
        FlagsLayer {
            flags: self.flags,
            attributes,
            response_header: self.response_header,
        }
    }

    /// Sets whether each response gets the header `x-fader`, such as `new-checkout=gray`, with the flags that were
    /// asked for until its head was made; see [`fader_web::decisions`]. It replaces one that the handler has set. A
    /// response for which no flag was asked gets none. Default: `false`, since it tells a stranger which arm he got
    /// and how the flag is called.
    pub fn response_header(self, response_header: bool) -> Self {
        Self {
            response_header,
            ..self
        }
    }
}

impl<S, F> Layer<S> for FlagsLayer<F>
where
    F: Clone,
{
    type Service = FlagsService<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        FlagsService {
            inner,
            layer: self.clone(),
        }
    }
}

impl<F> fmt::Debug for FlagsLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlagsLayer")
            .field("response_header", &self.response_header)
            .finish_non_exhaustive()
    }
}

/// The service that [`FlagsLayer`] makes.
///
/// See the [module docs](self) for an example.
#[derive(Clone)]
#[must_use]
pub struct FlagsService<S, F = NoAttributes> {
    inner: S,
    layer: FlagsLayer<F>,
}

impl<S, F, ReqBody, ResBody> Service<Request<ReqBody>> for FlagsService<S, F>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    F: Fn(&Parts, &mut Capture<'_>),
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let scope = self.layer.pin(&parts);
        parts.extensions.insert(scope.clone());
        ResponseFuture {
            inner: self.inner.call(Request::from_parts(parts, body)),
            scope: self.layer.response_header.then_some(scope),
        }
    }
}

impl<F> FlagsLayer<F>
where
    F: Fn(&Parts, &mut Capture<'_>),
{
    fn pin(&self, parts: &Parts) -> RequestScope {
        let snapshot = self.flags.snapshot();
        let view = View(parts);
        let mut capture = Capture::new(&snapshot, &view);
        (self.attributes)(parts, &mut capture);
        let attributes = capture.finish();
        RequestScope(Arc::new(snapshot.into_scope(attributes)))
    }
}

impl<S: fmt::Debug, F> fmt::Debug for FlagsService<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlagsService")
            .field("inner", &self.inner)
            .field("layer", &self.layer)
            .finish()
    }
}

pin_project! {
    /// The response future of [`FlagsService`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        // Some where the response gets the header.
        scope: Option<RequestScope>,
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        let decisions = this
            .scope
            .take()
            .and_then(|scope| fader_web::decisions(&scope));
        if let Some(value) = decisions.and_then(|value| HeaderValue::try_from(value).ok()) {
            response
                .headers_mut()
                .insert(HeaderName::from_static(DECISIONS_HEADER), value);
        }
        Poll::Ready(Ok(response))
    }
}

/// The scope of a request: one version of the document, and the attributes of this request.
///
/// It is an extractor, stands in the request's extensions for middleware, and is a [`Scope`] by [`Deref`]. A clone is
/// cheap and may outlive the request.
///
/// # Rejection
///
/// [`MissingFlagsLayer`] where no [`FlagsLayer`] is around the route. `Option<RequestScope>` is `None` there.
#[derive(Clone, Debug)]
pub struct RequestScope(Arc<Scope<RequestAttributes>>);

impl Deref for RequestScope {
    type Target = Scope<RequestAttributes>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<S> FromRequestParts<S> for RequestScope
where
    S: Sync,
{
    type Rejection = MissingFlagsLayer;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or(MissingFlagsLayer { _private: () })
    }
}

impl<S> OptionalFromRequestParts<S> for RequestScope
where
    S: Sync,
{
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        _state: &S,
    ) -> Result<Option<Self>, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

/// Why there is no [`RequestScope`]: no [`FlagsLayer`] is around the route. It is answered with status 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingFlagsLayer {
    _private: (),
}

impl fmt::Display for MissingFlagsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the flags layer is missing on this route")
    }
}

impl Error for MissingFlagsLayer {}

impl IntoResponse for MissingFlagsLayer {
    fn into_response(self) -> axum::response::Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

/// What axum's request answers.
struct View<'a>(&'a Parts);

impl RequestView for View<'_> {
    fn method(&self) -> &str {
        self.0.method.as_str()
    }

    fn path(&self) -> &str {
        self.0.uri.path()
    }

    fn authority(&self) -> Option<&str> {
        self.0.uri.authority().map(|authority| authority.as_str())
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.0.headers.get(name).map(HeaderValue::as_bytes)
    }

    fn peer(&self) -> Option<IpAddr> {
        let extensions = &self.0.extensions;
        let address = extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|ConnectInfo(address)| address);
        let mocked = || {
            extensions
                .get::<MockConnectInfo<SocketAddr>>()
                .map(|MockConnectInfo(address)| address)
        };
        address.or_else(mocked).map(SocketAddr::ip)
    }
}

#[cfg(test)]
mod tests;
