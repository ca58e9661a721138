//! What can be set.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use super::gray::Behaviour;

/// Runs a staged ramp under traffic of its own, and lets the gray code go bad.
#[derive(Parser)]
pub struct Args {
    /// The framework that serves.
    #[arg(long, value_enum, default_value_t = Framework::Axum)]
    pub framework: Framework,

    /// What the gray code does, once it goes bad.
    #[arg(long, value_enum, default_value_t = Behaviour::Fail)]
    pub gray: Behaviour,

    /// When it does so, counted from the start: `20s`, `1500ms`, `2m`.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration)]
    pub after: Duration,

    /// Requests a second that the service sends itself; with 0 it sends none.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub rate: u32,

    /// How many users they come from.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub users: u32,

    /// Threads that serve.
    #[arg(long, default_value_t = 8, value_parser = at_least_one)]
    pub workers: usize,

    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:3000")]
    pub addr: String,

    /// Folder with `flags.json`, its overlay and the state directory, to be taken up by the next start. Without it they are
    /// in a fresh one, which is deleted at the end.
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,

    /// File with the flags. Default: `flags.json` in the folder, which is written where it is missing.
    #[arg(long, value_name = "FILE")]
    pub flags: Option<PathBuf>,

    /// For how long nobody gets the gray code after the process was killed or has crashed.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub restart_hold: Duration,

    /// Ends once the ramp is rolled back or completed.
    #[arg(long)]
    pub until_done: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Framework {
    Axum,
    Actix,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a number from 1 on".to_owned()),
        Ok(number) => Ok(number),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        _ => return Err("a time is a number with `ms`, `s` or `m`, such as `20s`".to_owned()),
    };
    let number: u32 = digits
        .parse()
        .map_err(|_| format!("`{digits}` is no number"))?;
    Ok(unit * number)
}
