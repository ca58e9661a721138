//! What an evaluation remembers of itself: nothing, a little on the stack, or everything in a scope.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::decision::{Decision, Note};
use crate::ruleset::{FlagId, Ruleset, SegmentId, Truth};

/// What an evaluation remembers of itself.
pub(crate) trait Memo {
    fn flag(&self, id: FlagId) -> Option<Decision>;
    /// Keeps a decision, if none is kept yet. Returns whether the sinks have to be told of it.
    fn keep_flag(&self, id: FlagId, decision: Decision) -> bool;
    fn segment(&self, id: SegmentId) -> Option<Truth>;
    fn keep_segment(&self, id: SegmentId, truth: Truth);
    /// Returns the tick in which the unit of work began.
    fn tick(&self) -> u32 {
        0
    }
    /// Tells whether the unit of work has ended.
    fn is_finished(&self) -> bool {
        false
    }
    /// Notes something beside a decision that is kept. Returns whether it was not noted before.
    fn mark(&self, _: FlagId, _: Note) -> bool {
        false
    }
}

/// Remembers nothing: for a flag that comes to everything once.
pub(crate) struct NoMemo;

impl Memo for NoMemo {
    #[inline]
    fn flag(&self, _: FlagId) -> Option<Decision> {
        None
    }
    #[inline]
    fn keep_flag(&self, _: FlagId, _: Decision) -> bool {
        false
    }
    #[inline]
    fn segment(&self, _: SegmentId) -> Option<Truth> {
        None
    }
    #[inline]
    fn keep_segment(&self, _: SegmentId, _: Truth) {}
}

/// Remembers up to [`CAPACITY`](Self::CAPACITY) answers on the stack. Without it a chain of segments that each name the
/// one before it twice would take time 2ⁿ. A flag that can come to more places than it holds is evaluated with a
/// [`ScopeMemo`], see [`Recall`](crate::ruleset::Recall).
pub(crate) struct StackMemo {
    /// Open addressing: a place's number above 0, and its answer.
    entries: [Cell<(u64, u64)>; Self::SIZE],
}

impl StackMemo {
    /// How many different flags and segments it holds.
    pub(crate) const CAPACITY: usize = Self::SIZE / 2;
    const SIZE: usize = 256;

    pub(crate) const fn new() -> Self {
        Self {
            entries: [const { Cell::new((0, 0)) }; Self::SIZE],
        }
    }

    /// Finds the entry of a key, or the free one where it would go.
    fn entry(&self, key: u64) -> Option<&Cell<(u64, u64)>> {
        let start = usize::try_from(key).unwrap_or(0);
        let mut entries =
            (0..Self::SIZE).filter_map(|step| self.entries.get((start + step) % Self::SIZE));
        entries.find(|entry| matches!(entry.get().0, kept if kept == key || kept == 0))
    }

    fn recall(&self, key: u64) -> Option<u64> {
        self.entry(key)
            .map(|entry| entry.get().1)
            .filter(|answer| *answer != 0)
    }

    fn keep(&self, key: u64, answer: u64) {
        if let Some(entry) = self.entry(key) {
            entry.set((key, answer));
        }
    }

    fn flag_key(id: FlagId) -> u64 {
        u64::from(id.0) * 2 + 2
    }

    fn segment_key(id: SegmentId) -> u64 {
        u64::from(id.0) * 2 + 1
    }
}

impl Memo for StackMemo {
    fn flag(&self, id: FlagId) -> Option<Decision> {
        Decision::from_word(self.recall(Self::flag_key(id))?)
    }

    fn keep_flag(&self, id: FlagId, decision: Decision) -> bool {
        self.keep(Self::flag_key(id), decision.to_word());
        false
    }

    fn segment(&self, id: SegmentId) -> Option<Truth> {
        match self.recall(Self::segment_key(id))? {
            1 => Some(Truth::False),
            2 => Some(Truth::Unknown),
            _ => Some(Truth::True),
        }
    }

    fn keep_segment(&self, id: SegmentId, truth: Truth) {
        self.keep(Self::segment_key(id), truth.bits());
    }
}

/// Remembers every answer of a scope: one word a flag, two bits a segment.
///
/// A document of a few flags costs no allocation, a larger one a single one. The words are atomic so that a scope can be
/// shared, and mostly relaxed: nothing else is published through them. Two threads that decide the same flag at
/// once come to the same decision, so either may be the one that stays. Only the end of a unit of work has an order with
/// what is decided beside it: either the end sees a decision and settles it, or the decision sees the end and is late.
#[derive(Debug)]
pub(crate) struct ScopeMemo {
    words: Words,
    flags: usize,
    /// The tick in which the unit of work began.
    tick: u32,
    /// Whether the sinks are told of what is kept here.
    told: bool,
    /// Whether the unit of work has ended.
    finished: AtomicBool,
}

#[derive(Debug)]
enum Words {
    Few([AtomicU64; ScopeMemo::FEW]),
    Many(Box<[AtomicU64]>),
}

impl ScopeMemo {
    /// The words that a scope has room for by itself.
    const FEW: usize = 24;
    const SEGMENTS_A_WORD: usize = 32;

