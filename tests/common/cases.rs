//! Cases of every operation on odd shapes, each with what single precision may be off by.
//!
//! One list drives parity, schedules and sanitizers.

#![allow(dead_code, clippy::unwrap_used)]

use invnet::device::radial;
use invnet::gradcheck::{Input, Values};
use invnet::op::{Border, CahnHilliard, Over, Window};
use invnet::rng;
use invnet::shape::Shape;

use super::{Build, U, exact, labels, magnitudes, real, values, words};

/// What the exact result may be missed by.
pub enum Bound {
    /// A sum of products of the inputs: `roundings` roundings of the sum of their magnitudes.
    Sum { roundings: usize },
    /// So many units roundoff of the result.
    Units(f64),
    /// From the inputs and the exact result.
    Of(fn(&[Input], &[f64]) -> Vec<f64>),
}

pub struct Case {
    pub name: String,
    pub inputs: Vec<Input>,
    pub build: Build,
    pub bound: Bound,
}

/// The one tolerance function.
pub fn tolerance(case: &Case, exact_result: &[f64]) -> Vec<f64> {
    match case.bound {
        Bound::Sum { roundings } => {
            let sums = exact(&magnitudes(&case.inputs), &case.build);
            sums.iter().map(|s| (roundings + 2) as f64 * U * s.abs() + 1e-30).collect()
        }
        Bound::Units(units) => exact_result.iter().map(|y| units * U * y.abs() + 1e-30).collect(),
        Bound::Of(f) => f(&case.inputs, exact_result),
    }
}

