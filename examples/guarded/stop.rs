//! The server on a thread of its own, and how all of it stops.

use std::io;
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, Sender};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use fader_web::Routing;

use super::args::Framework;
use super::{serve_actix, serve_axum};
use crate::print::say;
use crate::signal::stop_signal;

/// How long requests in hand may take once the service is told to stop.
pub const GRACE: Duration = Duration::from_secs(4);

/// What the main thread is told.
pub enum Told {
    /// It is to stop.
    Stop,
    /// The server has ended.
    Ended(Result<()>),
}

pub fn listen(address: &str) -> Result<TcpListener> {
    let listen = || {
        let listener = TcpListener::bind(address)?;
        // Both frameworks ask for it.
        listener.set_nonblocking(true)?;
        io::Result::Ok(listener)
    };
    listen().with_context(|| format!("cannot listen on `{address}`"))
}

/// A running server.
pub struct Server {
    stop: oneshot::Sender<()>,
}

impl Server {
    pub fn start(
        framework: Framework,
        listener: TcpListener,
        routing: Routing,
        workers: usize,
        tell: Sender<Told>,
    ) -> Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let serve = match framework {
            Framework::Axum => serve_axum::serve,
            Framework::Actix => serve_actix::serve,
        };
        thread::Builder::new()
            .name("server".to_owned())
            .spawn(move || {
                let served = serve(listener, routing, workers, stopped);
                let _ = tell.send(Told::Ended(served.map_err(Into::into)));
            })
            .context("no thread for the server")?;
        Ok(Self { stop })
    }

    /// Lets it finish what is in hand, for as long as the grace.
    pub fn stop(self, told: &Receiver<Told>, grace: Duration) {
        let _ = self.stop.send(());
        if told.recv_timeout(grace).is_err() {
            let grace = grace.as_secs();
            say(format_args!("left what was not finished within {grace} s"));
        }
    }
}

/// Tells of Ctrl-C and SIGTERM, on a thread that no handler blocks. Both are caught from this call on.
pub fn at_a_signal(tell: Sender<Told>) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let signal = {
        let _guard = runtime.enter();
        stop_signal().context("cannot wait for signals")?
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(signal);
            let _ = tell.send(Told::Stop);
        })
        .context("no thread for signals")?;
    Ok(())
}
