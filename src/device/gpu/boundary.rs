//! Launches of `kernels/boundary.cu`.

use super::launch::{Launcher, Span};
use super::params::Boundary;
use super::{Gpu, blocks_for, word};
use crate::device::Place;
use crate::error::Result;
use crate::op::Border;
use crate::shape::Shape;
use crate::steps::steps;

/// The parameters of a boundary of images of that shape.
fn params(shape: &Shape, border: Border, soft: f64, (pieces, piece): (u32, u32)) -> Boundary {
    let [along_row, along_column, diagonal, _] =
        steps([shape[1], shape[2]], border, soft).map(|step| step.weight as f32);
    Boundary {
        n: word(shape[0]),
        h: word(shape[1]),
        w: word(shape[2]),
        c: word(shape[3]),
        pieces,
        piece,
        periodic: u32::from(border == Border::Periodic),
        soft: soft as f32,
        along_row,
        along_column,
        diagonal,
    }
}

impl<L: Launcher> Gpu<L> {
    /// x `[N, H, W, K]` to `[N, K]`.
    pub(super) fn boundary(&mut self, border: Border, soft: f64, x: &Place, y: &Place) -> Result<()> {
        let [n, h, w, c] = [x.shape[0], x.shape[1], x.shape[2], x.shape[3]];
        let groups = c.div_ceil(256);
        // A block reads 16 numbers a thread or more.
        let cut = self.pieces(n * groups, h * w, (16 * 256 / c.min(256)).max(1));
        let (pieces, params) = (cut.0, params(&x.shape, border, soft, cut));
        let grid = [word(n), pieces, word(groups)];
        if pieces == 1 {
            return self.launch("boundary", grid, &[Span::read(x), Span::write(y)], &params);
        }
        let partial = self.scratch([n, pieces as usize, c])?;
        self.launch("boundary", grid, &[Span::read(x), Span::write(&partial)], &params)?;
        self.sum_middle(Span::read(&partial), [n, pieces as usize, c], 1, pieces, Span::write(y))
    }

    /// x `[N, H, W, K]` and g `[N, K]` to the gradient of <g, boundary(x)> by x.
    pub(super) fn boundary_grad(
        &mut self,
        border: Border,
        soft: f64,
        x: &Place,
        g: &Place,
        y: &Place,
    ) -> Result<()> {
        let params = params(&x.shape, border, soft, (1, 0));
        let spans = [Span::read(x), Span::read(g), Span::write(y)];
        self.launch("boundary_grad", blocks_for(word(y.shape.numel()) as usize, 256), &spans, &params)
    }
}
