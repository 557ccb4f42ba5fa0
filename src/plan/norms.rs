//! Normalisation, scale, shift and LeakyReLU as one operation, and its derivatives as few.

use super::fold::ALIGNED;
use super::formula::{Formula, Found};
use super::graph::Graph;
use crate::device::LayerSums;
use crate::op::{Binary, Op, Over, Second, Unary};
use crate::shape::Shape;
use crate::vjp::normalise_grad_by_x;

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

/// The derivative of that, which the tape has in eight: of the cotangent g behind the LeakyReLU's mask, sum g =
/// d beta and sum g y = d gamma are, over a batch, the sums that the derivative by x needs too; of a layer it needs
/// those of each sample. The mask and y are computed of x again. Sums are of other terms in another order: results
/// differ by rounding.
///
/// Where that is derived again, as a gradient penalty does, the tape has a score of passes over a layer. Of h, the
/// cotangent of the derivative, three sums of each sample's channels give all that the others need.
pub(super) fn norm_relu_grad(graph: &mut Graph<'_>, id: usize) {
    let Some(of) = Derivative::at(graph, id) else { return };
    let Derivative { over, eps, slope, fields, gated, scaled, .. } = of;
    let [x, stats, gamma, beta, g] = fields;
    let (mut sums, mut second) = ([None; 2], None);
    for &reader in graph.readers(gated).iter().filter(|&&reader| reader != scaled) {
        match of.reading(graph, reader) {
            Some(Reading::Beta(sum)) => sums[0] = Some(sum),
            Some(Reading::Gamma(sum)) => sums[1] = Some(sum),
            Some(Reading::Second(sum, q)) if over == Over::Layer && second.is_none() => {
                second = Some((sum, q))
            }
            _ => return,
        }
    }
    let row = match over {
        // Over a batch one of the two is as much work as both.
        Over::Batch if sums.contains(&None) => return,
        Over::Batch => graph.shape(gamma)[0].next_multiple_of(ALIGNED),
        Over::Layer => LayerSums::of(&graph.shape(x)).row(),
    };
    let again = match second {
        Some((sum, q)) => {
            let Some(again) = of.again(graph, id, sum, q) else { return };
            Some(again)
        }
        None if graph.is_only_for(scaled, id) => None,
        None => return,
    };
    graph.replace(id, Op::NormReluGrad(over, eps, slope), &[x, stats, gamma, beta, g, gated]);
    for (i, sum) in sums.into_iter().enumerate() {
        if let Some(sum) = sum {
            graph.replace(sum, Op::Part(i * row), &[gated]);
        }
    }
    if let Some(Again { h, q, by_x, by_g, by_gamma }) = again {
        let op = |what| Op::NormReluSecond(what, eps, slope);
        graph.replace(by_x, op(Second::ByX), &[x, stats, gamma, beta, g, gated, h, q]);
        graph.replace(by_g, op(Second::ByG), &[x, stats, gamma, beta, h, q]);
        graph.replace(by_gamma, Op::Part(0), &[q]);
        graph.reshape(q, op(Second::Sums), &[x, stats, gamma, beta, g, gated, h], Shape::from([3, row]));
    }
    graph.reshape(gated, Op::NormReluSums(over, eps, slope), &fields, Shape::from([2, row]));
}

/// The derivative of a [`Op::NormRelu`] by x as the tape has it: that of the normalised field, of the cotangent g
/// behind the mask and times gamma.
struct Derivative {
    over: Over,
    eps: f64,
    slope: f64,
    /// x, its statistics, gamma, beta and g.
    fields: [usize; 5],
    /// The result that the mask is of.
    y: usize,
    /// g behind the mask, and that times gamma.
    gated: usize,
    scaled: usize,
}

/// What somebody else makes of g behind the mask.
enum Reading {
    /// This sum, the derivative by beta.
    Beta(usize),
    /// This sum, the derivative by gamma.
    Gamma(usize),
    /// This sum, of its product with the derivative of the normalised field once more.
    Second(usize, usize),
}

/// The derivatives of <h, D>, D being such a derivative.
struct Again {
    h: usize,
    /// The derivative of the normalised field, of h.
    q: usize,
    by_x: usize,
    by_g: usize,
    by_gamma: usize,
}

