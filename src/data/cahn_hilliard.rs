//! Phase separation: simulations of the Cahn-Hilliard equation, many at once, on any device.
//!
//! A composition u, -1 in one pure phase and +1 in the other, follows
//! u_t = laplacian(u^3 - u - kappa laplacian u) on a periodic grid of pixels (Cahn and Hilliard
//! 1958, Cahn 1961), in units in which the wells of the free energy are at -1 and +1 and the
//! mobility is 1. [`crate::op::CahnHilliard`] is the scheme that the devices step it with.
//!
//! A uniform mixture of mean composition m is unstable if |m| < 1/sqrt(3), the spinodal. Waves of
//! length 2 pi sqrt(2 kappa / (1 - 3 m^2)) then grow fastest; domains of the two phases appear,
//! bounded by interfaces tanh(x / sqrt(2 kappa)), and coarsen, their size growing as t^(1/3) (Lifshitz
//! and Slyozov 1961). Beyond the spinodal a mixture separates only where something nucleates.
//!
//! The functions below measure fields `[H, W]` on the host, in double precision.

use std::f64::consts::TAU;

use realfft::RealFftPlanner;

use crate::device::{BufferId, Device, Place};
use crate::error::Result;
use crate::op::{CahnHilliard, DType, Op};
use crate::rng;
use crate::shape::Shape;

/// Fields `[N, H, W]` that evolve in a device's memory. The memory is given back at the end.
pub struct Simulation<'d> {
    device: &'d mut dyn Device,
    stepping: CahnHilliard,
    shape: Shape,
    now: BufferId,
    next: BufferId,
    steps: u64,
}

impl<'d> Simulation<'d> {
    /// Begins with fields `[N, H, W]`. The equation and the step are `stepping`'s; its number of
    /// steps is not used.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// If the number of values does not fit the shape.
    #[track_caller]
    pub fn new(
        device: &'d mut dyn Device,
        stepping: CahnHilliard,
        shape: [usize; 3],
        fields: &[f64],
    ) -> Result<Self> {
        let shape = Shape::from(shape);
        assert!(fields.len() == shape.numel(), "{} values for fields {shape:?}", fields.len());
        let bytes = if device.real_bytes() == 8 {
            bytemuck::cast_slice(fields).to_vec()
        } else {
            fields.iter().flat_map(|&u| (u as f32).to_ne_bytes()).collect()
        };
        let now = device.alloc(bytes.len())?;
        let next = match device.alloc(bytes.len()) {
            Ok(next) => next,
            Err(error) => {
                device.free(now);
                return Err(error);
            }
        };
        let simulation = Self { device, stepping, shape, now, next, steps: 0 };
        simulation.device.upload(now, &bytes)?;
        Ok(simulation)
    }

    /// Takes that many steps.
    ///
    /// # Errors
    /// If the device fails.
    pub fn advance(&mut self, steps: u32) -> Result<()> {
        let [from, to] = [self.now, self.next].map(|buffer| self.place(buffer));
        let op = Op::CahnHilliard(CahnHilliard { steps, ..self.stepping });
        self.device.run(&op, &[from], &to)?;
        std::mem::swap(&mut self.now, &mut self.next);
        self.steps += u64::from(steps);
        Ok(())
    }

    fn place(&self, buffer: BufferId) -> Place {
        Place { buffer, offset: 0, shape: self.shape, dtype: DType::Real }
    }

    /// Time passed since the beginning.
    #[must_use]
    pub fn time(&self) -> f64 {
        self.steps as f64 * self.stepping.dt
    }

    /// The fields `[N, H, W]` as they are now.
    ///
    /// # Errors
    /// If the device fails.
    pub fn fields(&mut self) -> Result<Vec<f64>> {
        let numel = self.shape.numel();
        if self.device.real_bytes() == 8 {
            let mut fields = vec![0.0; numel];
            self.device.download(self.now, 0, bytemuck::cast_slice_mut(&mut fields))?;
            return Ok(fields);
        }
        let mut fields = vec![0f32; numel];
        self.device.download(self.now, 0, bytemuck::cast_slice_mut(&mut fields))?;
        Ok(fields.into_iter().map(f64::from).collect())
    }
}

impl Drop for Simulation<'_> {
    fn drop(&mut self) {
        self.device.free(self.now);
        self.device.free(self.next);
    }
}

