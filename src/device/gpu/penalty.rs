//! Launches of `kernels/penalty.cu`.

use super::launch::{Launcher, Span};
use super::params::Penalty;
use super::{Gpu, blocks_for, word};
use crate::device::Place;
use crate::error::Result;

impl<L: Launcher> Gpu<L> {
    pub(super) fn interpolate(&mut self, a: &Place, b: &Place, u: &Place, y: &Place) -> Result<()> {
        let n = y.shape[0];
        let width = y.shape.numel() / n;
        let params = Penalty { n: word(n), width: word(width), pieces: 1, piece: word(width), eps: 0.0 };
        let spans = [Span::read(a), Span::read(b), Span::read(u), Span::write(y)];
        self.launch("interpolate", [word(width.div_ceil(1024)), word(n), 1], &spans, &params)
    }

    pub(super) fn row_norm(&mut self, eps: f64, g: &Place, y: &Place) -> Result<()> {
        let n = g.shape[0];
        let width = g.shape.numel() / n;
        let (pieces, piece) = self.pieces(n, width, 2048);
        let params = Penalty { n: word(n), width: word(width), pieces, piece, eps: eps as f32 };
        let partial = self.scratch([pieces as usize, n])?;
        self.launch("row_norms", [word(n), pieces, 1], &[Span::read(g), Span::write(&partial)], &params)?;
        let spans = [Span::read(&partial), Span::write(y)];
        self.launch("row_norms_finish", blocks_for(n, 256), &spans, &params)
    }
}
