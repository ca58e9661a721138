//! What ARCHITECTURE.md says must stay true, as far as names in the source tell.
//!
//! It reads text and no syntax: comments are left out, and what follows the first `#[cfg(test)]` of a file, since tests
//! come last.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// What the core may not name, and the only files that may.
const NAMES: [(&str, &[&str]); 6] = [
    ("arc_swap", &["handle/swap.rs"]),
    ("xxhash", &["hash.rs"]),
    ("std::fs", &[]),
    ("std::env", &[]),
    ("std::net", &[]),
    ("tokio", &[]),
];

/// What `fader-rollout` may not name, and the only files and folders that may: what judges and decides is a function of
/// what it is given.
const PURE: [(&str, &[&str]); 10] = [
    ("std::fs", &["control"]),
    ("std::env", &[]),
    ("std::net", &[]),
    ("tokio", &["control/probe"]),
    ("SystemTime", &["control/webhook"]),
    ("time::Instant", &CLOCKS),
    ("Instant::now", &CLOCKS),
    ("Mutex", &["observe", "control"]),
    ("thread", &["observe", "simulate", "control"]),
    ("rand", &["simulate"]),
];

/// What of the controller may look at a clock: it is told of the time in all else.
const CLOCKS: [&str; 5] = [
    "control/journal",
    "control/probe",
    "control/rollouts",
    "control/signals",
    "control/webhook",
];

/// What evaluates, and so knows nothing of the document's model: files, and a folder.
const EVALUATION: [&str; 5] = [
    "decision.rs",
    "evaluate.rs",
    "explain.rs",
    "ruleset/",
    "snapshot.rs",
];

/// Addresses are values, not I/O.
const ADDRESSES: &str = "std::net::{IpAddr, Ipv4Addr, Ipv6Addr}";

/// Checks the sources of the core and of what runs ramps, and says of each line what it may not name.
pub fn check(root: &Path) -> anyhow::Result<()> {
    let mut found = Vec::new();
    look(root, "crates/fader/src", forbidden_in, &mut found)?;
    look(root, "crates/fader-rollout/src", impure_in, &mut found)?;
    ensure!(
        found.is_empty(),
        "named where ARCHITECTURE.md forbids it:\n{}",
        found.join("\n")
    );
    Ok(())
}

/// Notes what the files of a folder may not name.
fn look(
    root: &Path,
    folder: &str,
    forbidden: fn(&str, &str) -> Vec<&'static str>,
    found: &mut Vec<String>,
) -> anyhow::Result<()> {
    let source = root.join(folder);
    for path in rust_files(&source)? {
        let text = fs::read_to_string(&path)
            .with_context(|| format!("cannot read `{}`", path.display()))?;
        let file = path
            .strip_prefix(&source)?
            .to_string_lossy()
            .replace('\\', "/");
        for (number, line) in (1..).zip(text.lines()) {
            // What is for tests alone and has a file of its own is left out with that file.
            if line.trim_start().starts_with("#[cfg(test)]") && !is_module(&text, number) {
                break;
            }
            let names = forbidden(&file, line).into_iter();
            found.extend(names.map(|name| format!("  {folder}/{file}:{number}: `{name}`")));
        }
    }
    Ok(())
}

/// Tells whether the line behind one only names a module.
fn is_module(text: &str, line: usize) -> bool {
    let next = text.lines().nth(line).unwrap_or_default();
    next.starts_with("mod ") && next.ends_with(';')
}

/// Returns what a line of `fader-rollout` names that its file may not.
fn impure_in(file: &str, line: &str) -> Vec<&'static str> {
    let code = line.split("//").next().unwrap_or_default();
    let words = || code.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let is_named = |name: &str| {
        code.contains(name) && (name.contains(':') || words().any(|word| word == name))
    };
    let within = |part: &str| {
        let rest = file.strip_prefix(part);
        rest.is_some_and(|rest| rest.starts_with(['/', '.']))
    };
    let names = PURE
        .iter()
        .filter(|(_, allowed)| !allowed.iter().any(|part| within(part)));
    names
        .map(|(name, _)| *name)
        .filter(|name| is_named(name))
        .collect()
}

/// Returns what a line names that its file may not.
fn forbidden_in(file: &str, line: &str) -> Vec<&'static str> {
    let code = line
        .split("//")
        .next()
        .unwrap_or_default()
        .replace(ADDRESSES, "");
    let names = NAMES
        .iter()
        .filter(|(_, allowed)| !allowed.contains(&file))
        .map(|(name, _)| *name);
    let evaluates = EVALUATION.iter().any(|part| file.starts_with(part));
    let model = evaluates.then_some("crate::document");
    names
        .chain(model)
        .filter(|name| code.contains(name))
        .collect()
}

/// Lists the Rust files in a folder and those below it; files of tests alone are left out.
fn rust_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list `{}`", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() && path.ends_with("tests") {
            continue;
        }
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_judges_names_no_clock_and_no_chance() {
        assert_eq!(
            impure_in("machine/gate.rs", "use std::time::Instant;"),
            ["time::Instant"]
        );
        assert_eq!(
            impure_in("machine/instant.rs", "let instant = instants(1);"),
            [""; 0]
        );
        assert_eq!(impure_in("judge.rs", "use rand::Rng;"), ["rand"]);
        assert_eq!(impure_in("simulate/run.rs", "use rand::Rng;"), [""; 0]);
        assert_eq!(impure_in("observe.rs", "use std::sync::Mutex;"), [""; 0]);
        assert_eq!(
            impure_in("observers.rs", "use std::sync::Mutex;"),
            ["Mutex"]
        );
        assert_eq!(impure_in("judge.rs", "std::fs::read(path)"), ["std::fs"]);
    }

    #[test]
    fn names_are_found_where_they_may_not_be() {
        assert_eq!(forbidden_in("time.rs", "use std::fs::File;"), ["std::fs"]);
        assert_eq!(forbidden_in("hash.rs", "use xxhash_rust::xxh3;"), [""; 0]);
        assert_eq!(
            forbidden_in("percent.rs", "use xxhash_rust::xxh3;"),
            ["xxhash"]
        );
        assert_eq!(forbidden_in("time.rs", "/// Not `tokio`."), [""; 0]);
        let model = "use crate::document::model::Flag;";
        assert_eq!(forbidden_in("ruleset/list.rs", model), ["crate::document"]);
        assert_eq!(forbidden_in("compile/flag.rs", model), [""; 0]);
        assert_eq!(
            forbidden_in("time.rs", "use std::net::TcpStream;"),
            ["std::net"]
        );
        let addresses = "use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};";
        assert_eq!(forbidden_in("ruleset/network.rs", addresses), [""; 0]);
    }
}
