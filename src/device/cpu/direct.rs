//! Convolutions with large filters: one product with the filter as it is, whose other factor is unfolded a block
//! of rows at a time, as the product asks for it.
//!
//! A filter is packed once a call, whatever the number of samples. The adjoint in x of a 4 x 4 filter at stride 2
//! is four convolutions of g with 2 x 2 taps, one for each parity of a pixel of x (see `winograd/four`).

use std::ops::Range;

use super::pieces::*;

use super::Real;
use super::extents::{Extents, row_of};
use super::finish::Finish;
use super::matmul::{Factors, Mat, Rows, Taker, product_of_rows, with_factors};
use super::scratch;
use crate::op::Window;

/// Filters of more weights than these are worth it: smaller ones stay in a cache whoever reads them.
const LARGE_FILTER: usize = 16 * 1024;

/// Numbers that one task finishes.
const FINISHED: usize = 32 * 1024;

/// True where the filter is large.
pub(super) fn applies(e: &Extents) -> bool {
    e.taps() * e.ci * e.co > LARGE_FILTER
}

/// The same of leg x, which must have parities.
pub(super) fn applies_to_x(e: &Extents) -> bool {
    applies(e)
        && e.window.kernel == [4, 4]
        && e.window.stride == [2, 2]
        && e.window.pad == [1, 1]
        && (0..2).all(|i| e.window.out[i] * 2 == e.window.image[i])
}

/// The numbers that the windows of an image's pixels see, tap by tap; or those of some taps only.
struct Unfolded<'a, T> {
    e: &'a Extents,
    x: &'a [T],
    numbers: Range<usize>,
}

impl<'a, T: Real> Unfolded<'a, T> {
    fn all(e: &'a Extents, x: &'a [T]) -> Self {
        Self { e, x, numbers: 0..e.taps() * e.ci }
    }

    /// What the window of an output pixel sees: as many numbers as `to` has, from `first` on.
    fn write(&self, pixel: usize, first: usize, to: &mut [T]) {
        let Window { image: [h, w], kernel: [_, kw], stride: [sh, sw], pad: [ph, pw], out: [oh, ow], border } =
            self.e.window;
        let ci = self.e.ci;
        let (n, oy, ox) = (pixel / (oh * ow), pixel / ow % oh, pixel % ow);
        let (mut at, end) = (self.numbers.start + first, self.numbers.start + first + to.len());
        let mut rest = to;
        while at < end {
            let (tap, from) = (at / ci, at % ci);
            let (line, behind) = rest.split_at_mut((ci - from).min(end - at));
            let y = row_of(oy * sh + tap / kw, ph, h, border);
            let x = row_of(ox * sw + tap % kw, pw, w, border);
            match (y, x) {
                (Some(y), Some(x)) => {
                    line.copy_from_slice(&self.x[((n * h + y) * w + x) * ci + from..][..line.len()]);
                }
                _ => line.fill(T::zero()),
            }
            at += line.len();
            rest = behind;
        }
    }
}

impl<F: Factors> Rows<F> for Unfolded<'_, F::Number> {
    fn extents(&self) -> [usize; 2] {
        [self.e.out_pixels(), self.numbers.len()]
    }

    fn lend(&self, rows: Range<usize>, numbers: Range<usize>, f: Taker<'_, F::Factor>) {
        let step = numbers.len().div_ceil(F::NUMBERS);
        with_factors::<F, _>(rows.len() * step, |factors| {
            scratch::with(numbers.len(), |line: &mut [F::Number]| {
                for (pixel, factors) in rows.zip(factors.chunks_exact_mut(step)) {
                    self.write(pixel, numbers.start, line);
                    F::along(line, factors);
                }
            });
            f(factors, step, false);
        });
    }
}

/// The transpose of [`Unfolded`].
struct Turned<'a, T>(Unfolded<'a, T>);

