//! The three legs of the 3 x 3, stride 1, padding 1 convolution with 36 products for every 144.
//!
//! Along one axis, four neighbouring outputs of a 3-tap filter are a product of polynomials and need six
//! products instead of twelve (Winograd 1980, F(4, 3)): both are evaluated at six points, multiplied there,
//! and the outputs interpolated. The points are 0, ±1/sqrt 2, ±sqrt 2 and infinity, whose powers stay near
//! one, so that less is lost to rounding than with whole numbers (Vincent et al. 2017); a root of each is
//! the reciprocal of the other's, so that the polynomial that vanishes at all is x (x^4 - 5/2 x^2 + 1):
//!
//! ```text
//! V0 = d0 - 5/2 d2 + d4      V1,2 = (d4 - 2 d2) ± a (d3 - 2 d1)       a = 1/sqrt 2
//! V5 = d1 - 5/2 d3 + d5      V3,4 = (d4 - d2/2) ± b (d3 - d1/2)       b = sqrt 2
//! U0 = w0   U1,2 = -2/3 (w0 ± a w1 + w2/2)   U3,4 = 1/6 (w0 ± b w1 + 2 w2)   U5 = w2
//! y_j = [j = 0] m0 + a^j (m1 + (-1)^j m2) + b^j (m3 + (-1)^j m4) + [j = 3] m5
//! ```
//!
//! In two dimensions the trilinear form T(x, w, g) splits into 36 matrix products over tiles of 4 x 4
//! outputs. Leg x is leg y with the filter turned half round (`conv.rs`), leg w the transposes of the same
//! transforms. Tiles at the right and lower edges may reach beyond the image.

use std::array::from_fn;
use std::marker::PhantomData;

use super::super::pieces::*;
use pulp::{Simd, WithSimd};

use super::tiles::{self, OutputsToPoints, PointsToOutputs, To, of_pairs, to_pairs};
use super::{
    BLOCK_BYTES, CHANNELS, FEWEST, Grid, MOST, OUTPUTS, TASK_BYTES, bands, multiply, panel_of, pieces, times,
};
use crate::device::Precision;
use crate::device::cpu::Real;
use crate::device::cpu::block::Block;
use crate::device::cpu::extents::{Extents, row_of};
use crate::device::cpu::finish::Finish;
use crate::device::cpu::scratch;
use crate::device::cpu::vector::{LANES, lanes, load, store};
use crate::op::Border;

/// Points of an axis, and of a tile.
const SIDE: usize = 6;
const POINTS: usize = SIDE * SIDE;

const A: f64 = std::f64::consts::FRAC_1_SQRT_2;
const B: f64 = std::f64::consts::SQRT_2;

/// True where this algorithm is worth its transforms.
pub(in crate::device::cpu) fn applies(e: &Extents) -> bool {
    e.window.kernel == [3, 3]
        && e.window.stride == [1, 1]
        && e.window.pad == [1, 1]
        && e.window.out == e.window.image
        && e.window.image.iter().all(|&extent| extent >= OUTPUTS)
        && e.ci.min(e.co) >= CHANNELS[0]
        && e.ci.max(e.co) >= CHANNELS[1]
}

/// V of six numbers.
#[inline(always)]
fn forward<T: Real, S: Simd>(simd: S, d: [T::Of<S>; SIDE]) -> [T::Of<S>; SIDE] {
    let even_a = times::<T, S>(simd, -2.0, d[2], d[4]);
    let odd_a = times::<T, S>(simd, -2.0, d[1], d[3]);
    let even_b = times::<T, S>(simd, -0.5, d[2], d[4]);
    let odd_b = times::<T, S>(simd, -0.5, d[1], d[3]);
    [
        times::<T, S>(simd, -2.5, d[2], T::plus(simd, d[0], d[4])),
        times::<T, S>(simd, A, odd_a, even_a),
        times::<T, S>(simd, -A, odd_a, even_a),
        times::<T, S>(simd, B, odd_b, even_b),
        times::<T, S>(simd, -B, odd_b, even_b),
        times::<T, S>(simd, -2.5, d[3], T::plus(simd, d[1], d[5])),
    ]
}

/// The points of an axis.
struct Axis;

