//! What the benches measure: users, documents, and the same logic written by hand as the floor.
//!
//! A *work* is one flag or a set of them. Each has its document for the library, and its [`floor`]: the least that a
//! service could write in its place, an index, a hash, a comparison. Both answer alike, which the tests of this package
//! hold them to, so that a ratio of the two compares the same work.

pub mod counting;
pub mod documents;
pub mod floor;
pub mod keys;
pub mod mixed;
pub mod random;
pub mod users;

pub use mixed::{Logic, Mixed, Rules, mixed};
pub use users::{User, users};
