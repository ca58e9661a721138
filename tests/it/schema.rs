//! `schema/flags.schema.json` against the documents of `tests/data`.
//!
//! The schema is looser than the checker and may never be stricter: whatever the checker takes, it takes. What it can
//! know, fields and types, it refuses as the checker does.

use std::fs;
use std::path::{Path, PathBuf};

use jsonc_parser::{ParseOptions, parse_to_serde_value};
use jsonschema::Validator;
use serde_json::Value;

/// The sorts of mistakes that a schema can find.
const STRUCTURAL: [&str; 3] = ["unknown-field", "missing-field", "wrong-type"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn parse(text: &str, name: &str) -> Value {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    parse_to_serde_value(text, &ParseOptions::default())
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let is_json = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    };
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(is_json)
        .collect();
    files.sort();
    files
}

/// Returns each case of a folder of documents with their diagnostics: the document's path, and the kinds of its errors.
fn checked_documents(folder: &Path) -> Vec<(PathBuf, Vec<String>)> {
    let expectations = json_files(folder).into_iter().filter_map(|path| {
        let name = path
            .file_name()?
            .to_str()?
            .strip_suffix(".expected.json")?
            .to_owned();
        let expected = parse(&read(&path), &name);
        let errors = expected["diagnostics"]
            .as_array()?
            .iter()
            .filter(|found| found["severity"] == "error");
        let kinds = errors
            .map(|found| found["kind"].as_str().unwrap_or_default().to_owned())
            .collect();
        Some((folder.join(name + ".json"), kinds))
    });
    expectations.collect()
}

fn validator() -> Validator {
    let schema = parse(
        &read(&root().join("schema/flags.schema.json")),
        "the schema",
    );
    jsonschema::draft202012::meta::validate(&schema)
        .unwrap_or_else(|error| panic!("the schema is none: {error}"));
    jsonschema::draft202012::new(&schema)
        .unwrap_or_else(|error| panic!("the schema is none: {error}"))
}

#[track_caller]
fn assert_accepted(validator: &Validator, document: &Value, name: &str) {
    if let Err(error) = validator.validate(document) {
        panic!(
            "the schema refuses {name} at {}: {error}",
            error.instance_path()
        );
    }
}

#[test]
fn every_good_document_validates() {
    let validator = validator();
    let mut seen = 0;
    for path in json_files(&root().join("tests/data")) {
        let file = parse(&read(&path), &path.display().to_string());
        for group in file["groups"].as_array().into_iter().flatten() {
            let name = format!("{}, {}", path.display(), group["name"]);
            // A document for quarantine has errors; the one before it has none.
            let document = (group["strictness"] != "quarantine").then(|| {
                group["text"]
                    .as_str()
                    .map_or_else(|| group["document"].clone(), |text| parse(text, &name))
            });
            for document in document.iter().chain(group.get("before")) {
                assert_accepted(&validator, document, &name);
                seen += 1;
            }
        }
    }
    assert!(seen >= 200, "only {seen} documents were found");
}

#[test]
fn documents_with_warnings_alone_validate() {
    let validator = validator();
    let cases = checked_documents(&root().join("tests/data/warnings"));
    assert!(!cases.is_empty());
    for (path, errors) in cases {
        assert!(errors.is_empty(), "{} has errors", path.display());
        assert_accepted(
            &validator,
            &parse(&read(&path), &path.display().to_string()),
            &path.display().to_string(),
        );
    }
}

#[test]
fn the_example_validates() {
    let text = read(&root().join("flags.example.json"));
    assert_accepted(
        &validator(),
        &parse(&text, "flags.example.json"),
        "flags.example.json",
    );
}

#[test]
fn unknown_fields_missing_fields_and_wrong_types_are_refused() {
    let validator = validator();
    let cases = checked_documents(&root().join("tests/data/invalid"));
    let structural =
        |kinds: &[String]| kinds.iter().all(|kind| STRUCTURAL.contains(&kind.as_str()));
    let cases: Vec<_> = cases
        .into_iter()
        .filter(|(_, kinds)| !kinds.is_empty() && structural(kinds))
        .collect();
    assert!(cases.len() >= 60, "only {} cases were found", cases.len());
    for (path, kinds) in cases {
        let document = parse(&read(&path), &path.display().to_string());
        assert!(
            !validator.is_valid(&document),
            "the schema accepts {} ({kinds:?})",
            path.display()
        );
    }
}
