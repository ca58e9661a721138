//! Other engines measured beside the library, in a workspace of their own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::tools::{self, cargo};

/// The folder of the workspace, in this one.
const PEERS: &str = "benches/peers";
/// Where the page and the picture go.
const DOCS: &str = "docs";

/// Builds the peers, holds them to their answers, measures them, and writes `docs/BENCHMARKS.md` with its picture.
///
/// What was measured stays beside the build, as `results.json`.
///
/// # Errors
///
/// A peer does not build, an engine answers what it should not, or a file can't be written.
pub fn run() -> anyhow::Result<()> {
    let root = tools::root()
        .canonicalize()
        .context("cannot find the workspace")?;
    let target = target(&root);
    println!("==> build");
    let mut build = cargo();
    build
        .args(["build", "--release", "--locked", "--manifest-path"])
        .arg(root.join(PEERS).join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", &target);
    call(&mut build)?;
    let program = target.join("release").join("fader-peers");
    let results = target.join("results.json");
    println!("==> measure: some minutes, on a machine that should have nothing else to do");
    // A run that fails leaves what the last one found.
    let found = target.join("results.json.new");
    let file =
        File::create(&found).with_context(|| format!("cannot write `{}`", found.display()))?;
    call(Command::new(&program).arg("measure").stdout(file))?;
    fs::rename(&found, &results)
        .with_context(|| format!("cannot write `{}`", results.display()))?;
    println!("==> report");
    let mut report = Command::new(&program);
    report.arg("report").arg(&results).arg(root.join(DOCS));
    call(&mut report)
}

/// Returns where the peers are built: a folder of their own, for their features are not those of this workspace.
fn target(root: &Path) -> PathBuf {
    let folder = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    root.join(folder).join("peers")
}

fn call(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .with_context(|| format!("cannot run `{name}`"))?;
    ensure!(status.success(), "`{name}` ended with an error");
    Ok(())
}
