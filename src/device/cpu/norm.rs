//! Means, variances and normalisation over groups of elements.
//!
//! Batch groups are the columns of x seen as a matrix `[rows, C]`; layer groups are the rows of x
//! seen as `[N, elements]`.

use pulp::{Simd, WithSimd};

use super::Real;
use super::pieces::*;
use super::real::{CHUNK, simd};
use super::reduce::sum;
use super::scratch;
use super::vector::{LONG_RUN, lanes, load, store, tiled};
use crate::op::Over;
use crate::shape::Shape;

/// Mean and biased variance of each group, in one pass over memory: `[2, groups]`. Sums are of x less the group's
/// first element, so that a large mean costs no digits.
pub(super) fn stats<T: Real>(over: Over, x: &[T], shape: &Shape, out: &mut [T]) {
    let groups = over.groups(shape);
    let (means, variances) = out.split_at_mut(groups);
    let n = T::of((x.len() / groups) as f64);
    match over {
        Over::Layer => {
            let rows = x.par_chunks(x.len() / groups);
            rows.zip(means).zip(variances).each(&|((x, mean), variance)| {
                let first = [x[0]; LONG_RUN];
                let mut sums = [T::zero(); 2 * LONG_RUN];
                pulp::Arch::new().dispatch(Spread { x, first: &first, sums: &mut sums });
                (*mean, *variance) = moments(&sums, 0, 1, n, x[0]);
            });
        }
        Over::Batch => {
            let first = &tiled(&x[..groups]);
            scratch::with(2 * first.len(), |sums: &mut [T]| {
                column_reduce(x, x, first.len(), sums, |x, _, sums| {
                    pulp::Arch::new().dispatch(Spread { x, first, sums });
                });
                for (c, (mean, variance)) in means.iter_mut().zip(variances).enumerate() {
                    (*mean, *variance) = moments(sums, c, groups, n, first[c]);
                }
            });
        }
    }
}

/// Mean and variance of a group whose sums of d and d^2 are every `step`th from `c`.
fn moments<T: Real>(sums: &[T], c: usize, step: usize, n: T, first: T) -> (T, T) {
    let (d, squares) = sums.split_at(sums.len() / 2);
    let [d, square] = [d, squares].map(|sums| sums[c..].iter().step_by(step).copied().sum::<T>() / n);
    let variance = square - d * d;
    // Rounding may leave less than nothing; a NaN stays one.
    (first + d, if variance < T::zero() { T::zero() } else { variance })
}

/// Adds d and d^2, d = x - first, place by place of a period.
struct Spread<'a, T> {
    x: &'a [T],
    /// A whole number of vectors.
    first: &'a [T],
    sums: &'a mut [T],
}

impl<T: Real> WithSimd for Spread<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, first, sums } = self;
        let lanes = lanes::<T, S>();
        let (plain, squares) = sums.split_at_mut(first.len());
        for x in x.chunks(first.len()) {
            let sums = plain.chunks_exact_mut(lanes).zip(squares.chunks_exact_mut(lanes));
            for ((x, first), (plain, squares)) in x.chunks(lanes).zip(first.chunks_exact(lanes)).zip(sums) {
                let d = if x.len() == lanes {
                    T::minus(simd, load::<T, S>(x), load::<T, S>(first))
                } else {
                    T::minus(simd, T::get(simd, x), T::get(simd, &first[..x.len()]))
                };
                store::<T, S>(plain, T::plus(simd, load::<T, S>(plain), d));
                store::<T, S>(squares, T::plus(simd, load::<T, S>(squares), T::times(simd, d, d)));
            }
        }
    }
}

pub(super) fn inverse_roots<T: Real>(stats: &[T], groups: usize, eps: T) -> Vec<T> {
    stats[groups..].iter().map(|&v| T::one() / (v + eps).sqrt()).collect()
}

