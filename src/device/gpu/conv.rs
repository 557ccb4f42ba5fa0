//! Launches of `kernels/conv.cu`, `kernels/conv_few.cu` and `kernels/conv_mma.cu`: which kernel
//! computes a leg, and its grid.

use super::launch::{Launcher, Span};
use super::matmul::{self, Cut};
use super::params::Conv;
use super::{Gpu, Precision, blocks_for, word};
use crate::device::{ALIGN, Place};
use crate::error::Result;
use crate::op::{Border, Leg, Window};
use crate::shape::Shape;

/// Result channels up to which a tile of 64 columns is not worth its work.
const FEW: usize = 8;
/// Pixels of a block of `conv_few.cu`, numbers from place to place of its source, channels at a time.
const FEW_TILE: [usize; 2] = [16, 32];
const FEW_STEP: usize = 12;
const FEW_CHANNELS: usize = 8;
/// Numbers that tensor cores' operands are read by.
const FOUR: usize = 4;
/// Pixels of a result below which a warp for each of them does it sooner than a tile.
const FEW_PIXELS: usize = 64;

/// The kernels, by leg, precision and tile, as [`matmul::TILES`] lists them.
const KERNELS: [[[&str; 3]; 3]; 3] = [
    [
        ["conv_y_64", "conv_y_128x64", "conv_y_128"],
        ["conv_y_tf32_64", "conv_y_tf32_128x64", "conv_y_tf32_128"],
        ["conv_y_bf16_64", "conv_y_bf16_128x64", "conv_y_bf16_128"],
    ],
    [
        ["conv_x_64", "conv_x_128x64", "conv_x_128"],
        ["conv_x_tf32_64", "conv_x_tf32_128x64", "conv_x_tf32_128"],
        ["conv_x_bf16_64", "conv_x_bf16_128x64", "conv_x_bf16_128"],
    ],
    [
        ["conv_w_64", "conv_w_128x64", "conv_w_128"],
        ["conv_w_tf32_64", "conv_w_tf32_128x64", "conv_w_tf32_128"],
        ["conv_w_bf16_64", "conv_w_bf16_128x64", "conv_w_bf16_128"],
    ],
];

