//! What is delivered, why it was refused, and the overlay.

use std::sync::Arc;

use fader::{
    CompileError, Delivery, Diagnostic, DiagnosticKind, Overlay, OverlayEntry, Percent, Severity,
    Source, Strictness, Timestamp, list_files,
};

use super::{cloned, compared, empty, error, lends, shown};

#[test]
fn source_and_delivery() {
    fn source<N: Into<Arc<str>>>() {
        let _: fn(N) -> Source = Source::new;
    }
    fn delivery<D: Into<Vec<u8>>, P: Into<String>, N: Into<Arc<str>>>() {
        let _: fn(D) -> Delivery = Delivery::new;
        let _: fn(Vec<(N, D)>) -> Delivery = Delivery::from_parts::<N, D>;
        let _: fn(Delivery, P, Result<Vec<u8>, String>) -> Delivery = Delivery::list;
        let _: fn(Delivery, N, D) -> Delivery = Delivery::overlay;
    }
    fn from<'a, D: From<Vec<u8>> + From<&'a [u8]> + From<&'a str> + From<String>>() {}
    let _: fn(Source) -> Source = Source::quarantine;
    let _: fn(Source, Strictness) -> Source = Source::strictness;
    let _: [fn(Source) -> Source; 3] = [
        Source::allow_downgrade,
        Source::allow_empty,
        Source::bootstrap,
    ];
    let _: fn(Strictness) = |strictness| match strictness {
        Strictness::Strict | Strictness::Quarantine => {}
        _ => {}
    };
    let _: fn(Source) -> Source = Source::network;
    let _: fn(&Source) -> &str = Source::name;
    let _: fn(&Source) -> bool = Source::is_strict;
    let _: fn(&Source) -> bool = Source::is_network;
    let _: fn(&[u8]) -> Vec<String> = list_files;
    source::<&str>();
    delivery::<&str, &str, &str>();
    from::<Delivery>();
    compared::<Source>();
    cloned::<Delivery>();
    empty::<Delivery>();
}

#[test]
fn compile_error() {
    let _: fn(&CompileError) -> &str = CompileError::source_name;
    let _: fn(&CompileError) -> &[Diagnostic] = CompileError::diagnostics;
    let _: fn(&CompileError) -> Option<&Diagnostic> = CompileError::first;
    error::<CompileError>();
    compared::<CompileError>();
}

#[test]
fn diagnostic() {
    let _: fn(&Diagnostic) -> Severity = Diagnostic::severity;
    let _: fn(&Diagnostic) -> DiagnosticKind = Diagnostic::kind;
    let _: fn(&Diagnostic) -> Option<&str> = Diagnostic::file;
    let _: fn(&Diagnostic) -> &str = Diagnostic::path;
    let _: fn(&Diagnostic) -> u32 = Diagnostic::line;
    let _: fn(&Diagnostic) -> u32 = Diagnostic::column;
    let _: fn(&Diagnostic) -> &str = Diagnostic::message;
    let _: fn(&Diagnostic) -> Option<&str> = Diagnostic::help;
    compared::<Diagnostic>();
    shown::<Diagnostic>();
    named! { Severity::as_str: Severity::Error = "error", Severity::Warning = "warning" }
    assert!(Severity::Error < Severity::Warning);
}

