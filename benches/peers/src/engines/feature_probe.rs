//! `feature-probe-server-sdk`: FeatureProbe's SDK, asked through its client.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use fader_benches::{Rules, User};
use feature_probe_server_sdk::{FPConfig, FPUser, FeatureProbe, SyncType, Url, load_json};
use serde_json::{Value, json};

use crate::engine::{Engine, Live};
use crate::flags::{Flag, Logic, versions};
use crate::server::Server;

const BUCKETS: u32 = 10_000;

pub struct Probe(FeatureProbe);

impl Engine for Probe {
    const NAME: &'static str = "feature-probe-server-sdk";
    const PACKAGE: &'static str = "feature-probe-server-sdk";
    const CALL: &'static str =
        "`FeatureProbe::bool_value`, `FeatureProbe::string_value`, without events";
    type OnKey = String;
    type VariantKey = String;
    type User = FPUser;
    type Asker<'a> = &'a FPUser;

    fn document(flags: &[Flag]) -> String {
        let toggles = flags.iter().map(|flag| (flag.key.clone(), toggle(flag)));
        let toggles = Value::Object(toggles.collect());
        // The version stands first, where `numbered` finds it.
        format!(r#"{{"version":1,"segments":{{}},"toggles":{toggles}}}"#)
    }

    fn load(document: &str) -> Result<Self> {
        let repository = load_json(document)?;
        Ok(Self(FeatureProbe::new_with(
            "server-key".to_owned(),
            repository,
        )))
    }

    fn on_key(flag: &Flag) -> String {
        flag.key.clone()
    }

    fn variant_key(flag: &Flag) -> String {
        flag.key.clone()
    }

    fn user(user: &User) -> FPUser {
        FPUser::new()
            .stable_rollout(user.id.clone())
            .with("id", user.id.as_str())
            .with("country", user.country)
            .with("plan", user.plan)
            .with("app.version", user.version.as_str())
            .with("user.email", user.email.as_str())
            .with("device", user.device.as_str())
    }

    fn asker<'a>(&'a self, user: &'a FPUser) -> &'a FPUser {
        user
    }

    #[inline]
    fn is_on(&self, asker: &&FPUser, key: &String) -> bool {
        self.0.bool_value(key, asker, false)
    }

    #[inline]
    fn variant<'a>(&'a self, asker: &'a Self::Asker<'_>, key: &'a String) -> impl AsRef<str> + 'a {
        self.0.string_value(key, asker, String::new())
    }

    fn live(documents: [String; 2]) -> Result<Option<Live<Self>>> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let served = Arc::new(Mutex::new(documents[0].clone()));
        let server = Server::start(Arc::clone(&served))?;
        let config = FPConfig {
            remote_url: Url::parse(&server.address()).map_err(|error| anyhow!("{error}"))?,
            server_sdk_key: "server-key".to_owned(),
            // It syncs when it is told to.
            refresh_interval: Duration::from_secs(3_600),
            start_wait: Some(Duration::from_secs(10)),
            track_events: false,
            ..FPConfig::default()
        };
        let within = runtime.enter();
        let engine = Arc::new(Self(FeatureProbe::new(config)));
        drop(within);
        let (client, mut number) = (Arc::clone(&engine), 1_u128);
        Ok(Some(Live {
            how: "the client's own sync over HTTP, which replaces the set in a `RwLock`",
            engine,
            swap: Box::new(move |which| {
                number += 1;
                *served.lock().unwrap_or_else(PoisonError::into_inner) =
                    numbered(&documents[which], number)?;
                let within = runtime.enter();
                client.0.sync_now(SyncType::Polling);
                drop(within);
                let start = Instant::now();
                while client.0.version() != Some(number) {
                    if start.elapsed() > Duration::from_secs(10) {
                        bail!(
                            "feature-probe does not take version {number} from {}",
                            server.address()
                        );
                    }
                    std::thread::sleep(Duration::from_micros(200));
                }
                Ok(())
            }),
        }))
    }
}

/// Gives a document a version of its own; the client takes none that is not above the last.
fn numbered(document: &str, version: u128) -> Result<String> {
    let rest = document
        .strip_prefix(r#"{"version":1,"#)
        .context("a document without a version")?;
    Ok(format!(r#"{{"version":{version},{rest}"#))
}

fn toggle(flag: &Flag) -> Value {
    let select = |variation: usize| json!({ "select": variation });
    let (variations, default, rules) = match &flag.logic {
        Logic::Plain(on) => (json!([false, true]), select(usize::from(*on)), vec![]),
        Logic::Rollout(percent) => {
            let end = percent * BUCKETS / 100;
            (
                json!([false, true]),
                split(&[(end, BUCKETS), (0, end)]),
                vec![],
            )
        }
        Logic::List(ids) => {
            let listed = rule(
                json!([condition("string", "id", "is one of", json!(ids))]),
                1,
            );
            (json!([false, true]), select(0), vec![listed])
        }
        Logic::Rules { rules, pattern } => {
            let mut start = 0;
            let ranges = Rules::SPLIT.map(|(_, weight)| {
                let end = start + weight * BUCKETS / 100;
                (std::mem::replace(&mut start, end), end)
            });
            let [a, b, c] = ranges;
            // The first variation, `old`, gets no bucket.
            (
                json!(["old", "a", "b", "c"]),
                split(&[(0, 0), a, b, c]),
                five(rules, *pattern),
            )
        }
    };
    json!({
        "key": flag.key, "enabled": true, "version": 1, "forClient": false, "disabledServe": select(0),
        "defaultServe": default, "rules": rules, "variations": variations,
    })
}

fn five(rules: &Rules, pattern: bool) -> Vec<Value> {
    let (from, below) = versions(rules);
    let mut list = vec![
        rule(
            json!([condition(
                "string",
                "country",
                "is one of",
                json!(rules.countries)
            )]),
            1,
        ),
        rule(
            json!([condition(
                "string",
                "plan",
                "is one of",
                json!([rules.plan])
            )]),
            2,
        ),
        rule(
            json!([
                condition("semver", "app.version", ">=", json!([from])),
                condition("semver", "app.version", "<", json!([below])),
            ]),
            3,
        ),
        rule(
            json!([condition(
                "string",
                "user.email",
                "ends with",
                json!([rules.suffix])
            )]),
            1,
        ),
    ];
    if pattern {
        list.push(rule(
            json!([condition(
                "string",
                "device",
                "matches regex",
                json!([rules.pattern])
            )]),
            2,
        ));
    }
    list
}

fn rule(conditions: Value, variation: usize) -> Value {
    json!({ "serve": { "select": variation }, "conditions": conditions })
}

fn condition(kind: &str, subject: &str, predicate: &str, objects: Value) -> Value {
    json!({ "type": kind, "subject": subject, "predicate": predicate, "objects": objects })
}

fn split(ranges: &[(u32, u32)]) -> Value {
    let distribution: Vec<_> = ranges
        .iter()
        .map(|(start, end)| json!([[start, end]]))
        .collect();
    json!({ "split": { "distribution": distribution, "bucketBy": null, "salt": null } })
}
