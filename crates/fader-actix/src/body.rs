//! Where a request ends: at the head of its response, or with its body.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use fader_web::{BodyTracker, Tracker};
use pin_project_lite::pin_project;

use crate::view::HeadView;

/// Where a request ends, for a response with a body of type `B`: [`AtHead`] or [`AtBodyEnd`].
pub trait End<B>: sealed::Sealed {
    /// The body that the middleware passes on.
    type Body;

    #[doc(hidden)]
    fn end(tracker: Tracker, response: ServiceResponse<B>) -> ServiceResponse<Self::Body>;
}

/// The request ends at the head of its response.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AtHead;

/// The request ends with the body of its response.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AtBodyEnd;

mod sealed {
    #[expect(unnameable_types, reason = "nobody else implements it")]
    pub trait Sealed {}
    impl Sealed for super::AtHead {}
    impl Sealed for super::AtBodyEnd {}
}

impl<B> End<B> for AtHead {
    type Body = B;

    fn end(tracker: Tracker, mut response: ServiceResponse<B>) -> ServiceResponse<B> {
        tracker.end_at_head(&HeadView(response.response_mut().head_mut()));
        response
    }
}

impl<B: MessageBody> End<B> for AtBodyEnd {
    type Body = TrackedBody<B>;

    fn end(tracker: Tracker, response: ServiceResponse<B>) -> ServiceResponse<Self::Body> {
        let is_head = response.request().method() == Method::HEAD;
        response.map_body(|head, inner| {
            let size = inner.size();
            // actix-web sends no body then, and may not ask for it. After 101 it sends one: what the server says.
            let sends_none =
                [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&head.status);
            let tracker = if is_head || sends_none || size.is_eof() {
                tracker.end_at_head(&HeadView(head));
                None
            } else {
                Some(tracker.end_with_body(&HeadView(head)))
            };
            let left = match size {
                BodySize::Sized(left) => Some(left),
                BodySize::None | BodySize::Stream => None,
            };
            TrackedBody {
                inner,
                left,
                tracker,
            }
        })
    }
}

pin_project! {
    /// A body that is followed to its end, see
    /// [`FlagsMiddleware::until_body_end`](crate::FlagsMiddleware::until_body_end).
    #[derive(Debug)]
    pub struct TrackedBody<B> {
        #[pin]
        inner: B,
        // How many bytes are to come, where that is known: a client that has them all may close the connection, and
        // nobody asks for the end behind them.
        left: Option<u64>,
        // None where the request has ended.
        tracker: Option<BodyTracker>,
    }
}

impl<B: MessageBody> MessageBody for TrackedBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.inner.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.project();
        let Some(tracker) = this.tracker else {
            return this.inner.poll_next(cx);
        };
        let chunk = ready!(tracker.polled(|| this.inner.poll_next(cx)));
        match &chunk {
            None => tracker.end(),
            Some(Err(_)) => tracker.fail(),
            Some(Ok(chunk)) => {
                if let Some(left) = this.left {
                    let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
                    *left = left.saturating_sub(length);
                }
                if *this.left == Some(0) {
                    tracker.end();
                }
            }
        }
        Poll::Ready(chunk)
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        let Self {
            inner,
            left,
            mut tracker,
        } = self;
        match inner.try_into_bytes() {
            Ok(bytes) => {
                if let Some(tracker) = &mut tracker {
                    tracker.end();
                }
                Ok(bytes)
            }
            Err(inner) => Err(Self {
                inner,
                left,
                tracker,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
