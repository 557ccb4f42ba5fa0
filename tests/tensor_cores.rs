//! Products in tf32 and bf16 against double precision: within the bound that rounding both factors
//! allows, whatever the order of threads.

#![cfg(feature = "simt")]
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use invnet::device::gpu::simt::{Schedule, Simt};
use invnet::device::gpu::{Gpu, Precision};
use invnet::device::{Cpu, Device};
use invnet::gradcheck::numbers;
use invnet::op::{Border, Leg, Window};
use invnet::plan::Plan;
use invnet::shape::Shape;
use invnet::store::Store;
use invnet::tape::{Tape, Var};

const PRECISIONS: [Precision; 2] = [Precision::Tf32, Precision::Bf16];

/// A product of two tensors, and how many terms a number of the result sums.
#[derive(Clone, Copy, Debug)]
enum Product {
    MatMul { m: usize, n: usize, k: usize, ta: bool, tb: bool },
    Conv { leg: Leg, n: usize, ci: usize, co: usize, window: Window },
}

impl Product {
    fn shapes(&self) -> [Shape; 2] {
        match *self {
            Self::MatMul { m, n, k, ta, tb } => {
                [Shape::from(if ta { [k, m] } else { [m, k] }), Shape::from(if tb { [n, k] } else { [k, n] })]
            }
            Self::Conv { leg, n, ci, co, window: Window { image, kernel, out, .. } } => {
                let x = Shape::from([n, image[0], image[1], ci]);
                let w = Shape::from([kernel[0], kernel[1], ci, co]);
                let g = Shape::from([n, out[0], out[1], co]);
                match leg {
                    Leg::Y => [x, w],
                    Leg::X => [g, w],
                    Leg::W => [x, g],
                }
            }
        }
    }

    fn terms(&self) -> usize {
        match *self {
            Self::MatMul { k, .. } => k,
            Self::Conv { leg, n, ci, co, window: Window { kernel, out, .. } } => match leg {
                Leg::Y => kernel[0] * kernel[1] * ci,
                Leg::X => kernel[0] * kernel[1] * co,
                Leg::W => n * out[0] * out[1],
            },
        }
    }

    fn record<'t>(&self, a: Var<'t>, b: Var<'t>) -> Var<'t> {
        match *self {
            Self::MatMul { ta, tb, .. } => a.matmul_t(b, ta, tb),
            Self::Conv { leg: Leg::Y, window, .. } => a.conv_leg_y(b, window),
            Self::Conv { leg: Leg::X, window, .. } => a.conv_leg_x(b, window),
            Self::Conv { leg: Leg::W, window, .. } => a.conv_leg_w(b, window),
        }
    }

    fn operands(&self) -> [Vec<f64>; 2] {
        let mut seed = 0;
        self.shapes().map(|shape| {
            seed += 1;
            numbers(seed, shape.numel()).into_iter().map(|v| f64::from(v as f32)).collect()
        })
    }

    fn run(&self, device: impl Device + 'static, operands: &[Vec<f64>; 2]) -> Vec<f64> {
        let mut store = Store::new(device);
        let [a, b] = self.shapes();
        let a = store.add_real("a", a, &operands[0]).unwrap();
        let b = store.add_real("b", b, &operands[1]).unwrap();
        let tape = Tape::new();
        let y = self.record(store.var(&tape, a), store.var(&tape, b));
        let plan = Plan::new(&tape, &[y], &store);
        plan.run(&mut store).unwrap();
        plan.read(&mut store, 0).unwrap()
    }

    /// The result on the host's runtime, and the name of the kernel that computed it.
    fn run_kernels(&self, precision: Precision, schedule: Schedule) -> (Vec<f64>, &'static str) {
        let first = Arc::new(Mutex::new(None));
        let seen = Arc::clone(&first);
        let mut simt = Simt::new(schedule);
        simt.observe(Box::new(move |launch, _| {
            seen.lock().unwrap().get_or_insert(launch.kernel);
        }));
        let result = self.run(Gpu::new(simt, precision), &self.operands());
        let kernel = first.lock().unwrap().unwrap();
        (result, kernel)
    }

