//! The three legs of the 4 x 4, stride 2, padding 1 convolution with 9 products for every 16.
//!
//! Along one axis, `y[i] = sum over parities p of x_p[i] w[p] + x_p[i + 1] w[2 + p]` with
//! `x_p[j] = x[2 j + p - 1]`: two 2-tap filters at stride 1. Two neighbouring outputs of a 2-tap
//! filter need three products instead of four (Winograd 1980, F(2, 2)):
//!
//! ```text
//! V = (d0 - d1, d1, d1 - d2)   U = (w0, w0 + w1, w1)   y0 = V0 U0 + V1 U1   y1 = V1 U1 - V2 U2
//! ```
//!
//! Only sums and differences, so nothing is lost in accuracy. In two dimensions the trilinear form
//! T(x, w, g) splits into 9 matrix products over tiles of 2 x 2 outputs, and every leg is the same
//! three transforms or their transposes around them. For tile t the data of parity p are
//! `x[4 t + p - 1], x[4 t + p + 1], x[4 t + p + 3]`; only the first and the last pixel of an axis see
//! what lies beyond the border.

use super::super::pieces::*;

use super::{BLOCK_BYTES, LARGEST_FILTER, bands};
use crate::device::Precision;
use crate::device::cpu::Real;
use crate::device::cpu::extents::{Extents, row_of};
use crate::device::cpu::finish::Finish;
use crate::device::cpu::matmul::{Mat, product};
use crate::device::cpu::real::simd;
use crate::device::cpu::scratch;
use crate::op::Border;

/// Products per tile, and parities of a pixel.
const POINTS: usize = 9;
const PARITIES: usize = 4;

/// Fewest channels on either side for which the transforms pay.
const CHANNELS: usize = 8;

/// Tiles that make up for writing and reading a filter too large for the caches (measured break-even: about 150).
const ENOUGH_TILES: usize = 192;

/// True where this algorithm is exact and worth its transforms.
pub(in crate::device::cpu) fn applies(e: &Extents) -> bool {
    let transformed = POINTS * PARITIES * e.ci * e.co * size_of::<f32>();
    let tiles = e.reckoned * e.window.out[0] * e.window.out[1] / 4;
    // Products of bf16 numbers take half the time without any transform.
    e.precision != Precision::Bf16
        && (transformed <= LARGEST_FILTER || tiles >= ENOUGH_TILES)
        && e.window.kernel == [4, 4]
        && e.window.stride == [2, 2]
        && e.window.pad == [1, 1]
        && e.window.image.iter().all(|extent| extent % 4 == 0)
        && (0..2).all(|i| e.window.out[i] * 2 == e.window.image[i])
        && e.ci >= CHANNELS
        && e.co >= CHANNELS
}

/// The tiles of a convolution, and how many are worked on at a time.
#[derive(Clone, Copy)]
struct Tiles {
    /// Tiles down and across one image.
    grid: [usize; 2],
    /// All tiles.
    count: usize,
    /// Tiles a block, whole rows of them.
    block: usize,
}

impl Tiles {
    fn of<T>(e: &Extents) -> Self {
        let grid = e.window.out.map(|extent| extent / 2);
        let count = e.n * grid[0] * grid[1];
        let bytes = POINTS * (PARITIES * e.ci + e.co) * size_of::<T>();
        let block = (BLOCK_BYTES / bytes).max(64).next_multiple_of(grid[1]).min(count);
        Self { grid, count, block }
    }
}

