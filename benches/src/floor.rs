//! The least that a service could write in the library's place: each flag's logic as code and data of its own, without
//! names, reasons, missing attributes or reloading.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use regex_automata::MatchKind;
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::mixed::{Logic, Mixed, Rules};
use crate::users::User;

/// A share of the users.
#[derive(Clone, Copy, Debug)]
pub struct Rollout {
    seed: u64,
    threshold: u64,
}

impl Rollout {
    /// Makes the share of a flag.
    #[must_use]
    pub fn new(salt: &str, percent: u32) -> Self {
        Self {
            seed: xxh3_64_with_seed(salt.as_bytes(), 0),
            threshold: threshold(percent),
        }
    }

    #[inline(always)]
    #[must_use]
    pub fn holds(&self, user: &User) -> bool {
        xxh3_64_with_seed(user.id.as_bytes(), self.seed) < self.threshold
    }
}

fn threshold(percent: u32) -> u64 {
    u64::try_from((u128::from(percent) << 64) / 100).unwrap_or(u64::MAX)
}

/// Five rules and a split. The variants are `old`, `a`, `b` and `c`: 0 to 3.
#[derive(Debug)]
pub struct FiveRules {
    /// Ten countries, the last one over and over: sixteen are compared at once.
    countries: [u16; 16],
    plan: (usize, u128),
    versions: Range<u64>,
    suffix: Suffix,
    pattern: Arc<Pattern>,
    split_seed: u64,
    split: [u64; 2],
}

impl FiveRules {
    /// Makes the rules of a flag.
    ///
    /// # Panics
    ///
    /// The pattern is none, or the suffix is shorter than eight bytes.
    #[must_use]
    pub fn new(salt: &str, rules: &Rules) -> Self {
        Self::sharing(salt, rules, Arc::new(Pattern::new(&rules.pattern)))
    }

    fn sharing(salt: &str, rules: &Rules, pattern: Arc<Pattern>) -> Self {
        let [(_, first), (_, second), _] = Rules::SPLIT;
        let (major, minor) = rules.version;
        Self {
            countries: std::array::from_fn(|at| country(rules.countries[at.min(9)])),
            plan: (rules.plan.len(), pack(rules.plan)),
            versions: packed_version(major, minor)..packed_version(major + 1, 0),
            suffix: Suffix::new(&rules.suffix),
            pattern,
            split_seed: xxh3_64_with_seed(salt.as_bytes(), 1),
            split: [threshold(first), threshold(first + second)],
        }
    }

    #[inline(always)]
    #[must_use]
    pub fn variant(&self, user: &User) -> u8 {
        let country = country(user.country);
        // Without a branch for each, so that they are compared side by side.
        let one_of = |found: bool, code: &u16| found | (*code == country);
        if self.countries.iter().fold(false, one_of) {
            return 1;
        }
        if user.plan.len() == self.plan.0 && pack(user.plan) == self.plan.1 {
            return 2;
        }
        if self.versions.contains(&version(&user.version)) {
            return 3;
        }
        if self.suffix.ends(&user.email) {
            return 1;
        }
        if self.pattern.is_match(&user.device) {
            return 2;
        }
        let place = xxh3_64_with_seed(user.id.as_bytes(), self.split_seed);
        match place {
            place if place < self.split[0] => 1,
            place if place < self.split[1] => 2,
            _ => 3,
        }
    }
}

/// Packs the code of a country, which always has two letters.
#[inline(always)]
fn country(code: &str) -> u16 {
    code.as_bytes()
        .first_chunk()
        .map_or(0, |code| u16::from_le_bytes(*code))
}

/// Packs a text of up to sixteen bytes by loads that overlap; of two that are as long, equal means equal.
#[inline(always)]
fn pack(text: &str) -> u128 {
    let text = text.as_bytes();
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        return u128::from(first) | u128::from(last) << 64;
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return u128::from(first) | u128::from(last) << 32;
    }
    let byte = |at: usize| text.get(at).map_or(0, |byte| u128::from(*byte) << (8 * at));
    byte(0) | byte(1) | byte(2)
}

/// Reads major and minor of a version that is known to be one, as [`packed_version`] packs them.
#[inline(always)]
fn version(text: &str) -> u64 {
    let mut bytes = text.bytes();
    let mut part = || {
        let mut number = 0;
        for byte in bytes.by_ref() {
            if byte == b'.' {
                break;
            }
            number = number * 10 + u64::from(byte - b'0');
        }
        number
    };
    let major = part();
    packed_version(major, part())
}

fn packed_version(major: u64, minor: u64) -> u64 {
    major << 32 | minor
}

/// The end of a text, of at least eight bytes.
#[derive(Debug)]
struct Suffix {
    /// Its last bytes, which tell most texts apart.
    last: [u8; 8],
    rest: String,
}

impl Suffix {
    fn new(suffix: &str) -> Self {
        let at = suffix.len().checked_sub(8).expect("at least eight bytes");
        let (rest, last) = suffix.split_at(at);
        Self {
            last: *last.as_bytes().as_array().expect("eight bytes"),
            rest: rest.to_owned(),
        }
    }

    #[inline(always)]
    fn ends(&self, text: &str) -> bool {
        text.as_bytes()
            .split_last_chunk()
            .is_some_and(|(text, last)| *last == self.last && text.ends_with(self.rest.as_bytes()))
    }
}

/// A pattern as a table to walk, from a state that every text starts in.
#[derive(Debug)]
struct Pattern {
    table: dense::DFA<Vec<u32>>,
    start: StateID,
}

