//! What both examples answer, and whom they take for the caller.

use std::convert::Infallible;
use std::future::ready;

use futures_util::stream::{Stream, StreamExt as _, once};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use fader::TARGETING_KEY;
use fader_web::{Capture, PinnedScope};

use super::NEW_CHECKOUT;

/// Why a socket is closed.
pub const RETIRED: &str = "retired";

/// Adds who calls. A real service takes this from a session or token, not from headers that anybody can write.
pub fn caller(attributes: &mut Capture<'_>) {
    if let Some(user) = attributes.header("x-user-id") {
        attributes.set_untyped(TARGETING_KEY, user);
        attributes.set_untyped("user.id", user);
        if user.bytes().all(|byte| byte.is_ascii_digit()) {
            attributes.set_untyped("user.number", user);
        }
    }
    if let Some(app) = attributes.header("x-app-id") {
        attributes.set_untyped("app.id", app);
    }
}

/// Enters the arm of the checkout, and tells which it is.
pub fn arm(scope: &PinnedScope) -> &'static str {
    if *scope.enter(&NEW_CHECKOUT) {
        "gray"
    } else {
        "stable"
    }
}

/// Tells by server-sent events which checkout the caller has, and ends once that no longer holds.
pub fn events(
    scope: PinnedScope,
) -> impl Stream<Item = Result<String, Infallible>> + Send + 'static {
    let arm = arm(&scope);
    let first = format!("event: arm\ndata: {arm}\n\n");
    let last = async move {
        scope.retired().await;
        format!("event: {RETIRED}\ndata: {arm}\n\n")
    };
    once(ready(first)).chain(once(last)).map(Ok)
}

/// Every flag of the document with its decision for this caller, as JSON.
pub fn decisions(scope: &PinnedScope) -> String {
    // Maps of texts and values always have a form.
    serde_json::to_string(&Decisions(scope)).unwrap_or_default()
}

struct Decisions<'a>(&'a PinnedScope);

#[derive(Serialize)]
struct Decision<'a> {
    value: Option<&'a serde_json::Value>,
    variant: Option<&'a str>,
    reason: &'a str,
    rule: Option<&'a str>,
    version: &'a str,
}

impl Serialize for Decisions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for flag in self.0.flags() {
            let resolution = self.0.resolve(flag);
            let decision = Decision {
                value: resolution.value(),
                variant: resolution.variant(),
                reason: resolution.reason().as_str(),
                rule: resolution.rule(),
                version: resolution.version(),
            };
            map.serialize_entry(flag, &decision)?;
        }
        map.end()
    }
}
