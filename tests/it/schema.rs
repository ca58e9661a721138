//! `schema/flags.schema.json` against the documents of `tests/data`.
//!
//! The schema is looser than the checker and may never be stricter: whatever the checker takes, it takes. What it can
//! know, fields and types, it refuses as the checker does.

use std::fs;
use std::path::PathBuf;

use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use jsonschema::Validator;
use serde_json::Value;

use crate::data::{self, Checked, Strictness};

/// The sorts of mistakes that a schema can find.
const STRUCTURAL: [&str; 3] = ["unknown-field", "missing-field", "wrong-type"];

#[test]
fn every_good_document_validates() {
    let validator = validator();
    let files = data::conformance();
    let groups = files
        .iter()
        .flat_map(|file| file.groups.iter().map(move |group| (&file.file, group)));
    let mut count = 0;
    for (file, group) in groups {
        // A document for quarantine has errors; the one before it has none.
        let document = (group.strictness() == Strictness::Strict).then(|| group.document());
        for text in document.into_iter().chain(group.before()) {
            assert_accepted(&validator, text, &format!("{file}, `{}`", group.name));
            count += 1;
        }
    }
    assert!(count >= 200, "only {count} documents were found");
}

#[test]
fn documents_with_warnings_alone_validate() {
    let validator = validator();
    for case in data::warnings() {
        assert_accepted(&validator, text(&case), &case.name);
    }
}

#[test]
fn the_example_validates() {
    assert_accepted(
        &validator(),
        &read("flags.example.json"),
        "flags.example.json",
    );
}

#[test]
fn unknown_fields_missing_fields_and_wrong_types_are_refused() {
    let validator = validator();
    let structural = |case: &Checked| {
        let mut errors = case
            .expected
            .iter()
            .filter(|expected| expected.severity == "error");
        errors.all(|error| STRUCTURAL.contains(&&*error.kind))
    };
    let cases: Vec<_> = data::invalid().into_iter().filter(structural).collect();
    assert!(cases.len() >= 60, "only {} cases were found", cases.len());
    for case in cases {
        assert!(
            !validator.is_valid(&parse(text(&case), &case.name)),
            "the schema accepts {}",
            case.name
        );
    }
}

fn validator() -> Validator {
    let schema = parse(&read("schema/flags.schema.json"), "the schema");
    if let Err(error) = jsonschema::draft202012::meta::validate(&schema) {
        panic!("the schema is none, at {}: {error}", error.instance_path());
    }
    jsonschema::draft202012::new(&schema)
        .unwrap_or_else(|error| panic!("the schema is none: {error}"))
}

#[track_caller]
fn assert_accepted(validator: &Validator, text: &str, name: &str) {
    if let Err(error) = validator.validate(&parse(text, name)) {
        panic!(
            "the schema refuses {name}, at {}: {error}",
            error.instance_path()
        );
    }
}

fn parse(text: &str, name: &str) -> Value {
    parse_document(text).unwrap_or_else(|| panic!("{name} is no JSON with comments"))
}

/// Reads JSON with comments and trailing commas.
pub(crate) fn parse_document(text: &str) -> Option<Value> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parsed = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default());
    parsed.ok()?.value.map(Value::from)
}

fn text(case: &Checked) -> &str {
    std::str::from_utf8(&case.document).unwrap_or_else(|error| panic!("{}: {error}", case.name))
}

/// Reads a file of the workspace, by its path from the root.
fn read(path: &str) -> String {
    let path: PathBuf = data::root().join("../..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
