//! A set of flags as a large service has it: half of them plain, three in ten rolled out to a share, two in ten with
//! five rules and a split.

use crate::random::Random;
use crate::users::{COMPANIES, COUNTRIES};

/// What a flag means, whatever the format it is written in.
#[derive(Clone, Debug)]
pub enum Logic {
    /// The same for everybody.
    Plain(bool),
    /// On for so many percent of the users.
    Rollout(u32),
    /// Variants `old`, `a`, `b` and `c`.
    Rules(Box<Rules>),
}

/// Five rules, then a split of everybody else.
#[derive(Clone, Debug)]
pub struct Rules {
    /// `country` is one of these: `a`.
    pub countries: [&'static str; 10],
    /// `plan` is this: `b`.
    pub plan: &'static str,
    /// `app.version` is at least this (major, minor) and below the next major: `c`.
    pub version: (u64, u64),
    /// `user.email` ends with this: `a`.
    pub suffix: String,
    /// `device` matches this: `b`.
    pub pattern: String,
}

impl Rules {
    /// The variants of the split with their weights in percent.
    pub const SPLIT: [(&'static str, u32); 3] = [("a", 34), ("b", 33), ("c", 33)];

    /// The rules of the flag that is measured by itself.
    #[must_use]
    pub fn one() -> Self {
        Self {
            countries: ["NL", "BE", "DE", "FR", "GB", "IE", "LU", "DK", "SE", "NO"],
            plan: "enterprise",
            version: (2, 3),
            suffix: "@example.com".to_owned(),
            pattern: "^(pixel|galaxy)-[0-9]+-beta$".to_owned(),
        }
    }

    fn random(random: &mut Random) -> Self {
        let brands = random.pick(&["pixel|galaxy", "iphone|moto", "pixel|moto", "galaxy|iphone"]);
        let digits = random.pick(&["[0-9]+", "1[0-9]", "[0-9]", "[5-9]"]);
        let mut countries = COUNTRIES;
        for at in 0..10 {
            countries.swap(at, at + random.below(COUNTRIES.len() - at));
        }
        Self {
            countries: std::array::from_fn(|at| countries[at]),
            plan: random.pick(&["enterprise", "pro"]),
            version: (
                random.pick(&[1, 2, 3]),
                u64::try_from(random.below(10)).unwrap_or(0),
            ),
            suffix: format!("@{}", random.pick(&COMPANIES)),
            pattern: format!("^({brands})-{digits}-beta$"),
        }
    }

    /// Writes the rules as a document has them.
    #[must_use]
    pub fn to_json(&self) -> String {
        let countries = self.countries.map(|code| format!("\"{code}\"")).join(", ");
        let (major, minor) = self.version;
        let weights = Self::SPLIT
            .map(|(variant, weight)| format!("\"{variant}\": {weight}"))
            .join(", ");
        format!(
            r#""variants": {{ "old": "o", "a": "a", "b": "b", "c": "c" }}, "default": "old", "rules": [
  {{ "if": {{ "attribute": "country", "in": [{countries}] }}, "serve": "a" }},
  {{ "if": {{ "attribute": "plan", "is": "{}" }}, "serve": "b" }},
  {{ "if": {{ "attribute": "app.version", "version": ">={major}.{minor}, <{}" }}, "serve": "c" }},
  {{ "if": {{ "attribute": "user.email", "ends_with": "{}" }}, "serve": "a" }},
  {{ "if": {{ "attribute": "device", "matches": "{}" }}, "serve": "b" }},
  {{ "serve": {{ {weights} }} }} ]"#,
            self.plan,
            major + 1,
            self.suffix,
            self.pattern,
        )
    }
}

/// One flag of a mixed set.
#[derive(Clone, Debug)]
pub struct Flag {
    pub key: String,
    pub logic: Logic,
    /// What it says of itself, as JSON fields.
    about: String,
}

/// A mixed set of flags.
#[derive(Clone, Debug)]
pub struct Mixed {
    pub flags: Vec<Flag>,
}

/// Makes a mixed set, the same in every run.
#[must_use]
pub fn mixed(count: usize) -> Mixed {
    let mut random = Random::new(1);
    let flags = (0..count).map(|number| flag(number, &mut random)).collect();
    Mixed { flags }
}

fn flag(number: usize, random: &mut Random) -> Flag {
    let area = random.pick(&["checkout", "search", "account", "catalog", "delivery"]);
    let logic = match random.below(10) {
        0..5 => Logic::Plain(random.below(2) == 0),
        5..8 => Logic::Rollout(random.pick(&[1, 5, 10, 25, 50, 75])),
        _ => Logic::Rules(Box::new(Rules::random(random))),
    };
    // Rules are long enough by themselves; together it comes to about 450 bytes a flag.
    let words = match logic {
        Logic::Plain(_) => 38,
        Logic::Rollout(_) => 30,
        Logic::Rules(_) => 4,
    };
    let lexicon = [
        "asks", "the", "new", "service", "for", "prices", "before", "page", "is", "drawn", "and",
    ];
    let description: Vec<&str> = (0..words).map(|_| random.pick(&lexicon)).collect();
    let about = format!(
        r#""description": "{}", "owner": "team-{area}", "expires": "2099-{:02}-01", "tags": ["{area}", "q{}"], "metadata": {{ "ticket": "{}-{}" }}"#,
        description.join(" "),
        1 + random.below(12),
        1 + random.below(4),
        area.to_uppercase(),
        1_000 + random.below(9_000),
    );
    Flag {
        key: format!("{area}-feature-{number:05}"),
        logic,
        about,
    }
}

impl Mixed {
    /// Writes the set as a document.
    #[must_use]
    pub fn document(&self) -> String {
        document(&self.entries())
    }

    /// Writes the set as a document whose flags say nothing of themselves.
    #[must_use]
    pub fn bare_document(&self) -> String {
        document(&self.write(|_| String::new()))
    }

    /// Writes the flags as entries of a document.
    #[must_use]
    pub fn entries(&self) -> String {
        self.write(|flag| format!("{}, ", flag.about))
    }

    fn write(&self, about: impl Fn(&Flag) -> String) -> String {
        let entry = |flag: &Flag| {
            let (about, logic) = (about(flag), flag.logic.to_json());
            format!("\"{}\": {{ {about}{logic} }}", flag.key)
        };
        self.flags.iter().map(entry).collect::<Vec<_>>().join(",\n")
    }
}

fn document(entries: &str) -> String {
    format!("{{ \"flags\": {{\n{entries}\n}} }}\n")
}

impl Logic {
    /// Writes what decides a flag, as fields of it.
    #[must_use]
    pub fn to_json(&self) -> String {
        match self {
            Self::Plain(on) => {
                format!(r#""default": "{}""#, if *on { "on" } else { "off" })
            }
            Self::Rollout(percent) => {
                format!(r#""rules": [ {{ "name": "ramp", "percent": {percent}, "serve": "on" }} ]"#)
            }
            Self::Rules(rules) => rules.to_json(),
        }
    }
}
