//! Everything that has to be green, one step after the other.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, bail, ensure};

use crate::invariants;
use crate::tools::{self, cargo};

/// The features of the workspace's crates, each checked without any other.
const FEATURES: [(&str, &[&str]); 14] = [
    ("fader", &["--features", "rwlock-strategy"]),
    ("fader-providers", &["--no-default-features"]),
    (
        "fader-providers",
        &["--no-default-features", "--features", "file"],
    ),
    (
        "fader-providers",
        &["--no-default-features", "--features", "http"],
    ),
    (
        "fader-providers",
        &["--no-default-features", "--features", "tracing"],
    ),
    (
        "fader-providers",
        &["--no-default-features", "--features", "metrics"],
    ),
    ("fader-rollout", &["--features", "simulate"]),
    ("fader-rollout", &["--features", "probes"]),
    ("fader-rollout", &["--features", "webhook"]),
    ("fader-rollout", &["--features", "metrics"]),
    ("fader-rollout", &["--features", "tracing"]),
    ("fader-web", &["--features", "tracing"]),
    ("fader-axum", &["--features", "tracing"]),
    ("fader-actix", &["--features", "tracing"]),
];

/// The libraries of the workspace, and which of the others each may bring into a build.
const SIBLINGS: [(&str, &[&str]); 6] = [
    ("fader", &[]),
    ("fader-providers", &["fader"]),
    ("fader-rollout", &["fader"]),
    ("fader-web", &["fader"]),
    ("fader-axum", &["fader", "fader-web"]),
    ("fader-actix", &["fader", "fader-web"]),
];

/// How many crates `fader` may bring into a build, itself left out.
const CORE_DEPENDENCIES: usize = 25;