pub fn case(
    name: impl Into<String>,
    inputs: Vec<Input>,
    bound: Bound,
    build: impl for<'t> Fn(&'t invnet::tape::Tape, &[invnet::tape::Var<'t>]) -> invnet::tape::Var<'t> + 'static,
) -> Case {
    Case { name: name.into(), inputs, build: Box::new(build), bound }
}

/// Batches and images that no tile divides.
const IMAGES: [[usize; 3]; 4] = [[1, 1, 1], [1, 1, 7], [5, 9, 6], [1, 33, 65]];
const CHANNELS: [usize; 6] = [1, 3, 5, 17, 64, 130];

fn images() -> Vec<Shape> {
    let all = IMAGES.iter().flat_map(|[n, h, w]| CHANNELS.map(|c| Shape::from([*n, *h, *w, c])));
    // The largest image with the most channels only slows things down.
    all.filter(|s| s.numel() < 150_000).collect()
}

pub fn pointwise() -> Vec<Case> {
    let mut cases = Vec::new();
    for (i, n) in [1usize, 3, 4, 255, 1025, 5000].into_iter().enumerate() {
        let x = || vec![real(i as u64, [n])];
        let positive = || magnitudes(&x());
        let two = || vec![real(i as u64, [n]), real(50 + i as u64, [n])];
        // Library functions by the largest error their documentation admits, doubled.
        cases.extend([
            case("neg", x(), Bound::Units(0.0), |_, x| -x[0]),
            case("exp", x(), Bound::Units(4.0), |_, x| x[0].exp()),
            case(
                "ln",
                positive(),
                Bound::Of(|_, y| y.iter().map(|y| U * (4.0 * y.abs() + 1e-6)).collect()),
                |_, x| x[0].ln(),
            ),
            case("sqrt", positive(), Bound::Units(1.0), |_, x| x[0].sqrt()),
            case("recip", x(), Bound::Units(1.0), |_, x| x[0].recip()),
            case("square", x(), Bound::Units(1.0), |_, x| x[0].square()),
            case("tanh", x(), Bound::Units(4.0), |_, x| x[0].tanh()),
            case("sigmoid", x(), Bound::Units(8.0), |_, x| x[0].sigmoid()),
            case("leaky_relu", x(), Bound::Units(2.0), |_, x| x[0].leaky_relu(0.2)),
            case("leaky_mask", x(), Bound::Units(1.0), |_, x| x[0].leaky_mask(0.2)),
            case("scale", x(), Bound::Units(2.0), |_, x| x[0].scale(-1.3)),
            case("shift", x(), Bound::Of(|_, y| vec![2.0 * U * 2.5; y.len()]), |_, x| x[0].shift(0.7)),
            case("pow", positive(), Bound::Units(16.0), |_, x| x[0].pow(2.5)),
            case("add", two(), Bound::Units(1.0), |_, x| x[0] + x[1]),
            case("sub", two(), Bound::Units(1.0), |_, x| x[0] - x[1]),
            case("mul", two(), Bound::Units(1.0), |_, x| x[0] * x[1]),
            case("div", two(), Bound::Units(1.0), |_, x| x[0] / x[1]),
            case("gate", two(), Bound::Units(2.0), |_, x| x[1].gate(x[0], 0.2)),
        ]);
        cases.push(case("fill", vec![], Bound::Units(1.0), move |t, _| t.fill(0.3, [n])));
    }
    cases
}

pub fn broadcasting() -> Vec<Case> {
    let shapes: [[Shape; 2]; 8] = [
        [[5, 9, 6, 3].into(), [3].into()],
        [[5, 1, 1, 1].into(), [5, 9, 7, 3].into()],
        [[3, 1, 5].into(), [1, 4, 1].into()],
        [[3, 5].into(), Shape::scalar()],
        [Shape::scalar(), Shape::scalar()],
        [[2, 1, 3, 1, 5, 1].into(), [1, 7, 1, 2, 1, 3].into()],
        [[33, 65, 17].into(), [33, 1, 17].into()],
        [[1, 130].into(), [257, 1].into()],
    ];
    let mut cases = Vec::new();
    for (i, [a, b]) in shapes.into_iter().enumerate() {
        let pair = || vec![real(2 * i as u64, a), real(2 * i as u64 + 1, b)];
        cases.extend([
            case(format!("add {a:?} {b:?}"), pair(), Bound::Units(1.0), |_, x| x[0] + x[1]),
            case(format!("sub {a:?} {b:?}"), pair(), Bound::Units(1.0), |_, x| x[0] - x[1]),
            case(format!("mul {a:?} {b:?}"), pair(), Bound::Units(1.0), |_, x| x[0] * x[1]),
            case(format!("div {a:?} {b:?}"), pair(), Bound::Units(1.0), |_, x| x[0] / x[1]),
            case(format!("gate {a:?} {b:?}"), pair(), Bound::Units(2.0), |_, x| x[1].gate(x[0], 0.2)),
        ]);
        let whole = a.broadcast_with(&b).unwrap();
        cases.push(case(format!("broadcast {a:?}"), vec![real(9, a)], Bound::Units(0.0), move |_, x| {
            x[0].broadcast(whole)
        }));
    }
    cases
}

pub fn sums() -> Vec<Case> {
    let mut cases = Vec::new();
    for (from, to) in [
        (Shape::from([1]), Shape::scalar()),
        ([5000].into(), Shape::scalar()),
        ([100_003].into(), [1].into()),
        ([3, 4, 5].into(), [3, 1, 1].into()),
        ([3, 4, 5].into(), [5].into()),
        ([7, 3000].into(), [7, 1].into()),
        ([5, 33, 65, 17].into(), [17].into()),
        ([5, 33, 65, 3].into(), [5, 1, 1, 1].into()),
        ([5, 9, 6, 130].into(), [1, 9, 1, 130].into()),
        ([3, 7, 5, 6, 2, 4].into(), [3, 1, 5, 1, 2, 1].into()),
        ([3, 7, 5, 6, 2, 4].into(), [1, 7, 1, 6, 1, 4].into()),
        ([3, 1, 5].into(), [3, 1, 5].into()),
        ([70_000, 2, 3].into(), [70_000, 1, 3].into()),
    ] {
        let bound = Bound::Sum { roundings: from.numel() / to.numel() };
        cases.push(case(format!("sum {from:?} to {to:?}"), vec![real(3, from)], bound, move |_, x| {
            x[0].sum_to(to)
        }));
    }
    cases
}

pub fn moving() -> Vec<Case> {
    let exactly = || Bound::Units(0.0);
    let mut cases = vec![
        case("permute", vec![real(1, [3, 4, 5, 6])], exactly(), |_, x| x[0].permute(&[3, 1, 0, 2])),
        case("permute/6", vec![real(1, [2, 3, 1, 4, 2, 3])], exactly(), |_, x| {
            x[0].permute(&[5, 3, 0, 4, 2, 1])
        }),
        case("transpose", vec![real(1, [65, 33])], exactly(), |_, x| x[0].permute(&[1, 0])),
        case("slice", vec![real(2, [3, 9, 7])], exactly(), |_, x| x[0].slice(&[1, 2, 3], [2, 5, 4])),
        case("slice/rows", vec![real(2, [9, 130])], exactly(), |_, x| x[0].slice(&[4, 0], [5, 130])),
        case("pad", vec![real(3, [3, 4, 5])], exactly(), |_, x| x[0].pad_into(&[0, 2, 1], [4, 6, 7])),
        case("pad/rows", vec![real(3, [4, 130])], exactly(), |_, x| x[0].pad_into(&[3, 0], [9, 130])),
        case("pad/scalar", vec![real(3, [1])], exactly(), |_, x| x[0].pad_into(&[4], [9])),
        case("concat", vec![real(4, [5, 3]), real(5, [5, 130])], exactly(), |t, x| {
            t.concat(&[x[0], x[1]], 1)
        }),
        case("gather", vec![real(6, [5, 33]), words(&[4, 0, 4, 2])], exactly(), |_, x| x[0].gather(x[1])),
        case(
            "scatter_add",
            vec![real(7, [9, 33]), words(&[4, 0, 4, 2, 4, 4, 1, 0, 4])],
            Bound::Sum { roundings: 9 },
            |_, x| x[0].scatter_add(x[1], [6, 33]),
        ),
        case(
            "one_hot",
            vec![labels([4, 9, 7], (0..252).map(|i| (i * 5 % 6) as u8).collect()), words(&[3, 0, 3])],
            exactly(),
            |_, x| x[0].one_hot(x[1], 6),
        ),
    ];
    for c in [1, 3, 17] {
        cases.push(case("mean_pool/2", vec![real(8, [3, 6, 10, c])], Bound::Sum { roundings: 5 }, |_, x| {
            x[0].mean_pool(2)
        }));
        cases.push(case("mean_pool/3", vec![real(9, [2, 9, 6, c])], Bound::Sum { roundings: 10 }, |_, x| {
            x[0].mean_pool(3)
        }));
        cases.push(case("upsample/2", vec![real(10, [3, 5, 7, c])], exactly(), |_, x| x[0].upsample(2)));
        cases.push(case("upsample/3", vec![real(10, [1, 1, 7, c])], exactly(), |_, x| x[0].upsample(3)));
    }
    cases
}

pub fn pixelwise() -> Vec<Case> {
    let mut cases = Vec::new();
    let more = [2, 4, 6, 7, 33].map(|c| Shape::from([2, 5, 3, c]));
    for shape in images().into_iter().chain(more) {
        // The argument of the exponential is rounded, the sum has C terms.
        let softmax = |inputs: &[Input], y: &[f64]| {
            let top = values(&inputs[0]).iter().fold(0.0f64, |m, v| m.max(v.abs()));
            let channels = inputs[0].shape.channels() as f64;
            y.iter().map(|y| U * (4.0 * top + channels + 10.0) * y + 1e-30).collect()
        };
        cases.push(case(format!("softmax {shape:?}"), vec![real(1, shape)], Bound::Of(softmax), |_, x| {
            x[0].softmax()
        }));
        let grad = |inputs: &[Input], _: &[f64]| {
            let (y, g, c) = (values(&inputs[0]), values(&inputs[1]), inputs[0].shape.channels());
            let pixels = y.chunks(c).zip(g.chunks(c));
            pixels
                .flat_map(|(y, g)| {
                    let dot: f64 = y.iter().zip(g).map(|(y, g)| (y * g).abs()).sum();
                    y.iter()
                        .zip(g)
                        .map(|(y, g)| U * (c + 4) as f64 * y.abs() * (g.abs() + dot))
                        .collect::<Vec<_>>()
                })
                .collect()
        };
        cases.push(case(
            format!("softmax_grad {shape:?}"),
            vec![real(2, shape), real(3, shape)],
            Bound::Of(grad),
            |_, x| x[0].softmax_grad(x[1]),
        ));
    }
    cases
}

pub fn moments_and_their_field() -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in images().into_iter().chain([Shape::from([2, 3, 5, 300])]) {
        let roundings = shape[1] * shape[2] + 3;
        cases.push(case(
            format!("moments {shape:?}"),
            vec![real(1, shape)],
            Bound::Sum { roundings },
            |_, x| x[0].moments(),
        ));
        cases.push(case(
            format!("affine_field {shape:?}"),
            vec![real(2, [shape[0], shape[3], 3])],
            Bound::Sum { roundings: 4 },
            move |_, x| x[0].affine_field(shape),
        ));
    }
    cases
}

