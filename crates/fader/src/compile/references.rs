//! What refers to what: circles, depth, and what comes of them.
//!
//! Flags and segments refer to one another in one graph. All walks here are loops over it, never recursion, so that no
//! document can exhaust the stack.

use std::collections::{HashMap, HashSet};

use crate::compile::condition::{Part, Reference};
use crate::document::diagnostic::{DiagnosticKind, Report};
use crate::document::model::FlagSet;
use crate::document::syntax::Span;
use crate::evaluate::StackMemo;
use crate::hash;
use crate::ruleset::condition::Test;
use crate::ruleset::{Condition, FlagId, ListId, Recall, Ruleset, SegmentId, Share, Slot, Unit};

/// How many conditions may nest, counted through references: what an evaluation needs of the stack.
const MAX_DEPTH: usize = 512;

/// How many steps an evaluation may take without remembering any.
const FEW_WALKS: u64 = 1_000;

/// A flag or segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Node<'t> {
    Flag(&'t str),
    Segment(&'t str),
}

impl Node<'_> {
    fn describe(self) -> String {
        match self {
            Self::Flag(name) => format!("flag `{name}`"),
            Self::Segment(name) => format!("segment `{name}`"),
        }
    }
}

/// The references of a document as written.
pub(crate) struct Graph<'t> {
    nodes: Vec<Node<'t>>,
    numbers: HashMap<Node<'t>, usize>,
    names: Vec<Span>,
    edges: Vec<Vec<usize>>,
    places: Vec<(usize, usize, Span)>,
    lists: Vec<(usize, &'t str)>,
    /// How deep each one's own conditions nest.
    depths: Vec<usize>,
}

