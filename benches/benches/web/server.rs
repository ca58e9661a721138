//! A server as a process: how it is started, and what it says of itself.
//!
//! It first writes its port. Then it answers each line that it is sent with the microseconds that it has spent in user
//! and in system mode, and with how many endings were counted. When its input ends, so does it: no server outlives who started it.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Sub;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::cores;
use crate::flags::Told;
use crate::servers::{Framework, Variant};

/// A server that runs.
pub struct Server {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    pub address: SocketAddr,
}

/// What a server has done since it began.
#[derive(Clone, Copy)]
pub struct Done {
    /// What it has spent in user mode.
    pub user: Duration,
    /// And in all, with what the kernel has spent on it.
    pub cpu: Duration,
    /// How many endings of a request for a flag were counted.
    pub told: u64,
}

impl Server {
    pub fn start(framework: Framework, variant: Variant) -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["serve", framework.as_str(), variant.as_str()])
            .arg(cores::of_server())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start a server")?;
        let input = process.stdin.take().context("it has an input")?;
        let output = process.stdout.take().context("it has an output")?;
        let mut server = Self {
            process,
            input,
            output: BufReader::new(output),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        };
        let port = server.line()?.trim().parse();
        server
            .address
            .set_port(port.context("the server did not start")?);
        Ok(server)
    }

    /// Asks what it has done.
    pub fn done(&mut self) -> anyhow::Result<Done> {
        self.input.write_all(b"\n").context("the server is gone")?;
        let line = self.line()?;
        let figures: Option<Vec<u64>> = line.split(' ').map(|it| it.trim().parse().ok()).collect();
        let Some(&[user, system, told]) = figures.as_deref() else {
            bail!("the server is gone");
        };
        Ok(Done {
            user: Duration::from_micros(user),
            cpu: Duration::from_micros(user + system),
            told,
        })
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which its next answer would have told.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Sub for Done {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            // The kernel guesses what part of the whole it is, and may think better of it.
            user: self.user.saturating_sub(earlier.user),
            cpu: self.cpu - earlier.cpu,
            told: self.told - earlier.told,
        }
    }
}

/// Tells the port of this server, and answers until its input ends.
pub fn answer(port: u16, told: Told) {
    println!("{port}");
    std::thread::spawn(move || {
        for _ in std::io::stdin().lines().map_while(Result::ok) {
            let usage = getrusage(UsageWho::RUSAGE_SELF).expect("nothing can be wrong with it");
            let [user, system] =
                [usage.user_time(), usage.system_time()].map(|time| time.num_microseconds());
            println!("{user} {system} {}", told());
        }
        std::process::exit(0);
    });
}