#[test]
fn kinds_of_diagnostics() {
    named! {
        DiagnosticKind::as_str: DiagnosticKind::Syntax = "syntax", DiagnosticKind::TooDeep = "too-deep",
        DiagnosticKind::TooMany = "too-many", DiagnosticKind::DuplicateKey = "duplicate-key",
        DiagnosticKind::DuplicateName = "duplicate-name", DiagnosticKind::UnknownField = "unknown-field",
        DiagnosticKind::MissingField = "missing-field", DiagnosticKind::WrongType = "wrong-type",
        DiagnosticKind::InvalidValue = "invalid-value", DiagnosticKind::UnknownVariant = "unknown-variant",
        DiagnosticKind::UnknownSegment = "unknown-segment", DiagnosticKind::UnknownList = "unknown-list",
        DiagnosticKind::UnknownFlag = "unknown-flag", DiagnosticKind::Conflict = "conflict",
        DiagnosticKind::MixedTypes = "mixed-types", DiagnosticKind::Weights = "weights",
        DiagnosticKind::Percent = "percent", DiagnosticKind::Regex = "regex", DiagnosticKind::Date = "date",
        DiagnosticKind::Duration = "duration", DiagnosticKind::Version = "version",
        DiagnosticKind::Network = "network", DiagnosticKind::Cycle = "cycle",
        DiagnosticKind::GuardedRamp = "guarded-ramp", DiagnosticKind::ListFile = "list-file",
        DiagnosticKind::ListId = "list-id", DiagnosticKind::Decode = "decode",
        DiagnosticKind::Revision = "revision", DiagnosticKind::Overlay = "overlay",
        DiagnosticKind::UnreachableRule = "unreachable-rule", DiagnosticKind::NeverHolds = "never-holds",
        DiagnosticKind::AlwaysHolds = "always-holds", DiagnosticKind::UnusedSegment = "unused-segment",
        DiagnosticKind::UnusedList = "unused-list", DiagnosticKind::Expired = "expired",
        DiagnosticKind::PercentByIp = "percent-by-ip", DiagnosticKind::PercentEverybody = "percent-everybody",
        DiagnosticKind::DrawReachesNobody = "draw-reaches-nobody",
        DiagnosticKind::NothingHashed = "nothing-hashed", DiagnosticKind::WaitingRamp = "waiting-ramp",
        DiagnosticKind::FallingPercent = "falling-percent",
        DiagnosticKind::UnapprovedStage = "unapproved-stage", DiagnosticKind::UnusedFor = "unused-for",
        DiagnosticKind::NoAbsoluteGuardrail = "no-absolute-guardrail", DiagnosticKind::SlowRegex = "slow-regex",
        DiagnosticKind::ManyReferences = "many-references", DiagnosticKind::EmptyDocument = "empty-document",
        DiagnosticKind::OverlayHolds = "overlay-holds"
    }
}

#[test]
fn overlay() {
    fn signed<B: Into<String>, R: Into<String>>() {
        let _: fn(Overlay, &str, B, R) -> Overlay = Overlay::signed;
    }
    fn signed_at<B: Into<String>, R: Into<String>>() {
        let _: fn(Overlay, &str, B, R, Timestamp) -> Overlay = Overlay::signed_at;
    }
    let _: fn(&[u8], &Source) -> Result<Overlay, CompileError> = Overlay::read;
    let _: fn(&mut Overlay, &str) = Overlay::forget;
    let _: fn(&Overlay) -> &[serde_json::Value] = Overlay::commands;
    let _: fn(&mut Overlay) -> &mut Vec<serde_json::Value> = Overlay::commands_mut;
    signed_at::<&str, &str>();
    let _: fn() -> Overlay = Overlay::new;
    let _: fn(&Overlay) -> u64 = Overlay::version;
    let _: fn(Overlay, u64) -> Overlay = Overlay::with_version;
    let _: fn(Overlay, &str) -> Overlay = Overlay::kill;
    let _: fn(Overlay, &str) -> Overlay = Overlay::revive;
    let _: fn(Overlay, &str, &str, Percent) -> Overlay = Overlay::percent;
    let _: fn(Overlay, &str, &str, u32) -> Overlay = Overlay::waves;
    lends::<OverlayEntry, (&str, u32), _>(OverlayEntry::waves);
    lends::<Overlay, (&str, &OverlayEntry), _>(Overlay::flags);
    let _: fn(&OverlayEntry) -> bool = OverlayEntry::killed;
    lends::<OverlayEntry, (&str, Percent), _>(OverlayEntry::percents);
    let _: fn(&OverlayEntry) -> Option<&str> = OverlayEntry::by;
    let _: fn(&OverlayEntry) -> Option<&str> = OverlayEntry::reason;
    let _: fn(&OverlayEntry) -> Option<&str> = OverlayEntry::at;
    signed::<&str, String>();
    compared::<(Overlay, OverlayEntry)>();
    empty::<(Overlay, OverlayEntry)>();
    shown::<Overlay>();
}