impl<'t> Graph<'t> {
    pub(crate) fn of_document(set: &FlagSet<'t>, references: &[Reference<'t>]) -> Self {
        let flags = set
            .flags
            .iter()
            .map(|flag| (Node::Flag(flag.name.value), flag.name.span));
        let segments = set
            .segments
            .iter()
            .map(|segment| (Node::Segment(segment.name.value), segment.name.span));
        let (nodes, names): (Vec<_>, Vec<_>) = flags.chain(segments).unzip();
        let numbers: HashMap<_, _> = nodes
            .iter()
            .enumerate()
            .map(|(at, node)| (*node, at))
            .collect();
        let of_flags = set.flags.iter().map(|flag| {
            flag.rules
                .iter()
                .filter_map(|rule| rule.condition.as_ref())
                .map(nesting)
                .max()
                .unwrap_or(0)
        });
        let depths = of_flags
            .chain(
                set.segments
                    .iter()
                    .map(|segment| nesting(&segment.condition)),
            )
            .collect();
        let edges = vec![Vec::new(); nodes.len()];
        let mut graph = Self {
            edges,
            nodes,
            numbers,
            names,
            places: Vec::new(),
            lists: Vec::new(),
            depths,
        };
        for reference in references {
            let Some(from) = graph.number(reference.from) else {
                continue;
            };
            match (reference.to, graph.number(reference.to)) {
                (Part::List(name), _) => graph.lists.push((from, name)),
                (_, Some(to)) => {
                    if let Some(edges) = graph.edges.get_mut(from) {
                        edges.push(to);
                    }
                    graph.places.push((from, to, reference.at));
                }
                _ => {}
            }
        }
        graph
    }

    fn number(&self, part: Part<'t>) -> Option<usize> {
        let node = match part {
            Part::Flag(name) => Node::Flag(name),
            Part::Segment(name) => Node::Segment(name),
            Part::List(_) => return None,
        };
        self.numbers.get(&node).copied()
    }

    /// Reports each circle once, at the last reference in it, and chains that are too long; returns their members.
    pub(crate) fn report_cycles(&self, report: &mut Report) -> Vec<Node<'t>> {
        let components = components(&self.edges);
        let mut members = Vec::new();
        let mut component_of = vec![0; self.nodes.len()];
        for (number, node) in components
            .iter()
            .enumerate()
            .flat_map(|(number, nodes)| nodes.iter().map(move |n| (number, n)))
        {
            if let Some(slot) = component_of.get_mut(*node) {
                *slot = number;
            }
        }
        // The last reference within each component: one that has any is a circle.
        let mut last: std::collections::BTreeMap<usize, (usize, Span)> =
            std::collections::BTreeMap::new();
        for (from, to, at) in &self.places {
            let number = component_of.get(*from);
            if let (true, Some(number)) = (number == component_of.get(*to), number) {
                let kept = last.entry(*number).or_insert((*from, *at));
                if kept.1.start < at.start {
                    *kept = (*from, *at);
                }
            }
        }
        for (number, (from, at)) in &last {
            let Some(component) = components.get(*number) else {
                continue;
            };
            let inside: HashSet<usize> = component.iter().copied().collect();
            let names: Vec<_> = self
                .round(*from, &inside)
                .iter()
                .map(|node| node.describe())
                .collect();
            report
                .error(
                    DiagnosticKind::Cycle,
                    *at,
                    format!(
                        "these refer to one another in a circle: {}",
                        names.join(", ")
                    ),
                )
                .help("take one of these references out");
            members.extend(
                component
                    .iter()
                    .filter_map(|at| self.nodes.get(*at))
                    .copied(),
            );
        }
        let depths = depths(&self.edges, &components, |at| {
            self.depths.get(at).map_or(1, |depth| depth + 1)
        });
        let too_deep = |at: &usize| depths.get(*at).is_some_and(|depth| *depth > MAX_DEPTH);
        let targets = |at: usize| self.edges.get(at).into_iter().flatten();
        for at in (0..self.nodes.len()).filter(too_deep) {
            let (Some(node), Some(name)) = (self.nodes.get(at), self.names.get(at)) else {
                continue;
            };
            // All above it are too deep as well; the lowest is told.
            if !targets(at).any(too_deep) {
                let message = format!(
                    "the {} nests deeper than {MAX_DEPTH} levels through what it refers to",
                    node.describe()
                );
                report
                    .error(DiagnosticKind::TooDeep, *name, message)
                    .help("shorten the chain of segments and flags");
            }
            members.push(*node);
        }
        self.warn_of_meshes(&components, report);
        members
    }

    /// A flag that comes to many places by many ways needs more memory than the stack gives.
    fn warn_of_meshes(&self, components: &[Vec<usize>], report: &mut Report) {
        let recalls = recalls(&self.edges, components);
        for ((node, name), recall) in self.nodes.iter().zip(&self.names).zip(recalls) {
            if let (Node::Flag(flag), Recall::Many) = (node, recall) {
                report
                    .warning(
                        DiagnosticKind::ManyReferences,
                        *name,
                        format!(
                            "the flag `{flag}` refers to more than {} segments and flags by many ways: asked for outside of \
                             a scope it allocates",
                            StackMemo::CAPACITY
                        ),
                    )
                    .help("ask for it in a scope, or name fewer segments");
            }
        }
    }

    /// Lists the members of a circle, in its direction from `start`, those that other circles share with it last.
    fn round(&self, start: usize, inside: &HashSet<usize>) -> Vec<Node<'t>> {
        let mut order = vec![start];
        let mut seen: HashSet<usize> = HashSet::from([start]);
        let mut at = 0;
        while let Some(node) = order.get(at).copied() {
            for next in self.edges.get(node).into_iter().flatten() {
                if inside.contains(next) && seen.insert(*next) {
                    order.push(*next);
                }
            }
            at += 1;
        }
        order
            .iter()
            .filter_map(|at| self.nodes.get(*at))
            .copied()
            .collect()
    }

    /// Spreads what is broken: an error in a segment or list sets aside each flag that uses it.
    pub(crate) fn spread(
        &self,
        flags: &mut HashSet<&'t str>,
        segments: &mut HashSet<&'t str>,
        lists: &HashSet<&'t str>,
    ) {
        let mut users: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for (from, to, _) in &self.places {
            // Another flag is used by its answer, not by its text.
            if let (Some(Node::Segment(_)), Some(users)) = (self.nodes.get(*to), users.get_mut(*to))
            {
                users.push(*from);
            }
        }
        let broken = segments
            .iter()
            .filter_map(|name| self.numbers.get(&Node::Segment(name)).copied());
        let by_list = self
            .lists
            .iter()
            .filter(|(_, list)| lists.contains(list))
            .map(|(user, _)| *user);
        let mut open: Vec<usize> = broken.chain(by_list).collect();
        let mut seen: HashSet<usize> = open.iter().copied().collect();
        while let Some(at) = open.pop() {
            match self.nodes.get(at) {
                Some(Node::Flag(name)) => {
                    flags.insert(name);
                }
                Some(Node::Segment(name)) => {
                    segments.insert(name);
                }
                None => {}
            }
            open.extend(
                users
                    .get(at)
                    .into_iter()
                    .flatten()
                    .copied()
                    .filter(|user| seen.insert(*user)),
            );
        }
    }
}

