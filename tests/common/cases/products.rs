//! Matrix products and convolutions.

use invnet::gradcheck::Input;
use invnet::op::{Border, Window};
use invnet::rng;
use invnet::tape::Var;

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
    // Few channels of x and eights of y, on more than a strip.
    add(1, 3, 24, [10, 134], [4, 4], [2, 2], [1, 1], open);
    add(1, 7, 8, [9, 66], [3, 3], [1, 1], [1, 1], torus);
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

/// A formula over windows: the one of interest, and those of single pixels of x and of y.
type Formula = for<'t> fn(&[Var<'t>], &[Window; 3]) -> Var<'t>;

/// Convolutions of what convolutions made, which plans store in bf16 where products multiply that; with masks and sums
/// of it.
pub fn stored() -> Vec<Case> {
    let (open, torus, one) = (Border::Open, Border::Periodic, [1, 1]);
    let shapes = [
        (5, 24, 64, Window::over([8, 6], [4, 4], [2, 2], one, torus)),
        (2, 24, 64, Window::over([24, 26], [4, 4], [2, 2], one, open)),
        (2, 64, 24, Window::over([17, 13], [3, 3], one, one, open)),
        (5, 136, 136, Window::over([12, 11], one, one, [0, 0], open)),
        (5, 24, 40, Window::over([9, 8], one, one, [0, 0], open)),
        // Few channels of x.
        (2, 3, 24, Window::over([10, 12], [4, 4], [2, 2], one, open)),
        (1, 8, 40, Window::over([5, 66], [3, 3], one, one, torus)),
        (1, 3, 24, Window::over([34, 20], [4, 3], [2, 1], one, open)),
        // Few of y.
        (1, 24, 3, Window::over([12, 10], [3, 3], one, one, open)),
    ];
    shapes.into_iter().flat_map(|(n, ci, co, window)| of_stored(n, [ci, co], window.unwrap(), "")).collect()
}

/// The same for the large tiles of warpgroups, which few multiprocessors get of large results alone, and for sums long
/// enough for pieces; some legs of each.
pub fn wide() -> Vec<Case> {
    let shapes = [
        (4, 16, 128, [16, 16], "y"),
        (2, 16, 128, [16, 16], "y"),
        (2, 16, 256, [16, 16], "y"),
        (4, 128, 16, [16, 16], "x"),
        (2, 128, 16, [16, 16], "x"),
        (2, 256, 16, [16, 16], "x"),
        (1, 128, 256, [31, 33], "w"),
        (1, 24, 64, [31, 33], "w"),
        (1, 24, 128, [31, 33], "w"),
        (1, 128, 64, [31, 33], "w"),
        (1, 1024, 128, [2, 2], "w"),
        (1, 512, 128, [31, 33], "w"),
    ];
    let of = |(n, ci, co, image, leg)| {
        let window = Window::over(image, [1, 1], [1, 1], [0, 0], Border::Open).unwrap();
        of_stored(n, [ci, co], window, leg)
    };
    shapes.into_iter().flat_map(of).collect()
}

/// The cases of one shape whose names begin so.
fn of_stored(n: usize, [ci, co]: [usize; 2], window: Window, begins: &str) -> Vec<Case> {
    let (open, one) = (Border::Open, [1, 1]);
    let mut cases = Vec::new();
    let Window { image, kernel, out, .. } = window;
    let point = |extent| Window::over(extent, one, one, [0, 0], open).unwrap();
    let windows = [window, point(image), point(out)];
    // Four channels become as many as are wanted.
    let x = [real(1, [n, image[0], image[1], 4]), real(2, [1, 1, 4, ci])];
    let g = [real(3, [n, out[0], out[1], 4]), real(4, [1, 1, 4, co])];
    let w = [real(5, [kernel[0], kernel[1], ci, co])];
    let like_x = [real(6, [n, image[0], image[1], ci])];
    let like_g = [real(7, [n, out[0], out[1], co]), real(8, [n, out[0], out[1], co])];
    let (bias_x, bias_g) = ([real(9, [ci])], [real(10, [co])]);
    let taps = kernel[0] * kernel[1];
    let (of_y, of_x) = (taps * ci + 8, taps * co + 8);
    let mut add = |what: &str, roundings: usize, inputs: &[&[Input]], formula: Formula| {
        if !what.starts_with(begins) {
            return;
        }
        let name = format!("conv/stored {what} {n} x {ci} -> {co}, {window:?}");
        let bound = Bound::Sum { roundings };
        cases.push(case(name, inputs.concat(), bound, move |_, x| formula(x, &windows)));
    };
    add("y", of_y, &[&x, &w], |x, [window, of_x, _]| leg_y(x, of_x, window));
    add("y, bias", of_y, &[&x, &w, &bias_g], |x, [window, of_x, _]| {
        (leg_y(x, of_x, window) + x[3]).leaky_relu(0.2)
    });
    add("y, gate", of_y, &[&x, &w, &like_g[..1]], |x, [window, of_x, _]| {
        leg_y(x, of_x, window).gate(x[3], 0.2)
    });
    add("x", of_x, &[&g, &w], |x, [window, _, of_y]| leg_x(x, of_y, window));
    add("x, bias", of_x, &[&g, &w, &bias_x], |x, [window, _, of_y]| leg_x(x, of_y, window) + x[3]);
    add("x, gate", of_x, &[&g, &w, &like_x], |x, [window, _, of_y]| leg_x(x, of_y, window).gate(x[3], 0.2));
    add("w", n * out[0] * out[1] + 16, &[&x, &g], |x, [window, of_x, of_y]| {
        x[0].conv_leg_y(x[1], *of_x).conv_leg_w(x[2].conv_leg_y(x[3], *of_y), *window)
    });
    // Of a mask, and masked by what is stored.
    add("mask", of_x, &[&like_g, &w], |x, [window, ..]| x[0].gate(x[1], 0.2).conv_leg_x(x[2], *window));
    add("all", of_y + of_x, &[&x, &w, &g], |x, [window, of_x, of_y]| {
        let gate = x[3].conv_leg_y(x[4], *of_y);
        let z = leg_y(x, of_x, window).gate(gate, 0.2);
        let both = z.conv_leg_x(x[2], *window).sum_to([x[1].shape()[3]]);
        let twice = gate.conv_leg_x(x[2], *window).sum_to([x[1].shape()[3]]);
        (both + twice) * z.sum_to([x[4].shape()[3]]).sum()
    });
    cases
}

fn leg_y<'t>(x: &[Var<'t>], pixels: &Window, window: &Window) -> Var<'t> {
    x[0].conv_leg_y(x[1], *pixels).conv_leg_y(x[2], *window)
}

fn leg_x<'t>(g: &[Var<'t>], pixels: &Window, window: &Window) -> Var<'t> {
    g[0].conv_leg_y(g[1], *pixels).conv_leg_x(g[2], *window)
}
