//! Documents taken apart, entry by entry: what they make together is what they were.

use std::ops::Range;

use fader::{Delivery, Flags, ManualClock, Source};
use jsonc_parser::ast;
use jsonc_parser::common::Ranged;

use crate::conformance::{context, differs, load_as, now};
use crate::data;

const SECTIONS: [&str; 4] = ["metadata", "segments", "lists", "flags"];

/// Takes a document apart, so that each entry of its sections is one of its own, on the line and in the column where it
/// was; a text that is no object stays whole.
fn apart(document: &str) -> Vec<String> {
    let text = document.strip_prefix('\u{feff}').unwrap_or(document);
    let parsed = jsonc_parser::parse_to_ast(text, &Default::default(), &Default::default());
    let Some(ast::Value::Object(root)) = parsed.ok().and_then(|parsed| parsed.value) else {
        return vec![document.to_owned()];
    };
    let frame = [root.start()..root.start() + 1, root.end() - 1..root.end()];
    let mut parts = Vec::new();
    for property in &root.properties {
        let name = property.name.as_str();
        match &property.value {
            ast::Value::Object(section) if SECTIONS.contains(&name) => {
                let around = [
                    property.start()..section.start() + 1,
                    section.end() - 1..section.end(),
                ];
                let entries = section.properties.iter().map(Ranged::range);
                let entries = entries.map(|entry| entry.start..entry.end);
                // A section without entries is still there.
                for entry in entries.chain(section.properties.is_empty().then_some(0..0)) {
                    let kept = frame.iter().chain(&around).cloned().chain([entry]);
                    parts.push(only(text, &kept.collect::<Vec<_>>()));
                }
            }
            _ => {
                let kept = frame
                    .iter()
                    .cloned()
                    .chain(std::iter::once(property.start()..property.end()));
                parts.push(only(text, &kept.collect::<Vec<_>>()));
            }
        }
    }
    if parts.is_empty() {
        parts.push(text.to_owned());
    }
    parts
}

/// Blanks everything but some stretches.
fn only(text: &str, kept: &[Range<usize>]) -> String {
    let blank = |(at, character): (usize, char)| {
        let is_kept = kept.iter().any(|range| range.contains(&at));
        if is_kept || character == '\n' {
            character
        } else {
            ' '
        }
    };
    text.char_indices().map(blank).collect()
}

fn delivery(document: &str) -> Delivery {
    let parts = apart(document).into_iter().enumerate();
    Delivery::from_parts(parts.map(|(number, part)| (format!("{number:04}.json"), part)))
}

#[test]
fn parts_answer_as_the_whole_does() {
    let (mut cases, mut wrong) = (0, Vec::new());
    for file in data::conformance() {
        for group in &file.groups {
            let flags = load_as(group, delivery);
            for case in &group.cases {
                let context = context(case);
                let scope = flags.scope_at(&context, now(group, case));
                let resolution = scope.resolve(&case.flag);
                if differs(&resolution, &case.expect) {
                    wrong.push(format!(
                        "{} / {} / {}: {resolution:?}",
                        file.file, group.name, case.name
                    ));
                }
                cases += 1;
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {cases} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(cases > 2000, "only {cases} cases");
}

/// Documents of which the parts are told of less than the whole, as they can't be put together.
const IN_PART: [&str; 3] = [
    "document-nulls.json",
    "document-wrong-types.json",
    "duplicate-in-document.json",
];

/// What is told of parts is told of the whole, at the same place; the rest is told when those are put right that can't be
/// put together.
#[test]
fn parts_are_told_of_as_the_whole_is() {
    let (mut same, mut in_part, mut wrong) = (0, Vec::new(), String::new());
    for document in data::invalid().into_iter().chain(data::warnings()) {
        let Ok(text) = std::str::from_utf8(&document.document) else {
            continue;
        };
        if document.expected.iter().any(|told| told.kind == "syntax") {
            // It may be cured by being taken apart.
            continue;
        }
        let told = |delivery: Delivery| {
            let lists = fader::list_files(text.as_bytes()).into_iter();
            let delivery = lists.fold(delivery, |delivery, path| {
                let content = document.list(&path);
                delivery.list(path, content)
            });
            let clock = ManualClock::at("2026-12-01T00:00:00Z").unwrap();
            let flags = Flags::builder().clock(clock).build();
            let told = match flags.load(delivery, &Source::new("document")) {
                Ok(loaded) => loaded.warnings().to_vec(),
                Err(error) => error.diagnostics().to_vec(),
            };
            let mut told: Vec<_> = told
                .iter()
                .map(|told| {
                    // Of two that are alike each part says where the other one is.
                    let message = told.message().split(": it is in `").next().unwrap();
                    let place = (told.line(), told.column(), told.path().to_owned());
                    (
                        place,
                        told.kind().as_str(),
                        told.severity(),
                        message.to_owned(),
                        told.help().map(str::to_owned),
                    )
                })
                .collect();
            told.sort();
            told
        };
        let (whole, parts) = (told(Delivery::new(text)), told(delivery(text)));
        if whole == parts {
            same += 1;
        } else if !parts.is_empty() && parts.iter().all(|told| whole.contains(told)) {
            in_part.push(document.name.clone());
        } else {
            wrong.push_str(&format!("{}\n  {whole:?}\n  {parts:?}\n", document.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(in_part, IN_PART);
    assert!(same > 100, "{same} are told the same");
}
