//! The service under test as a case sets it up, and what its sinks were told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use fader::{
    Deduplicated, ExposureRecord, Flags, MemoryExposures, MemoryOutcomes, OutcomeEvent,
    OutcomeRecord, RampControl, Source, TARGETING_KEY, Watch, flags,
};
use fader_web::{Cap, Capture, FallBack, InFlight, Routing, TrustedProxies, Visitor};

use crate::data::Case;
use crate::handlers::BY_HAND;

flags! {
    /// The flag of all handlers with two arms.
    pub NewCheckout: bool = "new-checkout", default false;
    /// The flag of the handler with three arms.
    pub Ranker: str = "ranker", default "plain";
}

/// What the texts of a case set up: one for each case.
pub(crate) struct Service {
    pub(crate) flags: Flags,
    pub(crate) routing: Routing,
    pub(crate) in_flight: InFlight,
    pub(crate) shared: Shared,
    pub(crate) fall_back: FallBack,
    pub(crate) end: End,
    outcomes: Arc<MemoryOutcomes>,
    exposures: Arc<MemoryExposures>,
    _control: Option<RampControl>,
}

/// Where the layer takes a request for ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Head,
    Body,
    /// There is no layer.
    NoLayer,
}

/// What handlers and middleware share.
#[derive(Clone)]
pub(crate) struct Shared {
    flags: Flags,
    documents: Arc<BTreeMap<String, String>>,
    pub(crate) gray_runs: Arc<AtomicUsize>,
}

impl Service {
    pub(crate) fn new(case: &Case) -> Self {
        let config = &case.config;
        let flags = fader_web::host(Flags::builder(), "suite").build();
        let (outcomes, exposures) = (Arc::default(), Arc::default());
        let watch = if config.watch_drawn {
            Watch::Drawn
        } else {
            Watch::Guarded
        };
        flags.add_outcome_sink(Arc::clone(&outcomes), watch);
        if config.deduplicate {
            flags.add_exposure_sink(Deduplicated::new(Arc::clone(&exposures)));
        } else {
            flags.add_exposure_sink(Arc::clone(&exposures));
        }
        let control = config.control.then(|| flags.control_ramps());
        let loaded = flags.load(case.document().as_str(), &Source::new("document"));
        loaded.unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let routing = routing(case, &flags);
        let fall_back = config.fall_back.as_ref().map(|fall_back| {
            let budget = fall_back.budget_ms.map(Duration::from_millis);
            let plain = FallBack::new().idempotent(fall_back.idempotent);
            budget.map_or(plain, |budget| plain.budget(budget))
        });
        let service = Self {
            in_flight: routing.in_flight(),
            shared: Shared {
                flags: flags.clone(),
                documents: Arc::new(case.named().clone()),
                gray_runs: Arc::default(),
            },
            flags,
            routing,
            fall_back: fall_back.unwrap_or_default(),
            end: match (config.without_layer, config.until_body_end) {
                (true, _) => End::NoLayer,
                (false, true) => End::Body,
                (false, false) => End::Head,
            },
            outcomes,
            exposures,
            _control: control,
        };
        if let Some(overlay) = case.overlay() {
            service.overlay(&overlay);
        }
        service
    }

    /// Makes an overlay live.
    pub(crate) fn overlay(&self, text: &str) {
        let loaded = self.flags.load_overlay(text, &Source::new("overlay"));
        loaded.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Takes what the sink of outcomes was told, such as `new-checkout gray ended success`.
    pub(crate) fn outcomes(&self) -> Vec<String> {
        let records = self.outcomes.take();
        records.into_iter().map(|it| outcome_text(&it)).collect()
    }

    /// Takes what the sink of exposures was told, such as `new-checkout on`.
    pub(crate) fn exposures(&self) -> Vec<String> {
        let text = |it: ExposureRecord| format!("{} {}", it.flag, it.variant.unwrap_or_default());
        self.exposures.take().into_iter().map(text).collect()
    }
}

fn outcome_text(record: &OutcomeRecord) -> String {
    let OutcomeRecord {
        flag, arm, event, ..
    } = record;
    match event {
        OutcomeEvent::Began => format!("{flag} {arm} began"),
        OutcomeEvent::Ended(outcome) => {
            assert!(outcome.latency().is_some() || outcome.ending() == BY_HAND);
            format!("{flag} {arm} {}", outcome.ending())
        }
        OutcomeEvent::Reported(event) => format!("{flag} {arm} reported {event}"),
        OutcomeEvent::Late => format!("{flag} {arm} late"),
        other => format!("{flag} {arm} {other:?}"),
    }
}

fn routing(case: &Case, flags: &Flags) -> Routing {
    let config = &case.config;
    let proxies = TrustedProxies::parse(&config.trusted_proxies).unwrap();
    let mut routing = Routing::new(flags.clone())
        .trusted_proxies(proxies)
        .response_header(config.response_header)
        .cache_headers(config.cache_headers);
    if let Some(config) = &config.visitor {
        let mut visitor = Visitor::new();
        if let Some(name) = &config.cookie {
            visitor = visitor.cookie(name).unwrap();
        }
        if let Some(seconds) = config.max_age_s {
            visitor = visitor.max_age(Duration::from_secs(seconds));
        }
        for key in &config.keys {
            visitor = visitor.key(key).unwrap();
        }
        routing = routing.visitor(visitor);
    }
    if let Some(config) = &config.cap {
        let mut cap = Cap::new();
        if let Some(requests) = config.max_concurrency {
            cap = cap.max_concurrency(requests);
        }
        if let Some(requests) = config.max_rps {
            cap = cap.max_rps(requests);
        }
        routing = routing.cap(&NEW_CHECKOUT, cap);
    }
    routing
}

/// What the service itself knows of a request: who the caller says to be.
pub(crate) fn attributes(capture: &mut Capture<'_>) {
    if let Some(user) = capture.header("x-user") {
        capture.set(TARGETING_KEY, user);
        capture.set("user.id", user);
    }
}

impl Shared {
    /// What middleware inside the layer does: `swap` names a document to make live.
    pub(crate) fn swap(&self, name: &str) {
        let document = self.documents[name].as_str();
        let loaded = self.flags.load(document, &Source::new("document"));
        loaded.unwrap_or_else(|error| panic!("{error}"));
    }
}
