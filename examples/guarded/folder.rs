//! Where the document, its overlay and the state directory are.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use tempfile::TempDir;

use fader::Timestamp;

use super::args::Args;

/// The document. `START` is a moment after it is written.
const DOCUMENT: &str = include_str!("flags.jsonc");
/// So long the ramp is seen waiting, and its guardrails watch from its first gray request on: that takes two seconds.
const SOON: Duration = Duration::from_secs(3);

pub struct Folder {
    path: PathBuf,
    flags: PathBuf,
    /// Deletes it at the end, where nobody has named one.
    _fresh: Option<TempDir>,
}

impl Folder {
    /// Makes the folder and the document, where they are missing.
    pub fn open(args: &Args) -> Result<Self> {
        let (path, fresh) = match &args.folder {
            Some(path) => (path.clone(), None),
            None => {
                let fresh = tempfile::Builder::new().prefix("guarded-").tempdir();
                let fresh = fresh.context("no folder for the flags")?;
                (fresh.path().to_owned(), Some(fresh))
            }
        };
        let make = || {
            fs::create_dir_all(&path)?;
            let flags = path.join("flags.json");
            if args.flags.is_none() && !flags.exists() {
                let start = Timestamp::from(SystemTime::now() + SOON).to_string();
                fs::write(&flags, DOCUMENT.replace("START", &start))?;
            }
            std::io::Result::Ok(flags)
        };
        let flags = make().with_context(|| format!("cannot write into `{}`", path.display()))?;
        Ok(Self {
            flags: args.flags.clone().unwrap_or(flags),
            path,
            _fresh: fresh,
        })
    }

    pub fn flags(&self) -> &Path {
        &self.flags
    }

    pub fn state(&self) -> PathBuf {
        self.path.join("state")
    }

    pub fn greeting(&self, args: &Args, address: SocketAddr) -> String {
        let (rate, users) = (args.rate, args.users);
        let flags = self.flags.display();
        format!(
            "listening on http://{address}, {rate} requests/s from {users} users, flags of {flags}

  cargo run -p fader-cli -- rollout status --flags {flags}
  cargo run -p fader-cli -- rollout pause new-checkout --flags {flags}
  cargo run -p fader-cli -- kill new-checkout --flags {flags}
  curl -X POST http://{address}/gray/well    or fail, hang, slow, block, abort; or write the word here

Ctrl-C stops it in order.
"
        )
    }
}
