//! A release that rolls itself back: a service, its own traffic, a staged ramp with guardrails, and a switch by which the
//! gray code goes bad.
//!
//! `cargo run --example guarded_rollout`, and watch. `docs/GUARDED-RAMPS.md` goes through what it prints.

mod guarded;
#[path = "service/print.rs"]
mod print;
#[path = "service/signal.rs"]
mod signal;

use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use clap::Parser;

use fader::flags;
use fader_rollout::control::Rollouts;
use fader_web::Routing;
use guarded::args::Args;
use guarded::folder::Folder;
use guarded::gray::{self, GRAY};
use guarded::screen::{Screen, TURN};
use guarded::stop::{self, GRACE, Told};
use guarded::traffic::Traffic;
use print::{say, warn};

flags! {
    /// Checkout v2.
    pub NewCheckout: bool = "new-checkout", default false;
}

fn main() -> ExitCode {
    let result = run(&Args::parse());
    print::flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let began = Instant::now();
    let (tell, told) = mpsc::channel();
    stop::at_a_signal(tell.clone())?;
    let folder = Folder::open(args)?;
    let listener = stop::listen(&args.addr)?;
    let address = listener.local_addr()?;

    // What a service does for a guarded ramp: it follows its document, and starts what runs the ramps.
    let flags = fader_providers::file(folder.flags())
        .on_warning(|warning| warn(warning))
        .open()?;
    let rollouts = Rollouts::builder()
        .restart_hold(args.restart_hold)
        .on_event(move |event| guarded::screen::event(began, event))
        .start(&flags, folder.state())?;

    // What it does for flags anyway.
    let routing = Routing::new(flags).response_header(true);
    let in_flight = routing.in_flight();
    let server = stop::Server::start(
        args.framework,
        listener,
        routing,
        args.workers,
        tell.clone(),
    )?;
    say(folder.greeting(args, address));

    GRAY.behave_after(args.after, args.gray)?;
    gray::listen_to_lines()?;
    let traffic = Traffic::start(address, args.rate, args.users)?;
    let mut screen = Screen::new(began);
    let mut next = Instant::now() + TURN;
    let served = loop {
        match told.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(Told::Stop) => break Ok(()),
            Ok(Told::Ended(served)) => {
                break served.and(Err(anyhow!("the server has ended by itself")));
            }
            Err(RecvTimeoutError::Disconnected) => break Ok(()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        next += TURN;
        rollouts.set_gauge("silence", traffic.silence().as_secs_f64());
        if screen.turn(&rollouts.status(), &traffic.seen(), &in_flight) && args.until_done {
            break Ok(());
        }
    };

    say("stopping");
    traffic.stop();
    server.stop(&told, GRACE);
    // Last: so the ramp's guardrails watch what is finished, and who comes next knows that nothing went wrong.
    drop(rollouts);
    served.context("cannot serve")
}
