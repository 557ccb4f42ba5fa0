//! Matrix products and convolutions.

use invnet::op::Window;
use invnet::rng;

use super::super::real;
use super::{Bound, CHANNELS, Case, case};

pub fn products() -> Vec<Case> {
    let mut cases = Vec::new();
    for [m, n, k] in [
        [1, 1, 1],
        [1, 130, 5],
        [17, 3, 64],
        [64, 64, 16],
        [65, 63, 17],
        [33, 70, 1000],
        [130, 129, 33],
        [200, 132, 20],
        [132, 132, 20],
        [5, 5, 3],
    ] {
        let bound = || Bound::Sum { roundings: k };
        let sizes = format!("{m} x {n} x {k}");
        cases.push(case(
            format!("matmul {sizes}"),
            vec![real(1, [m, k]), real(2, [k, n])],
            bound(),
            |_, x| x[0].matmul(x[1]),
        ));
        cases.push(case(
            format!("matmul/ta {sizes}"),
            vec![real(1, [k, m]), real(2, [k, n])],
            bound(),
            |_, x| x[0].matmul_t(x[1], true, false),
        ));
        cases.push(case(
            format!("matmul/tb {sizes}"),
            vec![real(1, [m, k]), real(2, [n, k])],
            bound(),
            |_, x| x[0].matmul_t(x[1], false, true),
        ));
        cases.push(case(
            format!("matmul/tt {sizes}"),
            vec![real(1, [k, m]), real(2, [n, k])],
            bound(),
            |_, x| x[0].matmul_t(x[1], true, true),
        ));
    }
    cases
}

/// Geometries of every kind, with channels from the list, chosen by a fixed generator.
fn windows(count: usize) -> Vec<(usize, usize, usize, Window)> {
    let state = rng::state(42);
    let mut all = Vec::new();
    for i in 0..count as u64 {
        let words = [rng::philox(&state, 0, 2 * i), rng::philox(&state, 0, 2 * i + 1)].concat();
        let pick = |word: usize, from: &[usize]| from[rng::index(words[word], from.len() as u32) as usize];
        let kernel = [[4, 4], [3, 3], [1, 1], [5, 2]][rng::index(words[0], 4) as usize];
        let stride = [[2, 2], [1, 1], [2, 1], [3, 2]][rng::index(words[1], 4) as usize];
        let pad = [pick(2, &[0, 1]), pick(3, &[0, 1, 2])];
        let image = [pick(4, &[5, 8, 16, 33]), pick(5, &[7, 8, 12, 65])];
        let out = std::array::from_fn(|a| (image[a] + 2 * pad[a] - kernel[a]) / stride[a] + 1);
        let window = Window { image, kernel, stride, pad, out };
        let (ci, co) = (pick(6, &CHANNELS), pick(7, &CHANNELS));
        let n = if image[0] * image[1] > 300 { 1 } else { 5 };
        all.push((n, ci, co, window));
    }
    // Single pixels, and a filter as large as its image.
    let tiny = Window { image: [1, 1], kernel: [1, 1], stride: [1, 1], pad: [0, 0], out: [1, 1] };
    all.push((1, 1, 1, tiny));
    // Channels that fill four-number loads: small tiles and large.
    let half = Window { image: [8, 6], kernel: [4, 4], stride: [2, 2], pad: [1, 1], out: [4, 3] };
    all.push((5, 20, 64, half));
    let same = Window { image: [12, 11], kernel: [3, 3], stride: [1, 1], pad: [1, 1], out: [12, 11] };
    all.push((5, 132, 132, same));
    all.push((5, 130, 1, Window { image: [4, 4], kernel: [4, 4], stride: [1, 1], pad: [0, 0], out: [1, 1] }));
    all
}

pub fn convolutions() -> Vec<Case> {
    let mut cases = Vec::new();
    for (n, ci, co, window) in windows(40) {
        let Window { image, kernel, out, .. } = window;
        let x = real(1, [n, image[0], image[1], ci]);
        let w = real(2, [kernel[0], kernel[1], ci, co]);
        let g = real(3, [n, out[0], out[1], co]);
        let taps = kernel[0] * kernel[1];
        let name = |leg: &str| format!("{leg} {n} x {ci} -> {co}, {window:?}");
        cases.push(case(
            name("conv"),
            vec![x.clone(), w.clone()],
            Bound::Sum { roundings: taps * ci },
            move |_, x| x[0].conv_leg_y(x[1], window),
        ));
        cases.push(case(
            name("conv_transpose"),
            vec![g.clone(), w],
            Bound::Sum { roundings: taps * co },
            move |_, x| x[0].conv_leg_x(x[1], window),
        ));
        cases.push(case(
            name("conv_weight"),
            vec![x, g],
            Bound::Sum { roundings: n * out[0] * out[1] },
            move |_, x| x[0].conv_leg_w(x[1], window),
        ));
    }
    cases
}

/// Convolutions whose bias and LeakyReLU the plan folds into the kernel.
pub fn fused() -> Vec<Case> {
    let mut cases = Vec::new();
    for (n, ci, co, window) in windows(24) {
        let Window { image, kernel, out, .. } = window;
        let x = real(1, [n, image[0], image[1], ci]);
        let w = real(2, [kernel[0], kernel[1], ci, co]);
        let g = real(3, [n, out[0], out[1], co]);
        let taps = kernel[0] * kernel[1];
        cases.push(case(
            format!("conv_bias {n} x {ci} -> {co}, {window:?}"),
            vec![x, w.clone(), real(4, [co])],
            Bound::Sum { roundings: taps * ci + 3 },
            move |_, x| (x[0].conv_leg_y(x[1], window) + x[2]).leaky_relu(0.2),
        ));
        cases.push(case(
            format!("conv_transpose_bias {n} x {ci} -> {co}, {window:?}"),
            vec![g, w, real(5, [ci])],
            Bound::Sum { roundings: taps * co + 2 },
            move |_, x| x[0].conv_leg_x(x[1], window) + x[2],
        ));
    }
    cases
}
