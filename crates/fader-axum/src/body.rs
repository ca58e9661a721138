//! Where a request ends: at the head of its response, or with its body.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::HttpBody;
use axum::http::Response;
use axum::http::header::CONTENT_LENGTH;
use fader_web::{BodyTracker, Tracker};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::view::HeadView;

/// Where a request ends, for a response with a body of type `B`: [`AtHead`] or [`AtBodyEnd`].
pub trait End<B>: sealed::Sealed {
    /// The body that the layer passes on.
    type Body;

    #[doc(hidden)]
    fn end(tracker: Tracker, response: Response<B>, is_head: bool) -> Response<Self::Body>;
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

    fn end(tracker: Tracker, mut response: Response<B>, _is_head: bool) -> Response<B> {
        tracker.end_at_head(&HeadView(&mut response));
        response
    }
}

impl<B: HttpBody> End<B> for AtBodyEnd {
    type Body = TrackedBody<B>;

    fn end(tracker: Tracker, mut response: Response<B>, is_head: bool) -> Response<Self::Body> {
        let announced = response.headers().get(CONTENT_LENGTH);
        let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok());
        let length = if is_head || response.body().is_end_stream() {
            Some(0)
        } else {
            announced.or(response.body().size_hint().exact())
        };
        let tracker = tracker.end_with_body(&HeadView(&mut response), length);
        response.map(|inner| TrackedBody { inner, tracker })
    }
}

pin_project! {
    /// A body that is followed to its end, see [`FlagsLayer::until_body_end`](crate::FlagsLayer::until_body_end).
    #[derive(Debug)]
    pub struct TrackedBody<B> {
        #[pin]
        inner: B,
        // None where the request has ended.
        tracker: Option<BodyTracker>,
    }
}

impl<B: HttpBody> HttpBody for TrackedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(tracker) = this.tracker.as_mut() else {
            return this.inner.poll_frame(cx);
        };
        let frame = ready!(tracker.polled(|| this.inner.as_mut().poll_frame(cx)));
        match &frame {
            None => tracker.end(),
            Some(Err(_)) => tracker.fail(),
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    let status = trailers.get("grpc-status");
                    tracker.trailers(status.map(|status| status.as_bytes()));
                }
                if let Some(data) = frame.data_ref() {
                    tracker.sent(bytes::Buf::remaining(data));
                }
                if this.inner.is_end_stream() {
                    tracker.end();
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests;
