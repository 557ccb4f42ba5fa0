//! From outputs of tiles to points and back, whatever the points: the ends of all legs but those in x of an image.

use std::marker::PhantomData;

use pulp::{Simd, WithSimd};

use super::OUTPUTS;
use crate::device::cpu::Real;
use crate::device::cpu::vector::{LANES, lanes, load, store};

/// The transforms of an algorithm along one axis, between its points and the outputs of a tile.
pub(super) trait Axis<const SIDE: usize> {
    /// The outputs of the products at all points.
    fn outputs<T: Real, S: Simd>(simd: S, m: [T::Of<S>; SIDE]) -> [T::Of<S>; OUTPUTS];
    /// The transpose of [`Axis::outputs`].
    fn spread<T: Real, S: Simd>(simd: S, g: [T::Of<S>; OUTPUTS]) -> [T::Of<S>; SIDE];
}

/// The transpose of [`PointsToOutputs`] for one row of tiles, with zeros behind the last channel.
pub(super) struct OutputsToPoints<'a, A, T, const SIDE: usize, const POINTS: usize> {
    pub(super) axis: PhantomData<A>,
    /// The lines of the row of tiles that are in the image, `width` pixels of `co` channels.
    pub(super) g: &'a [T],
    pub(super) co: usize,
    pub(super) width: usize,
    /// Of each point `[across, CO padded]`.
    pub(super) m: [&'a mut [T]; POINTS],
}

impl<A: Axis<SIDE>, T: Real, const SIDE: usize, const POINTS: usize> WithSimd
    for OutputsToPoints<'_, A, T, SIDE, POINTS>
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (lanes, co, width) = (lanes::<T, S>(), self.co, self.width);
        let padded = co.next_multiple_of(LANES);
        let lines = self.g.len() / (width * co);
        let zero = T::splat(simd, T::zero());
        for tile in 0..self.m[0].len() / padded {
            for c in (0..padded).step_by(lanes) {
                let part = lanes.min(co.saturating_sub(c));
                let mut rows = [[zero; OUTPUTS]; SIDE];
                for j in 0..OUTPUTS.min(width - OUTPUTS * tile) {
                    let mut column = [zero; OUTPUTS];
                    for (i, v) in column.iter_mut().enumerate().take(if part > 0 { lines } else { 0 }) {
                        let from = &self.g[(i * width + OUTPUTS * tile + j) * co + c..];
                        *v = if part == lanes { load::<T, S>(from) } else { T::get(simd, &from[..part]) };
                    }
                    for (row, v) in rows.iter_mut().zip(A::spread::<T, S>(simd, column)) {
                        row[j] = v;
                    }
                }
                for (k, row) in rows.into_iter().enumerate() {
                    for (l, v) in A::spread::<T, S>(simd, row).into_iter().enumerate() {
                        store::<T, S>(&mut self.m[k * SIDE + l][tile * padded + c..], v);
                    }
                }
            }
        }
    }
}

/// Where outputs go: which channels of a line of `width` pixels of `all`, and which of its pixels.
#[derive(Clone, Copy)]
pub(super) struct To {
    pub(super) first: usize,
    pub(super) channels: usize,
    pub(super) all: usize,
    /// Pixels, and lines, from one output to the next.
    pub(super) apart: usize,
    /// Line and pixel of the first output.
    pub(super) start: [usize; 2],
    pub(super) width: usize,
}

/// Outputs of one row of tiles from their products, for one panel of channels.
pub(super) struct PointsToOutputs<'a, A, T, const SIDE: usize> {
    pub(super) axis: PhantomData<A>,
    /// `[POINTS, count, panel]`, where the row begins at `tile`.
    pub(super) m: &'a [T],
    pub(super) panel: usize,
    pub(super) count: usize,
    pub(super) tile: usize,
    pub(super) to: To,
    /// The lines of the row of tiles that are in the image.
    pub(super) y: &'a mut [T],
}

impl<A: Axis<SIDE>, T: Real, const SIDE: usize> WithSimd for PointsToOutputs<'_, A, T, SIDE> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { m, panel, count, tile, to, y, .. } = self;
        let lanes = lanes::<T, S>();
        let zero = T::splat(simd, T::zero());
        for (tx, x) in (0..to.width).step_by(OUTPUTS * to.apart).enumerate() {
            for c in (0..to.channels).step_by(lanes) {
                let part = lanes.min(to.channels - c);
                let mut rows = [[zero; SIDE]; OUTPUTS];
                for l in 0..SIDE {
                    let mut column = [zero; SIDE];
                    for (k, v) in column.iter_mut().enumerate() {
                        *v = load::<T, S>(&m[((k * SIDE + l) * count + tile + tx) * panel + c..]);
                    }
                    for (row, v) in rows.iter_mut().zip(A::outputs::<T, S>(simd, column)) {
                        row[l] = v;
                    }
                }
                let lines = y.chunks_exact_mut(to.width * to.all).skip(to.start[0]).step_by(to.apart);
                for (line, row) in lines.zip(rows) {
                    let pixels = (x + to.start[1]..to.width).step_by(to.apart);
                    for (x, v) in pixels.zip(A::outputs::<T, S>(simd, row)) {
                        let to = &mut line[x * to.all + to.first + c..];
                        if part == lanes {
                            store::<T, S>(to, v);
                        } else {
                            T::put(simd, &mut to[..part], v);
                        }
                    }
                }
            }
        }
    }
}
