//! Moments of every channel in one pass, and their adjoint.

use super::pieces::*;

use super::Real;
use super::real::simd;
use super::scratch;
use crate::shape::Shape;

/// Moments of a channel: of 1, u, v, u^2, u v, v^2.
const MOMENTS: usize = 6;

/// Rows that are added up at a time: more numbers for each load and store of the sums.
const ROWS: usize = 4;

/// Place `i` of `extent`, counted from the middle.
fn centred<T: Real>(i: usize, extent: usize) -> T {
    T::of(i as f64 - (extent as f64 - 1.0) / 2.0)
}

/// x `[N, H, W, C]` to `[N, C, 6]`.
///
/// Rows are first added up into one row, plain and weighted with v and v^2, which vectorises for any
/// number of channels; the short sums along that row follow once per image.
pub(super) fn moments<T: Real>(x: &[T], shape: &Shape, out: &mut [T]) {
    let (height, row, channels) = (shape[1], shape[2] * shape[3], shape[3]);
    out.par_chunks_mut(channels * MOMENTS).zip(x.par_chunks(height * row)).each(&|(out, image)| {
        scratch::with(3 * row, |sums: &mut [T]| {
            sums.fill(T::zero());
            let mut lines = image.chunks_exact(row).enumerate();
            for _ in 0..height / ROWS {
                let next: [_; ROWS] = std::array::from_fn(|_| lines.next().unwrap_or((0, &[])));
                add_rows(next.map(|(y, line)| (centred(y, height), line)), sums);
            }
            for (y, line) in lines {
                add_rows([(centred(y, height), line)], sums);
            }
            out.fill(T::zero());
            let (plain, weighted) = sums.split_at(row);
            let (weighted, squared) = weighted.split_at(row);
            for column in 0..shape[2] {
                let u: T = centred(column, shape[2]);
                for (c, m) in out.chunks_exact_mut(MOMENTS).enumerate() {
                    let i = column * channels + c;
                    let (p, w) = (u * plain[i], weighted[i]);
                    m[0] += plain[i];
                    m[1] += p;
                    m[2] += w;
                    m[3] += u * p;
                    m[4] += u * w;
                    m[5] += squared[i];
                }
            }
        });
    });
}

/// Adds rows, their products with v and those with v^2 to the three rows of `sums`.
fn add_rows<T: Real, const L: usize>(rows: [(T, &[T]); L], sums: &mut [T]) {
    let row = sums.len() / 3;
    let (plain, weighted) = sums.split_at_mut(row);
    let (weighted, squared) = weighted.split_at_mut(row);
    simd(
        #[inline(always)]
        || {
            let lines = rows.map(|(v, line)| (v, &line[..row]));
            for i in 0..row {
                let (mut p, mut w, mut s) = (plain[i], weighted[i], squared[i]);
                for (v, line) in lines {
                    let x = line[i];
                    let vx = v * x;
                    p += x;
                    w += vx;
                    s += v * vx;
                }
                (plain[i], weighted[i], squared[i]) = (p, w, s);
            }
        },
    );
}

/// m `[N, C, 6]` to m0 + u m1 + v m2 + u^2 m3 + u v m4 + v^2 m5 `[N, H, W, C]`.
pub(super) fn quadratic_field<T: Real>(m: &[T], shape: &Shape, out: &mut [T]) {
    let (height, row, channels) = (shape[1], shape[2] * shape[3], shape[3]);
    out.par_chunks_mut(height * row).zip(m.par_chunks(channels * MOMENTS)).each(&|(image, m)| {
        scratch::with(3 * row, |base: &mut [T]| {
            let (level, slope) = base.split_at_mut(row);
            let (slope, curve) = slope.split_at_mut(row);
            for column in 0..shape[2] {
                let u: T = centred(column, shape[2]);
                for (c, m) in m.chunks_exact(MOMENTS).enumerate() {
                    let i = column * channels + c;
                    level[i] = m[0] + u * (m[1] + u * m[3]);
                    slope[i] = m[2] + u * m[4];
                    curve[i] = m[5];
                }
            }
            let (level, slope, curve) = (&level[..row], &slope[..row], &curve[..row]);
            simd(
                #[inline(always)]
                || {
                    for (y, line) in image.chunks_exact_mut(row).enumerate() {
                        let v: T = centred(y, height);
                        for (((o, &l), &s), &c) in line.iter_mut().zip(level).zip(slope).zip(curve) {
                            *o = l + v * (s + v * c);
                        }
                    }
                },
            );
        });
    });
}
