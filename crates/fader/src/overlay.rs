//! The overlay: what operators and controllers say on top of the document, without touching it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::document::diagnostic::CompileError;
use crate::document::overlay::read_overlay;
use crate::percent::Percent;
use crate::source::Source;

/// What operators and controllers say on top of the document: kills, and percents that replace those of rules.
///
/// The document is the plan, which people own; the overlay is what was decided while it runs. Both are swapped as one.
/// As JSON it reads
///
/// ```json
/// { "version": 7, "flags": { "new-checkout": { "killed": true, "by": "anna", "reason": "errors", "at": "2026-12-01T09:00:00Z",
///                                              "rules": { "ramp": { "percent": 5 } } } } }
/// ```
///
/// ```
/// use fader::{Flags, Context, Overlay};
///
/// let flags = Flags::fixed([("new-checkout", true)]);
/// flags.apply(Overlay::new().kill("new-checkout"));
/// assert_eq!(flags.resolve("new-checkout", &Context::new("user-42")).reason(), fader::Reason::Disabled);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    pub(crate) version: u64,
    pub(crate) flags: BTreeMap<String, OverlayEntry>,
    pub(crate) commands: Vec<serde_json::Value>,
    /// Where it was delivered from, for what is to be said of it.
    pub(crate) source: Option<Arc<str>>,
}

impl PartialEq for Overlay {
    /// Compares what it says, wherever it was delivered from.
    fn eq(&self, other: &Self) -> bool {
        (self.version, &self.flags, &self.commands)
            == (other.version, &other.flags, &other.commands)
    }
}

/// What an overlay says of one flag.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OverlayEntry {
    pub(crate) killed: bool,
    pub(crate) rules: BTreeMap<String, HeldRule>,
    pub(crate) by: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) at: Option<String>,
}

/// What an overlay says of one rule.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct HeldRule {
    pub(crate) percent: Percent,
    /// How many waves of its staged ramp are open.
    pub(crate) waves: u32,
}

impl Overlay {
    /// Makes an overlay that says nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads one as strictly as a document: what is misspelt there would be a kill that does not happen.
    ///
    /// # Errors
    ///
    /// It has errors. They are named by the source.
    pub fn read(content: &[u8], source: &Source) -> Result<Self, CompileError> {
        read_overlay(content)
            .map_err(|diagnostics| CompileError::new(source.name().into(), diagnostics))
    }

    /// Returns the number that each write of the overlay raises; 0 where it has none.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Sets the number that each write raises.
    #[must_use]
    pub fn with_version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }

    /// Kills a flag: exactly as if it were disabled, it serves its `off` variant, or else the caller's default.
    #[must_use]
    pub fn kill(mut self, flag: &str) -> Self {
        self.flags.entry(flag.to_owned()).or_default().killed = true;
        self
    }

    /// Takes a kill back.
    #[must_use]
    pub fn revive(mut self, flag: &str) -> Self {
        if let Some(entry) = self.flags.get_mut(flag) {
            entry.killed = false;
        }
        self
    }

    /// Replaces the percent of a rule, named by its name or, where it has none, its place, such as `rules[2]`. It
    /// replaces that percent and nothing else; a rule that draws nothing has none.
    #[must_use]
    pub fn percent(mut self, flag: &str, rule: &str, percent: Percent) -> Self {
        self.rule(flag, rule).percent = percent;
        self
    }

    /// Opens the first so many waves of a staged ramp: those of its stages that name a segment or sets, in their order.
    /// Whoever is in one of them is enrolled, beside those of the rule's percent, which is 0 unless it is set. Default: 0.
    #[must_use]
    pub fn waves(mut self, flag: &str, rule: &str, open: u32) -> Self {
        self.rule(flag, rule).waves = open;
        self
    }

    fn rule(&mut self, flag: &str, rule: &str) -> &mut HeldRule {
        let entry = self.flags.entry(flag.to_owned()).or_default();
        entry.rules.entry(rule.to_owned()).or_default()
    }

    /// Says when a flag's entry was changed, and by whom and why.
    #[must_use]
    pub fn signed_at(
        self,
        flag: &str,
        by: impl Into<String>,
        reason: impl Into<String>,
        at: crate::Timestamp,
    ) -> Self {
        let mut signed = self.signed(flag, by, reason);
        let entry = signed.flags.entry(flag.to_owned()).or_default();
        entry.at = Some(at.to_string());
        signed
    }

    /// Says who changed a flag's entry, and why.
    #[must_use]
    pub fn signed(mut self, flag: &str, by: impl Into<String>, reason: impl Into<String>) -> Self {
        let entry = self.flags.entry(flag.to_owned()).or_default();
        (entry.by, entry.reason) = (Some(by.into()), Some(reason.into()));
        self
    }

    /// Takes out what it says of a flag.
    pub fn forget(&mut self, flag: &str) {
        self.flags.remove(flag);
    }

    /// Returns what people ask of whoever runs staged ramps, as it stands there: their form is not asked, so that one
    /// that is misspelt keeps no kill from taking effect.
    #[must_use]
    pub fn commands(&self) -> &[serde_json::Value] {
        &self.commands
    }

    /// Returns them to be changed: one is added at the end, and answered in its place.
    pub fn commands_mut(&mut self) -> &mut Vec<serde_json::Value> {
        &mut self.commands
    }

    /// Returns what it says of each flag, by name.
    pub fn flags(&self) -> impl Iterator<Item = (&str, &OverlayEntry)> {
        self.flags
            .iter()
            .map(|(name, entry)| (name.as_str(), entry))
    }
}

