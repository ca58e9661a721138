//! How a controller is set up, and who is told what it does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use fader::{Clock, Store, SystemClock};

use super::event::Event;
use super::status::Status;
use crate::machine::{DEFAULT_MAX_CRASHES, DEFAULT_RESTART_HOLD};

/// How many messages may wait for those who are told.
const WAITING: usize = 4096;

type Told<T> = Box<dyn FnMut(&T) + Send>;

pub(super) struct Settings {
    pub(super) restart_hold: Duration,
    pub(super) max_crashes: u32,
    pub(super) store: Option<Arc<dyn Store>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) events: Vec<Told<Event>>,
    pub(super) statuses: Vec<Told<Status>>,
    pub(super) outbox: Option<SyncSender<Message>>,
    #[cfg(feature = "probes")]
    pub(super) probes: Vec<super::probe::Probe>,
    #[cfg(feature = "webhook")]
    pub(super) webhooks: Vec<super::webhook::Webhook>,
}

pub(super) enum Message {
    Event(Event),
    Status(Box<Status>),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            restart_hold: DEFAULT_RESTART_HOLD,
            max_crashes: DEFAULT_MAX_CRASHES,
            store: None,
            clock: Arc::new(SystemClock::default()),
            events: Vec::new(),
            statuses: Vec::new(),
            outbox: None,
            #[cfg(feature = "probes")]
            probes: Vec::new(),
            #[cfg(feature = "webhook")]
            webhooks: Vec::new(),
        }
    }
}

impl Settings {
    /// Starts the thread on which those are called who are told: none of them can hold the controller up.
    pub(super) fn start_telling(&mut self) -> std::io::Result<()> {
        let mut events = std::mem::take(&mut self.events);
        let mut statuses = std::mem::take(&mut self.statuses);
        if events.is_empty() && statuses.is_empty() {
            return Ok(());
        }
        let (outbox, inbox) = sync_channel(WAITING);
        thread::Builder::new()
            .name("fader-events".to_owned())
            .spawn(move || {
                while let Ok(message) = inbox.recv() {
                    match message {
                        Message::Event(event) => tell_all(&mut events, &event),
                        Message::Status(status) => tell_all(&mut statuses, &*status),
                    }
                }
            })?;
        self.outbox = Some(outbox);
        Ok(())
    }

    pub(super) fn tell(&self, event: Event) {
        self.send(Message::Event(event));
    }

    pub(super) fn tell_status(&self, status: &Status) {
        if self.outbox.is_some() {
            self.send(Message::Status(Box::new(status.clone())));
        }
    }

    /// What finds no room is lost: whoever is told is stuck, and the ramps must not be.
    fn send(&self, message: Message) {
        if let Some(outbox) = &self.outbox {
            match outbox.try_send(message) {
                Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
            }
        }
    }
}

/// One that panics keeps no other from being told.
fn tell_all<T>(all: &mut [Told<T>], what: &T) {
    for told in all {
        let _ = catch_unwind(AssertUnwindSafe(|| told(what)));
    }
}
