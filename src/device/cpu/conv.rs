//! The three legs of a convolution, any kernel, stride and padding, as blocked matrix products.
//!
//! Pixels are unfolded (im2col) a block at a time into working space that stays in the cache. The
//! 4 x 4 stride 2 convolutions of the DCGAN pair with enough channels take `winograd.rs` instead.

use rayon::prelude::*;

use super::Real;
use super::matmul::{Mat, product};
use super::scratch;
use super::winograd;
use crate::op::{Leg, Window};
use crate::shape::Shape;

/// Geometry and channel extents of one convolution x * w = y.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extents {
    pub(super) window: Window,
    /// Samples.
    pub(super) n: usize,
    /// Channels of x.
    pub(super) ci: usize,
    /// Channels of y.
    pub(super) co: usize,
}

impl Extents {
    pub(super) fn of(leg: Leg, window: Window, a: &Shape, b: &Shape, out: &Shape) -> Self {
        let (n, ci, co) = match leg {
            Leg::Y => (a[0], a[3], b[3]),
            Leg::X => (a[0], b[2], a[3]),
            Leg::W => (a[0], out[2], out[3]),
        };
        Self { window, n, ci, co }
    }

    fn taps(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1]
    }

    fn out_pixels(&self) -> usize {
        self.n * self.window.out[0] * self.window.out[1]
    }
}

/// Bytes of unfolded pixels that a task holds at a time: about a second-level cache.
const BLOCK_BYTES: usize = 768 * 1024;

fn block_rows<T>(columns: usize) -> usize {
    (BLOCK_BYTES / (columns * size_of::<T>())).clamp(32, 1024)
}

/// Writes the filter rows `kernel_rows` of the windows of output pixels `first..` to `cols`, one
/// row of `kernel_rows.len() * KW * CI` numbers a pixel.
fn unfold<T: Real>(e: &Extents, x: &[T], first: usize, kernel_rows: std::ops::Range<usize>, cols: &mut [T]) {
    let Window { image: [h, w], kernel: [_, kw], stride: [sh, sw], pad: [ph, pw], out: [oh, ow] } = e.window;
    let run = kw * e.ci;
    for (i, row) in cols.chunks_exact_mut(kernel_rows.len() * run).enumerate() {
        let pixel = first + i;
        let (n, oy, ox) = (pixel / (oh * ow), pixel / ow % oh, pixel % ow);
        // The part of a filter row that lies in the image.
        let left = (ox * sw) as isize - pw as isize;
        let from = (-left).clamp(0, kw as isize) as usize;
        let to = (w as isize - left).clamp(from as isize, kw as isize) as usize;
        for (ky, line) in kernel_rows.clone().zip(row.chunks_exact_mut(run)) {
            let y = (oy * sh + ky) as isize - ph as isize;
            if y < 0 || y >= h as isize || from == to {
                line.fill(T::zero());
                continue;
            }
            let start = ((n * h + y as usize) * w).wrapping_add_signed(left) + from;
            line[..from * e.ci].fill(T::zero());
            line[from * e.ci..to * e.ci].copy_from_slice(&x[start * e.ci..][..(to - from) * e.ci]);
            line[to * e.ci..].fill(T::zero());
        }
    }
}

/// y = x * w
pub(super) fn leg_y<T: Real>(e: &Extents, x: &[T], w: &[T], y: &mut [T]) {
    if winograd::applies(e) {
        return winograd::leg_y(e, x, w, y);
    }
    let columns = e.taps() * e.ci;
    let filter = Mat::new(w, columns, e.co);
    let rows = block_rows::<T>(columns).min(e.out_pixels().div_ceil(4)).max(1);
    y.par_chunks_mut(rows * e.co).enumerate().for_each(|(block, y)| {
        let pixels = y.len() / e.co;
        scratch::with(pixels * columns, |cols: &mut [T]| {
            unfold(e, x, block * rows, 0..e.window.kernel[0], cols);
            product(Mat::new(cols, pixels, columns), filter, false, y, false);
        });
    });
}

/// The adjoint of [`leg_y`] in x.
pub(super) fn leg_x<T: Real>(e: &Extents, g: &[T], w: &[T], x: &mut [T]) {
    if winograd::applies(e) {
        winograd::leg_x(e, g, w, x);
    } else if e.window.stride == [1, 1] && (0..2).all(|i| e.window.pad[i] < e.window.kernel[i]) {
        leg_x_flipped(e, g, w, x);
    } else {
        leg_x_gathered(e, g, w, x);
    }
}

