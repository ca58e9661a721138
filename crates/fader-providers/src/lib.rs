//! Where flags come from: providers that load a document into [`fader::Flags`], follow it while the service runs, and
//! keep the last good one whatever happens to the source.
//!
//! A service needs one line. A broken or missing file is an error here, at start-up, and an address that can't be
//! reached is waited for; from then on nothing that goes wrong takes away what is live, and [`Flags::status`](fader::Flags::status) says what happened.
//!
//! ```
//! use fader::Context;
//!
//! # let directory = std::env::temp_dir().join(format!("fader-providers-{}", std::process::id()));
//! # std::fs::create_dir_all(&directory)?;
//! # let path = directory.join("flags.json");
//! # std::fs::write(&path, r#"{ "flags": { "new-checkout": true } }"#)?;
//! let flags = fader_providers::file(&path).open()?;
//!
//! assert_eq!(flags.resolve("new-checkout", &Context::new("user-42")).variant(), Some("on"));
//! # drop(flags);
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | feature | gives | follows |
//! |---|---|---|
//! | `file` (default) | `file()` | a file, the lists that it names, and its overlay |
//! | | `folder()` | a folder of files that make one document, and its overlay |
//! | `http` | `http()` | an address, the lists that its document names, with a cache on disk |
//! | `tracing` | `telemetry::log` | any handle, in lines |
//! | `metrics` | `telemetry::measure` | any handle, in figures |
//!
//! With `file` or `http` there is `replace_file`, the safe way to write what a service follows; with `file` also
//! `OverlayFile`, the way for several processes to change one overlay.
//!
//! No provider needs an async runtime: each one works on a thread of its own, which ends soon after the last
//! `Flags` is dropped.

#[cfg(any(feature = "file", feature = "http"))]
mod bootstrap;
#[cfg(any(feature = "file", feature = "http"))]
mod error;
#[cfg(feature = "file")]
mod file;
#[cfg(feature = "http")]
mod http;
#[cfg(any(feature = "file", feature = "http"))]
mod replace;
#[cfg(any(feature = "tracing", feature = "metrics"))]
pub mod telemetry;

#[cfg(any(feature = "file", feature = "http"))]
pub use error::{ErrorKind, ProviderError};
#[cfg(feature = "file")]
pub use file::{FileBuilder, FileContents, OverlayFile, file, folder};
#[cfg(feature = "http")]
pub use http::{HttpBuilder, HttpContents, http};
#[cfg(any(feature = "file", feature = "http"))]
pub use replace::replace_file;
