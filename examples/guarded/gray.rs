//! The gray code, which can be made to go bad, and what is known of when it did.

use std::future::pending;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::print::{say, warn};

/// How much longer a slow request takes.
const SLOW: Duration = Duration::from_millis(400);
/// For how long a request blocks its thread.
const BLOCK: Duration = Duration::from_secs(10);

/// What the gray code does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Behaviour {
    /// Answers as the stable code does.
    Well,
    /// Answers each request with 500.
    Fail,
    /// Never answers.
    Hang,
    /// Takes 400 ms longer.
    Slow,
    /// Blocks the thread that it runs on for 10 s.
    Block,
    /// Ends the process.
    Abort,
}

/// The gray code of this process.
pub static GRAY: Gray = Gray(Mutex::new(State {
    behaviour: Behaviour::Well,
    first: None,
    last: None,
    requests: 0,
}));

pub struct Gray(Mutex<State>);

/// How it behaves, and the requests that it got since it does so.
#[derive(Clone, Copy)]
struct State {
    behaviour: Behaviour,
    first: Option<Instant>,
    last: Option<Instant>,
    requests: u32,
}

/// The requests that the gray code got since it went bad.
#[derive(Clone, Copy)]
pub struct Harm {
    pub first: Instant,
    pub last: Instant,
    pub requests: u32,
}

impl Gray {
    /// Serves a request: status and body.
    pub async fn serve(&self) -> (u16, &'static str) {
        match self.enter() {
            Behaviour::Well => {}
            Behaviour::Fail => return (500, "gray"),
            Behaviour::Hang => pending().await,
            Behaviour::Slow => tokio::time::sleep(SLOW).await,
            Behaviour::Block => thread::sleep(BLOCK),
            Behaviour::Abort => std::process::abort(),
        }
        (200, "gray")
    }

    fn enter(&self) -> Behaviour {
        let mut state = self.state();
        let now = Instant::now();
        state.first.get_or_insert(now);
        state.last = Some(now);
        state.requests += 1;
        state.behaviour
    }

    /// Makes it behave so from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        *self.state() = State {
            behaviour,
            first: None,
            last: None,
            requests: 0,
        };
        say(format_args!("gray code: {behaviour:?}")
            .to_string()
            .to_lowercase());
    }

    /// Makes it behave so after a while.
    pub fn behave_after(&'static self, after: Duration, behaviour: Behaviour) -> Result<()> {
        if after.is_zero() {
            self.behave(behaviour);
            return Ok(());
        }
        let wait = move || {
            thread::sleep(after);
            self.behave(behaviour);
        };
        let thread = thread::Builder::new().name("gray".to_owned()).spawn(wait);
        thread.map(drop).context("no thread for the switch")
    }

    /// What it got since it went bad, if it did and got any.
    pub fn harm(&self) -> Option<Harm> {
        let state = *self.state();
        let is_bad = state.behaviour != Behaviour::Well;
        Some(Harm {
            first: state.first.filter(|_| is_bad)?,
            last: state.last?,
            requests: state.requests,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What `switch` knows.
pub const WORDS: &str = "say well, fail, hang, slow, block or abort\n";

/// What `POST /gray/WORD` does: whether there is such a word.
pub fn switch(word: &str) -> bool {
    let behaviour = Behaviour::from_str(word, true);
    if let Ok(behaviour) = behaviour {
        GRAY.behave(behaviour);
    }
    behaviour.is_ok()
}

/// Takes words from standard input as well: a service whose threads are all blocked answers no request.
pub fn listen_to_lines() -> Result<()> {
    let listen = || {
        for line in io::stdin().lines().map_while(Result::ok) {
            let word = line.trim();
            if !word.is_empty() && !switch(word) {
                warn(WORDS.trim_end());
            }
        }
    };
    let thread = thread::Builder::new()
        .name("lines".to_owned())
        .spawn(listen);
    thread.map(drop).context("no thread for standard input")
}