    /// Largest error as a part of what rounding allows: each factor by the unit roundoff, each sum
    /// by that of single precision, twice for tensor cores that truncate.
    fn error(&self, precision: Precision) -> f64 {
        let operands = self.operands();
        let exact = self.run(Cpu::<f64>::new(), &operands);
        let magnitude = self.run(Cpu::<f64>::new(), &operands.map(|v| v.iter().map(|x| x.abs()).collect()));
        let u = precision.unit_roundoff();
        let allowed = 2.0 * u + u * u + (self.terms() + 2) as f64 * f64::powi(2.0, -24) * 2.0;
        let (found, _) = self.run_kernels(precision, Schedule::Forward);
        assert_eq!(found.len(), exact.len());
        let mut worst = 0.0f64;
        for ((found, exact), magnitude) in found.iter().zip(&exact).zip(&magnitude) {
            let error = (found - exact).abs();
            // Not max(): a number that was never written is NaN.
            assert!(error <= allowed * magnitude + 1e-30, "{precision:?} {self:?}: {found} for {exact}");
            worst = worst.max(error / (allowed * magnitude).max(1e-30));
        }
        worst
    }
}

fn matmuls() -> Vec<Product> {
    let sizes = [
        (4, 4, 4),
        (12, 20, 8),
        (64, 64, 64),
        (68, 60, 36),
        (132, 132, 20),
        (128, 256, 48),
        (4, 132, 516),
        (200, 72, 100),
    ];
    let flags = [(false, false), (false, true), (true, false), (true, true)];
    let all = sizes.into_iter().flat_map(|size| flags.map(|flag| (size, flag)));
    all.map(|((m, n, k), (ta, tb))| Product::MatMul { m, n, k, ta, tb }).collect()
}

fn legs(
    n: usize,
    channels: [usize; 2],
    image: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    pad: [usize; 2],
) -> [Product; 3] {
    legs_with(Border::Open, n, channels, image, kernel, stride, pad)
}

fn periodic_legs(
    n: usize,
    channels: [usize; 2],
    image: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    pad: [usize; 2],
) -> [Product; 3] {
    legs_with(Border::Periodic, n, channels, image, kernel, stride, pad)
}

fn legs_with(
    border: Border,
    n: usize,
    [ci, co]: [usize; 2],
    image: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    pad: [usize; 2],
) -> [Product; 3] {
    let window = Window::over(image, kernel, stride, pad, border).unwrap();
    [Leg::Y, Leg::X, Leg::W].map(|leg| Product::Conv { leg, n, ci, co, window })
}

fn convolutions() -> Vec<Product> {
    let (one, two) = ([1, 1], [2, 2]);
    [
        legs(1, [12, 12], [1, 7], [3, 3], one, one),
        legs(5, [12, 20], [1, 7], [1, 3], [1, 2], [0, 1]),
        legs(5, [4, 12], [7, 5], [3, 2], [2, 1], [1, 0]),
        legs(1, [20, 12], [9, 11], [5, 3], [3, 2], [2, 1]),
        legs(5, [20, 64], [8, 6], [4, 4], two, one),
        legs(1, [64, 20], [33, 65], [3, 3], one, one),
        legs(1, [12, 132], [33, 17], [4, 4], two, one),
        legs(5, [132, 132], [6, 5], [4, 4], two, one),
        legs(1, [132, 64], [16, 16], [1, 1], one, [0, 0]),
        legs(1, [64, 64], [3, 3], [2, 2], one, two),
        // A stride longer than the filter: pixels of x that no tap meets.
        legs(1, [12, 12], [8, 7], [1, 2], [2, 3], [0, 0]),
        // Tiles of 128 for every leg.
        legs(5, [132, 132], [12, 11], [3, 3], one, one),
        periodic_legs(5, [20, 64], [10, 6], [4, 4], two, one),
        periodic_legs(1, [64, 20], [33, 15], [3, 3], one, one),
        periodic_legs(5, [12, 20], [9, 4], [5, 6], [3, 2], [7, 1]),
        periodic_legs(5, [132, 132], [6, 14], [4, 4], two, one),
    ]
    .concat()
}

