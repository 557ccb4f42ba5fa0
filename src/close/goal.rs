//! What one sample is to have, and how far something is from it.

use crate::invariance::{Grain, Property};
use crate::train::Task;

/// Largest error over its tolerance that pixels mend, few of them: of counts, areas and places.
const NEAR: f64 = 4.0;
/// The same where these stand beside a curve, for which more are flipped.
const NEAR_BESIDE: f64 = 64.0;
/// The same of curves and of what else follows single pixels.
const NEAR_CURVE: f64 = 8.0;
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
    /// The largest errors over their tolerances that pixels mend, `[P]`, at least 1.
    pub(super) near: Vec<f64>,
}

/// How far a sample is from its goal: first whether it is within, then the sum of the squared errors over
/// their tolerances.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Miss {
    /// Largest error over its tolerance.
    pub(super) worst: f64,
    /// Largest error over what pixels mend.
    far: f64,
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
    pub(super) const NOTHING: Self = Self { worst: f64::INFINITY, far: f64::INFINITY, sum: f64::INFINITY };

    /// Whether nothing is missing.
    pub(super) fn within(self) -> bool {
        self.worst <= 1.0
    }

    /// Whether pixels mend what is missing.
    pub(super) fn near(self) -> bool {
        self.far <= 1.0
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
    /// The goal of a row of numbers asked for; `follow` says which properties follow single pixels.
    pub(super) fn new(asked: &[f32], tolerance: Vec<f64>, follow: &[bool], task: &Task) -> Self {
        let (target, reach) = (task.normalised(asked), reach(asked, &tolerance, task));
        let near = mended(&tolerance, follow, task);
        Self { asked: asked.to_vec(), tolerance, target, reach, near }
    }

    /// Whether all that it holds a sample to are counts, areas and places.
    pub(super) fn is_whole(&self, task: &Task) -> bool {
        let mut held = task.placed().filter(|(property, first)| is_held(&self.tolerance, property, *first));
        held.all(|(property, _)| is_whole(property))
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
        let mut miss = Miss { worst: 0.0, far: 0.0, sum: 0.0 };
        let held = self.errors(measured, task).zip(&self.near).zip(&self.tolerance);
        for ((error, near), _) in held.filter(|(_, tolerance)| tolerance.is_finite()) {
            let error = if error.is_nan() { f64::INFINITY } else { error };
            miss.worst = miss.worst.max(error);
            miss.far = miss.far.max(error / near);
            miss.sum += error * error;
        }
        miss
    }
}

/// Tolerances `[P]` of numbers in a person's units as a task normalises these; infinite for those that are.
pub(super) fn reach(asked: &[f32], tolerance: &[f64], task: &Task) -> Vec<f64> {
    let by = |sign: f64| {
        let moved = asked.iter().zip(tolerance).map(|(&v, tolerance)| {
            let step = if tolerance.is_finite() { *tolerance } else { 0.0 };
            (f64::from(v) + sign * step) as f32
        });
        task.normalised(&moved.collect::<Vec<_>>())
    };
    let rows = task.normalised(asked).into_iter().zip(by(1.0).into_iter().zip(by(-1.0)));
    rows.zip(tolerance)
        .map(|((middle, (up, down)), tolerance)| {
            let step = (up - middle).abs().max((down - middle).abs());
            if tolerance.is_finite() { step.max(LEAST) } else { f64::INFINITY }
        })
        .collect()
}

/// Whether a sample is held to a number of a property.
fn is_held(tolerance: &[f64], property: &Property, first: usize) -> bool {
    tolerance[first..first + property.columns().len()].iter().any(|t| t.is_finite())
}

/// Whether the numbers of a property are counts, areas or places.
pub(super) fn is_whole(property: &Property) -> bool {
    matches!(property.invariance().grain(), Grain::Count | Grain::Partition | Grain::Place)
}

/// Which properties follow single pixels.
pub(super) fn follow(task: &Task) -> Vec<bool> {
    let map = vec![0; task.images().pixels()];
    task.properties().iter().map(|p| p.invariance().tally(task.images(), &map).is_some()).collect()
}

/// The largest errors over their tolerances that pixels mend, `[P]`.
fn mended(tolerance: &[f64], follow: &[bool], task: &Task) -> Vec<f64> {
    let mut held = task.placed().zip(follow).filter(|((p, first), _)| is_held(tolerance, p, *first));
    let beside = held.any(|((property, _), follows)| *follows && !is_whole(property));
    let of = |property: &Property, follows: bool| match (is_whole(property), follows) {
        (true, _) => {
            if beside {
                NEAR_BESIDE
            } else {
                NEAR
            }
        }
        (false, true) => NEAR_CURVE,
        // Not at all.
        (false, false) => 1.0,
    };
    let properties = task.properties().iter().zip(follow);
    properties.flat_map(|(p, &follows)| vec![of(p, follows); p.columns().len()]).collect()
}

/// An error over its tolerance; what both numbers lose in single precision is not an error.
pub(super) fn over(column: &crate::invariance::Column, measured: f32, asked: f32, tolerance: f64) -> f64 {
    let error = column.error(f64::from(measured), f64::from(asked)).abs();
    let rounding = 2.0 * f64::from(f32::EPSILON) * f64::from(measured.abs().max(asked.abs()));
    (error - rounding).max(0.0) / tolerance + if error.is_nan() { f64::NAN } else { 0.0 }
}