/// Groups of a field: for each the elements' indices.
fn groups(shape: &Shape, over: Over) -> Vec<Vec<usize>> {
    let (n, count) = (shape.numel(), over.groups(shape));
    match over {
        Over::Batch => (0..count).map(|g| (g..n).step_by(count).collect()).collect(),
        Over::Layer => (0..count).map(|g| (g * (n / count)..(g + 1) * (n / count)).collect()).collect(),
    }
}

/// Mean, variance, and the errors that single precision may make in either: sums of x less the
/// first element of the group.
fn statistics(x: &[f64], group: &[usize]) -> [f64; 4] {
    let n = group.len() as f64;
    let first = x[group[0]];
    let mean = group.iter().map(|&i| x[i]).sum::<f64>() / n;
    let variance = group.iter().map(|&i| (x[i] - mean).powi(2)).sum::<f64>() / n;
    let (mut d, mut d2) = (0.0, 0.0);
    for &i in group {
        d += (x[i] - first).abs() / n;
        d2 += (x[i] - first).powi(2) / n;
    }
    let roundings = n + 8.0;
    [mean, variance, U * (roundings * d + mean.abs() + d), U * (roundings * d2 + 3.0 * roundings * d * d)]
}

pub fn normalisation() -> Vec<Case> {
    const EPS: f64 = 1e-3;
    fn stats_bound(over: Over, inputs: &[Input]) -> Vec<f64> {
        let all: Vec<[f64; 4]> =
            groups(&inputs[0].shape, over).iter().map(|g| statistics(values(&inputs[0]), g)).collect();
        all.iter().map(|s| s[2]).chain(all.iter().map(|s| s[3])).map(|b| b + 1e-30).collect()
    }
    fn normalise_bound(over: Over, inputs: &[Input], y: &[f64]) -> Vec<f64> {
        let x = values(&inputs[0]);
        let mut bound = vec![0.0; y.len()];
        for group in groups(&inputs[0].shape, over) {
            let [_, variance, dm, dv] = statistics(x, &group);
            let r = (variance + EPS).sqrt().recip();
            for i in group {
                bound[i] = r * (dm + U * x[i].abs()) + y[i].abs() * (dv * r * r + 6.0 * U);
            }
        }
        bound
    }
    fn grad_bound(over: Over, inputs: &[Input]) -> Vec<f64> {
        let (x, g) = (values(&inputs[0]), values(&inputs[1]));
        let mut bound = vec![0.0; x.len()];
        for group in groups(&inputs[0].shape, over) {
            let [mean, variance, dm, dv] = statistics(x, &group);
            let n = group.len() as f64;
            let r = (variance + EPS).sqrt().recip();
            let y = |i: usize| (x[i] - mean) * r;
            // What y may be off by, relative to one.
            let slack = r * (dm + 2.0 * U) + dv * r * r + 6.0 * U + U * (n + 8.0);
            let mg: f64 = group.iter().map(|&i| g[i].abs()).sum::<f64>() / n;
            let mgy: f64 = group.iter().map(|&i| (g[i] * y(i)).abs()).sum::<f64>() / n;
            for &i in &group {
                bound[i] = r * slack * 2.0 * (g[i].abs() + mg + (1.0 + y(i).abs()) * (mgy + mg));
            }
        }
        bound
    }
    let mut cases = Vec::new();
    for shape in images().into_iter().filter(|s| s.numel() > s[3]) {
        let x = || vec![real(1, shape)];
        let pair = || vec![real(1, shape), real(2, shape)];
        let name = |op: &str| format!("{op} {shape:?}");
        cases.extend([
            case(name("stats/batch"), x(), Bound::Of(|i, _| stats_bound(Over::Batch, i)), |_, x| {
                x[0].stats(Over::Batch)
            }),
            case(name("stats/layer"), x(), Bound::Of(|i, _| stats_bound(Over::Layer, i)), |_, x| {
                x[0].stats(Over::Layer)
            }),
            case(
                name("normalise/batch"),
                x(),
                Bound::Of(|i, y| normalise_bound(Over::Batch, i, y)),
                |_, x| x[0].normalise(Over::Batch, EPS),
            ),
            case(
                name("normalise/layer"),
                x(),
                Bound::Of(|i, y| normalise_bound(Over::Layer, i, y)),
                |_, x| x[0].normalise(Over::Layer, EPS),
            ),
            case(
                name("normalise_grad/batch"),
                pair(),
                Bound::Of(|i, _| grad_bound(Over::Batch, i)),
                |_, x| x[0].normalise_grad(x[0].stats(Over::Batch), x[1], Over::Batch, EPS),
            ),
            case(
                name("normalise_grad/layer"),
                pair(),
                Bound::Of(|i, _| grad_bound(Over::Layer, i)),
                |_, x| x[0].normalise_grad(x[0].stats(Over::Layer), x[1], Over::Layer, EPS),
            ),
        ]);
    }
    cases
}

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

