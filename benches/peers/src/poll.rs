//! Futures that are ready at once.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use anyhow::{Result, bail};

/// Polls a future that has nothing to wait for: no runtime, no waker, no more than the function's own work.
///
/// # Errors
///
/// It waits for something.
#[inline]
pub fn ready<F: Future>(future: F) -> Result<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => bail!("an evaluation waits for something"),
    }
}
