//! `unleash-yggdrasil`: the engine below Unleash's newer SDKs.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Result, ensure};
use fader_benches::{Rules, User};
use serde_json::{Value, json};
use unleash_types::client_features::ClientFeatures;
use unleash_yggdrasil::state::EnrichedContext;
use unleash_yggdrasil::{Context, EngineState, VariantDef};

use crate::engine::{Engine, Live};
use crate::flags::{Flag, Logic, versions};

pub struct Yggdrasil(EngineState);

/// A variant, for its name.
struct Named(Option<VariantDef>);

impl AsRef<str> for Named {
    fn as_ref(&self) -> &str {
        self.0.as_ref().map_or("", |variant| &variant.name)
    }
}

impl Engine for Yggdrasil {
    const NAME: &'static str = "unleash-yggdrasil";
    const PACKAGE: &'static str = "unleash-yggdrasil";
    const CALL: &'static str = "`EngineState::is_enabled`, `EngineState::check_variant`";
    type OnKey = String;
    type VariantKey = String;
    type User = Context;
    type Asker<'a> = &'a Context;

    fn document(flags: &[Flag]) -> String {
        let features: Vec<Value> = flags.iter().map(feature).collect();
        json!({ "version": 2, "features": features }).to_string()
    }

    fn load(document: &str) -> Result<Self> {
        let engine = EngineState::default();
        apply(&engine, document)?;
        Ok(Self(engine))
    }

    fn on_key(flag: &Flag) -> String {
        flag.key.clone()
    }

    fn variant_key(flag: &Flag) -> String {
        flag.key.clone()
    }

    fn user(user: &User) -> Context {
        let properties = [
            ("country", user.country),
            ("plan", user.plan),
            ("app.version", &user.version),
            ("user.email", &user.email),
            ("device", &user.device),
        ];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Context {
            user_id: Some(user.id.clone()),
            session_id: None,
            environment: None,
            app_name: None,
            current_time: None,
            remote_address: None,
            properties: Some(properties.map(owned).into_iter().collect::<HashMap<_, _>>()),
        }
    }

    fn asker<'a>(&'a self, user: &'a Context) -> &'a Context {
        user
    }

    #[inline]
    fn is_on(&self, asker: &&Context, key: &String) -> bool {
        self.0.is_enabled(key, asker, &None)
    }

    #[inline]
    fn variant<'a>(&'a self, asker: &'a Self::Asker<'_>, key: &'a String) -> impl AsRef<str> + 'a {
        let context = EnrichedContext::from(asker, key, None);
        Named(self.0.check_variant(&context))
    }

    fn live(documents: [String; 2]) -> Result<Option<Live<Self>>> {
        let engine = Arc::new(Self::load(&documents[0])?);
        let live = Arc::clone(&engine);
        Ok(Some(Live {
            how: "`EngineState::apply_client_features`: an `ArcSwap` of its own",
            engine,
            swap: Box::new(move |which| apply(&live.0, &documents[which])),
        }))
    }
}

fn apply(engine: &EngineState, document: &str) -> Result<()> {
    let features: ClientFeatures = serde_json::from_str(document)?;
    let warnings = engine.apply_client_features(features);
    ensure!(warnings.is_none(), "unleash-yggdrasil warns: {warnings:?}");
    Ok(())
}

fn feature(flag: &Flag) -> Value {
    let (enabled, strategies) = match &flag.logic {
        Logic::Plain(on) => (*on, vec![json!({ "name": "default" })]),
        Logic::Rollout(percent) => {
            let parameters = json!({ "rollout": percent.to_string(), "stickiness": "userId", "groupId": flag.key });
            (
                true,
                vec![json!({ "name": "flexibleRollout", "parameters": parameters })],
            )
        }
        Logic::List(ids) => {
            let constraint = json!({ "contextName": "userId", "operator": "IN", "values": ids });
            (
                true,
                vec![json!({ "name": "default", "constraints": [constraint] })],
            )
        }
        Logic::Rules { rules, pattern } => (true, strategies(rules, *pattern)),
    };
    json!({ "name": flag.key, "enabled": enabled, "strategies": strategies })
}

fn strategies(rules: &Rules, pattern: bool) -> Vec<Value> {
    let (from, below) = versions(rules);
    let rule = |constraints: Value, variant: &str| json!({ "name": "default", "constraints": constraints, "variants": [ { "name": variant, "weight": 1000 } ] });
    let mut strategies = vec![
        rule(
            json!([ { "contextName": "country", "operator": "IN", "values": rules.countries } ]),
            "a",
        ),
        rule(
            json!([ { "contextName": "plan", "operator": "IN", "values": [rules.plan] } ]),
            "b",
        ),
        rule(
            json!([
                { "contextName": "app.version", "operator": "SEMVER_GTE", "value": from },
                { "contextName": "app.version", "operator": "SEMVER_LT", "value": below } ]),
            "c",
        ),
        rule(
            json!([ { "contextName": "user.email", "operator": "STR_ENDS_WITH", "values": [rules.suffix] } ]),
            "a",
        ),
    ];
    if pattern {
        strategies.push(rule(
            json!([ { "contextName": "device", "operator": "REGEX", "value": rules.pattern } ]),
            "b",
        ));
    }
    let split = Rules::SPLIT.map(|(name, weight)| json!({ "name": name, "weight": weight * 10 }));
    strategies.push(
        json!({ "name": "default", "parameters": { "stickiness": "userId" }, "variants": split }),
    );
    strategies
}