impl tiles::Axis<SIDE> for Axis {
    /// Four outputs of the products at six points.
    #[inline(always)]
    fn outputs<T: Real, S: Simd>(simd: S, m: [T::Of<S>; SIDE]) -> [T::Of<S>; OUTPUTS] {
        let [first, second, third, fourth] = of_pairs::<T, S>(simd, [A, B], [m[1], m[2], m[3], m[4]], m[5]);
        [T::plus(simd, m[0], first), second, third, fourth]
    }

    #[inline(always)]
    fn spread<T: Real, S: Simd>(simd: S, g: [T::Of<S>; OUTPUTS]) -> [T::Of<S>; SIDE] {
        let [a, minus_a, b, minus_b] = to_pairs::<T, S>(simd, [A, B], g);
        [g[0], a, minus_a, b, minus_b, g[3]]
    }
}

/// U of three taps, by point.
const FILTER: [[f64; 3]; SIDE] = [
    [1.0, 0.0, 0.0],
    [-2.0 / 3.0, -2.0 / 3.0 * A, -1.0 / 3.0],
    [-2.0 / 3.0, 2.0 / 3.0 * A, -1.0 / 3.0],
    [1.0 / 6.0, B / 6.0, 1.0 / 3.0],
    [1.0 / 6.0, -B / 6.0, 1.0 / 3.0],
    [0.0, 0.0, 1.0],
];

/// y = x * w
pub(in crate::device::cpu) fn leg_y<T: Real>(
    e: &Extents,
    x: &[T],
    w: &[T],
    finish: &Finish<'_, T>,
    y: &mut [T],
) {
    let [h, width] = e.window.image;
    let grid = Grid::of(e.window.image);
    let panel = panel_of(e.co);
    let padded = e.ci.next_multiple_of(LANES);
    let tiles = (TASK_BYTES / (POINTS * (padded + panel) * size_of::<T>())).clamp(FEWEST, MOST);
    let line = width * e.co;
    let pieces = pieces(&grid, tiles, y, [h, line, OUTPUTS]);
    scratch::with(e.co.div_ceil(panel) * POINTS * e.ci * panel, |u: &mut [T]| {
        filter_to_points(e, w, panel, u);
        let u = &*u;
        pieces.into_par_iter().each(&|piece| {
            let count = piece.rows * grid.across;
            scratch::with(POINTS * count * (padded + panel), |space: &mut [T]| {
                let (v, m) = space.split_at_mut(POINTS * count * padded);
                for (row, points) in bands(v, count, padded, grid.across).into_iter().enumerate() {
                    image_to_points(e, &grid, x, piece.first + row, points);
                }
                for (first, u) in (0..e.co).step_by(panel).zip(u.chunks_exact(POINTS * e.ci * panel)) {
                    multiply([v, u], [count, padded], [e.ci, panel], Precision::Fp32, m);
                    for row in 0..piece.rows {
                        let (top, ty) = piece.place(&grid, row, h, OUTPUTS);
                        let lines = OUTPUTS.min(h - OUTPUTS * ty);
                        let y = &mut piece.out[top * line..][..lines * line];
                        let (m, tile, channels) = (&*m, row * grid.across, panel.min(e.co - first));
                        let (axis, all, apart, start) = (PhantomData::<Axis>, e.co, 1, [0, 0]);
                        let to = To { first, channels, all, apart, start, width };
                        pulp::Arch::new().dispatch(PointsToOutputs { axis, m, panel, count, tile, to, y });
                    }
                }
                finish.apply(piece.start, piece.out);
            });
        });
    });
}

/// The adjoint of [`leg_y`] in w.
pub(in crate::device::cpu) fn leg_w<T: Real>(e: &Extents, x: &[T], g: &[T], w: &mut [T]) {
    let grid = Grid::of(e.window.image);
    let rows = e.n * grid.down;
    let [inner, outer] = [e.ci, e.co].map(|channels| channels.next_multiple_of(LANES));
    let bytes = POINTS * grid.across * (inner + outer) * size_of::<T>();
    let block = (BLOCK_BYTES / bytes).clamp(1, rows);
    scratch::with(POINTS * e.ci * outer, |u: &mut [T]| {
        scratch::with(POINTS * block * grid.across * (inner + outer), |space: &mut [T]| {
            for first in (0..rows).step_by(block) {
                let count = block.min(rows - first) * grid.across;
                let (v, m) = space.split_at_mut(POINTS * count * inner);
                let m = &mut m[..POINTS * count * outer];
                let (by_v, by_m) = (bands(v, count, inner, grid.across), bands(m, count, outer, grid.across));
                by_v.into_par_iter().zip(by_m).enumerate().each(&|(row, (v, m))| {
                    image_to_points(e, &grid, x, first + row, v);
                    outputs_to_points(e, &grid, g, first + row, m);
                });
                let (v, m) = (&*v, &*m);
                u.par_chunks_mut(e.ci * outer).enumerate().each(&|(point, out)| {
                    let a = &v[point * count * inner..][..count * inner];
                    let b = &m[point * count * outer..][..count * outer];
                    let (columns, rows, k, accumulate) = (true, e.ci, count, first > 0);
                    Block {
                        a,
                        step: inner,
                        columns,
                        rows,
                        k,
                        b,
                        width: outer,
                        out,
                        apart: outer,
                        accumulate,
                    }
                    .run();
                });
            }
        });
        points_to_filter(e, u, outer, w);
    });
}