/// What is done to the numbers of a result on their way out.
#[derive(Clone, Copy)]
pub(super) enum Finish<'a> {
    Nothing,
    /// A bias is added, and a LeakyReLU of that slope applied.
    Bias(&'a Place, Option<f64>),
    /// Times the slope where the gate, a tensor like the result, is not positive.
    Gate(&'a Place, f64),
}

/// One leg of a convolution with its tensors.
#[derive(Clone, Copy)]
pub(super) struct Call {
    leg: Leg,
    window: Window,
    n: usize,
    ci: usize,
    co: usize,
    a: Span,
    b: Span,
    /// Bias or gate; [`Span::NONE`] without one.
    extra: Span,
    /// 0 as is, 1 with the bias, 2 through a LeakyReLU of `slope` besides, 3 through the gate.
    activate: u32,
    slope: f32,
}

impl Call {
    fn new(leg: Leg, window: &Window, [a, b]: [&Place; 2], finish: Finish<'_>, y: &Place) -> Self {
        let (n, ci, co) = match leg {
            Leg::Y => (a.shape[0], a.shape[3], b.shape[3]),
            Leg::X => (a.shape[0], b.shape[2], a.shape[3]),
            Leg::W => (a.shape[0], y.shape[2], y.shape[3]),
        };
        let (extra, activate, slope) = match finish {
            Finish::Nothing => (Span::NONE, 0, 0.0),
            Finish::Bias(bias, None) => (Span::read(bias), 1, 0.0),
            Finish::Bias(bias, Some(slope)) => (Span::read(bias), 2, slope as f32),
            Finish::Gate(gate, slope) => (Span::read(gate), 3, slope as f32),
        };
        let (a, b) = (Span::read(a), Span::read(b));
        Self { leg, window: *window, n, ci, co, a, b, extra, activate, slope }
    }

    /// Rows, columns and depth of the leg as a matrix product; for leg x, of its largest parity.
    fn extents(&self) -> [usize; 3] {
        let Window { image, kernel, stride, out, .. } = self.window;
        let taps = kernel[0] * kernel[1];
        let pixels = self.n * out[0] * out[1];
        match self.leg {
            Leg::Y => [pixels, self.co, taps * self.ci],
            Leg::X => {
                let part = |axis: usize| image[axis].div_ceil(stride[axis]);
                let reach = |axis: usize| kernel[axis].div_ceil(stride[axis]);
                [self.n * part(0) * part(1), self.ci, reach(0) * reach(1) * self.co]
            }
            Leg::W => [taps * self.ci, self.co, pixels],
        }
    }

    /// Kernel, grid and dynamic shared memory of leg y or x to few channels; none if its taps need more
    /// of that than a block can have, and a product has to do.
    fn few(&self, shared_limit: u32) -> Option<(&'static str, [u32; 3], u32)> {
        let Window { image, kernel, stride, out, .. } = self.window;
        let (results, taps, classes, outputs) = match self.leg {
            Leg::Y => (out, kernel, 1, self.co),
            _ => {
                let part = |extent: [usize; 2]| [0, 1].map(|axis| extent[axis].div_ceil(stride[axis]));
                (part(image), part(kernel), stride[0] * stride[1], self.ci)
            }
        };
        let padded = if outputs <= 4 { 4 } else { 8 };
        let places: usize = [0, 1].map(|axis| FEW_TILE[axis] + taps[axis] - 1).iter().product();
        let numbers = places * FEW_STEP + taps[0] * taps[1] * FEW_CHANNELS * padded;
        let shared = u32::try_from(numbers * size_of::<f32>()).ok().filter(|&bytes| bytes <= shared_limit);
        if self.leg == Leg::Y && (stride != [1, 1] || out[0] * out[1] < FEW_PIXELS || shared.is_none()) {
            return Some(("conv_y_few", blocks_for(32 * self.n * out[0] * out[1], 256), 0));
        }
        let tiles: usize = [0, 1].map(|axis| results[axis].div_ceil(FEW_TILE[axis])).iter().product();
        let name = match (self.leg, padded) {
            (Leg::Y, 4) => "conv_y_few_4",
            (Leg::Y, _) => "conv_y_few_8",
            (_, 4) => "conv_x_few_4",
            _ => "conv_x_few_8",
        };
        Some((name, [word(classes * tiles * self.n), 1, 1], shared?))
    }

    fn params(&self, cut: &Cut) -> Conv {
        let Window { image, kernel, stride, pad, out, border } = self.window;
        let signed = |v: usize| i32::try_from(v).expect("strides and paddings are small");
        Conv {
            n: word(self.n),
            h: word(image[0]),
            w: word(image[1]),
            ci: word(self.ci),
            oh: word(out[0]),
            ow: word(out[1]),
            co: word(self.co),
            kh: word(kernel[0]),
            kw: word(kernel[1]),
            sh: signed(stride[0]),
            sw: signed(stride[1]),
            ph: signed(pad[0]),
            pw: signed(pad[1]),
            pieces: cut.pieces,
            piece: cut.piece,
            periodic: if border == Border::Periodic { u32::MAX } else { 0 },
            activate: self.activate,
            slope: self.slope,
        }
    }
}

impl<L: Launcher> Gpu<L> {
    /// One leg, and what is done to its result.
    pub(super) fn conv(
        &mut self,
        leg: Leg,
        window: &Window,
        inputs: [&Place; 2],
        finish: Finish<'_>,
        y: &Place,
    ) -> Result<()> {
        let call = Call::new(leg, window, inputs, finish, y);
        let extents = call.extents();
        // Leg x: one product per parity of the stride.
        let classes = if leg == Leg::X { window.stride[0] * window.stride[1] } else { 1 };
        let busy = self.launcher.multiprocessors() as usize;
        let cut = matmul::cut(busy, extents, classes, leg == Leg::W, &[0, 1, 2]);
        let params = call.params(&cut);
        if leg != Leg::W
            && extents[1] <= FEW
            && let Some((kernel, grid, shared)) = call.few(self.launcher.shared_limit())
            && self.trusts(kernel)
        {
            let spans = [call.a, call.b, call.extra, Span::write(y)];
            return self.launch_shared(kernel, grid, shared, &spans, &params);
        }
        if leg != Leg::X
            && !call.ci.is_multiple_of(FOUR)
            && self.product_precision(&[call.co], &[inputs[0], inputs[1], y]) != Precision::Fp32
        {
            return self.conv_widened(&call, inputs, finish, y);
        }
        // The channels along which each leg reads four numbers at a time.
        let rows_of: &[usize] = if leg == Leg::X { &[call.co] } else { &[call.ci, call.co] };
        let precision = self.product_precision(rows_of, &[inputs[0], inputs[1], y]);
        let kernel_of = |precision: Precision| KERNELS[leg as usize][precision as usize][cut.tile];
        let precision = self.trusted(precision, kernel_of);
        let kernel = kernel_of(precision);
        let [rows, columns] = cut.tiles(extents[0], extents[1]);
        let filter =
            if leg != Leg::W && precision == Precision::Bf16 { self.narrowed(inputs[1])? } else { call.b };
        if leg == Leg::W {
            let grid = [rows, columns, cut.pieces];
            return self.in_pieces(cut.pieces, y, |gpu, to| {
                gpu.launch(kernel, grid, &[call.a, call.b, to], &params)
            });
        }
        let spans = [call.a, filter, call.extra, Span::write(y)];
        self.launch(kernel, [rows, columns, word(classes)], &spans, &params)
    }

    /// Leg y or w of an x whose channels are no fours, with as many zeros behind them: a copy of x costs
    /// less than single precision does.
    fn conv_widened(
        &mut self,
        call: &Call,
        [a, b]: [&Place; 2],
        finish: Finish<'_>,
        y: &Place,
    ) -> Result<()> {
        let filter = if call.leg == Leg::W { y } else { b };
        let wide = |place: &Place, channels: usize| {
            let mut dims = place.shape.to_vec();
            dims[channels] = dims[channels].next_multiple_of(FOUR);
            Shape::new(&dims)
        };
        let shapes = [wide(a, 3), wide(filter, 2)];
        let bytes = shapes.map(|shape| (shape.numel() * size_of::<f32>()).next_multiple_of(ALIGN));
        let buffer = self.widened.hold(&mut self.launcher, bytes[0] + bytes[1], self.capturing)?;
        let [x, w] = [(0, shapes[0]), (bytes[0], shapes[1])].map(|(offset, shape)| Place {
            buffer,
            offset,
            shape,
            dtype: a.dtype,
        });
        let [from, to] = [a, &x].map(|place| place.shape[3]);
        self.widen(a, from, &x, to)?;
        let [narrow, across] = [filter, &w].map(|place| place.shape[2] * place.shape[3]);
        if call.leg == Leg::W {
            self.conv(call.leg, &call.window, [&x, b], finish, &w)?;
            return self.widen(&w, across, y, narrow);
        }
        self.widen(filter, narrow, &w, across)?;
        self.conv(call.leg, &call.window, [&x, &w], finish, y)
    }
}
