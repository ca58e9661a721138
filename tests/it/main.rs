//! One binary for all integration tests, so that they are linked once.

mod conformance;
mod data;
mod diagnostics;
mod docs;
mod handle;
mod observe;
mod parts;
mod plans;
mod positions;
mod properties;
mod provider_file;
mod provider_http;
mod public_api;
mod reload;
mod schema;
mod telemetry;
