//! The three legs of the 4 x 4, stride 2, padding 1 convolution with 25 products for every 64.
//!
//! Along one axis, `y[i] = sum over parities p of x_p[i] w[p] + x_p[i + 1] w[2 + p]` with
//! `x_p[j] = x[2 j + p - 1]`: two 2-tap filters at stride 1. Four neighbouring outputs of a 2-tap filter need
//! five products instead of eight (F(4, 2)), at the points ±3/8, ±5/4 and infinity, which lose little to
//! rounding:
//!
//! ```text
//! V0,1 = (d3 - b² d1) ± a (d2 - b² d0)   V2,3 = (d3 - a² d1) ± b (d2 - a² d0)   a = 3/8, b = 5/4
//! V4 = d4 - (a² + b²) d2 + a² b² d0
//! U0,1 = ±(w0 ± a w1) / (2 a (a² - b²))   U2,3 = ±(w0 ± b w1) / (2 b (b² - a²))   U4 = w1
//! y_j = a^j (m0 + (-1)^j m1) + b^j (m2 + (-1)^j m3) + [j = 3] m4
//! ```
//!
//! In two dimensions the trilinear form T(x, w, g) splits into 25 matrix products over tiles of 4 x 4 outputs.
//! Leg x is four such convolutions of g, one for each parity of a pixel of x:
//! `x_p[j] = g[j - 1] w[2 + p] + g[j] w[p]`. Tiles at the right and lower edges may reach beyond the image.

mod filter;

use std::array::from_fn;
use std::marker::PhantomData;

use super::super::pieces::*;
use filter::{filter_to_points, points_to_filter, turned_filter_to_points};
use pulp::{Simd, WithSimd};

use super::tiles::{self, OutputsToPoints, PointsToOutputs, To, of_pairs, to_pairs};
use super::{
    BLOCK_BYTES, CHANNELS, FEWEST, Grid, LARGEST_FILTER, MOST, OUTPUTS, TASK_BYTES, bands, multiply,
    panel_of, pieces, times,
};
use crate::device::cpu::Real;
use crate::device::cpu::block::Block;
use crate::device::cpu::extents::Extents;
use crate::device::cpu::finish::Finish;
use crate::device::cpu::pairs::{pair_along, pair_below};
use crate::device::cpu::scratch;
use crate::device::cpu::vector::{LANES, lanes, load, store};
use crate::op::Border;

/// Points of an axis, and of a tile.
const SIDE: usize = 5;
const POINTS: usize = SIDE * SIDE;
/// Parities of a pixel of x along an axis.
const PARITIES: usize = 2;

/// Fewer tiles than these do not make up for transforming the filter: then two outputs a tile are better
/// (`two.rs`).
const FEWEST_TILES: usize = 96;

const A: f64 = 0.375;
const B: f64 = 1.25;

/// True where this algorithm is worth its transforms.
pub(in crate::device::cpu) fn applies(e: &Extents) -> bool {
    let grid = Grid::of(e.window.out);
    e.window.kernel == [4, 4]
        && e.window.stride == [2, 2]
        && e.window.pad == [1, 1]
        && (0..2).all(|i| e.window.out[i] * 2 == e.window.image[i])
        && e.ci.min(e.co) >= CHANNELS[0]
        && e.ci.max(e.co) >= CHANNELS[1]
        && e.reckoned * grid.down * grid.across >= FEWEST_TILES
        && POINTS * PARITIES * PARITIES * e.ci * e.co * size_of::<f32>() <= LARGEST_FILTER
}

/// The same of leg x, which has a product for each parity: too little for each of a few channels.
pub(in crate::device::cpu) fn applies_to_x(e: &Extents) -> bool {
    applies(e) && e.ci >= CHANNELS[1]
}

/// V of five numbers.
#[inline(always)]
fn forward<T: Real, S: Simd>(simd: S, d: [T::Of<S>; SIDE]) -> [T::Of<S>; SIDE] {
    let odd_a = times::<T, S>(simd, -B * B, d[1], d[3]);
    let even_a = times::<T, S>(simd, -B * B, d[0], d[2]);
    let odd_b = times::<T, S>(simd, -A * A, d[1], d[3]);
    let even_b = times::<T, S>(simd, -A * A, d[0], d[2]);
    [
        times::<T, S>(simd, A, even_a, odd_a),
        times::<T, S>(simd, -A, even_a, odd_a),
        times::<T, S>(simd, B, even_b, odd_b),
        times::<T, S>(simd, -B, even_b, odd_b),
        times::<T, S>(simd, A * A * B * B, d[0], times::<T, S>(simd, -A * A - B * B, d[2], d[4])),
    ]
}

