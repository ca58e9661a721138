//! What follows from the references of a compiled ruleset.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::compile::graph::{self, Components, components, reached_from, recalls};
use crate::compile::references::MAX_DEPTH;
use crate::hash;
use crate::ruleset::condition::Test;
use crate::ruleset::{
    Attribute, Condition, FlagId, ListId, Recall, Ruleset, Segment, SegmentId, Share, Slot, Unit,
};
use crate::wanted::Wanted;

/// What one compiled flag or segment asks for by itself.
#[derive(Default)]
struct Asks {
    flags: Vec<FlagId>,
    segments: Vec<SegmentId>,
    lists: Vec<ListId>,
    attributes: Vec<Arc<Attribute>>,
    reads_time: bool,
    depth: usize,
}

impl Asks {
    fn of_condition(&mut self, condition: &Condition, depth: usize) {
        self.depth = self.depth.max(depth);
        match condition {
            Condition::Constant(_) => {}
            Condition::All(parts) | Condition::Any(parts) => {
                parts
                    .iter()
                    .for_each(|part| self.of_condition(part, depth + 1));
            }
            Condition::Not(part) => self.of_condition(part, depth + 1),
            Condition::Segment(id) => self.segments.push(*id),
            Condition::Flag { flag, .. } => self.flags.push(*flag),
            Condition::Time { .. } => self.reads_time = true,
            Condition::Attribute { attribute, test } => {
                self.attributes.push(Arc::clone(attribute));
                if let Test::InList(list) = test {
                    self.lists.push(*list);
                }
            }
        }
    }

    fn of_flag(flag: &crate::ruleset::Flag) -> Self {
        let mut asks = Self::default();
        for rule in &flag.rules {
            asks.of_condition(&rule.condition, 1);
            if let Some(draw) = &rule.draw {
                asks.reads_time |= matches!(draw.share, Share::Clock(_));
                if let Share::Staged(staged) = &draw.share {
                    let waves = staged.waves.iter();
                    waves.for_each(|wave| asks.of_condition(wave, 1));
                }
                if let Unit::Attribute(attribute) = &draw.unit {
                    asks.attributes.push(Arc::clone(attribute));
                }
            }
        }
        asks
    }
}

/// Returns what each flag asks for, and behind the flags each segment.
fn asks_of_all(ruleset: &Ruleset) -> Vec<Asks> {
    let of_flag = |slot: &Slot| match slot {
        Slot::Flag { flag, .. } => Asks::of_flag(flag),
        _ => Asks::default(),
    };
    let of_segment = |segment: &Option<Arc<Segment>>| {
        let mut asks = Asks::default();
        if let Some(segment) = segment {
            asks.of_condition(&segment.condition, 1);
        }
        asks
    };
    let flags = ruleset.flags.iter().map(of_flag);
    flags
        .chain(ruleset.segments.iter().map(of_segment))
        .collect()
}

/// Returns the flags and segments that each of them refers to, numbered as they are.
fn edges(ruleset: &Ruleset, asks: &[Asks]) -> Vec<Vec<usize>> {
    let flags = ruleset.flags.len();
    let of = |asks: &Asks| {
        let to_flags = asks.flags.iter().map(|id| id.index());
        to_flags
            .chain(asks.segments.iter().map(|id| flags + id.index()))
            .filter(|to| *to < flags + ruleset.segments.len())
            .collect()
    };
    asks.iter().map(of).collect()
}

/// Returns the flags whose answers can depend on one of some flags, these included.
pub(crate) fn dependents(ruleset: &Ruleset, on: &HashSet<FlagId>) -> HashSet<FlagId> {
    if on.is_empty() {
        return HashSet::new();
    }
    let edges = edges(ruleset, &asks_of_all(ruleset));
    let mut backwards = vec![Vec::new(); edges.len()];
    for (from, targets) in edges.iter().enumerate() {
        for to in targets {
            if let Some(sources) = backwards.get_mut(*to) {
                sources.push(from);
            }
        }
    }
    let numbers = (0..).map(FlagId).take(ruleset.flags.len());
    let reached = reached_from(&backwards, |at| {
        u32::try_from(at).is_ok_and(|at| on.contains(&FlagId(at)))
    });
    numbers.filter(|id| reached.contains(&id.index())).collect()
}

