//! The hash of a unit, against values of an independent implementation (Python's `xxhash`):
//! `xxh3_64(unit, seed = xxh3_64(b"fader unit"))`.

use std::sync::Arc;

use fader::{Context, Flags, MemoryExposures, Source, Value};

fn hashes(handle: &Flags, context: Context) -> Vec<Option<u64>> {
    let seen = Arc::new(MemoryExposures::new());
    handle.add_exposure_sink(Arc::clone(&seen));
    let scope = handle.scope(context);
    for flag in ["a", "b"] {
        let _ = scope.resolve(flag);
    }
    seen.take().into_iter().map(|seen| seen.unit).collect()
}

fn handle(by: &str) -> Flags {
    let handle = Flags::builder().ambient("host", "user-42").build();
    // Two salts, two rules: the unit is the same.
    let document = format!(
        r#"{{ "flags": {{
            "a": {{ "by": "{by}", "rules": [ {{ "percent": 50, "serve": "on" }} ] }},
            "b": {{ "by": "{by}", "salt": "other", "rules": [ {{ "percent": 0, "serve": "on" }} ] }} }} }}"#
    );
    let source = Source::new("flags.json");
    handle.load(document.as_str(), &source).unwrap();
    handle
}

#[test]
fn the_hash_of_a_unit_is_the_published_one() {
    let long = "x".repeat(241);
    let number = 9_007_199_254_740_993_i64;
    let vectors: [(Value, u64); 7] = [
        ("u".into(), 3_626_415_099_225_205_783),
        ("user-42".into(), 5_379_683_730_267_777_108),
        ("Zoë 🦀".into(), 13_016_965_041_863_699_504),
        (long.as_str().into(), 3_134_387_032_167_713_685),
        // A number is the text of its digits.
        (number.into(), 3_205_936_066_920_297_304),
        ("9007199254740993".into(), 3_205_936_066_920_297_304),
        (Value::untyped("user-42"), 5_379_683_730_267_777_108),
    ];
    for (unit, hash) in vectors {
        let found = hashes(
            &handle("user.id"),
            Context::anonymous().with("user.id", unit.clone()),
        );
        assert_eq!(found, [Some(hash); 2], "{unit:?}");
    }
    // A constant of the process.
    assert_eq!(
        hashes(&handle("host"), Context::anonymous()),
        [Some(5_379_683_730_267_777_108); 2]
    );
    // No unit, no exposure.
    assert_eq!(hashes(&handle("user.id"), Context::anonymous()), []);
}
