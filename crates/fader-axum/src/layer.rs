//! Pins one scope per request.
//!
//! # Example
//!
//! ```
//! use axum::{Router, body::{Body, to_bytes}, http::Request, routing::get};
//! use fader::{Flags, Source, flags};
//! use fader_axum::{FlagsLayer, RequestScope, Routing};
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
//!     // `x-fader` on each response, for those who want to see what they got
//!     FlagsLayer::new(Routing::new(flags).response_header(true))
//!         // what the request does not answer itself
//!         .attributes(|_request, attributes| {
//!             if let Some(user) = attributes.header("x-user-id") {
//!                 attributes.set_untyped(fader::TARGETING_KEY, user);
//!                 attributes.set_untyped("user.id", user);
//!             }
//!         }),
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
//! The request answers what the [front page](fader_web) of the request logic says; only what the rules can ask for is
//! copied. `client.ip` needs [`Router::into_make_service_with_connect_info::<SocketAddr>`][connect]; without it, it is
//! missing. `request.route` is there where the layer is inside of the routing: with `Router::layer` and
//! `Router::route_layer`, not around the whole `Router` as a service, nor for a fallback. Within a router that is nested
//! in another one, `request.path` has lost the prefix; around the outer one it has not.
//!
//! # Consistency
//!
//! The scope is made when the request comes in and holds that version of the document until the last clone of it is
//! dropped. One layer is enough: put it around all that asks for flags, and tell it later what is known later with
//! [`PinnedScope::identify`](fader_web::PinnedScope::identify). Where two are nested, what is inside the inner one sees
//! the scope of the inner one; a flag that is asked for in both counts twice, and each makes visitors of its own.
//!
//! # Outcomes
//!
//! The sinks of the handle are told how each request ended for the flags that it was drawn for: at the head of its
//! response, or with [`FlagsLayer::until_body_end`] at the end of its body. A request whose future is dropped before
//! that was dropped by the client; one whose handler panicked through the layer ended by a panic. So a layer that answers
//! in the place of slow handlers belongs inside of this one, where its status is the outcome: outside it drops the
//! future, which looks like a client that went away. One that catches panics may be inside or outside.
//!
//! [connect]: axum::Router::into_make_service_with_connect_info

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::http::request::Parts;
use axum::http::{Method, Request, Response};
use fader_web::{Capture, Routing, Tracker};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::body::{AtBodyEnd, AtHead, End};
use crate::scope::RequestScope;
use crate::view::{HeadView, View};

/// The closure of a layer that adds no attributes.
pub type NoAttributes = fn(&Parts, &mut Capture<'_>);

/// Pins one scope per request in the request's extensions, and tells how the request ended.
///
/// See the [module docs](self) for an example.
#[derive(Clone, Debug)]
#[must_use]
pub struct FlagsLayer<F = NoAttributes, E = AtHead> {
    routing: Routing,
    attributes: F,
    end: PhantomData<E>,
}

impl FlagsLayer {
    /// Makes a layer that routes by these flags, or as a [`Routing`] says, and adds no attributes.
    pub fn new(routing: impl Into<Routing>) -> Self {
        Self {
            routing: routing.into(),
            attributes: |_, _| {},
            end: PhantomData,
        }
    }
}

impl<F, E> FlagsLayer<F, E> {
    /// Sets the closure that adds attributes to those of the request itself, such as `user.id` from a session that an
    /// outer layer has put into the request's extensions. It replaces an earlier one. Default: none.
    ///
    /// It runs once per request, before any rule asks; [`Capture::is_wanted`] tells it what no rule can ask for.
    pub fn attributes<G>(self, attributes: G) -> FlagsLayer<G, E>
    where
        G: Fn(&Parts, &mut Capture<'_>),
    {
        FlagsLayer {
            routing: self.routing,
            attributes,
            end: self.end,
        }
    }

    /// Takes the end of the response's body for that of the request, in the place of its head: for streams, downloads
    /// and gRPC, whose status comes behind the body. Latency is then the time until the last byte is handed out, flags
    /// read while the body is made still count, and the body is wrapped, which costs an allocation.
    pub fn until_body_end(self) -> FlagsLayer<F, AtBodyEnd> {
        FlagsLayer {
            routing: self.routing,
            attributes: self.attributes,
            end: PhantomData,
        }
    }
}

impl<S, F, E> Layer<S> for FlagsLayer<F, E>
where
    Self: Clone,
{
    type Service = FlagsService<S, F, E>;

    fn layer(&self, inner: S) -> Self::Service {
        FlagsService {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service that [`FlagsLayer`] makes.
///
/// See the [module docs](self) for an example.
#[derive(Clone, Debug)]
#[must_use]
pub struct FlagsService<S, F = NoAttributes, E = AtHead> {
    inner: S,
    layer: FlagsLayer<F, E>,
}

impl<S, F, E, ReqBody, ResBody> Service<Request<ReqBody>> for FlagsService<S, F, E>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    F: Fn(&Parts, &mut Capture<'_>),
    E: End<ResBody>,
{
    type Response = Response<E::Body>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, E>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let view = View(&parts);
        let add = |capture: &mut Capture<'_>| (self.layer.attributes)(&parts, capture);
        let mut tracker = self.layer.routing.pin(&view, add);
        let is_head = parts.method == Method::HEAD;
        parts
            .extensions
            .insert(RequestScope(tracker.scope().clone()));
        let inner = tracker.polled(|| self.inner.call(Request::from_parts(parts, body)));
        ResponseFuture {
            inner,
            tracker: Some(tracker),
            is_head,
            end: PhantomData,
        }
    }
}

pin_project! {
    /// The response future of [`FlagsService`].
    #[derive(Debug)]
    pub struct ResponseFuture<F, E = AtHead> {
        #[pin]
        inner: F,
        // None once the request has ended.
        tracker: Option<Tracker>,
        is_head: bool,
        end: PhantomData<E>,
    }
}

impl<F, E, B, Error> Future for ResponseFuture<F, E>
where
    F: Future<Output = Result<Response<B>, Error>>,
    E: End<B>,
{
    type Output = Result<Response<E::Body>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(mut tracker) = this.tracker.take() else {
            // Polled after its end, which no caller may do.
            return Poll::Pending;
        };
        let Poll::Ready(response) = tracker.polled(|| this.inner.poll(cx)) else {
            *this.tracker = Some(tracker);
            return Poll::Pending;
        };
        Poll::Ready(match response {
            Ok(mut response) => {
                tracker.head(&mut HeadView(&mut response));
                Ok(E::end(tracker, response, *this.is_head))
            }
            Err(error) => {
                tracker.failed();
                Err(error)
            }
        })
    }
}

#[cfg(test)]
mod tests;