impl Pattern {
    fn new(pattern: &str) -> Self {
        let table = dense::Builder::new()
            .configure(
                dense::Config::new()
                    .start_kind(StartKind::Unanchored)
                    .match_kind(MatchKind::All),
            )
            .build(pattern)
            .expect("the pattern is good");
        let start = table
            .start_state(&start::Config::new())
            .expect("a text may start anywhere");
        Self { table, start }
    }

    #[inline(always)]
    fn is_match(&self, text: &str) -> bool {
        let mut state = self.start;
        for byte in text.bytes() {
            state = self.table.next_state(state, byte);
            if self.table.is_special_state(state) {
                if self.table.is_match_state(state) {
                    return true;
                }
                if self.table.is_dead_state(state) {
                    return false;
                }
            }
        }
        // A match shows one step late.
        self.table.is_match_state(self.table.next_eoi_state(state))
    }
}

/// A list of ids: sorted hashes behind a table over their leading bits.
#[derive(Debug)]
pub struct List {
    keys: Vec<u64>,
    starts: Vec<u32>,
    shift: u32,
}

impl List {
    /// Makes a list.
    ///
    /// # Panics
    ///
    /// There are more than four billion ids.
    #[must_use]
    pub fn new(ids: impl Iterator<Item = String>) -> Self {
        let mut keys: Vec<u64> = ids.map(|id| xxh3_64_with_seed(id.as_bytes(), 1)).collect();
        keys.sort_unstable();
        let bits = keys.len().max(16).ilog2() - 3;
        let shift = 64 - bits;
        let start = |bucket: u64| keys.partition_point(|key| key >> shift < bucket);
        let starts = (0..=1 << bits)
            .map(|bucket| u32::try_from(start(bucket)).expect("at most four billion ids"))
            .collect();
        Self {
            keys,
            starts,
            shift,
        }
    }

    #[inline(always)]
    #[must_use]
    pub fn contains(&self, id: &str) -> bool {
        let key = xxh3_64_with_seed(id.as_bytes(), 1);
        let bucket = (key >> self.shift) as usize;
        let (start, end) = (
            self.starts[bucket] as usize,
            self.starts[bucket + 1] as usize,
        );
        self.keys[start..end].contains(&key)
    }
}

/// A flag of a mixed set. Variants of flags without rules are `off` and `on`: 0 and 1.
#[derive(Debug)]
pub enum Flag {
    Plain(bool),
    Rollout(Rollout),
    Rules(Box<FiveRules>),
}

impl Flag {
    #[inline(always)]
    #[must_use]
    pub fn variant(&self, user: &User) -> u8 {
        match self {
            Self::Plain(on) => u8::from(*on),
            Self::Rollout(rollout) => u8::from(rollout.holds(user)),
            Self::Rules(rules) => rules.variant(user),
        }
    }
}

/// Makes a mixed set by hand. Flags share a pattern that they write alike.
#[must_use]
pub fn mixed(set: &Mixed) -> Vec<Flag> {
    let mut patterns: HashMap<&str, Arc<Pattern>> = HashMap::new();
    let mut floor = Vec::with_capacity(set.flags.len());
    for flag in &set.flags {
        floor.push(match &flag.logic {
            Logic::Plain(on) => Flag::Plain(*on),
            Logic::Rollout(percent) => Flag::Rollout(Rollout::new(&flag.key, *percent)),
            Logic::Rules(rules) => {
                let pattern = patterns
                    .entry(&rules.pattern)
                    .or_insert_with_key(|pattern| Arc::new(Pattern::new(pattern)));
                let rules = FiveRules::sharing(&flag.key, rules, Arc::clone(pattern));
                Flag::Rules(Box::new(rules))
            }
        });
    }
    floor
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents;
    use crate::users::users;

    const VARIANTS: [&str; 4] = ["old", "a", "b", "c"];

    #[test]
    fn the_floor_of_each_work_answers_as_the_library_does() {
        let flags = documents::flags(10_000);
        let rollout = Rollout::new("rollout", 25);
        let (chain, rules) = (
            Rollout::new("chain-3", 50),
            FiveRules::new("rules", &Rules::one()),
        );
        let list = List::new(documents::listed(10_000));
        let mut stopped = [0; 4];
        for user in users() {
            let scope = flags.scope(user.context());
            let variant = |flag: &str| scope.resolve(flag).variant().map(str::to_owned);
            let on = |on: bool| Some(if on { "on" } else { "off" }.to_owned());
            assert_eq!(variant("plain"), on(true));
            assert_eq!(variant("rollout"), on(rollout.holds(&user)));
            assert_eq!(variant("list"), on(list.contains(&user.id)));
            assert_eq!(variant("chain-1"), on(chain.holds(&user)));
            let expected = usize::from(rules.variant(&user));
            assert_eq!(
                variant("rules").as_deref(),
                Some(VARIANTS[expected]),
                "{user:?}"
            );
            stopped[expected] += 1;
        }
        assert!(stopped[1..].iter().all(|count| *count > 100), "{stopped:?}");
    }

    #[test]
    fn the_floor_of_the_mixed_set_answers_as_the_library_does() {
        let set = crate::mixed(1_000);
        let document = set.document();
        let bytes = document.len() / set.flags.len();
        assert!((430..=470).contains(&bytes), "{bytes} bytes a flag");
        let (flags, floor) = (documents::load(&document), mixed(&set));
        for user in users().iter().step_by(32) {
            let scope = flags.scope(user.context());
            for (flag, floor) in set.flags.iter().zip(&floor) {
                let variant = usize::from(floor.variant(user));
                let expected = match flag.logic {
                    Logic::Rules(_) => VARIANTS[variant],
                    _ => ["off", "on"][variant],
                };
                assert_eq!(
                    scope.resolve(&flag.key).variant(),
                    Some(expected),
                    "{}",
                    flag.key
                );
            }
        }
    }
}
