//! Launches of `kernels/layout.cu`.

use super::elementwise::walk;
use super::launch::{Launcher, Span};
use super::params::{Concat, Elementwise, Pad, Pool, RANK, Strided, Taps, Widen};
use super::{Gpu, blocks_for, word};
use crate::device::Place;
use crate::error::Result;
use crate::op::DType;
use crate::shape::MAX_RANK;

impl<L: Launcher> Gpu<L> {
    /// y in its own order, from x at `offset` with the given steps along the axes of y.
    pub(super) fn copy(
        &mut self,
        x: &Place,
        offset: usize,
        steps: &[usize; MAX_RANK],
        y: &Place,
    ) -> Result<()> {
        let params = Strided { offset: word(offset), ..walk(&y.shape, steps, steps) };
        self.launch(
            "copy_strided",
            blocks_for(y.shape.numel(), 256),
            &[Span::read(x), Span::write(y)],
            &params,
        )
    }

    pub(super) fn pad(&mut self, x: &Place, start: &[usize; MAX_RANK], y: &Place) -> Result<()> {
        // Axes that are not padded merge with the one before them.
        let mut merged: Vec<[usize; 3]> = Vec::new();
        for axis in 0..y.shape.rank() {
            let next = [y.shape[axis], x.shape[axis], start[axis]];
            match merged.last_mut() {
                Some(last) if next[0] == next[1] => last.iter_mut().for_each(|v| *v *= next[0]),
                _ => merged.push(next),
            }
        }
        let mut params = Pad {
            n: word(y.shape.numel()),
            rank: merged.len() as u32,
            dims: [1; RANK],
            inner: [1; RANK],
            start: [0; RANK],
        };
        for (axis, [extent, inner, at]) in merged.into_iter().enumerate() {
            (params.dims[axis], params.inner[axis], params.start[axis]) =
                (word(extent), word(inner), word(at));
        }
        self.launch("pad", blocks_for(y.shape.numel(), 256), &[Span::read(x), Span::write(y)], &params)
    }

    pub(super) fn concat(&mut self, axis: usize, left: &Place, right: &Place, y: &Place) -> Result<()> {
        let n = y.shape.numel();
        let [l, r] = [left, right].map(|part| word(part.shape[axis..].iter().product()));
        let spans = [Span::read(left), Span::read(right), Span::write(y)];
        self.launch("concat", blocks_for(n, 4 * 256), &spans, &Concat { n: word(n), left: l, right: r })
    }

    /// Rows of `from` numbers as rows of `to`, with zeros behind, or cut.
    pub(super) fn widen(&mut self, x: &Place, from: usize, y: &Place, to: usize) -> Result<()> {
        let n = y.shape.numel();
        let params = Widen { n: word(n), from: word(from), to: word(to) };
        self.launch("widen", blocks_for(n, 4 * 256), &[Span::read(x), Span::write(y)], &params)
    }

    /// A whole number of fours, rounded to bf16.
    pub(super) fn narrow(&mut self, x: &Place, y: Span) -> Result<()> {
        let n = x.shape.numel();
        let params = Elementwise { n: word(n), channels: 1, a: 0.0, b: 0.0 };
        self.launch("narrow", blocks_for(n, 4 * 256), &[Span::read(x), y], &params)
    }

    /// A filter [KH, KW, CI, CO] with its taps from last to first as [KH, KW, CO, CI].
    pub(super) fn turn(&mut self, x: &Place, y: &Place) -> Result<()> {
        let n = y.shape.numel();
        let params = Widen { n: word(n), from: word(x.shape[3]), to: word(y.shape[3]) };
        self.launch("turn", blocks_for(n, 256), &[Span::read(x), Span::write(y)], &params)
    }

    /// Taps of a filter at 2 x 2 places, or the adjoint: a block for 32 x 32 channels of a tap of the result.
    pub(super) fn taps(&mut self, kernel: &'static str, x: &Place, turned: bool, y: &Place) -> Result<()> {
        let params = Taps {
            rows: word(y.shape[0]),
            columns: word(y.shape[1]),
            inner: word(y.shape[2]),
            outer: word(y.shape[3]),
            turned: u32::from(turned),
        };
        let tiles = [y.shape[3], y.shape[2]].map(|channels| word(channels.div_ceil(32)));
        // Of taps there may be most.
        let grid = [word(y.shape[0] * y.shape[1]), tiles[1], tiles[0]];
        self.launch(kernel, grid, &[Span::read(x), Span::write(y)], &params)
    }

    pub(super) fn mean_pool(&mut self, x: &Place, factor: usize, y: &Place) -> Result<()> {
        self.pool("mean_pool", &[Span::read(x), Span::write(y)], factor, [x, y])
    }

    pub(super) fn upsample(
        &mut self,
        x: &Place,
        factor: usize,
        more: Option<&Place>,
        y: &Place,
    ) -> Result<()> {
        let more = more.map_or(Span::NONE, Span::read);
        self.pool("upsample", &[Span::read(x), more, Span::write(y)], factor, [x, y])
    }

    fn pool(
        &mut self,
        kernel: &'static str,
        spans: &[Span],
        factor: usize,
        [x, y]: [&Place; 2],
    ) -> Result<()> {
        let n = y.shape.numel();
        // Kernels count both in words.
        word(x.shape.numel());
        let [x_bf16, y_bf16] = [x, y].map(|place| u32::from(place.dtype == DType::Bf16));
        let params = Pool {
            n: word(n),
            width: word(y.shape[2]),
            channels: word(y.shape[3]),
            factor: word(factor),
            x_bf16,
            y_bf16,
        };
        let a_thread = if y.shape.channels().is_multiple_of(4) { 4 } else { 1 };
        self.launch(kernel, blocks_for(n, a_thread * 256), spans, &params)
    }
}
