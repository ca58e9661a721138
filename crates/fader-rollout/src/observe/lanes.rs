//! Plain counts, by the share under which requests were drawn.

use super::label::Label;
use crate::guardrail::Arms;

/// Counts of some shares: one or two in a tick, as a rule.
#[derive(Clone, Debug)]
pub(crate) struct Lanes {
    lanes: Box<[Lane]>,
    used: usize,
    /// Whether there were more shares than room: what belongs to them is not here.
    overflowed: bool,
}

/// Counts of requests that were drawn under one share, in the same way.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    pub(crate) key: Label,
    /// Began, less ended: of the candidate, and of stable.
    pub(crate) running: [i64; 2],
    /// By guardrail.
    pub(crate) scores: Box<[Score]>,
}

/// Requests, as one guardrail sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Score {
    pub(crate) of: Arms,
    pub(crate) bad: Arms,
}

impl Score {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Lanes {
    /// Makes one for so many shares and guardrails.
    pub(crate) fn new(shares: usize, guardrails: usize) -> Self {
        let lane = Lane {
            key: Label::default(),
            running: [0; 2],
            scores: vec![Score::default(); guardrails].into(),
        };
        Self {
            lanes: vec![lane; shares].into(),
            used: 0,
            overflowed: false,
        }
    }

    /// Returns the lane of requests that were drawn so; `None` where there is no room.
    pub(crate) fn at(&mut self, label: Label) -> Option<&mut Lane> {
        let key = label.lane();
        let known = self.iter().position(|lane| lane.key == key);
        let at = known.unwrap_or(self.used);
        let Some(lane) = self.lanes.get_mut(at) else {
            self.overflowed = true;
            return None;
        };
        if known.is_none() {
            lane.key = key;
            self.used += 1;
        }
        Some(lane)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter().take(self.used)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Lane> {
        self.lanes.iter_mut().take(self.used)
    }

    pub(crate) fn has_overflowed(&self) -> bool {
        self.overflowed
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for theirs in other.iter() {
            if let Some(lane) = self.at(theirs.key) {
                lane.merge(theirs);
            }
        }
        self.overflowed |= other.overflowed;
    }

    pub(crate) fn clear(&mut self) {
        for lane in self.lanes.iter_mut().take(self.used) {
            lane.running = [0; 2];
            lane.scores.fill(Score::default());
        }
        self.used = 0;
        self.overflowed = false;
    }
}

impl Lane {
    /// Counts a request, for the guardrails in `of`.
    pub(crate) fn count(&mut self, of: u64, enrolled: bool) {
        self.each(of, |score| *arm(&mut score.of, enrolled) += 1);
    }

    /// Counts a bad request, for the guardrails in `bad`.
    pub(crate) fn count_bad(&mut self, bad: u64, enrolled: bool) {
        self.each(bad, |score| *arm(&mut score.bad, enrolled) += 1);
    }

    /// Changes the scores of some guardrails.
    pub(crate) fn each(&mut self, guardrails: u64, change: impl Fn(&mut Score)) {
        for guardrail in bits(guardrails) {
            if let Some(score) = self.scores.get_mut(guardrail) {
                change(score);
            }
        }
    }

    pub(crate) fn run(&mut self, enrolled: bool, requests: i64) {
        let [candidate, stable] = &mut self.running;
        *(if enrolled { candidate } else { stable }) += requests;
    }

    /// How many requests of an arm are still running.
    pub(crate) fn hanging(&self, enrolled: bool) -> u32 {
        let [candidate, stable] = self.running;
        let running = if enrolled { candidate } else { stable };
        u32::try_from(running.max(0)).unwrap_or(u32::MAX)
    }

    fn merge(&mut self, other: &Self) {
        for (running, theirs) in self.running.iter_mut().zip(other.running) {
            *running += theirs;
        }
        for (score, theirs) in self.scores.iter_mut().zip(&other.scores) {
            add(&mut score.of, theirs.of);
            add(&mut score.bad, theirs.bad);
        }
    }
}

/// The guardrails whose bits are set.
pub(crate) fn bits(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (mask != 0).then(|| {
            let lowest = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            lowest
        })
    })
}

pub(crate) fn arm(arms: &mut Arms, enrolled: bool) -> &mut u32 {
    if enrolled {
        &mut arms.candidate
    } else {
        &mut arms.stable
    }
}

pub(crate) fn add(arms: &mut Arms, other: Arms) {
    arms.candidate = arms.candidate.saturating_add(other.candidate);
    arms.stable = arms.stable.saturating_add(other.stable);
}
