//! `configcat`: ConfigCat's SDK, asked through its client.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, anyhow, ensure};
use configcat::{ConfigCache, PollingMode, User as CatUser};
use fader_benches::{Rules, User};
use serde_json::{Value, json};

use crate::engine::{Engine, Live};
use crate::flags::{Flag, Logic, versions};
use crate::poll::ready;
use crate::server::Server;

const KEY: &str = "configcat-sdk-1/0123456789012345678901/0123456789012345678901";

pub struct ConfigCat(configcat::Client);

/// Hands the client its document once, as a cache that another process filled; the client keeps it parsed.
struct Once(Mutex<Option<String>>);

impl ConfigCache for Once {
    fn read(&self, _: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn write(&self, _: &str, _: &str) {}
}

impl Engine for ConfigCat {
    const NAME: &'static str = "configcat, client";
    const PACKAGE: &'static str = "configcat";
    const CALL: &'static str = "`Client::get_value(…).await`, polled once, which is all it needs; the user is copied for each";
    const PATTERNS: bool = false;
    type OnKey = String;
    type VariantKey = String;
    type User = CatUser;
    type Asker<'a> = &'a CatUser;

    fn document(flags: &[Flag]) -> String {
        let settings = flags.iter().map(|flag| (flag.key.clone(), setting(flag)));
        json!({ "p": { "r": 0, "s": "salt" }, "s": [], "f": Value::Object(settings.collect()) })
            .to_string()
    }

    fn load(document: &str) -> Result<Self> {
        let cached = format!("1767225600000\n\"peers\"\n{document}");
        let client = configcat::Client::builder(KEY)
            .offline(true)
            .polling_mode(PollingMode::Manual)
            .cache(Box::new(Once(Mutex::new(Some(cached)))))
            .build()
            .map_err(|error| anyhow!("{error}"))?;
        // The first question has the document parsed.
        let keys = ready(client.get_all_keys())?;
        ensure!(!keys.is_empty(), "configcat does not take its document");
        Ok(Self(client))
    }

    fn on_key(flag: &Flag) -> String {
        flag.key.clone()
    }

    fn variant_key(flag: &Flag) -> String {
        flag.key.clone()
    }

    fn user(user: &User) -> CatUser {
        CatUser::new(&user.id)
            .country(user.country)
            .email(&user.email)
            .custom("plan", user.plan)
            .custom("version", user.version.as_str())
            .custom("device", user.device.as_str())
    }

    fn asker<'a>(&'a self, user: &'a CatUser) -> &'a CatUser {
        user
    }

    #[inline]
    fn is_on(&self, asker: &&CatUser, key: &String) -> bool {
        ready(self.0.get_value(key, false, Some((*asker).clone()))).unwrap_or_default()
    }

    #[inline]
    fn variant<'a>(&'a self, asker: &'a Self::Asker<'_>, key: &'a String) -> impl AsRef<str> + 'a {
        ready(self.0.get_value(key, String::new(), Some((*asker).clone()))).unwrap_or_default()
    }

    fn live(documents: [String; 2]) -> Result<Option<Live<Self>>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let served = Arc::new(Mutex::new(documents[0].clone()));
        let server = Server::start(Arc::clone(&served))?;
        let client = configcat::Client::builder(KEY)
            .base_url(&server.address())
            .polling_mode(PollingMode::Manual)
            .build()
            .map_err(|error| anyhow!("{error}"))?;
        runtime
            .block_on(client.refresh())
            .map_err(|error| anyhow!("{error}"))?;
        let engine = Arc::new(Self(client));
        let client = Arc::clone(&engine);
        Ok(Some(Live {
            how: "`Client::refresh` over HTTP: an `ArcSwap` of its own",
            engine,
            swap: Box::new(move |which| {
                let _running = &server;
                served
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone_from(&documents[which]);
                runtime
                    .block_on(client.0.refresh())
                    .map_err(|error| anyhow!("{error}"))
            }),
        }))
    }

    fn copy_user(user: &CatUser) -> Option<CatUser> {
        Some(user.clone())
    }
}

/// The numbers of comparators in the format.
mod comparator {
    pub const IS_ONE_OF: u8 = 0;
    pub const VERSION_LESS: u8 = 6;
    pub const VERSION_AT_LEAST: u8 = 9;
    pub const EQUALS: u8 = 28;
    pub const ENDS_WITH_ANY_OF: u8 = 32;
}

fn setting(flag: &Flag) -> Value {
    let boolean = |on: bool| json!({ "b": on });
    match &flag.logic {
        Logic::Plain(on) => json!({ "t": 0, "v": boolean(*on) }),
        Logic::Rollout(percent) => json!({
            "t": 0, "v": boolean(false),
            "p": [ { "p": percent, "v": boolean(true) }, { "p": 100 - percent, "v": boolean(false) } ] }),
        Logic::List(ids) => json!({
            "t": 0, "v": boolean(false),
            "r": [ { "c": [ { "u": { "a": "Identifier", "c": comparator::IS_ONE_OF, "l": ids } } ],
                     "s": { "v": boolean(true) } } ] }),
        Logic::Rules { rules, .. } => {
            let options =
                Rules::SPLIT.map(|(variant, weight)| json!({ "p": weight, "v": { "s": variant } }));
            json!({ "t": 1, "v": { "s": "old" }, "r": list(rules), "p": options })
        }
    }
}

fn list(rules: &Rules) -> Vec<Value> {
    let (from, below) = versions(rules);
    let rule = |conditions: &[Value], variant: &str| {
        let conditions: Vec<Value> = conditions
            .iter()
            .map(|condition| json!({ "u": condition }))
            .collect();
        json!({ "c": conditions, "s": { "v": { "s": variant } } })
    };
    vec![
        rule(
            &[json!({ "a": "Country", "c": comparator::IS_ONE_OF, "l": rules.countries })],
            "a",
        ),
        rule(
            &[json!({ "a": "plan", "c": comparator::EQUALS, "s": rules.plan })],
            "b",
        ),
        rule(
            &[
                json!({ "a": "version", "c": comparator::VERSION_AT_LEAST, "s": from }),
                json!({ "a": "version", "c": comparator::VERSION_LESS, "s": below }),
            ],
            "c",
        ),
        rule(
            &[json!({ "a": "Email", "c": comparator::ENDS_WITH_ANY_OF, "l": [rules.suffix] })],
            "a",
        ),
    ]
}
