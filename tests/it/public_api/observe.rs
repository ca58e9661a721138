//! What is told of decisions: outcomes, exposures, admission.

use std::sync::Arc;
use std::time::Duration;

use fader::{
    Admission, Arm, AttributeName, Attributes, Deduplicated, DrawnFlag, Ending, ExposureRecord,
    ExposureSink, Flags, MemoryExposures, MemoryOutcomes, Outcome, OutcomeEvent, OutcomeRecord,
    OutcomeSink, Percent, RampControl, RampLimit, Scope, Snapshot, VariantRef, Watch,
};

use super::{compared, copied, empty, is, shared, word};

#[test]
fn hooks_of_a_handle() {
    fn outcomes<S: OutcomeSink + 'static>() {
        let _: fn(&Flags, S, Watch) = Flags::add_outcome_sink;
    }
    fn exposures<S: ExposureSink + 'static>() {
        let _: fn(&Flags, S) = Flags::add_exposure_sink;
    }
    let _: fn(&Flags) -> RampControl = Flags::control_ramps;
    let _: fn(&RampControl, u32) = RampControl::begin_tick;
    fn limit<L: IntoIterator<Item = RampLimit>>() {
        let _: fn(&RampControl, L) = RampControl::limit;
        let _: fn(&Flags, L) -> RampControl = Flags::control_ramps_within;
    }
    limit::<[RampLimit; 1]>();
    compared::<RampLimit>();
    let RampLimit {
        flag: _,
        rule: _,
        percent: _,
        waves: _,
    } = RampLimit {
        flag: String::new(),
        rule: String::new(),
        percent: Percent::ZERO,
        waves: 0,
    };
    outcomes::<Arc<dyn OutcomeSink>>();
    exposures::<Arc<dyn ExposureSink>>();
    shared::<RampControl>();
    copied::<Watch>();
    empty::<Watch>();
    let _: fn(Watch) = |watch| match watch {
        Watch::Guarded | Watch::Drawn => {}
        _ => {}
    };
}