impl<F: Factors> Rows<F> for Turned<'_, F::Number> {
    fn extents(&self) -> [usize; 2] {
        [self.0.numbers.len(), self.0.e.out_pixels()]
    }

    fn lend(&self, rows: Range<usize>, numbers: Range<usize>, f: Taker<'_, F::Factor>) {
        let count = rows.len();
        with_factors::<F, _>(count * numbers.len().div_ceil(F::NUMBERS), |factors| {
            scratch::with(2 * count, |lines: &mut [F::Number]| {
                let (even, odd) = lines.split_at_mut(count);
                let pixels = numbers.clone().step_by(F::NUMBERS);
                for (pixel, factors) in pixels.zip(factors.chunks_exact_mut(count)) {
                    self.0.write(pixel, rows.start, even);
                    let two = F::NUMBERS > 1 && pixel + 1 < numbers.end;
                    if two {
                        self.0.write(pixel + 1, rows.start, odd);
                    }
                    F::across(even, two.then_some(&*odd), factors);
                }
            });
            f(factors, count, true);
        });
    }
}

/// y = x * w
pub(super) fn leg_y<T: Real>(e: &Extents, x: &[T], w: &[T], finish: &Finish<'_, T>, y: &mut [T]) {
    let filter = Mat::new(w, e.taps() * e.ci, e.co);
    product_of_rows(&Unfolded::all(e, x), filter, false, y, true, e.precision);
    let piece = FINISHED.div_ceil(e.co) * e.co;
    y.par_chunks_mut(piece).enumerate().each(&|(i, y)| finish.apply(i * piece, y));
}

/// The adjoint of [`leg_y`] in w.
pub(super) fn leg_w<T: Real>(e: &Extents, x: &[T], g: &[T], w: &mut [T]) {
    let g = Mat::new(g, e.out_pixels(), e.co);
    product_of_rows(&Turned(Unfolded::all(e, x)), g, false, w, true, e.precision);
}

/// The adjoint of [`leg_y`] in x.
pub(super) fn leg_x<T: Real>(e: &Extents, g: &[T], w: &[T], finish: &Finish<'_, T>, x: &mut [T]) {
    let Window { image: [h, width], out: [oh, ow], border, .. } = e.window;
    let (pixels, size) = (e.out_pixels() * e.ci, e.ci * e.co);
    scratch::with(4 * pixels, |parts: &mut [T]| {
        for (parity, part) in parts.chunks_exact_mut(pixels).enumerate() {
            let [py, px] = [parity / 2, parity % 2];
            // x_p[j] = g[j - 1] w[2 + p] + g[j] w[p], where j = 0 is before the image if p is 0.
            let turned = Extents {
                window: Window {
                    image: [oh, ow],
                    kernel: [2, 2],
                    stride: [1, 1],
                    pad: [py, px],
                    out: [oh, ow],
                    border,
                },
                ci: e.co,
                co: e.ci,
                ..*e
            };
            for tap in 0..4 {
                let seen = Unfolded { e: &turned, x: g, numbers: tap * e.co..(tap + 1) * e.co };
                let (ky, kx) = (2 - 2 * (tap / 2) + py, 2 - 2 * (tap % 2) + px);
                let filter = Mat::new(&w[(ky * 4 + kx) * size..][..size], e.ci, e.co).t();
                product_of_rows(&seen, filter, tap > 0, part, true, e.precision);
            }
        }
        let parts = &*parts;
        x.par_chunks_mut(width * e.ci).enumerate().each(&|(line, x)| {
            // Pixel y is number y / 2 of parity y + 1.
            let (n, y) = (line / h, line % h);
            for (column, pixel) in x.chunks_exact_mut(e.ci).enumerate() {
                let parity = (y + 1) % 2 * 2 + (column + 1) % 2;
                let from = parity * pixels + ((n * oh + y / 2) * ow + column / 2) * e.ci;
                pixel.copy_from_slice(&parts[from..][..e.ci]);
            }
            finish.apply(line * width * e.ci, x);
        });
    });
}
