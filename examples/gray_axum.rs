//! A service whose checkout fades from stable to gray code while it serves.
//!
//! `cargo run --example gray_axum`, then edit `flags.example.json` and see `/checkout` follow.

use std::fmt::Display;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::LazyLock;
use std::sync::mpsc::{self, SyncSender};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Json;
use axum::Router;
use axum::http::request::Parts;
use axum::routing::get;
use clap::Parser;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use fader::{Change, Event, Flags, TARGETING_KEY, flags};
use fader_axum::{Capture, FlagsLayer, RequestScope, Routing, gray};

flags! {
    /// Checkout v2.
    pub NewCheckout: bool = "new-checkout", default false;
}

/// Serves a stable and a gray checkout by the flags of a file that it follows.
#[derive(Parser)]
struct Args {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:3000")]
    addr: String,

    /// File with the flags.
    #[arg(long, default_value = "flags.example.json")]
    flags: PathBuf,
}

fn main() -> ExitCode {
    let result = run(&Args::parse());
    flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(args: &Args) -> Result<()> {
    let flags = fader_providers::file(&args.flags)
        .on_warning(|warning| warn(warning))
        .open()?;
    let listener = TcpListener::bind(&args.addr)
        .await
        .with_context(|| format!("cannot listen on `{}`", args.addr))?;
    let stop = stop_signal().context("cannot wait for signals")?;

    greet(&flags, args, listener.local_addr()?);
    let _reports = flags.subscribe(report);
    serve(listener, app(flags), stop).await
}

fn app(flags: Flags) -> Router {
    let checkout = get(gray(&NEW_CHECKOUT, gray_checkout, stable_checkout));
    Router::new()
        .route("/checkout", checkout.clone())
        .route("/v2/checkout", checkout)
        .route("/flags", get(decisions))
        .layer(FlagsLayer::new(Routing::new(flags).response_header(true)).attributes(caller))
}

/// Adds who calls. A real service takes this from a session or token, not from headers that anybody can write.
fn caller(_request: &Parts, attributes: &mut Capture<'_>) {
    if let Some(user) = attributes.header("x-user-id") {
        attributes.set_untyped(TARGETING_KEY, user);
        attributes.set_untyped("user.id", user);
        if user.bytes().all(|byte| byte.is_ascii_digit()) {
            attributes.set_untyped("user.number", user);
        }
    }
    if let Some(app) = attributes.header("x-app-id") {
        attributes.set_untyped("app.id", app);
    }
}

async fn stable_checkout() -> &'static str {
    "stable"
}

async fn gray_checkout() -> &'static str {
    "gray"
}

async fn decisions(scope: RequestScope) -> Json<Decisions> {
    Json(Decisions(scope))
}

/// Every flag of the document with its decision for this caller.
struct Decisions(RequestScope);

#[derive(Serialize)]
struct Decision<'a> {
    value: Option<&'a serde_json::Value>,
    variant: Option<&'a str>,
    reason: &'a str,
    rule: Option<&'a str>,
    version: &'a str,
}

impl Serialize for Decisions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for flag in self.0.flags() {
            let resolution = self.0.resolve(flag);
            let decision = Decision {
                value: resolution.value(),
                variant: resolution.variant(),
                reason: resolution.reason().as_str(),
                rule: resolution.rule(),
                version: resolution.version(),
            };
            map.serialize_entry(flag, &decision)?;
        }
        map.end()
    }
}

/// How long requests in hand may take once the service is told to stop.
const GRACE: Duration = Duration::from_secs(4);

/// Serves until `stop`: from then on no connection is taken, idle ones are closed, and requests in hand are finished.
async fn serve(
    listener: TcpListener,
    app: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let (stopping, stopped) = oneshot::channel();
    let server = axum::serve(
        listener,
        app.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .with_graceful_shutdown(async move {
        stop.await;
        let _ = stopping.send(());
        say("stopping");
    });
    let grace_is_over = async {
        let _ = stopped.await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = server.into_future() => served.context("cannot serve"),
        () = grace_is_over => {
            say(format_args!("left what was not finished within {} s", GRACE.as_secs()));
            Ok(())
        }
    }
}

/// Resolves at Ctrl-C and, where there is one, at SIGTERM. Both are caught from this call on.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

fn greet(flags: &Flags, args: &Args, address: SocketAddr) {
    let status = flags.status();
    for warning in status.warnings() {
        warn(warning);
    }
    for key in flags
        .check_keys([&NEW_CHECKOUT as &dyn fader::Key])
        .missing()
    {
        warn(format_args!(
            "the document has no flag `{key}`, so its default is served"
        ));
    }
    say(format_args!(
        "listening on http://{address}, flags of {} at version {}

  curl -i http://{address}/checkout                         nobody in particular: stable
  curl -i -H 'x-user-id: 8' http://{address}/checkout       stable at 5 %, gray at 25: edit `percent` in the file
  curl -i -H 'x-user-id: qa-1' http://{address}/checkout    a test account: gray
  curl -i http://{address}/v2/checkout                      an interface by its path, from a gray host: gray
  curl -H 'x-user-id: 42' http://{address}/flags            every decision for this caller

Edit {0} and try again; Ctrl-C stops the service.",
        args.flags.display(),
        status.version(),
    ));
}

fn report(event: &Event) {
    match event {
        Event::Loaded(change) => changed("loaded", change),
        Event::Overlaid(change) => changed("laid the overlay over", change),
        Event::RolledBack(change) => changed("rolled back to", change),
        Event::Refused(error) => say(format_args!(
            "refused, the last good version stays live: {error}"
        )),
        Event::Stale { error, .. } => say(format_args!(
            "stale, the last good version stays live: {error}"
        )),
        Event::Recovered { source } => say(format_args!("{source} is fine again")),
        _ => {}
    }
}

fn changed(what: &str, change: &Change) {
    let keys = match change.keys() {
        [] => "no flag changed".to_owned(),
        keys => keys.join(", "),
    };
    say(format_args!("{what} version {}: {keys}", change.version()));
    for warning in change.warnings() {
        warn(warning);
    }
}

/// What is to be printed, by a thread of its own: a terminal that nobody reads must hold up neither the following of
/// the file nor the end of the service.
enum Line {
    Said(String),
    Warned(String),
    /// Asks to be told once all before it is printed.
    Flush(mpsc::Sender<()>),
}

static PRINTER: LazyLock<SyncSender<Line>> = LazyLock::new(|| {
    let (lines, to_print) = mpsc::sync_channel(1024);
    thread::spawn(move || {
        for line in to_print {
            // It does not mind either that nobody reads any more.
            let _ = match line {
                Line::Said(text) => writeln!(io::stdout(), "{text}"),
                Line::Warned(text) => writeln!(io::stderr(), "warning: {text}"),
                Line::Flush(done) => done.send(()).map_err(io::Error::other),
            };
        }
    });
    lines
});

fn say(line: impl Display) {
    let _ = PRINTER.try_send(Line::Said(line.to_string()));
}

fn warn(line: impl Display) {
    let _ = PRINTER.try_send(Line::Warned(line.to_string()));
}

/// Waits until what was said is printed, but not for long.
fn flush() {
    let (done, printed) = mpsc::channel();
    if PRINTER.try_send(Line::Flush(done)).is_ok() {
        let _ = printed.recv_timeout(Duration::from_millis(500));
    }
}
