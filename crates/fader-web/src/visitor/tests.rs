use proptest::prelude::*;

use super::*;
use crate::fake::Request;

const NOW: u64 = 1_700_000_000;
const ID: &str = "8PHy8_T19vf4-fr7_P3-_w";
const RANDOM: [u8; 16] = [
    0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff,
];
const OLDER: &[u8] = b"an older key of 24 bytes";

fn newer() -> [u8; 32] {
    std::array::from_fn(|at| u8::try_from(at).unwrap())
}

fn signed() -> Visitor {
    Visitor::new().key(newer()).unwrap()
}

fn value(issued: &Issued) -> &str {
    let (pair, _) = issued.set_cookie.split_once(';').unwrap();
    pair.split_once('=').unwrap().1
}

fn sign(payload: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(&newer()).unwrap();
    let mac = mac.chain_update("fader_visitor=").chain_update(payload);
    let signature = BASE64URL_NOPAD
        .encode_display(&mac.finalize().into_bytes()[..16])
        .to_string();
    format!("{payload}.{signature}")
}

/// The vectors are worked out by Python:
///
/// ```python
/// signed = b"fader_visitor=1.8PHy8_T19vf4-fr7_P3-_w.1700000000"
/// digest = hmac.new(bytes(range(32)), signed, hashlib.sha256).digest()
/// base64.urlsafe_b64encode(digest[:16]).rstrip(b"=")
/// ```
///
/// and with `b"an older key of 24 bytes"` in the place of `bytes(range(32))`.
#[test]
fn cookies_are_those_of_the_recipe() {
    let rest = "; Path=/; Max-Age=34560000; HttpOnly; Secure; SameSite=Lax";
    let older = signed().key(OLDER).unwrap();
    for (visitor, signature) in [
        (Visitor::new(), ""),
        (signed(), ".Y5dgIk9ZLMAsC1kdAIsFeg"),
        (older, ".Y5dgIk9ZLMAsC1kdAIsFeg"),
        (
            Visitor::new().key(OLDER).unwrap(),
            ".k3WUmqEKj6jiyxhmeVcjVw",
        ),
    ] {
        let issued = visitor.issue_id(RANDOM, NOW);
        assert_eq!(&*issued.id, ID);
        assert_eq!(
            issued.set_cookie,
            format!("fader_visitor=1.{ID}.{NOW}{signature}{rest}")
        );
        let known = Known { id: ID, born: NOW };
        assert_eq!(visitor.read(value(&issued), NOW), Some(known));
    }
}

#[test]
fn every_id_is_another() {
    let visitor = Visitor::default();
    let (one, other) = (visitor.issue(NOW).unwrap(), visitor.issue(NOW).unwrap());
    assert_ne!(one.id, other.id);
    assert_eq!(visitor.read(value(&one), NOW).unwrap().id, &*one.id);
}

#[test]
fn keys_rotate() {
    let before = Visitor::new().key(OLDER).unwrap();
    let during = signed().key(OLDER).unwrap();
    let after = signed();
    let (old, new) = (before.issue_id(RANDOM, NOW), during.issue_id(RANDOM, NOW));
    for (visitor, issued, is_good) in [
        (&during, &old, true),
        (&during, &new, true),
        (&after, &new, true),
        (&after, &old, false),
        (&before, &new, false),
    ] {
        assert_eq!(visitor.read(value(issued), NOW).is_some(), is_good);
    }
}

#[test]
fn a_signature_is_good_for_one_name_and_needed_with_a_key() {
    let issued = signed().issue_id(RANDOM, NOW);
    let other = signed().cookie("other").unwrap();
    assert_eq!(other.read(value(&issued), NOW), None);
    assert_eq!(Visitor::new().read(value(&issued), NOW), None);

    let unsigned = Visitor::new().issue_id(RANDOM, NOW);
    assert_eq!(signed().read(value(&unsigned), NOW), None);
    for tail in [
        ".",
        ".AAAAAAAAAAAAAAAAAAAAAA",
        ".Y5dgIk9ZLMAsC1kdAIsFe",
        ".Y5dg",
    ] {
        let forged = format!("{}{tail}", value(&unsigned));
        assert_eq!(signed().read(&forged, NOW), None, "{forged}");
    }
}

