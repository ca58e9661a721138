//! One flag by itself, outside of any scope.

use crate::attributes::Attributes;
use crate::decision::Decision;
use crate::evaluate::{Evaluation, NoObserver};
use crate::memo::{Memo, NoMemo, ScopeMemo, StackMemo};
use crate::ruleset::{FlagId, Recall};
use crate::snapshot::{Course, Entry, Live};
use crate::time::Timestamp;

/// What one flag is decided by. It remembers only what it may come to twice.
pub(super) struct Once<'a, A: ?Sized> {
    pub(super) live: &'a Live,
    pub(super) id: FlagId,
    pub(super) entry: &'a Entry,
    pub(super) attributes: &'a A,
    pub(super) now: Timestamp,
}

impl<A: Attributes + ?Sized> Once<'_, A> {
    #[inline]
    pub(super) fn decide(&self) -> Decision {
        match self.entry.course {
            Course::Rules(Recall::Few) | Course::Watched(Recall::Few) => self.remembering_few(),
            Course::Rules(Recall::Many) | Course::Watched(Recall::Many) => {
                self.remembering(&ScopeMemo::new(&self.live.ruleset))
            }
            _ => self.remembering(&NoMemo),
        }
    }

    /// Apart from the rest, since it needs much of the stack.
    #[inline(never)]
    fn remembering_few(&self) -> Decision {
        self.remembering(&StackMemo::new())
    }

    #[inline]
    fn remembering(&self, memo: &impl Memo) -> Decision {
        let mut evaluation = Evaluation {
            live: self.live,
            attributes: self.attributes,
            now: self.now,
            memo,
            overrides: None,
            observer: NoObserver,
        };
        evaluation.flag(self.id)
    }
}