fn check(products: &[Product]) {
    for precision in PRECISIONS {
        let mut worst = 0.0f64;
        for product in products {
            worst = worst.max(product.error(precision));
        }
        // An error far below the bound would mean that nothing was rounded.
        assert!(worst > 0.02, "{precision:?}: {worst} of the bound");
    }
}

#[test]
fn matrix_products_err_by_no_more_than_rounding() {
    check(&matmuls());
}

#[test]
fn convolutions_err_by_no_more_than_rounding() {
    check(&convolutions());
}

#[test]
fn results_do_not_depend_on_the_schedule() {
    let mut products = matmuls();
    products.truncate(20);
    products.extend(legs(5, [20, 64], [8, 6], [4, 4], [2, 2], [1, 1]));
    products.extend(legs(1, [12, 132], [33, 17], [3, 3], [1, 1], [1, 1]));
    products.extend(legs(2, [132, 132], [5, 5], [4, 4], [2, 2], [1, 1]));
    products.extend(periodic_legs(5, [20, 64], [10, 6], [4, 4], [2, 2], [1, 1]));
    for (product, precision) in products.iter().flat_map(|p| PRECISIONS.map(|precision| (p, precision))) {
        let (forward, _) = product.run_kernels(precision, Schedule::Forward);
        for schedule in [Schedule::Backward, Schedule::Shuffled(1), Schedule::Shuffled(2)] {
            let (other, _) = product.run_kernels(precision, schedule);
            let same = forward.iter().zip(&other).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{precision:?} {schedule:?} {product:?}");
        }
    }
}

#[test]
fn precision_and_channels_choose_the_kernel() {
    let kernel = |product: Product, precision| product.run_kernels(precision, Schedule::Forward).1;
    let (tf32, bf16) = (Precision::Tf32, Precision::Bf16);
    let one = [1, 1];
    let conv = |channels| legs(1, channels, [5, 4], [3, 3], one, one);
    let matmul = |m, n, k, ta, tb| Product::MatMul { m, n, k, ta, tb };
    for (product, precision, expected) in [
        (conv([12, 16])[0], Precision::Fp32, "conv_y_64"),
        (conv([12, 16])[0], tf32, "conv_y_tf32_64"),
        (conv([12, 16])[1], bf16, "conv_x_bf16_64"),
        (conv([12, 16])[2], tf32, "conv_w_tf32_64"),
        (conv([132, 132])[2], bf16, "conv_w_bf16_128"),
        // Groups of four must be whole where the leg reads along them.
        (conv([3, 16])[0], tf32, "conv_y_64"),
        (conv([3, 16])[2], tf32, "conv_w_64"),
        (conv([10, 16])[1], tf32, "conv_x_tf32_64"),
        (conv([12, 10])[1], tf32, "conv_x_64"),
        // Few channels of the result, whatever the precision.
        (conv([12, 4])[0], tf32, "conv_y_few"),
        (matmul(5, 8, 4, false, false), tf32, "matmul_nn_tf32_64"),
        (matmul(5, 8, 4, true, false), tf32, "matmul_tn_64"),
        (matmul(8, 5, 4, true, true), bf16, "matmul_tt_bf16_64"),
        (matmul(8, 8, 5, true, false), bf16, "matmul_tn_bf16_64"),
        (matmul(132, 132, 5, false, true), bf16, "matmul_nt_128"),
        (matmul(132, 132, 4, false, true), bf16, "matmul_nt_bf16_128"),
    ] {
        assert_eq!(kernel(product, precision), expected, "{precision:?} {product:?}");
    }
}
