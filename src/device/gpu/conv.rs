//! Launches of `kernels/conv*.cu`: which kernel computes a leg, and its grid.

mod images;
mod rounded;
mod tiles;
mod wide;

use images::{IMAGE_SHARED, IMAGE_Y};
use tiles::Operands;

use super::launch::{Launcher, Span};
use super::params::Conv;
use super::{Gpu, Precision, blocks_for, word};
use crate::device::{Place, Typed};
use crate::error::Result;
use crate::op::{Border, DType, Leg, Window};
use crate::shape::Shape;

/// Result channels up to which a tile of 64 columns is not worth its work.
const FEW: usize = 8;
/// Pixels of a block of `conv_few.cu`, numbers from place to place of its source, channels at a time.
const FEW_TILE: [usize; 2] = [16, 32];
const FEW_STEP: usize = 12;
const FEW_CHANNELS: usize = 8;
/// Rows and strides of a block of `conv_few_mma.cu`, and numbers of a stride's columns that its lanes share out.
const FEW_MMA_TILE: [usize; 2] = [8, 64];
const FEW_MMA_NUMBERS: usize = 32;
/// Its kernels: by bf16, of operands in single precision and in bf16, and by tf32.
const FEW_MMA: [&str; 2] = ["conv_x_bf16_few", "conv_x_stored_bf16_few"];
const FEW_TF32: &str = "conv_x_tf32_few";
/// Channels of x and taps along an axis up to which `conv_image_mma.cu` takes them, and its legs w, of operands in
/// single precision and in bf16.
const IMAGE: usize = 4;
const IMAGE_W: [&str; 2] = ["conv_w_bf16_image", "conv_w_stored_bf16_image"];
/// Numbers that tensor cores' operands are read by.
const FOUR: usize = 4;
/// Pixels of a result below which a warp for each of them does it sooner than a tile.
const FEW_PIXELS: usize = 64;
/// Numbers of bf16 that they are read by where memory holds it.
const EIGHT: usize = 8;

