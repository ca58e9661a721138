//! What the steps need beyond cargo itself, and how to get it.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

/// A tool that a step can't do without, by its cargo subcommand.
struct Tool {
    subcommand: &'static str,
    component: &'static str,
    /// The name of its package in Debian, for a Rust that came from there.
    debian: &'static str,
}

const TOOLS: [Tool; 2] = [
    Tool {
        subcommand: "fmt",
        component: "rustfmt",
        debian: "rustfmt",
    },
    Tool {
        subcommand: "clippy",
        component: "clippy",
        debian: "rust-clippy",
    },
];

impl Tool {
    fn is_there(&self) -> bool {
        answers(self.subcommand)
    }

    /// Returns the commands that install it, one after the other.
    fn install(&self) -> Vec<Vec<&'static str>> {
        if succeeds(Command::new("rustup").arg("--version")) {
            return vec![vec!["rustup", "component", "add", self.component]];
        }
        let mut commands = vec![
            // A fresh machine has no list of packages.
            vec!["apt-get", "update"],
            vec!["apt-get", "install", "--yes", self.debian],
        ];
        if !is_root() {
            commands
                .iter_mut()
                .for_each(|command| command.insert(0, "sudo"));
        }
        commands
    }
}

/// Installs each tool that is missing.
pub fn setup() -> anyhow::Result<()> {
    println!("==> setup");
    let missing: Vec<_> = TOOLS.iter().filter(|tool| !tool.is_there()).collect();
    if missing.is_empty() {
        println!("    nothing to install");
    }
    for tool in missing {
        for command in tool.install() {
            println!("    {}", command.join(" "));
            let status = Command::new(command[0])
                .args(&command[1..])
                .status()
                .with_context(|| format!("cannot run `{}`", command[0]))?;
            ensure!(
                status.success(),
                "`{}` ended with an error",
                command.join(" ")
            );
        }
        ensure!(tool.is_there(), "{} is still missing", tool.component);
    }
    Ok(())
}

/// Names each tool that is missing, with the command that installs it.
pub fn require() -> anyhow::Result<()> {
    let missing: Vec<_> = TOOLS.iter().filter(|tool| !tool.is_there()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let lines = missing.iter().map(|tool| {
        let commands: Vec<_> = tool
            .install()
            .iter()
            .map(|command| command.join(" "))
            .collect();
        format!("  {} is missing: {}", tool.component, commands.join(" && "))
    });
    bail!(
        "install these first, or run `cargo xtask setup`:\n{}",
        lines.collect::<Vec<_>>().join("\n")
    );
}

/// Tells whether cargo has a subcommand.
pub fn answers(subcommand: &str) -> bool {
    succeeds(cargo().args([subcommand, "--version"]))
}

/// Makes a call of the cargo that runs us, in the root of the workspace.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(root());
    command
}

/// Returns the root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
