//! Versions and requirements: semver precedence with pre-releases taking part.
//!
//! The `semver` crate reads a requirement's syntax; what it means differs (a pre-release of 2.4.0 matches `>=2.3`), and
//! an attribute must be compared without allocating, so the comparison is here.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;

use semver::{Comparator, Op, VersionReq};

/// A version of an attribute, borrowed.
struct Version<'a> {
    numbers: [u64; 3],
    pre: &'a str,
}

impl<'a> Version<'a> {
    /// Reads an optional `v`, one to three numeric parts, then `-pre` and `+build` as in semver.
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let (text, build) = match text.split_once('+') {
            Some((text, build)) => (text, Some(build)),
            None => (text, None),
        };
        let (core, pre) = match text.split_once('-') {
            Some((core, pre)) => (core, Some(pre)),
            None => (text, None),
        };
        let identifier = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if build.is_some_and(|build| !build.split('.').all(identifier)) {
            return None;
        }
        let canonical = |part: &str| !is_numeric(part) || part == "0" || !part.starts_with('0');
        if pre.is_some_and(|pre| {
            !pre.split('.')
                .all(|part| identifier(part) && canonical(part))
        }) {
            return None;
        }
        let mut numbers = [0; 3];
        let mut parts = core.split('.');
        for (index, number) in numbers.iter_mut().enumerate() {
            match parts.next() {
                Some(part) if is_numeric(part) && canonical(part) => *number = part.parse().ok()?,
                None if index > 0 => break,
                _ => return None,
            }
        }
        parts.next().is_none().then_some(Self {
            numbers,
            pre: pre.unwrap_or_default(),
        })
    }

    fn compare(&self, bound: &Bound) -> Ordering {
        self.numbers
            .cmp(&bound.numbers)
            .then_with(|| match (&bound.stage, self.pre) {
                (Stage::Floor, _) | (Stage::Pre(_), "") => Ordering::Greater,
                (Stage::Pre(pre), own) => compare_pre(own, pre),
                (Stage::Release, "") => Ordering::Equal,
                (Stage::Release, _) => Ordering::Less,
            })
    }
}

fn is_numeric(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
}