impl OverlayEntry {
    /// Returns whether the flag is killed.
    #[must_use]
    pub fn killed(&self) -> bool {
        self.killed
    }

    /// Returns the percents that replace those of rules, by rule.
    pub fn percents(&self) -> impl Iterator<Item = (&str, Percent)> {
        self.rules
            .iter()
            .map(|(rule, held)| (rule.as_str(), held.percent))
    }

    /// Returns how many waves of rules are open, by rule; those of which none is are left out.
    pub fn waves(&self) -> impl Iterator<Item = (&str, u32)> {
        let open = self.rules.iter().filter(|(_, held)| held.waves > 0);
        open.map(|(rule, held)| (rule.as_str(), held.waves))
    }

    /// Returns who made the entry.
    #[must_use]
    pub fn by(&self) -> Option<&str> {
        self.by.as_deref()
    }

    /// Returns why the entry was made.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Returns when the entry was made, as written.
    #[must_use]
    pub fn at(&self) -> Option<&str> {
        self.at.as_deref()
    }
}

/// Reads an overlay as strictly as a document: what is misspelt there would be a kill that does not happen.
impl FromStr for Overlay {
    type Err = CompileError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read_overlay(text.as_bytes())
            .map_err(|diagnostics| CompileError::new("overlay".into(), diagnostics))
    }
}

/// Writes the overlay as JSON.
impl fmt::Display for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags: serde_json::Map<_, _> = self
            .flags
            .iter()
            .map(|(name, entry)| (name.clone(), entry.to_json()))
            .collect();
        let mut whole = serde_json::json!({ "version": self.version, "flags": flags });
        if let (Some(object), false) = (whole.as_object_mut(), self.commands.is_empty()) {
            object.insert("commands".to_owned(), self.commands.clone().into());
        }
        write!(f, "{whole:#}")
    }
}

impl OverlayEntry {
    fn to_json(&self) -> serde_json::Value {
        let mut object = serde_json::Map::new();
        if self.killed {
            object.insert("killed".to_owned(), true.into());
        }
        if !self.rules.is_empty() {
            // Six decimals are exact enough in a float to be read back as written.
            let percents = self.rules.iter().map(|(rule, held)| {
                let number = held
                    .percent
                    .to_string()
                    .parse()
                    .map_or(serde_json::Value::Null, |number: serde_json::Number| {
                        number.into()
                    });
                let mut entry = serde_json::json!({ "percent": number });
                if let (Some(object), true) = (entry.as_object_mut(), held.waves > 0) {
                    object.insert("waves".to_owned(), held.waves.into());
                }
                (rule.clone(), entry)
            });
            object.insert(
                "rules".to_owned(),
                serde_json::Value::Object(percents.collect()),
            );
        }
        for (name, text) in [("by", &self.by), ("reason", &self.reason), ("at", &self.at)] {
            if let Some(text) = text {
                object.insert(name.to_owned(), text.clone().into());
            }
        }
        object.into()
    }
}
