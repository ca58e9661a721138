//! An engine that gets one thing wrong must be found out.

use fader_benches::users;

use super::*;
use crate::engines::fader::ByString;

/// What an engine may get wrong.
const PLAIN: u8 = 0;
const SHARE: u8 = 1;
const PATTERN: u8 = 2;
const LIST: u8 = 3;
const VERSION: u8 = 4;
const NOTHING: u8 = 9;

/// An engine that gets one thing wrong.
struct Wrong<const WHAT: u8>(ByString);

impl<const WHAT: u8> Engine for Wrong<WHAT> {
    const NAME: &'static str = "wrong";
    const PACKAGE: &'static str = "fader";
    const CALL: &'static str = "not at all";
    type OnKey = String;
    type VariantKey = String;
    type User = <ByString as Engine>::User;
    type Asker<'a> = <ByString as Engine>::Asker<'a>;

    fn document(flags: &[Flag]) -> String {
        let mut flags = flags.to_vec();
        for flag in &mut flags {
            match &mut flag.logic {
                Logic::Plain(on) if WHAT == PLAIN => *on = !*on,
                Logic::Rollout(percent) if WHAT == SHARE => *percent = (*percent + 10).min(100),
                Logic::Rules { pattern, .. } if WHAT == PATTERN => *pattern = false,
                Logic::Rules { rules, .. } if WHAT == VERSION => rules.version.1 += 2,
                Logic::List(ids) if WHAT == LIST => drop(ids.remove(0)),
                _ => (),
            }
        }
        ByString::document(&flags)
    }

    fn load(document: &str) -> Result<Self> {
        ByString::load(document).map(Self)
    }

    fn on_key(flag: &Flag) -> String {
        ByString::on_key(flag)
    }

    fn variant_key(flag: &Flag) -> String {
        ByString::variant_key(flag)
    }

    fn user(user: &User) -> Self::User {
        ByString::user(user)
    }

    fn asker<'a>(&'a self, user: &'a Self::User) -> Self::Asker<'a> {
        self.0.asker(user)
    }

    fn is_on(&self, asker: &Self::Asker<'_>, key: &String) -> bool {
        self.0.is_on(asker, key)
    }

    fn variant<'a>(&'a self, asker: &'a Self::Asker<'_>, key: &'a String) -> impl AsRef<str> + 'a {
        self.0.variant(asker, key)
    }
}

/// Returns what is found wrong.
fn found<const WHAT: u8>() -> String {
    verify::<Wrong<WHAT>>(&users())
        .map_or_else(|error| format!("{error:#}"), |()| "nothing".to_owned())
}

#[test]
fn each_mistake_is_found() {
    assert_eq!(found::<NOTHING>(), "nothing");
    assert!(
        found::<PLAIN>().contains("plain: `off`"),
        "{}",
        found::<PLAIN>()
    );
    assert!(
        found::<SHARE>().contains("users are in"),
        "{}",
        found::<SHARE>()
    );
    assert!(
        found::<PATTERN>().contains("rules: `"),
        "{}",
        found::<PATTERN>()
    );
    assert!(
        found::<VERSION>().contains("rules: `"),
        "{}",
        found::<VERSION>()
    );
    assert!(
        found::<LIST>().contains("list: `off`"),
        "{}",
        found::<LIST>()
    );
}
