//! Steps across the boundary of a set: what Crofton's formula counts.
//!
//! A step joins two neighbouring pixels. Rows and columns are lines a pixel apart, diagonals lines
//! 1 / sqrt(2) apart; the length of boundary per area is pi / 8 times the sum over the four directions of
//! the share of its steps that cross, over the length of a step.

use std::f64::consts::{PI, SQRT_2};

use crate::op::Border;

/// A kind of step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Rows and columns to the first pixel, from the upper left one of the four that a step may join.
    pub from: [usize; 2],
    /// And to the second.
    pub to: [usize; 2],
    /// What one that crosses adds to the length per area; 0 if there is none in the image.
    pub weight: f64,
}

impl Step {
    /// How many rows and columns the step's pixels are apart.
    #[must_use]
    pub fn reach(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.from[axis].max(self.to[axis]))
    }
}

/// The steps along rows, columns, falling and rising diagonals of an image `[H, W]`. A step whose pixels
/// differ by d crosses by (sqrt(d^2 + soft^2) - soft), and by 1 over what that is of d = 1 the less.
#[must_use]
pub fn steps([h, w]: [usize; 2], border: Border, soft: f64) -> [Step; 4] {
    let whole = f64::hypot(1.0, soft) - soft;
    [([0, 0], [0, 1], 1.0), ([0, 0], [1, 0], 1.0), ([0, 0], [1, 1], SQRT_2), ([0, 1], [1, 0], SQRT_2)].map(
        |(from, to, length)| {
            let mut step = Step { from, to, weight: 0.0 };
            let [down, right] = step.reach();
            let count = match border {
                Border::Periodic => h * w,
                Border::Open => (h - down) * (w - right),
            };
            if count > 0 {
                step.weight = PI / (8.0 * length * whole * count as f64);
            }
            step
        },
    )
}