/// y = x * w
pub(in crate::device::cpu) fn leg_y<T: Real>(
    e: &Extents,
    x: &[T],
    w: &[T],
    finish: &Finish<'_, T>,
    y: &mut [T],
) {
    let tiles = Tiles::of::<T>(e);
    let depth = PARITIES * e.ci;
    scratch::with(POINTS * depth * e.co, |u: &mut [T]| {
        filter_to_points(e, w, u);
        scratch::with(POINTS * tiles.block * (depth + e.co), |space: &mut [T]| {
            for first in (0..tiles.count).step_by(tiles.block) {
                let count = tiles.block.min(tiles.count - first);
                let (v, m) = space[..POINTS * count * (depth + e.co)].split_at_mut(POINTS * count * depth);
                image_to_points(e, &tiles, x, first, count, v);
                multiply(v, Mat::new(u, depth, e.co), count, m);
                points_to_outputs(e, &tiles, m, first, finish, y);
            }
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
    let tiles = Tiles::of::<T>(e);
    let depth = PARITIES * e.ci;
    // Neighbouring tiles share pixels of x, so blocks are whole images.
    let per_image = tiles.grid[0] * tiles.grid[1];
    let images = (tiles.block / per_image).max(1);
    scratch::with(POINTS * depth * e.co, |u: &mut [T]| {
        filter_to_points(e, w, u);
        scratch::with(POINTS * images * per_image * (depth + e.co), |space: &mut [T]| {
            for image in (0..e.n).step_by(images) {
                let count = images.min(e.n - image) * per_image;
                let (v, m) = space[..POINTS * count * (depth + e.co)].split_at_mut(POINTS * count * depth);
                outputs_to_points(e, &tiles, g, image * per_image, count, m);
                multiply(m, Mat::new(u, depth, e.co).t(), count, v);
                points_to_image(e, &tiles, v, image, finish, x);
            }
        });
    });
}

/// The adjoint of [`leg_y`] in w.
pub(in crate::device::cpu) fn leg_w<T: Real>(e: &Extents, x: &[T], g: &[T], w: &mut [T]) {
    let tiles = Tiles::of::<T>(e);
    let depth = PARITIES * e.ci;
    scratch::with(POINTS * depth * e.co, |u: &mut [T]| {
        scratch::with(POINTS * tiles.block * (depth + e.co), |space: &mut [T]| {
            for first in (0..tiles.count).step_by(tiles.block) {
                let count = tiles.block.min(tiles.count - first);
                let (v, m) = space[..POINTS * count * (depth + e.co)].split_at_mut(POINTS * count * depth);
                image_to_points(e, &tiles, x, first, count, v);
                outputs_to_points(e, &tiles, g, first, count, m);
                // Two tasks a point, each alone with two parities of the result.
                let (half, rows) = (depth / 2 * e.co, depth / 2);
                u.par_chunks_mut(half).enumerate().each(&|(task, u)| {
                    let (point, part) = (task / 2, task % 2);
                    let v = &v[point * count * depth + part * rows..(point + 1) * count * depth];
                    let v = Mat { data: v, rows: count, cols: rows, row_step: depth, col_step: 1 };
                    let m = Mat::new(&m[point * count * e.co..][..count * e.co], count, e.co);
                    product(v.t(), m, first > 0, u, false, e.precision);
                });
            }
        });
        points_to_filter(e, u, w);
    });
}

/// out = a b for each point, with a `[POINTS, count, K]` and b one matrix a point, all of which
/// begin at `b.data`.
fn multiply<T: Real>(a: &[T], b: Mat<'_, T>, count: usize, out: &mut [T]) {
    let (k, n) = (b.rows, b.cols);
    // Two tasks a point keep two threads busy to the end.
    let half = count.div_ceil(2);
    let pieces: Vec<(usize, usize, &mut [T])> = out
        .chunks_exact_mut(count * n)
        .enumerate()
        .flat_map(|(point, out)| {
            out.chunks_mut(half * n).enumerate().map(move |(part, out)| (point, part, out))
        })
        .collect();
    pieces.into_par_iter().each(&|(point, part, out)| {
        let rows = out.len() / n;
        let a = &a[(point * count + part * half) * k..][..rows * k];
        let b = Mat { data: &b.data[point * k * n..][..k * n], ..b };
        // Rounding the filter, which is large, would take longer than it saves.
        product(Mat::new(a, rows, k), b, false, out, false, Precision::Fp32);
    });
}

/// U of every point, parity and pair of channels: `[POINTS, PARITIES, CI, CO]`.
fn filter_to_points<T: Real>(e: &Extents, w: &[T], u: &mut [T]) {
    let size = e.ci * e.co;
    u.par_chunks_mut(size).enumerate().each(&|(task, u)| {
        let (point, parity) = (task / PARITIES, task % PARITIES);
        // Point k of an axis takes taps p, both, or 2 + p.
        let taps = |k: usize, p: usize| [[p, p], [p, 2 + p], [2 + p, 2 + p]][k];
        let (rows, columns) = (taps(point / 3, parity / 2), taps(point % 3, parity % 2));
        let tap = |r: usize, c: usize| &w[(rows[r] * 4 + columns[c]) * size..][..size];
        let (both_rows, both_columns) = (point / 3 == 1, point % 3 == 1);
        simd(
            #[inline(always)]
            || {
                u.copy_from_slice(tap(0, 0));
                if both_columns {
                    add(u, tap(0, 1));
                }
                if both_rows {
                    add(u, tap(1, 0));
                }
                if both_rows && both_columns {
                    add(u, tap(1, 1));
                }
            },
        );
    });
}

/// The transpose of [`filter_to_points`]: tap p collects points 0 and 1, tap 2 + p points 1 and 2.
fn points_to_filter<T: Real>(e: &Extents, u: &[T], w: &mut [T]) {
    let size = e.ci * e.co;
    w.par_chunks_mut(size).enumerate().each(&|(tap, w)| {
        let (ky, kx) = (tap / 4, tap % 4);
        let parity = (ky % 2) * 2 + kx % 2;
        let point =
            |r: usize, c: usize| &u[(((ky / 2 + r) * 3 + kx / 2 + c) * PARITIES + parity) * size..][..size];
        simd(
            #[inline(always)]
            || {
                w.copy_from_slice(point(0, 0));
                add(w, point(0, 1));
                add(w, point(1, 0));
                add(w, point(1, 1));
            },
        );
    });
}

#[inline(always)]
fn add<T: Real>(to: &mut [T], from: &[T]) {
    for (t, &f) in to.iter_mut().zip(from) {
        *t += f;
    }
}

/// V of tiles `first..first + count`: `[POINTS, count, PARITIES, CI]`.
fn image_to_points<T: Real>(e: &Extents, tiles: &Tiles, x: &[T], first: usize, count: usize, v: &mut [T]) {
    let [h, w] = e.window.image;
    let [down, across] = tiles.grid;
    let (ci, depth) = (e.ci, PARITIES * e.ci);
    bands::<_, POINTS>(v, count, depth, across).into_par_iter().enumerate().each(&|(band, mut v)| {
        let row = first / across + band;
        let (n, ty) = (row / down, row % down);
        scratch::with(3 * (w + 2) * ci, |lines: &mut [T]| {
            for py in 0..2 {
                // Transform down the columns of the whole image row first, with a margin of one pixel
                // left and right.
                let line = |j: usize| {
                    let y = row_of(4 * ty + py + 2 * j, 1, h, e.window.border)?;
                    Some(&x[(n * h + y) * w * ci..][..w * ci])
                };
                let [d0, d1, d2] = [0, 1, 2].map(line);
                for (k, line) in lines.chunks_exact_mut((w + 2) * ci).enumerate() {
                    let (left, rest) = line.split_at_mut(ci);
                    let (out, right) = rest.split_at_mut(w * ci);
                    match k {
                        0 => difference(out, d0, d1),
                        1 => difference(out, d1, None),
                        _ => difference(out, d1, d2),
                    }
                    match e.window.border {
                        Border::Open => {
                            left.fill(T::zero());
                            right.fill(T::zero());
                        }
                        Border::Periodic => {
                            left.copy_from_slice(&out[(w - 1) * ci..]);
                            right.copy_from_slice(&out[..ci]);
                        }
                    }
                }
                for (k, line) in lines.chunks_exact((w + 2) * ci).enumerate() {
                    for px in 0..2 {
                        let parity = py * 2 + px;
                        let [v0, v1, v2] =
                            v.get_disjoint_mut([3 * k, 3 * k + 1, 3 * k + 2]).expect("three points");
                        simd(
                            #[inline(always)]
                            || {
                                for tx in 0..v0.len() / depth {
                                    let d = |j: usize| &line[(4 * tx + px + 2 * j) * ci..][..ci];
                                    let (d0, d1, d2) = (d(0), d(1), d(2));
                                    let at = tx * depth + parity * ci;
                                    let (v0, v1, v2) =
                                        (&mut v0[at..at + ci], &mut v1[at..at + ci], &mut v2[at..at + ci]);
                                    for c in 0..ci {
                                        v0[c] = d0[c] - d1[c];
                                        v1[c] = d1[c];
                                        v2[c] = d1[c] - d2[c];
                                    }
                                }
                            },
                        );
                    }
                }
            }
        });
    });
}

/// out = a - b, where a row outside the image is zero.
fn difference<T: Real>(out: &mut [T], a: Option<&[T]>, b: Option<&[T]>) {
    let width = out.len();
    weighted_sum(out, width, width, [a.map(|a| (a, T::one())), b.map(|b| (b, -T::one())), None]);
}

/// The transpose of [`points_to_outputs`]: G = (g0, g0 + g1, -g1) along both axes, as
/// `[POINTS, count, CO]`.
fn outputs_to_points<T: Real>(e: &Extents, tiles: &Tiles, g: &[T], first: usize, count: usize, m: &mut [T]) {
    let [_, ow] = e.window.out;
    let across = tiles.grid[1];
    let co = e.co;
    bands::<_, POINTS>(m, count, co, across).into_par_iter().enumerate().each(&|(band, mut m)| {
        let top = &g[(first / across + band) * 2 * ow * co..][..2 * ow * co];
        let (top, bottom) = top.split_at(ow * co);
        simd(
            #[inline(always)]
            || {
                for tx in 0..m[0].len() / co {
                    let pixel = |line: &'_ [T], i: usize, c: usize| line[(2 * tx + i) * co + c];
                    for c in 0..co {
                        let at = tx * co + c;
                        let (a, b) = (pixel(top, 0, c), pixel(top, 1, c));
                        let (p, q) = (pixel(bottom, 0, c), pixel(bottom, 1, c));
                        for (k, (l, r)) in [(a, b), (a + p, b + q), (-p, -q)].into_iter().enumerate() {
                            m[3 * k][at] = l;
                            m[3 * k + 1][at] = l + r;
                            m[3 * k + 2][at] = -r;
                        }
                    }
                }
            },
        );
    });
}

/// y of tiles `first..first + count` from their products: (m0 + m1, m1 - m2) along both axes.
fn points_to_outputs<T: Real>(
    e: &Extents,
    tiles: &Tiles,
    m: &[T],
    first: usize,
    finish: &Finish<'_, T>,
    y: &mut [T],
) {
    let [_, ow] = e.window.out;
    let across = tiles.grid[1];
    let co = e.co;
    let count = m.len() / (POINTS * co);
    let (rows, two_lines) = (count / across, 2 * ow * co);
    let start = first / across * two_lines;
    y[start..][..rows * two_lines].par_chunks_mut(two_lines).enumerate().each(&|(row, y)| {
        let (top, bottom) = y.split_at_mut(ow * co);
        simd(
            #[inline(always)]
            || {
                for tx in 0..across {
                    let tile = |k: usize| &m[(k * count + row * across + tx) * co..][..co];
                    let p: [&[T]; POINTS] = std::array::from_fn(tile);
                    let (t0, t1) = top[2 * tx * co..][..2 * co].split_at_mut(co);
                    let (b0, b1) = bottom[2 * tx * co..][..2 * co].split_at_mut(co);
                    for c in 0..co {
                        let upper = |j: usize| p[j][c] + p[3 + j][c];
                        let lower = |j: usize| p[3 + j][c] - p[6 + j][c];
                        t0[c] = upper(0) + upper(1);
                        t1[c] = upper(1) - upper(2);
                        b0[c] = lower(0) + lower(1);
                        b1[c] = lower(1) - lower(2);
                    }
                }
            },
        );
        finish.apply(start + row * two_lines, y);
    });
}

/// The transpose of [`image_to_points`] for whole images: d0 = V0, d1 = V1 + V2 - V0, d2 = -V2,
/// where d2 of a tile and d0 of the next fall on the same pixel; on a periodic image the first tile is
/// next to the last.
fn points_to_image<T: Real>(
    e: &Extents,
    tiles: &Tiles,
    v: &[T],
    image: usize,
    finish: &Finish<'_, T>,
    x: &mut [T],
) {
    let [h, w] = e.window.image;
    let [down, across] = tiles.grid;
    let (ci, depth) = (e.ci, PARITIES * e.ci);
    let count = v.len() / (POINTS * depth);
    let (images, start) = (count / (down * across), image * h * w * ci);
    let x = &mut x[start..][..images * h * w * ci];
    // Of `count` tiles on an axis, number t and the one before it.
    let own = |t: usize, count: usize| match e.window.border {
        Border::Open => (t < count).then_some(t),
        Border::Periodic => Some(t % count),
    };
    let before = |t: usize, count: usize| match e.window.border {
        Border::Open => t.checked_sub(1),
        Border::Periodic => Some((t + count - 1) % count),
    };
    // Band r of an image holds rows 4r - 1 .. 4r + 2, cut to the image: row 4r - 1 and 4r are
    // shared between tile rows r - 1 and r, the other two belong to r alone. One task writes one
    // row of x, gathering from the one or two tile rows that reach it.
    x.par_chunks_mut(w * ci).enumerate().each(&|(line, x)| {
        let (n, y) = (line / h, line % h);
        // Row y is d_j of parity p of tile row t: y = 4 t + p - 1 + 2 j.
        let parity = (y + 1) % 2;
        let halves = (y + 1 - parity) / 2; // = 2 t + j
        let t = halves / 2;
        scratch::with(3 * across * 2 * ci, |rows: &mut [T]| {
            // Up the columns first: V of this row for the three points across, both parities.
            let width = 2 * ci;
            for (k, out) in rows.chunks_exact_mut(across * width).enumerate() {
                let tile_row = |t: usize, point: usize| {
                    let start = ((point * 3 + k) * count + (n * down + t) * across) * depth + parity * width;
                    &v[start..start + (across - 1) * depth + width]
                };
                let from = if halves % 2 == 1 {
                    [
                        Some((tile_row(t, 1), T::one())),
                        Some((tile_row(t, 2), T::one())),
                        Some((tile_row(t, 0), -T::one())),
                    ]
                } else {
                    let own = own(t, down).map(|t| (tile_row(t, 0), T::one()));
                    [own, before(t, down).map(|above| (tile_row(above, 2), -T::one())), None]
                };
                weighted_sum(out, width, depth, from);
            }
            let (v0, rest) = rows.split_at(across * width);
            let (v1, v2) = rest.split_at(across * width);
            simd(
                #[inline(always)]
                || {
                    for (column, pixel) in x.chunks_exact_mut(ci).enumerate() {
                        let parity = (column + 1) % 2;
                        let halves = (column + 1 - parity) / 2;
                        let at = |t: usize| t * width + parity * ci..t * width + (parity + 1) * ci;
                        let t = halves / 2;
                        if halves % 2 == 1 {
                            let (a, b, c) = (&v0[at(t)], &v1[at(t)], &v2[at(t)]);
                            for i in 0..ci {
                                pixel[i] = b[i] + c[i] - a[i];
                            }
                        } else {
                            match (own(t, across), before(t, across)) {
                                (Some(t), Some(left)) => {
                                    let (a, c) = (&v0[at(t)], &v2[at(left)]);
                                    for i in 0..ci {
                                        pixel[i] = a[i] - c[i];
                                    }
                                }
                                (Some(t), None) => pixel.copy_from_slice(&v0[at(t)]),
                                (None, left) => {
                                    let left = left.expect("a pixel is in a tile");
                                    for (o, &c) in pixel.iter_mut().zip(&v2[at(left)]) {
                                        *o = -c;
                                    }
                                }
                            }
                        }
                    }
                },
            );
            finish.apply(start + line * w * ci, x);
        });
    });
}

/// out = the sum of the given signals, each times its sign; a signal has `width` numbers every
/// `step`.
fn weighted_sum<T: Real>(out: &mut [T], width: usize, step: usize, signals: [Option<(&[T], T)>; 3]) {
    simd(
        #[inline(always)]
        || {
            for (i, out) in out.chunks_exact_mut(width).enumerate() {
                match signals.map(|signal| signal.map(|(s, sign)| (&s[i * step..][..width], sign))) {
                    [Some((a, s)), Some((b, t)), Some((c, u))] => {
                        for j in 0..width {
                            out[j] = s * a[j] + t * b[j] + u * c[j];
                        }
                    }
                    [Some((a, s)), Some((b, t)), None] => {
                        for j in 0..width {
                            out[j] = s * a[j] + t * b[j];
                        }
                    }
                    [Some((a, s)), None, None] | [None, Some((a, s)), None] => {
                        for j in 0..width {
                            out[j] = s * a[j];
                        }
                    }
                    _ => out.fill(T::zero()),
                }
            }
        },
    );
}
