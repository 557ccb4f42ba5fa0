//! Legs of an image, whose few channels no tile suits: read as they are, mirrored, or made fours.

use super::{FOUR, Finish, Form, IMAGE_W};
use crate::device::gpu::launch::{Launcher, Span};
use crate::device::gpu::params::Conv;
use crate::device::gpu::{Gpu, word};
use crate::device::{ALIGN, Place};
use crate::error::Result;
use crate::op::{DType, Leg};
use crate::shape::Shape;

/// Of `conv_image_mma.cu`: its leg y, channels of y of a block, and bytes of shared memory.
pub(super) const IMAGE_Y: &str = "conv_y_bf16_image";
const IMAGE_CHANNELS: usize = 64;
pub(super) const IMAGE_SHARED: u32 = 64 << 10;

impl<L: Launcher> Gpu<L> {
    /// A leg as that of a mirrored form, whose filter is turned.
    pub(super) fn conv_mirrored(
        &mut self,
        form: &Form,
        [a, b]: [&Place; 2],
        finish: Finish<'_>,
        y: &Place,
    ) -> Result<()> {
        let [rows, columns] = form.window.kernel;
        let shape = Shape::from([rows, columns, form.ci, form.co]);
        let buffer =
            self.turned.hold(&mut self.launcher, shape.numel() * size_of::<f32>(), self.capturing)?;
        let filter = Place { buffer, offset: 0, shape, dtype: DType::Real };
        if form.leg == Leg::W {
            self.conv(Leg::W, &form.window, [b, a], Finish::Nothing, &filter)?;
            return self.turn(&filter, y);
        }
        self.turn(b, &filter)?;
        self.conv(form.leg, &form.window, [a, &filter], finish, y)
    }

    /// Leg y or w of an image. Leg w in pieces of whole rows of y, as many as are computed at a time.
    pub(super) fn conv_image(
        &mut self,
        form: &Form,
        [a, b]: [&Place; 2],
        extra: Span,
        mut params: Conv,
        y: &Place,
    ) -> Result<()> {
        let busy = self.launcher.multiprocessors() as usize;
        let [rows, width] = [form.n * form.window.out[0], form.window.out[1]];
        let across = word(form.co.div_ceil(IMAGE_CHANNELS));
        if form.leg == Leg::Y {
            let blocks = (rows * width.div_ceil(16)).div_ceil(8).min(4 * busy);
            let spans = [Span::read(a), Span::read(b), extra, Span::write(y)];
            return self.launch(IMAGE_Y, [word(blocks), across, 1], &spans, &params);
        }
        // No piece is shorter than what hides the cost of adding it up again.
        let piece = rows.div_ceil(2 * busy).max(256_usize.div_ceil(width)).min(rows);
        (params.pieces, params.piece) = (word(rows.div_ceil(piece)), word(piece * width));
        let kernel = IMAGE_W[usize::from(b.dtype == DType::Bf16)];
        self.in_pieces(params.pieces, y, |gpu, to| {
            let spans = [Span::read(a), Span::read(b), to];
            gpu.launch_shared(kernel, [params.pieces, across, 1], IMAGE_SHARED, &spans, &params)
        })
    }

    /// Leg y or w of an x whose channels are no fours, with as many zeros behind them: a copy of x costs
    /// less than single precision does.
    pub(super) fn conv_widened(
        &mut self,
        form: &Form,
        [a, b]: [&Place; 2],
        finish: Finish<'_>,
        y: &Place,
    ) -> Result<()> {
        let filter = if form.leg == Leg::W { y } else { b };
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
        if form.leg == Leg::W {
            self.conv(form.leg, &form.window, [&x, b], finish, &w)?;
            return self.widen(&w, across, y, narrow);
        }
        self.widen(filter, narrow, &w, across)?;
        self.conv(form.leg, &form.window, [&x, &w], finish, y)
    }
}
