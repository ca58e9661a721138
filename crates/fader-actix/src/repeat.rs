//! Requests that can be done twice.

use std::rc::Rc;

use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{Error, HttpMessage};
use fader::FlagKey;
use fader_web::FallBack;
use futures_util::stream::{self, StreamExt as _};

use crate::scope::RequestScope;

/// Has the first arm answer, and the second one where the first fails.
pub(crate) async fn answer<G, H>(
    flag: &'static FlagKey<bool>,
    arms: Rc<(G, H)>,
    limits: FallBack,
    mut request: ServiceRequest,
) -> Result<ServiceResponse, Error>
where
    G: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
    H: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    let (gray, stable) = &*arms;
    let Some(body) = buffer(&mut request).await else {
        return gray.call(request).await;
    };
    let again = request.request().clone();
    // Called within the attempt, since a service may panic before there is a future.
    let attempt = limits.attempt(async { gray.call(request).await });
    match attempt.await {
        Ok(result) => result,
        Err(failure) => {
            if let Some(scope) = again.extensions().get::<RequestScope>() {
                failure.tell(scope, flag.name());
                scope.enter(flag);
            }
            let request = ServiceRequest::from_parts(again, body.into());
            stable.call(request).await
        }
    }
}

/// Reads the body of a request, which keeps it. It is `None` where the body is too long or breaks off: then what was
/// read stands before the rest.
async fn buffer(request: &mut ServiceRequest) -> Option<Bytes> {
    let payload = request.parts_mut().1;
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        match chunk {
            Ok(chunk) if body.len() + chunk.len() <= FallBack::MAX_BODY => {
                body.extend_from_slice(&chunk);
            }
            other => {
                let read = stream::iter([Ok(body.freeze()), other]);
                *payload = Payload::from(read.chain(payload.take()).boxed_local());
                return None;
            }
        }
    }
    let body = body.freeze();
    *payload = body.clone().into();
    Some(body)
}

#[cfg(test)]
mod tests;
