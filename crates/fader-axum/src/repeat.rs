//! Requests that can be done twice.

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::request::Parts;
use fader_web::FallBack;
use futures_util::stream::{self, StreamExt as _};

/// A request, and whether it can be done twice.
pub(crate) enum Repeatable {
    /// Its body is at hand.
    Yes(Parts, Bytes),
    /// Its body is too long, or broke off: the request as it came.
    No(Request),
}

/// Reads a request's body, as far as it may be kept.
pub(crate) async fn repeatable(request: Request) -> Repeatable {
    let most = FallBack::MAX_BODY;
    if request.body().is_end_stream() {
        let (parts, _) = request.into_parts();
        return Repeatable::Yes(parts, Bytes::new());
    }
    if usize::try_from(request.body().size_hint().lower()).is_ok_and(|least| least > most) {
        return Repeatable::No(request);
    }
    let (parts, body) = request.into_parts();
    let mut rest = body.into_data_stream();
    let (mut read, mut length) = (Vec::new(), 0);
    let too_much = loop {
        match rest.next().await {
            None => break None,
            Some(Ok(chunk)) if length + chunk.len() <= most => {
                length += chunk.len();
                read.push(chunk);
            }
            Some(too_much) => break Some(too_much),
        }
    };
    match (too_much, read.pop()) {
        (None, None) => Repeatable::Yes(parts, Bytes::new()),
        (None, Some(only)) if read.is_empty() => Repeatable::Yes(parts, only),
        (None, Some(last)) => {
            read.push(last);
            Repeatable::Yes(parts, read.concat().into())
        }
        (Some(too_much), last) => {
            let read = read.into_iter().chain(last).map(Ok).chain([too_much]);
            let body = Body::from_stream(stream::iter(read).chain(rest));
            Repeatable::No(Request::from_parts(parts, body))
        }
    }
}
