//! Measures other feature-flag engines beside `fader`: the same flags, each in its engine's own format, the same users,
//! one process, one run.
//!
//! ```text
//! fader-peers measure > results.json
//! fader-peers report results.json FOLDER
//! ```
//!
//! `measure` first holds every engine to what the flags mean, then measures. `report` writes `BENCHMARKS.md` and
//! `benchmarks.svg` from what it found.

mod engine;
mod engines;
mod flags;
mod histogram;
mod machine;
mod measure;
mod picture;
mod poll;
mod report;
mod results;
mod run;
mod server;
mod swap;
mod verify;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use fader_benches::counting::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> anyhow::Result<()> {
    match arguments {
        ["verify"] => run::verify(),
        ["measure"] => {
            println!("{}", serde_json::to_string_pretty(&run::measure()?)?);
            Ok(())
        }
        ["report", results, folder] => {
            let text = std::fs::read(results).with_context(|| format!("can't read {results}"))?;
            report::write(&serde_json::from_slice(&text)?, Path::new(folder))
        }
        _ => bail!("usage: fader-peers verify | measure | report RESULTS FOLDER"),
    }
}
