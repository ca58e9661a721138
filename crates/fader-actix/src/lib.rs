//! [`fader`] feature flags for [actix-web](https://docs.rs/actix-web/4).
//!
//! It is for services that send each request to stable or to gray code. A middleware pins one [`Scope`](fader::Scope)
//! per request, so that everything that serves a request sees one version of the document; a service with two arms
//! takes the arm that the scope says.
//!
//! **Make [`Flags`](fader::Flags) and [`Routing`] outside of the closure of `HttpServer::new`.** actix-web runs that
//! closure once a worker. What is made within follows the document once a worker, counts and limits by itself, and for
//! a while the workers may answer by different versions. Clones of what is made outside share everything:
//!
//! ```no_run
//! use actix_web::{App, HttpServer, web};
//! use fader::{Flags, flags};
//! use fader_actix::{FlagsMiddleware, Routing, gray, readiness};
//!
//! flags! {
//!     /// Checkout v2
//!     pub NewCheckout: bool = "new-checkout", default false;
//! }
//!
//! #[actix_web::main]
//! async fn main() -> std::io::Result<()> {
//!     let flags = Flags::fixed([("new-checkout", true)]); // or those of a provider
//!     let routing = Routing::new(flags); // once a process
//!     HttpServer::new(move || {
//!         // once a worker
//!         let checkout = gray(
//!             &NEW_CHECKOUT,
//!             web::to(|| async { "gray" }),
//!             web::to(|| async { "stable" }),
//!         );
//!         App::new()
//!             .route("/checkout", web::get().service(checkout))
//!             .route("/ready", web::get().to(readiness(routing.in_flight())))
//!             .wrap(FlagsMiddleware::new(routing.clone()))
//!     })
//!     .bind(("127.0.0.1", 8080))?
//!     .run()
//!     .await
//! }
//! ```
//!
//! - [`middleware`]: the middleware; [`RequestScope`] extracts its scope
//! - [`gray`](mod@gray): two arms behind one route, or [many](variants), with a way back ([`FallBack`])
//! - [`gate`]: routes and middleware that are there only while a flag is on
//!
//! What both adapters share stands in [`fader_web`]: which attributes a request has, the visitor cookie, trusted
//! proxies, limits, draining. [`Routing`] sets it up.

mod body;
pub mod gate;
pub mod gray;
pub mod middleware;
mod repeat;
mod scope;
pub mod variants;
mod view;

pub use body::TrackedBody;
pub use fader_web::{
    Cap, Capture, FallBack, IdentifyError, InFlight, PinnedScope, RequestAttributes, Routing,
    TrustedProxies, TrustedProxiesError, Visitor, VisitorError, host,
};
pub use gate::{FlagGuard, FlagOff, FlagOn, readiness, when};
pub use gray::{ArmFactory, gray};
pub use middleware::FlagsMiddleware;
pub use scope::{MissingFlagsLayer, RequestScope};
pub use variants::by_variant;

#[cfg(test)]
mod testing;
