//! What the examples share, so that they differ in nothing but the framework: arguments, flags, what they say, and how
//! they stop.

mod answers;
mod outcomes;
mod print;
mod signal;

use std::fmt::Display;
use std::future::pending;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use std::{env, io};

use anyhow::{Context, Result};
use clap::Parser;
use tokio::sync::oneshot;

use fader::{Change, Event, Flags, Key, Watch, flags};
use fader_web::{Routing, TrustedProxies, Visitor, host};

pub use answers::{RETIRED, arm, caller, decisions, events};
use outcomes::Outcomes;
use print::{say, warn};
use signal::stop_signal;

flags! {
    /// Checkout v2.
    pub NewCheckout: bool = "new-checkout", default false;
    /// The page that visitors see before they sign in.
    pub NewLanding: bool = "new-landing", default false;
    /// How results of a search are ranked.
    pub SearchRanker: str = "search-ranker", default "bm25";
}

/// Serves stable and gray code by the flags of a file that it follows.
#[derive(Parser)]
struct Args {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:3000")]
    addr: String,

    /// File with the flags.
    #[arg(long, default_value = "flags.example.json")]
    flags: PathBuf,

    /// Networks of the proxies whose word on the client's address counts, such as `10.0.0.0/8, 192.0.2.7`.
    #[arg(
        long,
        value_name = "LIST",
        default_value = "",
        hide_default_value = true
    )]
    trusted_proxies: TrustedProxies,

    /// File to append to, a JSON object a line, how requests ended in either arm.
    #[arg(long, value_name = "FILE")]
    outcomes: Option<PathBuf>,
}

/// How long requests in hand may take once the service is told to stop.
pub const GRACE: Duration = Duration::from_secs(4);

/// A service that is about to serve.
pub struct Service {
    pub listener: TcpListener,
    pub routing: Routing,
    outcomes: Option<Arc<Outcomes>>,
    greeting: String,
}

/// Runs an example: `serve` is what its framework is for.
pub fn run(serve: impl FnOnce(Service) -> Result<()>) -> ExitCode {
    let result = Service::open(&Args::parse()).and_then(|service| {
        let outcomes = service.outcomes.clone();
        let _reports = service.routing.flags().subscribe(report);
        let served = serve(service);
        if let Some(outcomes) = outcomes {
            outcomes.flush();
        }
        served
    });
    print::flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Service {
    fn open(args: &Args) -> Result<Self> {
        let listener =
            listen(&args.addr).with_context(|| format!("cannot listen on `{}`", args.addr))?;
        let address = listener.local_addr()?;
        let flags = fader_providers::file(&args.flags)
            .flags(host(Flags::builder(), address.to_string()))
            .on_warning(|warning| warn(warning))
            .open()?;
        let outcomes = args.outcomes.as_deref().map(Outcomes::open).transpose()?;
        if let Some(outcomes) = &outcomes {
            // All that draw, so that a percent edited by hand shows both arms.
            flags.add_outcome_sink(Arc::clone(outcomes), Watch::Drawn);
        }
        let greeting = greeting(&flags, args, &address.to_string());
        let routing = Routing::new(flags)
            .trusted_proxies(args.trusted_proxies.clone())
            .visitor(visitor()?)
            .response_header(true)
            .cache_headers(true);
        Ok(Self {
            listener,
            routing,
            outcomes,
            greeting,
        })
    }

    /// Says that it listens. The first future resolves once the service is told to stop and its arms are drained: then the
    /// server is to stop. The second one resolves when the grace is over.
    pub fn start(
        &self,
    ) -> Result<(
        impl Future<Output = ()> + Send + use<>,
        impl Future<Output = ()> + Send + use<>,
    )> {
        let signal = stop_signal().context("cannot wait for signals")?;
        let in_flight = self.routing.in_flight();
        let (stopping, stopped) = oneshot::channel();
        say(&self.greeting);
        let drained = async move {
            signal.await;
            say("stopping");
            let _ = stopping.send(());
            // Until it ends the probe answers 503, and sockets and streams are told to end. The grace ends before it.
            in_flight.drain_all(2 * GRACE).await;
        };
        let grace_is_over = async move {
            if stopped.await.is_err() {
                pending::<()>().await;
            }
            tokio::time::sleep(GRACE).await;
        };
        Ok((drained, grace_is_over))
    }
}

/// Serves to the end, but no longer than the grace.
pub async fn within(
    grace_is_over: impl Future<Output = ()>,
    server: impl Future<Output = io::Result<()>>,
) -> Result<()> {
    tokio::select! {
        served = server => served.context("cannot serve"),
        () = grace_is_over => {
            say(format_args!("left what was not finished within {} s", GRACE.as_secs()));
            Ok(())
        }
    }
}

fn listen(address: &str) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    // Both frameworks ask for it.
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The key of the visitor cookie: without a lasting one, each start makes new visitors of all.
fn visitor() -> Result<Visitor> {
    const KEY: &str = "FADER_VISITOR_KEY";
    if let Some(key) = env::var_os(KEY) {
        return Visitor::new().key(key.as_encoded_bytes()).context(KEY);
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key).context("no random key for the visitor cookie")?;
    say(format_args!(
        "{KEY} is not set: visitors are known until the service stops"
    ));
    Ok(Visitor::new().key(key)?)
}

fn greeting(flags: &Flags, args: &Args, address: &str) -> String {
    let status = flags.status();
    for warning in status.warnings() {
        warn(warning);
    }
    let keys: [&'static dyn Key; 3] = [&NEW_CHECKOUT, &NEW_LANDING, &SEARCH_RANKER];
    for key in flags.check_keys(keys).missing() {
        warn(format_args!(
            "the document has no flag `{key}`, so its default is served"
        ));
    }
    format!(
        "listening on http://{address}, flags of {} at version {}

  curl -i http://{address}/checkout                          nobody in particular: stable
  curl -i -H 'x-user-id: 8' http://{address}/checkout        stable at 5 %, gray at 25: edit `percent` in the file
  curl -i -H 'x-user-id: qa-1' http://{address}/checkout     a test account: gray
  curl -i -H 'x-app-id: acme-pos' http://{address}/checkout  a partner's application: gray
  curl -i http://{address}/v2/checkout                       an interface by its path, from a gray host: gray
  curl -i -H 'x-user-id: 8' http://{address}/search          one of three rankers
  curl -N -H 'x-user-id: 8' http://{address}/events          ends once this user's checkout is another one
  curl -H 'x-user-id: 42' http://{address}/flags             every decision for this caller
  curl -i -H 'sec-fetch-mode: navigate' -c jar -b jar http://{address}/visitor
                                                             a new visitor, who is known from then on

Edit {0} and try again; Ctrl-C stops the service.",
        args.flags.display(),
        status.version(),
    )
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
        Event::Recovered { source, .. } => say(format_args!("{source} is fine again")),
        _ => {}
    }
}

fn changed(what: impl Display, change: &Change) {
    let keys = match change.keys() {
        [] => "no flag changed".to_owned(),
        keys => keys.join(", "),
    };
    say(format_args!("{what} version {}: {keys}", change.version()));
    for warning in change.warnings() {
        warn(warning);
    }
}
