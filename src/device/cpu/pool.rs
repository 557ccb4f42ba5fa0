//! Block means and nearest-neighbour repetition.

use super::pieces::*;

use super::Real;
use super::real::simd;
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

/// Every pixel of x `[N, H, W, C]` repeated k x k times, and more.
pub(super) fn upsample<T: Real>(x: &[T], shape: &Shape, k: usize, more: Option<&[T]>, out: &mut [T]) {
    let (row, channels) = (shape[2] * shape[3], shape[3]);
    let band = row * k * k;
    out.par_chunks_mut(band).zip(x.par_chunks(row)).enumerate().each(&|(i, (out, line))| {
        let more = more.map(|more| &more[i * band..][..band]);
        for (i, out) in out.chunks_exact_mut(row * k).enumerate() {
            repeat(line, channels, k, more.map(|more| &more[i * row * k..][..row * k]), out);
        }
    });
}

/// A line of pixels, each k times, and more.
fn repeat<T: Real>(line: &[T], channels: usize, k: usize, more: Option<&[T]>, out: &mut [T]) {
    let blocks = out.chunks_exact_mut(k * channels).zip(line.chunks_exact(channels));
    let Some(more) = more else {
        for (block, pixel) in blocks {
            block.chunks_exact_mut(channels).for_each(|copy| copy.copy_from_slice(pixel));
        }
        return;
    };
    simd(
        #[inline(always)]
        || {
            for ((block, pixel), more) in blocks.zip(more.chunks_exact(k * channels)) {
                let copies = block.chunks_exact_mut(channels).zip(more.chunks_exact(channels));
                for (copy, more) in copies {
                    for ((o, &x), &m) in copy.iter_mut().zip(pixel).zip(more) {
                        *o = x + m;
                    }
                }
            }
        },
    );
}
