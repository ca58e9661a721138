//! Reads the conformance data of `tests/data`, whose forms are told in the READMEs there.
//!
//! Documents, overlays and contexts are kept as they are written: the spelling of a number, the order of keys and a key
//! that comes twice all have a meaning.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

/// The vectors of the hash, which are no questions to a document.
const POSITIONS: &str = "positions.json";

/// A file of questions and answers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Conformance {
    #[serde(skip)]
    pub(crate) file: String,
    #[serde(rename = "description")]
    _description: String,
    pub(crate) groups: Vec<Group>,
}

/// A document and the questions to it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    pub(crate) name: String,
    document: Option<Box<RawValue>>,
    text: Option<String>,
    /// The text of the list files, by path relative to the document.
    #[serde(default)]
    pub(crate) lists: BTreeMap<String, String>,
    overlay: Option<Box<RawValue>>,
    /// Whether a controller runs the staged ramps.
    #[serde(default)]
    pub(crate) control: bool,
    before: Option<Box<RawValue>>,
    strictness: Option<Strictness>,
    now: Option<String>,
    pub(crate) cases: Vec<Case>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Strictness {
    #[default]
    Strict,
    Quarantine,
}

impl Group {
    /// The document's text.
    pub(crate) fn document(&self) -> &str {
        one_of(self.document.as_deref(), self.text.as_deref())
            .unwrap_or_else(|| panic!("group `{}` needs either `document` or `text`", self.name))
    }

    /// The text of the overlay on top of it.
    pub(crate) fn overlay(&self) -> Option<&str> {
        self.overlay.as_deref().map(RawValue::get)
    }

    /// The text of the good document that was loaded earlier.
    pub(crate) fn before(&self) -> Option<&str> {
        self.before.as_deref().map(RawValue::get)
    }

    pub(crate) fn strictness(&self) -> Strictness {
        self.strictness.unwrap_or_default()
    }

    /// The time of a case, in RFC 3339; any time gives its answer where it has none.
    pub(crate) fn now<'a>(&'a self, case: &'a Case) -> Option<&'a str> {
        case.now.as_deref().or(self.now.as_deref())
    }
}

/// A question and its answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// The rules of the specification that it shows.
    pub(crate) rules: Vec<u32>,
    pub(crate) flag: String,
    context: Option<Box<RawValue>>,
    #[serde(rename = "contextText")]
    context_text: Option<String>,
    /// Attributes of request text, by name.
    #[serde(default)]
    pub(crate) untyped: BTreeMap<String, String>,
    now: Option<String>,
    pub(crate) expect: Answer,
}

impl Case {
    /// The context's text.
    pub(crate) fn context(&self) -> &str {
        if self.context.is_none() && self.context_text.is_none() {
            return "{}";
        }
        one_of(self.context.as_deref(), self.context_text.as_deref())
            .unwrap_or_else(|| panic!("case `{}` has both `context` and `contextText`", self.name))
    }
}

/// What a question is answered with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    pub(crate) value: Value,
    pub(crate) variant: Option<String>,
    pub(crate) reason: String,
    #[serde(rename = "errorCode")]
    pub(crate) error_code: Option<String>,
    pub(crate) rule: Option<String>,
    /// `None` where it is not given and so not compared, `Some(None)` where no unit was drawn.
    #[serde(default, deserialize_with = "given")]
    pub(crate) draw: Option<Option<Draw>>,
}

/// The last rule that hashed a unit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Draw {
    pub(crate) rule: String,
    pub(crate) enrolled: bool,
    /// Whether a wave enrolled the unit.
    #[serde(default)]
    pub(crate) wave: bool,
}

/// Tells a null from a field that is left out.
fn given<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<Draw>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

fn one_of<'a>(written: Option<&'a RawValue>, text: Option<&'a str>) -> Option<&'a str> {
    match (written, text) {
        (Some(written), None) => Some(written.get()),
        (None, Some(text)) => Some(text),
        _ => None,
    }
}

/// Whether two JSON values are the same, numbers by value.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => same_number(a, b),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

fn same_number(a: &serde_json::Number, b: &serde_json::Number) -> bool {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => a == b,
        _ => a.as_f64() == b.as_f64(),
    }
}

