use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::fake::Request;

/// A request of headers alone.
const LIST: &str = "x-forwarded-for";
const PAIRS: &str = "forwarded";

fn proxies() -> TrustedProxies {
    "10.0.0.0/8, 2001:db8:1::/48, 192.0.2.7, ::ffff:172.16.0.0/108"
        .parse()
        .unwrap()
}

fn client(headers: &[(&'static str, &str)]) -> Option<IpAddr> {
    client_address(&Request::new(headers), &proxies())
}

fn parsed(text: &str) -> Option<IpAddr> {
    (!text.is_empty()).then(|| text.parse().unwrap())
}

#[test]
fn a_stranger_s_headers_count_for_nothing() {
    for (peer, proxies, client) in [
        ("203.0.113.9", proxies(), "203.0.113.9"),
        ("11.0.0.1", proxies(), "11.0.0.1"),
        ("10.0.0.1", TrustedProxies::default(), "10.0.0.1"),
        ("::ffff:203.0.113.9", proxies(), "203.0.113.9"),
        ("::1", proxies(), "::1"),
        ("10.0.0.1", proxies(), "198.51.100.1"),
        ("::ffff:10.0.0.1", proxies(), "198.51.100.1"),
        ("172.16.9.9", proxies(), "198.51.100.1"),
        ("192.0.2.7", proxies(), "198.51.100.1"),
        ("192.0.2.8", proxies(), "192.0.2.8"),
        ("2001:db8:1::9", proxies(), "198.51.100.1"),
    ] {
        for name in [LIST, PAIRS] {
            let mut request = Request::new(&[(name, "for=198.51.100.1")]);
            if name == LIST {
                request.headers[0].1 = b"198.51.100.1".to_vec();
            }
            request.peer = parsed(peer);
            assert_eq!(
                client_address(&request, &proxies),
                parsed(client),
                "{peer} {name}"
            );
        }
    }
    let mut request = Request::new(&[(LIST, "198.51.100.1")]);
    request.peer = None;
    assert_eq!(client_address(&request, &proxies()), None);
}

#[test]
fn the_rightmost_stranger_in_x_forwarded_for_is_the_client() {
    for (lines, expected) in [
        (&["198.51.100.1"][..], "198.51.100.1"),
        (&["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
        (
            &["6.6.6.6, 198.51.100.1 ,10.0.0.2,\t10.0.0.3"],
            "198.51.100.1",
        ),
        (&["6.6.6.6", "198.51.100.1", "10.0.0.2"], "198.51.100.1"),
        (&["198.51.100.1", "6.6.6.6"], "6.6.6.6"),
        (&["198.51.100.1:8080, 10.0.0.2:80"], "198.51.100.1"),
        (&["2001:db8::1"], "2001:db8::1"),
        (&["[2001:db8::1]"], "2001:db8::1"),
        (&["[2001:db8::1]:443"], "2001:db8::1"),
        (&["2001:db8::1:80"], "2001:db8::1:80"),
        (&["::ffff:198.51.100.1"], "198.51.100.1"),
        (&["[::ffff:198.51.100.1]:80"], "198.51.100.1"),
        (
            &["198.51.100.1, ::ffff:10.0.0.2, 2001:db8:1::5"],
            "198.51.100.1",
        ),
        // All trusted.
        (&["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        (&["10.0.0.2, 10.0.0.3", "10.0.0.4"], "10.0.0.2"),
        // Nothing is said.
        (&[], "10.0.0.1"),
        (&[""], "10.0.0.1"),
        (&[" , ,\t", ""], "10.0.0.1"),
        (&["", "198.51.100.1, , 10.0.0.2,", " "], "198.51.100.1"),
        (&[", 10.0.0.2"], "10.0.0.2"),
        // Nobody knows.
        (&["198.51.100.1, unknown, 10.0.0.2"], ""),
        (&["198.51.100.1", "_hidden"], ""),
        (&["198.51.100.1, café"], ""),
        (&["unknown, 198.51.100.1"], "198.51.100.1"),
    ] {
        let headers: Vec<_> = lines.iter().map(|line| (LIST, *line)).collect();
        assert_eq!(client(&headers), parsed(expected), "{lines:?}");
    }
    let mut request = Request::new(&[(LIST, "198.51.100.1,")]);
    request.headers[0].1.push(0xff);
    assert_eq!(client_address(&request, &proxies()), None);
}

#[test]
fn the_rightmost_stranger_in_forwarded_is_the_client() {
    for (lines, expected) in [
        (&["for=198.51.100.1"][..], "198.51.100.1"),
        (&["For=\"198.51.100.1:80\""], "198.51.100.1"),
        (&["for=\"[2001:db8::1]:4711\""], "2001:db8::1"),
        (&["for=\"[2001:db8::1]:_port\""], "2001:db8::1"),
        (
            &["for=6.6.6.6, for=198.51.100.1;proto=https, for=10.0.0.2"],
            "198.51.100.1",
        ),
        (
            &[
                "for=6.6.6.6",
                "by=10.0.0.9; for=198.51.100.1 ;;",
                "for=10.0.0.2",
            ],
            "198.51.100.1",
        ),
        (
            &["for=198.51.100.1;host=\"a, for=6.6.6.6\""],
            "198.51.100.1",
        ),
        (&["host=\"a;for=6.6.6.6\";for=198.51.100.1"], "198.51.100.1"),
        (
            &[r#"for=198.51.100.1;host="a\", for=6.6.6.6""#],
            "198.51.100.1",
        ),
        (
            &[r#"for=198.51.100.1;host="a\\", for=10.0.0.2"#],
            "198.51.100.1",
        ),
        (
            &[r#"for=198.51.100.1;host="\\\", for=6.6.6.6""#],
            "198.51.100.1",
        ),
        // A quote that a client left open.
        (&["for=\", for=198.51.100.1"], "198.51.100.1"),
        (&["for=\", for=\"198.51.100.1:80\""], "198.51.100.1"),
        (&["for=\"", "for=198.51.100.1"], "198.51.100.1"),
        // All trusted.
        (&["for=10.0.0.2, for=10.0.0.3", "for=10.0.0.4"], "10.0.0.2"),
        // Nothing is said.
        (&["", " , "], "10.0.0.1"),
        // Nobody knows.
        (&["for=198.51.100.1, for=unknown"], ""),
        (&["for=198.51.100.1, for=\"_hidden\", for=10.0.0.2"], ""),
        (&["for=198.51.100.1, proto=https;by=10.0.0.9"], ""),
        (&["for=198.51.100.1;for=198.51.100.1"], ""),
        (&["for=6.6.6.6;for=10.0.0.2"], ""),
        (&["198.51.100.1"], ""),
        (&["for="], ""),
        (&["for=\"\""], ""),
        (&["for=\""], ""),
        (&["for=\"198.51.100.1"], ""),
        (&["for=198.51.100.1\""], ""),
        (&["for=198.51.100.1;host=\"a"], ""),
        (&["for=\"198.51.100\\.1\""], ""),
        (&["for =198.51.100.1"], ""),
        (&["xfor=198.51.100.1"], ""),
        (&[";"], ""),
        (&["é for=198.51.100.1"], ""),
    ] {
        let headers: Vec<_> = lines.iter().map(|line| (PAIRS, *line)).collect();
        assert_eq!(client(&headers), parsed(expected), "{lines:?}");
    }
}

#[test]
fn both_headers_have_to_agree() {
    for (list, pairs, expected) in [
        ("198.51.100.1", "for=198.51.100.1", "198.51.100.1"),
        (
            "6.6.6.6, 198.51.100.1, 10.0.0.2",
            "for=198.51.100.1",
            "198.51.100.1",
        ),
        (
            "198.51.100.1",
            "for=\"[::ffff:198.51.100.1]:80\"",
            "198.51.100.1",
        ),
        ("10.0.0.2", "for=10.0.0.2, for=10.0.0.3", "10.0.0.2"),
        ("198.51.100.1", " , ", "198.51.100.1"),
        ("", "for=198.51.100.1", "198.51.100.1"),
        ("198.51.100.1", "for=6.6.6.6", ""),
        ("6.6.6.6", "for=198.51.100.1", ""),
        ("10.0.0.2", "for=198.51.100.1", ""),
        ("10.0.0.2", "for=10.0.0.3", ""),
        ("198.51.100.1", "for=unknown", ""),
        ("unknown", "for=198.51.100.1", ""),
        ("unknown", "for=unknown", ""),
        ("", "", "10.0.0.1"),
    ] {
        let headers = [(LIST, list), (PAIRS, pairs)];
        assert_eq!(client(&headers), parsed(expected), "{headers:?}");
    }
}

#[test]
fn what_is_no_address_is_none() {
    for text in [
        "198.51.100.1:",
        "198.51.100.1:x",
        "198.51.100.1:+80",
        "198.51.100.1:123456",
        "198.51.100.1:_",
        "198.51.100.1:_a b",
        "198.51.100.1:80:80",
        "198.51.100.01",
        "198.51.100",
        "0xc6336401",
        "3325256705",
        "198.51.100.1/32",
        "198.51.100.1%1",
        "fe80::1%eth0",
        "[fe80::1%1]:80",
        "[2001:db8::1",
        "2001:db8::1]",
        "[2001:db8::1]80",
        "[2001:db8::1]:",
        "[[2001:db8::1]]",
        "[198.51.100.1]",
        "[]",
        ":80",
        "1:2:3:4:5:6:7:8:80",
        "localhost",
        "unix:",
        "\"198.51.100.1\"",
        "198.51.100.1 198.51.100.1",
        "198.51.100.1\0",
    ] {
        assert_eq!(address(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn networks_are_read_exactly() {
    let proxies = proxies();
    for (address, inside) in [
        ("10.255.255.255", true),
        ("11.0.0.0", false),
        ("172.31.255.255", true),
        ("172.32.0.0", false),
        ("2001:db8:1:ffff::", true),
        ("2001:db8:2::", false),
        ("192.0.2.6", false),
    ] {
        assert_eq!(
            proxies.contains(address.parse().unwrap()),
            inside,
            "{address}"
        );
    }
    for (text, address, inside) in [
        ("::/0", "10.0.0.1", false),
        ("0.0.0.0/0", "::1", false),
        ("0.0.0.0/0", "255.255.255.255", true),
        ("::ffff:0:0/96", "255.255.255.255", true),
        ("::fffe:0:0/95", "10.0.0.1", false),
        ("::ffff:10.0.0.1", "10.0.0.1", true),
        ("::/0", "::1", true),
    ] {
        let proxies: TrustedProxies = text.parse().unwrap();
        let address = address.parse().unwrap();
        assert_eq!(proxies.contains(address), inside, "{text} {address}");
    }
    assert!("".parse::<TrustedProxies>().unwrap().is_empty());
    assert!(" \t".parse::<TrustedProxies>().unwrap().is_empty());
    assert!(TrustedProxies::parse::<_, &str>([]).unwrap().is_empty());
}

#[test]
fn what_is_no_network_is_named_with_the_cure() {
    let cure = "write one such as `10.20.0.0/16` or `2001:db8::/32`, or a single address";
    for text in [
        "10.0.0.0/33",
        "10.0.0.0/08",
        "10.0.0.0/+8",
        "10.0.0.0/-1",
        "10.0.0.0/",
        "10.0.0.0/8/8",
        "010.0.0.0/8",
        "10.0.0/8",
        "::/129",
        "::/256",
        "fe80::1%eth0",
        "10.0.0.1:80",
        "proxy.internal",
        "/8",
        "",
    ] {
        let error = TrustedProxies::parse(["10.0.0.0/8", text]).unwrap_err();
        assert_eq!(error.to_string(), format!("`{text}` is no network: {cure}"));
    }
    for (text, right) in [
        ("10.20.1.0/16", "10.20.0.0/16"),
        ("2001:db8::1/32", "2001:db8::/32"),
        ("::ffff:0:0/95", "::fffe:0:0/95"),
        ("::ffff:10.20.1.0/112", "::ffff:10.20.0.0/112"),
        ("1.2.3.4/0", "0.0.0.0/0"),
    ] {
        let error = format!("192.0.2.7, {text}")
            .parse::<TrustedProxies>()
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("`{text}` has host bits set: did you mean `{right}`?")
        );
    }
    for text in ["10.0.0.0/8,", ",10.0.0.0/8", "10.0.0.0/8 192.0.2.7"] {
        assert!(text.parse::<TrustedProxies>().is_err(), "{text}");
    }
}

/// Were these quadratic, the test would run for minutes.
#[test]
fn work_is_linear_in_what_is_sent() {
    let mut request = Request::new(&[]);
    for _ in 0..10_000 {
        request.headers.push((LIST, b"10.0.0.2".to_vec()));
        request.headers.push((PAIRS, b"for=10.0.0.2;a=\"".to_vec()));
    }
    for text in [
        "\"",
        "\\",
        "\\\"",
        ",",
        ";",
        "\";",
        "for=10.0.0.2,",
        "for=1;",
    ] {
        request.headers.push((LIST, text.repeat(200_000).into()));
        request.headers.push((PAIRS, text.repeat(200_000).into()));
    }
    assert_eq!(client_address(&request, &proxies()), None);
    request.headers.push((LIST, b"198.51.100.1".to_vec()));
    request.headers.push((PAIRS, b"for=198.51.100.1".to_vec()));
    assert_eq!(client_address(&request, &proxies()), parsed("198.51.100.1"));
}

/// Addresses of which about half are trusted proxies.
fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 3]>().prop_map(|[a, b, c]| IpAddr::from([10, a, b, c])),
        any::<u16>().prop_map(|last| IpAddr::from([0x2001, 0xdb8, 1, 0, 0, 0, 0, last])),
        any::<IpAddr>().prop_map(|address| address.to_canonical()),
    ]
}

/// A pair of an element besides `for`: no other parameter, whatever it is, matters.
fn any_pair() -> impl Strategy<Value = String> {
    "(by|host|proto|secret)=(\"([ -!#-\\[\\]-~]|\\\\[ -~])*\"|[!#-+.-:<-\\[\\]-~-]+)"
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let hostile = prop_oneof![
        any::<u8>(),
        proptest::sample::select(b"\"\\,;=for:[] 10.".to_vec())
    ];
    vec(hostile, 0..60)
}

/// Writes elements of both headers, and the client that they name: what is right of the last stranger is skipped.
fn written(
    elements: &[(IpAddr, Vec<String>, usize)],
) -> (Vec<String>, Vec<String>, Option<IpAddr>) {
    let node = |address: &IpAddr| match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    };
    let list = elements.iter().map(|(address, ..)| address.to_string());
    let pairs = elements.iter().map(|(address, pairs, at)| {
        let mut pairs = pairs.clone();
        pairs.insert(at % (pairs.len() + 1), format!("for={}", node(address)));
        pairs.join(";")
    });
    let proxies = proxies();
    let addresses = || elements.iter().map(|(address, ..)| *address);
    let stranger = addresses().rev().find(|it| !proxies.contains(*it));
    (
        list.collect(),
        pairs.collect(),
        stranger.or(addresses().next()),
    )
}

fn any_elements() -> impl Strategy<Value = Vec<(IpAddr, Vec<String>, usize)>> {
    vec((any_address(), vec(any_pair(), 0..3), any::<usize>()), 1..6)
}

proptest! {
    #[test]
    fn what_proxies_write_names_the_client(elements in any_elements(), lines in vec(any::<bool>(), 6)) {
        let (list, pairs, expected) = written(&elements);
        for (name, elements) in [(LIST, &list), (PAIRS, &pairs)] {
            let mut request = Request::new(&[(name, &elements[0])]);
            for (element, own_line) in elements[1..].iter().zip(&lines) {
                if *own_line {
                    request.headers.push((name, element.clone().into()));
                } else {
                    let line = &mut request.headers.last_mut().unwrap().1;
                    line.extend(format!(", {element}").bytes());
                }
            }
            prop_assert_eq!(client_address(&request, &proxies()), expected, "{:?}", elements);
        }
    }

    #[test]
    fn what_is_forged_on_the_left_changes_nothing(
        mut elements in any_elements(),
        forged in any_bytes(),
        own_line in any::<bool>(),
    ) {
        elements.insert(0, ([198, 51, 100, 1].into(), Vec::new(), 0));
        let (list, pairs, expected) = written(&elements);
        for (name, elements) in [(LIST, &list), (PAIRS, &pairs)] {
            let mut request = Request::new(&[]);
            let line = elements.join(", ");
            if own_line {
                request.headers.push((name, forged.clone()));
                request.headers.push((name, line.into()));
            } else {
                let line = [&forged[..], b",", line.as_bytes()].concat();
                request.headers.push((name, line));
            }
            prop_assert_eq!(client_address(&request, &proxies()), expected);
        }
    }

    #[test]
    fn no_bytes_panic(list in vec(any_bytes(), 0..4), pairs in vec(any_bytes(), 0..4)) {
        let mut request = Request::new(&[]);
        request.headers.extend(list.into_iter().map(|line| (LIST, line)));
        request.headers.extend(pairs.into_iter().map(|line| (PAIRS, line)));
        let _ = client_address(&request, &proxies());
    }

    #[test]
    fn no_text_panics_as_a_network(text in ".*", address in any::<IpAddr>(), prefix in any::<u8>()) {
        let _ = text.parse::<TrustedProxies>();
        let _ = format!("{address}/{prefix}").parse::<TrustedProxies>();
    }
}

#[test]
fn the_header_that_proxies_write_can_be_named() {
    let headers = [(LIST, "203.0.113.1"), (PAIRS, "for=203.0.113.2")];
    let client = |proxies| client_address(&Request::new(&headers), &proxies);
    assert_eq!(client(proxies()), None);
    assert_eq!(client(proxies().x_forwarded_for()), parsed("203.0.113.1"));
    assert_eq!(client(proxies().forwarded()), parsed("203.0.113.2"));
    // What is not named is not read: the peer is the client where the other header is alone.
    let forged = Request::new(&[(PAIRS, "for=203.0.113.2")]);
    let peer = Some([10, 0, 0, 1].into());
    assert_eq!(client_address(&forged, &proxies().x_forwarded_for()), peer);
}
