//! Outcomes as lines of JSON, by a thread of its own behind a bounded channel: a slow disk must not hold up a request.
//! What does not fit into the channel is dropped, counted and told.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use serde::Serialize;

use fader::{DrawnFlag, Outcome, OutcomeSink, Timestamp};

use super::print::{say, warn};

/// How many lines may wait for the disk.
const WAITING: usize = 8192;
/// How many are written at once.
const BATCH: usize = 1024;
/// How long the end of the service waits for the disk.
const PATIENCE: Duration = Duration::from_millis(500);

enum Message {
    Line(Vec<u8>),
    /// Asks to be told once all before it is written.
    Flush(mpsc::Sender<()>),
}

/// A file that outcomes are appended to.
pub struct Outcomes {
    lines: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    flag: &'a str,
    rule: &'a str,
    arm: &'a str,
    variant: Option<&'a str>,
    event: &'a str,
    /// Of an event of the service's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ending: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<f64>,
}

impl<'a> Line<'a> {
    fn new(drawn: &DrawnFlag<'a>, event: &'a str) -> Self {
        Self {
            time: Timestamp::from(SystemTime::now()).to_string(),
            flag: drawn.flag(),
            rule: drawn.rule(),
            arm: drawn.arm().as_str(),
            variant: drawn.variant(),
            event,
            name: None,
            ending: None,
            latency_ms: None,
        }
    }
}

impl Outcomes {
    pub fn open(path: &Path) -> Result<Arc<Self>> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.with_context(|| format!("cannot append to {}", path.display()))?;
        let (lines, to_write) = mpsc::sync_channel(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        thread::spawn({
            let dropped = Arc::clone(&dropped);
            move || write(file, &to_write, &dropped)
        });
        Ok(Arc::new(Self { lines, dropped }))
    }

    fn tell(&self, line: &Line<'_>) {
        // A line of texts and numbers always has a form.
        let mut text = serde_json::to_vec(line).unwrap_or_default();
        text.push(b'\n');
        if self.lines.try_send(Message::Line(text)).is_err()
            && self.dropped.fetch_add(1, Ordering::Relaxed) == 0
        {
            warn("outcomes come faster than they are written: lines are dropped");
        }
    }

    /// Waits until what was told is written, but not for long.
    pub fn flush(&self) {
        let deadline = Instant::now() + PATIENCE;
        let (done, written) = mpsc::channel();
        let mut message = Message::Flush(done);
        while let Err(TrySendError::Full(again)) = self.lines.try_send(message)
            && Instant::now() < deadline
        {
            message = again;
            thread::sleep(Duration::from_millis(5));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if written.recv_timeout(left).is_err() {
            warn("not all outcomes were written");
        }
        tell_dropped(&self.dropped);
    }
}

impl OutcomeSink for Outcomes {
    fn began(&self, drawn: &DrawnFlag<'_>) {
        self.tell(&Line::new(drawn, "began"));
    }

    fn ended(&self, drawn: &DrawnFlag<'_>, outcome: &Outcome) {
        let micros = outcome.latency().map(|latency| latency.as_micros());
        self.tell(&Line {
            ending: Some(outcome.ending().as_str()),
            latency_ms: micros.map(|micros| micros as f64 / 1000.0),
            ..Line::new(drawn, "ended")
        });
    }

    fn reported(&self, drawn: &DrawnFlag<'_>, event: &str) {
        self.tell(&Line {
            name: Some(event),
            ..Line::new(drawn, "reported")
        });
    }

    fn late(&self, drawn: &DrawnFlag<'_>) {
        self.tell(&Line::new(drawn, "late"));
    }
}

fn write(mut file: File, messages: &Receiver<Message>, dropped: &AtomicU64) {
    let mut is_failing = false;
    while let Ok(first) = messages.recv() {
        let (mut batch, mut flushes) = (Vec::new(), Vec::new());
        for message in std::iter::once(first).chain(messages.try_iter().take(BATCH)) {
            match message {
                Message::Line(line) => batch.extend(line),
                Message::Flush(done) => flushes.push(done),
            }
        }
        let written = file.write_all(&batch);
        if let Err(error) = &written
            && !is_failing
        {
            warn(format_args!("cannot write outcomes: {error}"));
        }
        is_failing = written.is_err();
        tell_dropped(dropped);
        for done in flushes {
            let _ = done.send(());
        }
    }
}

fn tell_dropped(dropped: &AtomicU64) {
    let lines = dropped.swap(0, Ordering::Relaxed);
    if lines > 0 {
        say(format_args!("{lines} lines of outcomes were dropped"));
    }
}
