//! Where it is measured, and with what.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::results::Machine;

/// The lock file that this program was built with.
const LOCK: &str = include_str!("../Cargo.lock");

/// Returns the version of a package that was built in.
///
/// # Errors
///
/// The lock file has none, or several.
pub fn version(package: &str) -> Result<String> {
    let name = format!("name = \"{package}\"\nversion = \"");
    let mut found = LOCK.split(&name).skip(1);
    match (found.next(), found.next()) {
        (Some(rest), None) => Ok(rest.split('"').next().unwrap_or_default().to_owned()),
        (None, _) => bail!("no package `{package}` in the lock file"),
        _ => bail!("several versions of `{package}` in the lock file"),
    }
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
        system: said_by("uname", &["-srm"])?,
        rustc: said_by("rustc", &["--version"])?,
        load: read("/proc/loadavg")?
            .split(' ')
            .next()
            .unwrap_or("?")
            .to_owned(),
        date: said_by("date", &["-u", "+%Y-%m-%d"])?,
    })
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
