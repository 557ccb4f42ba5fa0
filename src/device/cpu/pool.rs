//! Block means and nearest-neighbour repetition.

use super::pieces::*;

use super::Real;
use crate::shape::Shape;

/// Mean over k x k blocks of x `[N, H, W, C]`.
pub(super) fn mean_pool<T: Real>(x: &[T], shape: &Shape, k: usize, out: &mut [T]) {
    let (row, channels) = (shape[2] * shape[3], shape[3]);
    let weight = T::of(1.0 / (k * k) as f64);
    out.par_chunks_mut(row / k).zip(x.par_chunks(row * k)).each(&|(out, band)| {
        out.fill(T::zero());
        for line in band.chunks_exact(row) {
            for (cell, block) in out.chunks_exact_mut(channels).zip(line.chunks_exact(k * channels)) {
                for pixel in block.chunks_exact(channels) {
                    for (o, &x) in cell.iter_mut().zip(pixel) {
                        *o += x;
                    }
                }
            }
        }
        for o in out {
            *o *= weight;
        }
    });
}

/// Every pixel of x `[N, H, W, C]` repeated k x k times.
pub(super) fn upsample<T: Real>(x: &[T], shape: &Shape, k: usize, out: &mut [T]) {
    let (row, channels) = (shape[2] * shape[3], shape[3]);
    out.par_chunks_mut(row * k * k).zip(x.par_chunks(row)).each(&|(band, line)| {
        for out in band.chunks_exact_mut(row * k) {
            for (block, pixel) in out.chunks_exact_mut(k * channels).zip(line.chunks_exact(channels)) {
                for copy in block.chunks_exact_mut(channels) {
                    copy.copy_from_slice(pixel);
                }
            }
        }
    });
}