/// Works out what follows from a ruleset's references: what it wants, whether it reads the time, which flags come to
/// something twice, what each flag means.
///
/// A kept form may close a circle, or a chain too long, with the new forms around it; then it is set aside for good.
pub(crate) fn link(ruleset: &mut Ruleset, kept: &[FlagId]) {
    let mut asks = asks_of_all(ruleset);
    let mut edges = edges(ruleset, &asks);
    let mut components_found = components(&edges);
    if !kept.is_empty() {
        let own = |at: usize| asks.get(at).map_or(0, |asks| asks.depth + 1);
        let depths = graph::depths(&edges, &components_found, own);
        let circular: HashSet<usize> = components_found
            .iter()
            .filter(|component| match component {
                [one] => edges.get(*one).is_some_and(|edges| edges.contains(one)),
                _ => true,
            })
            .flatten()
            .copied()
            .collect();
        let deep = reached_from(&edges, |at| {
            depths.get(at).is_some_and(|depth| *depth > MAX_DEPTH)
        });
        let unusable = |id: &&FlagId| deep.contains(&id.index()) || circular.contains(&id.index());
        for id in kept.iter().filter(unusable) {
            if let Some(slot) = ruleset.flags.get_mut(id.index()) {
                *slot = Slot::SetAside;
            }
            if let (Some(asks), Some(edges)) = (asks.get_mut(id.index()), edges.get_mut(id.index()))
            {
                *asks = Asks::default();
                edges.clear();
            }
        }
        components_found = components(&edges);
        // Whatever is still too deep for the stack is no flag to evaluate.
        let own = |at: usize| asks.get(at).map_or(0, |asks| asks.depth + 1);
        let depths = graph::depths(&edges, &components_found, own);
        for (slot, depth) in ruleset.flags.iter_mut().zip(&depths) {
            if *depth > MAX_DEPTH && matches!(slot, Slot::Flag { .. }) {
                *slot = Slot::SetAside;
            }
        }
    }
    let recalls = recalls(&edges, &components_found);
    let meanings = meanings(ruleset, &asks, &edges, &components_found);
    for (at, slot) in ruleset.flags.iter_mut().enumerate() {
        if let Slot::Flag {
            recall, meaning, ..
        } = slot
        {
            *recall = recalls.get(at).copied().unwrap_or(Recall::Many);
            *meaning = meanings.get(at).copied().unwrap_or(0);
        }
    }
    ruleset.reads_time = asks.iter().any(|asks| asks.reads_time);
    let wanted: BTreeMap<&str, &Arc<Attribute>> = asks
        .iter()
        .flat_map(|asks| &asks.attributes)
        .map(|attribute| (&*attribute.name, attribute))
        .collect();
    ruleset.wanted = Wanted::new(wanted.into_values().map(Arc::clone).collect());
}

/// Identifies what each flag means: its text, and all that it refers to.
fn meanings(
    ruleset: &Ruleset,
    asks: &[Asks],
    edges: &[Vec<usize>],
    components: &Components,
) -> Vec<u128> {
    let flags = ruleset.flags.len();
    let mut meanings = vec![0_u128; edges.len()];
    for node in components.nodes() {
        let own = match node.checked_sub(flags) {
            None => match ruleset.flags.get(node) {
                Some(Slot::Flag { flag, .. }) => flag.fingerprint.get(),
                Some(Slot::SetAside) => 1,
                _ => 0,
            },
            Some(segment) => ruleset
                .segments
                .get(segment)
                .and_then(Option::as_ref)
                .map_or(0, |segment| segment.fingerprint),
        };
        let to = edges.get(node).map_or(&[][..], Vec::as_slice);
        let lists = asks.get(node).map_or(&[][..], |asks| &asks.lists);
        // Most flags refer to nothing: their text is their meaning.
        let meaning = if to.is_empty() && lists.is_empty() {
            own
        } else {
            let to = to.iter().map(|to| meanings.get(*to).copied());
            let lists = lists
                .iter()
                .map(|list| ruleset.list(*list).map(|list| list.fingerprint));
            let all = std::iter::once(Some(own)).chain(to).chain(lists);
            let bytes: Vec<u8> = all
                .flat_map(|part| part.unwrap_or(0).to_le_bytes())
                .collect();
            hash::identity(&bytes)
        };
        if let Some(slot) = meanings.get_mut(node) {
            *slot = meaning;
        }
    }
    meanings
}