fn nesting(condition: &crate::document::model::Condition<'_>) -> usize {
    use crate::document::model::ConditionKind;
    let below = match &condition.kind {
        ConditionKind::All(parts) | ConditionKind::Any(parts) => {
            parts.value.iter().map(nesting).max().unwrap_or(0)
        }
        ConditionKind::Not(part) => nesting(part),
        _ => 0,
    };
    below + 1
}

/// Finds the strongly connected components by Tarjan's algorithm (SIAM J. Comput. 1, 1972), each after those that it
/// refers to.
fn components(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    const UNSEEN: usize = usize::MAX;
    let count = edges.len();
    let (mut index, mut low, mut on_stack) =
        (vec![UNSEEN; count], vec![0; count], vec![false; count]);
    let (mut next, mut stack, mut found) = (0, Vec::new(), Vec::new());
    for root in 0..count {
        if index.get(root) != Some(&UNSEEN) {
            continue;
        }
        // Each entry is a node and how many of its edges were followed.
        let mut walk = vec![(root, 0)];
        while let Some((node, followed)) = walk.last_mut() {
            let node = *node;
            let (Some(own), Some(own_low)) = (index.get_mut(node), low.get_mut(node)) else {
                break;
            };
            if *own == UNSEEN {
                (*own, *own_low) = (next, next);
                next += 1;
                stack.push(node);
                if let Some(on_stack) = on_stack.get_mut(node) {
                    *on_stack = true;
                }
            }
            let edge = edges
                .get(node)
                .and_then(|edges| edges.get(*followed))
                .copied();
            *followed += 1;
            if let Some(to) = edge {
                match index.get(to).copied() {
                    Some(UNSEEN) => walk.push((to, 0)),
                    Some(seen) if on_stack.get(to) == Some(&true) => lower(&mut low, node, seen),
                    _ => {}
                }
                continue;
            }
            walk.pop();
            let own_low = low.get(node).copied().unwrap_or(0);
            if let Some((parent, _)) = walk.last() {
                lower(&mut low, *parent, own_low);
            }
            if index.get(node) == Some(&own_low) {
                let start = stack.iter().rposition(|at| *at == node).unwrap_or(0);
                let component = stack.split_off(start);
                for member in &component {
                    if let Some(on_stack) = on_stack.get_mut(*member) {
                        *on_stack = false;
                    }
                }
                found.push(component);
            }
        }
    }
    found
}

fn lower(low: &mut [usize], node: usize, to: usize) {
    if let Some(low) = low.get_mut(node) {
        *low = (*low).min(to);
    }
}

