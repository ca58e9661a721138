//! The scope of a request as an extractor.

use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::dev::{Extensions, Payload};
use actix_web::{FromRequest, HttpMessage, HttpRequest, ResponseError};
use fader::FlagKey;
use fader_web::PinnedScope;

/// The scope of a request: one version of the document, and the attributes of this request.
///
/// It is an extractor, stands in the request's extensions for guards and middleware, and is a [`PinnedScope`] by
/// [`Deref`], which is a [`Scope`](fader::Scope). A clone is cheap and may outlive the request.
///
/// # Errors
///
/// [`MissingFlagsLayer`] where no [`FlagsMiddleware`](crate::FlagsMiddleware) is around the route.
/// `Option<RequestScope>` is `None` there.
#[derive(Clone, Debug)]
pub struct RequestScope(pub(crate) PinnedScope);

impl Deref for RequestScope {
    type Target = PinnedScope;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl FromRequest for RequestScope {
    type Error = MissingFlagsLayer;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let scope = request.extensions().get::<Self>().cloned();
        ready(scope.ok_or(MissingFlagsLayer))
    }
}

/// Why there is no [`RequestScope`]: no [`FlagsMiddleware`](crate::FlagsMiddleware) is around the route. It is answered
/// with status 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the flags layer is missing on this route")]
#[non_exhaustive]
pub struct MissingFlagsLayer;

impl ResponseError for MissingFlagsLayer {}

/// Enters the arm of a flag for a request, and tells whether it is on.
pub(crate) fn enter(extensions: &Extensions, flag: &'static FlagKey<bool>) -> bool {
    let scope = extensions.get::<RequestScope>();
    scope.is_some_and(|scope| *scope.enter(flag))
}
