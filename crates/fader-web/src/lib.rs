//! Request logic for [`fader`] that names no web framework.
//!
//! It is for those who write an adapter, such as `fader-axum`; a service uses the adapter of its framework. An adapter
//! implements [`RequestView`] for its request, takes one [`Snapshot`](fader::Snapshot) per request, captures the
//! attributes that its rules can ask for, and pins the [`Scope`](fader::Scope) made of both for as long as the request
//! lives:
//!
//! ```
//! use std::net::IpAddr;
//!
//! use fader::{Flags, Source};
//! use fader_web::{Capture, RequestView};
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
//! let snapshot = flags.snapshot();
//! let mut capture = Capture::new(&snapshot, &Request);
//! if let Some(user) = capture.header("x-user-id") {
//!     capture.set_untyped("user.id", user);
//! }
//! let scope = snapshot.scope(capture.finish());
//!
//! assert_eq!(scope.resolve("new-checkout").variant(), Some("on"));
//! assert_eq!(fader_web::decisions(&scope).as_deref(), Some("new-checkout=on"));
//! # Ok::<(), fader::CompileError>(())
//! ```
//!
//! # What a request answers
//!
//! | attribute | value |
//! |---|---|
//! | `request.method` | the method, such as `GET` |
//! | `request.path` | the path as it came: without the query, not decoded |
//! | `request.host` | the host that the request was sent to, in lower case, without a port |
//! | `request.header.NAME` | the first header of that name, whatever the case of the name |
//! | `client.ip` | the address of the peer; an IPv4-mapped IPv6 address as its IPv4 address |
//!
//! All of them are *untyped* text: numeric, date and version operators parse it. A header that is empty or not UTF-8 is
//! missing. Whatever else the rules ask, such as `user.id`, the service adds with [`Capture::set`].

mod capture;
mod decisions;
mod view;

pub use capture::{Capture, RequestAttributes};
pub use decisions::{DECISIONS_HEADER, decisions};
pub use view::RequestView;
