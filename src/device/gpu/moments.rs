//! Launches of `kernels/moments.cu`.

use super::launch::{Launcher, Span};
use super::params::Image;
use super::{Gpu, blocks_for, word};
use crate::device::Place;
use crate::error::Result;

impl<L: Launcher> Gpu<L> {
    pub(super) fn moments(&mut self, x: &Place, y: &Place) -> Result<()> {
        let [n, h, w, c] = [x.shape[0], x.shape[1], x.shape[2], x.shape[3]];
        let groups = c.div_ceil(256);
        // A block reads 16 numbers a thread or more.
        let (pieces, piece) = self.pieces(n * groups, h * w, (16 * 256 / c.min(256)).max(1));
        let params = Image { n: word(n), h: word(h), w: word(w), c: word(c), pieces, piece };
        let grid = [word(n), pieces, word(groups)];
        if pieces == 1 {
            return self.launch("moments", grid, &[Span::read(x), Span::write(y)], &params);
        }
        let partial = self.scratch([n, pieces as usize, c, 6])?;
        self.launch("moments", grid, &[Span::read(x), Span::write(&partial)], &params)?;
        self.sum_middle(Span::read(&partial), [n, pieces as usize, 6 * c], 1, pieces, Span::write(y))
    }

    pub(super) fn quadratic_field(&mut self, m: &Place, y: &Place) -> Result<()> {
        let [n, h, w, c] = [y.shape[0], y.shape[1], y.shape[2], y.shape[3]];
        let params = Image { n: word(n), h: word(h), w: word(w), c: word(c), pieces: 1, piece: 0 };
        self.launch(
            "quadratic_field",
            blocks_for(y.shape.numel(), 256),
            &[Span::read(m), Span::write(y)],
            &params,
        )
    }
}
