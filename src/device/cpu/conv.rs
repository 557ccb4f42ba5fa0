//! The three legs of a convolution, any kernel, stride, padding and border, as blocked matrix products.
//!
//! Pixels are unfolded (im2col) a block at a time into working space that stays in the cache. The
//! convolutions of the networks, 4 x 4 at stride 2 and 3 x 3 at stride 1, take `winograd/` instead, and
//! those with large filters `direct.rs`, blurs `blur.rs`.

use super::pieces::*;

use super::Real;
use super::blur;
use super::direct;
use super::extents::{Extents, row_of};
use super::finish::Finish;
use super::matmul::{Mat, product};
use super::scratch;
use super::winograd::{four, three, two};
use crate::op::{Border, Window};

/// Bytes of unfolded pixels that a task holds at a time: about a second-level cache.
const BLOCK_BYTES: usize = 768 * 1024;

fn block_rows<T>(columns: usize) -> usize {
    (BLOCK_BYTES / (columns * size_of::<T>())).clamp(32, 1024)
}

/// Where a run of adjacent taps lies on an axis of an image.
struct Run {
    /// The pixel that the first tap meets; below zero before the image.
    left: isize,
    /// The taps before the image, within it and behind it: `..from`, `from..to`, `to..`.
    from: usize,
    to: usize,
}

impl Run {
    /// Of `taps` taps, the first of which meets pixel `first` - `pad` of an axis of `extent`.
    #[inline(always)]
    fn of(first: usize, pad: usize, taps: usize, extent: usize) -> Self {
        let left = first as isize - pad as isize;
        let from = (-left).clamp(0, taps as isize) as usize;
        let to = (extent as isize - left).clamp(from as isize, taps as isize) as usize;
        Self { left, from, to }
    }

    /// The pixels that the first tap of each part meets, on a periodic axis of `extent`; of a part
    /// without taps, any.
    #[inline(always)]
    fn pixels(&self, extent: usize) -> [usize; 3] {
        let extent = extent as isize;
        let pixel = |at: isize| at.clamp(0, extent) as usize;
        let (from, to) = (self.from as isize, self.to as isize);
        [pixel(self.left + extent), pixel(self.left + from), pixel(self.left + to - extent)]
    }
}

/// Writes the windows of output pixels `first..` to `cols`, one row of `KH * KW * CI` numbers a pixel.
fn unfold<T: Real>(e: &Extents, x: &[T], first: usize, cols: &mut [T]) {
    let Window { image: [h, w], kernel: [kh, kw], stride: [sh, sw], pad: [ph, pw], out: [oh, ow], border } =
        e.window;
    let run = kw * e.ci;
    for (i, taps) in cols.chunks_exact_mut(kh * run).enumerate() {
        let pixel = first + i;
        let (n, oy, ox) = (pixel / (oh * ow), pixel / ow % oh, pixel % ow);
        let place = Run::of(ox * sw, pw, kw, w);
        let inside = place.from == 0 && place.to == kw;
        for (ky, line) in taps.chunks_exact_mut(run).enumerate() {
            let Some(y) = row_of(oy * sh + ky, ph, h, border) else {
                line.fill(T::zero());
                continue;
            };
            let first = (n * h + y) * w;
            if inside {
                line.copy_from_slice(&x[(first + place.left as usize) * e.ci..][..run]);
                continue;
            }
            let source = &x[first * e.ci..][..w * e.ci];
            let [before, within, behind] = place.pixels(w);
            let (left, rest) = line.split_at_mut(place.from * e.ci);
            let (middle, right) = rest.split_at_mut((place.to - place.from) * e.ci);
            match border {
                Border::Open => {
                    left.fill(T::zero());
                    right.fill(T::zero());
                }
                Border::Periodic => {
                    left.copy_from_slice(&source[before * e.ci..][..left.len()]);
                    right.copy_from_slice(&source[behind * e.ci..][..right.len()]);
                }
            }
            middle.copy_from_slice(&source[within * e.ci..][..middle.len()]);
        }
    }
}

/// y = x * w
pub(super) fn leg_y<T: Real>(e: &Extents, x: &[T], w: &[T], finish: &Finish<'_, T>, y: &mut [T]) {
    if four::applies(e) {
        return four::leg_y(e, x, w, finish, y);
    }
    if two::applies(e) {
        return two::leg_y(e, x, w, finish, y);
    }
    if three::applies(e) {
        return three::leg_y(e, x, w, finish, y);
    }
    if direct::applies(e) {
        return direct::leg_y(e, x, w, finish, y);
    }
    if let Some(taps) = blur::taps(e, w) {
        return blur::leg_y(e, x, &taps, finish, y);
    }
    let columns = e.taps() * e.ci;
    let filter = Mat::new(w, columns, e.co);
    let rows = block_rows::<T>(columns).min(e.out_pixels().div_ceil(4)).max(1);
    y.par_chunks_mut(rows * e.co).enumerate().each(&|(block, y)| {
        let pixels = y.len() / e.co;
        scratch::with(pixels * columns, |cols: &mut [T]| {
            unfold(e, x, block * rows, cols);
            product(Mat::new(cols, pixels, columns), filter, false, y, false, e.precision);
        });
        finish.apply(block * rows * e.co, y);
    });
}

/// The adjoint of [`leg_y`] in x.
pub(super) fn leg_x<T: Real>(e: &Extents, g: &[T], w: &[T], finish: &Finish<'_, T>, x: &mut [T]) {
    if four::applies_to_x(e) {
        four::leg_x(e, g, w, finish, x);
    } else if two::applies(e) {
        two::leg_x(e, g, w, finish, x);
    } else if direct::applies_to_x(e) {
        direct::leg_x(e, g, w, finish, x);
    } else if e.window.stride == [1, 1] && (0..2).all(|i| e.window.pad[i] < e.window.kernel[i]) {
        leg_x_flipped(e, g, w, finish, x);
    } else {
        leg_x_gathered(e, g, w, finish, x);
    }
}