/// Reads every file of questions, by name.
pub(crate) fn conformance() -> Vec<Conformance> {
    let mut files: Vec<_> = names(&root())
        .into_iter()
        .filter(|name| name != POSITIONS)
        .collect();
    files.sort();
    let read = |file: String| Conformance {
        file: file.clone(),
        ..json(&root().join(&file))
    };
    files.into_iter().map(read).collect()
}

/// A document and what a check says of it.
#[derive(Debug)]
pub(crate) struct Checked {
    /// Its file name.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Its bytes, which may be no UTF-8.
    pub(crate) document: Vec<u8>,
    /// The rules of the specification that it shows.
    pub(crate) rules: Vec<u32>,
    pub(crate) expected: Vec<Expected>,
}

impl Checked {
    /// Reads a list file of the document, as a provider would.
    pub(crate) fn list(&self, path: &str) -> Result<Vec<u8>, String> {
        fs::read(self.path.with_file_name(path)).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "no such file".to_owned(),
            _ => error.to_string(),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    rules: Vec<u32>,
    diagnostics: Vec<Expected>,
}

/// A diagnostic that is expected. A message or help that is empty is not asserted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    pub(crate) severity: String,
    pub(crate) kind: String,
    pub(crate) path: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
    message: String,
    help: String,
    message_contains: Option<String>,
    help_contains: Option<String>,
}

/// A diagnostic that a check gave.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Found {
    pub(crate) severity: String,
    pub(crate) kind: String,
    pub(crate) path: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Expected {
    fn is_met_by(&self, found: &Found) -> bool {
        let place =
            (&*self.path, self.line, self.column) == (&*found.path, found.line, found.column);
        // A cycle may be reported at any of the references that make it.
        let place = place || self.kind == "cycle";
        let help = found.help.as_deref().unwrap_or_default();
        let contains = |text: &str, fragment: &Option<String>| {
            fragment.as_ref().is_none_or(|f| text.contains(f))
        };
        (&self.severity, &self.kind) == (&found.severity, &found.kind)
            && place
            && (self.message.is_empty() || self.message == found.message)
            && (self.help.is_empty() || self.help == help)
            && contains(&found.message, &self.message_contains)
            && contains(help, &self.help_contains)
    }
}

/// Tells what is missing from the diagnostics of a check, and what they have beyond those expected.
pub(crate) fn differences(expected: &[Expected], found: &[Found]) -> Vec<String> {
    let mut beyond: Vec<&Found> = found.iter().collect();
    let mut differences = Vec::new();
    for expected in expected {
        match beyond.iter().position(|found| expected.is_met_by(found)) {
            Some(at) => {
                beyond.remove(at);
            }
            None => differences.push(format!("missing: {expected:?}")),
        }
    }
    differences.extend(
        beyond
            .into_iter()
            .map(|found| format!("unexpected: {found:?}")),
    );
    differences
}

/// Reads the documents with errors.
pub(crate) fn invalid() -> Vec<Checked> {
    checked("invalid")
}

/// Reads the documents that have warnings only.
pub(crate) fn warnings() -> Vec<Checked> {
    checked("warnings")
}

fn checked(folder: &str) -> Vec<Checked> {
    let folder = root().join(folder);
    let mut names: Vec<_> = names(&folder)
        .into_iter()
        .filter(|name| !name.ends_with(".expected.json"))
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|name| {
            let path = folder.join(&name);
            let Expectation {
                rules,
                diagnostics: expected,
            } = json(&path.with_extension("expected.json"));
            let document =
                fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            Checked {
                name,
                path,
                document,
                rules,
                expected,
            }
        })
        .collect()
}

/// Finds `tests/data` from whichever package this file is compiled into.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut candidates = package.ancestors().map(|folder| folder.join("tests/data"));
    candidates
        .find(|folder| folder.is_dir())
        .expect("the workspace has tests/data")
}

fn names(folder: &Path) -> Vec<String> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let names = entries.map(|entry| {
        entry
            .expect("a readable folder")
            .file_name()
            .into_string()
            .expect("a UTF-8 name")
    });
    names.filter(|name| name.ends_with(".json")).collect()
}

fn json<T: DeserializeOwned>(path: &Path) -> T {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
