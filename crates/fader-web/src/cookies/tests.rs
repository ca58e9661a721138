use proptest::prelude::*;

use super::*;

#[test]
fn values_are_those_of_the_name() {
    for (line, expected) in [
        ("a=1", &["1"][..]),
        ("b=2; a=1; c=3", &["1"]),
        ("b=2;a=1", &["1"]),
        (" a = 1 \t;", &["1"]),
        ("a=1; a=2", &["1", "2"]),
        ("a=\"1\"", &["1"]),
        ("a=\"1", &["\"1"]),
        ("a=1\"", &["1\""]),
        ("a=\"\"1\"\"", &["\"1\""]),
        ("a=x=y==", &["x=y=="]),
        ("a=%41+b c", &["%41+b c"]),
        ("a=café", &["café"]),
        ("A=1", &[]),
        ("ab=1; ba=1; a.=1", &[]),
        ("a", &[]),
        ("a; a=1", &["1"]),
        ("a=", &[]),
        ("a=; a=1", &["1"]),
        ("a=\"\"", &[]),
        ("a=\"", &["\""]),
        ("=a=1", &[]),
        ("b=\"x; a=1; y\"", &["1"]),
        (";;; ;=;==", &[]),
        ("", &[]),
        ("a=1, a=2", &["1, a=2"]),
        ("b=\"; =; \\; a=1", &["1"]),
    ] {
        let found: Vec<_> = values(line.as_bytes(), "a").collect();
        assert_eq!(found, expected, "{line}");
    }
}

#[test]
fn a_broken_cookie_hides_no_other() {
    let line = b"\xff=\xfe; b=\xff; a=\xff; \0\xff; a=1; a=\xff\"";
    assert_eq!(values(line, "a").collect::<Vec<_>>(), ["1"]);
}

proptest! {
    #[test]
    fn no_bytes_panic(line: Vec<u8>, name in ".*") {
        for value in values(&line, &name) {
            prop_assert!(!value.is_empty());
        }
    }

    #[test]
    fn what_is_written_is_read(
        before in "[^;]*", after in "[^;]*",
        name in "[a-z]{1,4}", value in "[!#-:<-~]{1,20}", is_quoted: bool,
    ) {
        let quote = if is_quoted { "\"" } else { "" };
        let line = format!("{before};{name}={quote}{value}{quote};{after}");
        let is_found = values(line.as_bytes(), &name).any(|found| found == value);
        prop_assert!(is_found, "{}", line);
    }
}
