//! Where it is measured, and with what.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::results::Machine;

/// The lock file that this program was built with.
const LOCK: &str = include_str!("../Cargo.lock");

/// Returns the version of a package that was built in; of `fader`, which lies beside it, also the commit.
///
/// # Errors
///
/// The lock file has none, or several.
pub fn version(package: &str) -> Result<String> {
    let name = format!("name = \"{package}\"\nversion = \"");
    let mut found = LOCK.split(&name).skip(1);
    match (found.next(), found.next()) {
        (Some(rest), None) => {
            let version = rest.split('"').next().unwrap_or_default();
            let commit = (package == "fader").then(commit).flatten();
            Ok(commit.map_or_else(
                || version.to_owned(),
                |commit| format!("{version} ({commit})"),
            ))
        }
        (None, _) => bail!("no package `{package}` in the lock file"),
        _ => bail!("several versions of `{package}` in the lock file"),
    }
}

/// Returns the commit that is checked out, marked as dirty where files differ from it; `None` where no git says so.
fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["-C", env!("CARGO_MANIFEST_DIR")])
        .args(["describe", "--always", "--exclude=*", "--dirty"])
        .output()
        .ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !commit.is_empty()).then_some(commit)
}

/// Describes this machine.
///
/// # Errors
///
/// It does not say what it is.
pub fn machine() -> Result<Machine> {
    Ok(Machine {
        cpu: cpu()?,
        cores: std::thread::available_parallelism()?.get(),
        system: system()?,
        rustc: said_by("rustc", &["--version"])?,
        load: read("/proc/loadavg")?
            .split(' ')
            .next()
            .unwrap_or("?")
            .to_owned(),
        date: said_by("date", &["-u", "+%Y-%m-%d"])?,
    })
}

/// Names the system with no more of its release than the first two numbers: `Linux 6.18 x86_64`.
fn system() -> Result<String> {
    let release = said_by("uname", &["-r"])?;
    let numbers: Vec<&str> = release.splitn(3, ['.', '-']).take(2).collect();
    let (name, machine) = (said_by("uname", &["-s"])?, said_by("uname", &["-m"])?);
    Ok(format!("{name} {} {machine}", numbers.join(".")))
}

fn cpu() -> Result<String> {
    let text = read("/proc/cpuinfo")?;
    let field = |name: &str| {
        let of = |line: &str| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        };
        text.lines().find_map(of).unwrap_or_else(|| "?".to_owned())
    };
    Ok(format!(
        "{} (family {}, model {}, {} MHz, cache {})",
        field("model name"),
        field("cpu family"),
        field("model"),
        field("cpu MHz").split('.').next().unwrap_or("?"),
        field("cache size"),
    ))
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("can't read {path}"))
}

fn said_by(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("can't run {program}"))?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
