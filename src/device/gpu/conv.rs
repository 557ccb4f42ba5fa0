//! Launches of `kernels/conv.cu` and `kernels/conv_mma.cu`: which kernel computes a leg, and its
//! grid.

use super::launch::{Launcher, Span};
use super::matmul::Cut;
use super::params::Conv;
use super::{Gpu, blocks_for, word};
use crate::device::Place;
use crate::error::Result;
use crate::op::{Border, Leg, Window};

/// Result channels up to which a warp per pixel beats a tile of 64 columns.
const FEW: usize = 8;

/// The kernels, by leg, precision and size of the tile (64, 128).
const KERNELS: [[[&str; 2]; 3]; 3] = [
    [
        ["conv_y_64", "conv_y_128"],
        ["conv_y_tf32_64", "conv_y_tf32_128"],
        ["conv_y_bf16_64", "conv_y_bf16_128"],
    ],
    [
        ["conv_x_64", "conv_x_128"],
        ["conv_x_tf32_64", "conv_x_tf32_128"],
        ["conv_x_bf16_64", "conv_x_bf16_128"],
    ],
    [
        ["conv_w_64", "conv_w_128"],
        ["conv_w_tf32_64", "conv_w_tf32_128"],
        ["conv_w_bf16_64", "conv_w_bf16_128"],
    ],
];

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
    /// [`Span::NONE`] without one.
    bias: Span,
    /// 0 as is, 1 with the bias, 2 through a LeakyReLU of `slope` besides.
    activate: u32,
    slope: f32,
}

impl Call {
    fn new(
        leg: Leg,
        window: &Window,
        [a, b]: [&Place; 2],
        bias: Option<(&Place, Option<f64>)>,
        y: &Place,
    ) -> Self {
        let (n, ci, co) = match leg {
            Leg::Y => (a.shape[0], a.shape[3], b.shape[3]),
            Leg::X => (a.shape[0], b.shape[2], a.shape[3]),
            Leg::W => (a.shape[0], y.shape[2], y.shape[3]),
        };
        let (bias, activate, slope) = match bias {
            None => (Span::NONE, 0, 0.0),
            Some((bias, None)) => (Span::read(bias), 1, 0.0),
            Some((bias, Some(slope))) => (Span::read(bias), 2, slope as f32),
        };
        let (a, b) = (Span::read(a), Span::read(b));
        Self { leg, window: *window, n, ci, co, a, b, bias, activate, slope }
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
    /// One leg, with a bias and the slope of a LeakyReLU on the way where they are given.
    pub(super) fn conv(
        &mut self,
        leg: Leg,
        window: &Window,
        inputs: [&Place; 2],
        bias: Option<(&Place, Option<f64>)>,
        y: &Place,
    ) -> Result<()> {
        let call = Call::new(leg, window, inputs, bias, y);
        let extents = call.extents();
        let cut = self.cut(extents, leg == Leg::W);
        let params = call.params(&cut);
        if leg != Leg::W && extents[1] <= FEW {
            let kernel = if leg == Leg::Y { "conv_y_few" } else { "conv_x_few" };
            let pixels = y.shape.numel() / extents[1];
            let spans = [call.a, call.b, call.bias, Span::write(y)];
            return self.launch(kernel, blocks_for(32 * pixels, 256), &spans, &params);
        }
        // The channels along which each leg reads four numbers at a time.
        let rows_of: &[usize] = if leg == Leg::X { &[call.co] } else { &[call.ci, call.co] };
        let precision = self.product_precision(rows_of, &[inputs[0], inputs[1], y]);
        let kernel = KERNELS[leg as usize][precision as usize][usize::from(cut.tile == 128)];
        let [rows, columns] = [0, 1].map(|i| word(extents[i].div_ceil(cut.tile)));
        if leg == Leg::W {
            let grid = [rows, columns, cut.pieces];
            return self.in_pieces(cut.pieces, y, |gpu, to| {
                gpu.launch(kernel, grid, &[call.a, call.b, to], &params)
            });
        }
        // Leg x: one product per parity of the stride.
        let depth = if leg == Leg::X { word(window.stride[0] * window.stride[1]) } else { 1 };
        let spans = [call.a, call.b, call.bias, Span::write(y)];
        self.launch(kernel, [rows, columns, depth], &spans, &params)
    }
}
