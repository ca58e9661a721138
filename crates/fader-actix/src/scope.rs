//! The scope of a request as an extractor.

use std::error::Error;
use std::fmt;
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
        ready(scope.ok_or(MissingFlagsLayer { _private: () }))
    }
}

/// Why there is no [`RequestScope`]: no [`FlagsMiddleware`](crate::FlagsMiddleware) is around the route. It is answered
/// with status 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingFlagsLayer {
    _private: (),
}

impl fmt::Display for MissingFlagsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the flags layer is missing on this route")
    }
}

impl Error for MissingFlagsLayer {}

impl ResponseError for MissingFlagsLayer {}

/// Tells whether a flag is on for a request, and enters its arm.
pub(crate) fn is_on(extensions: &Extensions, flag: &'static FlagKey<bool>) -> bool {
    let scope = extensions.get::<RequestScope>();
    scope.is_some_and(|scope| *scope.enter(flag))
}
