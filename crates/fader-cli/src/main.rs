//! `fader`: questions to a flag document, and orders to the ramps that run by it, on the command line.
//!
//! - [`check`]: is this document right?
//! - [`eval`]: what does a flag resolve to, for this context, at this time?
//! - [`position`]: where does a unit stand?
//! - [`kill`]: nobody is to be served this flag's variants, or they are again.
//! - [`rollout`]: what will the guardrails of a ramp see, how far is it, and what is to become of it?
//! - [`watch`]: what happens to this document while it is edited?
//!
//! Each exits with 0 when all is fine, 1 when there are findings, 2 when it could not run, 3 when it has waited in vain.

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

mod batch;
mod check;
mod document;
mod eval;
mod kill;
mod output;
mod position;
mod rollout;
mod usage;
mod watch;

/// Feature flags that fade in: asks questions to a flag document, and steers the ramps that run by it.
#[derive(Parser)]
#[command(name = "fader", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Args),
    Eval(eval::Args),
    /// Kills a flag: nobody is served its variants any more.
    ///
    /// It is written to the overlay, and needs no controller. A staged ramp of the flag is rolled back by it. Exits with 0
    /// if it is written, 2 if it could not be.
    Kill(kill::Args),
    Position(position::Args),
    Rollout(rollout::Args),
    /// Takes a kill off.
    ///
    /// Exits with 0 if the flag is not killed any more, 2 if the overlay could not be read or written.
    Unkill(kill::Args),
    Watch(watch::Args),
}

/// Whom the output is for.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// For programs.
    Json,
}

/// How a command ended that could run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Fine,
    Findings,
    /// It could not run, and has said why.
    Failed,
    /// What it waits for did not come in time.
    TimedOut,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage::answer(&error),
    };
    let outcome = match cli.command {
        Command::Check(args) => check::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Kill(args) => kill::run_kill(&args),
        Command::Position(args) => position::run(&args),
        Command::Rollout(args) => rollout::run(&args),
        Command::Unkill(args) => kill::run_unkill(&args),
        Command::Watch(args) => watch::run(&args),
    };
    match outcome {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Findings) => ExitCode::from(1),
        Ok(Outcome::Failed) => ExitCode::from(2),
        Ok(Outcome::TimedOut) => ExitCode::from(3),
        // Whoever read the answers has seen enough, as `head` does.
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&format!("{error:#}"));
            ExitCode::from(2)
        }
    }
}
