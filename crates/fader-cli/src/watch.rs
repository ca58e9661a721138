//! `fader watch`: what happens to this document while it is edited?
//!
//! One channel carries everything that can happen, events and the wish to stop, so that one thread writes all lines.

use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use fader::{Change, CompileError, Diagnostic, DiagnosticKind, Event, Flags, State, Timestamp};
use fader_providers::{ErrorKind, ProviderError};
use serde::Serialize;

use crate::document::{self, Headers, Place};
use crate::{Format, Outcome, output};

/// How often a document that could not be loaded yet is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// How often an address is asked.
const POLL: Duration = Duration::from_secs(5);

/// How many changed flags a message names.
const NAMED: usize = 5;

/// Follows a flag document and writes a line for each load and each refusal, until it is interrupted.
///
/// The first load is a line too. A document that is broken at the start is refused and tried again until it is mended.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The document: a file, a folder of files, or an http(s) address, which is asked every 5 s.
    #[arg(value_parser = document::place())]
    file: Place,
    /// Whom the lines are for.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    #[command(flatten)]
    headers: Headers,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let (sender, inbox) = mpsc::channel();
    let stop = sender.clone();
    // The receiver is gone only when the program is about to end anyway.
    ctrlc::set_handler(move || drop(stop.send(Message::Stop)))
        .context("cannot wait for signals")?;

    let Some(flags) = open(args, &inbox)? else {
        return Ok(Outcome::Fine);
    };
    let _subscription = flags.subscribe(move |event| {
        if let Some(line) = Line::of(event) {
            drop(sender.send(Message::Line(line)));
        }
    });
    Line::first(&flags).write(args.format)?;
    for message in &inbox {
        match message {
            Message::Line(line) => line.with_version(&flags).write(args.format)?,
            Message::Stop => break,
        }
    }
    Ok(Outcome::Fine)
}

/// Opens the document; `None` where it was interrupted before it got a good one.
fn open(args: &Args, inbox: &Receiver<Message>) -> anyhow::Result<Option<Flags>> {
    let mut told = None;
    loop {
        let opened = match &args.file {
            Place::Path(path) => document::on_disk(path).on_warning(output::warn).open(),
            Place::Address(address) => document::at(address, &args.headers)
                .poll_every(POLL)
                .initial_spread(Duration::ZERO)
                .stale_after(Duration::ZERO)
                .open(),
        };
        let error = match opened {
            Ok(flags) => return Ok(Some(flags)),
            Err(error) if told.is_none() && error.kind() != ErrorKind::Refused => {
                return Err(error.into());
            }
            Err(error) => error,
        };
        let message = error.to_string();
        if told.as_ref() != Some(&message) {
            Line::failed(&error).write(args.format)?;
            told = Some(message);
        }
        match inbox.recv_timeout(RETRY) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return Ok(None),
        }
    }
}

/// What the writing thread hears of.
enum Message {
    Line(Line),
    Stop,
}

/// One line of output.
#[derive(Serialize)]
struct Line {
    at: String,
    event: &'static str,
    /// What is live.
    version: Option<String>,
    kind: Option<&'static str>,
    message: String,
}

impl Line {
    fn new(event: &'static str, kind: Option<DiagnosticKind>, message: String) -> Self {
        let at = Timestamp::from(SystemTime::now()).to_string();
        Self {
            at,
            event,
            version: None,
            kind: kind.map(DiagnosticKind::as_str),
            message,
        }
    }

    /// Tells of what is live at the start.
    fn first(flags: &Flags) -> Self {
        let snapshot = flags.snapshot();
        let status = flags.status();
        if status.state() == State::Failed {
            let error = status.error().unwrap_or("nothing was loaded yet");
            return Self::new("stale", None, error.to_owned());
        }
        let message = output::count(snapshot.flags().count(), "flag");
        Self::loaded(snapshot.version(), message, status.warnings())
    }

    fn of(event: &Event) -> Option<Self> {
        Some(match event {
            Event::Loaded(change) => {
                Self::loaded(change.version(), changed(change), change.warnings())
            }
            Event::Overlaid(change) => Self::loaded(
                change.version(),
                format!("a new overlay, {}", changed(change)),
                change.warnings(),
            ),
            Event::Refused(error) => Self::refused(error),
            Event::Stale { kind, error, .. } => Self {
                kind: Some(kind),
                ..Self::new("stale", None, error.clone())
            },
            Event::Recovered { source, .. } => {
                Self::new("recovered", None, format!("`{source}` is good again"))
            }
            // Nobody rolls this handle back.
            _ => return None,
        })
    }

    fn loaded(version: &str, what: String, warnings: &[Diagnostic]) -> Self {
        let message = match warnings {
            [] => what,
            [only] => format!("{what}; {only}"),
            [first, more @ ..] => format!(
                "{what}; {first} (and {} more)",
                output::count(more.len(), "warning")
            ),
        };
        let line = Self::new("loaded", warnings.first().map(Diagnostic::kind), message);
        Self {
            version: Some(version.to_owned()),
            ..line
        }
    }

    fn refused(error: &CompileError) -> Self {
        Self::new(
            "refused",
            error.first().map(Diagnostic::kind),
            error.to_string(),
        )
    }

    fn failed(error: &ProviderError) -> Self {
        match error.compile_error() {
            Some(error) => Self::refused(error),
            None => Self::new("stale", None, error.to_string()),
        }
    }

    /// Adds the version that is live, where the event did not bring one.
    fn with_version(mut self, flags: &Flags) -> Self {
        self.version = self.version.or_else(|| {
            let snapshot = flags.snapshot();
            let version = snapshot.version();
            (!version.is_empty()).then(|| version.to_owned())
        });
        self
    }

    fn write(&self, format: Format) -> anyhow::Result<()> {
        let mut out = output::plain();
        match format {
            Format::Json => self.write_json(&mut out),
            Format::Human => self.write_human(&mut out),
        }
        .and_then(|()| out.flush())
        .map_err(output::failed)
    }

    fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        writeln!(out)
    }

    fn write_human(&self, out: &mut impl Write) -> io::Result<()> {
        let version = self.version.as_deref().unwrap_or("-");
        let message = output::printable(&self.message);
        writeln!(out, "{}  {:<9}  {version}  {message}", self.at, self.event)
    }
}

/// Names the flags that changed, or counts them where they are many.
fn changed(change: &Change) -> String {
    match change.keys() {
        [] => "no flag changed".to_owned(),
        keys if keys.len() <= NAMED => {
            let names: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
            format!("changed: {}", names.join(", "))
        }
        keys => format!("{} flags changed", keys.len()),
    }
}
