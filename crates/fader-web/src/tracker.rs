//! Follows a request to its end, so that its outcome is told.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use fader::{Ending, Outcome};

use crate::decisions::{DECISIONS_HEADER, decisions};
use crate::response::{ResponseView, ending, grpc_ending, set_visitor, tell_caches};
use crate::scope::PinnedScope;
use crate::span::RequestSpan;

/// Follows one request from the layer to the head of its response: for adapters, whose response future owns it.
///
/// Dropped before an end is told, it tells one itself: a panic if one passed through [`polled`](Self::polled), else that
/// the client went away.
#[must_use]
pub struct Tracker {
    course: Course,
    head: Head,
    set_cookie: Option<String>,
}

/// What is added to the head of a response.
#[derive(Clone, Copy)]
pub(crate) struct Head {
    pub(crate) response_header: bool,
    pub(crate) cache_headers: bool,
}

impl Tracker {
    pub(crate) fn new(scope: PinnedScope, head: Head, set_cookie: Option<String>) -> Self {
        Self {
            course: Course {
                span: RequestSpan::new(&scope),
                scope,
                began: Instant::now(),
                is_polling: false,
                has_ended: false,
            },
            head,
            set_cookie,
        }
    }

    /// Returns the request's scope.
    #[must_use]
    pub fn scope(&self) -> &PinnedScope {
        &self.course.scope
    }

    /// Runs a poll of the inner future. A panic in it is noted and goes on.
    #[inline]
    pub fn polled<T>(&mut self, poll: impl FnOnce() -> T) -> T {
        self.course.polled(poll)
    }

    /// Adds what the routing says to the head of the response.
    pub fn head(&mut self, response: &mut dyn ResponseView) {
        if self.head.cache_headers {
            tell_caches(response, &self.course.scope, self.set_cookie.is_some());
        }
        if let Some(set_cookie) = self.set_cookie.take() {
            set_visitor(response, &set_cookie);
        }
        if self.head.response_header
            && let Some(value) = decisions(&self.course.scope)
        {
            response.insert(DECISIONS_HEADER, &value);
        }
    }

    /// Ends the request at the head of its response: its status is the outcome, or its `grpc-status` if it has one.
    pub fn end_at_head(mut self, response: &dyn ResponseView) {
        self.course.end(ending(response));
    }

    /// Follows the body of the response too, of `length` bytes if that is known: the outcome is told at its end. A
    /// response whose body no server sends, by its status or its length, ends now.
    pub fn end_with_body(
        mut self,
        response: &dyn ResponseView,
        length: Option<u64>,
    ) -> Option<BodyTracker> {
        let ending = ending(response);
        if length == Some(0) || matches!(response.status(), ..200 | 204 | 304) {
            self.course.end(ending);
            return None;
        }
        Some(BodyTracker {
            course: self.course,
            ending,
            left: length,
        })
    }

    /// Ends the request where the inner service gave an error in the place of a response.
    pub fn failed(mut self) {
        self.course.end(Ending::ServerError);
    }
}

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracker")
            .field("course", &self.course)
            .finish_non_exhaustive()
    }
}

/// Follows the body of one response to its end: for adapters, whose body owns it.
///
/// Dropped before its end, it tells a panic if one passed through [`polled`](Self::polled), else that the client went
/// away.
#[derive(Debug)]
#[must_use]
pub struct BodyTracker {
    course: Course,
    ending: Ending,
    left: Option<u64>,
}

impl BodyTracker {
    /// Returns the request's scope.
    #[must_use]
    pub fn scope(&self) -> &PinnedScope {
        &self.course.scope
    }

    /// Runs a poll of the inner body. A panic in it is noted and goes on.
    #[inline]
    pub fn polled<T>(&mut self, poll: impl FnOnce() -> T) -> T {
        self.course.polled(poll)
    }

    /// Ends the request with its trailers, which are the last of a body: `grpc-status` is the outcome where the head told
    /// of success.
    pub fn trailers(&mut self, grpc_status: Option<&[u8]>) {
        if let (Some(status), Ending::Success) = (grpc_status, self.ending) {
            self.ending = grpc_ending(status);
        }
        self.end();
    }

    /// Counts bytes that were handed on. Where these are all that were announced, the request ends: a server asks for
    /// nothing behind them.
    pub fn sent(&mut self, bytes: usize) {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(u64::try_from(bytes).unwrap_or(u64::MAX));
            if *left == 0 {
                self.end();
            }
        }
    }

    /// Ends the request: the body is complete.
    pub fn end(&mut self) {
        self.course.end(self.ending);
    }

    /// Ends the request: the body broke off with an error of the service.
    pub fn fail(&mut self) {
        self.course.end(Ending::ServerError);
    }
}

/// A request on its way.
#[derive(Debug)]
struct Course {
    span: RequestSpan,
    scope: PinnedScope,
    began: Instant,
    is_polling: bool,
    has_ended: bool,
}

impl Course {
    #[inline]
    fn polled<T>(&mut self, poll: impl FnOnce() -> T) -> T {
        self.is_polling = true;
        let result = self.span.within(poll);
        self.is_polling = false;
        result
    }

    fn end(&mut self, ending: Ending) {
        if !self.has_ended {
            self.has_ended = true;
            self.span.record(&self.scope);
            self.scope
                .finish(Outcome::new(ending).took(self.began.elapsed()));
        }
    }
}

impl Drop for Course {
    fn drop(&mut self) {
        let ending = if self.is_polling {
            Ending::Panic
        } else {
            Ending::Dropped
        };
        // While a panic unwinds, one of a sink would abort the process.
        let _ = catch_unwind(AssertUnwindSafe(|| self.end(ending)));
    }
}

#[cfg(test)]
mod tests;
