//! A plan, as recording needs it: which guardrail counts what.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fader::Ending;
use fader::plan::{Count, Limit, Metric, Plan};

use super::drawn::Drawn;
use super::label::Label;
use super::lanes::bits;
use super::units::Units;
use crate::judge::by_request;

/// Guardrails of a plan that are counted; each has a bit.
pub(crate) const GUARDRAILS: usize = 64;

/// For how long a tick stays open at the most. A longer limit can't be judged.
pub(crate) const LONGEST: Duration = Duration::from_secs(60);

/// How many ticks are open from the beginning.
const OPENED: u32 = 2;

/// One run of a plan.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) run: u64,
    /// What began in an earlier tick is of an earlier run.
    pub(crate) since: u32,
    /// Whether units count at their first bad event, or else requests.
    pub(crate) by_unit: bool,
    known_only: bool,
    /// How many units must be bad within a minute before a limit counts them.
    pub(crate) min_bad_units: usize,
    errors: u64,
    client_errors: u64,
    custom: Vec<(Arc<str>, u64)>,
    /// Those of an event that is expected: they count that, and not each request.
    expected: AtomicU64,
    pub(crate) latency: u64,
    relative: u64,
    absolute: u64,
    /// The quantile of each guardrail that needs stable's.
    pub(crate) quantiles: Vec<Option<f64>>,
    pub(crate) units: Units,
}

/// Who a request counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// For itself.
    Request,
    /// For its unit.
    Unit(u64),
}

/// From which duration on a request is slow, by guardrail.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    each: Vec<Option<ArmLimits>>,
    /// The guardrails that have one.
    pub(crate) known: u64,
}

#[derive(Clone, Copy, Debug)]
struct ArmLimits {
    candidate: Duration,
    stable: Duration,
}

impl Watched {
    pub(crate) fn new(plan: &Plan, run: u64) -> Self {
        let mut watched = Self {
            run,
            since: 0,
            by_unit: !by_request(plan),
            known_only: plan.count == Count::KnownUnits,
            min_bad_units: usize::try_from(plan.min_bad_units).unwrap_or(usize::MAX),
            errors: 0,
            client_errors: 0,
            custom: Vec::new(),
            expected: AtomicU64::new(0),
            latency: 0,
            relative: 0,
            absolute: 0,
            quantiles: vec![None; plan.guardrails.len()],
            units: Units::default(),
        };
        for (at, guardrail) in plan.guardrails.iter().enumerate().take(GUARDRAILS) {
            let bit = 1 << at;
            match &guardrail.metric {
                Metric::Errors => watched.errors |= bit,
                Metric::ClientErrors => watched.client_errors |= bit,
                Metric::Custom(name) => watched.custom.push((Arc::clone(name), bit)),
                Metric::Latency(quantile) => {
                    watched.latency |= bit;
                    if let (Limit::NoWorseThan(_), Some(needed)) =
                        (guardrail.limit, watched.quantiles.get_mut(at))
                    {
                        *needed = Some(f64::from(*quantile) / 1000.0);
                    }
                }
                // A gauge is no count.
                _ => continue,
            }
            match guardrail.limit {
                Limit::NoWorseThan(_) => watched.relative |= bit,
                _ => watched.absolute |= bit,
            }
        }
        watched
    }

    pub(crate) fn since(self, since: u32) -> Self {
        Self { since, ..self }
    }

    /// The ticks that are open from the beginning, before it is collected for the first time: none while no limit of
    /// latency is known.
    pub(crate) fn opened(&self, planned: &Limits) -> Range<u32> {
        // Requests of tick 0 may have begun before anybody watched.
        let from = self.since.max(1);
        let ticks = if planned.known == 0 { 0 } else { OPENED };
        from..from.saturating_add(ticks)
    }

    pub(crate) fn guardrails(&self) -> usize {
        self.quantiles.len()
    }

    /// The guardrails of counts, in which a request appears when it ended.
    pub(crate) fn at_the_end(&self) -> u64 {
        (self.relative | self.absolute) & !self.latency
    }

    /// The guardrails that ask the candidate alone.
    pub(crate) fn absolute(&self) -> u64 {
        self.absolute
    }

