//! `growthbook-rust`: GrowthBook's SDK, asked through its client, and below it.

use std::sync::{Arc, Mutex, PoisonError, RwLockReadGuard};

use anyhow::{Context as _, Result, anyhow};
use fader_benches::{Rules, User};
use growthbook_rust::cache::{BoxFuture, FeatureCache};
use growthbook_rust::client::{GrowthBookClient, GrowthBookClientBuilder, GrowthBookClientTrait};
use growthbook_rust::dto::GrowthBookResponse;
use growthbook_rust::growthbook::GrowthBook;
use growthbook_rust::model_public::{FeatureResult, GrowthBookAttribute};
use serde_json::{Value, json};

use crate::engine::{Engine, Live};
use crate::flags::{Flag, Logic, suffix_pattern, versions};
use crate::poll::ready;

/// The evaluation below the client, on the set that the client holds in a lock.
pub struct Below(GrowthBookClient);

/// The client.
pub struct Client(GrowthBookClient);

/// A result, for its text.
struct Evaluated(FeatureResult);

impl AsRef<str> for Evaluated {
    fn as_ref(&self) -> &str {
        self.0.value.as_str().unwrap_or_default()
    }
}

type Attributes = Option<Vec<GrowthBookAttribute>>;

/// What the two ways have in common.
macro_rules! common {
    () => {
        const PACKAGE: &'static str = "growthbook-rust";
        type OnKey = String;
        type VariantKey = String;
        type User = Attributes;

        fn document(flags: &[Flag]) -> String {
            document(flags)
        }

        fn load(document: &str) -> Result<Self> {
            client(document).map(Self)
        }

        fn on_key(flag: &Flag) -> String {
            flag.key.clone()
        }

        fn variant_key(flag: &Flag) -> String {
            flag.key.clone()
        }

        fn user(user: &User) -> Attributes {
            // A dot in a name would ask for a field of a field.
            let attributes = json!({
                "id": user.id, "country": user.country, "plan": user.plan, "app_version": user.version,
                "user_email": user.email, "device": user.device,
            });
            GrowthBookAttribute::from(attributes).ok()
        }
    };
}

impl Engine for Below {
    const NAME: &'static str = "growthbook-rust, below its client";
    const CALL: &'static str =
        "`GrowthBook::check`, the client's lock taken before the clock starts";
    type Asker<'a> = (RwLockReadGuard<'a, GrowthBook>, &'a Attributes);
    common!();

    fn asker<'a>(&'a self, user: &'a Attributes) -> Self::Asker<'a> {
        (
            self.0.gb.read().unwrap_or_else(PoisonError::into_inner),
            user,
        )
    }

    #[inline]
    fn is_on(&self, (book, attributes): &Self::Asker<'_>, key: &String) -> bool {
        book.check(key, attributes).on
    }

    #[inline]
    fn variant<'a>(
        &'a self,
        (book, attributes): &'a Self::Asker<'_>,
        key: &'a String,
    ) -> impl AsRef<str> + 'a {
        Evaluated(book.check(key, attributes))
    }

    fn live(documents: [String; 2]) -> Result<Option<Live<Self>>> {
        live(documents, Self).map(Some)
    }
}

impl Engine for Client {
    const NAME: &'static str = "growthbook-rust, client";
    const CALL: &'static str = "`GrowthBookClient::is_on`, `GrowthBookClient::feature_result`; the user is copied for each";
    type Asker<'a> = &'a Attributes;
    common!();

    fn asker<'a>(&'a self, user: &'a Attributes) -> &'a Attributes {
        user
    }

    #[inline]
    fn is_on(&self, asker: &&Attributes, key: &String) -> bool {
        self.0.is_on(key, (*asker).clone())
    }

    #[inline]
    fn variant<'a>(&'a self, asker: &'a Self::Asker<'_>, key: &'a String) -> impl AsRef<str> + 'a {
        Evaluated(self.0.feature_result(key, (*asker).clone()))
    }

    fn live(documents: [String; 2]) -> Result<Option<Live<Self>>> {
        live(documents, Self).map(Some)
    }

