//! One GPU device for every launcher: maps an operation to kernels, grids and arguments.
//!
//! A file per kernel family says how its ops are launched; what runs a launch is a [`Launcher`]:
//! `cuda` the driver, `simt` the same kernels on the CPU. Everything but that last call is shared,
//! so geometry, argument order and kernel source are tested on every machine.

mod boundary;
mod cahn_hilliard;
pub mod chain;
mod choice;
mod conv;
mod correlation;
pub mod cuda;
pub mod dry;
mod elementwise;
mod fft;
mod index;
pub mod launch;
mod layout;
mod matmul;
pub mod model;
mod moments;
mod norm;
mod norm_layer;
mod norm_relu;
mod optim;
pub mod params;
mod penalty;
pub mod prove;
mod random;
mod reduce;
mod shadow;
#[cfg(feature = "simt")]
pub mod simt;
mod softmax;
mod storage;
mod trust;
pub mod watch;

pub use super::Precision;
use chain::Chained;
pub use choice::Choices;
use choice::Chosen;
use conv::Finish;
pub use launch::{Launch, Launcher};
use launch::{Span, bytes_of};
use shadow::Shadows;
use trust::Trust;
pub use trust::{Judge, is_fast};

use std::time::Duration;

use crate::device::{BufferId, Device, GraphId, Place, Settled, Timer, Typed};
use crate::error::Result;
use crate::op::{Binary, CorrelationLeg, DType, Op, Over};
use crate::shape::Shape;

/// Working space of an op, in a block that all ops share: work runs in order, so no two use it at
/// a time.
#[derive(Default)]
struct Workspace {
    block: Option<BufferId>,
    bytes: usize,
}

impl Workspace {
    /// The block, of at least that size.
    fn hold<L: Launcher>(&mut self, launcher: &mut L, bytes: usize, capturing: bool) -> Result<BufferId> {
        match self.block {
            Some(block) if self.bytes >= bytes => Ok(block),
            old => {
                assert!(!capturing, "working space grows while a graph is captured");
                if let Some(block) = old {
                    launcher.sync()?;
                    launcher.free(block);
                }
                let block = launcher.alloc(bytes)?;
                *self = Self { block: Some(block), bytes };
                Ok(block)
            }
        }
    }
}

/// A device that computes with the kernels of this crate.
pub struct Gpu<L> {
    launcher: Chained<L>,
    precision: Precision,
    workspace: Workspace,
    /// Of operands that tensor cores cannot read as they are.
    widened: Workspace,
    /// Of the filter of a leg that is computed in a mirror.
    turned: Workspace,
    /// Operands of a product in bf16.
    rounded: [Workspace; 2],
    shadows: Shadows,
    trust: Trust,
    chosen: Chosen,
    capturing: bool,
}

impl<L: Launcher> Gpu<L> {
    /// The device of a launcher.
    #[must_use]
    pub fn new(launcher: L, precision: Precision) -> Self {
        Self {
            launcher: Chained::new(launcher),
            precision,
            workspace: Workspace::default(),
            widened: Workspace::default(),
            turned: Workspace::default(),
            rounded: Default::default(),
            shadows: Shadows::default(),
            trust: Trust::default(),
            chosen: Chosen::default(),
            capturing: false,
        }
    }

    /// Launches every kernel by itself: no chains of small ones.
    #[must_use]
    pub fn one_by_one(mut self) -> Self {
        self.launcher.one_by_one();
        self
    }

    /// Launches a kernel on its pointers and its parameter struct.
    fn launch<P: bytemuck::Pod>(
        &mut self,
        kernel: &'static str,
        grid: [u32; 3],
        spans: &[Span],
        params: &P,
    ) -> Result<()> {
        self.launch_shared(kernel, grid, 0, spans, params)
    }

    /// The same, with `shared` bytes of dynamic shared memory.
    fn launch_shared<P: bytemuck::Pod>(
        &mut self,
        kernel: &'static str,
        grid: [u32; 3],
        shared: u32,
        spans: &[Span],
        params: &P,
    ) -> Result<()> {
        self.launcher.launch(&Launch { kernel, grid, shared, spans, table: 0, params: bytes_of(params) })
    }

    /// A real tensor of that shape in the working space, valid until the next call.
    fn scratch(&mut self, shape: impl Into<Shape>) -> Result<Place> {
        let shape = shape.into();
        // Room to grow, so that few steps reach the final size.
        let room = (shape.numel() * size_of::<f32>()).next_power_of_two();
        let buffer = self.workspace.hold(&mut self.launcher, room, self.capturing)?;
        Ok(Place { buffer, offset: 0, shape, dtype: DType::Real })
    }

