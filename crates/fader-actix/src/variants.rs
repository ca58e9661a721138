//! An arm for each variant of a flag.

use std::fmt;
use std::task::{Context, Poll};

use actix_web::dev::{Extensions, Service, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::{Error, HttpMessage};
use fader::{FlagKey, FlagValue};
use futures_util::future::{Either, LocalBoxFuture};

use crate::gray::{ArmFactory, both, both_ready};
use crate::scope::RequestScope;

/// Makes a service with an arm for each of some variants of a flag; `otherwise` serves all other variants, and the
/// default of the code. Where [`FlagsMiddleware`](crate::FlagsMiddleware) is missing, `otherwise` is called.
///
/// ```
/// use actix_web::{App, test, web};
/// use fader::{FlagKey, Flags};
/// use fader_actix::{FlagsMiddleware, by_variant};
///
/// static RANKER: FlagKey<str> = FlagKey::new("ranker", "old");
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), fader::CompileError> {
/// let flags = Flags::builder().build();
/// let document = r#"{ "flags": { "ranker": {
///     "variants": { "old": "old", "a": "hybrid a", "b": "hybrid b" }, "default": "b" } } }"#;
/// flags.load(document, &fader::Source::new("flags.json"))?;
/// let search = by_variant(&RANKER, web::to(|| async { "old" }))
///     .arm("a", web::to(|| async { "hybrid a" }))
///     .arm("b", web::to(|| async { "hybrid b" }));
/// let app = App::new().route("/search", web::get().service(search));
/// let app = test::init_service(app.wrap(FlagsMiddleware::new(flags))).await;
/// let request = test::TestRequest::get().uri("/search").to_request();
/// assert_eq!(test::call_and_read_body(&app, request).await, "hybrid b");
/// # Ok(())
/// # }
/// ```
pub fn by_variant<T: FlagValue + ?Sized, O>(
    flag: &'static FlagKey<T>,
    otherwise: O,
) -> ByVariant<T, O> {
    ByVariant {
        flag,
        arms: otherwise,
    }
}

/// The service factory that [`by_variant`] makes.
#[must_use]
pub struct ByVariant<T: ?Sized + 'static, A> {
    flag: &'static FlagKey<T>,
    arms: A,
}

impl<T: ?Sized, A> ByVariant<T, A> {
    /// Adds the arm that serves a variant, by its name in the document. It replaces an earlier one of that name.
    pub fn arm<S>(self, variant: &'static str, arm: S) -> ByVariant<T, Arm<T, S, A>> {
        ByVariant {
            flag: self.flag,
            arms: Arm {
                flag: self.flag,
                variant,
                arm,
                otherwise: self.arms,
            },
        }
    }
}

impl<T: ?Sized, A: ArmFactory> ServiceFactory<ServiceRequest> for ByVariant<T, A> {
    type Response = ServiceResponse;
    type Error = Error;
    type Config = ();
    type Service = A::Service;
    type InitError = ();
    type Future = A::Future;

    fn new_service(&self, (): ()) -> Self::Future {
        self.arms.new_service(())
    }
}

impl<T: ?Sized, A> fmt::Debug for ByVariant<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByVariant")
            .field("flag", &self.flag.name())
            .finish_non_exhaustive()
    }
}

/// One arm of [`ByVariant`] before the others: as a factory, and as the service that it makes.
#[derive(Debug)]
#[must_use]
pub struct Arm<T: ?Sized + 'static, S, O> {
    flag: &'static FlagKey<T>,
    variant: &'static str,
    arm: S,
    otherwise: O,
}

impl<T: FlagValue + ?Sized, S, O> Arm<T, S, O> {
    fn is_served(&self, extensions: &Extensions) -> bool {
        let scope = extensions.get::<RequestScope>();
        scope.is_some_and(|scope| scope.enter_variant(self.flag) == Some(self.variant))
    }
}

impl<T, S, O> ServiceFactory<ServiceRequest> for Arm<T, S, O>
where
    T: FlagValue + ?Sized,
    S: ArmFactory,
    O: ArmFactory,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Config = ();
    type Service = Arm<T, S::Service, O::Service>;
    type InitError = ();
    type Future = LocalBoxFuture<'static, Result<Self::Service, ()>>;

    fn new_service(&self, (): ()) -> Self::Future {
        let (flag, variant) = (self.flag, self.variant);
        let arms = both(&self.arm, &self.otherwise);
        Box::pin(async move {
            let (arm, otherwise) = arms.await?;
            Ok(Arm {
                flag,
                variant,
                arm,
                otherwise,
            })
        })
    }
}

impl<T, S, O> Service<ServiceRequest> for Arm<T, S, O>
where
    T: FlagValue + ?Sized,
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
    O: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Future = Either<S::Future, O::Future>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        both_ready(&self.arm, &self.otherwise, cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        if self.is_served(&request.extensions()) {
            Either::Left(self.arm.call(request))
        } else {
            Either::Right(self.otherwise.call(request))
        }
    }
}