/// At stride 1 the adjoint is a convolution with the filter turned half round.
fn leg_x_flipped<T: Real>(e: &Extents, g: &[T], w: &[T], finish: &Finish<'_, T>, x: &mut [T]) {
    let Window { image, kernel, pad, out, border, .. } = e.window;
    let turned = Extents {
        window: Window {
            image: out,
            kernel,
            stride: [1, 1],
            pad: [0, 1].map(|i| kernel[i] - 1 - pad[i]),
            out: image,
            border,
        },
        n: e.n,
        ci: e.co,
        co: e.ci,
        precision: e.precision,
        reckoned: e.reckoned,
    };
    scratch::with(w.len(), |filter: &mut [T]| {
        let size = e.ci * e.co;
        filter.par_chunks_mut(size).enumerate().each(&|(tap, block)| {
            let source = &w[(e.taps() - 1 - tap) * size..][..size];
            for (i, line) in source.chunks_exact(e.co).enumerate() {
                for (o, &v) in line.iter().enumerate() {
                    block[o * e.ci + i] = v;
                }
            }
        });
        leg_y(&turned, g, filter, finish, x);
    });
}

/// Any geometry: every pixel of g times the whole filter, then each pixel of x gathers its share.
fn leg_x_gathered<T: Real>(e: &Extents, g: &[T], w: &[T], finish: &Finish<'_, T>, x: &mut [T]) {
    let Window { image: [h, width], kernel: [kh, kw], stride: [sh, sw], pad: [ph, pw], out, border } =
        e.window;
    let [oh, ow] = out;
    // The row of windows whose filter row ky lies on row y of x.
    let row_of_windows = |y: usize, ky: usize| {
        let at = match border {
            Border::Open => (y + ph).checked_sub(ky)?,
            Border::Periodic => (y + ph + h - ky) % h,
        };
        (at % sh == 0 && at / sh < oh).then_some(at / sh)
    };
    let columns = e.taps() * e.ci;
    let filter = Mat::new(w, columns, e.co).t();
    let size = h * width * e.ci;
    x.par_chunks_mut(size).zip(g.par_chunks(oh * ow * e.co)).enumerate().each(&|(n, (x, g))| {
        scratch::with(oh * ow * columns, |cols: &mut [T]| {
            product(Mat::new(g, oh * ow, e.co), filter, false, cols, false, e.precision);
            x.fill(T::zero());
            let run = kw * e.ci;
            for (y, line) in x.chunks_exact_mut(width * e.ci).enumerate() {
                for ky in 0..kh {
                    let Some(oy) = row_of_windows(y, ky) else { continue };
                    // A filter row lands on adjacent pixels: one run of KW * CI numbers.
                    for ox in 0..ow {
                        let taps = &cols[(oy * ow + ox) * columns + ky * run..][..run];
                        let place = Run::of(ox * sw, pw, kw, width);
                        let [before, within, behind] = place.pixels(width);
                        let (left, rest) = taps.split_at(place.from * e.ci);
                        let (middle, right) = rest.split_at((place.to - place.from) * e.ci);
                        add(line, within * e.ci, middle);
                        if border == Border::Periodic && middle.len() < run {
                            add(line, before * e.ci, left);
                            add(line, behind * e.ci, right);
                        }
                    }
                }
            }
        });
        finish.apply(n * size, x);
    });
}

/// Adds numbers to those of a line from `start` on.
fn add<T: Real>(line: &mut [T], start: usize, numbers: &[T]) {
    for (to, &v) in line[start..].iter_mut().zip(numbers) {
        *to += v;
    }
}

/// Pieces the pixels are cut into, each with a filter of its own: fixed, so that the order of summation is.
const PIECES: usize = 16;

/// The adjoint of [`leg_y`] in w.
pub(super) fn leg_w<T: Real>(e: &Extents, x: &[T], g: &[T], w: &mut [T]) {
    if four::applies(e) {
        return four::leg_w(e, x, g, w);
    }
    if two::applies(e) {
        return two::leg_w(e, x, g, w);
    }
    if three::applies(e) {
        return three::leg_w(e, x, g, w);
    }
    if direct::applies(e) {
        return direct::leg_w(e, x, g, w);
    }
    // Each task owns some pixels and computes a whole filter; these are then added in order.
    let piece = e.out_pixels().div_ceil(PIECES);
    scratch::with(PIECES * w.len(), |partial: &mut [T]| {
        partial.fill(T::zero());
        partial.par_chunks_mut(w.len()).zip(g.par_chunks(piece * e.co)).enumerate().each(&|(i, (w, g))| {
            accumulate_w(e, x, g, i * piece, w);
        });
        w.fill(T::zero());
        for partial in partial.chunks_exact(w.len()) {
            for (w, &p) in w.iter_mut().zip(partial) {
                *w += p;
            }
        }
    });
}

/// Adds the share of the output pixels `first..`, whose cotangents are `g`, to a filter.
fn accumulate_w<T: Real>(e: &Extents, x: &[T], g: &[T], first: usize, w: &mut [T]) {
    let columns = e.taps() * e.ci;
    let rows = block_rows::<T>(columns.max(e.co));
    for (block, g) in g.chunks(rows * e.co).enumerate() {
        let pixels = g.len() / e.co;
        scratch::with(pixels * columns, |cols: &mut [T]| {
            unfold(e, x, first + block * rows, cols);
            product(
                Mat::new(cols, pixels, columns).t(),
                Mat::new(g, pixels, e.co),
                true,
                w,
                false,
                e.precision,
            );
        });
    }
}
