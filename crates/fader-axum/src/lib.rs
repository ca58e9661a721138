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
//! - [`layer`]: the layer, and the extractor of its scope
//! - [`gray`](mod@gray): handlers with two arms

pub mod gray;
pub mod layer;

pub use fader_web::{Capture, RequestAttributes};
pub use gray::gray;
pub use layer::{FlagsLayer, RequestScope};