#[test]
fn ends_of_a_scope() {
    fn ends<A: Attributes, N: AsRef<str>>() {
        let _: fn(&Scope<A>, Outcome) -> bool = Scope::finish;
        let _: fn(&Scope<A>, &'static str) -> bool = Scope::report;
        let _: fn(&Scope<A>) -> bool = Scope::differs;
        let _: fn(&Scope<A>, N, Outcome) = Scope::fall_back;
        let _: fn(&Scope<A>, &Snapshot) -> bool = Scope::agrees_with;
    }
    ends::<&dyn Attributes, &str>();
}

#[test]
fn sinks() {
    fn outcomes<S: OutcomeSink + ?Sized>() {
        let _: fn(&S, &DrawnFlag<'_>) = OutcomeSink::began;
        let _: fn(&S, &DrawnFlag<'_>, &Outcome) = OutcomeSink::ended;
        let _: fn(&S, &DrawnFlag<'_>, &str) = OutcomeSink::reported;
        let _: fn(&S, &DrawnFlag<'_>) = OutcomeSink::late;
        fn of_threads<S: Send + Sync + ?Sized>() {}
        of_threads::<S>();
    }
    fn exposures<S: ExposureSink + ?Sized>() {
        let _: fn(&S, &DrawnFlag<'_>) = ExposureSink::exposed;
        fn of_threads<S: Send + Sync + ?Sized>() {}
        of_threads::<S>();
    }
    fn deduplicated<S: ExposureSink>() {
        let _: fn(S) -> Deduplicated<S> = Deduplicated::new;
        let _: fn(S, usize) -> Deduplicated<S> = Deduplicated::with_places;
        exposures::<Deduplicated<S>>();
    }
    outcomes::<dyn OutcomeSink>();
    outcomes::<Arc<dyn OutcomeSink>>();
    exposures::<dyn ExposureSink>();
    deduplicated::<Arc<dyn ExposureSink>>();
    shared::<Deduplicated<MemoryExposures>>();
}

#[test]
fn memory() {
    let _: fn() -> MemoryOutcomes = MemoryOutcomes::new;
    let _: fn(&MemoryOutcomes) -> Vec<OutcomeRecord> = MemoryOutcomes::records;
    let _: fn(&MemoryOutcomes) -> Vec<OutcomeRecord> = MemoryOutcomes::take;
    let _: fn() -> MemoryExposures = MemoryExposures::new;
    let _: fn(&MemoryExposures) -> Vec<ExposureRecord> = MemoryExposures::records;
    let _: fn(&MemoryExposures) -> Vec<ExposureRecord> = MemoryExposures::take;
    fn outcomes<S: OutcomeSink>() {}
    fn exposures<S: ExposureSink>() {}
    outcomes::<MemoryOutcomes>();
    exposures::<MemoryExposures>();
    shared::<(MemoryOutcomes, MemoryExposures)>();
    empty::<(MemoryOutcomes, MemoryExposures)>();
    compared::<(OutcomeRecord, ExposureRecord, OutcomeEvent)>();
    let _: fn(OutcomeRecord) = |record| {
        is::<[String; 2]>([record.flag, record.rule]);
        is::<(Arm, Option<String>, OutcomeEvent)>((record.arm, record.variant, record.event));
    };
    let _: fn(ExposureRecord) = |record| {
        is::<(String, Option<u64>, Option<String>)>((record.flag, record.unit, record.variant));
    };
    let _: fn(OutcomeEvent) = |event| match event {
        OutcomeEvent::Began | OutcomeEvent::Late => {}
        OutcomeEvent::Ended(outcome) => is::<Outcome>(outcome),
        OutcomeEvent::Reported(event) => is::<String>(event),
        _ => {}
    };
}

#[test]
fn drawn_flag() {
    fn tells<'a>(_: &'a str) {
        let _: fn(&DrawnFlag<'a>) -> &'a str = DrawnFlag::flag;
        let _: fn(&DrawnFlag<'a>) -> &'a str = DrawnFlag::rule;
        let _: fn(&DrawnFlag<'a>) -> Option<&'a str> = DrawnFlag::variant;
        let _: fn(&DrawnFlag<'a>) -> Option<&'a str> = DrawnFlag::by;
        let _: fn(&DrawnFlag<'a>) -> &'a str = DrawnFlag::version;
        let _: fn(&DrawnFlag<'a>) -> Arm = DrawnFlag::arm;
        let _: fn(&DrawnFlag<'a>) -> bool = DrawnFlag::is_guarded;
        let _: fn(&DrawnFlag<'a>) -> bool = DrawnFlag::is_wave;
        let _: fn(&DrawnFlag<'a>) -> u32 = DrawnFlag::index;
        let _: fn(&DrawnFlag<'a>) -> u32 = DrawnFlag::tick;
        let _: fn(&DrawnFlag<'a>) -> Percent = DrawnFlag::share;
        let _: fn(&DrawnFlag<'a>) -> Option<u64> = DrawnFlag::unit_hash;
        let _: fn(&DrawnFlag<'a>) -> Option<Duration> = DrawnFlag::unit_age;
        let _: fn(&DrawnFlag<'a>) -> u64 = DrawnFlag::overlay_version;
        fn copied<T: Copy + std::fmt::Debug>() {}
        copied::<DrawnFlag<'a>>();
    }
    tells("f");
    named! { Arm::as_str: Arm::Stable = "stable", Arm::Gray = "gray" }
}

#[test]
fn outcome() {
    const OUTCOME: Outcome = Outcome::new(Ending::of_status(200)).took(Duration::ZERO);
    const _: (Ending, Option<Duration>) = (OUTCOME.ending(), OUTCOME.latency());
    const _: bool = Ending::Success.is_error();
    let _: fn(Ending) -> Outcome = Outcome::new;
    let _: fn(Outcome, Duration) -> Outcome = Outcome::took;
    let _: fn(&Outcome) -> Ending = Outcome::ending;
    let _: fn(&Outcome) -> Option<Duration> = Outcome::latency;
    let _: fn(u16) -> Ending = Ending::of_status;
    let _: fn(Ending) -> bool = Ending::is_error;
    let _: [Ending; 8] = Ending::ALL;
    copied::<Outcome>();
    word::<Ending>();
    named! {
        Ending::as_str: Ending::Informational = "informational", Ending::Success = "success",
        Ending::Redirection = "redirection", Ending::ClientError = "client_error",
        Ending::ServerError = "server_error", Ending::Panic = "panic", Ending::Timeout = "timeout",
        Ending::Dropped = "dropped"
    }
}

#[test]
fn admission() {
    fn admits<A: Admission + ?Sized>() {
        let _: fn(&A, &str, VariantRef<'_>) -> bool = Admission::admits;
    }
    fn attributes<A: Attributes + ?Sized>() {
        let _: fn(&A, AttributeName<'_>) -> Option<Duration> = Attributes::age;
        let _: for<'a> fn(&'a A) -> Option<&'a dyn Admission> = Attributes::admission;
    }
    admits::<dyn Admission>();
    attributes::<dyn Attributes>();
}
