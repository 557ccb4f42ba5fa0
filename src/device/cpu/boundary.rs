//! The length of the boundaries of soft sets, and its gradient.

use std::ops::Range;

use super::pieces::*;

use super::Real;
use super::real::simd;
use super::scratch;
use crate::op::Border;
use crate::shape::Shape;
use crate::steps::{Step, steps};

/// Calls `f` for the pixels that steps join in each row: the numbers of the first ones and of the
/// second ones in the image, and the numbers of a row in which they stand side by side.
fn each_run(
    shape: &Shape,
    border: Border,
    step: &Step,
    mut f: impl FnMut(Range<usize>, Range<usize>, usize),
) {
    let [h, w, k] = [shape[1], shape[2], shape[3]];
    let [down, right] = step.reach();
    let periodic = border == Border::Periodic;
    let run = |[row, column]: [usize; 2], count: usize| {
        let first = (row % h * w + column % w) * k;
        first..first + count * k
    };
    for y in 0..if periodic { h } else { h - down } {
        let mut at = |x: usize, count: usize| {
            let [from, to] = [step.from, step.to].map(|[row, column]| run([y + row, x + column], count));
            f(from, to, x * k);
        };
        at(0, w - right);
        if periodic && right > 0 {
            at(w - 1, 1);
        }
    }
}

/// x `[N, H, W, K]` to `[N, K]`.
pub(super) fn boundary<T: Real>(x: &[T], shape: &Shape, border: Border, soft: f64, out: &mut [T]) {
    let (row, channels) = (shape[2] * shape[3], shape[3]);
    let steps = steps([shape[1], shape[2]], border, soft);
    let soft = T::of(soft);
    out.par_chunks_mut(channels).zip(x.par_chunks(shape[1] * row)).each(&|(out, image)| {
        scratch::with(row, |sums: &mut [T]| {
            sums.fill(T::zero());
            for step in steps.iter().filter(|step| step.weight > 0.0) {
                let weight = T::of(step.weight);
                each_run(shape, border, step, |from, to, at| {
                    let (a, b) = (&image[from], &image[to]);
                    let sums = &mut sums[at..at + a.len()];
                    simd(
                        #[inline(always)]
                        || {
                            for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
                                let d = a - b;
                                *sum += weight * ((d * d + soft * soft).sqrt() - soft);
                            }
                        },
                    );
                });
            }
            out.fill(T::zero());
            for pixel in sums.chunks_exact(channels) {
                out.iter_mut().zip(pixel).for_each(|(out, &sum)| *out += sum);
            }
        });
    });
}

/// x `[N, H, W, K]` and g `[N, K]` to the gradient of <g, boundary(x)> by x.
pub(super) fn boundary_grad<T: Real>(
    x: &[T],
    g: &[T],
    shape: &Shape,
    border: Border,
    soft: f64,
    out: &mut [T],
) {
    let (pixels, row, channels) = (shape[1] * shape[2], shape[2] * shape[3], shape[3]);
    let steps = steps([shape[1], shape[2]], border, soft);
    let soft = T::of(soft);
    let images = out.par_chunks_mut(pixels * channels).zip(x.par_chunks(pixels * channels));
    images.zip(g.par_chunks(channels)).each(&|((out, image), g)| {
        out.fill(T::zero());
        scratch::with(2 * row, |lines: &mut [T]| {
            let (slopes, factors) = lines.split_at_mut(row);
            for step in steps.iter().filter(|step| step.weight > 0.0) {
                let weight = T::of(step.weight);
                for pixel in factors.chunks_exact_mut(channels) {
                    pixel.iter_mut().zip(g).for_each(|(factor, &g)| *factor = weight * g);
                }
                each_run(shape, border, step, |from, to, _| {
                    let (a, b) = (&image[from.clone()], &image[to.clone()]);
                    let slopes = &mut slopes[..a.len()];
                    simd(
                        #[inline(always)]
                        || {
                            for (((slope, &factor), &a), &b) in slopes.iter_mut().zip(&*factors).zip(a).zip(b)
                            {
                                let d = a - b;
                                *slope = factor * d / (d * d + soft * soft).sqrt();
                            }
                            for (out, &slope) in out[from].iter_mut().zip(&*slopes) {
                                *out += slope;
                            }
                            for (out, &slope) in out[to].iter_mut().zip(&*slopes) {
                                *out -= slope;
                            }
                        },
                    );
                });
            }
        });
    });
}
