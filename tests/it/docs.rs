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
