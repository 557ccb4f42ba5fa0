//! What one sample is to have, and how far something is from it.

use crate::train::Task;

/// The least an error can count of: no tolerance is nothing.
const LEAST: f64 = 1e-9;

/// The target of one sample.
#[derive(Clone, Debug)]
pub(super) struct Goal {
    /// In a person's units, `[P]`.
    pub(super) asked: Vec<f32>,
    /// Tolerances in these units, infinite for numbers that it is not held to, `[P]`.
    pub(super) tolerance: Vec<f64>,
    /// The target, normalised, `[P]`.
    pub(super) target: Vec<f64>,
    /// Tolerances of the normalised numbers, `[P]`.
    pub(super) reach: Vec<f64>,
}

/// How far a sample is from its goal: first whether it is within, then the sum of the squared errors over
/// their tolerances.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Miss {
    /// Largest error over its tolerance.
    pub(super) worst: f64,
    /// Sum of squares.
    pub(super) sum: f64,
}

impl Default for Miss {
    fn default() -> Self {
        Self::NOTHING
    }
}

impl Miss {
    /// Farther than anything.
    pub(super) const NOTHING: Self = Self { worst: f64::INFINITY, sum: f64::INFINITY };

    /// Whether nothing is missing.
    pub(super) fn within(self) -> bool {
        self.worst <= 1.0
    }

    /// Whether it is nearer than another.
    pub(super) fn less(self, other: Self) -> bool {
        match (self.within(), other.within()) {
            (true, false) => true,
            (false, true) => false,
            _ => self.sum < other.sum,
        }
    }
}

impl Goal {
    /// The goal of a row of numbers asked for.
    pub(super) fn new(asked: &[f32], tolerance: Vec<f64>, task: &Task) -> Self {
        let target = task.normalised(asked);
        let by = |sign: f64| {
            let moved = asked.iter().zip(&tolerance).map(|(&v, tolerance)| {
                let step = if tolerance.is_finite() { *tolerance } else { 0.0 };
                (f64::from(v) + sign * step) as f32
            });
            task.normalised(&moved.collect::<Vec<_>>())
        };
        let (up, down) = (by(1.0), by(-1.0));
        let reach = target
            .iter()
            .zip(up.iter().zip(&down))
            .zip(&tolerance)
            .map(|((middle, (up, down)), tolerance)| {
                let step = (up - middle).abs().max((down - middle).abs());
                if tolerance.is_finite() { step.max(LEAST) } else { f64::INFINITY }
            })
            .collect();
        Self { asked: asked.to_vec(), tolerance, target, reach }
    }

    /// Errors over their tolerances, `[P]`; NaN where there is nothing to measure.
    fn errors<'a>(&'a self, measured: &'a [f32], task: &'a Task) -> impl Iterator<Item = f64> + 'a {
        measured
            .iter()
            .zip(&self.asked)
            .zip(&self.tolerance)
            .zip(task.columns())
            .map(|(((&measured, &asked), tolerance), column)| over(column, measured, asked, *tolerance))
    }

    /// How far measured numbers `[P]`, in a person's units, are from it.
    pub(super) fn miss(&self, measured: &[f32], task: &Task) -> Miss {
        let mut miss = Miss { worst: 0.0, sum: 0.0 };
        for (error, _) in self.errors(measured, task).zip(&self.tolerance).filter(|(_, t)| t.is_finite()) {
            let error = if error.is_nan() { f64::INFINITY } else { error };
            miss.worst = miss.worst.max(error);
            miss.sum += error * error;
        }
        miss
    }
}

/// An error over its tolerance; what both numbers lose in single precision is not an error.
pub(super) fn over(column: &crate::invariance::Column, measured: f32, asked: f32, tolerance: f64) -> f64 {
    let error = column.error(f64::from(measured), f64::from(asked)).abs();
    let rounding = 2.0 * f64::from(f32::EPSILON) * f64::from(measured.abs().max(asked.abs()));
    (error - rounding).max(0.0) / tolerance + if error.is_nan() { f64::NAN } else { 0.0 }
}
