//! `fader`, asked in three ways: by a scope and a key, by the handle and a key, by the handle and a string.

use std::sync::Arc;

use anyhow::Result;
use fader::{Context, FlagKey, Flags, Resolution, Scope, Source};
use fader_benches::{Rules, User};
use serde_json::{Value, json};

use crate::engine::{Ask, Asks, Engine, Live};
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

/// A scope for each unit of work, asked with static keys.
pub struct ByScope(Flags);

/// The handle, asked with static keys.
pub struct ByKey(Flags);

/// The handle, asked with strings; the answer is a resolution, with its reason and rule.
pub struct ByString(Flags);

fn document(flags: &[Flag]) -> String {
    let entries = flags.iter().map(|flag| (flag.key.clone(), entry(flag)));
    json!({ "flags": Value::Object(entries.collect()) }).to_string()
}

fn entry(flag: &Flag) -> Value {
    match &flag.logic {
        Logic::Plain(on) => json!(on),
        Logic::Rollout(percent) => json!({ "rules": [ { "percent": percent, "serve": "on" } ] }),
        Logic::List(ids) => json!({ "rules": [
            { "if": { "attribute": "targetingKey", "in": ids }, "serve": "on" } ] }),
        Logic::Rules { rules, pattern } => {
            let (major, minor) = rules.version;
            let mut list = vec![
                json!({ "if": { "attribute": "country", "in": rules.countries }, "serve": "a" }),
                json!({ "if": { "attribute": "plan", "is": rules.plan }, "serve": "b" }),
                json!({ "if": { "attribute": "app.version", "version": format!(">={major}.{minor}, <{}", major + 1) },
                        "serve": "c" }),
                json!({ "if": { "attribute": "user.email", "ends_with": rules.suffix }, "serve": "a" }),
            ];
            if *pattern {
                list.push(
                    json!({ "if": { "attribute": "device", "matches": rules.pattern }, "serve": "b" }),
                );
            }
            let split = Rules::SPLIT.map(|(variant, weight)| (variant.to_owned(), json!(weight)));
            list.push(json!({ "serve": Value::Object(split.into_iter().collect()) }));
            json!({ "variants": { "old": "old", "a": "a", "b": "b", "c": "c" }, "default": "old", "rules": list })
        }
    }
}

fn load(document: &str) -> Result<Flags> {
    let flags = Flags::builder().build();
    flags.load(document, &Source::new("flags.json"))?;
    Ok(flags)
}

/// Keys are static in a service; here they live as long as the process.
fn name(flag: &Flag) -> &'static str {
    flag.key.clone().leak()
}

fn live<E: Engine>(
    documents: [String; 2],
    engine: fn(Flags) -> E,
    reader: fn(Arc<E>) -> Box<dyn crate::engine::Reader>,
) -> Result<Live> {
    let flags = load(&documents[0])?;
    let source = Source::new("flags.json");
    Ok(Live {
        how: "`Flags::load`: parsed, compiled, one atomic swap",
        reader: reader(Arc::new(engine(flags.clone()))),
        swap: Box::new(move |which| {
            flags.load(documents[which].as_str(), &source)?;
            flags.reclaim();
            Ok(())
        }),
    })
}

impl Engine for ByScope {
    const NAME: &'static str = "fader, scope + key";
    const PACKAGE: &'static str = "fader";
    const CALL: &'static str = "`Scope::get(&KEY)`, the scope made beforehand";
    type OnKey = FlagKey<bool>;
    type VariantKey = FlagKey<Choice>;
    type User = Context;
    type Asker<'a> = Scope<&'a Context>;

    fn document(flags: &[Flag]) -> String {
        document(flags)
    }

    fn load(document: &str) -> Result<Self> {
        load(document).map(Self)
    }

    fn on_key(flag: &Flag) -> FlagKey<bool> {
        FlagKey::new(name(flag), &false)
    }

    fn variant_key(flag: &Flag) -> FlagKey<Choice> {
        FlagKey::new(name(flag), &Choice::Old)
    }

    fn user(user: &User) -> Context {
        user.context()
    }

    fn asker<'a>(&'a self, user: &'a Context) -> Scope<&'a Context> {
        self.0.scope(user)
    }

    #[inline]
    fn is_on(&self, asker: &Scope<&Context>, key: &FlagKey<bool>) -> bool {
        *asker.get(key)
    }

    #[inline]
    fn variant<'a>(
        &'a self,
        asker: &'a Scope<&Context>,
        key: &'a FlagKey<Choice>,
    ) -> impl AsRef<str> + 'a {
        *asker.get(key)
    }
}

impl Engine for ByKey {
    const NAME: &'static str = "fader, handle + key";
    const PACKAGE: &'static str = "fader";
    const CALL: &'static str = "`Flags::get(&KEY, &context)`";
    type OnKey = FlagKey<bool>;
    type VariantKey = FlagKey<Choice>;
    type User = Context;
    type Asker<'a> = &'a Context;

    fn document(flags: &[Flag]) -> String {
        document(flags)
    }

    fn load(document: &str) -> Result<Self> {
        load(document).map(Self)
    }

    fn on_key(flag: &Flag) -> FlagKey<bool> {
        FlagKey::new(name(flag), &false)
    }

    fn variant_key(flag: &Flag) -> FlagKey<Choice> {
        FlagKey::new(name(flag), &Choice::Old)
    }

    fn user(user: &User) -> Context {
        user.context()
    }

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
        asker: &'a &Context,
        key: &'a FlagKey<Choice>,
    ) -> impl AsRef<str> + 'a {
        self.0.get(key, *asker)
    }

    fn live(documents: [String; 2], asks: Asks<Self>) -> Option<Result<Live>> {
        let flags = match load(&documents[0]) {
            Ok(flags) => flags,
            Err(error) => return Some(Err(error)),
        };
        let engine = Self(flags.clone());
        let reader = move |turn| match asks.turn(turn) {
            (user, Ask::On(key)) => drop(std::hint::black_box(engine.is_on(&user, key))),
            (user, Ask::Variant(key)) => drop(std::hint::black_box(engine.variant(&user, key))),
        };
        Some(Ok(Live {
            how: "x",
            reader: Box::new(reader),
            swap: Box::new(|_| Ok(())),
        }))
    }
}

/// A resolution with a variant.
pub struct Resolved(Resolution);

impl AsRef<str> for Resolved {
    fn as_ref(&self) -> &str {
        self.0.variant().unwrap_or_default()
    }
}
