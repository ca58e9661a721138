//! `eppo_core`: the engine below Eppo's SDKs.

use std::sync::Arc;

use anyhow::Result;
use eppo_core::configuration_store::ConfigurationStore;
use eppo_core::eval::{Evaluator, EvaluatorConfig, get_assignment};
use eppo_core::timestamp::{Timestamp, now};
use eppo_core::ufc::{Assignment, AssignmentValue, UniversalFlagConfig, VariationType};
use eppo_core::{Attributes, Configuration, SdkMetadata, Str};
use fader_benches::{Rules, User};
use serde_json::{Value, json};

use crate::engine::{Engine, Live};
use crate::flags::{Flag, Logic, suffix_pattern, versions};

const SDK: SdkMetadata = SdkMetadata {
    name: "peers",
    version: "0",
};
const SHARDS: u32 = 10_000;

/// The function that evaluates, with the configuration and the time at hand.
pub struct Function(Arc<ConfigurationStore>);

/// The evaluator, which takes both for each evaluation.
pub struct ByEvaluator {
    store: Arc<ConfigurationStore>,
    evaluator: Evaluator,
}

/// A subject, as the engine wants to be told of it.
pub struct Subject {
    key: Str,
    attributes: Arc<Attributes>,
}

/// An assignment, for its text.
struct Assigned(Option<Assignment>);

impl AsRef<str> for Assigned {
    fn as_ref(&self) -> &str {
        let text = self
            .0
            .as_ref()
            .and_then(|assignment| assignment.value.as_str());
        text.unwrap_or_default()
    }
}

/// What the two ways have in common.
macro_rules! common {
    () => {
        const PACKAGE: &'static str = "eppo_core";
        type OnKey = String;
        type VariantKey = String;
        type User = Subject;

        fn document(flags: &[Flag]) -> String {
            document(flags)
        }

        fn on_key(flag: &Flag) -> String {
            flag.key.clone()
        }

        fn variant_key(flag: &Flag) -> String {
            flag.key.clone()
        }

        fn user(user: &User) -> Subject {
            let attributes = [
                ("country", user.country),
                ("plan", user.plan),
                ("app.version", &user.version),
                ("user.email", &user.email),
                ("device", &user.device),
            ];
            let attributes = attributes.map(|(name, value)| (Str::from(name), value.into()));
            Subject {
                key: Str::from(user.id.as_str()),
                attributes: Arc::new(attributes.into_iter().collect()),
            }
        }
    };
}

impl Engine for Function {
    const NAME: &'static str = "eppo_core";
    const CALL: &'static str = "`get_assignment` with the configuration and the time at hand";
    type Asker<'a> = (Option<Arc<Configuration>>, Timestamp, &'a Subject);
    common!();

    fn load(document: &str) -> Result<Self> {
        store(document).map(Self)
    }

    fn asker<'a>(&'a self, user: &'a Subject) -> Self::Asker<'a> {
        (self.0.get_configuration(), now(), user)
    }

    #[inline]
    fn is_on(&self, asker: &Self::Asker<'_>, key: &String) -> bool {
        is_on(&assign(asker, key, VariationType::Boolean))
    }

    #[inline]
    fn variant<'a>(&'a self, asker: &'a Self::Asker<'_>, key: &'a String) -> impl AsRef<str> + 'a {
        Assigned(assign(asker, key, VariationType::String))
    }
}

impl Engine for ByEvaluator {
    const NAME: &'static str = "eppo_core, Evaluator";
    const CALL: &'static str =
        "`Evaluator::get_assignment`, which takes the configuration and the time each time";
    type Asker<'a> = &'a Subject;
    common!();

    fn load(document: &str) -> Result<Self> {
        let store = store(document)?;
        let evaluator = Evaluator::new(EvaluatorConfig {
            configuration_store: Arc::clone(&store),
            sdk_metadata: SDK,
        });
        Ok(Self { store, evaluator })
    }

    fn asker<'a>(&'a self, user: &'a Subject) -> &'a Subject {
        user
    }

    #[inline]
    fn is_on(&self, asker: &&Subject, key: &String) -> bool {
        is_on(&self.assign(asker, key, VariationType::Boolean))
    }

    #[inline]
    fn variant<'a>(&'a self, asker: &'a Self::Asker<'_>, key: &'a String) -> impl AsRef<str> + 'a {
        Assigned(self.assign(asker, key, VariationType::String))
    }

    fn live(documents: [String; 2]) -> Result<Option<Live<Self>>> {
        let engine = Arc::new(Self::load(&documents[0])?);
        let store = Arc::clone(&engine.store);
        Ok(Some(Live {
            how: "`ConfigurationStore::set_configuration`: a `RwLock` of an `Arc`",
            engine,
            swap: Box::new(move |which| {
                store.set_configuration(configuration(&documents[which])?);
                Ok(())
            }),
        }))
    }
}

