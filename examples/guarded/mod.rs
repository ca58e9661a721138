//! The parts of `guarded_rollout`.

pub mod args;
pub mod folder;
pub mod gray;
pub mod screen;
mod serve_actix;
mod serve_axum;
pub mod stop;
pub mod traffic;

use fader::TARGETING_KEY;
use fader_web::Capture;

/// Adds who calls. A real service takes this from a session or token, not from a header that anybody can write.
fn caller(attributes: &mut Capture<'_>) {
    if let Some(user) = attributes.header("x-user-id") {
        attributes.set_untyped(TARGETING_KEY, user);
        attributes.set_untyped("user.id", user);
    }
}
