//! Products to compare, what is done to their results, and how far they may be off: by words of their own, that a slip
//! in the program's (`first_use`) cannot follow.

use invnet::device::gpu::simt::Schedule;
use invnet::device::gpu::watch::{Launched, Watch};
use invnet::device::gpu::{Gpu, Precision};
use invnet::device::{Cpu, Device};
use invnet::gradcheck::{largest, numbers};
use invnet::op::{Border, Leg, Window};
use invnet::plan::Plan;
use invnet::shape::Shape;
use invnet::store::Store;
use invnet::tape::{Tape, Var};

use crate::common::{self, watched};

pub const PRECISIONS: [Precision; 2] = [Precision::Tf32, Precision::Bf16];

/// Whether a kernel brings an operand to where tensor cores read it, or adds up pieces of their sums.
pub fn prepares(kernel: &str) -> bool {
    matches!(kernel, "widen" | "narrow" | "turn" | "finish_pieces")
}

/// What happens to a number of the result on its way out of a convolution's kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finish {
    Bare,
    Bias,
    /// A bias, then a LeakyReLU.
    Leaky,
    /// The mask of a LeakyReLU.
    Gate,
}

/// A product of two tensors, and how many terms a number of the result sums.
#[derive(Clone, Copy, Debug)]
pub enum Product {
    MatMul { m: usize, n: usize, k: usize, ta: bool, tb: bool },
    Conv { leg: Leg, n: usize, ci: usize, co: usize, window: Window },
}

impl Product {
    pub fn shapes(&self) -> [Shape; 2] {
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

    pub fn terms(&self) -> usize {
        match *self {
            Self::MatMul { k, .. } => k,
            Self::Conv { leg, n, ci, co, window: Window { kernel, out, .. } } => match leg {
                Leg::Y => kernel[0] * kernel[1] * ci,
                Leg::X => kernel[0] * kernel[1] * co,
                Leg::W => n * out[0] * out[1],
            },
        }
    }

    /// Channels of a convolution's result: the length of its bias.
    pub fn channels(&self) -> usize {
        match *self {
            Self::Conv { leg: Leg::X, ci, .. } => ci,
            Self::Conv { co, .. } => co,
            Self::MatMul { n, .. } => n,
        }
    }

    /// The result's shape.
    pub fn result(&self) -> Shape {
        match *self {
            Self::MatMul { m, n, .. } => Shape::from([m, n]),
            Self::Conv { leg, n, ci, co, window: Window { image, kernel, out, .. } } => {
                Shape::from(match leg {
                    Leg::Y => [n, out[0], out[1], co],
                    Leg::X => [n, image[0], image[1], ci],
                    Leg::W => [kernel[0], kernel[1], ci, co],
                })
            }
        }
    }

    pub fn record<'t>(&self, x: &[Var<'t>], finish: Finish) -> Var<'t> {
        let product = self.product(x[0], x[1]);
        match finish {
            Finish::Bare => product,
            Finish::Bias => product + x[2],
            Finish::Leaky => (product + x[2]).leaky_relu(0.2),
            Finish::Gate => product.gate(x[3], 0.2),
        }
    }

    pub fn product<'t>(&self, a: Var<'t>, b: Var<'t>) -> Var<'t> {
        match *self {
            Self::MatMul { ta, tb, .. } => a.matmul_t(b, ta, tb),
            Self::Conv { leg: Leg::Y, window, .. } => a.conv_leg_y(b, window),
            Self::Conv { leg: Leg::X, window, .. } => a.conv_leg_x(b, window),
            Self::Conv { leg: Leg::W, window, .. } => a.conv_leg_w(b, window),
        }
    }

    /// Both factors, a bias and a gate.
    pub fn operands(&self) -> Vec<Vec<f64>> {
        let [a, b] = self.shapes().map(|shape| shape.numel());
        let operand = |(seed, count)| numbers(seed, count).into_iter().map(|v| f64::from(v as f32)).collect();
        [(1, a), (2, b), (3, self.channels()), (4, self.result().numel())].map(operand).to_vec()
    }

    pub fn run(&self, device: Box<dyn Device>, operands: &[Vec<f64>], finish: Finish) -> Vec<f64> {
        let mut store = Store::on(device);
        let [a, b] = self.shapes();
        let shapes = [a, b, Shape::from([self.channels()]), self.result()];
        let tape = Tape::new();
        let names = ["a", "b", "bias", "gate"].into_iter().zip(shapes).zip(operands);
        let leaves = names.map(|((name, shape), values)| store.add_real(name, shape, values).unwrap());
        let leaves: Vec<_> = leaves.collect();
        let vars: Vec<Var<'_>> = leaves.into_iter().map(|leaf| store.var(&tape, leaf)).collect();
        let y = self.record(&vars, finish);
        let plan = Plan::new(&tape, &[y], &store);
        plan.run(&mut store).unwrap();
        plan.read(&mut store, 0).unwrap()
    }

    /// The result of the bare product on the host's runtime, and the name of its kernel.
    pub fn run_kernels(&self, precision: Precision, schedule: Schedule) -> (Vec<f64>, &'static str) {
        let (launcher, launched) = Watch::new(Box::new(common::simt(schedule)), None);
        let result = self.run(Box::new(Gpu::new(launcher, precision)), &self.operands(), Finish::Bare);
        let kernel = launched.lock().unwrap().iter().find(|&&kernel| !prepares(kernel)).copied();
        (result, kernel.unwrap())
    }

    /// Largest error as a part of what rounding allows: each factor by the unit roundoff, each sum
    /// by that of single precision, twice for tensor cores that truncate, and a few for what follows.
    /// NaN if a number was never written.
    pub fn error(&self, device: Box<dyn Device>, precision: Precision, finish: Finish) -> f64 {
        let operands = self.operands();
        let exact = self.run(Box::new(Cpu::<f64>::new()), &operands, finish);
        let magnitudes: Vec<Vec<f64>> =
            operands.iter().map(|v| v.iter().map(|x| x.abs()).collect()).collect();
        let magnitude = self.run(Box::new(Cpu::<f64>::new()), &magnitudes, finish);
        let u = precision.unit_roundoff();
        let allowed = 2.0 * u + u * u + (self.terms() + 4) as f64 * f64::powi(2.0, -24) * 2.0;
        let found = self.run(device, &operands, finish);
        assert_eq!(found.len(), exact.len());
        let parts = found.iter().zip(&exact).zip(&magnitude);
        let parts = parts.map(|((f, e), m)| (f - e).abs() / (allowed * m).max(1e-30));
        largest(parts)
    }

    /// The same of the program's own kernels, which must keep within the bound, and their names.
    pub fn checked(&self, precision: Precision, finish: Finish) -> (f64, Vec<&'static str>) {
        self.checked_on(watched(Schedule::Forward, precision), precision, finish)
    }

    pub fn checked_on(
        &self,
        (device, launched): (Box<dyn Device>, Launched),
        precision: Precision,
        finish: Finish,
    ) -> (f64, Vec<&'static str>) {
        let error = self.error(device, precision, finish);
        let kernels = launched.lock().unwrap().clone();
        assert!(error <= 1.0, "{precision:?} {finish:?} {self:?}: {error} of what rounding allows");
        (error, kernels)
    }
}

