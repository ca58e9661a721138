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

/// Checks the source of the core, and says of each line what it may not name.
pub fn check(root: &Path) -> anyhow::Result<()> {
    let source = root.join("crates/fader/src");
    let mut found = Vec::new();
    for path in rust_files(&source)? {
        let text = fs::read_to_string(&path)
            .with_context(|| format!("cannot read `{}`", path.display()))?;
        let file = path
            .strip_prefix(&source)?
            .to_string_lossy()
            .replace('\\', "/");
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim_start().starts_with("#[cfg(test)]") {
                break;
            }
            let names = forbidden_in(&file, line).into_iter();
            found.extend(names.map(|name| format!("  crates/fader/src/{file}:{number}: `{name}`")));
        }
    }
    ensure!(
        found.is_empty(),
        "named where ARCHITECTURE.md forbids it:\n{}",
        found.join("\n")
    );
    Ok(())
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
