//! The residual pair of Gulrajani et al. 2017 (their 64 x 64 network), at any size.
//!
//! Channels are `width` times at most 8, doubling with every halving of the image. A 1 x 1
//! convolution commutes with nearest-neighbour repetition and with block means, so the shortcuts
//! convolve the smaller of the two images. For the same reason a 3 x 3 convolution beside either is one
//! of stride 2 with a 4 x 4 filter, and the larger image is never made.
//!
//! The sum of a block has a bias in the critic's blocks but the last: in the generator the constants
//! that blocks add to a channel run down the shortcuts into the last batch norm, which takes them out,
//! and behind the critic's last block they shift every score alike (see [`super`]).

use super::{
    Net, Norm, Parameter, Weights, base_features, batch_norm, filter, layer_norm, matrix, modulated,
    modulation, scale_and_shift, vector,
};
use crate::tape::Var;

/// Most channels, in multiples of the width.
const MOST: usize = 8;

/// Channels where the image has been halved `halvings` times.
fn channels(net: &Net, halvings: usize) -> usize {
    net.width * MOST.min(1 << halvings)
}

/// Parameters of a residual block whose inner 3 x 3 convolutions go from -> middle -> to. If `biased`,
/// the last convolution of either path has a bias.
fn block(all: &mut Vec<Parameter>, name: &str, [from, middle, to]: [usize; 3], biased: bool) {
    all.extend(scale_and_shift(&format!("{name}.norm1"), from));
    all.push(filter(format!("{name}.conv1.w"), [3, 3, from, middle], 9 * from));
    all.extend(scale_and_shift(&format!("{name}.norm2"), middle));
    for (path, filter) in [
        ("conv2", filter(format!("{name}.conv2.w"), [3, 3, middle, to], 9 * middle)),
        ("shortcut", filter(format!("{name}.shortcut.w"), [1, 1, from, to], 2 * from)),
    ] {
        all.push(filter);
        if biased {
            all.push(vector(format!("{name}.{path}.b"), to, 0.0));
        }
    }
}

/// A convolution, 3 x 3 or 1 x 1 by the filter's own extent.
fn conv<'t>(net: &Net, weights: &Weights<'t>, name: &str, x: Var<'t>) -> Var<'t> {
    let w = weights.get(&format!("{name}.w"));
    let pad = w.shape()[0] / 2;
    x.conv(w, [1, 1], [pad, pad], net.border)
}

/// The same with a bias.
fn biased<'t>(net: &Net, weights: &Weights<'t>, name: &str, x: Var<'t>) -> Var<'t> {
    conv(net, weights, name, x) + weights.get(&format!("{name}.b"))
}

pub(super) fn generator_parameters(net: &Net, input: usize) -> Vec<Parameter> {
    let levels = net.levels();
    let widest = channels(net, levels - 1);
    let features = net.cells_an_input() * widest;
    let mut all = vec![matrix("linear.w", input, features)];
    if !net.latent_map {
        // One number a channel of a cell; where all cells share their numbers the norm takes them out.
        all.push(vector("linear.b".into(), features, 0.0));
    }
    let mut from = widest;
    for level in 0..levels {
        let to = channels(net, levels - 1 - level);
        block(&mut all, &format!("block{level}"), [from, to, to], false);
        all.extend(modulation(net, level, from));
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
    let mut x = base_features(net, input, |input| {
        let features = input.matmul(weights.get("linear.w"));
        if net.latent_map { features } else { features + weights.get("linear.b") }
    });
    for level in 0..net.levels() {
        let name = format!("block{level}");
        let main = batch_norm(weights, &format!("{name}.norm1"), x, norm);
        let main = modulated(net, weights, level, input, main).relu();
        let main = main.upsample_conv(weights.get(&format!("{name}.conv1.w")), net.border);
        let main = batch_norm(weights, &format!("{name}.norm2"), main, norm).relu();
        let main = conv(net, weights, &format!("{name}.conv2"), main);
        x = main + conv(net, weights, &format!("{name}.shortcut"), x).upsample(2);
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
        let last = level + 1 == net.levels();
        block(&mut all, &format!("block{level}"), [from, from, to], !last);
    }
    all.push(matrix("linear.w", net.cells() * channels(net, net.levels()), 1));
    all
}

pub(super) fn critic_features<'t>(net: &Net, weights: &Weights<'t>, x: Var<'t>) -> Var<'t> {
    let mut x = biased(net, weights, "input", x);
    for level in 0..net.levels() {
        let name = format!("block{level}");
        let main = layer_norm(weights, &format!("{name}.norm1"), x).relu();
        let main = conv(net, weights, &format!("{name}.conv1"), main);
        let main = layer_norm(weights, &format!("{name}.norm2"), main).relu();
        let mut main = main.conv_mean_pool(weights.get(&format!("{name}.conv2.w")), net.border);
        let mut shortcut = conv(net, weights, &format!("{name}.shortcut"), x.mean_pool(2));
        if level + 1 < net.levels() {
            main = main + weights.get(&format!("{name}.conv2.b"));
            shortcut = shortcut + weights.get(&format!("{name}.shortcut.b"));
        }
        x = main + shortcut;
    }
    x
}
