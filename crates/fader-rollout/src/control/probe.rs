//! Asking again and again whether something is well that ramps depend on.
//!
//! Probes have a thread of their own, so that neither the workers of the service nor the controller wait for them. Their
//! results go where a service's own go: into what holds gates shut, and into gauges for guardrails.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::error::StartError;
use super::rollouts::RolloutsBuilder;
use super::signals::Signals;

/// How much later than it should a result may come, until the probe is taken for stuck.
const SLACK: Duration = Duration::from_secs(5);

/// The shortest time from one try to the next.
const LEAST: Duration = Duration::from_millis(10);

/// Why a probe is not green: whatever `?` takes, or a text by `.into()`.
pub type ProbeFailure = Box<dyn Error + Send + Sync>;

type Asked = Pin<Box<dyn Future<Output = Result<(), ProbeFailure>> + Send>>;

/// Something that is asked again and again, and that has to be well for a ramp to start and to be raised.
///
/// While it is not green, nothing is raised and nothing rolled back: what it asks may have nothing to do with the
/// candidate. It is not green until its first success, so that a ramp does not start before that; from then on after
/// [`failures`](Self::failures) tries in a row have failed, until one succeeds. A try fails by its error, by a panic,
/// and by its [time-out](Self::time_out). A probe of which nothing is heard for longer than both times and 5 s is not
/// green either.
///
/// Its failures in a row are the gauge of its name, from which a guardrail may roll back:
/// `{ "metric": "gauge:synthetic check-out", "below": 3 }` does it at the third.
///
/// All probes run on one thread of their own. They may wait as long as they like; one that blocks that thread keeps the
/// other ones from being asked, and nothing else. They end with [`Rollouts`](super::Rollouts).
///
/// ```
/// use std::time::Duration;
///
/// use fader_rollout::control::{Probe, Rollouts};
///
/// # async fn check_out() -> Result<u16, std::io::Error> { Ok(200) }
/// let probe = Probe::new("synthetic check-out", || async {
///     match check_out().await? {
///         200 => Ok(()),
///         status => Err(format!("it answers {status}").into()),
///     }
/// });
/// let builder = Rollouts::builder().probe(probe.every(Duration::from_secs(10)).of_flag("checkout"));
/// # let _ = builder;
/// ```
#[must_use = "a probe is asked once a builder has it"]
pub struct Probe {
    name: String,
    flag: Option<String>,
    ask: Arc<dyn Fn() -> Asked + Send + Sync>,
    every: Duration,
    time_out: Duration,
    failures: u32,
    slack: Duration,
}

impl Probe {
    /// Makes a probe. The name stands in the status while it is not green, and is that of its gauge; no other probe has it.
    pub fn new<F, A>(name: impl Into<String>, ask: F) -> Self
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<(), ProbeFailure>> + Send + 'static,
    {
        Self {
            name: name.into(),
            flag: None,
            ask: Arc::new(move || Box::pin(ask())),
            every: Duration::from_secs(30),
            time_out: Duration::from_secs(10),
            failures: 1,
            slack: SLACK,
        }
    }

    /// Sets how long after the begin of a try the next one begins, at least 10 ms; a try that takes longer is ended first.
    /// Default: 30 s.
    pub fn every(mut self, every: Duration) -> Self {
        self.every = every.max(LEAST);
        self
    }

    /// Sets how long a try may take. Default: 10 s.
    pub fn time_out(mut self, time_out: Duration) -> Self {
        self.time_out = time_out;
        self
    }

    /// Sets the flag whose ramp it is for. Default: all ramps.
    pub fn of_flag(mut self, flag: impl Into<String>) -> Self {
        self.flag = Some(flag.into());
        self
    }

    /// Sets how many tries in a row must fail for a green probe not to be green any more, at least 1. Default: 1.
    pub fn failures(mut self, failures: u32) -> Self {
        self.failures = failures.max(1);
        self
    }

    /// For how long a result counts.
    fn lasts(&self) -> Duration {
        let lasts = self.every.saturating_add(self.time_out);
        lasts.saturating_add(self.slack)
    }

    async fn run(self, signals: Signals) {
        let flag = self.flag.as_deref();
        let mut is_green = false;
        let mut failed: u32 = 0;
        loop {
            let began = Instant::now();
            let result = self.tried().await;
            failed = match result {
                Ok(()) => 0,
                Err(_) => failed.saturating_add(1),
            };
            is_green = failed < self.failures && (is_green || failed == 0);
            let health = if is_green { Ok(()) } else { result };
            signals.set_health_for(&self.name, flag, health, self.lasts());
            signals.set_gauge_for(&self.name, failed.into(), self.lasts());
            sleep(self.every.saturating_sub(began.elapsed())).await;
        }
    }

    async fn tried(&self) -> Result<(), String> {
        let too_long = || format!("no answer within {:?}", self.time_out);
        let began = Instant::now();
        let ask = Arc::clone(&self.ask);
        // A task of its own, which alone ends by its panic.
        let mut tried = tokio::spawn(async move { ask().await });
        match timeout(self.time_out, &mut tried).await {
            Err(_) => {
                tried.abort();
                Err(too_long())
            }
            // It has kept the thread for so long that nobody could tell it to end.
            Ok(Ok(_)) if began.elapsed() > self.time_out => Err(too_long()),
            Ok(Ok(answer)) => answer.map_err(|why| why.to_string()),
            Ok(Err(_)) => Err("it panicked".to_owned()),
        }
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe")
            .field("name", &self.name)
            .field("flag", &self.flag)
            .field("every", &self.every)
            .field("time_out", &self.time_out)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}

impl RolloutsBuilder {
    /// Adds something that is asked again and again, and has to be well for a ramp to start and to be raised.
    pub fn probe(mut self, probe: Probe) -> Self {
        self.settings.probes.push(probe);
        self
    }
}

/// All probes at work. Dropped, they end; none is waited for.
#[derive(Debug)]
pub(super) struct Probes {
    stop: AbortHandle,
}

impl Probes {
    /// Starts them. None is green when this returns.
    pub(super) fn start(probes: Vec<Probe>, signals: &Signals) -> Result<Option<Self>, StartError> {
        if probes.is_empty() {
            return Ok(None);
        }
        let mut names = BTreeSet::new();
        for probe in &probes {
            if !names.insert(probe.name.clone()) {
                let message = format!("two probes are named `{}`", probe.name);
                return Err(StartError::setup(message));
            }
            let unasked = Err("it has not answered yet".to_owned());
            signals.set_health(&probe.name, probe.flag.as_deref(), unasked);
        }
        let runtime = runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(StartError::thread)?;
        for probe in probes {
            runtime.spawn(probe.run(signals.clone()));
        }
        let until = runtime.spawn(pending::<()>());
        let stop = until.abort_handle();
        thread::Builder::new()
            .name("fader-probes".to_owned())
            .spawn(move || {
                let _ = runtime.block_on(until);
            })
            .map_err(StartError::thread)?;
        Ok(Some(Self { stop }))
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        self.stop.abort();
    }
}

#[cfg(test)]
mod tests;
