//! The scope of a request as an extractor.

use std::convert::Infallible;
use std::ops::Deref;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use axum::http::{Extensions, StatusCode};
use axum::response::{IntoResponse, Response};
use fader::FlagKey;
use fader_web::PinnedScope;

/// The scope of a request: one version of the document, and the attributes of this request.
///
/// It is an extractor, stands in the request's extensions for middleware, and is a [`PinnedScope`] by [`Deref`], which
/// is a [`Scope`](fader::Scope). A clone is cheap and may outlive the request.
///
/// # Rejection
///
/// [`MissingFlagsLayer`] where no [`FlagsLayer`](crate::FlagsLayer) is around the route. `Option<RequestScope>` is
/// `None` there.
#[derive(Clone, Debug)]
pub struct RequestScope(pub(crate) PinnedScope);

impl Deref for RequestScope {
    type Target = PinnedScope;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// Enters an arm: tells whether the flag is on for the request, which it is not where the layer is missing.
pub(crate) fn is_on(extensions: &Extensions, flag: &'static FlagKey<bool>) -> bool {
    let scope = extensions.get::<RequestScope>();
    scope.is_some_and(|scope| *scope.enter(flag))
}

impl<S> FromRequestParts<S> for RequestScope
where
    S: Sync,
{
    type Rejection = MissingFlagsLayer;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or(MissingFlagsLayer { _private: () })
    }
}

impl<S> OptionalFromRequestParts<S> for RequestScope
where
    S: Sync,
{
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        _state: &S,
    ) -> Result<Option<Self>, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

/// Why there is no [`RequestScope`]: no [`FlagsLayer`](crate::FlagsLayer) is around the route. It is answered with
/// status 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the flags layer is missing on this route")]
pub struct MissingFlagsLayer {
    _private: (),
}

impl IntoResponse for MissingFlagsLayer {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}