#[test]
fn only_the_exact_form_is_read() {
    let visitor = Visitor::new();
    for value in [
        "",
        ".",
        "..",
        "1",
        "1.",
        "1..",
        "1.8PHy8_T19vf4-fr7_P3-_w",
        "1.8PHy8_T19vf4-fr7_P3-_w.",
        "1.8PHy8_T19vf4-fr7_P3-_w.1700000000.",
        "1.8PHy8_T19vf4-fr7_P3-_w.1700000000.Y5dgIk9ZLMAsC1kdAIsFeg",
        "1.8PHy8_T19vf4-fr7_P3-_w.+1700000000",
        "1.8PHy8_T19vf4-fr7_P3-_w.-1700000000",
        "1.8PHy8_T19vf4-fr7_P3-_w.01700000000",
        "1.8PHy8_T19vf4-fr7_P3-_w.1700000000 ",
        "1.8PHy8_T19vf4-fr7_P3-_w.1.7e9",
        "1.8PHy8_T19vf4-fr7_P3-_w.0x6553f100",
        "1.8PHy8_T19vf4-fr7_P3-_w.18446744073709551616",
        "1.8PHy8_T19vf4-fr7_P3-_w.18446744073711251616",
        "1.8PHy8_T19vf4-fr7_P3-_w.1700000000\0",
        "1.8PHy8_T19vf4-fr7_P3-_.1700000000",
        "1.8PHy8_T19vf4-fr7_P3-_wA.1700000000",
        "1.8PHy8_T19vf4-fr7_P3-_x.1700000000",
        "1.8PHy8/T19vf4+fr7/P3+/w.1700000000",
        "1.8PHy8_T19vf4-fr7_P3-_=.1700000000",
        "1.8PHy8_T19vf4-fr7_P3-é.1700000000",
        "2.8PHy8_T19vf4-fr7_P3-_w.1700000000",
        "01.8PHy8_T19vf4-fr7_P3-_w.1700000000",
        " 1.8PHy8_T19vf4-fr7_P3-_w.1700000000",
    ] {
        assert_eq!(visitor.read(value, NOW), None, "{value}");
        // A good signature makes it no better.
        assert_eq!(signed().read(&sign(value), NOW), None, "{value}");
    }
    assert!(
        signed()
            .read(&sign(&format!("1.{ID}.{NOW}")), NOW)
            .is_some()
    );
    let long = format!("1.{ID}.{}", "1".repeat(1_000_000));
    assert_eq!(visitor.read(&long, NOW), None);
    assert_eq!(signed().read(&sign(&long), NOW), None);
}

#[test]
fn an_id_lives_from_its_birth_to_its_age() {
    let hour = Visitor::new().max_age(Duration::from_millis(3_600_900));
    for (visitor, born, is_good) in [
        (&hour, NOW, true),
        (&hour, NOW + 60, true),
        (&hour, NOW + 61, false),
        (&hour, u64::MAX, false),
        (&hour, NOW - 3600, true),
        (&hour, NOW - 3601, false),
        (&hour, 0, false),
        (&Visitor::new(), NOW - 34_560_000, true),
        (&Visitor::new(), NOW - 34_560_001, false),
    ] {
        let value = format!("1.{ID}.{born}");
        assert_eq!(visitor.read(&value, NOW).is_some(), is_good, "{born}");
    }
    assert!(Visitor::new().read(&format!("1.{ID}.0"), 0).is_some());
    for (max_age, seconds) in [
        (Duration::ZERO, 1),
        (Duration::from_millis(1999), 1),
        (Duration::MAX, 34_560_000),
    ] {
        let issued = Visitor::new().max_age(max_age).issue_id(RANDOM, NOW);
        let part = format!("; Max-Age={seconds};");
        assert!(issued.set_cookie.contains(&part), "{}", issued.set_cookie);
    }
}

#[test]
fn the_first_cookie_that_verifies_is_the_visitor() {
    let visitor = signed();
    let good = visitor.issue_id(RANDOM, NOW);
    let good = format!("{}={}", visitor.name, value(&good));
    let later = visitor.issue_id([7; 16], NOW);
    let forged = format!("fader_visitor=1.{ID}.{NOW}.AAAAAAAAAAAAAAAAAAAAAA");
    let find = |lines: &[&str]| {
        let lines: Vec<_> = lines.iter().map(|line| ("cookie", *line)).collect();
        let request = Request::new(&lines);
        visitor.find(&request, NOW).map(|known| known.id.to_owned())
    };
    let both = format!("{good}; fader_visitor={}", value(&later));
    for lines in [
        &[good.as_str()][..],
        &["fader_visitor=; a=b", &good],
        &[&forged, &good],
        &[&format!("{forged}; {forged}; {both}")],
        &[&[forged.as_str(); 7].join(";"), &good],
    ] {
        assert_eq!(find(lines).as_deref(), Some(ID), "{lines:?}");
    }
    for lines in [
        &[][..],
        &[forged.as_str()],
        &[&format!("x{good}")],
        // Tries are bounded.
        &[&[forged.as_str(); 8].join(";"), &good],
    ] {
        assert_eq!(find(lines), None, "{lines:?}");
    }
}

