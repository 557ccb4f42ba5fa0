//! The DCGAN pair: 4 x 4 kernels, stride 2, everywhere, or a critic of 3 x 3 kernels and means.
//!
//! With L levels the widest layer, at the base grid, has `width * 2^(L - 1)` channels; each doubling of
//! the image halves them. The generator normalises over the batch; the critic does not, since a
//! gradient penalty per sample and statistics over the batch contradict each other (Gulrajani et
//! al. 2017, section 4). A score has no bias: see [`super`].

use super::{
    Downsampling, Net, Norm, Parameter, Weights, base_features, batch_norm, filter, matrix, modulated,
    modulation, scale_and_shift, vector,
};
use crate::tape::Var;

/// Slope of the critic's LeakyReLU for negative inputs.
const SLOPE: f64 = 0.2;

/// Channels of the generator's features at the base grid times 2^level.
pub(super) fn channels(net: &Net, level: usize) -> usize {
    net.width << (net.levels() - 1 - level)
}

pub(super) fn generator_parameters(net: &Net, input: usize) -> Vec<Parameter> {
    let mut all = vec![matrix("linear.w", input, net.cells_an_input() * channels(net, 0))];
    for level in 0..net.levels() {
        let from = channels(net, level);
        all.extend(scale_and_shift(&format!("norm{level}"), from));
        all.extend(modulation(net, level, from));
        let to = if level + 1 < net.levels() { channels(net, level + 1) } else { net.classes };
        // Four of the sixteen taps reach any one pixel.
        all.push(filter(format!("up{level}.w"), [4, 4, to, from], 4 * from));
    }
    all.push(vector("logits.b".into(), net.classes, 0.0));
    all
}

pub(super) fn generator<'t>(
    net: &Net,
    weights: &Weights<'t>,
    input: Var<'t>,
    norm: &Norm<'_, 't>,
) -> Var<'t> {
    // No bias before a batch norm, which would take it out again.
    let mut x = base_features(net, input, |input| input.matmul(weights.get("linear.w")));
    for level in 0..net.levels() {
        x = modulated(net, weights, level, input, batch_norm(weights, &format!("norm{level}"), x, norm))
            .relu();
        x = x.conv_transpose(weights.get(&format!("up{level}.w")), [2, 2], [1, 1], [0, 0], net.border);
    }
    x + weights.get("logits.b")
}

pub(super) fn critic_parameters(net: &Net) -> Vec<Parameter> {
    let mut all = Vec::new();
    let mut from = net.classes;
    for level in 0..net.levels() {
        let to = net.width << level;
        let side = if pools(net, level) { 3 } else { 4 };
        all.push(filter(format!("conv{level}.w"), [side, side, from, to], side * side * from));
        all.push(vector(format!("conv{level}.b"), to, 0.0));
        from = to;
    }
    all.push(matrix("linear.w", net.cells() * from, 1));
    all
}

/// Whether a layer of the critic is a 3 x 3 filter and means of 2 x 2.
fn pools(net: &Net, level: usize) -> bool {
    net.downsampling == Downsampling::Pooled && level > 0
}

pub(super) fn critic_features<'t>(net: &Net, weights: &Weights<'t>, x: Var<'t>) -> Var<'t> {
    let mut x = x;
    for level in 0..net.levels() {
        let w = weights.get(&format!("conv{level}.w"));
        let convolved = if pools(net, level) {
            x.conv_mean_pool(w, net.border)
        } else {
            x.conv(w, [2, 2], [1, 1], net.border)
        };
        x = (convolved + weights.get(&format!("conv{level}.b"))).leaky_relu(SLOPE);
    }
    x
}
