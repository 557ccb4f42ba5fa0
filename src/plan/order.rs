//! When a plan's operations run, and which of them run twice, so that little is held at a time.
//!
//! Neither rule holds more at any moment than the order of recording, but for trifles, and results keep their bits:
//! - an operation waits until its result is read, unless more must be held for it meanwhile. The pass of real and
//!   generated images through the critic then begins where its own derivative does, after that of the penalty;
//! - where most is held, a result that passes over memory make is let go and made anew for its next reader, if all
//!   that it is made of is there by then anyway.

use super::places::{Lying, bytes_of};
use crate::op::Op;
use crate::tape::Node;

/// An operation waits even if that holds more, by less than this part of the largest result: scores of images, say,
/// until they are averaged.
const SLIGHT: usize = 1024;

/// What is made anew is at least this part of what is held.
const WORTHWHILE: usize = 64;

/// What may be held longer to make a result anew is at most this part of it.
const SMALL: usize = 16;

/// The live nodes in the order they run in, and the outputs among them.
pub(super) fn ordered(
    nodes: Vec<Node>,
    live: &[bool],
    outputs: &[usize],
    real: usize,
) -> (Vec<Node>, Vec<usize>) {
    let mut schedule = Schedule::of(nodes, live, outputs, real);
    schedule.wait();
    // Each time a result has fewer readers left, but what it is made of has more: at most once a node.
    while schedule.nodes.len() < 2 * schedule.recorded && schedule.make_anew() {}
    schedule.into_nodes()
}

/// Operations, and the order they run in.
struct Schedule<'a> {
    nodes: Vec<Node>,
    outputs: &'a [usize],
    order: Vec<usize>,
    real: usize,
    /// How many nodes there were at first; what is made anew comes behind them.
    recorded: usize,
    /// Of every node, how many ops in place come before it: it may not be moved across one.
    changes: Vec<usize>,
    /// Of every node, that in whose memory its result lies.
    root: Vec<usize>,
    /// Of every node, the bytes that its result takes beside all others.
    bytes: Vec<usize>,
    /// Of every node, those that read it, and of every root, those that read what lies there.
    readers: Vec<Vec<usize>>,
    uses: Vec<Vec<usize>>,
}

impl<'a> Schedule<'a> {
    fn of(nodes: Vec<Node>, live: &[bool], outputs: &'a [usize], real: usize) -> Self {
        let order: Vec<usize> = (0..nodes.len()).filter(|&id| live[id]).collect();
        let mut changes = vec![0; nodes.len()];
        let mut before = 0;
        for (id, node) in nodes.iter().enumerate() {
            changes[id] = before;
            before += usize::from(node.op.in_place());
        }
        let mut schedule = Self {
            recorded: nodes.len(),
            nodes,
            outputs,
            order,
            real,
            changes,
            root: Vec::new(),
            bytes: Vec::new(),
            readers: Vec::new(),
            uses: Vec::new(),
        };
        schedule.look();
        schedule
    }

    /// Finds out who reads what.
    fn look(&mut self) {
        let Self { nodes, order, real, .. } = self;
        self.root = Lying::of(nodes, *real).root;
        self.bytes = vec![0; nodes.len()];
        self.readers = vec![Vec::new(); nodes.len()];
        self.uses = vec![Vec::new(); nodes.len()];
        for &id in &*order {
            let node = &nodes[id];
            if !(node.op.moves_nothing() || node.op.in_place()) {
                self.bytes[id] = bytes_of(node, *real);
            }
            for &input in &node.inputs {
                self.readers[input].push(id);
                if !node.op.moves_nothing() {
                    self.uses[self.root[input]].push(id);
                }
            }
        }
    }

    /// Of every node its place in the order.
    fn places(&self) -> Vec<usize> {
        let mut places = vec![usize::MAX; self.nodes.len()];
        for (place, &id) in self.order.iter().enumerate() {
            places[id] = place;
        }
        places
    }

    fn is_output(&self, root: usize) -> bool {
        self.outputs.iter().any(|&output| self.root[output] == root)
    }

    /// The roots that a node reads, each once.
    fn roots_of(&self, id: usize) -> Vec<usize> {
        let mut roots: Vec<usize> = self.nodes[id].inputs.iter().map(|&input| self.root[input]).collect();
        roots.sort_unstable();
        roots.dedup();
        roots
    }

    /// Moves operations, the last first, to where their results are first read.
    fn wait(&mut self) {
        let mut places = self.places();
        let slight = self.bytes.iter().max().copied().unwrap_or(0) / SLIGHT;
        let changing: Vec<usize> =
            self.order.iter().copied().filter(|&id| self.nodes[id].op.in_place()).collect();
        for id in self.order.clone().into_iter().rev() {
            if self.nodes[id].op.in_place() || self.nodes[id].inputs.is_empty() && self.bytes[id] == 0 {
                continue;
            }
            // Until the first reader, or the op in place that comes before all of them.
            let change = changing.get(self.changes[id]);
            let Some(next) = self.readers[id].iter().chain(change).map(|&other| places[other]).min() else {
                continue;
            };
            let (from, roots) = (places[id], self.roots_of(id));
            let pays = |until: usize| {
                let held = roots.iter().map(|&root| self.held_for(root, id, until, &places));
                until > from + 1 && held.sum::<usize>() <= self.bytes[id] + slight
            };
            // Or else until something that it reads is read for the last time.
            let others = |&root: &usize| {
                let others = self.uses[root].iter().filter(|&&other| other != id);
                if self.bytes[root] == 0 { None } else { others.map(|&other| places[other]).max() }
            };
            let sooner = roots.iter().filter_map(others).min().filter(|&until| until < next);
            let Some(until) = [Some(next), sooner].into_iter().flatten().find(|&until| pays(until)) else {
                continue;
            };
            self.order[from..until].rotate_left(1);
            for place in from..until {
                places[self.order[place]] = place;
            }
        }
    }

