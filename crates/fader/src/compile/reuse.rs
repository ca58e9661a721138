//! Which flags of a document need not be read again.
//!
//! What a flag compiles to, and what there is to say of it, follows from its name and text, from what is constant for the
//! life of a handle (numbers, ambient attributes, decoders), and from what its rules name: that a segment, list or flag
//! is there, which variants that flag has, and the content of a list where an ambient attribute is looked up in it
//! already at compile time. A flag is known where none of that has changed and nothing was to be said of it.

use std::sync::Arc;

use crate::compile::Input;
use crate::document::diagnostic::Report;
use crate::document::scan::Entry;
use crate::document::slice;
use crate::document::syntax::Span;
use crate::hash;
use crate::ruleset::{Flag, Reference, Registry, Slot};

/// Finds the flags that the ruleset before has from the same text, with their places.
///
/// That what they name is still there shows only when the document is read.
pub(super) fn known_flags(
    entries: &[Entry],
    text: &str,
    input: &Input<'_>,
    registry: &Registry,
) -> Vec<(Span, Arc<Flag>)> {
    let previous = input.previous;
    let mut is_same = vec![false; previous.flags.len()];
    let mut known = Vec::with_capacity(entries.len().min(previous.order.len()));
    for entry in entries {
        if slice(text, entry.section) != "flags" {
            continue;
        }
        let Some(id) = registry.find_flag(slice(text, entry.name)) else {
            continue;
        };
        let Slot::Flag {
            flag,
            settled: true,
            ..
        } = previous.slot(id)
        else {
            continue;
        };
        let expires = flag.about.as_ref().and_then(|about| about.expires);
        let is_expired = expires.is_some_and(|expires| expires <= input.now);
        if is_expired
            || flag.fingerprint.get() != hash::identity(slice(text, entry.value).as_bytes())
        {
            continue;
        }
        if let Some(is_same) = is_same.get_mut(id.index()) {
            *is_same = true;
        }
        known.push((entry.value, Arc::clone(flag)));
    }
    // The same text of a flag that is named has the same variants.
    known.retain(|(_, flag)| {
        flag.references().iter().all(|reference| match reference {
            Reference::Flag(id) => is_same.get(id.index()) == Some(&true),
            Reference::Segment(_) | Reference::List(_) => true,
        })
    });
    known
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