    fn copy_user(user: &Attributes) -> Option<Attributes> {
        Some(user.clone())
    }
}

fn client(document: &str) -> Result<GrowthBookClient> {
    let response: GrowthBookResponse = serde_json::from_str(document)?;
    let builder = GrowthBookClientBuilder::new()
        .features(response.features.context("a document without features")?)
        .saved_groups(response.saved_groups.unwrap_or_default());
    ready(builder.build())?.map_err(|error| anyhow!("{error}"))
}

/// Hands the client what is to be live next: its refresh asks a cache before the network.
#[derive(Default)]
struct Next(Mutex<Option<GrowthBookResponse>>);

impl FeatureCache for Next {
    fn get(&self, _: &str) -> BoxFuture<'_, Option<GrowthBookResponse>> {
        let next = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        Box::pin(async { next })
    }

    fn set(&self, _: &str, _: GrowthBookResponse) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

fn live<E>(documents: [String; 2], engine: fn(GrowthBookClient) -> E) -> Result<Live<E>> {
    let next = Arc::new(Next::default());
    let put = |next: &Next, document: &str| -> Result<()> {
        *next.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(serde_json::from_str(document)?);
        Ok(())
    };
    put(&next, &documents[0])?;
    let builder = GrowthBookClientBuilder::new()
        .api_url("http://127.0.0.1:1".to_owned())
        .client_key("sdk-peers".to_owned())
        .cache(Arc::clone(&next) as Arc<dyn FeatureCache>);
    let client = ready(builder.build())?.map_err(|error| anyhow!("{error}"))?;
    Ok(Live {
        how: "the client's refresh, which replaces the set in a `RwLock`",
        engine: Arc::new(engine(client.clone())),
        swap: Box::new(move |which| {
            put(&next, &documents[which])?;
            ready(client.try_refresh())?.map_err(|error| anyhow!("{error}"))
        }),
    })
}

fn document(flags: &[Flag]) -> String {
    let features = flags.iter().map(|flag| (flag.key.clone(), feature(flag)));
    let lists = flags.iter().filter_map(|flag| match &flag.logic {
        Logic::List(ids) => Some((flag.key.clone(), json!(ids))),
        _ => None,
    });
    json!({ "features": Value::Object(features.collect()), "savedGroups": Value::Object(lists.collect()) }).to_string()
}

fn feature(flag: &Flag) -> Value {
    match &flag.logic {
        Logic::Plain(on) => json!({ "defaultValue": on }),
        Logic::Rollout(percent) => json!({
            "defaultValue": false,
            "rules": [ { "force": true, "coverage": f64::from(*percent) / 100.0, "hashAttribute": "id" } ] }),
        // As a group it is held ready; written into the condition it would be copied for each evaluation.
        Logic::List(_) => json!({
            "defaultValue": false,
            "rules": [ { "condition": { "id": { "$inGroup": flag.key } }, "force": true } ] }),
        Logic::Rules { rules, pattern } => {
            json!({ "defaultValue": "old", "rules": list(flag, rules, *pattern) })
        }
    }
}

fn list(flag: &Flag, rules: &Rules, pattern: bool) -> Vec<Value> {
    let (from, below) = versions(rules);
    let rule =
        |condition: Value, variant: &str| json!({ "condition": condition, "force": variant });
    let mut list = vec![
        rule(json!({ "country": { "$in": rules.countries } }), "a"),
        rule(json!({ "plan": rules.plan }), "b"),
        rule(
            json!({ "app_version": { "$vgte": from, "$vlt": below } }),
            "c",
        ),
        // There is no operator for a suffix.
        rule(
            json!({ "user_email": { "$regex": suffix_pattern(rules) } }),
            "a",
        ),
    ];
    if pattern {
        list.push(rule(json!({ "device": { "$regex": rules.pattern } }), "b"));
    }
    let variations = Rules::SPLIT.map(|(variant, _)| variant);
    let weights = Rules::SPLIT.map(|(_, weight)| f64::from(weight) / 100.0);
    list.push(json!({ "key": flag.key, "variations": variations, "weights": weights, "hashAttribute": "id" }));
    list
}
