//! What the flags cost a server over TCP.

use anyhow::{Context, ensure};

use crate::tools::cargo;

/// Measures, as the options say, which are those of `benches/benches/web`.
///
/// # Errors
///
/// An option is wrong, the servers do not build, or one answers what it should not.
pub fn run(options: &[&str]) -> anyhow::Result<()> {
    let mut command = cargo();
    // Cargo writes to standard error: standard output is the report's alone.
    command
        .args(["bench", "--package", "fader-benches", "--bench", "web"])
        .arg("--")
        .args(options);
    let status = command.status().context("cannot run cargo")?;
    ensure!(
        status.success(),
        "`cargo bench` ended with an error: what it says is above"
    );
    Ok(())
}
