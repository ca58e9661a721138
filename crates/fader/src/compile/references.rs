//! What refers to what in a document: circles, chains that are too long, and whom a mistake sets aside.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::compile::compiler::{Names, Part, Reference};
use crate::compile::graph::{Components, components, depths, recalls};
use crate::document::diagnostic::{DiagnosticKind, Report};
use crate::document::model::{self, ConditionKind, Share};
use crate::document::syntax::Span;
use crate::memo::StackMemo;
use crate::ruleset::{Flag, FlagId, Recall};

/// How many conditions may nest, counted through references: what an evaluation needs of the stack.
pub(super) const MAX_DEPTH: usize = 512;

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
pub(crate) struct Graph<'p, 't> {
    names_of: &'p Names<'p, 't>,
    nodes: Vec<Node<'t>>,
    names: Vec<Span>,
    edges: Vec<Vec<usize>>,
    places: Vec<(usize, usize, Span)>,
    lists: Vec<(usize, &'t str)>,
    /// How deep each one's own conditions nest.
    depths: Vec<usize>,
}

impl<'p, 't> Graph<'p, 't> {
    /// Takes references together, with the compiled flags in the order of the document.
    pub(crate) fn of_document(
        names_of: &'p Names<'p, 't>,
        references: &[Reference<'t>],
        compiled: &[(FlagId, Arc<Flag>)],
    ) -> Self {
        let set = names_of.set;
        let flags = set
            .flags
            .iter()
            .map(|flag| (Node::Flag(flag.name.value), flag.name.span));
        let segments = set
            .segments
            .iter()
            .map(|segment| (Node::Segment(segment.name.value), segment.name.span));
        let (nodes, names): (Vec<_>, Vec<_>) = flags.chain(segments).unzip();
        let of_flags = compiled.iter().map(|(_, flag)| usize::from(flag.depth));
        let depths = of_flags
            .chain(
                set.segments
                    .iter()
                    .map(|segment| nesting(&segment.condition)),
            )
            .collect();
        let edges = vec![Vec::new(); nodes.len()];
        let mut graph = Self {
            names_of,
            edges,
            nodes,
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
        let names = self.names_of;
        match part {
            Part::Flag(name) => names.flags.get(name).copied(),
            Part::Segment(name) => Some(names.set.flags.len() + names.segments.get(name)?),
            Part::List(_) => None,
        }
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
        let mut last: BTreeMap<usize, (usize, Span)> = BTreeMap::new();
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
    fn warn_of_meshes(&self, components: &Components, report: &mut Report) {
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
            .filter_map(|name| self.number(Part::Segment(name)));
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

/// Returns how deep a flag's conditions nest.
pub(super) fn flag_nesting(flag: &model::Flag<'_>) -> usize {
    let conditions = flag.rules.iter().flat_map(|rule| {
        let waves = match rule.share.as_ref().map(|share| &share.value) {
            Some(Share::Staged(ramp)) => ramp.waves.as_slice(),
            _ => &[],
        };
        rule.condition.iter().chain(waves)
    });
    conditions.map(nesting).max().unwrap_or(0)
}

fn nesting(condition: &model::Condition<'_>) -> usize {
    let below = match &condition.kind {
        ConditionKind::All(parts) | ConditionKind::Any(parts) => {
            parts.value.iter().map(nesting).max().unwrap_or(0)
        }
        ConditionKind::Not(part) => nesting(part),
        _ => 0,
    };
    below + 1
}
