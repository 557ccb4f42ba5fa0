//! A formula, looked for in the nodes of a plan: what records it also finds it.

use super::graph::Graph;
use crate::op::{DType, LeafId, Op};
use crate::shape::Shape;
use crate::tape::{Node, Tape, Var};

/// Recorded operations on inputs that stand for any nodes.
pub(super) struct Formula {
    nodes: Vec<Node>,
    result: usize,
    inputs: usize,
}

/// Where a formula was found.
pub(super) struct Found {
    /// The nodes that its inputs stand for.
    pub(super) inputs: Vec<usize>,
    /// The nodes that compute it of them, the result among them.
    pub(super) nodes: Vec<usize>,
}

impl Formula {
    /// Of inputs of these shapes.
    pub(super) fn of(shapes: &[Shape], build: impl for<'t> FnOnce(&[Var<'t>]) -> Var<'t>) -> Self {
        let tape = Tape::new();
        let inputs: Vec<Var<'_>> =
            shapes.iter().enumerate().map(|(i, &shape)| tape.leaf(LeafId(i), shape, DType::Real)).collect();
        let result = build(&inputs).id();
        Self { nodes: tape.nodes(), result, inputs: shapes.len() }
    }

    /// Where the node is this formula's result: the same operations of the same shapes, all the way to the inputs.
    pub(super) fn at(&self, graph: &Graph<'_>, id: usize) -> Option<Found> {
        let mut stands = vec![None; self.nodes.len()];
        if !self.matches(graph, self.result, id, &mut stands) {
            return None;
        }
        let (inputs, nodes) = stands.split_at(self.inputs);
        Some(Found {
            inputs: inputs.iter().copied().collect::<Option<_>>()?,
            nodes: nodes.iter().copied().flatten().collect(),
        })
    }

    /// Whether what node `mine` of the formula says is what the graph's node `id` computes, given what those found
    /// before stand for.
    fn matches(&self, graph: &Graph<'_>, mine: usize, id: usize, stands: &mut [Option<usize>]) -> bool {
        if let Some(known) = stands[mine] {
            return known == id;
        }
        let node = &self.nodes[mine];
        if node.shape != graph.shape(id) {
            return false;
        }
        stands[mine] = Some(id);
        let theirs = graph.inputs(id);
        matches!(node.op, Op::Leaf(_))
            || node.op == graph.op(id)
                && node.inputs.len() == theirs.len()
                && node.inputs.iter().zip(theirs).all(|(&mine, &id)| self.matches(graph, mine, id, stands))
    }
}
