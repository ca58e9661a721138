//! Every command as a user meets it: what it prints where, and how it exits.

#![cfg(test)]

mod address;
mod audit;
mod batch;
mod check;
mod controller;
mod eval;
mod kill;
mod operate;
mod position;
mod ramps;
mod rollout;
mod usage;
mod watch;

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A folder that the commands run in, so that messages have short paths.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Makes a folder with `flags.json`.
    fn with(document: &str) -> Self {
        let folder = Self::new();
        folder.write("flags.json", document);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file by a rename, so that nobody sees half of it: `fader watch` would rightly tell of that.
    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut new = path.clone().into_os_string();
        new.push(".new");
        fs::write(&new, content).unwrap();
        fs::rename(new, path).unwrap();
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fader"));
        command
            .current_dir(self.0.path())
            .args(arguments)
            .env_remove("RUST_BACKTRACE");
        command
    }

    fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run {
        Run::of(&self.command(arguments).output().unwrap())
    }
}

/// What a command did.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    exit: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Run {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self {
            exit: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// It could not run, and said why in one line and nothing else.
    #[track_caller]
    fn failed_with(&self, line: &str) {
        let wanted = Self {
            exit: Some(2),
            stdout: String::new(),
            stderr: format!("fader: {line}\n"),
        };
        assert_eq!(*self, wanted);
    }

    /// It answered with this, and had nothing to complain of.
    #[track_caller]
    fn answered(&self, exit: i32, stdout: &str) {
        let wanted = Self {
            exit: Some(exit),
            stdout: stdout.to_owned(),
            stderr: String::new(),
        };
        assert_eq!(*self, wanted);
    }
}
