//! The least that a service could write in the library's place: each flag's logic as code and data of its own, without
//! names, reasons, missing attributes or reloading.

use regex_automata::Input;
use regex_automata::MatchKind;
use regex_automata::dfa::{Automaton, StartKind, dense};
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
    countries: [u64; 10],
    plan: String,
    from: (u64, u64),
    before: u64,
    suffix: String,
    pattern: dense::DFA<Vec<u32>>,
    split_seed: u64,
    split: [u64; 2],
}

/// Packs a text of up to eight bytes.
#[inline]
fn pack(text: &str) -> u64 {
    let mut bytes = [0; 8];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    u64::from_le_bytes(bytes)
}

impl FiveRules {
    /// Makes the rules of a flag.
    ///
    /// # Panics
    ///
    /// The pattern is none.
    #[must_use]
    pub fn new(salt: &str, rules: &Rules) -> Self {
        let pattern = dense::Builder::new()
            .configure(
                dense::Config::new()
                    .start_kind(StartKind::Unanchored)
                    .match_kind(MatchKind::All),
            )
            .build(&rules.pattern)
            .expect("the pattern is good");
        let [(_, first), (_, second), _] = Rules::SPLIT;
        Self {
            countries: rules.countries.map(pack),
            plan: rules.plan.to_owned(),
            from: rules.version,
            before: rules.version.0 + 1,
            suffix: rules.suffix.clone(),
            pattern,
            split_seed: xxh3_64_with_seed(salt.as_bytes(), 1),
            split: [threshold(first), threshold(first + second)],
        }
    }

    #[inline(always)]
    #[must_use]
    pub fn variant(&self, user: &User) -> u8 {
        if self.countries.contains(&pack(user.country)) {
            return 1;
        }
        if user.plan == self.plan {
            return 2;
        }
        let (major, minor) = version(&user.version);
        if (major, minor) >= self.from && major < self.before {
            return 3;
        }
        if user.email.ends_with(&self.suffix) {
            return 1;
        }
        let input = Input::new(&user.device).earliest(true);
        if self
            .pattern
            .try_search_fwd(&input)
            .is_ok_and(|found| found.is_some())
        {
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

/// Reads major and minor of a version that is known to be one.
#[inline]
fn version(text: &str) -> (u64, u64) {
    let mut parts = [0_u64; 2];
    let mut at = 0;
    for byte in text.bytes() {
        if byte == b'.' {
            at += 1;
            if at == 2 {
                break;
            }
        } else {
            parts[at] = parts[at] * 10 + u64::from(byte - b'0');
        }
    }
    (parts[0], parts[1])
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

/// Makes a mixed set by hand.
#[must_use]
pub fn mixed(set: &Mixed) -> Vec<Flag> {
    let flag = |flag: &crate::mixed::Flag| match &flag.logic {
        Logic::Plain(on) => Flag::Plain(*on),
        Logic::Rollout(percent) => Flag::Rollout(Rollout::new(&flag.key, *percent)),
        Logic::Rules(rules) => Flag::Rules(Box::new(FiveRules::new(&flag.key, rules))),
    };
    set.flags.iter().map(flag).collect()
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
