//! The native CPU device: Rust loops over rows, and matrix products in blocks that stay in registers.
//!
//! Generic over the element: `Cpu<f32>` trains, `Cpu<f64>` is the oracle of every gradient check.
//! Work is split into pieces whose number does not depend on the number of threads, so results
//! have the same bits on one thread and on many. Loops run in whatever rayon pool is current.

mod block;
mod blur;
mod boundary;
mod cahn_hilliard;
mod conv;
mod correlation;
mod direct;
mod elementwise;
mod extents;
pub(crate) mod fft;
mod finish;
mod index;
mod layout;
mod matmul;
mod moments;
mod norm;
mod norm_layer;
mod norm_relu;
mod optim;
mod pairs;
mod penalty;
mod pieces;
mod pool;
mod random;
mod real;
mod reduce;
mod scratch;
mod softmax;
mod taps;
mod vector;
mod winograd;

use std::marker::PhantomData;
use std::mem::take;

pub use real::Real;

use crate::device::{BufferId, Device, Place, Precision, element_bytes};
use crate::error::Result;
use crate::op::{CorrelationLeg, Leg, Op, Over, Second};
use crate::words::counted;
use finish::Finish;
use scratch::Line;

/// Main memory and the cores of this machine.
pub struct Cpu<T> {
    precision: Precision,
    /// Samples of a batch whose algorithms smaller ones take too.
    batch: usize,
    blocks: Vec<Vec<Line>>,
    element: PhantomData<T>,
}

/// Most inputs of an op that has a result.
const MOST_INPUTS: usize = 9;

/// The tensors of one call: bytes as they lie in memory, typed on the way out.
struct Io<'a> {
    places: &'a [Place],
    inputs: [&'a [u8]; MOST_INPUTS],
    output: &'a Place,
}

impl<'a> Io<'a> {
    fn real<T: Real>(&self, i: usize) -> &'a [T] {
        bytemuck::cast_slice(self.inputs[i])
    }

    fn words(&self, i: usize) -> &'a [u32] {
        bytemuck::cast_slice(self.inputs[i])
    }
}

/// The first four inputs of the normalisations with scale, shift and LeakyReLU.
fn norm_fields<'a, T: Real>(io: &Io<'a>, eps: f64, slope: f64) -> norm_relu::Fields<'a, T> {
    let [x, stats, gamma, beta] = [0, 1, 2, 3].map(|i| io.real::<T>(i));
    norm_relu::Fields { x, stats, gamma, beta, eps: T::of(eps), slope: T::of(slope) }
}

fn typed<T: bytemuck::Pod>(block: &mut [Line], numel: usize) -> &mut [T] {
    &mut bytemuck::cast_slice_mut(block)[..numel]
}

impl<T: Real> Default for Cpu<T> {
    fn default() -> Self {
        Self { precision: Precision::Fp32, batch: 0, blocks: Vec::new(), element: PhantomData }
    }
}

impl Cpu<f32> {
    /// A device whose convolutions and matrix products multiply numbers of that precision where that saves
    /// time: narrow layers and 3 x 3 filters stay in single precision. There is no `tf32`: it is taken as
    /// single precision, which is closer.
    #[must_use]
    pub fn with_precision(precision: Precision) -> Self {
        Self { precision, ..Self::default() }
    }

    /// The same of batches of up to so many samples, whatever part of one is computed: what becomes of a
    /// sample then does not depend on how many there are beside it.
    #[must_use]
    pub fn for_batches_of(self, samples: usize) -> Self {
        Self { batch: samples, ..self }
    }
}

