//! `launchdarkly-server-sdk-evaluation`: the engine below LaunchDarkly's server SDK.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Error, Result};
use fader_benches::{Rules, User};
use launchdarkly_server_sdk_evaluation::{
    Context, ContextBuilder, Detail, Flag as LdFlag, FlagValue, Segment, Store, evaluate,
};
use parking_lot::{RwLock, RwLockReadGuard};
use serde_json::{Value, json};

use crate::engine::{Engine, Live};
use crate::flags::{Flag, Logic, versions};

type Flags = HashMap<String, LdFlag>;

/// Flags by their keys, behind the lock that the SDK has them behind.
pub struct LaunchDarkly(Arc<RwLock<Flags>>);

/// Nothing that an evaluation here asks for: no prerequisite, no segment.
struct Nothing;

impl Store for Nothing {
    fn flag(&self, _: &str) -> Option<LdFlag> {
        None
    }

    fn segment(&self, _: &str) -> Option<Segment> {
        None
    }
}

/// An answer with its reason, for its text.
struct Detailed<'a>(Option<Detail<&'a FlagValue>>);

impl AsRef<str> for Detailed<'_> {
    fn as_ref(&self) -> &str {
        match self.0.as_ref().and_then(|detail| detail.value) {
            Some(FlagValue::Str(text)) => text,
            _ => "",
        }
    }
}

impl Engine for LaunchDarkly {
    const NAME: &'static str = "launchdarkly-server-sdk-evaluation";
    const PACKAGE: &'static str = "launchdarkly-server-sdk-evaluation";
    const CALL: &'static str =
        "`evaluate` on a flag borrowed from a map, the lock taken before the clock starts";
    type OnKey = String;
    type VariantKey = String;
    type User = Context;
    type Asker<'a> = (RwLockReadGuard<'a, Flags>, &'a Context);

    fn document(flags: &[Flag]) -> String {
        let entries = flags.iter().map(|flag| (flag.key.clone(), entry(flag)));
        json!({ "flags": Value::Object(entries.collect()), "segments": {} }).to_string()
    }

    fn load(document: &str) -> Result<Self> {
        Ok(Self(Arc::new(RwLock::new(parse(document)?))))
    }

    fn on_key(flag: &Flag) -> String {
        flag.key.clone()
    }

    fn variant_key(flag: &Flag) -> String {
        flag.key.clone()
    }

    fn user(user: &User) -> Context {
        let mut builder = ContextBuilder::new(user.id.as_str());
        builder
            .set_string("country", user.country)
            .set_string("plan", user.plan)
            .set_string("app.version", user.version.as_str())
            .set_string("user.email", user.email.as_str())
            .set_string("device", user.device.as_str());
        builder.build().expect("a user has a key")
    }

    fn asker<'a>(&'a self, user: &'a Context) -> Self::Asker<'a> {
        (self.0.read(), user)
    }

    #[inline]
    fn is_on(&self, (flags, context): &Self::Asker<'_>, key: &String) -> bool {
        let detail = flags
            .get(key)
            .map(|flag| evaluate(&Nothing, flag, context, None));
        matches!(
            detail,
            Some(Detail {
                value: Some(FlagValue::Bool(true)),
                ..
            })
        )
    }

    #[inline]
    fn variant<'a>(
        &'a self,
        (flags, context): &'a Self::Asker<'_>,
        key: &'a String,
    ) -> impl AsRef<str> + 'a {
        Detailed(
            flags
                .get(key)
                .map(|flag| evaluate(&Nothing, flag, context, None)),
        )
    }

    fn live(documents: [String; 2]) -> Result<Option<Live<Self>>> {
        let engine = Arc::new(Self::load(&documents[0])?);
        let flags = Arc::clone(&engine.0);
        Ok(Some(Live {
            how: "its SDK's: a `parking_lot::RwLock` around the map, replaced under the write lock",
            engine,
            swap: Box::new(move |which| {
                let new = parse(&documents[which])?;
                // The old flags are dropped under the lock, as the SDK's store drops them.
                *flags.write() = new;
                Ok(())
            }),
        }))
    }
}

fn parse(document: &str) -> Result<Flags> {
    #[derive(serde::Deserialize)]
    struct All {
        flags: Flags,
    }
    serde_json::from_str(document)
        .map(|all: All| all.flags)
        .map_err(Error::from)
}

fn entry(flag: &Flag) -> Value {
    let (variations, fallthrough, targets, rules) = match &flag.logic {
        Logic::Plain(on) => (
            json!([true, false]),
            json!({ "variation": i32::from(!on) }),
            json!([]),
            json!([]),
        ),
        Logic::Rollout(percent) => {
            let rollout = json!({ "rollout": { "variations": [
                { "variation": 0, "weight": percent * 1_000 },
                { "variation": 1, "weight": 100_000 - percent * 1_000 } ] } });
            (json!([true, false]), rollout, json!([]), json!([]))
        }
        Logic::List(ids) => {
            let targets = json!([ { "values": ids, "variation": 0 } ]);
            (
                json!([true, false]),
                json!({ "variation": 1 }),
                targets,
                json!([]),
            )
        }
        Logic::Rules { rules, pattern } => {
            let mut number = 0;
            let split = Rules::SPLIT.map(|(_, weight)| {
                number += 1;
                json!({ "variation": number, "weight": weight * 1_000 })
            });
            let split = json!({ "rollout": { "variations": split } });
            (
                json!(["old", "a", "b", "c"]),
                split,
                json!([]),
                entries(rules, *pattern),
            )
        }
    };
    json!({
        "key": flag.key, "version": 1, "on": true, "salt": flag.key, "variations": variations, "offVariation": 1,
        "fallthrough": fallthrough, "targets": targets, "rules": rules, "prerequisites": [],
        "clientSideAvailability": { "usingMobileKey": false, "usingEnvironmentId": false }, "trackEvents": false,
    })
}

fn entries(rules: &Rules, pattern: bool) -> Value {
    let (from, below) = versions(rules);
    let rule = |number: u32, clauses: Value, variation: u32| json!({ "id": format!("rule-{number}"), "clauses": clauses, "variation": variation, "trackEvents": false });
    let mut list = vec![
        rule(
            0,
            json!([ { "attribute": "country", "op": "in", "values": rules.countries } ]),
            1,
        ),
        rule(
            1,
            json!([ { "attribute": "plan", "op": "in", "values": [rules.plan] } ]),
            2,
        ),
        // There is no operator for "at least" a version: not below it.
        rule(
            2,
            json!([
                { "attribute": "app.version", "op": "semVerLessThan", "values": [from], "negate": true },
                { "attribute": "app.version", "op": "semVerLessThan", "values": [below] } ]),
            3,
        ),
        rule(
            3,
            json!([ { "attribute": "user.email", "op": "endsWith", "values": [rules.suffix] } ]),
            1,
        ),
    ];
    if pattern {
        list.push(rule(
            4,
            json!([ { "attribute": "device", "op": "matches", "values": [rules.pattern] } ]),
            2,
        ));
    }
    Value::Array(list)
}