    /// How many pieces to cut a sum into, so that `blocks` blocks for each keep the device busy
    /// and none is shorter than `least` elements; and the length of a piece.
    fn pieces(&self, blocks: usize, length: usize, least: usize) -> (u32, u32) {
        let wanted = (4 * self.launcher.multiprocessors() as usize).div_ceil(blocks.max(1));
        let pieces = wanted.min(length.div_ceil(least)).clamp(1, 1024);
        let piece = length.div_ceil(pieces).max(1);
        (length.div_ceil(piece).max(1) as u32, piece as u32)
    }

    fn run_op(&mut self, op: &Op, x: &[Place], y: &Place) -> Result<()> {
        match *op {
            Op::Leaf(_) | Op::Reshape | Op::Detach | Op::Part(_) => unreachable!("{} is an alias", op.name()),
            Op::Fill(value) => self.fill(value, y),
            Op::Unary(f) => self.unary(f, &x[0], y),
            Op::Binary(Binary::Gate(slope)) => self.binary("gate", slope, &x[0], &x[1], y),
            Op::Binary(f) => self.binary(elementwise::binary_name(f), 0.0, &x[0], &x[1], y),
            Op::SumTo => self.sum_to(&x[0], y),
            Op::Broadcast => self.copy(&x[0], 0, &x[0].shape.broadcast_strides(&y.shape), y),
            Op::Permute(axes) => {
                let strides = x[0].shape.strides();
                let mut permuted = [0; crate::shape::MAX_RANK];
                for i in 0..y.shape.rank() {
                    permuted[i] = strides[axes[i]];
                }
                self.copy(&x[0], 0, &permuted, y)
            }
            Op::Slice(start) => {
                let strides = x[0].shape.strides();
                let offset = (0..y.shape.rank()).map(|i| start[i] * strides[i]).sum();
                self.copy(&x[0], offset, &strides, y)
            }
            Op::Pad(start) => self.pad(&x[0], &start, y),
            Op::Concat(axis) => self.concat(axis, &x[0], &x[1], y),
            Op::MatMul { transpose_a, transpose_b } => self.matmul(&x[0], transpose_a, &x[1], transpose_b, y),
            Op::Conv(leg, window) => self.conv(leg, &window, [&x[0], &x[1]], Finish::Nothing, y),
            Op::ConvBias(leg, window, slope) => {
                self.conv(leg, &window, [&x[0], &x[1]], Finish::Bias(&x[2], slope), y)
            }
            Op::ConvGate(leg, window, slope) => {
                self.conv(leg, &window, [&x[0], &x[1]], Finish::Gate(&x[2], slope), y)
            }
            Op::Interpolate => self.interpolate(&x[0], &x[1], &x[2], y),
            Op::RowNorm(eps) => self.row_norm(eps, &x[0], y),
            Op::SpreadTaps { turned } => self.taps("spread_taps", &x[0], turned, y),
            Op::GatherTaps { turned } => self.taps("gather_taps", &x[0], turned, y),
            Op::MeanPool(k) => self.mean_pool(&x[0], k, y),
            Op::Upsample(k) => self.upsample(&x[0], k, x.get(1), y),
            Op::Softmax => self.softmax(&x[0], y),
            Op::SoftmaxGrad => self.softmax_grad(&x[0], &x[1], y),
            Op::Stats(over) => self.stats(over, &x[0], y),
            Op::Normalise(over, eps) => self.normalise(over, eps, &x[0], &x[1], y),
            Op::NormaliseGrad(over, eps) => self.normalise_grad(over, eps, &x[0], &x[1], &x[2], y),
            Op::NormRelu(over, eps, slope) => self.norm_relu(over, eps, slope, x, y),
            Op::NormReluSums(Over::Batch, eps, slope) => self.norm_relu_sums(eps, slope, x, y),
            Op::NormReluSums(Over::Layer, eps, slope) => self.norm_layer_sums(eps, slope, x, y),
            Op::NormReluGrad(Over::Batch, eps, slope) => self.norm_relu_grad(eps, slope, x, y),
            Op::NormReluGrad(Over::Layer, eps, slope) => self.norm_layer_grad(eps, slope, x, y),
            Op::NormReluSecond(what, eps, slope) => self.norm_layer_second(what, eps, slope, x, y),
            Op::Moments => self.moments(&x[0], y),
            Op::QuadraticField => self.quadratic_field(&x[0], y),
            Op::Boundary(border, soft) => self.boundary(border, soft, &x[0], y),
            Op::BoundaryGrad(border, soft) => self.boundary_grad(border, soft, &x[0], &x[1], y),
            Op::Correlation(CorrelationLeg::Curve, along, border) => {
                self.correlation(along, border, &x[0], &x[1], y)
            }
            Op::Correlation(CorrelationLeg::Field, along, border) => {
                self.correlation_field(along, border, &x[0], &x[1], y)
            }
            Op::CahnHilliard(ref stepping) => self.cahn_hilliard(stepping, &x[0], y),
            Op::OneHot => self.one_hot(&x[0], &x[1], y),
            Op::Augment(symmetry) => self.augment([&x[0], &x[1], &x[2]], symmetry, y),
            Op::Gather => self.gather(&x[0], &x[1], y),
            Op::ScatterAdd => self.scatter_add(&x[0], &x[1], y),
            Op::ArgMax => self.argmax(&x[0], y),
            Op::Uniform(stream) => self.random("uniform", stream, 0, &x[0], y),
            Op::Normal(stream) => self.random("normal", stream, 0, &x[0], y),
            Op::RandomIndex { stream, below } => self.random("random_index", stream, below, &x[0], y),
            Op::Adam(settings) => self.adam(settings, x),
            Op::Lerp => self.lerp(x),
            Op::Tick => self.tick(&x[0]),
            Op::Record => self.record(x),
        }
    }
}

