//! Real Fourier transforms of whole images, by the `realfft` crate.

use std::sync::Arc;

use num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::Fft;

use super::{Real, scratch};

/// The transform of images `[H, W]`. A spectrum is `[W/2 + 1, H]`: column frequencies first, so that
/// both passes run along memory; frequencies that it lacks are conjugates of those it has.
pub(crate) struct Plane<T> {
    pub(super) h: usize,
    pub(super) w: usize,
    rows: Arc<dyn RealToComplex<T>>,
    rows_back: Arc<dyn ComplexToReal<T>>,
    columns: Arc<dyn Fft<T>>,
    columns_back: Arc<dyn Fft<T>>,
}

impl<T: Real> Plane<T> {
    pub(crate) fn new(h: usize, w: usize) -> Self {
        let mut real = RealFftPlanner::new();
        let mut complex = rustfft::FftPlanner::new();
        Self {
            h,
            w,
            rows: real.plan_fft_forward(w),
            rows_back: real.plan_fft_inverse(w),
            columns: complex.plan_fft_forward(h),
            columns_back: complex.plan_fft_inverse(h),
        }
    }

    /// Column frequencies that a spectrum holds.
    pub(super) fn half(&self) -> usize {
        self.w / 2 + 1
    }

    /// Complex numbers of a spectrum.
    pub(crate) fn len(&self) -> usize {
        self.half() * self.h
    }

    /// The spectrum of an image; `image` is destroyed.
    pub(crate) fn forward(&self, image: &mut [T], spectrum: &mut [Complex<T>]) {
        let half = self.half();
        complex_scratch(
            self.h * half + self.rows.get_scratch_len().max(self.columns.get_inplace_scratch_len()),
            |all| {
                let (lines, work) = all.split_at_mut(self.h * half);
                for (row, line) in image.chunks_exact_mut(self.w).zip(lines.chunks_exact_mut(half)) {
                    let room = &mut work[..self.rows.get_scratch_len()];
                    self.rows.process_with_scratch(row, line, room).expect("lengths are the plan's");
                }
                transpose(lines, spectrum, self.h, half);
                let room = &mut work[..self.columns.get_inplace_scratch_len()];
                self.columns.process_with_scratch(spectrum, room);
            },
        );
    }

    /// H W times the image of a spectrum, which is destroyed.
    pub(crate) fn backward(&self, spectrum: &mut [Complex<T>], image: &mut [T]) {
        let half = self.half();
        complex_scratch(
            self.h * half + self.rows_back.get_scratch_len().max(self.columns_back.get_inplace_scratch_len()),
            |all| {
                let (lines, work) = all.split_at_mut(self.h * half);
                let room = &mut work[..self.columns_back.get_inplace_scratch_len()];
                self.columns_back.process_with_scratch(spectrum, room);
                transpose(spectrum, lines, half, self.h);
                for (row, line) in image.chunks_exact_mut(self.w).zip(lines.chunks_exact_mut(half)) {
                    // Rounding leaves a trace where a real image has none, which the crate refuses.
                    line[0].im = T::zero();
                    if self.w.is_multiple_of(2) {
                        line[half - 1].im = T::zero();
                    }
                    let room = &mut work[..self.rows_back.get_scratch_len()];
                    self.rows_back.process_with_scratch(line, row, room).expect("lengths are the plan's");
                }
            },
        );
    }
}

/// Lends complex numbers with unspecified contents.
pub(super) fn complex_scratch<T: Real, R>(numel: usize, f: impl FnOnce(&mut [Complex<T>]) -> R) -> R {
    scratch::with(2 * numel, |all: &mut [T]| f(bytemuck::cast_slice_mut(all)))
}

/// `[rows, columns]` to `[columns, rows]`, in blocks that fit in the nearest cache.
fn transpose<T: Copy>(from: &[T], to: &mut [T], rows: usize, columns: usize) {
    const BLOCK: usize = 16;
    for top in (0..rows).step_by(BLOCK) {
        for left in (0..columns).step_by(BLOCK) {
            for column in left..columns.min(left + BLOCK) {
                for row in top..rows.min(top + BLOCK) {
                    to[column * rows + row] = from[row * columns + column];
                }
            }
        }
    }
}
