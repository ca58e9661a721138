//! What guardrails promise, shown by many runs.

use anyhow::{Context, ensure};

use crate::tools::{self, cargo};

/// Runs the example `guardrails` of `fader-rollout`, which prints the tables and puts them and the pictures into `docs`.
///
/// # Errors
///
/// It does not build, or a file can't be written.
pub fn run(options: &[&str]) -> anyhow::Result<()> {
    println!("==> half an hour on two cores that have nothing else to do, unless --runs says less");
    let mut command = cargo();
    command
        .args(["run", "--release", "--package", "fader-rollout"])
        .args(["--example", "guardrails", "--", "--into"])
        .arg(tools::root().join("docs"))
        .args(options);
    let status = command.status().context("cannot run cargo")?;
    ensure!(
        status.success(),
        "the runs ended with an error: what they say is above"
    );
    Ok(())
}
