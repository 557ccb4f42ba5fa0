//! From outputs of tiles to points and back, whatever the points: the ends of all legs but those in x of an image.

use std::marker::PhantomData;

use pulp::{Simd, WithSimd};

use super::{OUTPUTS, times};
use crate::device::cpu::Real;
use crate::device::cpu::vector::{LANES, lanes, load, store};

/// The transforms of an algorithm along one axis, between its points and the outputs of a tile.
pub(super) trait Axis<const SIDE: usize> {
    /// The outputs of the products at all points.
    fn outputs<T: Real, S: Simd>(simd: S, m: [T::Of<S>; SIDE]) -> [T::Of<S>; OUTPUTS];
    /// The transpose of [`Axis::outputs`].
    fn spread<T: Real, S: Simd>(simd: S, g: [T::Of<S>; OUTPUTS]) -> [T::Of<S>; SIDE];
}

/// Four outputs of products at a, -a, b and -b, and of `last`, which is part of the fourth alone.
#[inline(always)]
pub(super) fn of_pairs<T: Real, S: Simd>(
    simd: S,
    [a, b]: [f64; 2],
    m: [T::Of<S>; 4],
    last: T::Of<S>,
) -> [T::Of<S>; OUTPUTS] {
    let zero = T::splat(simd, T::zero());
    let (sum_a, difference_a) = (T::plus(simd, m[0], m[1]), T::minus(simd, m[0], m[1]));
    let (sum_b, difference_b) = (T::plus(simd, m[2], m[3]), T::minus(simd, m[2], m[3]));
    [
        T::plus(simd, sum_a, sum_b),
        times::<T, S>(simd, a, difference_a, times::<T, S>(simd, b, difference_b, zero)),
        times::<T, S>(simd, a * a, sum_a, times::<T, S>(simd, b * b, sum_b, zero)),
        times::<T, S>(simd, a * a * a, difference_a, times::<T, S>(simd, b * b * b, difference_b, last)),
    ]
}

/// The transpose of [`of_pairs`], but for the last.
#[inline(always)]
pub(super) fn to_pairs<T: Real, S: Simd>(simd: S, [a, b]: [f64; 2], g: [T::Of<S>; OUTPUTS]) -> [T::Of<S>; 4] {
    let zero = T::splat(simd, T::zero());
    let even_a = times::<T, S>(simd, a * a, g[2], g[0]);
    let odd_a = times::<T, S>(simd, a * a * a, g[3], times::<T, S>(simd, a, g[1], zero));
    let even_b = times::<T, S>(simd, b * b, g[2], g[0]);
    let odd_b = times::<T, S>(simd, b * b * b, g[3], times::<T, S>(simd, b, g[1], zero));
    [
        T::plus(simd, even_a, odd_a),
        T::minus(simd, even_a, odd_a),
        T::plus(simd, even_b, odd_b),
        T::minus(simd, even_b, odd_b),
    ]
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
