//! Products that reach every kernel of convolutions and matrix products, and how far one may be off.

use crate::device::gpu::dry::{Dry, Limits};
use crate::device::gpu::{Gpu, Precision};
use crate::device::{Cpu, Device};
use crate::error::Result;
use crate::gradcheck::{largest, numbers};
use crate::op::{Border, Leg, Window};
use crate::plan::Plan;
use crate::shape::Shape;
use crate::store::Store;
use crate::tape::{Tape, Var};

/// A product of two tensors.
#[derive(Clone, Copy, Debug)]
pub enum Product {
    /// A matrix [M, N] from [M, K] and [K, N].
    MatMul {
        /// M.
        m: usize,
        /// N.
        n: usize,
        /// K.
        k: usize,
        /// The first factor lies transposed.
        ta: bool,
        /// The second factor lies transposed.
        tb: bool,
    },
    /// A leg of a convolution.
    Conv {
        /// Which of x, w and y is the result.
        leg: Leg,
        /// Images.
        n: usize,
        /// Channels of x.
        ci: usize,
        /// Channels of y.
        co: usize,
        /// Extents, strides and border.
        window: Window,
        /// Whether a plan may store the operands in bf16.
        stored: bool,
    },
}

/// Products that reach every tile in every leg and precision, on few multiprocessors or on many.
#[must_use]
pub fn list() -> Vec<Product> {
    let mut all = Vec::new();
    for (m, n, k) in [(64, 64, 64), (132, 132, 20), (4, 132, 516), (200, 72, 100)] {
        for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
            all.push(Product::MatMul { m, n, k, ta, tb });
        }
    }
    let (one, two) = ([1, 1], [2, 2]);
    for (n, ci, co, image, kernel, stride, pad, border) in [
        (5, 12, 20, [1, 7], [1, 3], [1, 2], [0, 1], Border::Open),
        (5, 20, 64, [8, 6], [4, 4], two, one, Border::Periodic),
        (1, 12, 132, [33, 17], [4, 4], two, one, Border::Open),
        (5, 132, 132, [12, 11], [3, 3], one, one, Border::Open),
        (1, 64, 20, [33, 65], [3, 3], one, one, Border::Open),
        (2, 3, 12, [36, 70], [4, 4], two, one, Border::Open),
        (2, 6, 12, [36, 70], [4, 4], two, one, Border::Periodic),
        (1, 12, 3, [18, 40], [3, 3], one, one, Border::Open),
        (1, 12, 7, [18, 40], [3, 3], one, one, Border::Open),
        (5, 132, 1, [4, 4], [4, 4], one, [0, 0], Border::Open),
        // Channels in eights, whose images plans store in bf16.
        (5, 24, 64, [8, 6], [4, 4], two, one, Border::Periodic),
        (2, 24, 64, [24, 26], [4, 4], two, one, Border::Open),
        (5, 136, 136, [12, 11], one, one, [0, 0], Border::Open),
        (5, 24, 40, [9, 8], one, one, [0, 0], Border::Open),
        (2, 3, 24, [18, 132], [4, 4], two, one, Border::Open),
        // The large tiles of warpgroups: two to a row of the result, and two to a column; by leg y, x and w.
        (2, 8, 256, [16, 16], one, one, [0, 0], Border::Open),
        (4, 8, 128, [16, 16], one, one, [0, 0], Border::Open),
        (2, 256, 16, [16, 16], one, one, [0, 0], Border::Open),
        (4, 128, 16, [16, 16], one, one, [0, 0], Border::Open),
        (1, 512, 256, [2, 2], one, one, [0, 0], Border::Open),
        (1, 64, 128, [4, 4], [4, 4], two, one, Border::Open),
    ] {
        let Some(window) = Window::over(image, kernel, stride, pad, border) else { continue };
        // Those of few channels have kernels for either.
        let ways: &[bool] = if ci <= 8 { &[true, false] } else { &[true] };
        for &stored in ways {
            let product = |leg| Product::Conv { leg, n, ci, co, window, stored };
            all.extend([Leg::Y, Leg::X, Leg::W].map(product));
        }
    }
    all
}

