//! Filters with each tap at 2 x 2 places, and the adjoint.

use super::pieces::*;

use super::Real;
use super::real::simd;
use crate::shape::Shape;

/// Each tap at 2 x 2 places: w `[K, L, A, B]`, the result `[K + 1, L + 1, A, B]` or, turned, `[K + 1, L + 1, B, A]`.
pub(super) fn spread<T: Real>(w: &[T], shape: &Shape, turned: bool, out: &mut [T], to: &Shape) {
    let places = |at: usize, axis: usize| {
        let first = if turned { shape[axis].checked_sub(at + 1) } else { at.checked_sub(1) };
        // Without a first place the second is the first there is.
        let second = first.map_or(0, |first| first + 1);
        [first, (second < shape[axis]).then_some(second)]
    };
    // Down first, as its adjoint adds across first.
    sums(w, shape, places, turned, |[a, b, c, d]| (a + c) + (b + d), out, to);
}

/// The adjoint: g `[K + 1, L + 1, A, B]`, the result `[K, L, A, B]` or, turned, `[K, L, B, A]`.
pub(super) fn gather<T: Real>(g: &[T], shape: &Shape, turned: bool, out: &mut [T], to: &Shape) {
    let places = |at, axis| {
        let first = if turned { to[axis] - 1 - at } else { at };
        [Some(first), Some(first + 1)]
    };
    sums(g, shape, places, turned, |[a, b, c, d]| (a + b) + (c + d), out, to);
}

/// Each tap of a result the sum of those of x at two places along both axes, zero where there is none.
fn sums<T: Real>(
    x: &[T],
    shape: &Shape,
    places: impl Fn(usize, usize) -> [Option<usize>; 2],
    turned: bool,
    add: impl Fn([T; 4]) -> T + Sync,
    out: &mut [T],
    to: &Shape,
) {
    let (rows, columns) = (to[2], to[3]);
    let plane = rows * columns;
    let zeros = vec![T::zero(); plane];
    for (tap, out) in out.chunks_exact_mut(plane.max(1)).enumerate() {
        let [down, across] = [places(tap / to[1], 0), places(tap % to[1], 1)];
        let of = |row: Option<usize>, column: Option<usize>| match (row, column) {
            (Some(row), Some(column)) => &x[(row * shape[1] + column) * plane..][..plane],
            _ => &zeros[..],
        };
        let four =
            [of(down[0], across[0]), of(down[0], across[1]), of(down[1], across[0]), of(down[1], across[1])];
        out.par_chunks_mut(columns).enumerate().each(&|(row, out)| {
            if turned {
                for (column, o) in out.iter_mut().enumerate() {
                    *o = add(four.map(|tap| tap[column * rows + row]));
                }
                return;
            }
            let [a, b, c, d] = four.map(|tap| &tap[row * columns..][..columns]);
            simd(
                #[inline(always)]
                || {
                    for (i, o) in out.iter_mut().enumerate() {
                        *o = add([a[i], b[i], c[i], d[i]]);
                    }
                },
            );
        });
    }
}
