//! Whether the keys of the code and the flags of the document fit.

use std::fmt;

use crate::key::{Key, VariantRef};
use crate::ruleset::Ruleset;

/// How the keys of the code and the flags of the document fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyReport {
    missing: Vec<&'static str>,
    mismatched: Vec<&'static str>,
    unnamed: Vec<String>,
}

impl KeyReport {
    pub(crate) fn of(keys: &[&'static dyn Key], ruleset: &Ruleset) -> Self {
        let mut report = Self::default();
        for key in keys {
            match ruleset.find(key.key_name()).map(|id| ruleset.flag(id)) {
                None => report.missing.push(key.key_name()),
                Some(Some(flag))
                    if !flag
                        .variants
                        .iter()
                        .all(|variant| key.reads(VariantRef(variant))) =>
                {
                    report.mismatched.push(key.key_name());
                }
                Some(_) => {}
            }
        }
        let names = ruleset.order.iter().filter_map(|id| ruleset.flag_name(*id));
        let named = |name: &str| keys.iter().any(|key| key.key_name() == name);
        report.unnamed = names
            .filter(|name| !named(name))
            .map(str::to_owned)
            .collect();
        report
    }

    /// Returns the keys that the document lacks: they answer with their defaults.
    #[must_use]
    pub fn missing(&self) -> &[&'static str] {
        &self.missing
    }

    /// Returns the keys whose type can't read every variant of their flag: for such a variant they answer with their
    /// defaults.
    #[must_use]
    pub fn mismatched(&self) -> &[&'static str] {
        &self.mismatched
    }

    /// Returns the flags of the document that no key names.
    #[must_use]
    pub fn unnamed(&self) -> &[String] {
        &self.unnamed
    }

    /// Returns whether every key fits; flags that no key names are no fault.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.missing.is_empty() && self.mismatched.is_empty()
    }
}

impl fmt::Display for KeyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("the document lacks", self.missing.join(", ")),
            (
                "the document has another type for",
                self.mismatched.join(", "),
            ),
            ("no code names", self.unnamed.join(", ")),
        ];
        let parts: Vec<_> = parts
            .iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(what, names)| format!("{what} {names}"))
            .collect();
        if parts.is_empty() {
            f.write_str("every key fits")
        } else {
            f.write_str(&parts.join("; "))
        }
    }
}