/// U as `[panels, POINTS, CI, panel]`, with zeros behind the last channel.
fn filter_to_points<T: Real>(e: &Extents, w: &[T], panel: usize, u: &mut [T]) {
    u.par_chunks_mut(SIDE * e.ci * panel).enumerate().each(&|(task, u)| {
        let (first, point) = (task / SIDE * panel, task % SIDE);
        let channels = panel.min(e.co - first);
        pulp::Arch::new().dispatch(FilterToPoints { e, w, first, channels, point, panel, u });
    });
}

/// The points of one row, for one panel of channels: `[SIDE, CI, panel]`.
struct FilterToPoints<'a, T> {
    e: &'a Extents,
    w: &'a [T],
    first: usize,
    channels: usize,
    point: usize,
    panel: usize,
    u: &'a mut [T],
}

impl<T: Real> WithSimd for FilterToPoints<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { e, w, first, channels, point, panel, u } = self;
        let lanes = lanes::<T, S>();
        let zero = T::splat(simd, T::zero());
        for i in 0..e.ci {
            for o in (0..panel).step_by(lanes) {
                let part = lanes.min(channels.saturating_sub(o));
                let mut down = [zero; 3];
                if part > 0 {
                    for (tap, by) in FILTER[point].into_iter().enumerate() {
                        for (kx, down) in down.iter_mut().enumerate() {
                            let w = &w[((tap * 3 + kx) * e.ci + i) * e.co + first + o..][..part];
                            *down = times::<T, S>(simd, by, T::get(simd, w), *down);
                        }
                    }
                }
                for (k, by) in FILTER.into_iter().enumerate() {
                    let mut sum = zero;
                    for (by, v) in by.into_iter().zip(down) {
                        sum = times::<T, S>(simd, by, v, sum);
                    }
                    store::<T, S>(&mut u[(k * e.ci + i) * panel + o..], sum);
                }
            }
        }
    }
}

/// The transpose of [`filter_to_points`], from `[POINTS, CI, outer]`.
fn points_to_filter<T: Real>(e: &Extents, u: &[T], outer: usize, w: &mut [T]) {
    let rows = e.ci.div_ceil(16);
    bands(w, e.ci, e.co, rows).into_par_iter().enumerate().each(&|(part, w)| {
        pulp::Arch::new().dispatch(PointsToFilter { e, u, outer, first: part * rows, w });
    });
}

struct PointsToFilter<'a, T> {
    e: &'a Extents,
    u: &'a [T],
    outer: usize,
    first: usize,
    w: [&'a mut [T]; 9],
}

impl<T: Real> WithSimd for PointsToFilter<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (lanes, co) = (lanes::<T, S>(), self.e.co);
        let zero = T::splat(simd, T::zero());
        for i in 0..self.w[0].len() / co {
            for o in (0..co).step_by(lanes) {
                let mut taps = [[zero; 3]; 3];
                for k in 0..SIDE {
                    let mut across = [zero; 3];
                    for l in 0..SIDE {
                        let at = ((k * SIDE + l) * self.e.ci + self.first + i) * self.outer + o;
                        let v = load::<T, S>(&self.u[at..]);
                        for kx in 0..3 {
                            across[kx] = times::<T, S>(simd, FILTER[l][kx], v, across[kx]);
                        }
                    }
                    for (ky, taps) in taps.iter_mut().enumerate() {
                        for kx in 0..3 {
                            taps[kx] = times::<T, S>(simd, FILTER[k][ky], across[kx], taps[kx]);
                        }
                    }
                }
                let part = lanes.min(co - o);
                for (w, v) in self.w.iter_mut().zip(taps.into_iter().flatten()) {
                    T::put(simd, &mut w[i * co + o..][..part], v);
                }
            }
        }
    }
}