/// The passes of the gradient penalty.
pub fn penalties() -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in images() {
        let [n, width] = [shape[0], shape.numel() / shape[0]];
        // Of b and of u (a - b), whose parts are at most 1.25.
        let between = |_: &[Input], y: &[f64]| vec![U * 8.0; y.len()];
        cases.push(case(
            format!("interpolate {shape:?}"),
            vec![real(1, shape), real(2, shape), real(3, [n])],
            Bound::Of(between),
            |_, x| x[0].interpolate(x[1], x[2]),
        ));
        cases.push(case(
            format!("row_norm {shape:?}"),
            vec![real(4, shape)],
            Bound::Units((width + 8) as f64),
            |_, x| x[0].row_norm(1e-3),
        ));
    }
    cases
}

/// What a transform [H, W] misses of a number, relative to the root mean square of all. Rounding is
/// noise that is spread evenly: two units roundoff, at most, for each halving of an axis; those of a
/// direct sum of n terms grow with the root of n.
fn transform_noise(extents: [usize; 2]) -> f64 {
    let of = |n: usize| if n.is_power_of_two() { 2.0 * (n as f64).log2() } else { 2.0 * (n as f64).sqrt() };
    U * (4.0 + of(extents[0]) + of(extents[1]))
}

/// The extents that a correlation is transformed on.
fn torus([h, w]: [usize; 2], border: Border) -> [usize; 2] {
    match border {
        Border::Periodic => [h, w],
        Border::Open => [h, w].map(|n| (2 * n - 1).next_power_of_two()),
    }
}

