//! Reads the behaviours of `tests/data/web`, whose form is told in the README of `tests/data`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::text::Text;

/// Not cases, but where the frameworks differ, and why.
const DIFFERENCES: &str = "differences.json";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Adapter {
    Axum,
    Actix,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "description")]
    _description: String,
    /// Documents and overlays by name.
    #[serde(default)]
    documents: BTreeMap<String, Box<RawValue>>,
    cases: Vec<Box<RawValue>>,
}

/// What a case says before its variables are filled in.
#[derive(Deserialize)]
struct Template {
    #[serde(default, rename = "for")]
    rows: Vec<BTreeMap<String, Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    #[serde(rename = "for")]
    _rows: Option<Value>,
    #[serde(rename = "note")]
    _note: Option<String>,
    /// For one adapter alone, by a difference that has a name.
    pub(crate) only: Option<Only>,
    document: Option<Box<RawValue>>,
    /// In place of a document: the names of attributes that some rule reads.
    #[serde(default)]
    wants: Vec<String>,
    #[serde(default)]
    pub(crate) config: Config,
    pub(crate) steps: Vec<Step>,
    #[serde(skip)]
    named: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Only {
    pub(crate) adapter: Adapter,
    pub(crate) difference: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) visitor: Option<VisitorConfig>,
    pub(crate) trusted_proxies: Vec<String>,
    pub(crate) response_header: bool,
    pub(crate) cache_headers: bool,
    /// Of `new-checkout`.
    pub(crate) cap: Option<CapConfig>,
    pub(crate) fall_back: Option<FallBackConfig>,
    pub(crate) until_body_end: bool,
    pub(crate) without_layer: bool,
    /// Staged ramps follow the overlay.
    pub(crate) control: bool,
    /// Outcomes of every flag that draws are watched.
    pub(crate) watch_drawn: bool,
    /// Exposures that are no news are left out.
    pub(crate) deduplicate: bool,
    overlay: Option<Box<RawValue>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct VisitorConfig {
    pub(crate) cookie: Option<String>,
    pub(crate) max_age_s: Option<u64>,
    pub(crate) keys: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CapConfig {
    pub(crate) max_concurrency: Option<u32>,
    pub(crate) max_rps: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FallBackConfig {
    pub(crate) budget_ms: Option<u64>,
    pub(crate) idempotent: bool,
}

/// What is done, in the order of the fields, and then what has to be true.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Step {
    #[serde(rename = "note")]
    _note: Option<String>,
    /// How often the step is done.
    pub(crate) times: Option<usize>,
    load: Option<Box<RawValue>>,
    overlay: Option<Box<RawValue>>,
    pub(crate) sleep_ms: Option<u64>,
    /// Closes a connection.
    pub(crate) disconnect: Option<String>,
    /// Waits until no request is in flight on an arm, in the background where it has a name.
    pub(crate) drain: Option<Drain>,
    /// How many were left when the draining of that name ended.
    pub(crate) drained: BTreeMap<String, usize>,
    /// The connection, which is opened where it is not yet; without a name it is one for this step alone.
    pub(crate) on: Option<String>,
    pub(crate) send: Option<Send>,
    /// Sends bytes and no request.
    pub(crate) write: Option<Text>,
    pub(crate) expect: Option<Expect>,
    /// What sinks of outcomes were told since the last step that asked, in any order.
    pub(crate) outcomes: Option<Vec<String>>,
    pub(crate) exposures: Option<Vec<String>>,
    /// Requests in flight by `flag variant`.
    pub(crate) in_flight: BTreeMap<String, usize>,
    /// Kept texts that must all differ.
    pub(crate) distinct: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Drain {
    /// `flag variant`; without it, all.
    pub(crate) arm: Option<String>,
    pub(crate) deadline_ms: u64,
    pub(crate) left: Option<usize>,
    pub(crate) background: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Send {
    /// `GET /path`, or a path alone.
    Line(String),
    Raw {
        raw: Text,
    },
    Request {
        #[serde(default)]
        method: Option<String>,
        path: Text,
        #[serde(default)]
        headers: Vec<Text>,
        #[serde(default)]
        body: Option<Text>,
    },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Expect {
    /// Status 200 and this body.
    Body(String),
    Response(Box<Response>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Response {
    /// One of these; 200 where it is left out.
    pub(crate) status: Option<Statuses>,
    pub(crate) body: Option<Like>,
    pub(crate) json: Option<Value>,
    /// Attributes of the request as the service saw them; null is missing. Others are not compared.
    pub(crate) attributes: BTreeMap<String, Option<Like>>,
    pub(crate) headers: BTreeMap<String, Option<HeaderValue>>,
    pub(crate) trailers: BTreeMap<String, Option<HeaderValue>>,
    /// Reads until the body holds this text, and no further.
    pub(crate) until: Option<String>,
    /// The head came with an earlier step: the rest of that body is meant.
    pub(crate) rest: bool,
    /// The connection is closed before the response has come as a whole.
    pub(crate) closed: bool,
    /// The server refuses the request with a status from 400 on, or closes the connection.
    pub(crate) refused: bool,
    /// Body, `x-middleware` and `x-fader` tell the same variant.
    pub(crate) agree: bool,
    /// Keeps the cookie that is set, or the attribute of that name, under the name.
    pub(crate) keep: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Statuses {
    One(u16),
    Any(Vec<u16>),
}

/// A text, exact or with `*` for anything.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Like {
    Exact(String),
    Form { like: String },
    Kept { kept: String },
    Length { length: usize },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum HeaderValue {
    /// The members of a list, in any order and case.
    List {
        list: BTreeSet<String>,
    },
    /// A list that has at least these members.
    Members {
        members: BTreeSet<String>,
    },
    Value(Like),
}

/// A file's cases, each once for every row of its `for`.
pub(crate) fn cases(file: &str) -> Vec<Case> {
    let path = folder().join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
    let File {
        documents, cases, ..
    } = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
    let named: BTreeMap<_, _> = documents
        .into_iter()
        .map(|(name, document)| (name, document.get().to_owned()))
        .collect();
    cases
        .iter()
        .flat_map(|raw| expand(file, raw.get()))
        .map(|case| Case {
            named: named.clone(),
            ..case
        })
        .collect()
}

/// A case that stands in the code.
pub(crate) fn inline(text: &str) -> Case {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The files of cases.
pub(crate) fn files() -> Vec<String> {
    let entries = fs::read_dir(folder()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != DIFFERENCES).collect()
}

/// The named differences between the adapters, with their reasons.
pub(crate) fn differences() -> BTreeMap<String, String> {
    let text = fs::read_to_string(folder().join(DIFFERENCES)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/web")
}

fn expand(file: &str, raw: &str) -> Vec<Case> {
    let template: Template = serde_json::from_str(raw).unwrap();
    let rows = match template.rows {
        rows if rows.is_empty() => vec![BTreeMap::new()],
        rows => rows,
    };
    let case = |row: &BTreeMap<String, Value>| {
        let text = fill(raw, row);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}: {text}"))
    };
    rows.iter().map(case).collect()
}

/// Puts values in the place of variables: a string that is one becomes its value, within other strings it becomes text.
fn fill(raw: &str, row: &BTreeMap<String, Value>) -> String {
    let mut text = raw.to_owned();
    // The longer name first, of which a shorter one may be the beginning.
    for (name, value) in row.iter().rev() {
        assert!(name.starts_with('$'), "`{name}` is no variable");
        let written = value.to_string();
        // Where rows are written stays as it is: nobody reads it again.
        text = text.replace(&format!("\"{name}\":"), &format!("\"#{}\":", &name[1..]));
        text = text.replace(&format!("\"{name}\""), &written);
        match value {
            Value::String(_) => text = text.replace(name, &written[1..written.len() - 1]),
            Value::Number(_) => text = text.replace(name, &written),
            _ => {}
        }
    }
    text
}

impl Case {
    /// The text of the document that is live at first.
    pub(crate) fn document(&self) -> String {
        match &self.document {
            Some(document) => self.resolve(document),
            None => wanting(&self.wants),
        }
    }

    /// The text of the overlay that is live at first.
    pub(crate) fn overlay(&self) -> Option<String> {
        self.config.overlay.as_deref().map(|it| self.resolve(it))
    }

    /// The file's documents and overlays by name.
    pub(crate) fn named(&self) -> &BTreeMap<String, String> {
        &self.named
    }

    pub(crate) fn load(&self, step: &Step) -> Option<String> {
        step.load.as_deref().map(|it| self.resolve(it))
    }

    pub(crate) fn step_overlay(&self, step: &Step) -> Option<String> {
        step.overlay.as_deref().map(|it| self.resolve(it))
    }

    /// The text itself, or that of a name.
    fn resolve(&self, written: &RawValue) -> String {
        match serde_json::from_str::<String>(written.get()) {
            Ok(name) => self
                .named
                .get(&name)
                .unwrap_or_else(|| panic!("{}: there is no `{name}`", self.name))
                .clone(),
            Err(_) => written.get().to_owned(),
        }
    }
}

/// A document whose rules read these attributes.
fn wanting(names: &[String]) -> String {
    let conditions: Vec<_> = names
        .iter()
        .map(|name| serde_json::json!({ "attribute": name, "exists": true }))
        .collect();
    serde_json::json!({ "flags": { "wanting": { "rules": [
        { "if": { "all": conditions }, "serve": "on" }
    ] } } })
    .to_string()
}

impl Expect {
    pub(crate) fn body_alone(&self) -> Option<&str> {
        match self {
            Self::Body(body) => Some(body),
            Self::Response(_) => None,
        }
    }
}
