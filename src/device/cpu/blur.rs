//! Filters that do the same to every channel and mix none, as blurs do: sums of moved rows.
//!
//! The general way unfolds every pixel of them, which copies each number as often as there are taps, to multiply it
//! mostly by zero.

use super::Real;
use super::extents::{Extents, row_of};
use super::finish::Finish;
use super::pieces::*;
use super::real::{CHUNK, simd};
use super::scratch;
use crate::op::Border;

/// Channels up to which products have little to do.
const FEW: usize = 16;

/// The number that each tap multiplies all channels by, if the filter w `[KH, KW, C, C]` is such a filter.
pub(super) fn taps<T: Real>(e: &Extents, w: &[T]) -> Option<Vec<T>> {
    if e.window.stride != [1, 1] || e.ci != e.co || e.ci > FEW || e.taps() < 2 {
        return None;
    }
    let tap = |tap: &[T]| {
        let mixes_none = tap.iter().enumerate().all(|(i, &v)| {
            let wanted = if i / e.co == i % e.co { tap[0] } else { T::zero() };
            v == wanted
        });
        mixes_none.then_some(tap[0])
    };
    w.chunks_exact(e.ci * e.co).map(tap).collect()
}

/// y = x * w of such a filter, tap by tap.
pub(super) fn leg_y<T: Real>(e: &Extents, x: &[T], taps: &[T], finish: &Finish<'_, T>, y: &mut [T]) {
    let ([h, w], [_, kw], [oh, ow]) = (e.window.image, e.window.kernel, e.window.out);
    let ([ph, pw], border, c) = (e.window.pad, e.window.border, e.ci);
    let line = ow * c;
    // Whole rows, so that results do not depend on the number of threads.
    let rows = CHUNK.div_ceil(line);
    y.par_chunks_mut(rows * line).enumerate().each(&|(chunk, out)| {
        scratch::with((ow + kw - 1) * c, |padded: &mut [T]| {
            for (i, out) in out.chunks_exact_mut(line).enumerate() {
                let row = chunk * rows + i;
                out.fill(T::zero());
                for (ky, taps) in taps.chunks_exact(kw).enumerate() {
                    let Some(from) = row_of(row % oh + ky, ph, h, border) else { continue };
                    let source = &x[(row / oh * h + from) * w * c..][..w * c];
                    pad(source, [pw * c, w * c], border, padded);
                    simd(
                        #[inline(always)]
                        || {
                            for (kx, &tap) in taps.iter().enumerate() {
                                for (y, &v) in out.iter_mut().zip(&padded[kx * c..]) {
                                    *y += tap * v;
                                }
                            }
                        },
                    );
                }
            }
        });
        finish.apply(chunk * rows * line, out);
    });
}

/// A row of an image, `length` numbers, with what lies beyond its ends: `to` begins `before` numbers before it.
fn pad<T: Real>(row: &[T], [before, length]: [usize; 2], border: Border, to: &mut [T]) {
    let within = length.min(to.len().saturating_sub(before));
    let (left, rest) = to.split_at_mut(before.min(to.len()));
    let (middle, right) = rest.split_at_mut(within);
    middle.copy_from_slice(&row[..within]);
    match border {
        Border::Open => {
            left.fill(T::zero());
            right.fill(T::zero());
        }
        // A closed window reaches one image beyond either edge at most.
        Border::Periodic => {
            left.copy_from_slice(&row[length - left.len()..]);
            right.copy_from_slice(&row[..right.len()]);
        }
    }
}