/// What is done to the numbers of a result on their way out.
#[derive(Clone, Copy)]
pub(super) enum Finish<'a> {
    Nothing,
    /// A bias is added, and a LeakyReLU of that slope applied.
    Bias(&'a Place, Option<f64>),
    /// Times the slope where the gate, a tensor like the result, is not positive.
    Gate(&'a Place, f64),
}

/// One leg of a convolution.
#[derive(Clone, Copy)]
pub(super) struct Form {
    leg: Leg,
    window: Window,
    n: usize,
    ci: usize,
    co: usize,
}

/// What computes a leg.
enum Route {
    /// A kernel for few channels of the result, its grid and its dynamic shared memory.
    Few(&'static str, [u32; 3], u32),
    /// The same on tensor cores: one of [`FEW_MMA`], or [`FEW_TF32`].
    FewMma(Precision, [u32; 3], u32),
    /// Legs y and w of images, by bf16.
    Image,
    /// The leg of another form, by a route of its own.
    Mirrored(Form),
    /// Tiles, of an x whose channels are made whole fours.
    Widened,
    /// Tiles.
    Tiles(Precision),
}

impl Form {
    pub(super) fn new(leg: Leg, window: &Window, [a, b]: [&Shape; 2], y: &Shape) -> Self {
        let (n, ci, co) = match leg {
            Leg::Y => (a[0], a[3], b[3]),
            Leg::X => (a[0], b[2], a[3]),
            Leg::W => (a[0], y[2], y[3]),
        };
        Self { leg, window: *window, n, ci, co }
    }

    /// Numbers of x, w and y.
    fn numels(&self) -> [usize; 3] {
        let pixels = |extent: [usize; 2]| extent[0] * extent[1];
        let Window { image, kernel, out, .. } = self.window;
        [self.n * pixels(image) * self.ci, pixels(kernel) * self.ci * self.co, self.n * pixels(out) * self.co]
    }

    /// The channels along which the leg reads several numbers at a time.
    fn rows(&self) -> Vec<usize> {
        if self.leg == Leg::X { vec![self.co] } else { vec![self.ci, self.co] }
    }

    /// Leg x is one product per parity of the stride.
    fn classes(&self) -> usize {
        if self.leg == Leg::X { self.window.stride[0] * self.window.stride[1] } else { 1 }
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

    /// Grid and dynamic shared memory of leg x to few channels on tensor cores; none if they cannot read its operands,
    /// or need more of that than a block can have.
    fn few_mma(&self, precision: Precision, shared_limit: u32) -> Option<([u32; 3], u32)> {
        let Window { image, kernel, stride, out, border, .. } = self.window;
        let group = if precision == Precision::Bf16 { EIGHT } else { FOUR };
        if !self.co.is_multiple_of(group) || stride[1] * self.ci > FEW_MMA_NUMBERS {
            return None;
        }
        let [rows, strides] = FEW_MMA_TILE;
        let most = (image[1].min(strides * stride[1]) + kernel[1] - 2) / stride[1] + 1;
        let columns = if border == Border::Open { most.min(out[1]) } else { most };
        let step = columns.next_multiple_of(8) | 8;
        let bytes = rows * kernel[1] * self.ci * step * size_of::<f32>();
        let shared = u32::try_from(bytes).ok().filter(|&bytes| bytes <= shared_limit)?;
        let strips = image[1].div_ceil(strides * stride[1]);
        Some(([word(self.n * image[0].div_ceil(rows)), word(strips), 1], shared))
    }

    /// At stride 1 with few channels of y: the same leg with x and y in each other's place, so that it is of few
    /// channels of x, and taps from last to first.
    fn mirrored(&self) -> Option<Self> {
        let Window { image, kernel, stride, pad, out, border } = self.window;
        let pads = [0, 1].map(|axis| (kernel[axis] - 1).checked_sub(pad[axis]));
        let [Some(top), Some(left)] = pads else { return None };
        let small = self.leg == Leg::Y && out[0] * out[1] < FEW_PIXELS;
        if stride != [1, 1] || self.co > FEW || small || !self.ci.is_multiple_of(EIGHT) {
            return None;
        }
        let leg = match self.leg {
            Leg::Y => Leg::X,
            Leg::X => Leg::Y,
            Leg::W => Leg::W,
        };
        let window = Window { image: out, kernel, stride, pad: [top, left], out: image, border };
        (self.ci > FEW).then_some(Self { leg, window, n: self.n, ci: self.co, co: self.ci })
    }

    /// Whether tiles do leg w sooner in a mirror: few columns leave most of a tile idle, while as rows they are as many
    /// for each tap; but its sums run over the pixels of x, of which there may be more.
    fn is_better_mirrored(&self) -> bool {
        let Window { image, kernel, out, .. } = self.window;
        self.leg == Leg::W && kernel != [1, 1] && image[0] * image[1] <= 2 * out[0] * out[1]
    }

    /// Whether it is leg y or w of an image, with few taps.
    fn is_of_image(&self) -> bool {
        let taps = self.window.kernel.iter().all(|&taps| taps <= IMAGE);
        self.leg != Leg::X && self.ci <= IMAGE && taps && self.co.is_multiple_of(EIGHT)
    }

    /// Whether tensor cores may sum it in pieces: leg w, and leg y where four of its channels lie together.
    fn splits(&self) -> bool {
        self.leg == Leg::W || self.leg == Leg::Y && self.co.is_multiple_of(FOUR)
    }

    /// The parameters, without the pieces that it is cut into and what is done to the result.
    fn params(&self) -> Conv {
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
            pieces: 1,
            piece: 0,
            periodic: if border == Border::Periodic { u32::MAX } else { 0 },
            activate: 0,
            slope: 0.0,
            result_bf16: 0,
            gate_bf16: 0,
        }
    }
}

impl Finish<'_> {
    /// Adds itself to the parameters of a convolution; the tensor that it needs.
    fn join(&self, params: &mut Conv) -> Span {
        let (extra, activate, slope) = match *self {
            Finish::Nothing => (Span::NONE, 0, 0.0),
            Finish::Bias(bias, None) => (Span::read(bias), 1, 0.0),
            Finish::Bias(bias, Some(slope)) => (Span::read(bias), 2, slope),
            Finish::Gate(gate, slope) => {
                params.gate_bf16 = u32::from(gate.dtype == DType::Bf16);
                (Span::read(gate), 3, slope)
            }
        };
        (params.activate, params.slope) = (activate, slope as f32);
        extra
    }
}

impl<L: Launcher> Gpu<L> {
    fn route(&self, form: &Form) -> Route {
        if let Some(mirrored) = form.mirrored() {
            let suits = self.precision == Precision::Bf16
                && matches!(self.route(&mirrored), Route::FewMma(..) | Route::Image);
            if suits || form.is_better_mirrored() {
                return Route::Mirrored(mirrored);
            }
        }
        let few = form.leg != Leg::W && form.extents()[1] <= FEW;
        let (limit, tensors) = (self.launcher.shared_limit(), form.numels());
        let precision = self.product_precision(&[form.co], &tensors);
        let few_mma = if precision == Precision::Tf32 { FEW_TF32 } else { FEW_MMA[0] };
        if few
            && form.leg == Leg::X
            && precision != Precision::Fp32
            && let Some((grid, shared)) = form.few_mma(precision, limit)
            && self.trusts(few_mma)
        {
            return Route::FewMma(precision, grid, shared);
        }
        if let Some((kernel, grid, shared)) = few.then(|| form.few(limit)).flatten()
            && self.trusts(kernel)
        {
            return Route::Few(kernel, grid, shared);
        }
        let image = if form.leg == Leg::Y { IMAGE_Y } else { IMAGE_W[0] };
        if form.is_of_image() && precision == Precision::Bf16 && limit >= IMAGE_SHARED && self.trusts(image) {
            return Route::Image;
        }
        let wide = form.leg != Leg::X && !form.ci.is_multiple_of(FOUR);
        if wide && precision != Precision::Fp32 {
            return Route::Widened;
        }
        let precision = self.product_precision(&form.rows(), &tensors);
        let tensor_cores = precision != Precision::Fp32 && self.in_tiles(form, Operands::Single(precision));
        Route::Tiles(if tensor_cores { precision } else { Precision::Fp32 })
    }

    /// Whether a leg takes and makes tensors of these types: its operands rounded already, its result to be rounded,
    /// and the gate it goes through. Tensor cores read eight such numbers at a time.
    pub(super) fn conv_in_bf16(&self, form: &Form, inputs: &[Typed], y: Typed) -> bool {
        let is_bf16 = |typed: &Typed| typed.1 == DType::Bf16;
        let [a, b] = [0, 1].map(|i| is_bf16(&inputs[i]));
        let route = self.route(form);
        if let Route::Mirrored(form) = &route {
            let swapped: Vec<Typed> = [1, 0].map(|i| inputs[i]).to_vec();
            return self.conv_in_bf16(form, if form.leg == Leg::W { &swapped } else { inputs }, y);
        }
        if matches!(route, Route::FewMma(..)) {
            let single = |typed: &Typed| !is_bf16(typed);
            return single(&y) && inputs[1..].iter().all(single) && (!a || self.trusts(FEW_MMA[1]));
        }
        if matches!(route, Route::Image) && form.leg == Leg::W {
            return !a && !is_bf16(&y) && (!b || self.trusts(IMAGE_W[1]));
        }
        let tiles = matches!(route, Route::Tiles(Precision::Bf16));
        if form.leg == Leg::W {
            let dtypes = [0, 1].map(|i| inputs[i].1);
            let readable =
                if a && b { self.in_tiles(form, Operands::Stored) } else { self.rounds_first(form, dtypes) };
            return tiles && readable && !is_bf16(&y);
        }
        let widened = || {
            let wide = Form { ci: form.ci.next_multiple_of(FOUR), ..*form };
            matches!(route, Route::Widened) && matches!(self.route(&wide), Route::Tiles(Precision::Bf16))
        };
        !b && (tiles || matches!(route, Route::Image) || widened())
            && (!a || tiles && self.in_tiles(form, Operands::Stored))
            && (!is_bf16(&y) || y.0.channels().is_multiple_of(EIGHT))
            // A bias is small.
            && inputs.get(2).is_none_or(|extra| !is_bf16(extra) || extra.0 == y.0)
    }

    /// One leg, and what is done to its result.
    pub(super) fn conv(
        &mut self,
        leg: Leg,
        window: &Window,
        [a, b]: [&Place; 2],
        finish: Finish<'_>,
        y: &Place,
    ) -> Result<()> {
        let form = Form::new(leg, window, [&a.shape, &b.shape], &y.shape);
        let mut params = form.params();
        let extra = finish.join(&mut params);
        params.result_bf16 = u32::from(y.dtype == DType::Bf16);
        let precision = match self.route(&form) {
            Route::Few(kernel, grid, shared) => {
                let spans = [Span::read(a), Span::read(b), extra, Span::write(y)];
                return self.launch_shared(kernel, grid, shared, &spans, &params);
            }
            Route::FewMma(Precision::Tf32, grid, shared) => {
                let spans = [Span::read(a), Span::read(b), extra, Span::write(y)];
                return self.launch_shared(FEW_TF32, grid, shared, &spans, &params);
            }
            Route::FewMma(_, grid, shared) => {
                let kernel = FEW_MMA[usize::from(a.dtype == DType::Bf16)];
                let spans = [Span::read(a), self.narrowed(b)?, extra, Span::write(y)];
                return self.launch_shared(kernel, grid, shared, &spans, &params);
            }
            Route::Mirrored(mirrored) => return self.conv_mirrored(&mirrored, [a, b], finish, y),
            Route::Image => return self.conv_image(&form, [a, b], extra, params, y),
            Route::Widened => return self.conv_widened(&form, [a, b], finish, y),
            Route::Tiles(precision) => precision,
        };
        let rounds = precision == Precision::Bf16 && self.rounds_first(&form, [a.dtype, b.dtype]);
        let factors = if rounds { self.rounded(&form, [a, b])? } else { [*a, *b] };
        let [a, b] = factors.each_ref();
        let stored = a.dtype == DType::Bf16 && self.in_tiles(&form, Operands::Stored);
        let operands = if stored { Operands::Stored } else { Operands::Single(precision) };
        self.conv_tiles(&form, operands, [a, b], (extra, params), y)
    }
}