/// Blocks of `threads` threads that cover `count` elements.
fn blocks_for(count: usize, threads: usize) -> [u32; 3] {
    [u32::try_from(count.div_ceil(threads)).expect("a tensor has fewer than 2^39 elements"), 1, 1]
}

/// An extent as kernels take it.
fn word(extent: usize) -> u32 {
    u32::try_from(extent).unwrap_or_else(|_| panic!("{extent} elements: a tensor has fewer than 2^32"))
}

impl<L: Launcher> Device for Gpu<L> {
    fn name(&self) -> String {
        format!("{}, {}", self.launcher.name(), self.precision.name())
    }

    fn real_bytes(&self) -> usize {
        size_of::<f32>()
    }

    fn alloc(&mut self, bytes: usize) -> Result<BufferId> {
        self.launcher.alloc(bytes)
    }

    fn free(&mut self, block: BufferId) {
        if let Some(copy) = self.shadows.gone(block) {
            self.launcher.free(copy);
        }
        self.launcher.free(block);
    }

    fn upload(&mut self, to: BufferId, bytes: &[u8]) -> Result<()> {
        self.shadows.changed(to);
        self.launcher.upload(to, bytes)
    }

    fn download(&mut self, from: BufferId, offset: usize, bytes: &mut [u8]) -> Result<()> {
        self.launcher.download(from, offset, bytes)
    }

    fn run(&mut self, op: &Op, inputs: &[Place], output: &Place) -> Result<()> {
        if !op.in_place() && output.shape.numel() == 0 {
            return Ok(());
        }
        if !op.in_place() {
            self.shadows.written(output.buffer);
        }
        let changed = inputs.iter().enumerate().filter(|&(i, _)| op.mutates(i));
        changed.for_each(|(_, place)| self.shadows.changed(place.buffer));
        self.run_op(op, inputs, output)
    }

    fn runs_in_bf16(&self, op: &Op, inputs: &[Typed], output: Typed) -> bool {
        self.takes_bf16(op, inputs, output)
    }

    fn sync(&mut self) -> Result<()> {
        self.launcher.sync()
    }

    fn start_timer(&mut self) -> Result<Timer> {
        self.launcher.start_timer()
    }

    fn stop_timer(&mut self, timer: Timer) -> Result<Duration> {
        self.launcher.stop_timer(timer)
    }

    fn settled(&self) -> Settled {
        Settled { avoided: self.trust.avoided(), chosen: self.chosen.known().clone() }
    }

    fn settle(&mut self, settled: &Settled) {
        self.trust.avoid(&settled.avoided);
        self.chosen.settle(&settled.chosen);
    }

    fn workspace_bytes(&self) -> usize {
        let rounded: usize = self.rounded.iter().map(|space| space.bytes).sum();
        self.workspace.bytes + self.widened.bytes + self.turned.bytes + rounded + self.shadows.bytes()
    }

    // A graph rounds what it needs: it does not know what was done before it, nor who runs after it what it did.
    fn begin_capture(&mut self) -> Result<bool> {
        self.shadows.all_changed();
        self.launcher.begin_capture()?;
        self.capturing = true;
        Ok(true)
    }

    fn end_capture(&mut self) -> Result<GraphId> {
        self.shadows.all_changed();
        self.capturing = false;
        self.launcher.end_capture()
    }

    fn replay(&mut self, graph: GraphId) -> Result<()> {
        self.shadows.all_changed();
        self.launcher.replay(graph)
    }
}
