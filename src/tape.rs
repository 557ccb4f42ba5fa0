//! The tape: a step, recorded as a list of operations.
//!
//! Recording computes nothing. A [`Tape`] is an arena of [`Node`]s whose ids are a topological
//! order by construction, and a [`Var`] is a copyable handle to one of them, so that formulas read
//! like mathematics. `plan/` decides where results live, a device computes them.

use std::cell::RefCell;
use std::fmt;

use crate::op::{DType, LeafId, Op};
use crate::shape::Shape;

/// One recorded operation and what its result looks like.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    /// What is computed.
    pub op: Op,
    /// The ids of the inputs, all smaller than this node's own.
    pub inputs: Vec<usize>,
    /// The shape of the result; `[0]` for ops that work in place.
    pub shape: Shape,
    /// The element type of the result.
    pub dtype: DType,
}

/// A recorded step.
#[derive(Default)]
pub struct Tape {
    nodes: RefCell<Vec<Node>>,
}

/// A handle to the result of a recorded operation.
#[derive(Clone, Copy)]
pub struct Var<'t> {
    tape: &'t Tape,
    id: usize,
}

impl Tape {
    /// An empty tape.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Records an operation. Shape rules are the callers' (`ops.rs`).
    pub(crate) fn push(&self, op: Op, inputs: &[Var<'_>], shape: Shape, dtype: DType) -> Var<'_> {
        let mut nodes = self.nodes.borrow_mut();
        for input in inputs {
            assert!(std::ptr::eq(input.tape, self), "{}: an input lives on another tape", op.name());
        }
        nodes.push(Node { op, inputs: inputs.iter().map(|v| v.id).collect(), shape, dtype });
        Var { tape: self, id: nodes.len() - 1 }
    }

    /// A tensor that lives outside the step.
    pub fn leaf(&self, id: LeafId, shape: Shape, dtype: DType) -> Var<'_> {
        self.push(Op::Leaf(id), &[], shape, dtype)
    }

    /// A tensor with one value everywhere.
    pub fn fill(&self, value: f64, shape: impl Into<Shape>) -> Var<'_> {
        self.push(Op::Fill(value), &[], shape.into(), DType::Real)
    }

    /// The recorded nodes, in order.
    #[must_use]
    pub fn nodes(&self) -> Vec<Node> {
        self.nodes.borrow().clone()
    }

    /// One recorded node.
    pub(crate) fn node(&self, id: usize) -> Node {
        self.nodes.borrow()[id].clone()
    }

    /// Number of recorded nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.borrow().len()
    }

    /// True before the first recording.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The variable of a node.
    pub(crate) fn var(&self, id: usize) -> Var<'_> {
        Var { tape: self, id }
    }

    /// Which nodes up to `last` depend on one of `roots` (the roots included).
    pub(crate) fn descendants(&self, roots: &[Var<'_>], last: usize) -> Vec<bool> {
        let nodes = self.nodes.borrow();
        let mut needed = vec![false; last + 1];
        for root in roots {
            if root.id <= last {
                needed[root.id] = true;
            }
        }
        for id in 0..=last {
            needed[id] = needed[id] || nodes[id].inputs.iter().any(|&i| needed[i]);
        }
        needed
    }
}

impl<'t> Var<'t> {
    /// The tape this variable lives on.
    #[must_use]
    pub fn tape(self) -> &'t Tape {
        self.tape
    }

    /// The node id.
    #[must_use]
    pub fn id(self) -> usize {
        self.id
    }

    /// The shape of the result.
    #[must_use]
    pub fn shape(self) -> Shape {
        self.tape.nodes.borrow()[self.id].shape
    }

    /// The element type of the result.
    #[must_use]
    pub fn dtype(self) -> DType {
        self.tape.nodes.borrow()[self.id].dtype
    }
}

impl fmt::Debug for Var<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}{:?}", self.id, self.shape())
    }
}
