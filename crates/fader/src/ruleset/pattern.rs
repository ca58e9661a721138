//! Regular expressions that keep the promise: no lock, no allocation while matching.
//!
//! The `regex` crate takes its scratch space from a pool, which may lock, and allocate on a thread's first use. A dense
//! DFA needs none: matching walks a table. Its table can grow large, so one beyond [`DFA_LIMIT`] falls back to `regex`,
//! and the document gets a warning.

use std::sync::Arc;

use regex::RegexSet;
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};
use regex_automata::{Input, MatchKind};

/// Bytes a pattern's table may take.
const DFA_LIMIT: usize = 512 * 1024;
/// Bytes that building it may take meanwhile.
const BUILD_LIMIT: usize = 4 * 1024 * 1024;
/// Bytes of an automaton that the `regex` crate need not be asked about: it takes ten times as many, and makes no more
/// than a few of each of these, for groups and for walking backwards.
const SURELY_FITS: usize = 1024 * 1024;

/// One or several patterns of which one has to match.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    sources: Box<[Box<str>]>,
    ignore_case: bool,
    matcher: Matcher,
}

#[derive(Debug)]
enum Matcher {
    Dfa(Box<Dfa>),
    Regex(Box<RegexSet>),
}

/// A table to walk.
#[derive(Debug)]
struct Dfa {
    table: dense::DFA<Vec<u32>>,
    /// Where a text's beginning leads: the same for every text, since none is searched from its middle.
    start: StateID,
    /// Whether it could find nothing in the middle of a character, which is no match.
    may_split: bool,
}

impl Dfa {
    /// Walks a text up to the first match. This is `Automaton::try_search_fwd` without what a search of ours never
    /// needs: no span, no anchor, no prefilter, and no byte that makes it give up.
    #[inline]
    fn is_match(&self, text: &str) -> bool {
        let table = &self.table;
        if self.may_split {
            // INVARIANT: no byte makes this search give up, since it has no quit bytes and starts unanchored.
            let found = table.try_search_fwd(&Input::new(text).earliest(true));
            return found.is_ok_and(|found| found.is_some());
        }
        let mut state = self.start;
        for byte in text.bytes() {
            state = table.next_state(state, byte);
            if table.is_special_state(state) {
                if table.is_match_state(state) {
                    return true;
                }
                if table.is_dead_state(state) {
                    return false;
                }
            }
        }
        // A match shows one step late.
        table.is_match_state(table.next_eoi_state(state))
    }
}

impl Pattern {
    /// Compiles patterns; an error is the number of the pattern at fault and what is wrong with it.
    pub(crate) fn new(sources: &[&str], ignore_case: bool) -> Result<Self, (usize, String)> {
        let matcher = match Self::dfa(sources, ignore_case, Some(SURELY_FITS)) {
            Some(dfa) => Matcher::Dfa(dfa),
            None => Self::judged(sources, ignore_case)?,
        };
        let sources = sources.iter().map(|source| Box::from(*source)).collect();
        Ok(Self(Arc::new(Compiled {
            sources,
            ignore_case,
            matcher,
        })))
    }

    /// Compiles patterns of which the `regex` crate has to say whether it takes them, and what is wrong with one.
    fn judged(sources: &[&str], ignore_case: bool) -> Result<Matcher, (usize, String)> {
        for (at, source) in sources.iter().enumerate() {
            let built = regex::RegexBuilder::new(source)
                .case_insensitive(ignore_case)
                .build();
            built.map_err(|error| (at, last_line(&error.to_string())))?;
        }
        if let Some(dfa) = Self::dfa(sources, ignore_case, None) {
            return Ok(Matcher::Dfa(dfa));
        }
        let set = regex::RegexSetBuilder::new(sources)
            .case_insensitive(ignore_case)
            .build();
        let set = set.map_err(|error| (0, last_line(&error.to_string())))?;
        Ok(Matcher::Regex(Box::new(set)))
    }

