//! `fader`, asked in three ways: by a scope and a key, by the handle and a key, by the handle and a string.

use std::sync::Arc;

use anyhow::Result;
use fader::{Context, FlagKey, Flags, Resolution, Scope, Source};
use fader_benches::{Rules, User};
use serde_json::{Value, json};

use crate::engine::{Engine, Live};
use crate::flags::{Flag, Logic};

fader::variants! {
    /// The variants of flags with rules.
    pub enum Choice { Old = "old", A = "a", B = "b", C = "c" }
}

impl AsRef<str> for Choice {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// A resolution, for its variant.
pub struct Resolved(Resolution);

impl AsRef<str> for Resolved {
    fn as_ref(&self) -> &str {
        self.0.variant().unwrap_or_default()
    }
}

/// A scope for each unit of work, asked with static keys.
pub struct ByScope(Flags);

/// The handle, asked with static keys.
pub struct ByKey(Flags);

/// The handle, asked with strings; the answer is a resolution, with its reason and rule.
pub struct ByString(Flags);

/// What the three ways have in common.
macro_rules! common {
    () => {
        const PACKAGE: &'static str = "fader";
        type User = Context;

        fn document(flags: &[Flag]) -> String {
            document(flags)
        }

        fn load(document: &str) -> Result<Self> {
            load(document).map(Self)
        }

        fn user(user: &User) -> Context {
            user.context()
        }
    };
}

/// Keys are static in a service; these live as long as the process.
macro_rules! static_keys {
    () => {
        type OnKey = FlagKey<bool>;
        type VariantKey = FlagKey<Choice>;

        fn on_key(flag: &Flag) -> FlagKey<bool> {
            FlagKey::new(flag.key.clone().leak(), &false)
        }

        fn variant_key(flag: &Flag) -> FlagKey<Choice> {
            FlagKey::new(flag.key.clone().leak(), &Choice::Old)
        }
    };
}

impl Engine for ByScope {
    const NAME: &'static str = "fader: scope, key";
    const CALL: &'static str = "`Scope::get(&KEY)`; a fresh scope for each evaluation, or for all flags of the mixed set, made before the clock starts";
    type Asker<'a> = Scope<&'a Context>;
    common!();
    static_keys!();

    fn asker<'a>(&'a self, user: &'a Context) -> Self::Asker<'a> {
        self.0.scope(user)
    }

    #[inline]
    fn is_on(&self, asker: &Self::Asker<'_>, key: &FlagKey<bool>) -> bool {
        *asker.get(key)
    }

    #[inline]
    fn variant<'a>(
        &'a self,
        asker: &'a Self::Asker<'_>,
        key: &'a FlagKey<Choice>,
    ) -> impl AsRef<str> + 'a {
        *asker.get(key)
    }
}

impl Engine for ByKey {
    const NAME: &'static str = "fader: handle, key";
    const CALL: &'static str = "`Flags::get(&KEY, &context)`";
    type Asker<'a> = &'a Context;
    common!();
    static_keys!();

    fn asker<'a>(&'a self, user: &'a Context) -> &'a Context {
        user
    }

    #[inline]
    fn is_on(&self, asker: &&Context, key: &FlagKey<bool>) -> bool {
        self.0.get(key, *asker)
    }

    #[inline]
    fn variant<'a>(
        &'a self,
        asker: &'a Self::Asker<'_>,
        key: &'a FlagKey<Choice>,
    ) -> impl AsRef<str> + 'a {
        self.0.get(key, *asker)
    }

    fn live(documents: [String; 2]) -> Result<Option<Live<Self>>> {
        live(documents, Self).map(Some)
    }
}

impl Engine for ByString {
    const NAME: &'static str = "fader: handle, string";
    const CALL: &'static str =
        "`Flags::resolve(\"flag\", &context)`: a resolution with variant, reason, rule and version";
    type OnKey = String;
    type VariantKey = String;
    type Asker<'a> = &'a Context;
    common!();

    fn on_key(flag: &Flag) -> String {
        flag.key.clone()
    }

    fn variant_key(flag: &Flag) -> String {
        flag.key.clone()
    }

    fn asker<'a>(&'a self, user: &'a Context) -> &'a Context {
        user
    }

    #[inline]
    fn is_on(&self, asker: &&Context, key: &String) -> bool {
        let resolution = self.0.resolve(key, *asker);
        matches!(resolution.value(), Some(Value::Bool(true)))
    }

    #[inline]
    fn variant<'a>(&'a self, asker: &'a Self::Asker<'_>, key: &'a String) -> impl AsRef<str> + 'a {
        Resolved(self.0.resolve(key, *asker))
    }

    fn live(documents: [String; 2]) -> Result<Option<Live<Self>>> {
        live(documents, Self).map(Some)
    }
}

fn load(document: &str) -> Result<Flags> {
    let flags = Flags::builder().build();
    flags.load(document, &Source::new("flags.json"))?;
    Ok(flags)
}

fn live<E>(documents: [String; 2], engine: fn(Flags) -> E) -> Result<Live<E>> {
    let flags = load(&documents[0])?;
    let source = Source::new("flags.json");
    Ok(Live {
        how: "`Flags::load`: one atomic swap",
        engine: Arc::new(engine(flags.clone())),
        swap: Box::new(move |which| {
            flags.load(documents[which].as_str(), &source)?;
            flags.reclaim();
            Ok(())
        }),
    })
}

fn document(flags: &[Flag]) -> String {
    let entries = flags.iter().map(|flag| (flag.key.clone(), entry(flag)));
    let lists = flags.iter().filter_map(|flag| match &flag.logic {
        Logic::List(ids) => Some((flag.key.clone(), json!(ids))),
        _ => None,
    });
    let (entries, lists) = (entries.collect(), lists.collect());
    json!({ "lists": Value::Object(lists), "flags": Value::Object(entries) }).to_string()
}

fn entry(flag: &Flag) -> Value {
    match &flag.logic {
        Logic::Plain(on) => json!(on),
        Logic::Rollout(percent) => json!({ "rules": [ { "percent": percent, "serve": "on" } ] }),
        Logic::List(_) => json!({ "rules": [
            { "if": { "attribute": "targetingKey", "in_list": flag.key }, "serve": "on" } ] }),
        Logic::Rules { rules, pattern } => {
            let (major, minor) = rules.version;
            let requirement = format!(">={major}.{minor}, <{}", major + 1);
            let mut list = vec![
                json!({ "if": { "attribute": "country", "in": rules.countries }, "serve": "a" }),
                json!({ "if": { "attribute": "plan", "is": rules.plan }, "serve": "b" }),
                json!({ "if": { "attribute": "app.version", "version": requirement }, "serve": "c" }),
                json!({ "if": { "attribute": "user.email", "ends_with": rules.suffix }, "serve": "a" }),
            ];
            if *pattern {
                list.push(json!({ "if": { "attribute": "device", "matches": rules.pattern }, "serve": "b" }));
            }
            let split = Rules::SPLIT.map(|(variant, weight)| (variant.to_owned(), json!(weight)));
            list.push(json!({ "serve": Value::Object(split.into_iter().collect()) }));
            json!({
                "variants": { "old": "old", "a": "a", "b": "b", "c": "c" },
                "default": "old",
                "rules": list,
            })
        }
    }
}
