//! Posts what happens to ramps to an address, signed.
//!
//! A thread of its own posts one event after the other, so that they come in their order, and tries again what did not
//! arrive. Whoever is told takes 1,024 events more meanwhile; those without room are counted, and the next one that
//! arrives tells how many there were.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, Thread};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use self::post::{Address, Client, Failed};
use super::error::StartError;
use super::event::Event;
use super::rollouts::RolloutsBuilder;
use super::settings::Settings;

mod post;

/// How many events may wait.
const WAITING: usize = 1024;

/// How long it waits before each try after the first: about a minute in all.
const WAITS: [Duration; 4] = [
    Duration::from_secs(2),
    Duration::from_secs(6),
    Duration::from_secs(15),
    Duration::from_secs(35),
];

type OnLoss = Box<dyn FnMut(&str) + Send>;

/// Posts each event as JSON to an address.
///
/// ```
/// use fader_rollout::control::{Rollouts, Webhook};
///
/// let hook = Webhook::new("https://chat.example.com/hooks/ramps").secret("a long random text");
/// let builder = Rollouts::builder().webhook(hook);
/// # let _ = builder;
/// ```
///
/// # The request
///
/// `POST` with `content-type: application/json`, over HTTP/1.1. No proxy is used, whatever the environment says. The body is
/// one object:
///
/// ```json
/// { "id": "18c1f0a2b3d4-7-1", "text": "checkout: settle, stage 1 (was armed)",
///   "at": "2026-12-01T09:00:00Z", "flag": "checkout", "run": 1,
///   "what": { "ramp": { "phase": { "from": "armed", "to": "settle", "stage": 1 } } } }
/// ```
///
/// | field | |
/// |---|---|
/// | `id` | names the event: the same at each try, so that whoever gets it twice can tell |
/// | `text` | one line for people; what chats show |
/// | `at` | when it happened, by the controller's clock, RFC 3339 in UTC |
/// | `flag`, `run` | the flag, and the number of the ramp's run from 1 on; absent where it concerns the controller |
/// | `what` | one of the members below; what is unknown is to be ignored |
/// | `lost` | how many events before this one were given up or found no room; absent where none were |
///
/// | member of `what` | value |
/// |---|---|
/// | `exposed` | `from` and `to`: each `percent` as text, the number of `waves`, and whether it is `killed` |
/// | `ramp` | what the controller decided or noticed: `phase`, `waits`, `breach`, `crash-loop`, `held`, `freeze-began`, `"freeze-ended"`, `new-run`, `rolled-back`, `raised-by-hand`; see [`Notice`](crate::machine::Notice) |
/// | `taken-up` | what a process goes on with that the one before it ran: `phase`, `stage` and `exposure` |
/// | `trouble`, `trouble-over` | what keeps the controller from raising any exposure, in words |
/// | `note` | what else people should know, in words |
///
/// # The signature
///
/// With a [secret](Self::secret) each request has two headers more: `x-fader-timestamp`, the time of the try in seconds
/// since 1970, and `x-fader-signature`, `sha256=` and the HMAC-SHA256 in hexadecimal of the time-stamp, a full stop and the
/// body. The receiver works it out over the bytes that came, before it parses them, compares in constant time, and
/// refuses a time-stamp that is more than five minutes off:
///
/// ```python
/// def is_genuine(secret: bytes, headers, body: bytes) -> bool:
///     stamp = headers["x-fader-timestamp"]
///     mac = hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
///     fresh = abs(time.time() - int(stamp)) < 300
///     return fresh and hmac.compare_digest("sha256=" + mac, headers["x-fader-signature"])
/// ```
///
/// # Delivery
///
/// Any 2xx is an arrival. No connection, a time-out (10 s), 408, 429 and 5xx are tried again, five times in all over about a
/// minute; any other status, redirects included, is not. Then the event is given up, and the next one has its turn.
///
/// An event arrives once or more, or not at all: those that wait when the process ends are lost, as are those for which
/// there is no room. It is no record: `audit.jsonl` is.
#[must_use = "a webhook is told of events once a builder has it"]
pub struct Webhook {
    url: String,
    secret: Option<Vec<u8>>,
    time_out: Duration,
    on_loss: Option<OnLoss>,
    waits: [Duration; 4],
}

