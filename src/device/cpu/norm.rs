//! Means, variances and normalisation over groups of elements.
//!
//! Batch groups are the columns of x seen as a matrix `[rows, C]`; layer groups are the rows of x
//! seen as `[N, elements]`.

use super::pieces::*;

use super::Real;
use super::real::{CHUNK, simd};
use super::reduce::sum;
use super::scratch;
use crate::op::Over;
use crate::shape::Shape;

/// Mean and biased variance of each group: `[2, groups]`.
pub(super) fn stats<T: Real>(over: Over, x: &[T], shape: &Shape, out: &mut [T]) {
    let groups = over.groups(shape);
    let (mean, variance) = out.split_at_mut(groups);
    let n = T::of((x.len() / groups) as f64);
    match over {
        Over::Layer => {
            let rows = x.par_chunks(x.len() / groups);
            rows.zip(mean).zip(variance).each(&|((x, mean), variance)| {
                *mean = sum(x) / n;
                let centre = *mean;
                *variance = column_sums(x, 16, |v| (v - centre) * (v - centre)).into_iter().sum::<T>() / n;
            });
        }
        Over::Batch => {
            column_reduce(x, x, groups, mean, |x, _, sums| {
                for row in x.chunks_exact(groups) {
                    for (s, &v) in sums.iter_mut().zip(row) {
                        *s += v;
                    }
                }
            });
            mean.iter_mut().for_each(|m| *m /= n);
            let centre = &*mean;
            column_reduce(x, x, groups, variance, |x, _, sums| {
                for row in x.chunks_exact(groups) {
                    for ((s, &v), &c) in sums.iter_mut().zip(row).zip(centre) {
                        *s += (v - c) * (v - c);
                    }
                }
            });
            variance.iter_mut().for_each(|v| *v /= n);
        }
    }
}

/// Sums of f(x) in interleaved lanes.
fn column_sums<T: Real>(x: &[T], lanes: usize, f: impl Fn(T) -> T) -> Vec<T> {
    let mut sums = vec![T::zero(); lanes];
    simd(
        #[inline(always)]
        || {
            for block in x.chunks(lanes) {
                for (s, &v) in sums.iter_mut().zip(block) {
                    *s += f(v);
                }
            }
        },
    );
    sums
}

fn inverse_roots<T: Real>(stats: &[T], groups: usize, eps: T) -> Vec<T> {
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
                simd(
                    #[inline(always)]
                    || {
                        for (o, &v) in out.iter_mut().zip(x) {
                            *o = (v - mean[i]) * r[i];
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
fn column_reduce<T: Real>(
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