    /// One whose decisions are nobody else's business: of an explanation, or of a flag by itself.
    pub(crate) fn new(ruleset: &Ruleset) -> Self {
        Self {
            told: false,
            ..Self::of_scope(ruleset, 0)
        }
    }

    #[inline(always)]
    pub(crate) fn of_scope(ruleset: &Ruleset, tick: u32) -> Self {
        let flags = ruleset.flags.len();
        let words = flags + ruleset.segments.len().div_ceil(Self::SEGMENTS_A_WORD);
        let words = if words <= Self::FEW {
            Words::Few([const { AtomicU64::new(0) }; Self::FEW])
        } else {
            Words::Many((0..words).map(|_| AtomicU64::new(0)).collect())
        };
        Self {
            words,
            flags,
            tick,
            told: true,
            finished: AtomicBool::new(false),
        }
    }

    /// All words: those of flags, then those of segments.
    #[inline]
    fn words(&self) -> &[AtomicU64] {
        match &self.words {
            Words::Few(words) => words,
            Words::Many(words) => words,
        }
    }

    /// Returns the word of a flag. INVARIANT: the ruleset has that flag, so it is not one of a segment.
    #[inline]
    fn word(&self, id: FlagId) -> Option<&AtomicU64> {
        self.words().get(id.index())
    }

    fn segment_bits(&self, id: SegmentId) -> Option<(&AtomicU64, usize)> {
        let at = self.flags + id.index() / Self::SEGMENTS_A_WORD;
        Some((
            self.words().get(at)?,
            id.index() % Self::SEGMENTS_A_WORD * 2,
        ))
    }

    /// Notes that the scope's owner asked for a flag on which there is one decision for everybody.
    #[inline(always)]
    pub(crate) fn note(&self, id: FlagId, decision: Decision) {
        if let Some(word) = self.word(id) {
            word.store(decision.asked().to_word(), Ordering::Relaxed);
        }
    }

    /// Returns the decision on a flag that the scope's owner asks for, as kept or as `decide` decides.
    #[inline(always)]
    pub(crate) fn ask(&self, id: FlagId, decide: impl FnOnce() -> Decision) -> Decision {
        let Some(word) = self.word(id) else {
            return decide();
        };
        let kept = Decision::from_word(word.load(Ordering::Relaxed));
        let decision = match kept {
            Some(kept) if kept.was_asked() => return kept,
            Some(kept) => kept,
            None => decide(),
        };
        // A plain store, for the price of it: whoever else writes here writes the same, unless the flag falls back at
        // this moment, and never takes back that it was asked for.
        let asked = decision.asked();
        word.store(asked.to_word(), Ordering::Relaxed);
        asked
    }

    /// Puts another decision in the place of the one that is kept, and returns that one: a decision that comes between
    /// would never be settled.
    pub(crate) fn replace(&self, id: FlagId, decision: Decision) -> Option<Decision> {
        let settled = Decision::bits_of(Note::Settled);
        let word = decision.asked().to_word() | settled;
        Decision::from_word(self.word(id)?.swap(word, Ordering::SeqCst))
    }

    /// Notes that the unit of work has ended. Returns whether it had not before.
    pub(crate) fn finish(&self) -> bool {
        !self.finished.swap(true, Ordering::SeqCst)
    }

    /// Returns the decision on a flag that the scope's owner asked for.
    pub(crate) fn asked(&self, id: FlagId) -> Option<Decision> {
        self.flag(id).filter(|decision| decision.was_asked())
    }
}

impl Memo for ScopeMemo {
    #[inline]
    fn flag(&self, id: FlagId) -> Option<Decision> {
        Decision::from_word(self.word(id)?.load(Ordering::SeqCst))
    }

    fn keep_flag(&self, id: FlagId, decision: Decision) -> bool {
        // INVARIANT: not in the place of one that was asked for.
        let kept = self.word(id).is_some_and(|word| {
            word.compare_exchange(0, decision.to_word(), Ordering::SeqCst, Ordering::Relaxed)
                .is_ok()
        });
        kept && self.told
    }

    fn tick(&self) -> u32 {
        self.tick
    }

    fn is_finished(&self) -> bool {
        self.finished.load(Ordering::SeqCst)
    }

    fn mark(&self, id: FlagId, note: Note) -> bool {
        let bits = Decision::bits_of(note);
        self.word(id)
            .is_some_and(|word| word.fetch_or(bits, Ordering::SeqCst) & bits == 0)
    }

    fn segment(&self, id: SegmentId) -> Option<Truth> {
        let (word, shift) = self.segment_bits(id)?;
        match word.load(Ordering::Relaxed) >> shift & 3 {
            1 => Some(Truth::False),
            2 => Some(Truth::Unknown),
            3 => Some(Truth::True),
            _ => None,
        }
    }

    fn keep_segment(&self, id: SegmentId, truth: Truth) {
        if let Some((word, shift)) = self.segment_bits(id) {
            let bits = truth.bits();
            let mut current = word.load(Ordering::Relaxed);
            // The first stays here as well.
            while current >> shift & 3 == 0 {
                match word.compare_exchange_weak(
                    current,
                    current | bits << shift,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => return,
                    Err(now) => current = now,
                }
            }
        }
    }
}
