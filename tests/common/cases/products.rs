//! Matrix products and convolutions.

use invnet::op::{Border, Window};
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
        // Pieces of which the last is shorter, in tiles of both sizes.
        [36, 60, 1000],
        [132, 132, 600],
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
        let mut image = [pick(4, &[5, 8, 16, 33]), pick(5, &[7, 8, 12, 65])];
        // One in four is a torus.
        let border = if i % 4 == 3 { Border::Periodic } else { Border::Open };
        if border == Border::Periodic {
            image = std::array::from_fn(|a| image[a].next_multiple_of(stride[a]));
        }
        let window = Window::over(image, kernel, stride, pad, border).unwrap();
        let (ci, co) = (pick(6, &CHANNELS), pick(7, &CHANNELS));
        let n = if image[0] * image[1] > 300 { 1 } else { 5 };
        all.push((n, ci, co, window));
    }
    let (open, torus) = (Border::Open, Border::Periodic);
    let mut add = |n, ci, co, image, kernel, stride, pad, border| {
        all.push((n, ci, co, Window::over(image, kernel, stride, pad, border).unwrap()));
    };
    // Single pixels, and a filter as large as its image.
    add(1, 1, 1, [1, 1], [1, 1], [1, 1], [0, 0], open);
    add(5, 130, 1, [4, 4], [4, 4], [1, 1], [0, 0], open);
    // Channels that fill four-number loads: small tiles and large.
    for border in [open, torus] {
        add(5, 20, 64, [8, 6], [4, 4], [2, 2], [1, 1], border);
        add(5, 132, 132, [12, 11], [3, 3], [1, 1], [1, 1], border);
    }
    // Large tiles that are small in memory.
    add(5, 132, 132, [12, 11], [1, 1], [1, 1], [0, 0], open);
    // A weight's gradient in pieces of pixels, the last of them shorter.
    add(5, 20, 12, [12, 11], [1, 1], [1, 1], [0, 0], open);
    // A filter that goes round a torus twice, in channels that do not fill loads, and few of them.
    add(1, 1, 3, [1, 1], [3, 3], [1, 1], [1, 1], torus);
    add(5, 17, 64, [3, 4], [7, 9], [3, 2], [3, 4], torus);
    add(5, 5, 3, [9, 4], [5, 2], [3, 1], [7, 0], torus);
    // Few channels, on more than a tile of pixels either way.
    add(2, 6, 12, [36, 70], [4, 4], [2, 2], [1, 1], torus);
    add(2, 3, 12, [38, 74], [4, 4], [2, 2], [1, 1], open);
    // Oblong tiles in pieces.
    add(2, 20, 64, [24, 26], [4, 4], [2, 2], [1, 1], open);
    add(1, 12, 3, [18, 40], [3, 3], [1, 1], [1, 1], open);
    add(1, 9, 7, [18, 40], [5, 3], [1, 1], [2, 1], torus);
    all
}

pub fn convolutions() -> Vec<Case> {
    let mut cases = Vec::new();
    for (n, ci, co, window) in windows(50) {
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

/// Convolutions whose bias and LeakyReLU, or mask, the plan folds into the kernel.
pub fn fused() -> Vec<Case> {
    let mut cases = Vec::new();
    for (n, ci, co, window) in windows(30) {
        let Window { image, kernel, out, .. } = window;
        let x = real(1, [n, image[0], image[1], ci]);
        let w = real(2, [kernel[0], kernel[1], ci, co]);
        let g = real(3, [n, out[0], out[1], co]);
        let taps = kernel[0] * kernel[1];
        cases.push(case(
            format!("conv_bias {n} x {ci} -> {co}, {window:?}"),
            vec![x.clone(), w.clone(), real(4, [co])],
            Bound::Sum { roundings: taps * ci + 3 },
            move |_, x| (x[0].conv_leg_y(x[1], window) + x[2]).leaky_relu(0.2),
        ));
        cases.push(case(
            format!("conv_transpose_bias {n} x {ci} -> {co}, {window:?}"),
            vec![g.clone(), w.clone(), real(5, [ci])],
            Bound::Sum { roundings: taps * co + 2 },
            move |_, x| x[0].conv_leg_x(x[1], window) + x[2],
        ));
        cases.push(case(
            format!("conv_gate {n} x {ci} -> {co}, {window:?}"),
            vec![x.clone(), w.clone(), real(6, g.shape)],
            Bound::Sum { roundings: taps * ci + 1 },
            move |_, x| x[0].conv_leg_y(x[1], window).gate(x[2], 0.2),
        ));
        cases.push(case(
            format!("conv_transpose_gate {n} x {ci} -> {co}, {window:?}"),
            vec![g, w, real(7, x.shape)],
            Bound::Sum { roundings: taps * co + 1 },
            move |_, x| x[0].conv_leg_x(x[1], window).gate(x[2], 0.2),
        ));
    }
    cases
}
