//! Whether a flag is in the document, asked before anything is written of it.

use anyhow::anyhow;
use fader_providers::ErrorKind;

use super::controlled::Controlled;
use super::{nearest, ramp_of};
use crate::document::{self, Headers, Loaded};
use crate::output;

/// Refuses to ask something of a flag's ramp where the document says that there is none. A document that can't be read
/// or has errors stops nobody: what runs may be an earlier one.
///
/// # Errors
///
/// The document has no such flag or no staged ramp of it, or there is no document beside which an overlay could lie.
pub(super) fn ramp(controlled: &Controlled, headers: &Headers, flag: &str) -> anyhow::Result<()> {
    if let Some(loaded) = load(controlled, headers)? {
        let snapshot = loaded.flags.snapshot();
        ramp_of(&loaded.flags, &snapshot, flag)?;
    }
    Ok(())
}

/// Warns where the document has no such flag.
///
/// # Errors
///
/// There is no document beside which an overlay could lie.
pub(crate) fn flag(controlled: &Controlled, headers: &Headers, flag: &str) -> anyhow::Result<()> {
    let Some(loaded) = load(controlled, headers)? else {
        return Ok(());
    };
    let snapshot = loaded.flags.snapshot();
    if !snapshot.flags().any(|known| known == flag) {
        let cure = match nearest(flag, snapshot.flags()) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => "it waits until there is one".to_owned(),
        };
        output::warn(&format!("the document has no flag `{flag}`; {cure}"));
    }
    Ok(())
}

/// Loads the document; none where nothing can be told by it, which is warned of.
fn load(controlled: &Controlled, headers: &Headers) -> anyhow::Result<Option<Loaded>> {
    match document::load_alone(&controlled.flags, headers) {
        Ok(loaded) if loaded.is_refused() => {
            let reports = loaded
                .reports
                .iter()
                .filter(|report| !report.findings.is_empty());
            let names: Vec<_> = reports.map(|report| &*report.file).collect();
            output::warn(&format!(
                "`{}` has errors, so it is not checked whether it has the flag; see `fader check`",
                names.join("`, `")
            ));
            Ok(None)
        }
        Ok(loaded) => Ok(Some(loaded)),
        // Nobody would follow an overlay beside nothing: somebody stands in another directory than they think.
        Err(error) if controlled.overlay.is_none() && error.kind() == ErrorKind::NotFound => Err(
            anyhow!("{error}; name the document with `--flags`, or its overlay with `--overlay`"),
        ),
        Err(error) => {
            output::warn(&format!(
                "it is not checked whether the document has the flag: {error}"
            ));
            Ok(None)
        }
    }
}
