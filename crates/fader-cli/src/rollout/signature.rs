//! Who asks, and why.

use std::env;

use anyhow::bail;

/// What the controller calls itself in an audit log.
pub(super) const CONTROLLER: &str = "fader";

/// Who asks, and why.
#[derive(clap::Args)]
pub(crate) struct Signature {
    /// Who asks. [default: the login name]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Why, for those who look at it later.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    pub(crate) reason: String,
}

impl Signature {
    /// Returns who asks.
    ///
    /// # Errors
    ///
    /// It is the controller's own name, or none.
    pub(crate) fn by(&self) -> anyhow::Result<String> {
        let by = self.by.clone().unwrap_or_else(login);
        match by.trim() {
            "" => bail!("who asks has no name: give one with `--by`"),
            CONTROLLER => {
                bail!("`{CONTROLLER}` is the controller itself: say who asks with `--by`")
            }
            _ => Ok(by),
        }
    }
}

fn login() -> String {
    let names = ["USER", "LOGNAME"]
        .into_iter()
        .filter_map(|name| env::var(name).ok());
    names
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or_else(uid)
}

#[cfg(unix)]
fn uid() -> String {
    format!("uid {}", rustix::process::getuid().as_raw())
}

#[cfg(not(unix))]
fn uid() -> String {
    "somebody".to_owned()
}
