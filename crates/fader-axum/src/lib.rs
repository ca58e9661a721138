//! [`fader`] feature flags for [axum](https://docs.rs/axum/0.8).
//!
//! It is for services that send each request to stable or to gray code. A layer pins one [`Scope`](fader::Scope) per
//! request, so that everything that serves a request sees one version of the document; a handler with two arms takes
//! the arm that the scope says.
//!
//! ```
//! use axum::{Router, body::{Body, to_bytes}, http::Request, routing::get};
//! use fader::{Flags, flags};
//! use fader_axum::{FlagsLayer, gray};
//! use tower::ServiceExt;
//!
//! flags! {
//!     /// Checkout v2
//!     pub NewCheckout: bool = "new-checkout", default false;
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let flags = Flags::fixed([("new-checkout", true)]); // or those of a provider
//! let app: Router = Router::new()
//!     .route("/checkout", get(gray(&NEW_CHECKOUT, || async { "gray" }, || async { "stable" })))
//!     .layer(FlagsLayer::new(flags));
//!
//! let response = app.oneshot(Request::get("/checkout").body(Body::empty())?).await?;
//! assert_eq!(to_bytes(response.into_body(), 1024).await?, "gray");
//! # Ok(())
//! # }
//! ```
//!
//! - [`layer`]: the layer; [`RequestScope`] extracts its scope
//! - [`gray`](mod@gray): two arms behind one route, or [many](variants), with a way back ([`FallBack`])
//! - [`gate`](mod@gate): routes that are there only while a flag is on
//!
//! What both adapters share stands in [`fader_web`]: which attributes a request has, the visitor cookie, trusted proxies,
//! limits, draining. [`Routing`] sets it up.

mod body;
pub mod gate;
pub mod gray;
pub mod layer;
mod repeat;
mod scope;
pub mod variants;
mod view;

pub use body::{AtBodyEnd, AtHead, End, TrackedBody};
pub use fader_web::{
    BodyTracker, Cap, Capture, FallBack, IdentifyError, InFlight, PinnedScope, RequestAttributes,
    Routing, TrustedProxies, TrustedProxiesError, Visitor, VisitorError, host,
};
pub use gate::{FlagOff, FlagOn, gate, readiness};
pub use gray::gray;
pub use layer::FlagsLayer;
pub use scope::{MissingFlagsLayer, RequestScope};
pub use variants::by_variant;
