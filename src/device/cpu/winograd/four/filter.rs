//! The filters of the 4 x 4, stride 2 convolution at the points, and back.

use std::array::from_fn;

use pulp::{Simd, WithSimd};

use super::super::super::pieces::*;
use super::super::times;
use super::{A, B, POINTS, SIDE};
use crate::device::cpu::Real;
use crate::device::cpu::extents::Extents;
use crate::device::cpu::pairs::pair_below;
use crate::device::cpu::real::simd;
use crate::device::cpu::scratch;
use crate::device::cpu::vector::{lanes, store};

const BY_A: f64 = 1.0 / (2.0 * A * (A * A - B * B));
const BY_B: f64 = 1.0 / (2.0 * B * (B * B - A * A));

/// U of two taps, by point.
const FILTER: [[f64; 2]; SIDE] =
    [[BY_A, A * BY_A], [-BY_A, A * BY_A], [BY_B, B * BY_B], [-BY_B, B * BY_B], [0.0, 1.0]];

/// U as `[panels, POINTS, parities, CI, panel]`, with zeros behind the last channel.
pub(super) fn filter_to_points<T: Real>(e: &Extents, w: &[T], panel: usize, u: &mut [T]) {
    let depth = 4 * e.ci;
    u.par_chunks_mut(depth * panel).enumerate().each(&|(task, u)| {
        let (first, point) = (task / POINTS * panel, task % POINTS);
        let channels = panel.min(e.co - first);
        for (parity, u) in u.chunks_exact_mut(e.ci * panel).enumerate() {
            let (py, px) = (parity / 2, parity % 2);
            let taps = from_fn(|i| {
                let (ky, kx) = (2 * (i / 2) + py, 2 * (i % 2) + px);
                &w[(ky * 4 + kx) * e.ci * e.co..][..e.ci * e.co]
            });
            let from = Filter { taps, step: e.co, first, channels, point };
            pulp::Arch::new().dispatch(FilterToPoint { from, panel, u });
        }
        pair_below(u, panel, e.precision);
    });
}

/// Filters of leg x as `[parities, panels, POINTS, CO, panel]`.
pub(super) fn turned_filter_to_points<T: Real>(e: &Extents, w: &[T], panel: usize, u: &mut [T]) {
    // The channels of g come first in each tap.
    scratch::with(w.len(), |turned: &mut [T]| {
        turned.par_chunks_mut(e.ci * e.co).zip(w.par_chunks(e.ci * e.co)).each(&|(to, from)| {
            for (i, row) in from.chunks_exact(e.co).enumerate() {
                for (o, &v) in row.iter().enumerate() {
                    to[o * e.ci + i] = v;
                }
            }
        });
        let (turned, panels) = (&*turned, e.ci.div_ceil(panel));
        u.par_chunks_mut(e.co * panel).enumerate().each(&|(task, u)| {
            let (parity, part, point) = (task / POINTS / panels, task / POINTS % panels, task % POINTS);
            let (py, px, first) = (parity / 2, parity % 2, part * panel);
            let taps = from_fn(|i| {
                let (ky, kx) = (2 - 2 * (i / 2) + py, 2 - 2 * (i % 2) + px);
                &turned[(ky * 4 + kx) * e.ci * e.co..][..e.ci * e.co]
            });
            let from = Filter { taps, step: e.ci, first, channels: panel.min(e.ci - first), point };
            pulp::Arch::new().dispatch(FilterToPoint { from, panel, u });
            pair_below(u, panel, e.precision);
        });
    });
}

/// The taps of one parity, rows of `step` channels, and what is wanted of them.
struct Filter<'a, T> {
    taps: [&'a [T]; 4],
    step: usize,
    first: usize,
    channels: usize,
    point: usize,
}

/// One point of a filter: `[rows, panel]`.
struct FilterToPoint<'a, T> {
    from: Filter<'a, T>,
    panel: usize,
    u: &'a mut [T],
}

impl<T: Real> WithSimd for FilterToPoint<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { from: Filter { taps, step, first, channels, point }, panel, u } = self;
        let lanes = lanes::<T, S>();
        let (down, along) = (FILTER[point / SIDE], FILTER[point % SIDE]);
        for (i, u) in u.chunks_exact_mut(panel).enumerate() {
            for o in (0..panel).step_by(lanes) {
                let part = lanes.min(channels.saturating_sub(o));
                let mut sum = T::splat(simd, T::zero());
                if part > 0 {
                    for (tap, w) in taps.into_iter().enumerate() {
                        let w = T::get(simd, &w[i * step + first + o..][..part]);
                        sum = times::<T, S>(simd, down[tap / 2] * along[tap % 2], w, sum);
                    }
                }
                store::<T, S>(&mut u[o..], sum);
            }
        }
    }
}

/// The transpose of [`filter_to_points`], from `[POINTS, parities, CI, outer]`.
pub(super) fn points_to_filter<T: Real>(e: &Extents, u: &[T], outer: usize, w: &mut [T]) {
    w.par_chunks_mut(e.co).enumerate().each(&|(row, w)| {
        let (tap, i) = (row / e.ci, row % e.ci);
        let (ky, kx) = (tap / 4, tap % 4);
        let parity = ky % 2 * 2 + kx % 2;
        w.fill(T::zero());
        for point in 0..POINTS {
            let by = T::of(FILTER[point / SIDE][ky / 2] * FILTER[point % SIDE][kx / 2]);
            let u = &u[((point * 4 + parity) * e.ci + i) * outer..][..e.co];
            simd(
                #[inline(always)]
                || {
                    for (w, &u) in w.iter_mut().zip(u) {
                        *w += by * u;
                    }
                },
            );
        }
    });
}
