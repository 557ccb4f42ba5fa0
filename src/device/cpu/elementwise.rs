//! Functions of one and two numbers, with broadcasting.

use rayon::prelude::*;

use super::Real;
use super::layout::Walk;
use super::real::{CHUNK, simd};
use crate::op::{Binary, Unary};
use crate::shape::Shape;

/// The inner loop that short rows are repeated to.
const LONG_RUN: usize = 96;

/// out = f(x), elementwise.
pub(super) fn unary<T: Real>(f: Unary, x: &[T], out: &mut [T]) {
    let one = T::one();
    match f {
        Unary::Neg => map(x, out, |v| -v),
        Unary::Exp => map(x, out, T::exponential),
        Unary::Ln => map(x, out, T::ln),
        Unary::Sqrt => map(x, out, T::sqrt),
        Unary::Recip => map(x, out, T::recip),
        Unary::Square => map(x, out, |v| v * v),
        Unary::Tanh => map(x, out, T::tanh),
        Unary::Sigmoid => map(x, out, |v| one / (one + (-v).exponential())),
        Unary::LeakyRelu(slope) => {
            let slope = T::of(slope);
            // A choice between two factors vectorises; a choice between two results becomes a branch.
            map(x, out, |v| v * if v > T::zero() { one } else { slope });
        }
        Unary::LeakyMask(slope) => {
            let slope = T::of(slope);
            map(x, out, |v| if v > T::zero() { one } else { slope });
        }
        Unary::Scale(by) => {
            let by = T::of(by);
            map(x, out, |v| v * by);
        }
        Unary::Shift(by) => {
            let by = T::of(by);
            map(x, out, |v| v + by);
        }
        Unary::Pow(exponent) => {
            let exponent = T::of(exponent);
            map(x, out, |v| v.powf(exponent));
        }
    }
}

fn map<T: Real>(x: &[T], out: &mut [T], f: impl Fn(T) -> T + Sync) {
    let piece = |(o, x): (&mut [T], &[T])| {
        simd(
            #[inline(always)]
            || {
                for (o, &x) in o.iter_mut().zip(x) {
                    *o = f(x);
                }
            },
        );
    };
    if out.len() <= CHUNK {
        piece((out, x));
    } else {
        out.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(piece);
    }
}

/// out = f(a, b), elementwise with broadcasting.
pub(super) fn binary<T: Real>(
    f: Binary,
    a: &[T],
    a_shape: &Shape,
    b: &[T],
    b_shape: &Shape,
    out: &mut [T],
    out_shape: &Shape,
) {
    match f {
        Binary::Add => zip(a, a_shape, b, b_shape, out, out_shape, |a, b| a + b),
        Binary::Sub => zip(a, a_shape, b, b_shape, out, out_shape, |a, b| a - b),
        Binary::Mul => zip(a, a_shape, b, b_shape, out, out_shape, |a, b| a * b),
        Binary::Div => zip(a, a_shape, b, b_shape, out, out_shape, |a, b| a / b),
        Binary::Gate(slope) => gate(T::of(slope), a, a_shape, b, b_shape, out, out_shape),
    }
}

/// out = b where a > 0, slope b elsewhere.
pub(super) fn gate<T: Real>(
    slope: T,
    a: &[T],
    a_shape: &Shape,
    b: &[T],
    b_shape: &Shape,
    out: &mut [T],
    out_shape: &Shape,
) {
    zip(a, a_shape, b, b_shape, out, out_shape, |a, b| b * if a > T::zero() { T::one() } else { slope });
}

fn zip<T: Real>(
    a: &[T],
    a_shape: &Shape,
    b: &[T],
    b_shape: &Shape,
    out: &mut [T],
    out_shape: &Shape,
    f: impl Fn(T, T) -> T + Sync,
) {
    let strides = [a_shape.broadcast_strides(out_shape), b_shape.broadcast_strides(out_shape)];
    let walk = Walk::new(out_shape, strides);
    if let Some(period) = walk.short_period() {
        // A short row against every pixel, such as a bias of three channels: repeat it, so that the
        // inner loop is worth vectorising.
        let repeats = LONG_RUN.div_ceil(period);
        let tiled: Vec<T> = (0..repeats).flat_map(|_| b[..period].iter().copied()).collect();
        let piece = CHUNK / tiled.len() * tiled.len();
        out.par_chunks_mut(piece).zip(a.par_chunks(piece)).for_each(|(out, a)| {
            simd(
                #[inline(always)]
                || {
                    for (out, a) in out.chunks_mut(tiled.len()).zip(a.chunks(tiled.len())) {
                        for ((o, &a), &b) in out.iter_mut().zip(a).zip(&tiled) {
                            *o = f(a, b);
                        }
                    }
                },
            );
        });
        return;
    }
    walk.rows(out, |row, [i, j]| {
        let n = row.len();
        simd(
            #[inline(always)]
            || match walk.inner {
                [1, 1] => {
                    for ((o, &a), &b) in row.iter_mut().zip(&a[i..i + n]).zip(&b[j..j + n]) {
                        *o = f(a, b);
                    }
                }
                [1, 0] => {
                    let b = b[j];
                    for (o, &a) in row.iter_mut().zip(&a[i..i + n]) {
                        *o = f(a, b);
                    }
                }
                [0, 1] => {
                    let a = a[i];
                    for (o, &b) in row.iter_mut().zip(&b[j..j + n]) {
                        *o = f(a, b);
                    }
                }
                [s, t] => {
                    for (k, o) in row.iter_mut().enumerate() {
                        *o = f(a[i + k * s], b[j + k * t]);
                    }
                }
            },
        );
    });
}

/// Adds a bias to every pixel, then applies a LeakyReLU if a slope is given, in place.
pub(super) fn bias<T: Real>(bias: &[T], slope: Option<T>, out: &mut [T]) {
    // A short bias repeated, so that the inner loop is worth vectorising.
    let tiled = bias.repeat(LONG_RUN.div_ceil(bias.len()));
    // A slope of one changes nothing: one loop for both.
    let slope = slope.unwrap_or(T::one());
    out.par_chunks_mut((CHUNK / tiled.len()).max(1) * tiled.len()).for_each(|out| {
        simd(
            #[inline(always)]
            || {
                for out in out.chunks_mut(tiled.len()) {
                    for (o, &b) in out.iter_mut().zip(&tiled) {
                        let v = *o + b;
                        *o = v * if v > T::zero() { T::one() } else { slope };
                    }
                }
            },
        );
    });
}
