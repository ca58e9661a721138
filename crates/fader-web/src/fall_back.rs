//! Gray code that panics or is too slow is answered by stable code.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use fader::{Ending, Outcome};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::scope::PinnedScope;
use crate::view::RequestView;

/// When gray code is given up for stable code, within one request.
///
/// A gray handler that panics, or exceeds its budget if it has one, counts as a gray failure, and the stable handler
/// answers. That needs a request that may be done twice: one by `GET` or `HEAD`, or any that is declared idempotent, with
/// a body of at most [`MAX_BODY`](Self::MAX_BODY) bytes, which is read before the gray handler runs. Any other request
/// has no second try. What the gray handler did until then is not undone.
///
/// From then on the request's scope serves what a killed flag does: `off`, or the default of the code, which should be
/// `false`. A panic is only caught where it unwinds, not with
/// `panic = "abort"`.
///
/// ```
/// use std::time::Duration;
///
/// use fader_web::FallBack;
///
/// let fall_back = FallBack::new().budget(Duration::from_millis(300));
/// # let _ = fall_back;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct FallBack {
    budget: Option<Duration>,
    idempotent: bool,
}

impl FallBack {
    /// The longest body of a request that is done twice, in bytes: 64 KiB.
    pub const MAX_BODY: usize = 65_536;

    /// Falls back from panics, for `GET` and `HEAD`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long the gray handler may take until its response begins, from its first poll on. Default: no limit. A
    /// handler that blocks its thread can't be interrupted. It needs a tokio runtime with its timer.
    pub fn budget(self, budget: Duration) -> Self {
        Self {
            budget: Some(budget),
            ..self
        }
    }

    /// Declares that requests by any method may be done twice. Default: only `GET` and `HEAD`.
    pub fn idempotent(self, idempotent: bool) -> Self {
        Self { idempotent, ..self }
    }

    /// Tells whether a request may be done twice, if its body is short enough. A tunnel (`CONNECT`, or an upgrade such as
    /// a WebSocket's) may not: what comes through it is no body, and has no end before the response begins.
    #[must_use]
    pub fn repeats(&self, request: &dyn RequestView) -> bool {
        let method = request.method();
        let is_tunnel = method == "CONNECT" || request.header("upgrade").is_some();
        !is_tunnel && (self.idempotent || matches!(method, "GET" | "HEAD"))
    }

    /// Runs gray code within these limits.
    pub fn attempt<F: Future>(&self, gray: F) -> Attempt<F> {
        Attempt {
            gray: Some(gray),
            budget: self.budget,
            began: None,
            sleep: None,
        }
    }
}

pin_project! {
    /// Gray code within the limits of a [`FallBack`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Attempt<F> {
        #[pin]
        gray: Option<F>,
        budget: Option<Duration>,
        began: Option<Instant>,
        #[pin]
        sleep: Option<Sleep>,
    }
}

impl<F: Future> Future for Attempt<F> {
    type Output = Result<F::Output, GrayFailure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let began = *this.began.get_or_insert_with(Instant::now);
        let Some(gray) = this.gray.as_mut().as_pin_mut() else {
            // Polled after its end, which no caller may do.
            return Poll::Pending;
        };
        // What a panic leaves half done is dropped and not looked at again, but for what the handler shares with others.
        let ending = match catch_unwind(AssertUnwindSafe(|| gray.poll(cx))) {
            Ok(Poll::Ready(output)) => return Poll::Ready(Ok(output)),
            Err(payload) => {
                // What a handler panics with may panic again.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
                Ending::Panic
            }
            Ok(Poll::Pending) => {
                let Some(budget) = this.budget else {
                    return Poll::Pending;
                };
                let Some(end) = began.checked_add(*budget) else {
                    return Poll::Pending;
                };
                if this.sleep.is_none() {
                    this.sleep.set(Some(sleep_until(end)));
                }
                let sleep = this.sleep.as_mut().as_pin_mut();
                // The timer may be late where a thread was blocked.
                let is_in_time = Instant::now() < end;
                if is_in_time && sleep.is_some_and(|sleep| sleep.poll(cx).is_pending()) {
                    return Poll::Pending;
                }
                Ending::Timeout
            }
        };
        let _ = catch_unwind(AssertUnwindSafe(|| this.gray.set(None)));
        Poll::Ready(Err(GrayFailure(Outcome::new(ending).took(began.elapsed()))))
    }
}

impl<F> fmt::Debug for Attempt<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

/// Gray code panicked or was too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct GrayFailure(Outcome);

impl GrayFailure {
    /// Counts it as the outcome of the flag, and has the scope serve what a killed flag does from here on.
    pub fn tell(self, scope: &PinnedScope, flag: &str) {
        scope.leave(flag);
        scope.fall_back(flag, self.0);
    }

    /// Returns how the gray code ended: by a panic or a time-out.
    #[must_use]
    pub fn ending(&self) -> Ending {
        self.0.ending()
    }
}

#[cfg(test)]
mod tests;