/// Of each bin the sum, and the sum of squares, of what its vectors' sums are multiplied with:
/// 1 / (vectors in the bin, pairs of pixels).
fn bin_weights([h, w]: [usize; 2], bins: usize, border: Border) -> Vec<[f64; 2]> {
    let counts = radial::counts([h, w], bins, border);
    let mut weights = vec![[0.0; 2]; bins];
    let [below, up] = match border {
        Border::Periodic => [[(h - 1) / 2, (w - 1) / 2], [h / 2, w / 2]],
        Border::Open => [[h - 1, w - 1]; 2],
    };
    let range = |axis: usize| -(below[axis] as isize)..=up[axis] as isize;
    for (dy, dx) in range(0).flat_map(|dy| range(1).map(move |dx| (dy.unsigned_abs(), dx.unsigned_abs()))) {
        let bin = radial::bin(dy, dx);
        if bin < bins {
            let pairs = if border == Border::Open { (h - dy) * (w - dx) } else { h * w };
            let weight = 1.0 / (counts[bin] * pairs) as f64;
            weights[bin][0] += weight;
            weights[bin][1] += weight * weight;
        }
    }
    weights
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// Six standard deviations of the noise of a transform there, of the other factor's, of one back, and
/// of the sums between: an entry is a product of two norms.
const DEVIATIONS: f64 = 6.0 * 4.0;

pub fn correlations() -> Vec<Case> {
    fn extents(inputs: &[Input]) -> [usize; 3] {
        [0, 1, 2].map(|axis| inputs[0].shape[axis])
    }
    fn curve_bound(border: Border, inputs: &[Input], curves: &[f64]) -> Vec<f64> {
        let [n, h, w] = extents(inputs);
        let weights = bin_weights([h, w], curves.len() / n, border);
        let noise = DEVIATIONS * transform_noise(torus([h, w], border));
        let other = inputs.last().unwrap();
        let images = values(&inputs[0]).chunks(h * w).zip(values(other).chunks(h * w));
        images.flat_map(|(x, y)| weights.iter().map(move |b| noise * norm(x) * norm(y) * b[0])).collect()
    }
    fn field_bound(border: Border, inputs: &[Input]) -> Vec<f64> {
        let [_, h, w] = extents(inputs);
        let bins = inputs[1].shape[1];
        let weights = bin_weights([h, w], bins, border);
        let noise = DEVIATIONS * transform_noise(torus([h, w], border));
        let images = values(&inputs[0]).chunks(h * w).zip(values(&inputs[1]).chunks(bins));
        images
            .flat_map(|(y, g)| {
                let filter = g.iter().zip(&weights).map(|(g, b)| g * g * b[1]).sum::<f64>().sqrt();
                vec![noise * norm(y) * filter; h * w]
            })
            .collect()
    }
    let bound = |border| match border {
        Border::Periodic => Bound::Of(|i, y| curve_bound(Border::Periodic, i, y)),
        Border::Open => Bound::Of(|i, y| curve_bound(Border::Open, i, y)),
    };
    let field_bound = |border| match border {
        Border::Periodic => Bound::Of(|i, _| field_bound(Border::Periodic, i)),
        Border::Open => Bound::Of(|i, _| field_bound(Border::Open, i)),
    };
    // Powers of two and others, an odd number of images (the last has no partner), and, of those that
    // the sanitizers take, one that is too large for shared memory.
    let sizes = [
        ([3, 16, 8], 5, Border::Periodic),
        ([2, 9, 15], 5, Border::Periodic),
        ([1, 100, 60], 60, Border::Open),
        ([2, 8, 15], 4, Border::Periodic),
        ([1, 1, 1], 1, Border::Periodic),
        ([3, 1, 7], 1, Border::Open),
        ([2, 20, 13], 13, Border::Open),
        ([3, 12, 7], 1, Border::Periodic),
        ([5, 32, 64], 17, Border::Periodic),
    ];
    let mut cases = Vec::new();
    for turn in 0..2 {
        for (i, (shape, bins, border)) in sizes.into_iter().enumerate() {
            let name = format!("correlation {shape:?} {bins} {border:?}");
            if i % 2 == turn {
                cases.push(case(name + " itself", vec![real(1, shape)], bound(border), move |_, x| {
                    x[0].correlation(bins, border)
                }));
                continue;
            }
            // A gradient is orders of magnitude smaller than an image.
            let tiny = |mut input: Input| {
                if let Values::Real(v) = &mut input.values {
                    v.iter_mut().for_each(|v| *v *= f64::powi(2.0, -20));
                }
                input
            };
            cases.push(case(name, vec![real(2, shape), tiny(real(3, shape))], bound(border), move |_, x| {
                x[0].correlation_with(x[1], bins, border)
            }));
        }
    }
    for (shape, bins, border) in sizes {
        cases.push(case(
            format!("correlation_field {shape:?} {bins} {border:?}"),
            vec![real(4, shape), real(5, [shape[0], bins])],
            field_bound(border),
            move |_, x| x[0].correlation_field(x[1], border),
        ));
    }
    cases
}

/// A few steps of phase separation: the more there are, the further rounding is carried.
pub fn stepping() -> Vec<Case> {
    const SETTINGS: CahnHilliard = CahnHilliard { steps: 3, dt: 0.5, kappa: 1.0, stabiliser: 2.0 };
    fn bound(inputs: &[Input], u: &[f64]) -> Vec<f64> {
        let CahnHilliard { steps, dt, kappa, stabiliser } = SETTINGS;
        // Of the inputs, |u| <= 1.25: |u^3 - 3 u| <= 2 and |3 u^2 - 3| <= 3.
        let (plane, slope) = (f64::hypot(1.25, 2.0), 3.0);
        // The largest number that the force is multiplied with.
        let force = 1.0 / (stabiliser + 2.0 * (kappa / dt).sqrt());
        let noise = transform_noise([inputs[0].shape[1], inputs[0].shape[2]]);
        // There, back, and a dozen roundings on the way; carried on by the steps that follow.
        let step = 6.0 * (2.0 * noise + 12.0 * U) * (1.0 + force) * plane;
        let carried: f64 = (0..steps).map(|step| (1.0 + force * slope).powi(step as i32)).sum();
        vec![step * carried; u.len()]
    }
    // The third is too large for shared memory.
    let shapes = [[3, 16, 8], [2, 9, 15], [1, 256, 128], [2, 8, 15], [1, 1, 1], [1, 1, 7], [5, 32, 64]];
    let steps = |shape| {
        case(format!("cahn_hilliard {shape:?}"), vec![real(1, shape)], Bound::Of(bound), |_, x| {
            x[0].cahn_hilliard(SETTINGS)
        })
    };
    let mut cases: Vec<Case> = shapes.into_iter().map(steps).collect();
    cases.push(case("cahn_hilliard/none", vec![real(2, [2, 5, 8])], Bound::Units(0.0), |_, x| {
        x[0].cahn_hilliard(CahnHilliard { steps: 0, ..SETTINGS })
    }));
    cases
}

/// All of them.
pub fn all() -> Vec<Case> {
    [
        pointwise,
        broadcasting,
        sums,
        moving,
        pixelwise,
        moments_and_their_field,
        normalisation,
        products,
        convolutions,
        fused,
        penalties,
        correlations,
        stepping,
    ]
    .into_iter()
    .flat_map(|group| group())
    .collect()
}
