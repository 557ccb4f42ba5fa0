//! The nodes of a tape while a plan changes them, and who reads what.

use crate::op::Op;
use crate::shape::Shape;
use crate::tape::Node;

/// Nodes, of which those are live that outputs and ops in place depend on.
pub(super) struct Graph<'a> {
    nodes: &'a mut [Node],
    outputs: &'a [usize],
    live: Vec<bool>,
    /// Of every node, the live ones that read it; twice, if they do so twice.
    readers: Vec<Vec<usize>>,
    /// Of every node, how many ops in place come before it.
    changes: Vec<usize>,
}

impl<'a> Graph<'a> {
    pub(super) fn of(nodes: &'a mut [Node], outputs: &'a [usize]) -> Self {
        let mut live = vec![false; nodes.len()];
        for &output in outputs {
            live[output] = true;
        }
        let mut readers = vec![Vec::new(); nodes.len()];
        for (id, node) in nodes.iter().enumerate().rev() {
            live[id] |= node.op.in_place();
            if live[id] {
                for &input in &node.inputs {
                    live[input] = true;
                    readers[input].push(id);
                }
            }
        }
        let mut before = 0;
        let count = |node: &Node| {
            before += usize::from(node.op.in_place());
            before
        };
        let changes = nodes.iter().map(count).collect();
        Self { nodes, outputs, live, readers, changes }
    }

    /// Which nodes are live.
    pub(super) fn into_live(self) -> Vec<bool> {
        self.live
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn is_live(&self, id: usize) -> bool {
        self.live[id]
    }

    pub(super) fn op(&self, id: usize) -> Op {
        self.nodes[id].op
    }

    pub(super) fn inputs(&self, id: usize) -> &[usize] {
        &self.nodes[id].inputs
    }

    pub(super) fn shape(&self, id: usize) -> Shape {
        self.nodes[id].shape
    }

    pub(super) fn readers(&self, id: usize) -> &[usize] {
        &self.readers[id]
    }

    pub(super) fn is_output(&self, id: usize) -> bool {
        self.outputs.contains(&id)
    }

    /// Whether that node, and no output, is the only one that reads this one.
    pub(super) fn is_only_for(&self, id: usize, reader: usize) -> bool {
        self.readers[id] == [reader] && !self.is_output(id)
    }

    /// Whether nothing changes between two nodes: what the first reads, the second may read instead.
    pub(super) fn is_still(&self, from: usize, to: usize) -> bool {
        self.changes[from] == self.changes[to]
    }

    /// Makes a node another operation on other inputs; what nobody reads any more is dead.
    pub(super) fn replace(&mut self, id: usize, op: Op, inputs: &[usize]) {
        debug_assert!(inputs.iter().all(|&input| input < id), "{} reads what comes later", op.name());
        for &input in inputs {
            self.readers[input].push(id);
        }
        self.nodes[id].op = op;
        let before = std::mem::replace(&mut self.nodes[id].inputs, inputs.to_vec());
        for input in before {
            self.forget(input, id);
        }
    }

    /// The same with a result of another shape.
    pub(super) fn reshape(&mut self, id: usize, op: Op, inputs: &[usize], shape: Shape) {
        self.nodes[id].shape = shape;
        self.replace(id, op, inputs);
    }

    fn forget(&mut self, id: usize, reader: usize) {
        if let Some(at) = self.readers[id].iter().position(|&r| r == reader) {
            self.readers[id].swap_remove(at);
        }
        if self.readers[id].is_empty() && !self.is_output(id) {
            self.live[id] = false;
            for input in self.nodes[id].inputs.clone() {
                self.forget(input, id);
            }
        }
    }
}
