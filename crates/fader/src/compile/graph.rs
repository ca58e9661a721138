//! Walks over a graph of references, given as the edges of each node.
//!
//! All are loops, never recursion, so that no document can exhaust the stack.

use std::collections::HashSet;

use crate::memo::StackMemo;
use crate::ruleset::Recall;

/// How many steps an evaluation may take without remembering any.
const FEW_WALKS: u64 = 1_000;

/// Groups of nodes, each after those that it refers to. Most have one member, so that none is a vector of its own.
#[derive(Default)]
pub(super) struct Components {
    nodes: Vec<usize>,
    /// Where each group ends among the nodes.
    ends: Vec<usize>,
}

impl Components {
    pub(super) fn get(&self, number: usize) -> Option<&[usize]> {
        let before = number.checked_sub(1).and_then(|at| self.ends.get(at));
        let start = before.copied().unwrap_or(0);
        self.nodes.get(start..*self.ends.get(number)?)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[usize]> {
        (0..self.ends.len()).filter_map(|number| self.get(number))
    }

    /// Returns the nodes of all groups.
    pub(super) fn nodes(&self) -> impl Iterator<Item = usize> {
        self.nodes.iter().copied()
    }
}

/// Finds the strongly connected components by Tarjan's algorithm (SIAM J. Comput. 1, 1972), each after those that it
/// refers to.
pub(super) fn components(edges: &[Vec<usize>]) -> Components {
    const UNSEEN: usize = usize::MAX;
    let count = edges.len();
    let (mut index, mut low, mut on_stack) =
        (vec![UNSEEN; count], vec![0; count], vec![false; count]);
    let (mut next, mut stack, mut walk) = (0, Vec::new(), Vec::new());
    let mut found = Components::default();
    for root in 0..count {
        if index.get(root) != Some(&UNSEEN) {
            continue;
        }
        // Each entry is a node and how many of its edges were followed.
        walk.push((root, 0));
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
                for member in stack.drain(start..) {
                    if let Some(on_stack) = on_stack.get_mut(member) {
                        *on_stack = false;
                    }
                    found.nodes.push(member);
                }
                found.ends.push(found.nodes.len());
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
pub(super) fn depths(
    edges: &[Vec<usize>],
    components: &Components,
    own: impl Fn(usize) -> usize,
) -> Vec<usize> {
    let mut depths = vec![0; edges.len()];
    for node in components.nodes() {
        let below = edges
            .get(node)
            .into_iter()
            .flatten()
            .filter_map(|to| depths.get(*to))
            .max();
        let depth = own(node) + below.copied().unwrap_or(0);
        if let Some(slot) = depths.get_mut(node) {
            *slot = depth;
        }
    }
    depths
}

/// Returns what a walk from any of the given nodes comes to, themselves included.
pub(super) fn reached_from(edges: &[Vec<usize>], starts: impl Fn(usize) -> bool) -> HashSet<usize> {
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
pub(super) fn recalls(edges: &[Vec<usize>], components: &Components) -> Vec<Recall> {
    let mut walks = vec![1_u64; edges.len()];
    let mut recalls = vec![Recall::Nothing; edges.len()];
    for node in components.nodes() {
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
    if edges.get(node).is_none_or(Vec::is_empty) {
        return Some(1);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_come_after_what_they_refer_to() {
        // 0 → 1 → 2 → 1, 3 → 3, 4 alone
        let edges = [vec![1], vec![2], vec![1], vec![3], vec![]];
        let components = components(&edges);
        let mut found: Vec<_> = components.iter().map(<[usize]>::to_vec).collect();
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