impl Derivative {
    fn at(graph: &Graph<'_>, id: usize) -> Option<Self> {
        let (Op::NormaliseGrad(over, eps), &[x, stats, scaled]) = (graph.op(id), graph.inputs(id)) else {
            return None;
        };
        let (Op::Binary(Binary::Mul), &[gated, gamma]) = (graph.op(scaled), graph.inputs(scaled)) else {
            return None;
        };
        let (Op::Binary(Binary::Gate(slope)), &[y, g]) = (graph.op(gated), graph.inputs(gated)) else {
            return None;
        };
        let &[same_x, same_stats, same_gamma, beta] = graph.inputs(y) else { return None };
        let fits = graph.op(y) == Op::NormRelu(over, eps, slope)
            && [same_x, same_stats, same_gamma] == [x, stats, gamma]
            && graph.shape(g) == graph.shape(y)
            // The sums take its place, and compute the mask anew.
            && !graph.is_output(gated)
            && graph.is_still(y, id);
        let fields = [x, stats, gamma, beta, g];
        fits.then_some(Self { over, eps, slope, fields, y, gated, scaled })
    }

    fn reading(&self, graph: &Graph<'_>, node: usize) -> Option<Reading> {
        let [x, stats, gamma, ..] = self.fields;
        let is_sum = |node: usize| {
            graph.op(node) == Op::SumTo
                && graph.shape(node) == graph.shape(gamma)
                && graph.is_still(self.y, node)
        };
        if is_sum(node) {
            return Some(Reading::Beta(node));
        }
        let (Op::Binary(Binary::Mul), &[a, b]) = (graph.op(node), graph.inputs(node)) else { return None };
        let &[sum] = graph.readers(node) else { return None };
        if !is_sum(sum) || !graph.is_only_for(node, sum) {
            return None;
        }
        // Of a product with y normalised anew or kept.
        let normalised = graph.op(b) == Op::Normalise(self.over, self.eps)
            && *graph.inputs(b) == [x, stats]
            && graph.is_still(b, sum);
        if a == self.gated && normalised {
            return Some(Reading::Gamma(sum));
        }
        let again =
            graph.op(a) == Op::NormaliseGrad(self.over, self.eps) && graph.inputs(a)[..2] == [x, stats];
        (b == self.gated && again).then_some(Reading::Second(sum, a))
    }

    /// The derivatives of <h, this>, given that by gamma and that of the normalised field, of h, if nobody reads
    /// what is in between.
    fn again(&self, graph: &Graph<'_>, id: usize, by_gamma: usize, q: usize) -> Option<Again> {
        let [x, stats, gamma, ..] = self.fields;
        let (h, product) = (graph.inputs(q)[2], graph.inputs(by_gamma)[0]);
        let others: Vec<usize> =
            graph.readers(q).iter().copied().filter(|&reader| reader != product).collect();
        let &[back] = others.as_slice() else { return None };
        let &[by_g] = graph.readers(back) else { return None };
        let scales = graph.op(back) == Op::Binary(Binary::Mul) && *graph.inputs(back) == [q, gamma];
        let masks = graph.op(by_g) == Op::Binary(Binary::Gate(self.slope))
            && *graph.inputs(by_g) == [self.y, back]
            && graph.is_only_for(back, by_g);
        if !scales || !masks || graph.is_output(q) || graph.is_output(self.scaled) {
            return None;
        }
        let (over, eps) = (self.over, self.eps);
        let shape = graph.shape(x);
        let formula = Formula::of(&[shape, graph.shape(stats), shape, shape], |v| {
            normalise_grad_by_x(v[0], v[1], v[2], v[3], over, eps)
        });
        let (by_x, Found { nodes, .. }) = (q + 1..graph.len())
            .filter(|&node| graph.is_live(node) && graph.op(node) == Op::Binary(Binary::Sub))
            .filter_map(|node| formula.at(graph, node).map(|found| (node, found)))
            .find(|(_, found)| found.inputs == [x, stats, self.scaled, h])?;
        let ours = graph.readers(self.scaled).iter().all(|reader| *reader == id || nodes.contains(reader));
        let still = [by_x, by_g].iter().all(|&node| graph.is_still(self.y, node));
        (ours && still).then_some(Again { h, q, by_x, by_g, by_gamma })
    }
}
