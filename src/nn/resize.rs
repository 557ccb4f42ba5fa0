//! A generator without checkerboards: nearest neighbours and 3 x 3 filters (Odena, Dumoulin and Olah 2016),
//! against the critic of [`super::dcgan`].
//!
//! Of the free taps of a transposed convolution of stride 2 each parity of a pixel sees its own, and edges
//! come out dotted; these filters treat all pixels alike. As the repetition and the filter are one
//! convolution, the pair has the cost of the other, layer by layer of the same widths. The critic keeps its
//! free taps: block means would make it blind to what alternates from pixel to pixel.

use super::dcgan::channels;
use super::{
    Net, Norm, Parameter, Weights, base_features, batch_norm, filter, matrix, modulated, modulation,
    scale_and_shift, vector,
};
use crate::op::Border;
use crate::tape::Var;

pub(super) fn generator_parameters(net: &Net, input: usize) -> Vec<Parameter> {
    let mut all = vec![matrix("linear.w", input, net.cells_an_input() * channels(net, 0))];
    for level in 0..net.levels() {
        let from = channels(net, level);
        all.extend(scale_and_shift(&format!("norm{level}"), from));
        all.extend(modulation(net, level, from));
        if level + 1 < net.levels() {
            all.push(filter(format!("up{level}.w"), [3, 3, from, channels(net, level + 1)], 9 * from));
        }
    }
    all.push(filter("logits.w".into(), [3, 3, net.classes, net.width], 9 * net.width));
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
        if level + 1 < net.levels() {
            x = x.upsample_conv(weights.get(&format!("up{level}.w")), net.border);
        }
    }
    interpolated(x, weights.get("logits.w"), net.border) + weights.get("logits.b")
}

/// A 3 x 3 transposed convolution, filter `[3, 3, CO, CI]`, of x `[N, H, W, CI]` doubled by bilinear
/// interpolation between the centres of pixels, `[N, 2 H, 2 W, CO]`. That is a repetition of every pixel
/// after which [1, 2, 1] / 4 runs over rows and columns, in all a stride of 2 with the filter and three
/// boxes of 2 x 2, one after the other.
fn interpolated<'t>(x: Var<'t>, w: Var<'t>, border: Border) -> Var<'t> {
    let w = w.spread_taps(false).spread_taps(false).spread_taps(false).scale(1.0 / 16.0);
    x.conv_transpose(w, [2, 2], [2, 2], [0, 0], border)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::device::Cpu;
    use crate::gradcheck::numbers;
    use crate::plan::Plan;
    use crate::store::Store;
    use crate::tape::Tape;

    /// 3 x 3 transposed convolution of 3 x 4 pixels doubled: (fused, the other way round and step by step).
    fn both(x: &[f64], w: &[f64], border: Border) -> [Vec<f64>; 2] {
        let mut store = Store::new(Cpu::<f64>::new());
        let (x, w) = (store.add_real("x", [1, 3, 4, 2], x), store.add_real("w", [3, 3, 1, 2], w));
        // Bilinear interpolation is [1, 3, 3, 1] / 4 with stride 2, channel by channel.
        let line = [0.25, 0.75, 0.75, 0.25];
        let taps: Vec<f64> =
            (0..64).map(|i| if i / 2 % 2 == i % 2 { line[i / 16] * line[i / 4 % 4] } else { 0.0 }).collect();
        let taps = store.add_real("taps", [4, 4, 2, 2], &taps).unwrap();
        let tape = Tape::new();
        let [x, w, taps] = [x.unwrap(), w.unwrap(), taps].map(|leaf| store.var(&tape, leaf));
        let doubled = x.conv_transpose(taps, [2, 2], [1, 1], [0, 0], border);
        let apart = doubled.conv_transpose(w, [1, 1], [1, 1], [0, 0], border);
        let plan = Plan::new(&tape, &[interpolated(x, w, border), apart], &store);
        plan.run(&mut store).unwrap();
        [0, 1].map(|i| plan.read(&mut store, i).unwrap())
    }

    #[test]
    fn interpolation_and_filter_are_one_convolution() {
        let [fused, apart] = both(&numbers(1, 24), &numbers(2, 18), Border::Periodic);
        assert_eq!(fused.len(), 6 * 8);
        assert!(fused.iter().zip(&apart).all(|(a, b)| (a - b).abs() < 1e-12), "{fused:?} {apart:?}");
        // Within open edges as well; at them the interpolated image does not end in the one and does in the
        // other.
        let [fused, apart] = both(&numbers(1, 24), &numbers(2, 18), Border::Open);
        let inside = |i: &usize| (1..5).contains(&(i / 8)) && (1..7).contains(&(i % 8));
        assert!((0..48).filter(inside).all(|i| (fused[i] - apart[i]).abs() < 1e-12));
    }

    #[test]
    fn a_ramp_stays_a_ramp() {
        let ramp: Vec<f64> = (0..24).map(|i| f64::from(i / 2 % 4)).collect();
        let mut middle = vec![0.0; 18];
        middle[8] = 1.0;
        let [fused, _] = both(&ramp, &middle, Border::Open);
        let row = &fused[2 * 8..][1..7];
        assert!(row.iter().zip([0.25, 0.75, 1.25, 1.75, 2.25, 2.75]).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}
