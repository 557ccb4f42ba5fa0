//! Softmax over the last axis and its vector-Jacobian product.

use rayon::prelude::*;

use super::Real;
use super::real::{CHUNK, simd};

/// out = exp(x - max x) / sum, for each pixel.
pub(super) fn softmax<T: Real>(x: &[T], channels: usize, out: &mut [T]) {
    let chunk = (CHUNK / channels).max(1) * channels;
    out.par_chunks_mut(chunk).zip(x.par_chunks(chunk)).for_each(|(out, x)| {
        simd(
            #[inline(always)]
            || {
                for (out, x) in out.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                    let top = x.iter().fold(T::neg_infinity(), |m, &v| if v > m { v } else { m });
                    // A pixel of NaNs has no maximum; it must stay NaN.
                    let top = if top == T::neg_infinity() { x[0] } else { top };
                    for (o, &v) in out.iter_mut().zip(x) {
                        *o = v - top;
                    }
                }
                // One flat loop, so that it vectorises whatever the number of channels.
                for o in out.iter_mut() {
                    *o = o.exponential();
                }
                for pixel in out.chunks_exact_mut(channels) {
                    let scale = T::one() / pixel.iter().copied().sum::<T>();
                    for o in pixel {
                        *o *= scale;
                    }
                }
            },
        );
    });
}

/// out = y (g - sum(y g)), for each pixel.
pub(super) fn softmax_grad<T: Real>(y: &[T], g: &[T], channels: usize, out: &mut [T]) {
    let chunk = (CHUNK / channels).max(1) * channels;
    out.par_chunks_mut(chunk).zip(y.par_chunks(chunk)).zip(g.par_chunks(chunk)).for_each(|((out, y), g)| {
        simd(
            #[inline(always)]
            || {
                let pixels = y.chunks_exact(channels).zip(g.chunks_exact(channels));
                for (out, (y, g)) in out.chunks_exact_mut(channels).zip(pixels) {
                    let dot: T = y.iter().zip(g).map(|(&y, &g)| y * g).sum();
                    for ((o, &y), &g) in out.iter_mut().zip(y).zip(g) {
                        *o = y * (g - dot);
                    }
                }
            },
        );
    });
}