pub fn matmuls() -> Vec<Product> {
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

pub fn legs(
    n: usize,
    channels: [usize; 2],
    image: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    pad: [usize; 2],
) -> [Product; 3] {
    legs_with(Border::Open, n, channels, image, kernel, stride, pad)
}

pub fn periodic_legs(
    n: usize,
    channels: [usize; 2],
    image: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    pad: [usize; 2],
) -> [Product; 3] {
    legs_with(Border::Periodic, n, channels, image, kernel, stride, pad)
}

pub fn legs_with(
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

pub fn convolutions() -> Vec<Product> {
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
        // Channels that are no fours are made so.
        legs(5, [3, 64], [12, 10], [4, 4], two, one),
        legs(1, [6, 132], [16, 16], [4, 4], two, one),
        // Tiles of 128 for every leg.
        legs(5, [132, 132], [12, 11], [3, 3], one, one),
        periodic_legs(5, [20, 64], [10, 6], [4, 4], two, one),
        periodic_legs(1, [64, 20], [33, 15], [3, 3], one, one),
        periodic_legs(5, [12, 20], [9, 4], [5, 6], [3, 2], [7, 1]),
        periodic_legs(5, [132, 132], [6, 14], [4, 4], two, one),
    ]
    .concat()
}

/// Legs x of few channels, of eights of those of y: strips of a row, their rims, and what goes round a torus.
pub fn few_channels() -> Vec<Product> {
    let (one, two) = ([1, 1], [2, 2]);
    [
        legs(2, [3, 64], [12, 10], [4, 4], two, one),
        legs(1, [3, 8], [4, 262], [4, 4], two, one),
        legs(1, [8, 24], [17, 131], [3, 3], one, one),
        legs(5, [1, 8], [7, 9], [3, 3], one, two),
        legs(1, [4, 16], [9, 31], [5, 4], two, [2, 0]),
        legs(1, [6, 8], [8, 9], [3, 7], one, [1, 3]),
        legs(1, [2, 40], [5, 70], [1, 2], [2, 3], [0, 0]),
        legs(2, [5, 8], [6, 6], [2, 2], one, [3, 4]),
        legs(1, [7, 32], [1, 1], [1, 1], one, [0, 0]),
        periodic_legs(2, [3, 24], [6, 132], [4, 4], two, one),
        periodic_legs(1, [8, 8], [5, 65], [3, 3], one, one),
        periodic_legs(5, [7, 24], [4, 6], [5, 6], two, [3, 5]),
        periodic_legs(1, [2, 8], [9, 8], [5, 3], [3, 4], [7, 1]),
    ]
    .map(|[_, leg_x, _]| leg_x)
    .to_vec()
}

/// Legs y and w of images: channels and taps that do not fill an mma, blocks of channels, rims and tori.
pub fn images() -> Vec<Product> {
    let (one, two) = ([1, 1], [2, 2]);
    [
        legs(2, [3, 64], [12, 70], [4, 4], two, one),
        legs(3, [3, 72], [34, 36], [4, 4], two, one),
        legs(1, [1, 16], [17, 19], [3, 3], one, [2, 0]),
        legs(5, [4, 24], [7, 9], [4, 2], [1, 3], [0, 1]),
        legs(1, [2, 136], [9, 31], [2, 4], [3, 1], [1, 3]),
        legs(1, [4, 40], [5, 7], [1, 1], one, [0, 0]),
        legs(1, [3, 16], [8, 7], [1, 2], [2, 3], [0, 0]),
        periodic_legs(2, [3, 64], [12, 34], [4, 4], two, one),
        periodic_legs(1, [4, 16], [3, 17], [3, 3], one, one),
        periodic_legs(5, [1, 24], [9, 4], [4, 3], [3, 2], [7, 1]),
    ]
    .concat()
    .into_iter()
    .filter(|product| !matches!(product, Product::Conv { leg: Leg::X, .. }))
    .collect()
}