/// The points of an axis.
struct Axis;

impl tiles::Axis<SIDE> for Axis {
    /// Four outputs of the products at five points.
    #[inline(always)]
    fn outputs<T: Real, S: Simd>(simd: S, m: [T::Of<S>; SIDE]) -> [T::Of<S>; OUTPUTS] {
        of_pairs::<T, S>(simd, [A, B], [m[0], m[1], m[2], m[3]], m[4])
    }

    #[inline(always)]
    fn spread<T: Real, S: Simd>(simd: S, g: [T::Of<S>; OUTPUTS]) -> [T::Of<S>; SIDE] {
        let [a, minus_a, b, minus_b] = to_pairs::<T, S>(simd, [A, B], g);
        [a, minus_a, b, minus_b, g[3]]
    }
}

/// Numbers of a tile at a point: of each parity its channels, and room for a vector that begins with the
/// last of them.
fn step_of(parities: usize, channels: usize) -> usize {
    ((parities - 1) * channels + channels.next_multiple_of(LANES)).next_multiple_of(LANES)
}

/// y = x * w
pub(in crate::device::cpu) fn leg_y<T: Real>(
    e: &Extents,
    x: &[T],
    w: &[T],
    finish: &Finish<'_, T>,
    y: &mut [T],
) {
    let [h, width] = e.window.out;
    let (grid, panel) = (Grid::of(e.window.out), panel_of(e.co));
    let (depth, step) = (4 * e.ci, step_of(4, e.ci));
    let tiles = (TASK_BYTES / (POINTS * (step + panel) * size_of::<T>())).clamp(FEWEST, MOST);
    let line = width * e.co;
    let pieces = pieces(&grid, tiles, y, [h, line, OUTPUTS]);
    scratch::with(e.co.div_ceil(panel) * POINTS * depth * panel, |u: &mut [T]| {
        filter_to_points(e, w, panel, u);
        let u = &*u;
        pieces.into_par_iter().each(&|piece| {
            let count = piece.rows * grid.across;
            scratch::with(POINTS * count * (step + panel), |space: &mut [T]| {
                let (v, m) = space.split_at_mut(POINTS * count * step);
                for (row, points) in bands(v, count, step, grid.across).into_iter().enumerate() {
                    image_to_points(e, &grid, x, piece.first + row, points);
                }
                pair_along(v, step, depth, e.precision);
                for (first, u) in (0..e.co).step_by(panel).zip(u.chunks_exact(POINTS * depth * panel)) {
                    multiply([v, u], [count, step], [depth, panel], e.precision, m);
                    for row in 0..piece.rows {
                        let (top, ty) = piece.place(&grid, row, h, OUTPUTS);
                        let y = &mut piece.out[top * line..][..OUTPUTS.min(h - OUTPUTS * ty) * line];
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

/// The adjoint of [`leg_y`] in x.
pub(in crate::device::cpu) fn leg_x<T: Real>(
    e: &Extents,
    g: &[T],
    w: &[T],
    finish: &Finish<'_, T>,
    x: &mut [T],
) {
    let [h, width] = e.window.image;
    let (grid, panel) = (Grid::of(e.window.out), panel_of(e.ci));
    let step = step_of(1, e.co);
    let tiles = (TASK_BYTES / (POINTS * (2 * step + panel) * size_of::<T>())).clamp(FEWEST, MOST);
    let line = width * e.ci;
    // A tile is 8 x 8 pixels of x.
    let pieces = pieces(&grid, tiles, x, [h, line, 2 * OUTPUTS]);
    // A filter for each parity, from the channels of g to those of x.
    let panels = e.ci.div_ceil(panel) * POINTS * e.co * panel;
    scratch::with(4 * panels, |u: &mut [T]| {
        turned_filter_to_points(e, w, panel, u);
        let u = &*u;
        pieces.into_par_iter().each(&|piece| {
            let count = piece.rows * grid.across;
            scratch::with(POINTS * count * (2 * step + panel), |space: &mut [T]| {
                let (v, m) = space.split_at_mut(2 * POINTS * count * step);
                for py in 0..PARITIES {
                    // Both parities along the rows.
                    for (row, points) in bands(v, count, step, grid.across).into_iter().enumerate() {
                        cotangent_to_points(e, &grid, g, piece.first + row, py, points);
                    }
                    pair_along(v, step, e.co, e.precision);
                    for (px, v) in v.chunks_exact(POINTS * count * step).enumerate() {
                        let u = &u[(py * PARITIES + px) * panels..][..panels];
                        let filters = u.chunks_exact(POINTS * e.co * panel);
                        for (first, u) in (0..e.ci).step_by(panel).zip(filters) {
                            multiply([v, u], [count, step], [e.co, panel], e.precision, m);
                            for row in 0..piece.rows {
                                let (top, ty) = piece.place(&grid, row, h, 2 * OUTPUTS);
                                let lines = (2 * OUTPUTS).min(h - 2 * OUTPUTS * ty);
                                let x = &mut piece.out[top * line..][..lines * line];
                                let (m, tile, channels) = (&*m, row * grid.across, panel.min(e.ci - first));
                                let (all, apart, start) = (e.ci, 2, [1 - py, 1 - px]);
                                let axis = PhantomData::<Axis>;
                                let to = To { first, channels, all, apart, start, width };
                                pulp::Arch::new().dispatch(PointsToOutputs {
                                    axis,
                                    m,
                                    panel,
                                    count,
                                    tile,
                                    to,
                                    y: x,
                                });
                            }
                        }
                    }
                }
                finish.apply(piece.start, piece.out);
            });
        });
    });
}

/// The adjoint of [`leg_y`] in w.
pub(in crate::device::cpu) fn leg_w<T: Real>(e: &Extents, x: &[T], g: &[T], w: &mut [T]) {
    let grid = Grid::of(e.window.out);
    let rows = e.n * grid.down;
    let (depth, inner, outer) = (4 * e.ci, step_of(4, e.ci), e.co.next_multiple_of(LANES));
    let bytes = POINTS * grid.across * (inner + outer) * size_of::<T>();
    let block = (BLOCK_BYTES / bytes).clamp(1, rows);
    scratch::with(POINTS * depth * outer, |u: &mut [T]| {
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
                let points = v.par_chunks_mut(count * inner).zip(m.par_chunks_mut(count * outer));
                u.par_chunks_mut(depth * outer).zip(points).each(&|(out, (a, b))| {
                    pair_below(a, inner, e.precision);
                    pair_below(b, outer, e.precision);
                    let (step, columns, accumulate) = (inner, true, first > 0);
                    Block {
                        a,
                        step,
                        columns,
                        rows: depth,
                        k: count,
                        b,
                        width: outer,
                        out,
                        apart: outer,
                        accumulate,
                    }
                    .run_in(e.precision);
                });
            }
        });
        points_to_filter(e, u, outer, w);
    });
}

/// V of one row of tiles of x: the row of each point, `[across, parities, CI]` in steps of [`step_of`].
fn image_to_points<T: Real>(e: &Extents, grid: &Grid, x: &[T], row: usize, mut v: [&mut [T]; POINTS]) {
    let (image, ty) = (row / grid.down, row % grid.down);
    let x = Image { data: x, size: e.window.image, channels: e.ci, border: e.window.border, image };
    for py in 0..PARITIES {
        let rows = from_fn(|j| x.line(2 * (OUTPUTS * ty + j) + py, 1));
        let taken = [0, 1].map(|px| Taken { first: px, apart: 2, at: (py * 2 + px) * e.ci, points: 0 });
        to_points(&x, rows, grid.across, taken, step_of(4, e.ci), &mut v);
    }
}

/// V of one row of tiles of g for the parity `py` of x: the row of each point, first of px = 0.
fn cotangent_to_points<T: Real>(
    e: &Extents,
    grid: &Grid,
    g: &[T],
    row: usize,
    py: usize,
    mut v: [&mut [T]; 2 * POINTS],
) {
    let (image, ty) = (row / grid.down, row % grid.down);
    let g = Image { data: g, size: e.window.out, channels: e.co, border: e.window.border, image };
    let rows = from_fn(|j| g.line(OUTPUTS * ty + j, py));
    let taken = [0, 1].map(|px| Taken { first: 1 - px, apart: 1, at: 0, points: px * POINTS });
    to_points(&g, rows, grid.across, taken, step_of(1, e.co), &mut v);
}

/// An image of a batch.
struct Image<'a, T> {
    data: &'a [T],
    size: [usize; 2],
    channels: usize,
    border: Border,
    image: usize,
}

impl<'a, T> Image<'a, T> {
    /// The line that lies `pad` before line `below`, if there is one.
    fn line(&self, below: usize, pad: usize) -> Option<&'a [T]> {
        let [h, w] = self.size;
        let y = match self.border {
            Border::Open => below.checked_sub(pad).filter(|&y| y < h)?,
            Border::Periodic => (below + h - pad) % h,
        };
        let length = w * self.channels;
        Some(&self.data[(self.image * h + y) * length..][..length])
    }
}

/// Which pixels of a line a tile takes, counted from the one before the image, and where they go.
#[derive(Clone, Copy)]
struct Taken {
    /// Of the first tile.
    first: usize,
    /// From one to the next; from tile to tile it is four times as far.
    apart: usize,
    /// Place in the numbers of a tile.
    at: usize,
    /// The first of the points.
    points: usize,
}

/// Transforms the lines of a row of tiles down their columns, then what is taken of them along the rows.
fn to_points<T: Real>(
    image: &Image<'_, T>,
    rows: [Option<&[T]>; SIDE],
    across: usize,
    taken: [Taken; 2],
    step: usize,
    v: &mut [&mut [T]],
) {
    // A pixel more to the left, as many as the last tile needs to the right, and room for a vector that
    // begins with the last channels.
    let stride = (taken[0].apart * OUTPUTS * across + 2) * image.channels + LANES;
    let (channels, border) = (image.channels, image.border);
    scratch::with(SIDE * stride, |lines: &mut [T]| {
        pulp::Arch::new().dispatch(ToPoints { rows, channels, border, stride, lines, taken, step, v });
    });
}

struct ToPoints<'a, 'v, T> {
    rows: [Option<&'a [T]>; SIDE],
    channels: usize,
    border: Border,
    stride: usize,
    lines: &'a mut [T],
    taken: [Taken; 2],
    step: usize,
    v: &'a mut [&'v mut [T]],
}

impl<T: Real> WithSimd for ToPoints<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { rows, channels, border, stride, lines, taken, step, v } = self;
        let lanes = lanes::<T, S>();
        let zero = T::splat(simd, T::zero());
        // Where all lines lie outside, everything is zero.
        let length = rows.iter().flatten().map(|row| row.len()).next().unwrap_or(0);
        for at in (0..length).step_by(lanes) {
            let part = lanes.min(length - at);
            let mut d = [zero; SIDE];
            for (d, row) in d.iter_mut().zip(&rows) {
                if let Some(row) = row {
                    *d = if part == lanes { load::<T, S>(&row[at..]) } else { T::get(simd, &row[at..]) };
                }
            }
            for (line, v) in lines.chunks_exact_mut(stride).zip(forward::<T, S>(simd, d)) {
                // What a last vector has too much is written over below.
                store::<T, S>(&mut line[channels + at..], v);
            }
        }
        for line in lines.chunks_exact_mut(stride) {
            line[channels + length..].fill(T::zero());
            match border {
                Border::Open => line[..channels].fill(T::zero()),
                Border::Periodic => {
                    line.copy_within(length..length + channels, 0);
                    line.copy_within(channels..2 * channels, channels + length);
                }
            }
        }
        // A vector may take in channels of the next pixel: the next parity writes over them, or nobody
        // reads them.
        for (k, line) in lines.chunks_exact(stride).enumerate() {
            for Taken { first, apart, at, points } in taken {
                let v = v[points + k * SIDE..].first_chunk_mut::<SIDE>().expect("five points a row");
                for tile in 0..v[0].len() / step {
                    let pixels = &line[(first + apart * OUTPUTS * tile) * channels..];
                    for c in (0..channels).step_by(lanes) {
                        let mut d = [zero; SIDE];
                        for (j, d) in d.iter_mut().enumerate() {
                            *d = load::<T, S>(&pixels[j * apart * channels + c..]);
                        }
                        for (point, v) in v.iter_mut().zip(forward::<T, S>(simd, d)) {
                            store::<T, S>(&mut point[tile * step + at + c..], v);
                        }
                    }
                }
            }
        }
    }
}

/// The transpose of [`PointsToOutputs`] for one row of tiles: of each point `[across, CO padded]`, with
/// zeros behind the last channel.
fn outputs_to_points<T: Real>(e: &Extents, grid: &Grid, g: &[T], row: usize, m: [&mut [T]; POINTS]) {
    let [h, w] = e.window.out;
    let (image, ty) = (row / grid.down, row % grid.down);
    let lines = OUTPUTS.min(h - OUTPUTS * ty);
    let g = &g[(image * h + OUTPUTS * ty) * w * e.co..][..lines * w * e.co];
    let axis = PhantomData::<Axis>;
    pulp::Arch::new().dispatch(OutputsToPoints { axis, g, co: e.co, width: w, m });
}