    /// Who this counts for; `None` where it is left out.
    pub(crate) fn who(&self, drawn: &Drawn) -> Option<Who> {
        match drawn.unit {
            _ if !self.by_unit => Some(Who::Request),
            Some(unit) if drawn.known || !self.known_only => Some(Who::Unit(unit)),
            _ => None,
        }
    }

    /// The guardrails for which something that was drawn so counts. A limit asks the candidate alone, and a wave was not
    /// put there by chance, so that it compares with nobody.
    pub(crate) fn counting(&self, label: Label) -> u64 {
        match (label.is_enrolled(), label.is_wave()) {
            (true, false) => self.relative | self.absolute,
            (false, false) => self.relative,
            (true, true) => self.absolute,
            (false, true) => 0,
        }
    }

    /// The guardrails that count a request that ended so, and those for which it is bad. What a client dropped was
    /// neither answered well nor badly.
    pub(crate) fn at_end(&self, ending: Ending) -> (u64, u64) {
        let expected = self.expected.load(Ordering::Relaxed);
        let at_the_end = self.at_the_end() & !expected;
        let custom = at_the_end & !(self.errors | self.client_errors);
        match ending {
            Ending::Dropped => (custom, 0),
            Ending::ClientError => (at_the_end, self.client_errors),
            _ if ending.is_error() => (at_the_end, self.errors),
            _ => (at_the_end, 0),
        }
    }

    /// The guardrails for which an event of the service is bad.
    pub(crate) fn at_event(&self, event: &str) -> u64 {
        let named = self.custom.iter().filter(|(name, _)| &**name == event);
        named.fold(0, |bits, (_, bit)| bits | bit)
    }

    /// Notes that an event is expected, and tells whether a guardrail counts it.
    pub(crate) fn expect(&self, event: &str) -> bool {
        let bits = self.at_event(event);
        self.expected.fetch_or(bits, Ordering::Relaxed);
        bits != 0
    }

    /// The limits that are known before anything was measured.
    pub(crate) fn limits(plan: &Plan) -> Limits {
        let mut limits = Limits {
            each: vec![None; plan.guardrails.len().min(GUARDRAILS)],
            known: 0,
        };
        for (at, guardrail) in plan.guardrails.iter().enumerate() {
            if let (Metric::Latency(_), Limit::Faster(limit)) = (&guardrail.metric, guardrail.limit)
            {
                limits.set(at, limit, limit);
            }
        }
        limits
    }
}

impl Limits {
    /// Sets a guardrail's limits.
    pub(crate) fn set(&mut self, guardrail: usize, candidate: Duration, stable: Duration) {
        // One arm alone must not be judged by a shorter limit.
        if candidate.max(stable) > LONGEST {
            return;
        }
        if let Some(place) = self.each.get_mut(guardrail) {
            *place = Some(ArmLimits { candidate, stable });
            self.known |= 1 << guardrail;
        }
    }

    /// The longest of them; `None` where there are none.
    pub(crate) fn longest(&self) -> Option<Duration> {
        let each = self.each.iter().flatten();
        each.map(|limits| limits.candidate.max(limits.stable)).max()
    }

    /// Of some guardrails, those for which something that took so long is slow.
    pub(crate) fn slower(&self, guardrails: u64, latency: Duration, enrolled: bool) -> u64 {
        bits(guardrails).fold(0, |slow, at| match self.each.get(at) {
            Some(Some(limits)) if latency > limits.of(enrolled) => slow | 1 << at,
            _ => slow,
        })
    }
}

impl ArmLimits {
    fn of(&self, enrolled: bool) -> Duration {
        if enrolled {
            self.candidate
        } else {
            self.stable
        }
    }
}

/// Tells whether work that ended so is a success, whose duration tells how fast the service is. Failures are not: they
/// never count as fast successes. Nor is what the client did wrong: it is refused before the work is done, and a
/// candidate that refuses more would look faster for it. It has a guardrail of its own.
pub(crate) fn is_success(ending: Ending) -> bool {
    matches!(
        ending,
        Ending::Informational | Ending::Success | Ending::Redirection
    )
}
