//! The conformance data, asked on the command line.
//!
//! What a command line cannot ask is left to the core: attributes of request text, and quarantine.

#![cfg(test)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde::Deserialize;
use serde_json::Value;

#[expect(
    dead_code,
    clippy::option_option,
    reason = "it serves the core's tests, which need more of it"
)]
#[path = "../../../tests/it/data.rs"]
mod data;

use data::{Case, Checked, Found, Group, Strictness};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Answer {
    flag: Option<String>,
    value: Value,
    variant: Option<String>,
    reason: String,
    error_code: Option<String>,
    rule: Option<String>,
    version: String,
}

#[test]
fn every_case_that_a_command_line_can_ask_is_answered_as_written() {
    let mut asked = 0;
    let mut wrong = Vec::new();
    for file in data::conformance() {
        for group in file
            .groups
            .iter()
            .filter(|group| group.strictness() == Strictness::Strict && !group.control)
        {
            let cases: Vec<&Case> = group
                .cases
                .iter()
                .filter(|case| case.untyped.is_empty())
                .collect();
            asked += cases.len();
            wrong.extend(
                differences(group, &cases)
                    .into_iter()
                    .map(|difference| format!("{}: {difference}", file.file)),
            );
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {asked} cases:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(asked >= 500, "only {asked} cases");
}

/// Asks the cases of a group in one batch.
fn differences(group: &Group, cases: &[&Case]) -> Vec<String> {
    if cases.is_empty() {
        return Vec::new();
    }
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("flags.json");
    fs::write(&document, group.document()).unwrap();
    if let Some(overlay) = group.overlay() {
        fs::write(folder.path().join("flags.json.overlay.json"), overlay).unwrap();
    }
    for (path, content) in &group.lists {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let batch = folder.path().join("cases.ndjson");
    fs::write(
        &batch,
        cases
            .iter()
            .map(|case| line(group, case))
            .collect::<String>(),
    )
    .unwrap();

    let output = fader([
        "eval".as_ref(),
        document.as_ref(),
        "--batch".as_ref(),
        batch.as_ref(),
    ]);
    let answers: Vec<Answer> = lines(&output.stdout);
    if answers.len() != cases.len() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return vec![format!(
            "{}: {} answers for {} cases\n{stderr}",
            group.name,
            answers.len(),
            cases.len()
        )];
    }
    let has_error = answers.iter().any(|answer| answer.error_code.is_some());
    assert_eq!(
        output.status.code(),
        Some(i32::from(has_error)),
        "{}",
        group.name
    );
    let pairs = cases.iter().zip(&answers);
    pairs
        .filter_map(|(case, answer)| {
            Some(format!(
                "{}: {}: {}",
                group.name,
                case.name,
                difference(case, answer)?
            ))
        })
        .collect()
}

/// Writes a case as a line of a batch. A context may stand on several lines, as white space between tokens.
fn line(group: &Group, case: &Case) -> String {
    let context = case.context().replace(['\n', '\r'], " ");
    let mut line = format!(
        "{{\"flag\": {}, \"context\": {context}",
        Value::from(&*case.flag)
    );
    if let Some(now) = group.now(case) {
        write!(line, ", \"now\": {}", Value::from(now)).unwrap();
    }
    line.push_str("}\n");
    line
}

fn difference(case: &Case, answer: &Answer) -> Option<String> {
    let wanted = &case.expect;
    let same = answer.flag.as_ref() == Some(&case.flag)
        && data::same(&answer.value, &wanted.value)
        && answer.variant == wanted.variant
        && answer.reason == wanted.reason
        && answer.error_code == wanted.error_code
        && answer.rule == wanted.rule
        && !answer.version.is_empty();
    (!same).then(|| {
        let Answer { value, variant, reason, error_code, rule, .. } = answer;
        format!("rules {:?}: {wanted:?}\n    answered {value} {variant:?} {reason} {error_code:?} {rule:?}", case.rules)
    })
}

#[derive(Deserialize)]
struct Report {
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    diagnostics: Vec<Found>,
}

#[test]
fn every_broken_document_gets_its_diagnostics() {
    let documents = data::invalid();
    assert!(documents.len() >= 60, "only {} documents", documents.len());
    assert_checked(&documents, 1);
}

#[test]
fn every_dubious_document_gets_its_warnings() {
    assert_checked(&data::warnings(), 0);
}

fn assert_checked(documents: &[Checked], exit: i32) {
    let mut wrong = Vec::new();
    for document in documents {
        let output = fader([
            "check".as_ref(),
            document.path.as_ref(),
            "--format".as_ref(),
            Path::new("json"),
        ]);
        if output.status.code() != Some(exit) || !output.stderr.is_empty() {
            wrong.push(format!("{}: {output:?}", document.name));
            continue;
        }
        let found: Vec<Found> = lines::<Report>(&output.stdout)
            .into_iter()
            .flat_map(|report| report.files)
            .flat_map(|file| file.diagnostics)
            .collect();
        let differences = data::differences(&document.expected, &found);
        if !differences.is_empty() {
            wrong.push(format!(
                "{} (rules {:?}):\n    {}",
                document.name,
                document.rules,
                differences.join("\n    ")
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} documents:\n{}",
        wrong.len(),
        documents.len(),
        wrong.join("\n")
    );
}

fn fader<const N: usize>(arguments: [&Path; N]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fader"))
        .args(arguments)
        .output()
        .unwrap()
}

/// Reads a line of JSON each.
fn lines<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Vec<T> {
    let text = std::str::from_utf8(bytes).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}
