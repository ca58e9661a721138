use proptest::prelude::*;

use super::*;

#[test]
fn the_first_of_the_name_is_found() {
    for (query, expected) in [
        ("a=1", Some("1")),
        ("b=2&a=1&a=3", Some("1")),
        ("&&a=1&", Some("1")),
        ("a=x=y", Some("x=y")),
        ("a=x;b=y", Some("x;b=y")),
        ("a=?#/", Some("?#/")),
        ("a=+x+", Some(" x ")),
        ("a=%2B%20%26%3D", Some("+ &=")),
        ("a=caf%C3%A9", Some("café")),
        ("a=café%21", Some("café!")),
        ("a=%zz%4%", Some("%zz%4%")),
        ("a=%2541", Some("%41")),
        ("a=%00", Some("\0")),
        ("%61=1", Some("1")),
        ("a+=1", None),
        ("a=%ff", None),
        ("a=%C3", None),
        ("a=%ed%a0%80", None),
        ("a=", None),
        ("a", None),
        ("a=&a&a=%ff&a=1", Some("1")),
        ("A=1", None),
        ("ab=1&ba=1&=a", None),
        ("%ff=1", None),
        ("", None),
        ("=", None),
    ] {
        assert_eq!(find(query, "a").as_deref(), expected, "{query}");
    }
}

#[test]
fn names_are_compared_decoded() {
    for (query, name) in [
        ("a+b=1", "a b"),
        ("a%20b=1", "a b"),
        ("a%2Bb=1", "a+b"),
        ("user%5Bid%5D=1", "user[id]"),
        ("caf%c3%a9=1", "café"),
        ("café=1", "café"),
        ("100%=1", "100%"),
    ] {
        assert_eq!(find(query, name).as_deref(), Some("1"), "{query}");
    }
    for (query, name) in [("a+b=1", "a+b"), ("a%20b=1", "a%20b")] {
        assert_eq!(find(query, name), None, "{query}");
    }
}

#[test]
fn plain_values_are_borrowed() {
    for (query, is_borrowed) in [("%61=1é", true), ("a=%zz", false), ("a=+", false)] {
        let is = matches!(find(query, "a"), Some(Cow::Borrowed(_)));
        assert_eq!(is, is_borrowed, "{query}");
    }
}

proptest! {
    #[test]
    fn no_text_panics_or_grows(query in "([&=%+a]|.)*", name in ".*") {
        if let Some(value) = find(&query, &name) {
            prop_assert!(!value.is_empty() && value.len() <= query.len());
        }
    }

    #[test]
    fn what_is_written_is_read(
        before in "([a-y%+]{0,4}=[^&]*&){0,3}",
        name in "z.*", value in ".+", after in "(&.*)?",
    ) {
        let encode = |text: &str, space: &str| {
            let text = percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
            text.to_string().replace("%20", space)
        };
        for space in ["+", "%20"] {
            let query = format!("{before}{}={}{after}", encode(&name, space), encode(&value, space));
            let found = find(&query, &name);
            prop_assert_eq!(found.as_deref(), Some(value.as_str()), "{}", query);
        }
    }
}
