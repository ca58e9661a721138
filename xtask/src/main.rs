//! The chores of this workspace, as `cargo xtask COMMAND`.
//!
//! It needs cargo alone. All steps share one target folder: that of `CARGO_TARGET_DIR` where it is set.

mod bench;
mod check;
mod guardrails;
mod invariants;
mod peers;
mod tools;
mod web;

use std::process::ExitCode;

use anyhow::bail;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  setup           installs what the tests need beyond cargo
  test            runs everything that has to be green
  test --setup    does both
  bench [FILTER] [--format table|json]
                  times the works whose names contain FILTER, beside their floors
  bench [FILTER] [--format table|json] --instructions
                  counts their instructions with valgrind, and fails if there are over 3 % more
                  than benches/instructions.json keeps
  bench --instructions --bless
                  keeps the new figures
  bench-web [axum|actix] [--pairs NUMBER] [--format table|json]
                  measures what the flags cost a server: CPU time a request, and latency
  bench-peers     measures other engines beside this one, and writes docs/BENCHMARKS.md
  guardrails [--runs NUMBER]
                  shows what guardrails promise, with NUMBER healthy runs of each kind (10,000),
                  and writes the tables and pictures of docs/GUARDRAILS.md";

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
        ["setup"] => tools::setup(),
        ["test"] => check::run(),
        ["test", "--setup"] => {
            tools::setup()?;
            check::run()
        }
        ["bench", options @ ..] => bench::run(options),
        ["bench-web", options @ ..] => web::run(options),
        ["bench-peers"] => peers::run(),
        ["guardrails", options @ ..] => guardrails::run(options),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        other => bail!("unknown command `{}`\n{USAGE}", other.join(" ")),
    }
}
