//! A recorded step, made ready to run again and again.
//!
//! Shapes never change during training, so everything is decided once: which nodes matter, when
//! each result is last read, and where in one shared arena it lies. Replaying allocates nothing on
//! the device. [`Plan::eager`] keeps every node and gives each a place of its own; that it agrees
//! with [`Plan::new`] bit for bit is the test of this file.

use std::time::Duration;

use crate::device::{ALIGN, BufferId, Place, element_bytes};
use crate::error::Result;
use crate::op::{Binary, DType, LeafId, Leg, Op, Unary};
use crate::shape::Shape;
use crate::store::Store;
use crate::tape::{Node, Tape, Var};

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

/// The span of steps during which a result must stay where it is, and its bytes.
#[derive(Clone, Copy, Debug)]
struct Lifetime {
    node: usize,
    bytes: usize,
    born: usize,
    dies: usize,
}

/// A step with places for everything.
pub struct Plan {
    steps: Vec<Step>,
    outputs: Vec<Slot>,
    arena_bytes: usize,
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
        let mut live = vec![true; nodes.len()];
        if share {
            live = live_nodes(&nodes, outputs);
            fuse_bias(&mut nodes, &live, outputs);
            live = live_nodes(&nodes, outputs);
        }
        // A reshape moves nothing: it lives where its input lives.
        let mut root: Vec<usize> = (0..nodes.len()).collect();
        for (id, node) in nodes.iter().enumerate() {
            if node.op == Op::Reshape {
                root[id] = root[node.inputs[0]];
            }
        }
        let lifetimes = lifetimes(&nodes, &live, &root, outputs, store);
        let (offsets, arena_bytes) = place(&lifetimes, nodes.len(), share);
        let slot = |id: usize| {
            let home = match nodes[root[id]].op {
                Op::Leaf(leaf) => Home::Leaf(leaf),
                _ => offsets[root[id]].map_or(Home::Nowhere, Home::Arena),
            };
            Slot { home, shape: nodes[id].shape, dtype: nodes[id].dtype }
        };
        let mut flops = 0;
        let mut steps = Vec::new();
        for (id, node) in nodes.iter().enumerate().filter(|&(id, _)| live[id]) {
            if matches!(node.op, Op::Leaf(_) | Op::Reshape) {
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
        Self { steps, outputs: outputs.iter().map(|v| slot(v.id())).collect(), arena_bytes, flops }
    }

    /// Runs every step, in the order of recording.
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

/// What the outputs and the ops in place depend on.
fn live_nodes(nodes: &[Node], outputs: &[Var<'_>]) -> Vec<bool> {
    let mut live = vec![false; nodes.len()];
    for output in outputs {
        live[output.id()] = true;
    }
    for (id, node) in nodes.iter().enumerate().rev() {
        live[id] = live[id] || node.op.in_place();
        if live[id] {
            for &input in &node.inputs {
                live[input] = true;
            }
        }
    }
    live
}

/// Folds a bias, and a LeakyReLU after it, into the convolution before it, where nobody else
/// reads what is in between. The arithmetic is the same, two passes over memory are not.
fn fuse_bias(nodes: &mut [Node], live: &[bool], outputs: &[Var<'_>]) {
    let mut readers = vec![0; nodes.len()];
    for (_, node) in nodes.iter().enumerate().filter(|&(id, _)| live[id]) {
        for &input in &node.inputs {
            readers[input] += 1;
        }
    }
    for output in outputs {
        readers[output.id()] += 1;
    }
    for id in (0..nodes.len()).filter(|&id| live[id]) {
        let Some(&from) = nodes[id].inputs.first() else { continue };
        // The convolution moves to this place, so nothing it reads may change before.
        let moves = readers[from] == 1 && !nodes[from..id].iter().any(|n| n.op.in_place());
        let fused = match (nodes[id].op, nodes[from].op) {
            (Op::Binary(Binary::Add), Op::Conv(leg @ (Leg::Y | Leg::X), window)) => {
                let bias = nodes[id].inputs[1];
                let channels = nodes[id].shape.channels();
                let fits = nodes[bias].shape == Shape::from([channels]);
                fits.then_some((Op::ConvBias(leg, window, None), Some(bias)))
            }
            (Op::Unary(Unary::LeakyRelu(slope)), Op::ConvBias(leg, window, None)) => {
                Some((Op::ConvBias(leg, window, Some(slope)), None))
            }
            _ => None,
        };
        if let (Some((op, bias)), true) = (fused, moves) {
            let inputs = nodes[from].inputs.iter().copied().chain(bias).collect();
            (nodes[id].op, nodes[id].inputs) = (op, inputs);
        }
    }
}

fn lifetimes(
    nodes: &[Node],
    live: &[bool],
    root: &[usize],
    outputs: &[Var<'_>],
    store: &Store,
) -> Vec<Lifetime> {
    let mut dies: Vec<usize> = (0..nodes.len()).collect();
    for (id, node) in nodes.iter().enumerate().filter(|&(id, _)| live[id]) {
        for &input in &node.inputs {
            dies[root[input]] = id;
        }
    }
    for output in outputs {
        dies[root[output.id()]] = nodes.len();
    }
    (0..nodes.len())
        .filter(|&id| live[id] && root[id] == id)
        .filter(|&id| !matches!(nodes[id].op, Op::Leaf(_)) && !nodes[id].op.in_place())
        .map(|id| {
            let element = element_bytes(nodes[id].dtype, store.element_bytes(DType::Real));
            let bytes = (nodes[id].shape.numel() * element).max(1).next_multiple_of(ALIGN);
            Lifetime { node: id, bytes, born: id, dies: dies[id] }
        })
        .collect()
}

/// Offsets by node and the bytes of the arena: the largest first, each at the lowest offset that
/// is free throughout its life.
fn place(lifetimes: &[Lifetime], nodes: usize, share: bool) -> (Vec<Option<usize>>, usize) {
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
        for a in &lives {
            for b in lives.iter().filter(|b| b.node > a.node && b.born <= a.dies && a.born <= b.dies) {
                let (x, y) = (offsets[a.node].unwrap_or(0), offsets[b.node].unwrap_or(0));
                assert!(x + a.bytes <= y || y + b.bytes <= x, "{a:?} and {b:?} at {x} and {y}");
            }
        }
    }
}
