//! A recorded step, made ready to run again and again.
//!
//! Shapes never change during training, so everything is decided once: which nodes matter, in which
//! order they run, when each result is last read, and where in one shared arena it lies. Replaying
//! allocates nothing on the device. [`Plan::eager`] keeps every node and gives each a place of its own; that it agrees
//! with [`Plan::new`] is the test of this folder: bit for bit, but where a fold says otherwise.

mod fold;
mod formula;
mod graph;
mod norms;
mod order;
mod places;
mod storage;

use std::time::Duration;

use crate::device::{BufferId, Place, element_bytes};
use crate::error::Result;
use crate::op::{DType, LeafId, Op};
use crate::shape::Shape;
use crate::store::Store;
use crate::tape::{Tape, Var};
use places::{Lying, most_at_a_time, place};

/// Where a node's result lies.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Home {
    Leaf(LeafId),
    /// Byte offset in the arena.
    Arena(usize),
    /// An op in place has no result.
    Nowhere,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    home: Home,
    shape: Shape,
    dtype: DType,
}

impl Slot {
    fn place(&self, store: &Store, arena: BufferId) -> Place {
        let (buffer, offset) = match self.home {
            Home::Leaf(id) => (store.place(id).buffer, 0),
            Home::Arena(offset) => (arena, offset),
            Home::Nowhere => (arena, 0),
        };
        Place { buffer, offset, shape: self.shape, dtype: self.dtype }
    }
}

struct Step {
    op: Op,
    inputs: Vec<Slot>,
    output: Slot,
}

/// What one operation of a run asked of the device, and how long that took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Name of the operation.
    pub name: &'static str,
    /// Floating-point operations by the count of [`Op::flops`].
    pub flops: u64,
    /// Bytes of all inputs and of the result: what it moves if nothing is in a cache.
    pub bytes: u64,
    /// Time by the device's clock.
    pub time: Duration,
}

/// A step with places for everything.
pub struct Plan {
    steps: Vec<Step>,
    outputs: Vec<Slot>,
    arena_bytes: usize,
    held_bytes: usize,
    flops: u64,
}

impl Plan {
    /// Plans the nodes that the outputs and the ops in place depend on, sharing memory between
    /// results whose lifetimes do not overlap. Outputs stay readable until the next run.
    #[must_use]
    pub fn new(tape: &Tape, outputs: &[Var<'_>], store: &Store) -> Self {
        Self::with_sharing(tape, outputs, store, true)
    }

    /// Plans every node, each in a place of its own, in the order of recording.
    #[must_use]
    pub fn eager(tape: &Tape, outputs: &[Var<'_>], store: &Store) -> Self {
        Self::with_sharing(tape, outputs, store, false)
    }

    fn with_sharing(tape: &Tape, outputs: &[Var<'_>], store: &Store, share: bool) -> Self {
        let mut nodes = tape.nodes();
        let mut outputs: Vec<usize> = outputs.iter().map(|v| v.id()).collect();
        let real = store.element_bytes(DType::Real);
        if share {
            let live = fold::fold(&mut nodes, &outputs);
            storage::store_in_bf16(&mut nodes, &live, &outputs, store.asked());
            (nodes, outputs) = order::ordered(nodes, &live, &outputs, real);
        }
        let lying = Lying::of(&nodes, real);
        let lifetimes = lying.lifetimes(&nodes, &outputs, real);
        let (offsets, arena_bytes) = place(&lifetimes, nodes.len(), share);
        let slot = |id: usize| {
            let home = match nodes[lying.root[id]].op {
                Op::Leaf(leaf) => Home::Leaf(leaf),
                _ => offsets[lying.root[id]].map_or(Home::Nowhere, |at| Home::Arena(at + lying.offset[id])),
            };
            Slot { home, shape: nodes[id].shape, dtype: nodes[id].dtype }
        };
        let mut flops = 0;
        let mut steps = Vec::new();
        for (id, node) in nodes.iter().enumerate() {
            if node.op.moves_nothing() {
                continue;
            }
            let shapes: Vec<Shape> = node.inputs.iter().map(|&i| nodes[i].shape).collect();
            flops += node.op.flops(&shapes, &node.shape);
            steps.push(Step {
                op: node.op,
                inputs: node.inputs.iter().map(|&i| slot(i)).collect(),
                output: slot(id),
            });
        }
        let outputs = outputs.into_iter().map(slot).collect();
        Self { steps, outputs, arena_bytes, held_bytes: most_at_a_time(&lifetimes), flops }
    }

    /// Runs every step, in the order of the plan.
    ///
    /// # Errors
    /// If the device fails.
    pub fn run(&self, store: &mut Store) -> Result<()> {
        let arena = store.arena(self.arena_bytes)?;
        let mut inputs = Vec::with_capacity(8);
        for step in &self.steps {
            inputs.clear();
            inputs.extend(step.inputs.iter().map(|slot| slot.place(store, arena)));
            let output = step.output.place(store, arena);
            store.device().run(&step.op, &inputs, &output)?;
        }
        Ok(())
    }

    /// Runs every step on its own, waiting for each, and says what each took.
    ///
    /// # Errors
    /// If the device fails.
    pub fn profile(&self, store: &mut Store) -> Result<Vec<Cost>> {
        let arena = store.arena(self.arena_bytes)?;
        let real = store.element_bytes(DType::Real);
        let mut costs = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let inputs: Vec<Place> = step.inputs.iter().map(|slot| slot.place(store, arena)).collect();
            let output = step.output.place(store, arena);
            let timer = store.device().start_timer()?;
            store.device().run(&step.op, &inputs, &output)?;
            let time = store.device().stop_timer(timer)?;
            let shapes: Vec<Shape> = inputs.iter().map(|place| place.shape).collect();
            let bytes = |place: &Place| (place.shape.numel() * element_bytes(place.dtype, real)) as u64;
            costs.push(Cost {
                name: step.op.name(),
                flops: step.op.flops(&shapes, &output.shape),
                // What is changed in place is read and written.
                bytes: inputs
                    .iter()
                    .enumerate()
                    .map(|(i, place)| bytes(place) * (1 + u64::from(step.op.mutates(i))))
                    .sum::<u64>()
                    + bytes(&output),
                time,
            });
        }
        Ok(costs)
    }

    /// The bytes of an output of the last run.
    ///
    /// # Errors
    /// If the device fails.
    pub fn read_bytes(&self, store: &mut Store, output: usize) -> Result<Vec<u8>> {
        let arena = store.arena(self.arena_bytes)?;
        let place = self.outputs[output].place(store, arena);
        store.read_place(&place)
    }

    /// The values of a real output of the last run.
    ///
    /// # Errors
    /// If the device fails.
    pub fn read(&self, store: &mut Store, output: usize) -> Result<Vec<f64>> {
        let bytes = self.read_bytes(store, output)?;
        Ok(store.decode(&bytes))
    }

    /// The same in single precision.
    ///
    /// # Errors
    /// If the device fails.
    pub fn read_single(&self, store: &mut Store, output: usize) -> Result<Vec<f32>> {
        let bytes = self.read_bytes(store, output)?;
        Ok(store.decode_single(&bytes))
    }

    /// Bytes of the arena this plan needs.
    #[must_use]
    pub fn arena_bytes(&self) -> usize {
        self.arena_bytes
    }

    /// The most bytes of results that are alive at a time: no arena for these operations in this order is smaller.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Floating-point operations of one run, by the count of [`Op::flops`].
    #[must_use]
    pub fn flops(&self) -> u64 {
        self.flops
    }

    /// Number of operations of one run.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// True for a plan that does nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}