    fn dfa(sources: &[&str], ignore_case: bool, nfa_limit: Option<usize>) -> Option<Box<Dfa>> {
        let table = dense::Builder::new()
            .thompson(thompson::Config::new().nfa_size_limit(nfa_limit))
            .configure(
                dense::Config::new()
                    .start_kind(StartKind::Unanchored)
                    .match_kind(MatchKind::All)
                    .dfa_size_limit(Some(DFA_LIMIT))
                    .determinize_size_limit(Some(BUILD_LIMIT)),
            )
            .syntax(syntax::Config::new().case_insensitive(ignore_case))
            .build_many(sources)
            .ok()?;
        let start = table.start_state(&start::Config::new()).ok()?;
        let may_split = table.has_empty() && table.is_utf8();
        Some(Box::new(Dfa {
            table,
            start,
            may_split,
        }))
    }

    #[inline(never)]
    pub(crate) fn is_match(&self, text: &str) -> bool {
        match &self.0.matcher {
            Matcher::Dfa(dfa) => dfa.is_match(text),
            Matcher::Regex(set) => set.is_match(text),
        }
    }

    /// Returns whether another copy of it is in use.
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Returns whether matching may lock or allocate.
    pub(crate) fn is_slow(&self) -> bool {
        matches!(self.0.matcher, Matcher::Regex(_))
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = &str> {
        self.0.sources.iter().map(|source| &**source)
    }

    pub(crate) fn ignore_case(&self) -> bool {
        self.0.ignore_case
    }
}

/// Takes what is wrong out of an error that also draws the pattern with a mark below it.
fn last_line(error: &str) -> String {
    let line = error
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or(error)
        .trim();
    line.strip_prefix("error: ")
        .unwrap_or(line)
        .trim_end_matches('.')
        .to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_the_regex_crate_does() {
        let texts = [
            "",
            "a",
            "ab",
            "x@example.com",
            "É",
            "é",
            "line\nbreak",
            "2026-11-20",
            "\u{212a}",
            "ſ",
            "aéa",
            "a€a",
        ];
        for source in [
            "",
            "a",
            "^a$",
            "(?i)É",
            "é|b$",
            r"\d{4}-\d\d",
            r"^\w+@example\.com$",
            ".",
            "(?s).+",
            "k",
            r"\p{Lu}",
            r"(?-u:\B)",
            r"(?-u:\B)z*",
            r"(?:^|(?-u:\B))(?-u:\B)",
        ] {
            for ignore_case in [false, true] {
                let regex = regex::RegexBuilder::new(source)
                    .case_insensitive(ignore_case)
                    .build()
                    .unwrap();
                let pattern = Pattern::new(&[source], ignore_case).unwrap();
                for text in texts {
                    assert_eq!(
                        pattern.is_match(text),
                        regex.is_match(text),
                        "{source} {ignore_case} {text:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn an_everyday_pattern_fits_a_dfa() {
        for source in [
            r"^/v2/",
            r"^qa-\d+$",
            r"@(example|test)\.com$",
            r"\d+",
            "[a-z0-9._-]+@acme",
        ] {
            assert!(
                !Pattern::new(&[source], true).unwrap().is_slow(),
                "{source}"
            );
        }
    }

    #[test]
    fn what_the_regex_crate_refuses_is_refused() {
        // Of no more than a few states where it is compiled to a table: nothing comes behind what never matches.
        for source in [
            r"[^\s\S]\w{60000}",
            "(",
            r"(?=a)",
            r"\1",
            "a{2,1}",
            r"\p{Xx}",
        ] {
            assert!(regex::Regex::new(source).is_err(), "{source}");
            assert!(Pattern::new(&[source], false).is_err(), "{source}");
        }
    }

    #[test]
    fn a_large_pattern_falls_back() {
        let pattern = Pattern::new(&[r"\b\w{60}\b"], false).unwrap();
        assert!(pattern.is_slow() && pattern.is_match(&"x".repeat(60)));
    }

    #[test]
    fn several_patterns_match_if_one_does() {
        let pattern = Pattern::new(&["^a", "b$"], false).unwrap();
        assert!(pattern.is_match("ax") && pattern.is_match("xb") && !pattern.is_match("xax"));
        assert!(!Pattern::new(&[], false).unwrap().is_match(""));
        assert_eq!(Pattern::new(&["a", "("], false).unwrap_err().0, 1);
    }
}
