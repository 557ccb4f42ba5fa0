//! Moments of every channel in one pass, and their adjoint.

use rayon::prelude::*;

use super::Real;
use super::real::simd;
use super::scratch;
use crate::shape::Shape;

/// x `[N, H, W, C]` to m00, m10, m01 `[N, C, 3]`.
///
/// Rows are first added up into one row, plain and weighted with the row number, which vectorises
/// for any number of channels; the short sums along that row follow once per image.
pub(super) fn moments<T: Real>(x: &[T], shape: &Shape, out: &mut [T]) {
    let (row, channels) = (shape[2] * shape[3], shape[3]);
    out.par_chunks_mut(channels * 3).zip(x.par_chunks(shape[1] * row)).for_each(|(out, image)| {
        scratch::with(2 * row, |sums: &mut [T]| {
            sums.fill(T::zero());
            let (plain, weighted) = sums.split_at_mut(row);
            simd(
                #[inline(always)]
                || {
                    for (y, line) in image.chunks_exact(row).enumerate() {
                        let y = T::of(y as f64);
                        for ((p, w), &x) in plain.iter_mut().zip(weighted.iter_mut()).zip(line) {
                            *p += x;
                            *w += y * x;
                        }
                    }
                },
            );
            out.fill(T::zero());
            for (column, (p, w)) in
                plain.chunks_exact(channels).zip(weighted.chunks_exact(channels)).enumerate()
            {
                let column = T::of(column as f64);
                for (c, m) in out.chunks_exact_mut(3).enumerate() {
                    m[0] += p[c];
                    m[1] += column * p[c];
                    m[2] += w[c];
                }
            }
        });
    });
}

/// m `[N, C, 3]` to m0 + column m1 + row m2 `[N, H, W, C]`.
pub(super) fn affine_field<T: Real>(m: &[T], shape: &Shape, out: &mut [T]) {
    let (row, channels) = (shape[2] * shape[3], shape[3]);
    out.par_chunks_mut(shape[1] * row).zip(m.par_chunks(channels * 3)).for_each(|(image, m)| {
        scratch::with(2 * row, |base: &mut [T]| {
            let (level, slope) = base.split_at_mut(row);
            for column in 0..shape[2] {
                for c in 0..channels {
                    level[column * channels + c] = m[3 * c] + T::of(column as f64) * m[3 * c + 1];
                    slope[column * channels + c] = m[3 * c + 2];
                }
            }
            simd(
                #[inline(always)]
                || {
                    for (y, line) in image.chunks_exact_mut(row).enumerate() {
                        let y = T::of(y as f64);
                        for ((o, &l), &s) in line.iter_mut().zip(level.iter()).zip(slope.iter()) {
                            *o = l + y * s;
                        }
                    }
                },
            );
        });
    });
}
