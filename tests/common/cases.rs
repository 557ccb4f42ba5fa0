//! Cases of every operation on odd shapes, each with what single precision may be off by.
//!
//! One list drives parity, schedules and sanitizers.

mod fields;
mod layers;
mod products;
mod transforms;

use invnet::gradcheck::{Input, Values};

use invnet::shape::Shape;

pub use fields::{boundaries, moments_and_their_field};
pub use layers::{norm_relus, normalisation, penalties};
// Each program takes what it needs.
#[allow(unused_imports)]
pub use products::{convolutions, fused, products, stored, wide};
pub use transforms::{correlations, stepping};

use super::{Build, U, exact, labels, magnitudes, real, settled, values, whole, words};

/// What the exact result may be missed by.
pub enum Bound {
    /// A sum of products of the inputs that takes so many roundings, each of a part of the sum of
    /// their magnitudes. They go up and down: together they grow with the root of their number.
    Sum { roundings: usize },
    /// So many units roundoff of the result.
    Units(f64),
    /// Nothing: numbers whose sums and products single precision holds.
    Nothing,
    /// From the inputs and the exact result.
    Of(fn(&[Input], &[f64]) -> Vec<f64>),
    /// So much for each number of the result.
    Each(Vec<f64>),
}

pub struct Case {
    pub name: String,
    pub inputs: Vec<Input>,
    pub build: Build,
    pub bound: Bound,
}

impl Case {
    /// The exact result.
    pub fn exact(&self) -> Vec<f64> {
        let result = exact(&self.inputs, &self.build);
        if matches!(self.bound, Bound::Nothing) { settled(result) } else { result }
    }
}

/// The one tolerance function.
pub fn tolerance(case: &Case, exact_result: &[f64]) -> Vec<f64> {
    match &case.bound {
        &Bound::Sum { roundings } => {
            let sums = exact(&magnitudes(&case.inputs), &case.build);
            sums.iter().map(|s| together(roundings) * U * s.abs() + 1e-30).collect()
        }
        Bound::Units(units) => exact_result.iter().map(|y| units * U * y.abs() + 1e-30).collect(),
        Bound::Nothing => vec![1e-30; exact_result.len()],
        Bound::Of(f) => f(&case.inputs, exact_result),
        Bound::Each(bound) => bound.clone(),
    }
}

/// What so many roundings come to, in units of one.
fn together(roundings: usize) -> f64 {
    4.0 + 2.0 * (roundings as f64).sqrt()
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
        // Pieces of which the last is shorter.
        ([3, 20_011].into(), [3, 1].into()),
        ([10_007, 17].into(), [17].into()),
        ([7, 9001, 5].into(), [7, 1, 5].into()),
        // A few terms of many columns, in fours and not.
        ([5, 4100].into(), [4100].into()),
        ([3, 5003].into(), [5003].into()),
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
        case("concat/rows", vec![real(4, [7, 33]), real(5, [2, 33])], exactly(), |t, x| {
            t.concat(&[x[0], x[1]], 0)
        }),
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
    for [a, b] in [[1, 1], [3, 17], [40, 33], [64, 96]] {
        for turned in [false, true] {
            let bound = || Bound::Sum { roundings: 4 };
            cases.push(case(
                format!("spread_taps {a} x {b}, {turned}"),
                vec![real(12, [3, 2, a, b])],
                bound(),
                move |_, x| x[0].spread_taps(turned),
            ));
            cases.push(case(
                format!("gather_taps {a} x {b}, {turned}"),
                vec![real(13, [2, 4, a, b])],
                bound(),
                move |_, x| x[0].gather_taps(turned),
            ));
        }
    }
    for c in [1, 3, 8, 17] {
        cases.push(case("mean_pool/2", vec![real(8, [3, 6, 10, c])], Bound::Sum { roundings: 5 }, |_, x| {
            x[0].mean_pool(2)
        }));
        cases.push(case("mean_pool/3", vec![real(9, [2, 9, 6, c])], Bound::Sum { roundings: 10 }, |_, x| {
            x[0].mean_pool(3)
        }));
        cases.push(case("upsample/2", vec![real(10, [3, 5, 7, c])], exactly(), |_, x| x[0].upsample(2)));
        let inputs = vec![real(10, [3, 5, 7, c]), real(11, [3, 10, 14, c])];
        cases.push(case("upsample/2 and more", inputs, Bound::Units(1.0), |_, x| x[0].upsample(2) + x[1]));
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

/// Every function that a chain computes, on operands of one shape and of others, and what follows from it; forty more in a
/// row, in whose memory those behind them lie.
pub fn chains() -> Vec<Case> {
    let mut y = real(3, [4, 7]);
    if let Values::Real(values) = &mut y.values {
        values.iter_mut().for_each(|v| *v = v.abs() + 0.5);
    }
    // Some hundred roundings, of numbers that may be larger than what they come to.
    let bound = Bound::Of(|_, y| y.iter().map(|y| 1000.0 * U * (1.0 + y.abs())).collect());
    let all = case("chains", vec![real(1, [4, 7]), real(2, [7]), y], bound, |tape, inputs| {
        let [x, row, y] = [0, 1, 2].map(|i| inputs[i]);
        let of_x =
            [-x, x.exp(), x.square(), x.tanh(), x.sigmoid(), x.leaky_relu(0.2), x.scale(0.3), x.shift(0.7)];
        let of_y = [y.ln(), y.sqrt(), y.recip(), y.pow(1.7)];
        let of_both = [x + y, x - y, x * y, x / y, x + row, x - row, x * row, y / row, row.broadcast([4, 7])];
        let of_all = of_x.into_iter().chain(of_y).chain(of_both);
        let mut sum = of_all.fold(tape.fill(0.1, [4, 7]), |sum, v| sum + v);
        // The derivative of a LeakyReLU is a gate.
        sum = sum + tape.grad(x.leaky_relu(0.2).square().sum(), &[x])[0] + x.leaky_mask(0.2);
        for _ in 0..20 {
            sum = (sum * row).tanh();
        }
        sum.slice(&[1, 2], [3, 4])
    });
    vec![all]
}

/// Sums and products of small whole numbers, which single precision holds exactly whatever the order:
/// a term that is forgotten, or taken twice, is seen wherever it is.
pub fn whole_numbers() -> Vec<Case> {
    let groups = [sums(), moving(), moments_and_their_field(), products(), convolutions()];
    let exact = |case: &Case| !case.name.starts_with("mean_pool/3");
    let mut cases: Vec<Case> = groups.into_iter().flatten().filter(exact).collect();
    for case in &mut cases {
        case.name = format!("whole {}", case.name);
        case.bound = Bound::Nothing;
        for input in &mut case.inputs {
            if let Values::Real(v) | Values::Constant(v) = &mut input.values {
                v.iter_mut().for_each(|v| *v = whole(*v));
            }
        }
    }
    cases
}

/// All of them.
pub fn all() -> Vec<Case> {
    [
        pointwise,
        broadcasting,
        chains,
        sums,
        moving,
        pixelwise,
        moments_and_their_field,
        boundaries,
        normalisation,
        norm_relus,
        products,
        convolutions,
        fused,
        stored,
        penalties,
        correlations,
        stepping,
    ]
    .into_iter()
    .flat_map(|group| group())
    .collect()
}
