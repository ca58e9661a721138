//! An arm for each variant of a flag.

use std::task::{Context, Poll, ready};

use actix_web::dev::{Service, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::{Error, HttpMessage};
use fader::FlagKey;
use futures_util::future::{LocalBoxFuture, TryFutureExt, try_join, try_join_all};

use crate::gray::ArmFactory;
use crate::scope::RequestScope;

/// Makes a service with an arm for each of some variants of a flag; `otherwise` serves all other variants, and the
/// default of the code. Where [`FlagsMiddleware`](crate::FlagsMiddleware) is missing, `otherwise` is called.
///
/// All arms are of one type, as those are that [`web::to`](actix_web::web::to) makes; of any other service factory
/// [`Route::service`](actix_web::Route::service) makes one of that type. Picking an arm boxes nothing.
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
pub fn by_variant<T: ?Sized, S>(flag: &'static FlagKey<T>, otherwise: S) -> ByVariant<S> {
    ByVariant {
        flag: flag.name(),
        arms: Vec::new(),
        otherwise,
    }
}

/// What [`by_variant`] makes: the factory of a service, and the service.
#[derive(Clone, Debug)]
#[must_use]
pub struct ByVariant<S> {
    flag: &'static str,
    arms: Vec<(&'static str, S)>,
    otherwise: S,
}

impl<S> ByVariant<S> {
    /// Adds the arm that serves a variant, by its name in the document. Of two for one variant the later counts.
    pub fn arm(mut self, variant: &'static str, arm: S) -> Self {
        self.arms.push((variant, arm));
        self
    }
}

impl<S: ArmFactory> ServiceFactory<ServiceRequest> for ByVariant<S> {
    type Response = ServiceResponse;
    type Error = Error;
    type Config = ();
    type Service = ByVariant<S::Service>;
    type InitError = ();
    type Future = LocalBoxFuture<'static, Result<Self::Service, ()>>;

    fn new_service(&self, (): ()) -> Self::Future {
        let (flag, arms) = (self.flag, self.arms.iter());
        let arms = arms.map(|&(name, ref arm)| arm.new_service(()).map_ok(move |arm| (name, arm)));
        let made = try_join(try_join_all(arms), self.otherwise.new_service(()));
        Box::pin(made.map_ok(move |(arms, otherwise)| ByVariant {
            flag,
            arms,
            otherwise,
        }))
    }
}

impl<S> Service<ServiceRequest> for ByVariant<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Future = S::Future;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        for (_, arm) in &self.arms {
            ready!(arm.poll_ready(cx))?;
        }
        self.otherwise.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let arm = {
            let extensions = request.extensions();
            let scope = extensions.get::<RequestScope>();
            let variant = scope.and_then(|scope| scope.enter_variant(self.flag));
            let mut arms = self.arms.iter().rev();
            arms.find(|(name, _)| Some(*name) == variant)
        };
        arm.map_or(&self.otherwise, |(_, arm)| arm).call(request)
    }
}