/// At stride 1 the adjoint is a convolution with the filter turned half round.
fn leg_x_flipped<T: Real>(e: &Extents, g: &[T], w: &[T], x: &mut [T]) {
    let Window { image, kernel, pad, out, .. } = e.window;
    let turned = Extents {
        window: Window {
            image: out,
            kernel,
            stride: [1, 1],
            pad: [0, 1].map(|i| kernel[i] - 1 - pad[i]),
            out: image,
        },
        n: e.n,
        ci: e.co,
        co: e.ci,
    };
    scratch::with(w.len(), |filter: &mut [T]| {
        let size = e.ci * e.co;
        for (tap, block) in filter.chunks_exact_mut(size).enumerate() {
            let source = &w[(e.taps() - 1 - tap) * size..][..size];
            for (i, line) in source.chunks_exact(e.co).enumerate() {
                for (o, &v) in line.iter().enumerate() {
                    block[o * e.ci + i] = v;
                }
            }
        }
        leg_y(&turned, g, filter, x);
    });
}

/// Any geometry: every pixel of g times the whole filter, then each pixel of x gathers its share.
fn leg_x_gathered<T: Real>(e: &Extents, g: &[T], w: &[T], x: &mut [T]) {
    let Window { image: [h, width], kernel: [kh, kw], stride: [sh, sw], pad: [ph, pw], out: [oh, ow] } =
        e.window;
    let columns = e.taps() * e.ci;
    let filter = Mat::new(w, columns, e.co).t();
    x.par_chunks_mut(h * width * e.ci).zip(g.par_chunks(oh * ow * e.co)).for_each(|(x, g)| {
        scratch::with(oh * ow * columns, |cols: &mut [T]| {
            product(Mat::new(g, oh * ow, e.co), filter, false, cols, false);
            x.fill(T::zero());
            let run = kw * e.ci;
            for (y, line) in x.chunks_exact_mut(width * e.ci).enumerate() {
                for ky in 0..kh {
                    let Some(at) = (y + ph).checked_sub(ky).filter(|at| at % sh == 0 && at / sh < oh) else {
                        continue;
                    };
                    // A filter row lands on adjacent pixels: one run of KW * CI numbers.
                    for ox in 0..ow {
                        let taps = &cols[(at / sh * ow + ox) * columns + ky * run..][..run];
                        let left = (ox * sw) as isize - pw as isize;
                        let from = (-left).clamp(0, kw as isize) as usize;
                        let to = (width as isize - left).clamp(from as isize, kw as isize) as usize;
                        if from == to {
                            continue; // all of it in the padding
                        }
                        let start = (left + from as isize) as usize * e.ci;
                        for (o, &v) in line[start..].iter_mut().zip(&taps[from * e.ci..to * e.ci]) {
                            *o += v;
                        }
                    }
                }
            }
        });
    });
}

/// A filter with at most this many weights is summed in pieces that each have their own copy.
const SMALL_FILTER: usize = 16 * 1024;

/// Pieces the pixels are cut into then: fixed, so that the order of summation is.
const PIECES: usize = 16;

/// The adjoint of [`leg_y`] in w.
pub(super) fn leg_w<T: Real>(e: &Extents, x: &[T], g: &[T], w: &mut [T]) {
    if winograd::applies(e) {
        return winograd::leg_w(e, x, g, w);
    }
    if w.len() > SMALL_FILTER {
        // Each task owns some filter rows and walks all pixels.
        let columns = e.window.kernel[1] * e.ci;
        w.par_chunks_mut(columns * e.co).enumerate().for_each(|(ky, w)| {
            w.fill(T::zero());
            accumulate_w(e, x, g, 0, ky..ky + 1, w);
        });
        return;
    }
    // Each task owns some pixels and computes a whole filter; these are then added in order.
    let piece = e.out_pixels().div_ceil(PIECES);
    scratch::with(PIECES * w.len(), |partial: &mut [T]| {
        partial.fill(T::zero());
        partial.par_chunks_mut(w.len()).zip(g.par_chunks(piece * e.co)).enumerate().for_each(
            |(i, (w, g))| {
                accumulate_w(e, x, g, i * piece, 0..e.window.kernel[0], w);
            },
        );
        w.fill(T::zero());
        for partial in partial.chunks_exact(w.len()) {
            for (w, &p) in w.iter_mut().zip(partial) {
                *w += p;
            }
        }
    });
}

/// Adds the share of the output pixels `first..`, whose cotangents are `g`, to some filter rows.
fn accumulate_w<T: Real>(
    e: &Extents,
    x: &[T],
    g: &[T],
    first: usize,
    kernel_rows: std::ops::Range<usize>,
    w: &mut [T],
) {
    let columns = kernel_rows.len() * e.window.kernel[1] * e.ci;
    let rows = block_rows::<T>(columns.max(e.co));
    for (block, g) in g.chunks(rows * e.co).enumerate() {
        let pixels = g.len() / e.co;
        scratch::with(pixels * columns, |cols: &mut [T]| {
            unfold(e, x, first + block * rows, kernel_rows.clone(), cols);
            product(Mat::new(cols, pixels, columns).t(), Mat::new(g, pixels, e.co), true, w, false);
        });
    }
}