/// Computes how deep each node reaches, its own depth included; nodes of a circle count as one.
fn depths(
    edges: &[Vec<usize>],
    components: &[Vec<usize>],
    own: impl Fn(usize) -> usize,
) -> Vec<usize> {
    let mut depths = vec![0; edges.len()];
    for node in components.iter().flatten() {
        let below = edges
            .get(*node)
            .into_iter()
            .flatten()
            .filter_map(|to| depths.get(*to))
            .max();
        let depth = own(*node) + below.copied().unwrap_or(0);
        if let Some(slot) = depths.get_mut(*node) {
            *slot = depth;
        }
    }
    depths
}

/// What one compiled flag or segment asks for by itself.
#[derive(Default)]
struct Asks {
    flags: Vec<FlagId>,
    segments: Vec<SegmentId>,
    lists: Vec<ListId>,
    attributes: Vec<u32>,
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
                self.attributes.push(attribute.0);
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
                if let Unit::Attribute(id) = draw.unit {
                    asks.attributes.push(id.0);
                }
            }
        }
        asks
    }
}

/// Works out what follows from a ruleset's references: what it wants, whether it reads the time, which flags come to
/// something twice, what each flag means.
///
/// A kept form may close a circle, or a chain too long, with the new forms around it; then it is set aside for good.
pub(crate) fn link(ruleset: &mut Ruleset, kept: &[FlagId]) {
    let flags = ruleset.flags.len();
    let mut asks: Vec<Asks> = ruleset
        .flags
        .iter()
        .map(|slot| match slot {
            Slot::Flag { flag, .. } => Asks::of_flag(flag),
            _ => Asks::default(),
        })
        .collect();
    asks.extend(ruleset.segments.iter().map(|segment| {
        let mut asks = Asks::default();
        if let Some(segment) = segment {
            asks.of_condition(&segment.condition, 1);
        }
        asks
    }));
    let mut edges: Vec<Vec<usize>> = asks
        .iter()
        .map(|asks| {
            let to_flags = asks.flags.iter().map(|id| id.index());
            to_flags
                .chain(asks.segments.iter().map(|id| flags + id.index()))
                .filter(|to| *to < flags + ruleset.segments.len())
                .collect()
        })
        .collect();
    let mut components_found = components(&edges);
    if !kept.is_empty() {
        let own = |at: usize| asks.get(at).map_or(0, |asks| asks.depth + 1);
        let depths = depths(&edges, &components_found, own);
        let circular: HashSet<usize> = components_found
            .iter()
            .filter(|component| match component.as_slice() {
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
        let depths = self::depths(&edges, &components_found, own);
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
    let mut wanted: Vec<u32> = asks
        .iter()
        .flat_map(|asks| &asks.attributes)
        .copied()
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    ruleset.wanted = wanted
        .into_iter()
        .map(crate::ruleset::AttributeId)
        .collect();
}

/// Returns what a walk from any of the given nodes comes to, themselves included.
fn reached_from(edges: &[Vec<usize>], starts: impl Fn(usize) -> bool) -> HashSet<usize> {
    let mut open: Vec<usize> = (0..edges.len()).filter(|at| starts(*at)).collect();
    let mut reached: HashSet<usize> = open.iter().copied().collect();
    while let Some(at) = open.pop() {
        open.extend(
            edges
                .get(at)
                .into_iter()
                .flatten()
                .copied()
                .filter(|to| reached.insert(*to)),
        );
    }
    reached
}

/// Tells for each node what a walk from it has to remember: nothing if it comes to each place by one way, as in a tree.
fn recalls(edges: &[Vec<usize>], components: &[Vec<usize>]) -> Vec<Recall> {
    let mut walks = vec![1_u64; edges.len()];
    let mut recalls = vec![Recall::Nothing; edges.len()];
    for node in components.iter().flatten().copied() {
        let targets = edges.get(node).map_or(&[][..], Vec::as_slice);
        let counts = targets.iter().filter_map(|to| walks.get(*to));
        let count = counts.fold(1_u64, |sum, walks| sum.saturating_add(*walks));
        let places = places(edges, node);
        if let Some(slot) = walks.get_mut(node) {
            *slot = count;
        }
        if let Some(slot) = recalls.get_mut(node) {
            *slot = match places {
                Some(places) if u64::try_from(places) == Ok(count) => Recall::Nothing,
                Some(_) => Recall::Few,
                // However often it comes to a place, it is soon done.
                None if count <= FEW_WALKS => Recall::Nothing,
                None => Recall::Many,
            };
        }
    }
    recalls
}

/// Counts the places that a walk from a node comes to, itself included; `None` beyond what the stack remembers.
fn places(edges: &[Vec<usize>], node: usize) -> Option<usize> {
    let (mut seen, mut open) = (HashSet::from([node]), vec![node]);
    while let Some(at) = open.pop() {
        for to in edges.get(at).into_iter().flatten() {
            if seen.insert(*to) {
                open.push(*to);
            }
        }
        if seen.len() > StackMemo::CAPACITY {
            return None;
        }
    }
    Some(seen.len())
}

/// Identifies what each flag means: its text, and all that it refers to.
fn meanings(
    ruleset: &Ruleset,
    asks: &[Asks],
    edges: &[Vec<usize>],
    components: &[Vec<usize>],
) -> Vec<u128> {
    let flags = ruleset.flags.len();
    let mut meanings = vec![0_u128; edges.len()];
    for node in components.iter().flatten().copied() {
        let own = match node.checked_sub(flags) {
            None => match ruleset.flags.get(node) {
                Some(Slot::Flag { flag, .. }) => flag.fingerprint,
                Some(Slot::SetAside) => 1,
                _ => 0,
            },
            Some(segment) => ruleset
                .segments
                .get(segment)
                .and_then(Option::as_ref)
                .map_or(0, |segment| segment.fingerprint),
        };
        let mut bytes = own.to_le_bytes().to_vec();
        for to in edges.get(node).into_iter().flatten() {
            bytes.extend(meanings.get(*to).copied().unwrap_or(0).to_le_bytes());
        }
        for list in asks.get(node).into_iter().flat_map(|asks| &asks.lists) {
            bytes.extend(
                ruleset
                    .list(*list)
                    .map_or(0, |list| list.fingerprint)
                    .to_le_bytes(),
            );
        }
        // Most flags refer to nothing: their text is their meaning.
        let meaning = if bytes.len() == 16 {
            own
        } else {
            hash::identity(&bytes)
        };
        if let Some(slot) = meanings.get_mut(node) {
            *slot = meaning;
        }
    }
    meanings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_come_after_what_they_refer_to() {
        // 0 → 1 → 2 → 1, 3 → 3, 4 alone
        let edges = [vec![1], vec![2], vec![1], vec![3], vec![]];
        let mut found = components(&edges);
        found
            .iter_mut()
            .for_each(|component| component.sort_unstable());
        assert_eq!(found, [vec![1, 2], vec![0], vec![3], vec![4]]);
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let count = 1_000_000;
        let edges: Vec<_> = (0..count)
            .map(|at| if at + 1 < count { vec![at + 1] } else { vec![] })
            .collect();
        let components = components(&edges);
        assert_eq!(depths(&edges, &components, |_| 1)[0], count);
    }

    #[test]
    fn a_diamond_is_remembered_and_a_tree_is_not() {
        use Recall::{Few, Many, Nothing};

        let edges = [vec![1, 2], vec![3], vec![3], vec![], vec![1]];
        assert_eq!(
            recalls(&edges, &components(&edges)),
            [Few, Nothing, Nothing, Nothing, Nothing]
        );
        assert_eq!(
            recalls(&[vec![1, 1], vec![]], &components(&[vec![1, 1], vec![]])),
            [Few, Nothing]
        );
        let chain: Vec<_> = (0..200)
            .map(|at: usize| at.checked_sub(1).map_or(vec![], |to| vec![to, to]))
            .collect();
        assert_eq!(recalls(&chain, &components(&chain))[127..129], [Few, Many]);
    }
}