impl<T: Real> Cpu<T> {
    /// A device with no memory taken yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn bytes_of(place: &Place) -> usize {
        place.shape.numel() * element_bytes(place.dtype, size_of::<T>())
    }

    fn reals(&self, place: &Place) -> &[T] {
        let block: &[u8] = bytemuck::cast_slice(&self.blocks[place.buffer.0]);
        bytemuck::cast_slice(&block[place.offset..][..Self::bytes_of(place)])
    }

    /// Ops that change leaves: each changed block is taken out while the others are read.
    fn run_in_place(&mut self, op: &Op, inputs: &[Place]) {
        match *op {
            Op::Adam(settings) => {
                let update = optim::Adam::new(settings, self.reals(&inputs[0])[0], self.reals(&inputs[1])[0]);
                for tensors in inputs[2..].chunks_exact(settings.tensors()) {
                    let numel = tensors[0].shape.numel();
                    let [at_p, at_v] = [0, tensors.len() - 1].map(|i| tensors[i].buffer.0);
                    let at_m = (tensors.len() == 4).then(|| tensors[2].buffer.0);
                    let [mut p, mut v] = [at_p, at_v].map(|at| take(&mut self.blocks[at]));
                    let mut m = at_m.map(|at| take(&mut self.blocks[at]));
                    let first = m.as_deref_mut().map(|m| typed(m, numel));
                    update.apply(typed(&mut p, numel), self.reals(&tensors[1]), first, typed(&mut v, numel));
                    (self.blocks[at_p], self.blocks[at_v]) = (p, v);
                    if let (Some(at), Some(m)) = (at_m, m) {
                        self.blocks[at] = m;
                    }
                }
            }
            Op::Lerp => {
                let weight = self.reals(&inputs[0])[0];
                for pair in inputs[1..].chunks_exact(2) {
                    let mut target = take(&mut self.blocks[pair[0].buffer.0]);
                    let values = typed(&mut target, pair[0].shape.numel());
                    optim::lerp(values, self.reals(&pair[1]), weight);
                    self.blocks[pair[0].buffer.0] = target;
                }
            }
            Op::Tick => {
                let block = &mut self.blocks[inputs[0].buffer.0];
                let last = inputs[0].shape.numel() - 1;
                match inputs[0].dtype {
                    crate::op::DType::U32 => {
                        let word = &mut typed::<u32>(block, last + 1)[last];
                        *word = word.wrapping_add(1);
                    }
                    _ => typed::<T>(block, last + 1)[last] += T::one(),
                }
            }
            Op::Record => {
                let [rows, columns] = [inputs[0].shape[0], inputs[0].shape[1]];
                let row = self.reals(&inputs[1])[0].to_usize().unwrap_or(0) % rows;
                let mut ring = take(&mut self.blocks[inputs[0].buffer.0]);
                let target = &mut typed(&mut ring, rows * columns)[row * columns..][..columns];
                for (slot, scalar) in target.iter_mut().zip(&inputs[2..]) {
                    *slot = self.reals(scalar)[0];
                }
                self.blocks[inputs[0].buffer.0] = ring;
            }
            _ => unreachable!("{} has a result", op.name()),
        }
    }

    fn run_op(&mut self, op: &Op, inputs: &[Place], output: &Place) {
        if op.in_place() {
            self.run_in_place(op, inputs);
            return;
        }
        // The result's block is split around the result, so that inputs in the same block can be
        // borrowed from what lies before and after it.
        let mut home = take(&mut self.blocks[output.buffer.0]);
        let (before, rest) = bytemuck::cast_slice_mut::<Line, u8>(&mut home).split_at_mut(output.offset);
        let (out, after) = rest.split_at_mut(Self::bytes_of(output));
        let end = output.offset + out.len();
        let mut views: [&[u8]; MOST_INPUTS] = [&[]; MOST_INPUTS];
        for (view, place) in views.iter_mut().zip(inputs) {
            let length = Self::bytes_of(place);
            *view = if place.buffer != output.buffer {
                &bytemuck::cast_slice(&self.blocks[place.buffer.0])[place.offset..][..length]
            } else if place.offset < output.offset {
                &before[place.offset..][..length]
            } else {
                &after[place.offset - end..][..length]
            };
        }
        Self::compute(self.precision, self.batch, op, &Io { places: inputs, inputs: views, output }, out);
        self.blocks[output.buffer.0] = home;
    }

    fn compute(precision: Precision, batch: usize, op: &Op, io: &Io<'_>, out_bytes: &mut [u8]) {
        let shapes = |i: usize| &io.places[i].shape;
        let x = |i: usize| io.real::<T>(i);
        // Inputs that only some have.
        let given = |i: usize| (i < io.places.len()).then(|| x(i));
        let more = |i: usize| given(i).map(|field| norm_relu::More::of(field, shapes(i), &io.output.shape));
        match *op {
            Op::ArgMax => return index::argmax(x(0), shapes(0).channels(), out_bytes),
            Op::Augment(symmetry) => {
                let (maps, words) = (io.inputs[0], io.words(2).as_chunks().0);
                return index::augment(maps, io.words(1), words, symmetry, &io.output.shape, out_bytes);
            }
            Op::RandomIndex { stream, below } => {
                return random::indices(io.words(0), stream, below, bytemuck::cast_slice_mut(out_bytes));
            }
            _ => {}
        }
        let out_shape = &io.output.shape;
        let out: &mut [T] = bytemuck::cast_slice_mut(out_bytes);
        match *op {
            Op::Leaf(_) | Op::Reshape | Op::Detach | Op::Part(_) => unreachable!("{} is an alias", op.name()),
            Op::Fill(value) => out.fill(T::of(value)),
            Op::Unary(f) => elementwise::unary(f, x(0), out),
            Op::Binary(f) => elementwise::binary(f, x(0), shapes(0), x(1), shapes(1), out, out_shape),
            Op::SumTo => reduce::sum_to(x(0), shapes(0), out, out_shape),
            Op::Broadcast => layout::copy(x(0), 0, &shapes(0).broadcast_strides(out_shape), out, out_shape),
            Op::Permute(axes) => {
                let strides = shapes(0).strides();
                let mut permuted = [0; crate::shape::MAX_RANK];
                for i in 0..out_shape.rank() {
                    permuted[i] = strides[axes[i]];
                }
                layout::copy(x(0), 0, &permuted, out, out_shape);
            }
            Op::Slice(start) => {
                let strides = shapes(0).strides();
                let offset = (0..out_shape.rank()).map(|i| start[i] * strides[i]).sum();
                layout::copy(x(0), offset, &strides, out, out_shape);
            }
            Op::Pad(start) => layout::pad(x(0), shapes(0), &start, out, out_shape),
            Op::Concat(axis) => {
                layout::concat([x(0), x(1)], [0, 1].map(|i| shapes(i)[axis..].iter().product()), out)
            }
            Op::MatMul { transpose_a, transpose_b } => {
                let (a, b) = ((x(0), shapes(0), transpose_a), (x(1), shapes(1), transpose_b));
                matmul::matmul(a, b, out, precision);
            }
            Op::Conv(leg, window) | Op::ConvBias(leg, window, _) | Op::ConvGate(leg, window, _) => {
                let finish = match *op {
                    Op::ConvBias(_, _, slope) => Finish::bias(x(2), slope),
                    Op::ConvGate(_, _, slope) => Finish::Gate { gate: x(2), slope: T::of(slope) },
                    _ => Finish::Nothing,
                };
                let extents =
                    extents::Extents::of(leg, window, shapes(0), shapes(1), out_shape, precision, batch);
                match leg {
                    Leg::Y => conv::leg_y(&extents, x(0), x(1), &finish, out),
                    Leg::X => conv::leg_x(&extents, x(0), x(1), &finish, out),
                    Leg::W => conv::leg_w(&extents, x(0), x(1), out),
                }
            }
            Op::Interpolate => penalty::interpolate(x(0), x(1), x(2), out),
            Op::RowNorm(eps) => penalty::row_norm(x(0), shapes(0), T::of(eps), out),
            Op::SpreadTaps { turned } => taps::spread(x(0), shapes(0), turned, out, out_shape),
            Op::GatherTaps { turned } => taps::gather(x(0), shapes(0), turned, out, out_shape),
            Op::MeanPool(k) => pool::mean_pool(x(0), shapes(0), k, out),
            Op::Upsample(k) => pool::upsample(x(0), shapes(0), k, given(1), out),
            Op::Softmax => softmax::softmax(x(0), out_shape.channels(), out),
            Op::SoftmaxGrad => softmax::softmax_grad(x(0), x(1), out_shape.channels(), out),
            Op::Stats(over) => norm::stats(over, x(0), shapes(0), out),
            Op::Normalise(over, eps) => norm::normalise(over, T::of(eps), x(0), shapes(0), x(1), out),
            Op::NormaliseGrad(over, eps) => {
                norm::normalise_grad(over, T::of(eps), x(0), shapes(0), x(1), x(2), out);
            }
            Op::NormRelu(over, eps, slope) => {
                norm_relu::norm_relu(over, &norm_fields(io, eps, slope), shapes(0), out);
            }
            Op::NormReluSums(over, eps, slope) => {
                let of = norm_fields(io, eps, slope);
                match over {
                    Over::Batch => norm_relu::norm_relu_sums(&of, x(4), out),
                    Over::Layer => norm_layer::sums(&of, x(4), shapes(0), out),
                }
            }
            Op::NormReluGrad(over, eps, slope) => {
                let (of, more) = (norm_fields(io, eps, slope), more(6));
                match over {
                    Over::Batch => norm_relu::norm_relu_grad(&of, x(4), x(5), more, out),
                    Over::Layer => norm_layer::grad(&of, [x(4), x(5)], shapes(0), more, out),
                }
            }
            Op::NormReluSecond(what, eps, slope) => {
                let (of, shape) = (norm_fields(io, eps, slope), shapes(0));
                match what {
                    Second::Sums => norm_layer::second_sums(&of, [x(4), x(5), x(6)], shape, out),
                    Second::ByG => norm_layer::by_g(&of, [x(4), x(5)], shape, out),
                    Second::ByX => norm_layer::by_x(&of, [x(4), x(5), x(6), x(7)], shape, more(8), out),
                }
            }
            Op::Moments => moments::moments(x(0), shapes(0), out),
            Op::QuadraticField => moments::quadratic_field(x(0), out_shape, out),
            Op::Boundary(border, soft) => boundary::boundary(x(0), shapes(0), border, soft, out),
            Op::BoundaryGrad(border, soft) => {
                boundary::boundary_grad(x(0), x(1), shapes(0), border, soft, out);
            }
            Op::Correlation(CorrelationLeg::Curve, along, border) => {
                let other = (io.places[0] != io.places[1]).then(|| x(1));
                correlation::curve(x(0), other, shapes(0), along, border, out);
            }
            Op::Correlation(CorrelationLeg::Field, along, border) => {
                correlation::field(x(0), x(1), shapes(0), along, border, out);
            }
            Op::CahnHilliard(stepping) => cahn_hilliard::advance(&stepping, x(0), shapes(0), out),
            Op::OneHot => index::one_hot(io.inputs[0], io.words(1), out_shape, out),
            Op::Gather => index::gather(x(0), out_shape[1], io.words(1), out),
            Op::ScatterAdd => index::scatter_add(x(0), out_shape[1], io.words(1), out),
            Op::Uniform(stream) => random::uniform(io.words(0), stream, out),
            Op::Normal(stream) => random::normal(io.words(0), stream, out),
            Op::ArgMax | Op::Augment(_) | Op::RandomIndex { .. } => unreachable!("its result is not real"),
            Op::Adam(_) | Op::Lerp | Op::Tick | Op::Record => unreachable!("{} has no result", op.name()),
        }
    }
}

