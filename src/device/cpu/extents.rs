//! The geometry of one convolution, for every way to compute it.

use crate::device::Precision;
use crate::op::{Border, Leg, Window};
use crate::shape::Shape;

/// Fewest channels on either side from which rounding factors to bf16 saves time.
const ROUNDED_FROM: usize = 32;

/// Geometry and channel extents of one convolution x * w = y.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extents {
    pub(super) window: Window,
    /// Samples.
    pub(super) n: usize,
    /// Channels of x.
    pub(super) ci: usize,
    /// Channels of y.
    pub(super) co: usize,
    /// Of the numbers that are multiplied.
    pub(super) precision: Precision,
    /// Samples that the choice of an algorithm reckons with: at least as many as there are.
    pub(super) reckoned: usize,
}

impl Extents {
    pub(super) fn of(
        leg: Leg,
        window: Window,
        a: &Shape,
        b: &Shape,
        out: &Shape,
        precision: Precision,
        batch: usize,
    ) -> Self {
        let (n, ci, co) = match leg {
            Leg::Y => (a[0], a[3], b[3]),
            Leg::X => (a[0], b[2], a[3]),
            Leg::W => (a[0], out[2], out[3]),
        };
        // With few channels the time is the memory's: single precision costs no more and is closer.
        let precision = if ci.min(co) < ROUNDED_FROM { Precision::Fp32 } else { precision };
        Self { window, n, ci, co, precision, reckoned: n.max(batch) }
    }

    pub(super) fn taps(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1]
    }

    pub(super) fn out_pixels(&self) -> usize {
        self.n * self.window.out[0] * self.window.out[1]
    }
}

/// The row of an image of `h` rows that lies `pad` rows before row `below`, if there is one.
#[inline(always)]
pub(super) fn row_of(below: usize, pad: usize, h: usize, border: Border) -> Option<usize> {
    match border {
        Border::Open => below.checked_sub(pad).filter(|&y| y < h),
        // A closed window reaches one image beyond either edge at most.
        Border::Periodic => Some(match below + h - pad {
            y if y < h => y,
            y if y < 2 * h => y - h,
            y => y - 2 * h,
        }),
    }
}
