//! Request logic for [`fader`] that names no web framework.
//!
//! It is for those who write an adapter, such as `fader-axum`; a service uses the adapter of its framework. An adapter
//! implements [`RequestView`] for its request and [`ResponseView`] for its response. A [`Routing`] pins a scope for each
//! request, with the attributes that the rules can ask for, and a [`Tracker`] follows the request to its end:
//!
//! ```
//! use std::net::IpAddr;
//!
//! use fader::{Flags, Source};
//! use fader_web::{RequestView, Routing};
//!
//! struct Request;
//!
//! impl RequestView for Request {
//!     fn method(&self) -> &str {
//!         "GET"
//!     }
//!
//!     fn path(&self) -> &str {
//!         "/v2/checkout"
//!     }
//!
//!     fn header(&self, name: &str) -> Option<&[u8]> {
//!         name.eq_ignore_ascii_case("x-user-id").then_some(b"qa-1")
//!     }
//!
//!     fn headers<'a>(&'a self, name: &str, each: &mut dyn FnMut(&'a [u8])) {
//!         self.header(name).map(each);
//!     }
//!
//!     fn peer(&self) -> Option<IpAddr> {
//!         Some([10, 20, 0, 1].into())
//!     }
//! }
//!
//! let flags = Flags::builder().build();
//! flags.load(
//!     r#"{ "flags": { "new-checkout": { "rules": [
//!         { "if": { "attribute": "request.path", "starts_with": "/v2/" }, "serve": "on" },
//!         { "if": { "attribute": "user.id", "in": ["qa-1"] }, "serve": "on" } ] } } }"#,
//!     &Source::new("flags.json"),
//! )?;
//!
//! let routing = Routing::new(flags);
//! let tracker = routing.pin(&Request, |capture| {
//!     if let Some(user) = capture.header("x-user-id") {
//!         capture.set_untyped("user.id", user);
//!     }
//! });
//! let scope = tracker.scope();
//! assert_eq!(scope.resolve("new-checkout").variant(), Some("on"));
//! assert_eq!(fader_web::decisions(scope).as_deref(), Some("new-checkout=on"));
//! # Ok::<(), fader::CompileError>(())
//! ```
//!
//! # What a request answers
//!
//! | attribute | value |
//! |---|---|
//! | `request.method` | the method, such as `GET` |
//! | `request.path` | the path as it came: without the query, not decoded |
//! | `request.route` | the pattern of the route that matched, as the framework spells it, such as `/carts/{id}` |
//! | `request.host` | the host that the request was sent to, in lower case, without a port |
//! | `request.header.NAME` | the first header of that name, whatever the case of the name |
//! | `request.cookie.NAME` | the first cookie of that name, whose case counts; not decoded, quotes around it removed |
//! | `request.query.NAME` | the first parameter of that name, decoded: `+` is a space, `%2B` a plus sign |
//! | `client.ip` | the client's address: the peer's, or what [trusted proxies](TrustedProxies) say; an IPv4-mapped IPv6 address as its IPv4 address |
//! | `visitor` | the id in the [visitor cookie](Visitor), where that is enabled |
//! | `request` | a random id of this request: `by: "request"` draws each request by itself |
//!
//! All of them are *untyped* text: numeric, date and version operators parse it. One that is empty or not UTF-8 is
//! missing, and so is one that does not fit any more into the 64 KiB of text that are kept of a request. Whatever else
//! the rules ask, such as `user.id`, the service adds with [`Capture::set`]. [`host`] adds `host.name` and
//! `host.instance`, which are the same for all requests.
//!
//! # Spans
//!
//! With the feature `tracing` each request runs in a span `fader.request` of the crate `tracing`, inside of whatever span the
//! layer runs in, with the target `fader` and the level info:
//!
//! | field | value |
//! |---|---|
//! | `fader.version` | the version of the document, from the beginning on |
//! | `fader.flags` | the flags that were asked for, in the document's order, each as `FLAG=VARIANT@REASON`, separated by a space, such as `new-checkout=gray@draw search=off@default`; recorded once, when the request ends. It has at most 1,024 bytes: what does not fit is left out whole. |
//!
//! The reason is `draw` (a percent, a ramp or weights decided), `rule`, `default`, `static`, `disabled`, `forced` or `error`.
//! A flag that served the caller's own default has no variant and no `=`. An exporter of traces gets all that; a line that
//! is logged within the request was written before the flags were recorded. A span that nobody listens to costs some
//! nanoseconds.

mod attributes;
mod caps;
mod capture;
mod client;
mod cookies;
mod decisions;
#[cfg(test)]
mod fake;
mod fall_back;
mod host;
mod in_flight;
mod query;
mod response;
mod routing;
mod scope;
mod span;
mod texts;
mod tracker;
mod view;
mod visitor;

pub use attributes::{IdentifyError, RequestAttributes};
pub use caps::Cap;
pub use capture::Capture;
pub use client::{TrustedProxies, TrustedProxiesError};
pub use decisions::{DECISIONS_HEADER, decisions};
pub use fall_back::{Attempt, FallBack, GrayFailure};
pub use host::host;
pub use in_flight::InFlight;
pub use response::ResponseView;
pub use routing::Routing;
pub use scope::PinnedScope;
pub use tracker::{BodyTracker, Tracker};
pub use view::RequestView;
pub use visitor::{Visitor, VisitorError};