#[test]
fn settings_are_checked() {
    for name in [
        "", "a b", "a=b", "a;b", "é", "a\"", "a\r\n", "a,b", "(a)", "a\0",
    ] {
        let error = Visitor::new().cookie(name).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("`{name}` is no name of a cookie: use letters, digits, `-`, `_` and `.`")
        );
    }
    let named = Visitor::new().cookie("__Host-v.1!#$%&'*+^`|~").unwrap();
    let issued = named.issue_id(RANDOM, NOW);
    assert!(issued.set_cookie.starts_with("__Host-v.1!#$%&'*+^`|~=1."));

    let error = Visitor::new().key([b's'; 15]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a key of 15 bytes is too short: use 16 random bytes or more"
    );
    assert!(Visitor::new().key([b's'; 16]).is_ok());
    assert!(Visitor::new().key([b's'; 1000]).is_ok());
    assert_eq!(
        format!("{:?}", Visitor::new().key("sixteen secret bytes").unwrap()),
        "Visitor { name: \"fader_visitor\", max_age: 34560000, keys: 1 }"
    );
}

#[test]
fn only_a_browser_s_navigation_is_one() {
    let mode = "sec-fetch-mode";
    let purpose = "sec-purpose";
    for (headers, is) in [
        (&[(mode, "navigate")][..], true),
        (&[(mode, "navigate"), (purpose, "")], true),
        (&[(mode, "navigate"), (purpose, "prefetching")], true),
        (&[(mode, "navigate"), (purpose, "prefetch")], false),
        (
            &[(mode, "navigate"), (purpose, "prefetch;prerender")],
            false,
        ),
        (
            &[
                (mode, "navigate"),
                (purpose, " prefetch ; anonymous-client-ip"),
            ],
            false,
        ),
        (&[(mode, "Navigate")], false),
        (&[(mode, "navigate, cors")], false),
        (&[(mode, "cors")], false),
        (&[(mode, "nested-navigate")], false),
        (&[(mode, "")], false),
        (&[], false),
    ] {
        assert_eq!(is_navigation(&Request::new(headers)), is, "{headers:?}");
    }
}

proptest! {
    #[test]
    fn what_is_issued_is_read(random: [u8; 16], born: u64, later in 0_u64..=3600, has_key: bool) {
        let visitor = if has_key { signed() } else { Visitor::new() };
        let visitor = visitor.max_age(Duration::from_secs(3600));
        let issued = visitor.issue_id(random, born);
        let known = visitor.read(value(&issued), born.saturating_add(later));
        prop_assert_eq!(known, Some(Known { id: &issued.id, born }));
    }

    #[test]
    fn no_byte_can_be_changed(random: [u8; 16], at: proptest::sample::Index, byte in 0_u8..128) {
        let issued = signed().issue_id(random, NOW);
        let good = value(&issued);
        let mut changed = good.as_bytes().to_vec();
        let at = at.index(changed.len());
        prop_assume!(changed[at] != byte);
        changed[at] = byte;
        let changed = String::from_utf8(changed).unwrap();
        prop_assert_eq!(signed().read(&changed, NOW), None, "{}", changed);
    }

    #[test]
    fn no_text_panics(text in "(1\\.)?([A-Za-z0-9_-]{22}\\.)?([0-9]{1,21})?(\\.[A-Za-z0-9_-]{22})?|.*", now: u64) {
        let _ = Visitor::new().read(&text, now);
        prop_assert_eq!(signed().read(&text, now), None);
    }
}

/// Every single bit, not only some bytes.
#[test]
fn no_bit_can_be_flipped() {
    let issued = signed().issue_id(RANDOM, NOW);
    let good = value(&issued);
    for at in 0..good.len() * 8 {
        let mut flipped = good.as_bytes().to_vec();
        flipped[at / 8] ^= 1 << (at % 8);
        if let Ok(flipped) = String::from_utf8(flipped) {
            assert_eq!(signed().read(&flipped, NOW), None, "{flipped}");
        }
    }
}
