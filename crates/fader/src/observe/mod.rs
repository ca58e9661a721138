//! What came of decisions: who was drawn for a flag, and how their unit of work ended.
//!
//! A release is judged by comparing two arms, so only what chance has put there counts: a unit of work is *drawn* for a
//! flag when evaluation came to a rule with a percent or ramp, the rule's condition held, and there was a unit. Those
//! enrolled are the gray arm, the others the stable one. Whoever an earlier rule has decided for, whoever got a forced,
//! killed or capped flag, is in neither.
//!
//! A [`Scope`](crate::Scope) tells each [`OutcomeSink`] of its handle twice: when a flag is drawn, and when the unit of
//! work is finished. Both happen once for a flag and scope, without a lock and without an allocation of this crate. A
//! flag that is first read after the end is *late*: it is told apart and counted in no arm, since its arm may have
//! been chosen by how things ended.

mod deduplicated;
mod drawn;
mod hooks;
mod memory;
mod outcome;

pub use deduplicated::Deduplicated;
pub(crate) use drawn::Whose;
pub use drawn::{Arm, DrawnFlag};
pub(crate) use hooks::Hooks;
pub use memory::{ExposureRecord, MemoryExposures, MemoryOutcomes, OutcomeEvent, OutcomeRecord};
pub use outcome::{Ending, Outcome};

use crate::decision::{Decision, Note};
use crate::key::VariantRef;
use crate::memo::Memo;
use crate::ruleset::FlagId;
use crate::snapshot::{Entry, Live};

/// Tells the sinks of a decision that was just kept.
#[cold]
pub(crate) fn tell_drawn(
    live: &Live,
    id: FlagId,
    decision: Decision,
    whose: Whose<'_>,
    memo: &impl Memo,
) {
    if !live.entry(id).is_some_and(Entry::is_watched) {
        return;
    }
    let Some(drawn) = DrawnFlag::new(live, id, decision, whose) else {
        return;
    };
    // Either the end has settled this decision, or it is late; see `Scope::finish`.
    if memo.is_finished() && memo.mark(id, Note::Settled) {
        live.hooks.late(&drawn);
    } else {
        live.hooks.began(&drawn);
    }
}

/// Is told of the flags for which units of work were drawn, and how these ended.
///
/// It is called on the thread that asks or finishes, so it should be brief, and must not ask the handle that calls it
/// for a document to be loaded. Where it panics, that goes no further. Where several threads share a scope, `began` may come after `ended`.
pub trait OutcomeSink: Send + Sync {
    /// A unit of work was drawn for a flag, and is going on: it counts as exposed, also if it never ends.
    fn began(&self, drawn: &DrawnFlag<'_>) {
        let _ = drawn;
    }

    /// A unit of work that was drawn for a flag has ended.
    fn ended(&self, drawn: &DrawnFlag<'_>, outcome: &Outcome);

    /// The service has reported an event of its own, such as `checkout_failed`, see
    /// [`Scope::report`](crate::Scope::report). It comes right behind `ended`, once for each event.
    fn reported(&self, drawn: &DrawnFlag<'_>, event: &str) {
        let _ = (drawn, event);
    }

    /// A flag was drawn after its unit of work had ended: it is in no arm.
    fn late(&self, drawn: &DrawnFlag<'_>) {
        let _ = drawn;
    }
}

/// Is told which units were shown which variant, for experiments: each time a scope is first asked for a flag that
/// drew. [`Deduplicated`] leaves out what was told before.
pub trait ExposureSink: Send + Sync {
    /// A unit was shown a variant.
    fn exposed(&self, drawn: &DrawnFlag<'_>);
}

/// Which flags an [`OutcomeSink`] is told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Watch {
    /// Those with a staged ramp, which a controller judges. The default.
    #[default]
    Guarded,
    /// All that draw: also those with a `percent`, a clock ramp or weights. For people who raise a percent by hand and
    /// want to see both arms. Finishing a scope then looks at each such flag of the document, about a nanosecond each.
    Drawn,
}

/// Decides whether one more unit of work may have a variant: how an adapter keeps requests from gray code that is at its
/// limit.
///
/// It is asked once a flag is decided and before a scope keeps the decision, maybe more than once for the same flag.
/// It answers alike for the life of the scope, and neither locks nor allocates.
pub trait Admission {
    /// Tells whether the variant may be served. Where not, what a killed flag does is served: its `off` variant,
    /// or the caller's default; and the flag counts as not drawn.
    fn admits(&self, flag: &str, variant: VariantRef<'_>) -> bool;
}
