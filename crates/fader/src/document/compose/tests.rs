use super::*;

fn parts(texts: &[&str]) -> Vec<Part> {
    let part = |(number, text): (usize, &&str)| Part {
        name: format!("{number}.json").into(),
        bytes: text.as_bytes().to_vec(),
    };
    texts.iter().enumerate().map(part).collect()
}

#[test]
fn each_place_is_that_of_a_file() {
    let parts = parts(&[
        "{ // one\n  \"flags\": { \"a\": true, // last\n } }",
        "{\n  \"segments\": {},\n  \"flags\": {\n    \"é\": true,\n    \"b\": false\n  }\n}",
    ]);
    let composed = compose(&parts).unwrap();
    let places = composed.places();
    for (name, file, line, column) in [("\"a\"", 0, 2, 14), ("\"é\"", 1, 4, 5), ("\"b\"", 1, 5, 5)]
    {
        let place = places.place(composed.text.find(name).unwrap());
        let file = format!("{file}.json");
        assert_eq!(place.file.as_deref(), Some(&*file), "{name}");
        assert_eq!((place.line, place.column), (line, column), "{name}");
    }
    let around = places.place(0);
    assert!(around.file.is_none() && (around.line, around.column) == (1, 1));
    let root = syntax::parse(&composed.text, Syntax::Document);
    assert!(root.is_ok(), "{}", composed.text);
}

#[test]
fn everything_that_cannot_be_put_together_is_told_with_its_file() {
    let parts = parts(&[
        "{ \"flags\": [] }",
        "{ \"flags\": { }",
        "{ \"flags\": {}, \"flags\": {} }",
        "{ \"flags\": { \"fine\": true } }",
        "\u{feff}[]",
        "{ \"$schema\": 5 }",
    ]);
    let Err(found) = compose(&parts) else {
        panic!("put together");
    };
    let files: Vec<_> = found.iter().filter_map(Diagnostic::file).collect();
    assert_eq!(
        files,
        ["0.json", "1.json", "2.json", "4.json", "5.json"],
        "{found:?}"
    );
}
