//! Pins one scope per request.
//!
//! # Example
//!
//! ```
//! use actix_web::{App, test, web};
//! use fader::{Flags, Source, flags};
//! use fader_actix::{FlagsMiddleware, RequestScope, Routing};
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
//! # #[actix_web::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let flags = Flags::builder().build();
//! flags.load(
//!     r#"{ "flags": { "new-checkout": {
//!         "rules": [{ "if": { "attribute": "user.id", "in": ["qa-1"] }, "serve": "on" }] } } }"#,
//!     &Source::new("flags.json"),
//! )?;
//!
//! // `x-fader` on each response, for those who want to see what they got
//! let routing = Routing::new(flags).response_header(true);
//! let app = test::init_service(
//!     App::new().route("/checkout", web::get().to(checkout)).wrap(
//!         // what the request does not answer itself
//!         FlagsMiddleware::new(routing).attributes(|_request, attributes| {
//!             if let Some(user) = attributes.header("x-user-id") {
//!                 attributes.set_untyped(fader::TARGETING_KEY, user);
//!                 attributes.set_untyped("user.id", user);
//!             }
//!         }),
//!     ),
//! )
//! .await;
//!
//! let request = test::TestRequest::get().uri("/checkout").insert_header(("x-user-id", "qa-1"));
//! let response = test::call_service(&app, request.to_request()).await;
//! assert_eq!(response.headers().get("x-fader").unwrap(), "new-checkout=on");
//! assert_eq!(test::read_body(response).await, "new");
//!
//! let request = test::TestRequest::get().uri("/checkout");
//! let response = test::call_service(&app, request.to_request()).await;
//! assert_eq!(response.headers().get("x-fader").unwrap(), "new-checkout=off");
//! assert_eq!(test::read_body(response).await, "old");
//! # Ok(())
//! # }
//! ```
//!
//! # Attributes
//!
//! The request answers what [`fader_web`] lists; only what the rules can ask for is copied. `client.ip` is the address
//! of the peer, or what the proxies say that [`Routing::trusted_proxies`] names; actix-web's own `realip_remote_addr`
//! is not asked. `request.route` is the pattern of the resource, such as `/carts/{id}`. Around an `App` the middleware
//! runs before the routing: then the pattern is searched by the path alone, which costs about as much as the routing
//! again where a rule asks for it, and guards do not count.
//!
//! # Consistency
//!
//! The scope is made when the request comes in and holds that version of the document until the last clone of it is
//! dropped. Guards see it where the middleware is around what routes: around the `App` for its routes, not around the
//! route.
//!
//! One middleware is enough: put it around all that asks for flags, and tell it later what is known later with
//! [`PinnedScope::identify`](fader_web::PinnedScope::identify). Where two are nested, what is inside the inner one sees
//! the scope of the inner one; a flag that is asked for in both counts twice, and each makes visitors of its own.
//!
//! # Outcomes
//!
//! The status of the response is the request's outcome, told at its head or, with [`FlagsMiddleware::until_body_end`],
//! at the end of its body. Where the wrapped service gives an error instead, its status counts; nothing is added to the
//! head of the response that actix-web makes of it.
//!
//! A middleware that gives slow handlers up belongs inside of this one, where its status, 408 or 504, counts as a
//! time-out. Outside of this one it drops the future, which counts as a client that went away.
//!
//! A panic counts as one. actix-web catches none: the connection, or with HTTP/2 the stream, ends without a response,
//! and the worker goes on.
//!
//! A client that goes away is noticed as far as actix-web notices it: with HTTP/1 when the connection is reset, or when
//! writing to it fails. A connection that the client has closed on its side counts as half closed, and the handler runs
//! on, unless the server has `h1_allow_half_closed(false)`. With HTTP/2 the handler always runs to its end.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::MessageBody;
use actix_web::dev::{ResponseHead, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::{Error, HttpMessage};
use fader_web::{Capture, Routing, Tracker};
use pin_project_lite::pin_project;

use crate::body::{TrackedBody, track};
use crate::scope::RequestScope;
use crate::view::{HeadView, View};

/// The closure of a middleware that adds no attributes.
pub type NoAttributes = fn(&ServiceRequest, &mut Capture<'_>);

/// Pins one scope per request in the request's extensions.
///
/// **Make the [`Routing`] outside of the closure of `HttpServer::new`** and clone it there, since actix-web runs that
/// closure once a worker; see the [crate's page](crate). The [module docs](self) have an example.
#[derive(Clone, Debug)]
#[must_use]
pub struct FlagsMiddleware<F = NoAttributes> {
    routing: Routing,
    attributes: F,
    until_body_end: bool,
}

impl FlagsMiddleware {
    /// Makes a middleware over this routing, or over flags with nothing else, which adds no attributes.
    pub fn new(routing: impl Into<Routing>) -> Self {
        Self {
            routing: routing.into(),
            attributes: |_, _| {},
            until_body_end: false,
        }
    }
}

impl<F> FlagsMiddleware<F> {
    /// Sets the closure that adds attributes to those of the request itself, such as `user.id` from a session that an
    /// outer middleware has put into the request's extensions. It replaces an earlier one. Default: none.
    ///
    /// It runs once per request, before any rule asks; [`Capture::is_wanted`] tells it what no rule can ask for.
    pub fn attributes<G>(self, attributes: G) -> FlagsMiddleware<G>
    where
        G: Fn(&ServiceRequest, &mut Capture<'_>),
    {
        FlagsMiddleware {
            routing: self.routing,
            attributes,
            until_body_end: self.until_body_end,
        }
    }

    /// Takes the end of the response's body for that of the request, in the place of its head: for streams and
    /// downloads. Latency is then the time until the last byte is handed out, flags read while the body is made still
    /// count, and a stream that breaks off is an error. A response with 101, such as a WebSocket's, still ends at its
    /// head.
    ///
    /// A body that is whole already, such as a `String`, ends when it is handed on: to the connection, or to an outer
    /// middleware that takes it at once, as what is around scopes and resources does.
    pub fn until_body_end(self) -> Self {
        Self {
            until_body_end: true,
            ..self
        }
    }
}

impl<S, F, B> Transform<S, ServiceRequest> for FlagsMiddleware<F>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    F: Fn(&ServiceRequest, &mut Capture<'_>) + Clone,
    B: MessageBody,
{
    type Response = ServiceResponse<TrackedBody<B>>;
    type Error = Error;
    type Transform = FlagsService<S, F>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        let layer = self.clone();
        ready(Ok(FlagsService { inner, layer }))
    }
}

/// The service that [`FlagsMiddleware`] makes.
#[derive(Debug)]
#[must_use]
pub struct FlagsService<S, F = NoAttributes> {
    inner: S,
    layer: FlagsMiddleware<F>,
}

impl<S, F, B> Service<ServiceRequest> for FlagsService<S, F>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    F: Fn(&ServiceRequest, &mut Capture<'_>),
    B: MessageBody,
{
    type Response = ServiceResponse<TrackedBody<B>>;
    type Error = Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let view = View::new(&request);
        let add = |capture: &mut Capture<'_>| (self.layer.attributes)(&request, capture);
        let mut tracker = self.layer.routing.pin(&view, add);
        let scope = RequestScope(tracker.scope().clone());
        request.extensions_mut().insert(scope);
        ResponseFuture {
            inner: tracker.polled(|| self.inner.call(request)),
            tracker: Some(tracker),
            until_body_end: self.layer.until_body_end,
        }
    }
}

pin_project! {
    /// The response future of [`FlagsService`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        // None once it is done.
        tracker: Option<Tracker>,
        until_body_end: bool,
    }
}

impl<F, B> Future for ResponseFuture<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody,
{
    type Output = Result<ServiceResponse<TrackedBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(mut tracker) = this.tracker.take() else {
            // Polled after its end, which no caller may do.
            return Poll::Pending;
        };
        let Poll::Ready(result) = tracker.polled(|| this.inner.poll(cx)) else {
            *this.tracker = Some(tracker);
            return Poll::Pending;
        };
        Poll::Ready(match result {
            Ok(response) => Ok(track(tracker, response, *this.until_body_end)),
            Err(error) => {
                let mut head = ResponseHead::new(error.as_response_error().status_code());
                tracker.end_at_head(&HeadView(&mut head));
                Err(error)
            }
        })
    }
}

#[cfg(test)]
mod tests;
