//! The flags that every engine is given, and what they mean.

use fader_benches::{Logic as Mixed, Rules, User, documents, mixed};
use regex::Regex;

/// How many ids the list has.
pub const LISTED: usize = 10_000;
/// How many flags the mixed set has.
pub const MIXED: usize = 1_000;
/// How many flags of it are in the set that is swapped: few enough that every engine builds it in a hundredth of a
/// second.
pub const SWAPPED: usize = 50;
/// The share of the flag `rollout`, in percent.
pub const ROLLOUT: u32 = 25;

/// What a flag means, whatever the format it is written in.
#[derive(Clone, Debug)]
pub enum Logic {
    /// The same for everybody.
    Plain(bool),
    /// On for so many percent of the users.
    Rollout(u32),
    /// On for these users.
    List(Vec<String>),
    /// Variants `old`, `a`, `b` and `c`.
    Rules {
        rules: Box<Rules>,
        /// Whether the rule that asks for a pattern is among them.
        pattern: bool,
    },
}

/// A flag.
#[derive(Clone, Debug)]
pub struct Flag {
    pub key: String,
    pub logic: Logic,
}

impl Flag {
    fn new(key: &str, logic: Logic) -> Self {
        Self {
            key: key.to_owned(),
            logic,
        }
    }

    /// Returns whether it is on or off, and not one of several variants.
    pub fn is_boolean(&self) -> bool {
        !matches!(self.logic, Logic::Rules { .. })
    }
}

/// Returns the flags that are measured one by one, but for the list: `plain`, `rollout`, `rules`, `four-rules`.
///
/// An engine without patterns gets no `rules`.
pub fn small(percent: u32, patterns: bool) -> Vec<Flag> {
    let rules = |pattern| Logic::Rules {
        rules: Box::new(Rules::one()),
        pattern,
    };
    let mut flags = vec![
        Flag::new("plain", Logic::Plain(true)),
        Flag::new("rollout", Logic::Rollout(percent)),
        Flag::new("four-rules", rules(false)),
    ];
    if patterns {
        flags.push(Flag::new("rules", rules(true)));
    }
    flags
}

/// Returns the flag of the list. It has a document to itself, so that an engine which copies its flags pays for the
/// list where a list is asked for, and nowhere else.
pub fn list() -> Vec<Flag> {
    let ids = documents::listed(LISTED).collect();
    vec![Flag::new("list", Logic::List(ids))]
}

/// Returns the mixed set; with rollouts of so many percent more, for a set to swap with.
pub fn many(more: u32, patterns: bool) -> Vec<Flag> {
    let logic = |logic| match logic {
        Mixed::Plain(on) => Logic::Plain(on),
        Mixed::Rollout(percent) => Logic::Rollout(percent + more),
        Mixed::Rules(rules) => Logic::Rules {
            rules,
            pattern: patterns,
        },
    };
    let flags = mixed(MIXED).flags.into_iter();
    flags
        .map(|flag| Flag {
            key: flag.key,
            logic: logic(flag.logic),
        })
        .collect()
}

/// What a flag answers to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    On(bool),
    Variant(&'static str),
    /// On for so many percent of the users; which of them is the engine's affair.
    Share(u32),
    /// One of the variants of [`Rules::SPLIT`]; which of them is the engine's affair.
    Split,
}

/// A flag's meaning, ready to be asked for.
#[derive(Debug)]
pub struct Asked<'f> {
    pub flag: &'f Flag,
    pattern: Option<Regex>,
}

impl<'f> Asked<'f> {
    /// Prepares a flag.
    pub fn new(flag: &'f Flag) -> anyhow::Result<Self> {
        let pattern = match &flag.logic {
            Logic::Rules {
                rules,
                pattern: true,
            } => Some(Regex::new(&rules.pattern)?),
            _ => None,
        };
        Ok(Self { flag, pattern })
    }

    /// Returns what the flag answers to a user.
    pub fn meaning(&self, user: &User) -> Meaning {
        let rules = match &self.flag.logic {
            Logic::Plain(on) => return Meaning::On(*on),
            Logic::Rollout(percent) => return Meaning::Share(*percent),
            Logic::List(ids) => return Meaning::On(ids.contains(&user.id)),
            Logic::Rules { rules, .. } => rules,
        };
        if rules.countries.contains(&user.country) {
            return Meaning::Variant("a");
        }
        if user.plan == rules.plan {
            return Meaning::Variant("b");
        }
        let mut parts = user.version.split('.').flat_map(str::parse::<u64>);
        let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        if version >= rules.version && version.0 == rules.version.0 {
            return Meaning::Variant("c");
        }
        if user.email.ends_with(&rules.suffix) {
            return Meaning::Variant("a");
        }
        if self
            .pattern
            .as_ref()
            .is_some_and(|pattern| pattern.is_match(&user.device))
        {
            return Meaning::Variant("b");
        }
        Meaning::Split
    }
}

/// Returns the versions that the rule on the version lies between: from the first, below the second.
pub fn versions(rules: &Rules) -> (String, String) {
    let (major, minor) = rules.version;
    (format!("{major}.{minor}.0"), format!("{}.0.0", major + 1))
}

/// Returns a pattern that asks for a suffix, for engines without an operator for one.
pub fn suffix_pattern(rules: &Rules) -> String {
    format!("{}$", regex::escape(&rules.suffix))
}
