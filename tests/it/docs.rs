//! The documents on the pages under `docs`: each is taken as it stands, strictly and without a warning.

use std::fs;

use fader::{Flags, ManualClock, Source};

use crate::data;

/// The blocks of a page with that info string.
fn blocks(page: &str, info: &str) -> Vec<String> {
    let path = data::root().join("../../docs").join(page);
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let fence = format!("\n```{info}\n");
    let blocks = text
        .split(&fence)
        .skip(1)
        .map(|rest| rest.split("\n```").next());
    blocks
        .map(|block| block.expect("an end").to_owned())
        .collect()
}

fn flags() -> Flags {
    let clock = ManualClock::at("2026-12-01T00:00:00Z").expect("an instant");
    Flags::builder().clock(clock).build()
}

#[test]
fn documents_of_gray_routing_are_taken() {
    let documents = blocks("GRAY-ROUTING.md", "json");
    assert_eq!(documents.len(), 10);
    for document in &documents {
        let loaded = flags()
            .load(document.as_str(), &Source::new("flags.json"))
            .unwrap_or_else(|error| panic!("{error}\n{document}"));
        let warnings: Vec<_> = loaded.warnings().iter().map(ToString::to_string).collect();
        assert_eq!(warnings, [""; 0], "{document}");
    }
}

#[test]
fn documents_of_guarded_ramps_are_taken() {
    let documents = [
        blocks("GUARDED-RAMPS.md", "json"),
        blocks("GUARDED-RAMPS.md", "jsonc"),
    ]
    .concat();
    assert_eq!(documents.len(), 2);
    for document in &documents {
        let loaded = flags()
            .load(document.as_str(), &Source::new("flags.json"))
            .unwrap_or_else(|error| panic!("{error}\n{document}"));
        // What each load of a staged ramp warns of, while no controller runs it.
        let warnings: Vec<_> = loaded.warnings().iter().map(ToString::to_string).collect();
        let is_expected = |warning: &String| warning.contains("controller");
        assert!(warnings.iter().all(is_expected), "{warnings:?}\n{document}");
    }
}

#[test]
fn overlays_of_gray_routing_find_their_flags() {
    let is_ramp = |document: &String| document.contains(r#""name": "ramp""#);
    let document = blocks("GRAY-ROUTING.md", "json").into_iter().find(is_ramp);
    let flags = flags();
    let document = document.expect("the document with the rule");
    flags
        .load(document, &Source::new("flags.json"))
        .expect("a document");
    let overlays = blocks("GRAY-ROUTING.md", "json overlay");
    assert_eq!(overlays.len(), 1);
    for overlay in overlays {
        flags
            .load_overlay(&overlay, &Source::new("flags.json.overlay.json"))
            .unwrap_or_else(|error| panic!("{error}\n{overlay}"));
        // The page says so: nothing else is to be warned of, such as a rule that is not there.
        let status = flags.status();
        let [warning] = status.warnings() else {
            panic!("{:?}", status.warnings());
        };
        assert!(
            warning.to_string().contains("5 % has no effect"),
            "{warning}"
        );
    }
}

/// Tests that a page names by their path, such as `provider_file::a_deleted_file_…`.
#[test]
fn tests_that_pages_name_are_there() {
    let root = data::root().join("../..");
    let mut sources = String::new();
    let mut folders = vec![root.join("tests"), root.join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push_str(&fs::read_to_string(&path).expect("a source"));
            }
        }
    }
    for (page, least) in [("docs/PROVIDERS.md", 60), ("tests/README.md", 150)] {
        let text = fs::read_to_string(root.join(page)).expect("a page");
        let rows = text.lines().filter(|line| line.starts_with('|'));
        let quoted = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
        let is_name = |name: &&str| {
            let last = name.rsplit("::").next().unwrap_or_default();
            let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            last.matches('_').count() > 1 && name.replace("::", "").chars().all(is_word)
        };
        let names: Vec<&str> = quoted.filter(is_name).collect();
        assert!(names.len() >= least, "{page} names {} tests", names.len());
        for name in names {
            let function = format!("fn {}(", name.rsplit("::").next().unwrap_or_default());
            assert!(
                sources.contains(&function),
                "{page} names `{name}`, which is not there"
            );
        }
    }
}
