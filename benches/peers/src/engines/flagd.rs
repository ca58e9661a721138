//! `flagd-evaluation-engine`: the engine below flagd's provider for in-process evaluation.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Result, bail};
use fader_benches::{Rules, User};
use flagd_evaluation_engine::{FeatureFlag, FlagParser, Operator};
use open_feature::EvaluationContext;
use serde_json::{Value, json};
use tokio::sync::{RwLock, RwLockReadGuard};

use crate::engine::{Engine, Live};
use crate::flags::{Flag, Logic, versions};

type Flags = HashMap<String, Held>;

/// A flag with its targeting as text, which the engine wants it as: written once, not for each evaluation as its
/// provider does.
pub struct Held {
    flag: FeatureFlag,
    targeting: Option<String>,
}

/// Flags by their keys, behind the lock that the provider has them behind.
pub struct Flagd {
    flags: Arc<RwLock<Flags>>,
    operator: Operator,
}

impl Engine for Flagd {
    const NAME: &'static str = "flagd-evaluation-engine";
    const PACKAGE: &'static str = "flagd-evaluation-engine";
    const CALL: &'static str =
        "`Operator::apply` on a flag borrowed from a map, the lock taken before the clock starts";
    const PATTERNS: bool = false;
    type OnKey = String;
    type VariantKey = String;
    type User = EvaluationContext;
    type Asker<'a> = (RwLockReadGuard<'a, Flags>, &'a EvaluationContext);

    fn document(flags: &[Flag]) -> String {
        let entries = flags.iter().map(|flag| (flag.key.clone(), entry(flag)));
        json!({ "flags": Value::Object(entries.collect()) }).to_string()
    }

    fn load(document: &str) -> Result<Self> {
        Ok(Self {
            flags: Arc::new(RwLock::new(parse(document)?)),
            operator: Operator::new(),
        })
    }

    fn on_key(flag: &Flag) -> String {
        flag.key.clone()
    }

    fn variant_key(flag: &Flag) -> String {
        flag.key.clone()
    }

    fn user(user: &User) -> EvaluationContext {
        // A dot in a name would ask for a field of a field.
        EvaluationContext::default()
            .with_targeting_key(user.id.as_str())
            .with_custom_field("country", user.country)
            .with_custom_field("plan", user.plan)
            .with_custom_field("app_version", user.version.as_str())
            .with_custom_field("user_email", user.email.as_str())
            .with_custom_field("device", user.device.as_str())
    }

    fn asker<'a>(&'a self, user: &'a EvaluationContext) -> Self::Asker<'a> {
        (self.flags.blocking_read(), user)
    }

    #[inline]
    fn is_on(&self, (flags, context): &Self::Asker<'_>, key: &String) -> bool {
        self.value(flags, context, key) == Some(&Value::Bool(true))
    }

    #[inline]
    fn variant<'a>(
        &'a self,
        (flags, context): &'a Self::Asker<'_>,
        key: &'a String,
    ) -> impl AsRef<str> + 'a {
        self.value(flags, context, key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    fn live(documents: [String; 2]) -> Result<Option<Live<Self>>> {
        let engine = Arc::new(Self::load(&documents[0])?);
        let flags = Arc::clone(&engine.flags);
        Ok(Some(Live {
            how: "its provider's: a `tokio::sync::RwLock` around the map, replaced under the write lock",
            engine,
            swap: Box::new(move |which| {
                let new = parse(&documents[which])?;
                // The old flags are dropped under the lock, as the provider's store drops them.
                *flags.blocking_write() = new;
                Ok(())
            }),
        }))
    }
}

impl Flagd {
    /// Does what the provider does around the engine: state, default variant, the variant's value.
    fn value<'f>(
        &self,
        flags: &'f Flags,
        context: &EvaluationContext,
        key: &str,
    ) -> Option<&'f Value> {
        let held = flags.get(key)?;
        if held.flag.state != "ENABLED" {
            return None;
        }
        let variant = match &held.targeting {
            Some(targeting) => self.operator.apply(key, targeting, context).ok()?,
            None => None,
        };
        held.flag
            .variants
            .get(variant.as_deref().unwrap_or(&held.flag.default_variant))
    }
}

fn parse(document: &str) -> Result<Flags> {
    let parsed = match FlagParser::parse_string(document) {
        Ok(parsed) => parsed,
        Err(error) => bail!("flagd refuses the document: {error}"),
    };
    let flags = parsed.flags.into_iter().map(|(key, flag)| {
        let targeting = flag.targeting.as_ref().map(|_| flag.get_targeting());
        (key, Held { flag, targeting })
    });
    Ok(flags.collect())
}

fn entry(flag: &Flag) -> Value {
    let on_off = json!({ "on": true, "off": false });
    match &flag.logic {
        Logic::Plain(on) => {
            json!({ "state": "ENABLED", "variants": on_off, "defaultVariant": if *on { "on" } else { "off" } })
        }
        Logic::Rollout(percent) => json!({
            "state": "ENABLED", "variants": on_off, "defaultVariant": "off",
            "targeting": { "fractional": [["on", percent], ["off", 100 - percent]] } }),
        Logic::List(ids) => json!({
            "state": "ENABLED", "variants": on_off, "defaultVariant": "off",
            "targeting": { "if": [ { "in": [ { "var": "targetingKey" }, ids ] }, "on", "off" ] } }),
        Logic::Rules { rules, .. } => {
            let (from, below) = versions(rules);
            let version = json!({ "var": "app_version" });
            let split = Rules::SPLIT.map(|(variant, weight)| json!([variant, weight]));
            let targeting = json!({ "if": [
                { "in": [ { "var": "country" }, rules.countries ] }, "a",
                { "==": [ { "var": "plan" }, rules.plan ] }, "b",
                { "and": [ { "sem_ver": [version, ">=", from] }, { "sem_ver": [version, "<", below] } ] }, "c",
                { "ends_with": [ { "var": "user_email" }, rules.suffix ] }, "a",
                { "fractional": split } ] });
            json!({
                "state": "ENABLED", "variants": { "old": "old", "a": "a", "b": "b", "c": "c" },
                "defaultVariant": "old", "targeting": targeting })
        }
    }
}
