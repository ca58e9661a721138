//! Requests that can be done twice.

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::request::Parts;
use bytes::BytesMut;
use fader_web::FallBack;
use futures_util::stream::{self, StreamExt as _};

/// Reads a request's body, as far as it may be kept. The request comes back whole where the body is too long or breaks
/// off.
pub(crate) async fn repeatable(request: Request) -> Result<(Parts, Bytes), Request> {
    let most = FallBack::MAX_BODY;
    if usize::try_from(request.body().size_hint().lower()).is_ok_and(|least| least > most) {
        return Err(request);
    }
    let (parts, body) = request.into_parts();
    let mut rest = body.into_data_stream();
    let mut read = BytesMut::new();
    loop {
        match rest.next().await {
            None => return Ok((parts, read.freeze())),
            Some(Ok(chunk)) if read.len() + chunk.len() <= most => read.extend_from_slice(&chunk),
            Some(too_much) => {
                let before = stream::iter([Ok(read.freeze()), too_much]);
                let body = Body::from_stream(before.chain(rest));
                return Err(Request::from_parts(parts, body));
            }
        }
    }
}