/// V of one row of tiles: the row of each point, `[across, CI padded]`.
fn image_to_points<T: Real>(e: &Extents, grid: &Grid, x: &[T], row: usize, v: [&mut [T]; POINTS]) {
    let [h, w] = e.window.image;
    let (image, ty) = (row / grid.down, row % grid.down);
    let rows = from_fn(|j| {
        let y = row_of(OUTPUTS * ty + j, 1, h, e.window.border)?;
        Some(&x[(image * h + y) * w * e.ci..][..w * e.ci])
    });
    // Lines of the image with a pixel more to the left, as many as the last tile needs to the right, and
    // room for a vector that begins with the last channels.
    let stride = (OUTPUTS * grid.across + 2) * e.ci + LANES;
    scratch::with(SIDE * stride, |lines: &mut [T]| {
        let transform = ImageToPoints { rows, ci: e.ci, border: e.window.border, stride, lines, v };
        pulp::Arch::new().dispatch(transform);
    });
}

struct ImageToPoints<'a, T> {
    rows: [Option<&'a [T]>; SIDE],
    ci: usize,
    border: Border,
    stride: usize,
    lines: &'a mut [T],
    v: [&'a mut [T]; POINTS],
}

impl<T: Real> WithSimd for ImageToPoints<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let lanes = lanes::<T, S>();
        let (ci, stride) = (self.ci, self.stride);
        let length = self.rows.iter().flatten().map(|row| row.len()).next().expect("a tile meets its image");
        let zero = T::splat(simd, T::zero());
        // Down the columns of the whole row first.
        let mut at = 0;
        while at < length {
            let part = lanes.min(length - at);
            let mut d = [zero; SIDE];
            for (d, row) in d.iter_mut().zip(&self.rows) {
                if let Some(row) = row {
                    *d = if part == lanes { load::<T, S>(&row[at..]) } else { T::get(simd, &row[at..]) };
                }
            }
            for (line, v) in self.lines.chunks_exact_mut(stride).zip(forward::<T, S>(simd, d)) {
                // What a last vector has too much is written over below.
                store::<T, S>(&mut line[ci + at..], v);
            }
            at += lanes;
        }
        for line in self.lines.chunks_exact_mut(stride) {
            line[ci + length..].fill(T::zero());
            match self.border {
                Border::Open => line[..ci].fill(T::zero()),
                Border::Periodic => {
                    line.copy_within(length..length + ci, 0);
                    line.copy_within(ci..2 * ci, ci + length);
                }
            }
        }
        // Then along the rows. A vector may take in channels of the next pixel: nobody reads them.
        let padded = ci.next_multiple_of(LANES);
        for (k, line) in self.lines.chunks_exact(stride).enumerate() {
            let points = self.v[k * SIDE..].first_chunk_mut::<SIDE>().expect("six points a row");
            for tile in 0..points[0].len() / padded {
                let pixels = &line[OUTPUTS * tile * ci..];
                for c in (0..ci).step_by(lanes) {
                    let mut d = [zero; SIDE];
                    for (j, d) in d.iter_mut().enumerate() {
                        *d = load::<T, S>(&pixels[j * ci + c..]);
                    }
                    for (point, v) in points.iter_mut().zip(forward::<T, S>(simd, d)) {
                        store::<T, S>(&mut point[tile * padded + c..], v);
                    }
                }
            }
        }
    }
}

/// The transpose of [`PointsToOutputs`] for one row of tiles: of each point `[across, CO padded]`, with
/// zeros behind the last channel.
fn outputs_to_points<T: Real>(e: &Extents, grid: &Grid, g: &[T], row: usize, m: [&mut [T]; POINTS]) {
    let [h, w] = e.window.image;
    let (image, ty) = (row / grid.down, row % grid.down);
    let lines = OUTPUTS.min(h - OUTPUTS * ty);
    let g = &g[(image * h + OUTPUTS * ty) * w * e.co..][..lines * w * e.co];
    let axis = PhantomData::<Axis>;
    pulp::Arch::new().dispatch(OutputsToPoints { axis, g, co: e.co, width: w, m });
}