    /// The bytes that are held until `next`, longer than otherwise, if a reader of a root waits until then:
    /// those of the root, or what they are made of, if that may wait too.
    fn held_for(&self, root: usize, reader: usize, next: usize, places: &[usize]) -> usize {
        let mut others = self.uses[root].iter().filter(|&&other| other != reader).peekable();
        let only = others.peek().is_none();
        if self.bytes[root] == 0 || self.is_output(root) || others.any(|&other| places[other] >= next) {
            return 0;
        }
        if !only || self.changes[root] != self.changes[reader] {
            return self.bytes[root];
        }
        let made_of = self.roots_of(root).into_iter().map(|r| self.held_for(r, root, next, places));
        made_of.sum::<usize>().min(self.bytes[root])
    }

    /// Where most is held, lets go of the largest result that can be made anew; false if there is none.
    fn make_anew(&mut self) -> bool {
        let places = self.places();
        let last = |root: usize| match self.is_output(root) {
            true => self.order.len(),
            false => self.uses[root].iter().map(|&reader| places[reader]).max().unwrap_or(places[root]),
        };
        let mut held = vec![0isize; self.order.len() + 1];
        for &id in self.order.iter().filter(|&&id| self.bytes[id] > 0) {
            held[places[id]] += self.bytes[id] as isize;
            if let Some(after) = held.get_mut(last(id) + 1) {
                *after -= self.bytes[id] as isize;
            }
        }
        let (mut most, mut peak, mut sum) = (0, 0, 0);
        for (place, change) in held.into_iter().enumerate() {
            sum += change;
            if sum > most {
                (most, peak) = (sum, place);
            }
        }
        // Of a result, its first reader behind the peak.
        let next = |id: usize| {
            let behind = self.uses[id].iter().filter(|&&reader| places[reader] > peak);
            behind.min_by_key(|&&reader| places[reader]).copied()
        };
        let there = |root: usize, reader: usize, bytes: usize| {
            self.bytes[root] == 0 || last(root) >= places[reader] || self.bytes[root] * SMALL <= bytes
        };
        let candidate = |id: usize| {
            let bytes = self.bytes[id];
            let reader = next(id)?;
            let rests = places[id] < peak && !self.uses[id].iter().any(|&reader| places[reader] == peak);
            // One that was made anew is not again: two of them before one reader would take turns for ever.
            let fits = rests
                && id < self.recorded
                && bytes * WORTHWHILE >= most as usize
                && passes_over(&self.nodes[id].op)
                && !self.is_output(id)
                && self.readers[id].len() == self.uses[id].len()
                && self.changes[id] == self.changes[reader]
                && self.roots_of(id).into_iter().all(|root| there(root, reader, bytes));
            fits.then_some((bytes, id, reader))
        };
        let Some((_, id, reader)) = self.order.iter().filter_map(|&id| candidate(id)).max() else {
            return false;
        };
        let at = places[reader];
        let behind: Vec<usize> =
            self.uses[id].iter().copied().filter(|&reader| places[reader] >= at).collect();
        let again = self.nodes.len();
        self.nodes.push(self.nodes[id].clone());
        self.changes.push(self.changes[id]);
        self.order.insert(at, again);
        for reader in behind {
            for input in self.nodes[reader].inputs.iter_mut().filter(|input| **input == id) {
                *input = again;
            }
        }
        self.look();
        true
    }

    /// The nodes in their order, numbered by it.
    fn into_nodes(self) -> (Vec<Node>, Vec<usize>) {
        let places = self.places();
        let renumbered = |&id: &usize| {
            let mut node = self.nodes[id].clone();
            node.inputs.iter_mut().for_each(|input| *input = places[*input]);
            node
        };
        let outputs = self.outputs.iter().map(|&output| places[output]).collect();
        (self.order.iter().map(renumbered).collect(), outputs)
    }
}

/// True for the ops that read their inputs and write their result once or twice, and do little beside.
fn passes_over(op: &Op) -> bool {
    matches!(
        op,
        Op::Fill(_)
            | Op::Unary(_)
            | Op::Binary(_)
            | Op::Broadcast
            | Op::Slice(_)
            | Op::Pad(_)
            | Op::Concat(_)
            | Op::SpreadTaps { .. }
            | Op::GatherTaps { .. }
            | Op::MeanPool(_)
            | Op::Upsample(_)
            | Op::Normalise(..)
            | Op::NormaliseGrad(..)
            | Op::NormRelu(..)
            | Op::NormReluGrad(..)
            | Op::Interpolate
            | Op::OneHot
    )
}