impl Webhook {
    /// Makes one that posts to an address, `https://` or `http://`.
    ///
    /// The address is taken for a secret, as those of many chats are: only its scheme, host and port are ever shown. User
    /// and password in it are sent as basic authentication.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            secret: None,
            time_out: Duration::from_secs(10),
            on_loss: None,
            waits: WAITS,
        }
    }

    /// Sets the secret that requests are signed with, best 32 random bytes or more. Default: none, they are not signed.
    pub fn secret(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.secret = Some(secret.as_ref().to_vec());
        self
    }

    /// Sets how long a try may take in all. Default: 10 s.
    pub fn time_out(mut self, time_out: Duration) -> Self {
        self.time_out = time_out;
        self
    }

    /// Sets who is told, in words, when an event is given up; on the webhook's own thread. Default: nobody.
    pub fn on_loss(mut self, told: impl FnMut(&str) + Send + 'static) -> Self {
        self.on_loss = Some(Box::new(told));
        self
    }

    /// Starts its thread, and returns what is to be told of events.
    fn start(self) -> Result<impl FnMut(&Event) + Send + 'static, StartError> {
        let address = Address::parse(&self.url).map_err(StartError::setup)?;
        let client = Client::new(address, self.secret.as_deref(), self.time_out);
        let shared = Arc::new(Shared::default());
        let (sender, events) = sync_channel(WAITING);
        let worker = Worker {
            client,
            shared: Arc::clone(&shared),
            waits: self.waits,
            on_loss: self.on_loss,
            posted: 0,
            prefix: prefix(),
        };
        let thread = thread::Builder::new()
            .name("fader-webhook".to_owned())
            .spawn(move || worker.run(&events))
            .map_err(StartError::thread)?;
        let queue = Queue {
            sender: Some(sender),
            shared,
            thread: thread.thread().clone(),
        };
        Ok(move |event: &Event| queue.push(event))
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Address::parse(&self.url);
        f.debug_struct("Webhook")
            .field("origin", &address.as_ref().map_or("", Address::origin))
            .field("is_signed", &self.secret.is_some())
            .finish_non_exhaustive()
    }
}

impl RolloutsBuilder {
    /// Adds an address to which each event is posted.
    pub fn webhook(mut self, webhook: Webhook) -> Self {
        self.settings.webhooks.push(webhook);
        self
    }
}

impl Settings {
    pub(super) fn start_webhooks(&mut self) -> Result<(), StartError> {
        for webhook in std::mem::take(&mut self.webhooks) {
            self.events.push(Box::new(webhook.start()?));
        }
        Ok(())
    }
}

#[derive(Default)]
struct Shared {
    /// Events that nobody was told of, and nobody knows yet.
    lost: AtomicU64,
    has_ended: AtomicBool,
}

/// Where events wait. Its end is the controller's.
struct Queue {
    sender: Option<SyncSender<Event>>,
    shared: Arc<Shared>,
    thread: Thread,
}

impl Queue {
    fn push(&self, event: &Event) {
        let Some(sender) = &self.sender else {
            return;
        };
        match sender.try_send(event.clone()) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.shared.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.sender = None;
        self.shared.has_ended.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// What is posted.
#[derive(Serialize)]
struct Body<'a> {
    id: String,
    text: String,
    #[serde(skip_serializing_if = "is_none")]
    lost: u64,
    #[serde(flatten)]
    event: &'a Event,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
fn is_none(lost: &u64) -> bool {
    *lost == 0
}

/// Returns what no other process begins its ids with.
fn prefix() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let micros = since.unwrap_or_default().as_micros();
    format!("{micros:x}-{:x}", std::process::id())
}

/// The thread's.
struct Worker {
    client: Client,
    shared: Arc<Shared>,
    waits: [Duration; 4],
    on_loss: Option<OnLoss>,
    posted: u64,
    prefix: String,
}

impl Worker {
    fn run(mut self, events: &Receiver<Event>) {
        while let Ok(event) = events.recv() {
            self.posted += 1;
            let lost = self.shared.lost.load(Ordering::Relaxed);
            let body = Body {
                id: format!("{}-{}", self.prefix, self.posted),
                text: event.to_string(),
                lost,
                event: &event,
            };
            let Ok(body) = serde_json::to_vec(&body) else {
                self.shared.lost.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            match self.deliver(&body) {
                Ok(()) => {
                    self.shared.lost.fetch_sub(lost, Ordering::Relaxed);
                }
                Err(failed) => {
                    self.shared.lost.fetch_add(1, Ordering::Relaxed);
                    if let Some(told) = &mut self.on_loss {
                        let origin = self.client.origin();
                        told(&format!("{origin} was not told of `{event}`: {failed}"));
                    }
                    if self.has_ended() {
                        return;
                    }
                }
            }
        }
    }

    /// Tries until it arrives or is given up.
    fn deliver(&self, body: &[u8]) -> Result<(), Failed> {
        let mut waits = self.waits.iter();
        loop {
            let failed = match self.client.post(body) {
                Ok(()) => return Ok(()),
                Err(failed) => failed,
            };
            let next = waits.next().filter(|_| failed.may_pass());
            let Some(wait) = next.filter(|_| !self.has_ended()) else {
                return Err(failed);
            };
            self.pause(wait.mul_f64(0.75 + 0.5 * fastrand::f64()));
        }
    }

    fn has_ended(&self) -> bool {
        self.shared.has_ended.load(Ordering::SeqCst)
    }

    /// Waits, unless the controller ends: what then still waits is tried once.
    fn pause(&self, wait: Duration) {
        let began = std::time::Instant::now();
        loop {
            let left = wait.saturating_sub(began.elapsed());
            if left.is_zero() || self.has_ended() {
                return;
            }
            thread::park_timeout(left);
        }
    }
}

#[cfg(test)]
mod tests;