impl ByEvaluator {
    fn assign(&self, subject: &Subject, key: &str, kind: VariationType) -> Option<Assignment> {
        let assignment =
            self.evaluator
                .get_assignment(key, &subject.key, &subject.attributes, Some(kind));
        assignment.unwrap_or_default()
    }
}

fn assign(
    (configuration, now, subject): &<Function as Engine>::Asker<'_>,
    key: &str,
    kind: VariationType,
) -> Option<Assignment> {
    let configuration = configuration.as_deref();
    get_assignment(
        configuration,
        key,
        &subject.key,
        &subject.attributes,
        Some(kind),
        *now,
    )
    .unwrap_or_default()
}

fn is_on(assignment: &Option<Assignment>) -> bool {
    matches!(
        assignment,
        Some(Assignment {
            value: AssignmentValue::Boolean(true),
            ..
        })
    )
}

fn store(document: &str) -> Result<Arc<ConfigurationStore>> {
    let store = ConfigurationStore::new();
    store.set_configuration(configuration(document)?);
    Ok(Arc::new(store))
}

fn configuration(document: &str) -> Result<Arc<Configuration>> {
    let flags = UniversalFlagConfig::from_json(SDK, document.as_bytes().to_vec())?;
    Ok(Arc::new(Configuration::from_server_response(flags, None)))
}

fn document(flags: &[Flag]) -> String {
    let entries = flags.iter().map(|flag| (flag.key.clone(), entry(flag)));
    json!({
        "createdAt": "2026-01-01T00:00:00Z",
        "environment": { "name": "production" },
        "flags": Value::Object(entries.collect()),
    })
    .to_string()
}

fn entry(flag: &Flag) -> Value {
    let everybody = |variation: &str| json!({ "variationKey": variation, "shards": [] });
    let share = |variation: &str, start: u32, end: u32| {
        json!({ "variationKey": variation,
                "shards": [ { "salt": flag.key, "ranges": [ { "start": start, "end": end } ] } ] })
    };
    let allocation = |key: usize, conditions: Vec<Value>, splits: Vec<Value>| {
        let rules = if conditions.is_empty() {
            json!([])
        } else {
            json!([ { "conditions": conditions } ])
        };
        json!({ "key": format!("allocation-{key}"), "rules": rules, "splits": splits, "doLog": false })
    };
    let condition = |attribute: &str, operator: &str, value: Value| json!({ "attribute": attribute, "operator": operator, "value": value });
    let (kind, variations, allocations) = match &flag.logic {
        Logic::Plain(on) => {
            let variation = if *on { "on" } else { "off" };
            (
                "BOOLEAN",
                on_off(),
                vec![allocation(0, vec![], vec![everybody(variation)])],
            )
        }
        Logic::Rollout(percent) => {
            let splits = vec![share("on", 0, percent * SHARDS / 100), everybody("off")];
            ("BOOLEAN", on_off(), vec![allocation(0, vec![], splits)])
        }
        Logic::List(ids) => {
            let listed = condition("id", "ONE_OF", json!(ids));
            let allocations = vec![
                allocation(0, vec![listed], vec![everybody("on")]),
                allocation(1, vec![], vec![everybody("off")]),
            ];
            ("BOOLEAN", on_off(), allocations)
        }
        Logic::Rules { rules, pattern } => {
            let (from, below) = versions(rules);
            let mut decided = vec![
                (
                    vec![condition("country", "ONE_OF", json!(rules.countries))],
                    "a",
                ),
                (vec![condition("plan", "ONE_OF", json!([rules.plan]))], "b"),
                (
                    vec![
                        condition("app.version", "GTE", json!(from)),
                        condition("app.version", "LT", json!(below)),
                    ],
                    "c",
                ),
                (
                    vec![condition(
                        "user.email",
                        "MATCHES",
                        json!(suffix_pattern(rules)),
                    )],
                    "a",
                ),
            ];
            if *pattern {
                decided.push((
                    vec![condition("device", "MATCHES", json!(rules.pattern))],
                    "b",
                ));
            }
            let mut allocations: Vec<Value> = decided
                .into_iter()
                .enumerate()
                .map(|(number, (conditions, variation))| {
                    allocation(number, conditions, vec![everybody(variation)])
                })
                .collect();
            let mut start = 0;
            let splits = Rules::SPLIT.map(|(variation, weight)| {
                let end = start + weight * SHARDS / 100;
                share(variation, std::mem::replace(&mut start, end), end)
            });
            allocations.push(allocation(9, vec![], splits.to_vec()));
            let variations = ["old", "a", "b", "c"]
                .map(|name| (name.to_owned(), json!({ "key": name, "value": name })));
            (
                "STRING",
                Value::Object(variations.into_iter().collect()),
                allocations,
            )
        }
    };
    json!({
        "key": flag.key, "enabled": true, "variationType": kind, "variations": variations,
        "allocations": allocations, "totalShards": SHARDS,
    })
}

fn on_off() -> Value {
    json!({ "on": { "key": "on", "value": true }, "off": { "key": "off", "value": false } })
}
