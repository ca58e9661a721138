//! Where a request ends: at the head of its response, or with its body.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::web::Bytes;
use fader_web::{BodyTracker, Tracker};
use pin_project_lite::pin_project;

use crate::view::HeadView;

pin_project! {
    /// A body that is followed to its end, see
    /// [`FlagsMiddleware::until_body_end`](crate::FlagsMiddleware::until_body_end), or one that is left as it was.
    #[derive(Debug)]
    pub struct TrackedBody<B> {
        #[pin]
        inner: B,
        // None where the request has ended.
        tracker: Option<BodyTracker>,
    }
}

/// Adds what the routing says to the head of a response, and ends the request there or with the body.
pub(crate) fn track<B: MessageBody>(
    mut tracker: Tracker,
    response: ServiceResponse<B>,
    until_body_end: bool,
) -> ServiceResponse<TrackedBody<B>> {
    let is_head = response.request().method() == Method::HEAD;
    response.map_body(|head, inner| {
        let mut head = HeadView(head);
        tracker.head(&mut head);
        let tracker = if until_body_end {
            let length = match inner.size() {
                BodySize::Sized(length) if !is_head => Some(length),
                BodySize::Stream if !is_head => None,
                _ => Some(0),
            };
            tracker.end_with_body(&head, length)
        } else {
            tracker.end_at_head(&head);
            None
        };
        TrackedBody { inner, tracker }
    })
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
            Some(Ok(chunk)) => tracker.sent(chunk.len()),
        }
        Poll::Ready(chunk)
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        let Self { inner, mut tracker } = self;
        let bytes = inner.try_into_bytes();
        if let (Ok(_), Some(tracker)) = (&bytes, &mut tracker) {
            tracker.end();
        }
        bytes.map_err(|inner| Self { inner, tracker })
    }

    /// A body that is left as it was is boxed as it would be without this, so not again.
    fn boxed(self) -> BoxBody
    where
        Self: 'static,
    {
        match self.tracker {
            None => self.inner.boxed(),
            Some(_) => BoxBody::new(self),
        }
    }
}

#[cfg(test)]
mod tests;