impl<T: Real> Device for Cpu<T> {
    fn name(&self) -> String {
        let products = match self.precision {
            Precision::Bf16 => pairs::name(),
            _ => std::any::type_name::<T>(),
        };
        format!("cpu ({}, {products})", counted(rayon::current_num_threads(), "thread"))
    }

    fn real_bytes(&self) -> usize {
        size_of::<T>()
    }

    fn alloc(&mut self, bytes: usize) -> Result<BufferId> {
        self.blocks.push(vec![Line::ZERO; bytes.div_ceil(size_of::<Line>())]);
        Ok(BufferId(self.blocks.len() - 1))
    }

    fn free(&mut self, block: BufferId) {
        self.blocks[block.0] = Vec::new();
    }

    fn upload(&mut self, to: BufferId, bytes: &[u8]) -> Result<()> {
        bytemuck::cast_slice_mut::<Line, u8>(&mut self.blocks[to.0])[..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn download(&mut self, from: BufferId, offset: usize, bytes: &mut [u8]) -> Result<()> {
        let block: &[u8] = bytemuck::cast_slice(&self.blocks[from.0]);
        bytes.copy_from_slice(&block[offset..][..bytes.len()]);
        Ok(())
    }

    fn run(&mut self, op: &Op, inputs: &[Place], output: &Place) -> Result<()> {
        T::run(self, op, inputs, output);
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        Ok(())
    }

    fn workspace_bytes(&self) -> usize {
        scratch::held_bytes()
    }
}