/// Orders two pre-release texts by semver 2.0.0, item 11.4.
fn compare_pre(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.split('.'), b.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => match (is_numeric(a), is_numeric(b)) {
                // Without leading zeros the longer number is the larger one.
                (true, true) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => a.cmp(b),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// A point on the line of versions.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    numbers: [u64; 3],
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// Before every pre-release of these numbers.
    Floor,
    Pre(Box<str>),
    Release,
}

impl Bound {
    fn release(numbers: [u64; 3]) -> Self {
        Self {
            numbers,
            stage: Stage::Release,
        }
    }

    fn floor(numbers: [u64; 3]) -> Self {
        Self {
            numbers,
            stage: Stage::Floor,
        }
    }

    /// Packs the first release that is not before this bound, or with `behind` the first one after it.
    fn packed(&self, behind: bool) -> PackedRelease {
        let first = first_packed(self.numbers);
        let can_be_packed = self.numbers.iter().all(|number| *number < 1 << NUMBER_BITS);
        let is_release = self.stage == Stage::Release;
        first + u64::from(behind && is_release && can_be_packed)
    }

    fn compare(&self, other: &Self) -> Ordering {
        let pre = match &self.stage {
            Stage::Floor => {
                return self.numbers.cmp(&other.numbers).then(match other.stage {
                    Stage::Floor => Ordering::Equal,
                    _ => Ordering::Less,
                });
            }
            Stage::Pre(pre) => pre,
            Stage::Release => "",
        };
        Version {
            numbers: self.numbers,
            pre,
        }
        .compare(other)
    }
}

/// A release whose numbers are all below 2²¹, as one number: releases sort as these do.
type PackedRelease = u64;

const NUMBER_BITS: u32 = 21;

/// Packs a release, written plainly: digits and dots, up to three parts. `None` for anything else that may or may not
/// be a version.
#[inline]
fn plain_release(text: &str) -> Option<PackedRelease> {
    let (mut packed, mut number, mut digits, mut parts) = (0, 0, 0, 1);
    for byte in text.bytes() {
        match byte {
            // A zero in front makes it no version, and seven digits may need more bits than there are.
            b'0'..=b'9' if digits < 6 && (digits == 0 || number > 0) => {
                number = number * 10 + u64::from(byte - b'0');
                digits += 1;
            }
            b'.' if digits > 0 && parts < 3 => {
                packed = packed << NUMBER_BITS | number;
                (number, digits, parts) = (0, 0, parts + 1);
            }
            _ => return None,
        }
    }
    (digits > 0).then_some((packed << NUMBER_BITS | number) << (NUMBER_BITS * (3 - parts)))
}

/// Packs the first release that is not before these numbers and can be packed.
fn first_packed([major, minor, patch]: [u64; 3]) -> PackedRelease {
    let limit = 1 << NUMBER_BITS;
    let pack = |major: u64, minor: u64, patch: u64| {
        major << (2 * NUMBER_BITS) | minor << NUMBER_BITS | patch
    };
    if major >= limit {
        pack(limit, 0, 0)
    } else if minor >= limit {
        pack(major + 1, 0, 0)
    } else if patch >= limit {
        pack(major, minor, 0) + limit
    } else {
        pack(major, minor, patch)
    }
}

/// Versions from a lower to an upper bound: a requirement's comparators, all of which hold.
#[derive(Clone, Debug)]
pub(crate) struct Requirement {
    text: Box<str>,
    /// The releases inside, as far as they can be packed.
    releases: Range<PackedRelease>,
    /// The bound and whether it is itself inside.
    lower: Option<(Bound, bool)>,
    upper: Option<(Bound, bool)>,
}

/// Why a text is no requirement.
#[derive(Debug)]
pub(crate) enum RequirementError {
    Empty,
    /// A comparator without an operator.
    Bare(String),
    Syntax(String),
}

impl Requirement {
    pub(crate) fn parse(text: &str) -> Result<Self, RequirementError> {
        if text.trim_matches(' ').is_empty() {
            return Err(RequirementError::Empty);
        }
        let parsed =
            VersionReq::parse(text).map_err(|error| RequirementError::Syntax(error.to_string()))?;
        let mut requirement = Self {
            text: text.into(),
            releases: 0..PackedRelease::MAX,
            lower: None,
            upper: None,
        };
        for (comparator, part) in parsed.comparators.iter().zip(text.split(',')) {
            let part = part.trim_matches(' ');
            if comparator.op == Op::Caret && !part.starts_with('^') {
                return Err(RequirementError::Bare(part.to_owned()));
            }
            requirement.narrow(comparator);
        }
        let lower = requirement.lower.as_ref();
        let upper = requirement.upper.as_ref();
        requirement.releases = lower.map_or(0, |(bound, inside)| bound.packed(!*inside))
            ..upper.map_or(PackedRelease::MAX, |(bound, inside)| bound.packed(*inside));
        Ok(requirement)
    }

    /// Returns the requirement as written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether no version can match.
    pub(crate) fn is_empty(&self) -> bool {
        match (&self.lower, &self.upper) {
            (Some((lower, from)), Some((upper, to))) => match lower.compare(upper) {
                Ordering::Less => false,
                Ordering::Equal => !(*from && *to),
                Ordering::Greater => true,
            },
            // Nothing is before the first pre-release of all.
            (None, Some((upper, _))) => *upper == Bound::floor([0; 3]),
            _ => false,
        }
    }

    fn narrow(&mut self, comparator: &Comparator) {
        let Comparator {
            op,
            major,
            minor,
            patch,
            pre,
        } = comparator;
        let numbers = [*major, minor.unwrap_or(0), patch.unwrap_or(0)];
        // The part that is counted up for the end of a partial version: the last one written.
        let written = 1 + usize::from(minor.is_some()) + usize::from(patch.is_some());
        let full = written == 3;
        let exact = if pre.is_empty() {
            Bound::release(numbers)
        } else {
            Bound {
                numbers,
                stage: Stage::Pre(pre.as_str().into()),
            }
        };
        match op {
            Op::Exact if full => {
                self.at_least(exact.clone(), true);
                self.at_most(exact, true);
            }
            Op::Exact | Op::Wildcard => {
                self.at_least(exact, true);
                self.before(next(numbers, written));
            }
            Op::Greater if full => self.at_least(exact, false),
            Op::Greater => match next(numbers, written) {
                Some(numbers) => self.at_least(Bound::release(numbers), true),
                None => self.at_most(Bound::floor([0; 3]), false),
            },
            Op::GreaterEq => self.at_least(exact, true),
            Op::Less if full => self.at_most(exact, false),
            Op::Less => self.at_most(Bound::floor(numbers), false),
            Op::LessEq if full => self.at_most(exact, true),
            Op::LessEq => self.before(next(numbers, written)),
            Op::Tilde => {
                self.at_least(exact, true);
                self.before(next(numbers, written.min(2)));
            }
            // The operators that remain are carets: up to the next left-most part that is not zero.
            _ => {
                self.at_least(exact, true);
                let part = numbers
                    .iter()
                    .take(written)
                    .position(|number| *number > 0)
                    .map_or(written, |at| at + 1);
                self.before(next(numbers, part));
            }
        }
    }

    fn at_least(&mut self, bound: Bound, inside: bool) {
        let tighter = self.lower.as_ref().is_none_or(|(old, old_inside)| {
            bound.compare(old).then(old_inside.cmp(&inside)) == Ordering::Greater
        });
        if tighter {
            self.lower = Some((bound, inside));
        }
    }

    fn at_most(&mut self, bound: Bound, inside: bool) {
        let tighter = self.upper.as_ref().is_none_or(|(old, old_inside)| {
            bound.compare(old).then(inside.cmp(old_inside)) == Ordering::Less
        });
        if tighter {
            self.upper = Some((bound, inside));
        }
    }

    /// Ends before every pre-release of these numbers; where there are no such numbers there is no end.
    fn before(&mut self, numbers: Option<[u64; 3]>) {
        if let Some(numbers) = numbers {
            self.at_most(Bound::floor(numbers), false);
        }
    }

    fn holds(&self, version: &Version<'_>) -> bool {
        let inside = |order: Ordering, beyond: Ordering, inside: bool| {
            order == beyond || (inside && order.is_eq())
        };
        self.lower
            .as_ref()
            .is_none_or(|(bound, at)| inside(version.compare(bound), Ordering::Greater, *at))
            && self
                .upper
                .as_ref()
                .is_none_or(|(bound, at)| inside(version.compare(bound), Ordering::Less, *at))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Counts up the `part`-th number (from 1) and clears those after it, carrying where it is the largest there is.
fn next(mut numbers: [u64; 3], part: usize) -> Option<[u64; 3]> {
    for (index, number) in numbers.iter_mut().enumerate().rev() {
        if index >= part {
            *number = 0;
        } else if let Some(raised) = number.checked_add(1) {
            *number = raised;
            return Some(numbers);
        } else {
            *number = 0;
        }
    }
    None
}

/// Tests a text against requirements of which one has to match; `None` where it is no version.
#[inline(never)]
pub(crate) fn matches(requirements: &[Requirement], text: &str) -> Option<bool> {
    match plain_release(text) {
        Some(release) => Some(
            requirements
                .iter()
                .any(|requirement| requirement.releases.contains(&release)),
        ),
        None => matches_in_full(requirements, text),
    }
}

#[inline(never)]
fn matches_in_full(requirements: &[Requirement], text: &str) -> Option<bool> {
    let version = Version::parse(text)?;
    Some(
        requirements
            .iter()
            .any(|requirement| requirement.holds(&version)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_releases_answer_as_versions_do() {
        let most = (1_u64 << NUMBER_BITS) - 1;
        let numbers = [0, 1, 2, 9, 10, 999_999, most, most + 1, u64::MAX];
        let mut versions = Vec::new();
        for major in numbers {
            versions.push(major.to_string());
            for minor in numbers {
                versions.push(format!("{major}.{minor}"));
                versions.extend(numbers.map(|patch| format!("{major}.{minor}.{patch}")));
            }
        }
        let odd = [
            "", ".", "1.", ".1", "1..2", "01", "1.02", "1.2.3.4", "a", "1.2.3-a", "1.2.3+b", "v1",
        ];
        versions.extend(odd.map(str::to_owned));
        let mut requirements = Vec::new();
        for operator in ["=", ">", ">=", "<", "<=", "~", "^"] {
            for at in (0..versions.len() - odd.len()).step_by(7) {
                let version = &versions[at];
                requirements.extend(Requirement::parse(&format!("{operator}{version}")));
            }
            for version in ["1.2.3-a.1", "0.0.0-0", "2-0"] {
                requirements.extend(Requirement::parse(&format!("{operator}{version}")));
            }
        }
        for requirement in requirements {
            for version in &versions {
                let one = std::slice::from_ref(&requirement);
                assert_eq!(
                    matches(one, version),
                    matches_in_full(one, version),
                    "{requirement} {version}"
                );
            }
        }
    }

    fn holds(requirement: &str, version: &str) -> bool {
        matches(&[Requirement::parse(requirement).unwrap()], version).unwrap()
    }

    #[test]
    fn reads_versions_as_semver_with_missing_parts() {
        for text in [
            "1",
            "v1.2",
            "V1.2.3",
            "1.2.3-rc.1+b.5",
            "1-a",
            "0.0.0",
            "18446744073709551615",
            "1+x",
            "1.0.0--",
        ] {
            assert!(Version::parse(text).is_some(), "{text}");
        }
        for text in [
            "",
            "v",
            "1.",
            ".1",
            "01",
            "1.2.3.4",
            "1.02",
            " 1",
            "1-",
            "1-a..b",
            "1-01",
            "1+",
            "18446744073709551616",
            "1.x",
        ] {
            assert!(Version::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn requirements_mean_what_the_table_says() {
        for (requirement, inside, outside) in [
            (
                ">=2.3",
                &["2.3.0", "2.4.0-beta.1", "3"] as &[_],
                &["2.3.0-rc.1", "2.2.9"] as &[_],
            ),
            (">2.3", &["2.4.0", "3.0.0-a"], &["2.3.9", "2.4.0-rc.1"]),
            ("<3", &["2.9.9", "0.0.0-a"], &["3.0.0-0", "3.0.0"]),
            ("<3.0.0", &["3.0.0-rc.1"], &["3.0.0"]),
            ("<=2.3", &["2.3.9"], &["2.4.0-0"]),
            (
                "=2.3",
                &["2.3.0", "2.3.9", "2.3.1-a"],
                &["2.3.0-a", "2.4.0-a"],
            ),
            ("2.3.*", &["2.3.7"], &["2.4.0-a"]),
            ("~2.3.1", &["2.3.1", "2.3.9"], &["2.3.0", "2.4.0-0"]),
            ("~2", &["2.9"], &["3.0.0-0"]),
            ("^2.3", &["2.9"], &["3.0.0-0", "2.2"]),
            ("^0.3", &["0.3.9"], &["0.4.0-0"]),
            ("^0.0.4", &["0.0.4"], &["0.0.5-0"]),
            ("^0.0", &["0.0.9"], &["0.1.0-0"]),
            ("^0", &["0.9"], &["1.0.0-0"]),
            ("^0.0.0", &["0.0.0"], &["0.0.1-0"]),
            ("*", &["0.0.0-0", "9"], &[]),
            (">=2.3, <3", &["2.5.0"], &["3.0.0-0"]),
            (">1.0.0, >=1.0.0", &["1.0.1"], &["1.0.0"]),
            ("=1.2.3-rc.1", &["1.2.3-rc.1+build"], &["1.2.3"]),
            ("<=18446744073709551615", &["18446744073709551615.5"], &[]),
        ] {
            for version in inside {
                assert!(holds(requirement, version), "{version} in {requirement}");
            }
            for version in outside {
                assert!(
                    !holds(requirement, version),
                    "{version} not in {requirement}"
                );
            }
        }
        assert!(Requirement::parse(">2, <1").unwrap().is_empty());
        assert!(
            Requirement::parse(">18446744073709551615")
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn precedence_is_semvers() {
        let ordered = [
            "alpha",
            "alpha.1",
            "alpha.beta",
            "beta",
            "beta.2",
            "beta.11",
            "rc.1",
        ];
        for pair in ordered.windows(2) {
            assert_eq!(compare_pre(pair[0], pair[1]), Ordering::Less, "{pair:?}");
        }
        assert_eq!(
            compare_pre("99999999999999999999", "100000000000000000000"),
            Ordering::Less
        );
    }

    #[test]
    fn a_bare_version_is_refused() {
        assert!(
            matches!(Requirement::parse("2.3"), Err(RequirementError::Bare(part)) if part == "2.3")
        );
        assert!(
            matches!(Requirement::parse(">=1, 2.3"), Err(RequirementError::Bare(part)) if part == "2.3")
        );
        assert!(matches!(
            Requirement::parse(" "),
            Err(RequirementError::Empty)
        ));
        assert!(matches!(
            Requirement::parse(">=x"),
            Err(RequirementError::Syntax(_))
        ));
    }
}
