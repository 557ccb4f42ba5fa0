//! The residual pair of Gulrajani et al. 2017 (their 64 x 64 network), at any size.
//!
//! Channels are `width` times at most 8, doubling with every halving of the image. A 1 x 1
//! convolution commutes with nearest-neighbour repetition and with block means, so the shortcuts
//! convolve the smaller of the two images.

use super::{
    Net, Norm, Parameter, Weights, base_features, batch_norm, filter, layer_norm, linear, matrix,
    scale_and_shift, vector,
};
use crate::shape::Shape;
use crate::tape::Var;

/// Most channels, in multiples of the width.
const MOST: usize = 8;

/// Channels where the image has been halved `halvings` times.
fn channels(net: &Net, halvings: usize) -> usize {
    net.width * MOST.min(1 << halvings)
}

/// Parameters of a residual block whose inner 3 x 3 convolutions go from -> middle -> to.
fn block(all: &mut Vec<Parameter>, name: &str, from: usize, middle: usize, to: usize) {
    all.extend(scale_and_shift(&format!("{name}.norm1"), from));
    all.push(filter(format!("{name}.conv1.w"), [3, 3, from, middle], 9 * from));
    all.extend(scale_and_shift(&format!("{name}.norm2"), middle));
    all.push(filter(format!("{name}.conv2.w"), [3, 3, middle, to], 9 * middle));
    all.push(vector(format!("{name}.conv2.b"), to, 0.0));
    all.push(filter(format!("{name}.shortcut.w"), [1, 1, from, to], 2 * from));
    all.push(vector(format!("{name}.shortcut.b"), to, 0.0));
}

fn conv3<'t>(net: &Net, weights: &Weights<'t>, name: &str, x: Var<'t>) -> Var<'t> {
    x.conv(weights.get(&format!("{name}.w")), [1, 1], [1, 1], net.border)
}

/// A convolution with bias, 3 x 3 or 1 x 1 by the filter's own extent.
fn biased<'t>(net: &Net, weights: &Weights<'t>, name: &str, x: Var<'t>) -> Var<'t> {
    let w = weights.get(&format!("{name}.w"));
    let pad = w.shape()[0] / 2;
    x.conv(w, [1, 1], [pad, pad], net.border) + weights.get(&format!("{name}.b"))
}

pub(super) fn generator_parameters(net: &Net, input: usize) -> Vec<Parameter> {
    let levels = net.levels();
    let widest = channels(net, levels - 1);
    let features = net.cells_an_input() * widest;
    let mut all = vec![matrix("linear.w", input, features), vector("linear.b".into(), features, 0.0)];
    let mut from = widest;
    for level in 0..levels {
        let to = channels(net, levels - 1 - level);
        block(&mut all, &format!("block{level}"), from, to, to);
        from = to;
    }
    all.extend(scale_and_shift("norm", from));
    all.push(filter("logits.w".into(), [3, 3, from, net.classes], 9 * from));
    all.push(vector("logits.b".into(), net.classes, 0.0));
    all
}

pub(super) fn generator<'t>(
    net: &Net,
    weights: &Weights<'t>,
    input: Var<'t>,
    norm: &Norm<'_, 't>,
) -> Var<'t> {
    let mut x = base_features(net, input, |input| linear(weights, "linear", input));
    for level in 0..net.levels() {
        let name = format!("block{level}");
        let main = batch_norm(weights, &format!("{name}.norm1"), x, norm).relu().upsample(2);
        let main = conv3(net, weights, &format!("{name}.conv1"), main);
        let main = batch_norm(weights, &format!("{name}.norm2"), main, norm).relu();
        let main = biased(net, weights, &format!("{name}.conv2"), main);
        x = main + biased(net, weights, &format!("{name}.shortcut"), x).upsample(2);
    }
    biased(net, weights, "logits", batch_norm(weights, "norm", x, norm).relu())
}

pub(super) fn critic_parameters(net: &Net) -> Vec<Parameter> {
    let mut all = vec![
        filter("input.w".into(), [3, 3, net.classes, net.width], 9 * net.classes),
        vector("input.b".into(), net.width, 0.0),
    ];
    for level in 0..net.levels() {
        let (from, to) = (channels(net, level), channels(net, level + 1));
        block(&mut all, &format!("block{level}"), from, from, to);
    }
    all.push(matrix("linear.w", net.cells() * channels(net, net.levels()), 1));
    all.push(vector("linear.b".into(), 1, 0.0));
    all
}

pub(super) fn critic<'t>(net: &Net, weights: &Weights<'t>, x: Var<'t>) -> Var<'t> {
    let n = x.shape()[0];
    let mut x = biased(net, weights, "input", x);
    for level in 0..net.levels() {
        let name = format!("block{level}");
        let main = layer_norm(weights, &format!("{name}.norm1"), x).relu();
        let main = conv3(net, weights, &format!("{name}.conv1"), main);
        let main = layer_norm(weights, &format!("{name}.norm2"), main).relu();
        let main = biased(net, weights, &format!("{name}.conv2"), main).mean_pool(2);
        x = main + biased(net, weights, &format!("{name}.shortcut"), x.mean_pool(2));
    }
    let features = x.shape().numel() / n;
    linear(weights, "linear", x.reshape(Shape::from([n, features])))
}
