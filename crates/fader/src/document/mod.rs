//! The document as people write it: text → syntax tree → [`model`], with a place for every mistake.
//!
//! Nothing here is seen by evaluation, which knows the compiled form alone.

mod canonical;
pub(crate) mod compose;
pub(crate) mod diagnostic;
pub(crate) mod fields;
pub(crate) mod model;
pub(crate) mod overlay;
mod read;
mod read_condition;
mod read_plan;
mod read_ramp;
pub(crate) mod scan;
pub(crate) mod suggest;
pub(crate) mod syntax;
pub(crate) mod text;

pub(crate) use fields::slice;
pub(crate) use read::{read, read_flag};
