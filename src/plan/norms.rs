//! Normalisation, scale, shift and LeakyReLU as one operation, and its derivative as two.

use super::fold::ALIGNED;
use super::graph::Graph;
use crate::op::{Binary, Op, Over, Unary};
use crate::shape::Shape;

/// LeakyReLU(normalise(x) gamma + beta) in one pass over x. Who else reads the normalised field computes it on
/// its own: reading it costs no less than reading x.
pub(super) fn norm_relu(graph: &mut Graph<'_>, id: usize) {
    let (Op::Unary(Unary::LeakyRelu(slope)), &[shifted]) = (graph.op(id), graph.inputs(id)) else { return };
    let (Op::Binary(Binary::Add), &[scaled, beta]) = (graph.op(shifted), graph.inputs(shifted)) else {
        return;
    };
    let (Op::Binary(Binary::Mul), &[field, gamma]) = (graph.op(scaled), graph.inputs(scaled)) else { return };
    let (Op::Normalise(over, eps), &[x, stats]) = (graph.op(field), graph.inputs(field)) else { return };
    let channels = Shape::from([graph.shape(id).channels()]);
    let fits = graph.shape(x) == graph.shape(id)
        && [gamma, beta].iter().all(|&vector| graph.shape(vector) == channels);
    let ours = graph.is_only_for(shifted, id) && graph.is_only_for(scaled, shifted);
    if fits && ours && graph.is_still(field, id) {
        graph.replace(id, Op::NormRelu(over, eps, slope), &[x, stats, gamma, beta]);
    }
}

/// The derivative of that over a batch, which the tape has in eight: of the cotangent g behind the
/// LeakyReLU's mask, sum g = d beta and sum g y = d gamma are the sums that the derivative by x needs too. The
/// mask and y are computed of x again. Sums are of other terms in another order: results differ by rounding.
pub(super) fn norm_relu_grad(graph: &mut Graph<'_>, id: usize) {
    let (Op::NormaliseGrad(Over::Batch, eps), &[x, stats, scaled]) = (graph.op(id), graph.inputs(id)) else {
        return;
    };
    let (Op::Binary(Binary::Mul), &[gated, gamma]) = (graph.op(scaled), graph.inputs(scaled)) else { return };
    let (Op::Binary(Binary::Gate(slope)), &[y, g]) = (graph.op(gated), graph.inputs(gated)) else { return };
    let &[same_x, same_stats, same_gamma, beta] = graph.inputs(y) else { return };
    if graph.op(y) != Op::NormRelu(Over::Batch, eps, slope)
        || [same_x, same_stats, same_gamma] != [x, stats, gamma]
        || graph.shape(g) != graph.shape(y)
        || !graph.is_only_for(scaled, id)
        // The sums take its place, and compute the mask anew.
        || graph.is_output(gated)
        || !graph.is_still(y, id)
    {
        return;
    }
    let channels = graph.shape(gamma);
    let is_sum = |node: usize| graph.op(node) == Op::SumTo && graph.shape(node) == channels;
    // The sum of g y, of a product with y normalised anew or kept.
    let weighted = |node: usize| {
        let (Op::Binary(Binary::Mul), &[same, field]) = (graph.op(node), graph.inputs(node)) else {
            return None;
        };
        let normalised = graph.op(field) == Op::Normalise(Over::Batch, eps)
            && *graph.inputs(field) == [x, stats]
            && graph.is_still(field, id);
        let &[sum] = graph.readers(node) else { return None };
        (same == gated && normalised && is_sum(sum) && graph.is_only_for(node, sum)).then_some(sum)
    };
    let others: Vec<usize> =
        graph.readers(gated).iter().copied().filter(|&reader| reader != scaled).collect();
    let &[one, other] = others.as_slice() else { return };
    let sums = match (weighted(one), weighted(other)) {
        (Some(d_gamma), None) if is_sum(other) => [other, d_gamma],
        (None, Some(d_gamma)) if is_sum(one) => [one, d_gamma],
        _ => return,
    };
    let row = channels[0].next_multiple_of(ALIGNED);
    let fields = [x, stats, gamma, beta, g];
    graph.replace(id, Op::NormReluGrad(eps, slope), &[x, stats, gamma, beta, g, gated]);
    for (i, sum) in sums.into_iter().enumerate() {
        graph.replace(sum, Op::Part(i * row), &[gated]);
    }
    graph.reshape(gated, Op::NormReluSums(eps, slope), &fields, Shape::from([2, row]));
}
