//! Where results lie: which node's memory each is in, how long that must stay, and its offset in the arena.

use crate::device::{ALIGN, element_bytes};
use crate::op::Op;
use crate::tape::Node;

/// The span of steps during which a result must stay where it is, and its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetime {
    node: usize,
    bytes: usize,
    born: usize,
    dies: usize,
}

/// Of every node, the one in whose memory its result lies, and how many bytes from its beginning.
pub(super) struct Lying {
    pub(super) root: Vec<usize>,
    pub(super) offset: Vec<usize>,
}

impl Lying {
    /// A reshape moves nothing: it lies where its input does, and so does a part of it.
    pub(super) fn of(nodes: &[Node], real: usize) -> Self {
        let mut lying = Self { root: (0..nodes.len()).collect(), offset: vec![0; nodes.len()] };
        for (id, node) in nodes.iter().enumerate() {
            let Some(&input) = node.inputs.first().filter(|_| node.op.moves_nothing()) else { continue };
            let from = if let Op::Part(from) = node.op { from * element_bytes(node.dtype, real) } else { 0 };
            (lying.root[id], lying.offset[id]) = (lying.root[input], lying.offset[input] + from);
        }
        lying
    }

    /// How long each result must stay.
    pub(super) fn lifetimes(&self, nodes: &[Node], outputs: &[usize], real: usize) -> Vec<Lifetime> {
        let mut dies: Vec<usize> = (0..nodes.len()).collect();
        for (id, node) in nodes.iter().enumerate() {
            for &input in &node.inputs {
                dies[self.root[input]] = id;
            }
        }
        for &output in outputs {
            dies[self.root[output]] = nodes.len();
        }
        (0..nodes.len())
            .filter(|&id| self.root[id] == id)
            .filter(|&id| !matches!(nodes[id].op, Op::Leaf(_)) && !nodes[id].op.in_place())
            .map(|id| Lifetime { node: id, bytes: bytes_of(&nodes[id], real), born: id, dies: dies[id] })
            .collect()
    }
}

/// The bytes that a node's result takes.
pub(super) fn bytes_of(node: &Node, real: usize) -> usize {
    (node.shape.numel() * element_bytes(node.dtype, real)).max(1).next_multiple_of(ALIGN)
}

/// The most bytes that must be somewhere at a time: no arena is smaller.
pub(super) fn most_at_a_time(lifetimes: &[Lifetime]) -> usize {
    // Before anything dies, what is born at the same step is there.
    let mut changes: Vec<(usize, isize)> = Vec::new();
    for life in lifetimes {
        changes.extend([(life.born, life.bytes as isize), (life.dies + 1, -(life.bytes as isize))]);
    }
    changes.sort_unstable();
    let mut held = 0;
    let sums = changes.into_iter().map(|(_, change)| {
        held += change;
        held
    });
    sums.max().unwrap_or(0) as usize
}

/// Offsets by node and the bytes of the arena: the largest first, each at the lowest offset that
/// is free throughout its life.
pub(super) fn place(lifetimes: &[Lifetime], nodes: usize, share: bool) -> (Vec<Option<usize>>, usize) {
    let mut order: Vec<&Lifetime> = lifetimes.iter().collect();
    order.sort_by_key(|l| (std::cmp::Reverse(l.bytes), l.born));
    let mut offsets = vec![None; nodes];
    let mut placed: Vec<(usize, &Lifetime)> = Vec::new();
    let mut end = 0;
    for life in order {
        let mut offset = if share { 0 } else { end };
        // `placed` is sorted by offset, so one walk finds the first gap.
        for &(start, other) in &placed {
            let overlap = other.born <= life.dies && life.born <= other.dies;
            if overlap && start < offset + life.bytes && offset < start + other.bytes {
                offset = start + other.bytes;
            }
        }
        let at = placed.partition_point(|&(start, _)| start <= offset);
        placed.insert(at, (offset, life));
        offsets[life.node] = Some(offset);
        end = end.max(offset + life.bytes);
    }
    (offsets, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_alive_together_never_overlap() {
        // Lifetimes as an arbitrary but fixed pattern.
        let lives: Vec<Lifetime> = (0..200)
            .map(|i| {
                let born = (i * 37) % 150;
                Lifetime { node: i, bytes: ALIGN * (1 + (i * 53) % 17), born, dies: born + (i * 29) % 40 }
            })
            .collect();
        let (offsets, end) = place(&lives, lives.len(), true);
        let apart: usize = lives.iter().map(|l| l.bytes).sum();
        assert!(end < apart, "nothing was shared: {end} of {apart}");
        let held = |step: usize| -> usize {
            lives.iter().filter(|l| l.born <= step && step <= l.dies).map(|l| l.bytes).sum()
        };
        assert_eq!(Some(most_at_a_time(&lives)), (0..200).map(held).max());
        assert!(end >= most_at_a_time(&lives));
        for a in &lives {
            for b in lives.iter().filter(|b| b.node > a.node && b.born <= a.dies && a.born <= b.dies) {
                let (x, y) = (offsets[a.node].unwrap_or(0), offsets[b.node].unwrap_or(0));
                assert!(x + a.bytes <= y || y + b.bytes <= x, "{a:?} and {b:?} at {x} and {y}");
            }
        }
    }
}
