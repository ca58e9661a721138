//! Which flags of a document need not be read again.
//!
//! What a flag compiles to, and what there is to say of it, follows from its name and text, from what is constant for the
//! life of a handle (numbers, ambient attributes, decoders), and from what its rules name: that a segment, list or flag
//! is there, which variants that flag has, and the content of a list where an ambient attribute is looked up in it
//! already at compile time. A flag is known where none of that has changed and nothing was to be said of it.
//!
//! INVARIANT: of a staged ramp there always is (`waiting-ramp`), so that what its plan requires of other flags is looked at
//! anew each time.

use std::sync::Arc;

use crate::compile::Input;
use crate::document::diagnostic::Report;
use crate::document::scan::Entry;
use crate::document::slice;
use crate::document::syntax::Span;
use crate::document::text::Cut;
use crate::hash;
use crate::ruleset::{Flag, FlagId, Reference, Registry, Slot};

/// Finds the flags of a text, to be cut out of it; of those that the ruleset before has from the same text also their
/// compiled form.
///
/// That what they name is still there shows only when the document is read.
pub(super) fn cuts(
    entries: &[Entry],
    text: &str,
    input: &Input<'_>,
    registry: &Registry,
) -> Vec<Cut> {
    let mut is_same = vec![false; input.previous.flags.len()];
    let mut cuts = Vec::with_capacity(entries.len());
    for entry in entries {
        if slice(text, entry.section) != "flags" {
            continue;
        }
        let known = known(entry, text, input, registry);
        if let Some((id, _)) = known
            && let Some(is_same) = is_same.get_mut(id.index())
        {
            *is_same = true;
        }
        let known = known.map(|(_, flag)| Arc::clone(flag));
        cuts.push(Cut::new(entry.value, known));
    }
    // The same text of a flag that is named has the same variants.
    let is_same = |reference: &Reference| match reference {
        Reference::Flag(id) => is_same.get(id.index()) == Some(&true),
        Reference::Segment(_) | Reference::List(_) => true,
    };
    for cut in &mut cuts {
        cut.known
            .take_if(|flag| !flag.references().iter().all(is_same));
    }
    cuts
}

/// Finds the compiled form of before, if the text is the same and gave no cause for a word.
fn known<'i>(
    entry: &Entry,
    text: &str,
    input: &Input<'i>,
    registry: &Registry,
) -> Option<(FlagId, &'i Arc<Flag>)> {
    let id = registry.find_flag(slice(text, entry.name))?;
    let Slot::Flag {
        flag,
        settled: true,
        ..
    } = input.previous.slot(id)
    else {
        return None;
    };
    let expires = flag.about.as_ref().and_then(|about| about.expires);
    let is_expired = expires.is_some_and(|expires| expires <= input.now);
    let is_same = !is_expired
        && flag.fingerprint.get() == hash::identity(slice(text, entry.value).as_bytes());
    is_same.then_some((id, flag))
}

/// Where the problems of a document stand, in the order of the text.
pub(super) struct Unsettled(Vec<usize>);

impl Unsettled {
    pub(super) fn of(report: &Report) -> Self {
        let mut places: Vec<_> = report
            .problems
            .iter()
            .map(|problem| problem.span.start)
            .collect();
        places.sort_unstable();
        Self(places)
    }

    /// Returns whether there is anything to say of a stretch of the text.
    pub(super) fn any_in(&self, span: Span) -> bool {
        let first = self.0.partition_point(|place| *place < span.start);
        self.0.get(first).is_some_and(|place| *place < span.end)
    }
}
