//! Functions of one and two numbers, with broadcasting.

use super::pieces::*;
use pulp::{Simd, WithSimd};

use super::Real;
use super::layout::Walk;
use super::real::{CHUNK, simd};
use super::vector::{lanes, load, store, tiled};
use crate::op::{Binary, Unary};
use crate::shape::Shape;

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
            gate_alike(T::of(slope), x, x, out);
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
        out.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).each(&piece);
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
fn gate<T: Real>(
    slope: T,
    a: &[T],
    a_shape: &Shape,
    b: &[T],
    b_shape: &Shape,
    out: &mut [T],
    out_shape: &Shape,
) {
    if a_shape == out_shape && b_shape == out_shape {
        return gate_alike(slope, a, b, out);
    }
    zip(a, a_shape, b, b_shape, out, out_shape, |a, b| b * if a > T::zero() { T::one() } else { slope });
}

/// The same of tensors of one shape: the most frequent of all loops, and one that compilers leave a branch in.
fn gate_alike<T: Real>(slope: T, a: &[T], b: &[T], out: &mut [T]) {
    let pieces = out.par_chunks_mut(CHUNK).zip(a.par_chunks(CHUNK)).zip(b.par_chunks(CHUNK));
    pieces.each(&|((out, a), b)| pulp::Arch::new().dispatch(Gate { slope, a, b, out }));
}

/// out = b where a > 0, slope b elsewhere.
struct Gate<'a, T> {
    slope: T,
    a: &'a [T],
    b: &'a [T],
    out: &'a mut [T],
}

impl<T: Real> WithSimd for Gate<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { slope, a, b, out } = self;
        let lanes = lanes::<T, S>();
        let by = T::splat(simd, slope);
        let each = out.chunks_mut(lanes).zip(a.chunks(lanes)).zip(b.chunks(lanes));
        for ((out, a), b) in each {
            if out.len() == lanes {
                let (a, b) = (load::<T, S>(a), load::<T, S>(b));
                store::<T, S>(out, T::where_positive(simd, a, b, T::times(simd, by, b)));
            } else {
                let (a, b) = (T::get(simd, a), T::get(simd, b));
                T::put(simd, out, T::where_positive(simd, a, b, T::times(simd, by, b)));
            }
        }
    }
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
    if let Some([period, image]) = walk.short_period() {
        // A short row against every pixel of an image, such as a bias of three channels: repeat it, so that
        // the inner loop is worth vectorising.
        let row = |index: usize| tiled(&b[walk.image(index)[1]..][..period]);
        let piece = |(out, a): (&mut [T], &[T]), tiled: &[T]| {
            simd(
                #[inline(always)]
                || {
                    for (out, a) in out.chunks_mut(tiled.len()).zip(a.chunks(tiled.len())) {
                        for ((o, &a), &b) in out.iter_mut().zip(a).zip(tiled) {
                            *o = f(a, b);
                        }
                    }
                },
            );
        };
        if image > CHUNK {
            for (index, (out, a)) in out.chunks_mut(image).zip(a.chunks(image)).enumerate() {
                let tiled = row(index);
                let length = CHUNK / tiled.len() * tiled.len();
                out.par_chunks_mut(length).zip(a.par_chunks(length)).each(&|both| piece(both, &tiled));
            }
        } else {
            let images = CHUNK / image;
            let some = out.par_chunks_mut(images * image).zip(a.par_chunks(images * image)).enumerate();
            some.each(&|(first, (out, a))| {
                for (i, both) in out.chunks_mut(image).zip(a.chunks(image)).enumerate() {
                    piece(both, &row(first * images + i));
                }
            });
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_few_numbers_go_with_their_image() {
        // A row for all, for each image, for each of some images; images less and more than a piece.
        let cases: &[(&[usize], &[usize])] = &[
            (&[3, 5, 7, 2], &[2]),
            (&[3, 5, 7, 2], &[3, 1, 1, 2]),
            (&[40, 31, 17, 3], &[40, 1, 1, 3]),
            (&[3, 101, 97, 2], &[3, 1, 1, 2]),
            (&[2, 3, 9, 4], &[3, 1, 4]),
            (&[4, 6, 5], &[4, 1, 5]),
        ];
        for &(a, b) in cases {
            let [whole, row] = [a, b].map(Shape::new);
            let values: Vec<f64> = (0..whole.numel()).map(|i| (i % 1013) as f64).collect();
            let rows: Vec<f64> = (0..row.numel()).map(|i| 0.5 + i as f64).collect();
            let mut out = vec![0.0; values.len()];
            binary(Binary::Mul, &values, &whole, &rows, &row, &mut out, &whole);
            let strides = row.broadcast_strides(&whole);
            for (i, (&out, &x)) in out.iter().zip(&values).enumerate() {
                let mut rest = i;
                let at: usize = (0..whole.rank())
                    .rev()
                    .map(|axis| {
                        let index = rest % whole[axis];
                        rest /= whole[axis];
                        index * strides[axis]
                    })
                    .sum();
                assert_eq!(out, x * rows[at], "{a:?} by {b:?}, number {i}");
            }
        }
    }
}