/// The same through a mask that changes nothing, if it may be stored in bf16.
fn all(operand: Var<'_>, stored: bool) -> Var<'_> {
    if stored { operand.gate(operand, 1.0) } else { operand }
}

impl Product {
    fn shapes(&self) -> [Shape; 2] {
        match *self {
            Self::MatMul { m, n, k, ta, tb } => {
                [Shape::from(if ta { [k, m] } else { [m, k] }), Shape::from(if tb { [n, k] } else { [k, n] })]
            }
            Self::Conv { leg, n, ci, co, window: Window { image, kernel, out, .. }, .. } => {
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

    /// Numbers that are multiplied.
    pub(super) fn multiplications(&self) -> usize {
        self.terms()
            * match *self {
                Self::MatMul { m, n, .. } => m * n,
                Self::Conv { leg, n, ci, co, window: Window { image, kernel, out, .. }, .. } => match leg {
                    Leg::Y => n * out[0] * out[1] * co,
                    Leg::X => n * image[0] * image[1] * ci,
                    Leg::W => kernel[0] * kernel[1] * ci * co,
                },
            }
    }

    /// Terms that a number of the result sums.
    fn terms(&self) -> usize {
        match *self {
            Self::MatMul { k, .. } => k,
            Self::Conv { leg, n, ci, co, window: Window { kernel, out, .. }, .. } => match leg {
                Leg::Y => kernel[0] * kernel[1] * ci,
                Leg::X => kernel[0] * kernel[1] * co,
                Leg::W => n * out[0] * out[1],
            },
        }
    }

    fn run(&self, device: Box<dyn Device>, operands: &[Vec<f64>; 2]) -> Result<Vec<f64>> {
        let mut store = Store::on(device);
        let tape = Tape::new();
        let [a, b] = self.shapes();
        let a = store.add_real("a", a, &operands[0])?;
        let b = store.add_real("b", b, &operands[1])?;
        let (a, b) = (store.var(&tape, a), store.var(&tape, b));
        let y = match *self {
            Self::MatMul { ta, tb, .. } => a.matmul_t(b, ta, tb),
            Self::Conv { leg, window, stored, .. } => {
                let (a, b) = (all(a, stored), all(b, stored && leg == Leg::W));
                match leg {
                    Leg::Y => a.conv_leg_y(b, window),
                    Leg::X => a.conv_leg_x(b, window),
                    Leg::W => a.conv_leg_w(b, window),
                }
            }
        };
        let plan = Plan::new(&tape, &[y], &store);
        plan.run(&mut store)?;
        plan.read(&mut store, 0)
    }

    /// What the product is in double precision.
    ///
    /// # Errors
    /// If memory runs out.
    pub fn reference(&self) -> Result<Reference> {
        let shapes = self.shapes();
        let operand = |i: usize| -> Vec<f64> {
            numbers(1 + i as u64, shapes[i].numel()).into_iter().map(|v| f64::from(v as f32)).collect()
        };
        let operands = [operand(0), operand(1)];
        let magnitudes = [0, 1].map(|i| operands[i].iter().map(|v| v.abs()).collect());
        let exact = self.run(Box::new(Cpu::<f64>::new()), &operands)?;
        let magnitude = self.run(Box::new(Cpu::<f64>::new()), &magnitudes)?;
        Ok(Reference { operands, exact, magnitude })
    }

    /// The largest error on a device of that precision, as a part of what rounding the operands allows: each
    /// factor by the unit roundoff u, each sum by that of single precision, twice for tensor cores that
    /// truncate: 2 u + u^2 + 2^-23 (terms + 4), relative to the same sum of magnitudes.
    ///
    /// # Errors
    /// If the device fails.
    pub fn share(&self, reference: &Reference, device: Box<dyn Device>, precision: Precision) -> Result<f64> {
        let found = self.run(device, &reference.operands)?;
        let u = precision.unit_roundoff();
        let allowed = 2.0 * u + u * u + (self.terms() + 4) as f64 * f64::powi(2.0, -23);
        let errors = found.iter().zip(&reference.exact).zip(&reference.magnitude);
        Ok(largest(errors.map(|((f, e), m)| (f - e).abs() / (allowed * m).max(f64::MIN_POSITIVE))))
    }

    /// The kernels that a card of those limits computes it with.
    ///
    /// # Errors
    /// None: nothing is run.
    pub fn kernels(&self, limits: Limits, precision: Precision) -> Result<Vec<&'static str>> {
        let (dry, log) = Dry::new(limits);
        let zeros = self.shapes().map(|shape| vec![0.0; shape.numel()]);
        self.run(Box::new(Gpu::new(dry, precision)), &zeros)?;
        let log = log.lock().expect("no thread panics while it holds this");
        Ok(log.iter().map(|launch| launch.kernel).collect())
    }
}

/// A product in double precision.
pub struct Reference {
    operands: [Vec<f64>; 2],
    exact: Vec<f64>,
    /// The same of its operands' magnitudes: what errors are relative to.
    magnitude: Vec<f64>,
}