type Step = (&'static str, fn() -> anyhow::Result<()>);

const STEPS: [Step; 11] = [
    ("format", format),
    ("invariants", || invariants::check(&tools::root())),
    ("clippy", clippy),
    // Before the tests, which start an example as a process of its own.
    ("examples", examples),
    ("tests", tests),
    ("tests of the way out of the lock-free swap", rwlock_tests),
    ("doc tests", doc_tests),
    ("benches", benches),
    ("docs", docs),
    ("each feature alone", features),
    ("dependencies", dependencies),
];

/// Runs every step; the first that fails ends the run.
pub fn run() -> anyhow::Result<()> {
    tools::require()?;
    let start = Instant::now();
    for (name, step) in STEPS {
        println!("==> {name}");
        let start = Instant::now();
        step().with_context(|| format!("the step `{name}` failed"))?;
        println!("    {name}: {:.1} s", start.elapsed().as_secs_f64());
    }
    println!(
        "==> all {} steps are green: {:.1} s",
        STEPS.len(),
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

fn format() -> anyhow::Result<()> {
    call(cargo().args(["fmt", "--all", "--check"]))
}

/// Lints both forms of the swap: all features at once put a lock in its place.
fn clippy() -> anyhow::Result<()> {
    for features in [&[][..], &["--all-features"]] {
        let mut command = cargo();
        command
            .args(["clippy", "--workspace", "--all-targets"])
            .args(features);
        call(command.args(["--", "--deny", "warnings"]))?;
    }
    Ok(())
}

fn examples() -> anyhow::Result<()> {
    call(cargo().args(["build", "--workspace", "--examples"]))
}

/// Tests what people get: the default features. All features at once would put a lock in the place of the swap.
fn tests() -> anyhow::Result<()> {
    run_tests(&["--workspace"])
}

fn rwlock_tests() -> anyhow::Result<()> {
    run_tests(&["--package", "fader", "--features", "rwlock-strategy"])
}

fn run_tests(selection: &[&str]) -> anyhow::Result<()> {
    if tools::answers("nextest") {
        call(cargo().args(["nextest", "run"]).args(selection))
    } else {
        call(
            cargo()
                .args(["test", "--lib", "--bins", "--tests"])
                .args(selection),
        )
    }
}

fn doc_tests() -> anyhow::Result<()> {
    call(cargo().args(["test", "--doc", "--workspace"]))
}

/// Does every work once, without a clock.
fn benches() -> anyhow::Result<()> {
    let mut command = cargo();
    call(command.args([
        "test",
        "--package",
        "fader-benches",
        "--bench",
        "works",
        "--bench",
        "web",
        "--",
        "--test",
    ]))
}

fn docs() -> anyhow::Result<()> {
    let mut command = cargo();
    call(
        command
            .args(["doc", "--workspace", "--no-deps", "--all-features"])
            .env("RUSTDOCFLAGS", "--deny warnings"),
    )
}

fn features() -> anyhow::Result<()> {
    for (package, selection) in FEATURES {
        println!("    {package} {}", selection.join(" "));
        call(
            cargo()
                .args(["check", "--package", package])
                .args(selection),
        )?;
    }
    let target = "wasm32-unknown-unknown";
    if has_target(target) {
        println!("    fader --target {target}");
        call(cargo().args(["check", "--package", "fader", "--target", target]))?;
    } else {
        println!("    fader --target {target}: skipped, the target is not installed");
    }
    Ok(())
}

/// Tells whether the standard library for a target is there.
fn has_target(target: &str) -> bool {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", target])
        .output();
    let folder = output
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok());
    folder.is_some_and(|folder| !folder.trim().is_empty() && Path::new(folder.trim()).exists())
}

fn dependencies() -> anyhow::Result<()> {
    // What the other engines are measured with follows what this workspace depends on.
    let peers = tools::root().join("benches/peers/Cargo.toml");
    let mut command = cargo();
    command.args(["update", "--workspace", "--locked", "--manifest-path"]);
    call(command.arg(peers))
        .context("the lock file of `benches/peers` is out of date: run `cargo build` there once")?;
    let core = dependencies_of(&["--package", "fader"])?;
    println!("    fader: {} crates", core.len());
    ensure!(
        core.len() <= CORE_DEPENDENCIES,
        "`fader` brings {} crates, not at most {CORE_DEPENDENCIES}",
        core.len()
    );
    let file = dependencies_of(&[
        "--package",
        "fader-providers",
        "--no-default-features",
        "--features",
        "file",
    ])?;
    println!("    fader-providers with `file`: {} crates", file.len());
    for name in ["tokio", "reqwest", "hyper", "rustls"] {
        ensure!(
            !file.contains(name),
            "`fader-providers` with `file` brings {name}"
        );
    }
    let web = dependencies_of(&["--package", "fader-web"])?;
    let framework = web.iter().find(|name| {
        let families = ["actix", "axum", "hyper", "tower"];
        *name == "http" || families.iter().any(|family| name.starts_with(family))
    });
    if let Some(name) = framework {
        bail!("`fader-web` brings `{name}`: it names no framework");
    }
    for (package, allowed) in SIBLINGS {
        let brought = dependencies_of(&["--package", package, "--all-features"])?;
        let siblings = brought.iter().filter(|name| name.starts_with("fader"));
        for name in siblings.filter(|name| *name != package) {
            ensure!(
                allowed.contains(&name.as_str()),
                "`{package}` brings `{name}`"
            );
        }
    }
    Ok(())
}

/// Lists the names of all crates that a package brings into a build, itself left out.
fn dependencies_of(selection: &[&str]) -> anyhow::Result<BTreeSet<String>> {
    let mut command = cargo();
    command
        .args([
            "tree", "--edges", "normal", "--prefix", "none", "--format", "{p}",
        ])
        .args(selection);
    let output = command.output().context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let text = String::from_utf8(output.stdout).context("cargo's answer is not UTF-8")?;
    Ok(text
        .lines()
        .skip(1)
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect())
}

fn call(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().context("cannot run cargo")?;
    if !status.success() {
        let arguments: Vec<_> = command
            .get_args()
            .map(|argument| argument.to_string_lossy())
            .collect();
        bail!("`cargo {}` ended with an error", arguments.join(" "));
    }
    Ok(())
}
