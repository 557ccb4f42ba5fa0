//! The two passes of the gradient penalty over whole images.

use super::pieces::*;

use super::Real;
use super::real::simd;
use super::{reduce, scratch};
use crate::shape::Shape;

/// out = b + u (a - b), with one u for each row.
pub(super) fn interpolate<T: Real>(a: &[T], b: &[T], u: &[T], out: &mut [T]) {
    let width = out.len() / u.len();
    let rows = a.par_chunks(width).zip(b.par_chunks(width)).zip(u);
    out.par_chunks_mut(width).zip(rows).each(&|(out, ((a, b), &u))| {
        simd(
            #[inline(always)]
            || {
                for ((o, &a), &b) in out.iter_mut().zip(a).zip(b) {
                    *o = b + u * (a - b);
                }
            },
        );
    });
}

/// out = sqrt(sum g^2 + eps) of each row.
pub(super) fn row_norm<T: Real>(g: &[T], shape: &Shape, eps: T, out: &mut [T]) {
    let width = g.len() / shape[0];
    scratch::with(g.len(), |squares: &mut [T]| {
        squares.par_chunks_mut(width).zip(g.par_chunks(width)).each(&|(squares, g)| {
            simd(
                #[inline(always)]
                || {
                    for (s, &g) in squares.iter_mut().zip(g) {
                        *s = g * g;
                    }
                },
            );
        });
        reduce::sum_to(squares, &Shape::from([shape[0], width]), out, &Shape::from([shape[0], 1]));
    });
    for o in out {
        *o = (*o + eps).sqrt();
    }
}