/// A mixture `[H, W]` of mean composition `mean`, exact but for rounding, with normal fluctuations
/// of standard deviation `noise`. They are independent from pixel to pixel if `reach` is 0, else
/// smoothed by two box filters of 2 `reach` + 1 pixels along each axis. `stream` numbers the fields
/// of a seed.
#[must_use]
pub fn mixture(mean: f64, noise: f64, reach: usize, [h, w]: [usize; 2], seed: u64, stream: u32) -> Vec<f64> {
    let mut field: Vec<f64> =
        rng::normals(&rng::state(seed), stream, h * w).into_iter().map(f64::from).collect();
    if reach > 0 {
        // Four filters, each of which also transposes: both axes, twice.
        for [h, w] in [[h, w], [w, h], [h, w], [w, h]] {
            field = filtered_columns(&field, [h, w], reach);
        }
    }
    let count = (h * w) as f64;
    let average = field.iter().sum::<f64>() / count;
    let deviation = (field.iter().map(|u| (u - average).powi(2)).sum::<f64>() / count).sqrt();
    // A field of one pixel does not fluctuate.
    let scale = if deviation > 0.0 { noise / deviation } else { 0.0 };
    field.iter_mut().for_each(|u| *u = mean + scale * (*u - average));
    field
}

/// The sums of 2 `reach` + 1 neighbours down each periodic column, transposed.
fn filtered_columns(field: &[f64], [h, w]: [usize; 2], reach: usize) -> Vec<f64> {
    let at = |y: usize, x: usize| field[y % h * w + x];
    (0..w).flat_map(|x| (0..h).map(move |y| (0..=2 * reach).map(|d| at(y + d, x)).sum())).collect()
}

/// The free energy, the sum over pixels of (u^2 - 1)^2 / 4 + kappa |grad u|^2 / 2.
///
/// The gradient is the spectral one, of which the scheme never raises the energy: by Parseval,
/// along a line of L pixels, sum (du/dx)^2 = (1 / L) sum_k k^2 |U_k|^2.
#[must_use]
pub fn free_energy(u: &[f64], [h, w]: [usize; 2], kappa: f64) -> f64 {
    let bulk: f64 = u.iter().map(|u| (u * u - 1.0).powi(2) / 4.0).sum();
    let columns = filtered_columns(u, [h, w], 0);
    bulk + kappa / 2.0 * (squared_slopes(u, w) + squared_slopes(&columns, h))
}

/// Sum of (du/dx)^2 over periodic lines of that length.
fn squared_slopes(lines: &[f64], length: usize) -> f64 {
    let fft = RealFftPlanner::<f64>::new().plan_fft_forward(length);
    let (mut line, mut spectrum) = (fft.make_input_vec(), fft.make_output_vec());
    let mut sum = 0.0;
    for values in lines.chunks_exact(length) {
        line.copy_from_slice(values);
        fft.process(&mut line, &mut spectrum).expect("lengths are the plan's");
        for (k, value) in spectrum.iter().enumerate() {
            // The frequency -k is not stored.
            let mates = if k == 0 || 2 * k == length { 1.0 } else { 2.0 };
            sum += mates * (TAU * k as f64 / length as f64).powi(2) * value.norm_sqr();
        }
    }
    sum / length as f64
}

/// Length of the interfaces of a periodic field, in pixels: of the contour u = 0, straight between
/// its crossings of the grid's edges, which are interpolated linearly (marching squares; Lorensen
/// and Cline 1987 in two dimensions). Where all four edges of a square are crossed, the mean of its
/// corners decides which are joined.
#[must_use]
pub fn interface_length(u: &[f64], [h, w]: [usize; 2]) -> f64 {
    let mut length = 0.0;
    for y in 0..h {
        for x in 0..w {
            let [down, right] = [(y + 1) % h, (x + 1) % w];
            // Clockwise from the top left corner, in the order of the edges that they begin.
            let corners = [(y, x), (y, right), (down, right), (down, x)].map(|(y, x)| u[y * w + x]);
            length += within_square(corners);
        }
    }
    length
}

/// Length of the contour within a unit square, from its corners clockwise.
fn within_square(corners: [f64; 4]) -> f64 {
    let crossing = |edge: usize| {
        let (from, to) = (corners[edge], corners[(edge + 1) % 4]);
        ((from > 0.0) != (to > 0.0)).then(|| {
            let t = from / (from - to);
            [[t, 0.0], [1.0, t], [1.0 - t, 1.0], [0.0, 1.0 - t]][edge]
        })
    };
    let between = |a: [f64; 2], b: [f64; 2]| f64::hypot(a[0] - b[0], a[1] - b[1]);
    let crossings = [0, 1, 2, 3].map(crossing);
    if let [Some(top), Some(right), Some(bottom), Some(left)] = crossings {
        // The centre belongs with the first corner: the contour cuts off the second and the fourth.
        let with_first = (corners.iter().sum::<f64>() > 0.0) == (corners[0] > 0.0);
        return if with_first {
            between(top, right) + between(bottom, left)
        } else {
            between(left, top) + between(right, bottom)
        };
    }
    let mut ends = crossings.into_iter().flatten();
    match (ends.next(), ends.next()) {
        (Some(a), Some(b)) => between(a, b),
        _ => 0.0,
    }
}
