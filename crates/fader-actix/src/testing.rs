//! What the tests share.

use std::sync::Arc;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::test;
use fader::{Arm, Ending, FlagKey, Flags, MemoryOutcomes, OutcomeEvent, Source, Watch};
use fader_web::Routing;

pub(crate) static NEW_CHECKOUT: FlagKey<bool> = FlagKey::new("new-checkout", &false);
pub(crate) static ON_BY_DEFAULT: FlagKey<bool> = FlagKey::new("new-checkout", &true);

pub(crate) fn flags(document: &str) -> Flags {
    let flags = Flags::builder().build();
    flags.load(document, &Source::new("flags.json")).unwrap();
    flags
}

/// Routing by which as good as every request draws `new-checkout` and gets `on`, and what came of it.
pub(crate) struct Drawn {
    pub(crate) routing: Routing,
    outcomes: Arc<MemoryOutcomes>,
}

impl Drawn {
    pub(crate) fn new() -> Self {
        let flags = flags(
            r#"{ "flags": { "new-checkout": { "off": "off", "rules": [
                { "percent": 99.99999, "by": "request", "serve": "on" } ] } } }"#,
        );
        let outcomes = Arc::new(MemoryOutcomes::new());
        flags.add_outcome_sink(Arc::clone(&outcomes), Watch::Drawn);
        Self {
            routing: Routing::new(flags),
            outcomes,
        }
    }

    /// Takes how requests have ended, by arm.
    pub(crate) fn arms(&self) -> Vec<(Arm, Ending)> {
        let records = self.outcomes.take().into_iter();
        let ended = records.filter_map(|record| match record.event {
            OutcomeEvent::Ended(outcome) => Some((record.arm, outcome.ending())),
            _ => None,
        });
        ended.collect()
    }

    /// Takes how requests have ended.
    pub(crate) fn endings(&self) -> Vec<Ending> {
        self.arms().into_iter().map(|(_, ending)| ending).collect()
    }

    /// Counts the requests in flight on any arm.
    pub(crate) fn in_flight(&self) -> usize {
        let arms = self.routing.in_flight().arms();
        arms.iter().map(|(_, _, requests)| requests).sum()
    }
}

/// Sends a request to an app, and returns the body of its response.
pub(crate) async fn answer<R, S, B>(app: &S, request: R) -> String
where
    S: Service<R, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let body = test::read_body(app.call(request).await.unwrap()).await;
    String::from_utf8(body.to_vec()).unwrap()
}
