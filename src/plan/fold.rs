//! What a plan makes of the operations of a tape: fewer, which pass over memory less often.
//!
//! Every rule looks at one node and what it reads, and moves the work of both to the later one. It may do so
//! where nobody else reads what is in between, and where no op in place comes between them. Results
//! keep their bits unless a rule says otherwise; tests/folds holds each against [`super::Plan::eager`].

use std::collections::HashMap;

use super::graph::Graph;
use super::norms::{norm_relu, norm_relu_grad};
use crate::device::ALIGN;
use crate::op::{Binary, Leg, Op, Second, Unary};
use crate::shape::{MAX_RANK, Shape};
use crate::tape::Node;

/// The rules, each over all nodes, in this order.
const RULES: [fn(&mut Graph<'_>, usize); 8] =
    [concat, norm_relu, norm_relu_grad, norm_add, upsample_add, conv_bias, conv_gate, part];

/// Real numbers from which on a tensor is aligned, in the narrowest type they have.
pub(super) const ALIGNED: usize = ALIGN / size_of::<f32>();

/// Folds the nodes that outputs and ops in place depend on, and says which are left.
pub(super) fn fold(nodes: &mut [Node], outputs: &[usize]) -> Vec<bool> {
    merge_twins(nodes);
    let mut graph = Graph::of(nodes, outputs);
    for rule in RULES {
        for id in 0..graph.len() {
            if graph.is_live(id) {
                rule(&mut graph, id);
            }
        }
    }
    graph.into_live()
}

/// Who reads one of several nodes that compute the same of the same reads the first of them, and what is computed of
/// a constant is one.
fn merge_twins(nodes: &mut [Node]) {
    let mut first = HashMap::new();
    let mut twin: Vec<usize> = (0..nodes.len()).collect();
    let mut changes = 0;
    for id in 0..nodes.len() {
        let (before, rest) = nodes.split_at_mut(id);
        let node = &mut rest[0];
        for input in &mut node.inputs {
            *input = twin[*input];
        }
        if let Some((op, inputs)) = of_constant(node, before) {
            (node.op, node.inputs) = (op, inputs);
        }
        if node.op == Op::Detach {
            // The same numbers: who reads it reads them.
            twin[id] = node.inputs[0];
        } else if node.op.in_place() {
            changes += 1;
        } else {
            // As text, in which 0 and -0 are two numbers.
            twin[id] = *first.entry(format!("{changes} {node:?}")).or_insert(id);
        }
    }
}

/// What a node that reads a constant is instead: another constant, or what scales its other input by it.
fn of_constant(node: &Node, before: &[Node]) -> Option<(Op, Vec<usize>)> {
    let constant = |id: usize| if let Op::Fill(value) = before[id].op { Some(value) } else { None };
    let value = match (node.op, &node.inputs[..]) {
        (Op::Unary(Unary::Neg), &[x]) => -constant(x)?,
        (Op::Unary(Unary::Scale(by)), &[x]) => product(constant(x)?, by)?,
        (Op::Broadcast | Op::Reshape, &[x]) => constant(x)?,
        (Op::Binary(Binary::Mul), &[a, b]) => {
            let scaled = |(x, by): (usize, usize)| Some((Op::Unary(Unary::Scale(constant(by)?)), vec![x]));
            let mut whole = [(a, b), (b, a)].into_iter().filter(|&(x, _)| before[x].shape == node.shape);
            return whole.find_map(scaled);
        }
        _ => return None,
    };
    Some((Op::Fill(value), Vec::new()))
}

/// The product, if a device of single precision, which rounds the factors first, would have the same.
fn product(a: f64, b: f64) -> Option<f64> {
    (a as f32 * b as f32 == (a * b) as f32).then_some(a * b)
}

/// Tensors that are padded into one another's zeros and added lie beside each other: they are copied there.
fn concat(graph: &mut Graph<'_>, id: usize) {
    let (Op::Binary(Binary::Add), &[a, b]) = (graph.op(id), graph.inputs(id)) else { return };
    let (Op::Pad(start_a), Op::Pad(start_b)) = (graph.op(a), graph.op(b)) else { return };
    if ![a, b].iter().all(|&pad| graph.is_only_for(pad, id) && graph.is_still(pad, id)) {
        return;
    }
    let parts = [(graph.inputs(a)[0], start_a), (graph.inputs(b)[0], start_b)];
    let beside = |axis: usize, [(a, start_a), (b, start_b)]: [(usize, [usize; MAX_RANK]); 2]| {
        let (a, b) = (graph.shape(a), graph.shape(b));
        let alike = |i: usize| a[i] == b[i] && start_a[i] == start_b[i];
        start_a[axis] + a[axis] == start_b[axis] && (0..a.rank()).all(|i| i == axis || alike(i))
    };
    let [p, q] = parts;
    let found = (0..graph.shape(id).rank()).find_map(|axis| {
        [[p, q], [q, p]].into_iter().find(|&parts| beside(axis, parts)).map(|parts| (axis, parts))
    });
    let Some((axis, [(first, start), (second, _)])) = found else { return };
    let mut dims = graph.shape(first).to_vec();
    dims[axis] += graph.shape(second)[axis];
    let (op, joined) = (Op::Concat(axis), Shape::new(&dims));
    if joined == graph.shape(id) {
        graph.replace(id, op, &[first, second]);
    } else {
        // Part of a longer one.
        let at = a.max(b);
        graph.reshape(at, op, &[first, second], joined);
        graph.replace(id, Op::Pad(start), &[at]);
    }
}

/// A bias, and a LeakyReLU after it, join the convolution before them.
fn conv_bias(graph: &mut Graph<'_>, id: usize) {
    let Some(&from) = graph.inputs(id).first() else { return };
    let alike = graph.shape(from) == graph.shape(id);
    if !(alike && graph.is_only_for(from, id) && graph.is_still(from, id)) {
        return;
    }
    let (op, bias) = match (graph.op(id), graph.op(from)) {
        (Op::Binary(Binary::Add), Op::Conv(leg @ (Leg::Y | Leg::X), window)) => {
            let bias = graph.inputs(id)[1];
            if graph.shape(bias) != Shape::from([graph.shape(id).channels()]) {
                return;
            }
            (Op::ConvBias(leg, window, None), Some(bias))
        }
        (Op::Unary(Unary::LeakyRelu(slope)), Op::ConvBias(leg, window, None)) => {
            (Op::ConvBias(leg, window, Some(slope)), None)
        }
        _ => return,
    };
    let inputs: Vec<usize> = graph.inputs(from).iter().copied().chain(bias).collect();
    graph.replace(id, op, &inputs);
}

/// The mask of a LeakyReLU joins the convolution that makes the cotangent it is for.
fn conv_gate(graph: &mut Graph<'_>, id: usize) {
    let (Op::Binary(Binary::Gate(slope)), &[gate, from]) = (graph.op(id), graph.inputs(id)) else { return };
    let Op::Conv(leg @ (Leg::Y | Leg::X), window) = graph.op(from) else { return };
    let alike = graph.shape(gate) == graph.shape(id) && graph.shape(from) == graph.shape(id);
    if alike && graph.is_only_for(from, id) && graph.is_still(from, id) {
        let [a, b] = [graph.inputs(from)[0], graph.inputs(from)[1]];
        graph.replace(id, Op::ConvGate(leg, window, slope), &[a, b, gate]);
    }
}

/// What is added to the derivative of a normalised field joins the pass that makes it; repeated pixels do as they are
/// before.
fn norm_add(graph: &mut Graph<'_>, id: usize) {
    let takes = |op, inputs| match op {
        Op::NormReluGrad(..) => inputs == 6,
        Op::NormReluSecond(Second::ByX, ..) => inputs == 8,
        _ => false,
    };
    let Some((from, other)) = summand(graph, id, takes) else { return };
    let repeated = matches!(graph.op(other), Op::Upsample(_))
        && graph.inputs(other).len() == 1
        && graph.is_only_for(other, id)
        && graph.is_still(other, id);
    let other = if repeated { graph.inputs(other)[0] } else { other };
    let inputs: Vec<usize> = graph.inputs(from).iter().copied().chain([other]).collect();
    graph.replace(id, graph.op(from), &inputs);
}

/// What is added to repeated pixels joins the pass that repeats them.
fn upsample_add(graph: &mut Graph<'_>, id: usize) {
    let takes = |op, inputs| matches!(op, Op::Upsample(_)) && inputs == 1;
    let Some((from, other)) = summand(graph, id, takes) else { return };
    graph.replace(id, graph.op(from), &[graph.inputs(from)[0], other]);
}

/// Of a sum of two tensors of one shape, the one that an operation, of those asked for by it and how many inputs it
/// has, makes for nobody else; and the other.
fn summand(graph: &Graph<'_>, id: usize, takes: impl Fn(Op, usize) -> bool) -> Option<(usize, usize)> {
    let (Op::Binary(Binary::Add), &[a, b]) = (graph.op(id), graph.inputs(id)) else { return None };
    [(a, b), (b, a)].into_iter().find(|&(from, other)| {
        let alike = [from, other].iter().all(|&node| graph.shape(node) == graph.shape(id));
        let ours = graph.is_only_for(from, id) && graph.is_still(from, id);
        alike && ours && takes(graph.op(from), graph.inputs(from).len())
    })
}

/// A slice that lies in its input as it is, and begins where a tensor may, is not copied.
fn part(graph: &mut Graph<'_>, id: usize) {
    let (Op::Slice(start), &[from]) = (graph.op(id), graph.inputs(id)) else { return };
    let (whole, shape) = (graph.shape(from), graph.shape(id));
    // Behind the last axis that is cut all is there, before it there is one of each.
    let cut = (0..whole.rank()).rfind(|&axis| shape[axis] != whole[axis]).unwrap_or(0);
    let strides = whole.strides();
    let first: usize = (0..whole.rank()).map(|axis| start[axis] * strides[axis]).sum();
    let mut root = from;
    while graph.op(root).moves_nothing() && !graph.inputs(root).is_empty() {
        root = graph.inputs(root)[0];
    }
    // A leaf may change before the slice is read.
    let stays = !matches!(graph.op(root), Op::Leaf(_));
    if stays && first.is_multiple_of(ALIGNED) && shape[..cut].iter().all(|&extent| extent == 1) {
        graph.replace(id, Op::Part(first), &[from]);
    }
}