/// (x - mean) / sqrt(var + eps)
pub(super) fn normalise<T: Real>(over: Over, eps: T, x: &[T], shape: &Shape, stats: &[T], out: &mut [T]) {
    let groups = over.groups(shape);
    let mean = &stats[..groups];
    let r = inverse_roots(stats, groups, eps);
    match over {
        Over::Layer => {
            let length = x.len() / groups;
            out.par_chunks_mut(length).zip(x.par_chunks(length)).enumerate().each(&|(i, (out, x))| {
                let (mean, r) = (mean[i], r[i]);
                simd(
                    #[inline(always)]
                    || {
                        for (o, &v) in out.iter_mut().zip(x) {
                            *o = (v - mean) * r;
                        }
                    },
                );
            });
        }
        Over::Batch => {
            let piece = (CHUNK / groups).max(1) * groups;
            out.par_chunks_mut(piece).zip(x.par_chunks(piece)).each(&|(out, x)| {
                simd(
                    #[inline(always)]
                    || {
                        for (out, x) in out.chunks_exact_mut(groups).zip(x.chunks_exact(groups)) {
                            for (((o, &v), &m), &r) in out.iter_mut().zip(x).zip(mean).zip(&r) {
                                *o = (v - m) * r;
                            }
                        }
                    },
                );
            });
        }
    }
}

/// r (g - mean(g) - y mean(g y)) with y = (x - mean) r.
pub(super) fn normalise_grad<T: Real>(
    over: Over,
    eps: T,
    x: &[T],
    shape: &Shape,
    stats: &[T],
    g: &[T],
    out: &mut [T],
) {
    let groups = over.groups(shape);
    let mean = &stats[..groups];
    let r = inverse_roots(stats, groups, eps);
    let n = T::of((x.len() / groups) as f64);
    match over {
        Over::Layer => {
            let length = x.len() / groups;
            let rows = out.par_chunks_mut(length).zip(x.par_chunks(length)).zip(g.par_chunks(length));
            rows.enumerate().each(&|(i, ((out, x), g))| {
                let (mean, r) = (mean[i], r[i]);
                let mean_g = sum(g) / n;
                simd(
                    #[inline(always)]
                    || {
                        for ((o, &x), &g) in out.iter_mut().zip(x).zip(g) {
                            *o = g * (x - mean) * r;
                        }
                    },
                );
                let mean_gy = sum(out) / n;
                simd(
                    #[inline(always)]
                    || {
                        for ((o, &x), &g) in out.iter_mut().zip(x).zip(g) {
                            *o = r * (g - mean_g - (x - mean) * r * mean_gy);
                        }
                    },
                );
            });
        }
        Over::Batch => scratch::with(2 * groups, |sums: &mut [T]| {
            let piece = (CHUNK / groups).max(1) * groups;
            column_reduce(x, g, groups, sums, |x, g, sums| {
                let (plain, weighted) = sums.split_at_mut(groups);
                for (x, g) in x.chunks_exact(groups).zip(g.chunks_exact(groups)) {
                    for c in 0..groups {
                        plain[c] += g[c];
                        weighted[c] += g[c] * (x[c] - mean[c]);
                    }
                }
            });
            let (mean_g, slope) = sums.split_at_mut(groups);
            for c in 0..groups {
                mean_g[c] /= n;
                slope[c] *= r[c] * r[c] / n;
            }
            let (mean_g, slope) = (&*mean_g, &*slope);
            out.par_chunks_mut(piece).zip(x.par_chunks(piece)).zip(g.par_chunks(piece)).each(
                &|((out, x), g)| {
                    simd(
                        #[inline(always)]
                        || {
                            let rows = x.chunks_exact(groups).zip(g.chunks_exact(groups));
                            for (out, (x, g)) in out.chunks_exact_mut(groups).zip(rows) {
                                for c in 0..groups {
                                    out[c] = r[c] * (g[c] - mean_g[c] - (x[c] - mean[c]) * slope[c]);
                                }
                            }
                        },
                    );
                },
            );
        }),
    }
}

/// Adds up columns over pieces of whole rows of two matrices side by side, the pieces in order.
pub(super) fn column_reduce<T: Real>(
    x: &[T],
    g: &[T],
    columns: usize,
    out: &mut [T],
    f: impl Fn(&[T], &[T], &mut [T]) + Sync,
) {
    let piece = (CHUNK / columns).max(1) * columns;
    let width = out.len();
    scratch::with(x.len().div_ceil(piece) * width, |partial: &mut [T]| {
        let pieces = x.par_chunks(piece).zip(g.par_chunks(piece));
        partial.par_chunks_mut(width).zip(pieces).each(&|(sums, (x, g))| {
            sums.fill(T::zero());
            simd(
                #[inline(always)]
                || f(x, g, sums),
            );
        });
        out.fill(T::zero());
        for sums in partial.chunks(width) {
            for (o, &s) in out.iter_mut().zip(sums) {
                *o += s;
            }
        }
    });
}
