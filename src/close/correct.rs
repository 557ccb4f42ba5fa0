//! Asking again, corrected by what was missing.
//!
//! With the same noise a generator's measured numbers m are a function of what it is asked, a, and nearly
//! a itself. So m(a) = t is solved by Broyden's method from the identity (C. G. Broyden, A class of methods
//! for solving nonlinear simultaneous equations, Mathematics of Computation 19 (1965)): a <- a - H (m - t),
//! H the running estimate of the inverse of dm/da, corrected by each pass in the direction it went. No
//! gradient is needed, and a pass is one of the generator.

use crate::train::Task;

/// Longest step, as a share of the range of the data over the numbers that move.
const STRIDE: f64 = 0.25;
/// Farthest from the target, as a share of the range of the data.
const FARTHEST: f64 = 0.5;
/// Steps shorter than so many tolerances say nothing of the slope: class maps change by whole pixels.
const TELLING: f64 = 4.0;
/// Least slope along a step, of the one expected, that is believed.
const LEAST_SLOPE: f64 = 0.2;

/// The state of one sample's search. Errors and steps are of normalised numbers over their ranges.
#[derive(Clone, Debug)]
pub(super) struct Search {
    /// Normalised.
    target: Vec<f64>,
    /// What is asked now, normalised.
    asked: Vec<f64>,
    /// The ranges.
    scale: Vec<f64>,
    /// Tolerances over the ranges, infinite for numbers that are left as they are.
    reach: Vec<f64>,
    inverse: Vec<f64>,
    /// The error and the step of the pass before.
    last: Option<[Vec<f64>; 2]>,
}

/// The normalised range of every number in the data, `[P]`, above 0.
pub(super) fn scales(task: &Task) -> Vec<f64> {
    let (low, high): (Vec<f32>, Vec<f32>) =
        (0..task.columns().len()).map(|i| task.range(i)).map(|(l, h)| (l as f32, h as f32)).unzip();
    let [low, high] = [low, high].map(|row| task.normalised(&row));
    low.iter().zip(&high).map(|(l, h)| (h - l).abs()).map(|s| if s > 1e-6 { s } else { 1.0 }).collect()
}

impl Search {
    /// Starts with asking for the target, normalised `[P]`; `reach` are the tolerances of the normalised numbers.
    pub(super) fn new(target: &[f64], reach: &[f64], scale: &[f64]) -> Self {
        let n = target.len();
        let inverse = (0..n * n).map(|i| f64::from(u8::from(i % (n + 1) == 0))).collect();
        Self {
            target: target.to_vec(),
            asked: target.to_vec(),
            scale: scale.to_vec(),
            reach: reach.iter().zip(scale).map(|(reach, s)| reach / s).collect(),
            inverse,
            last: None,
        }
    }

    /// What is asked now, normalised.
    pub(super) fn asked(&self) -> &[f64] {
        &self.asked
    }

    /// Takes over what a pass measured, normalised `[P]`, and moves on.
    pub(super) fn step(&mut self, measured: &[f64], task: &Task) {
        let n = self.target.len();
        let error: Vec<f64> = (0..n)
            .map(|i| (measured[i] - self.target[i]) / self.scale[i])
            .zip(&self.reach)
            .map(|(error, reach)| if reach.is_finite() && error.is_finite() { error } else { 0.0 })
            .collect();
        if let Some([before, step]) = self.last.take() {
            self.learn(&step, &error.iter().zip(&before).map(|(e, b)| e - b).collect::<Vec<_>>());
        }
        let mut step: Vec<f64> = (0..n).map(|i| -dot(&self.inverse[i * n..][..n], &error)).collect();
        let moving = error.iter().filter(|e| **e != 0.0).count().max(1) as f64;
        let (length, longest) = (dot(&step, &step).sqrt(), STRIDE * moving.sqrt());
        if length > longest {
            step.iter_mut().for_each(|s| *s *= longest / length);
        }
        let mut asked: Vec<f64> = (0..n)
            .map(|i| {
                let (from, farthest) = (self.target[i], FARTHEST * self.scale[i]);
                (self.asked[i] + step[i] * self.scale[i]).clamp(from - farthest, from + farthest)
            })
            .collect();
        possible(&mut asked, task);
        let made = asked.iter().zip(&self.asked).zip(&self.scale).map(|((a, b), s)| (a - b) / s).collect();
        self.asked = asked;
        self.last = Some([error, made]);
    }

    /// Corrects the inverse slope by what a step changed.
    fn learn(&mut self, step: &[f64], change: &[f64]) {
        let n = step.len();
        let short = step.iter().zip(&self.reach).all(|(s, reach)| s.abs() < TELLING * reach);
        let expected = dot(step, step);
        if short || expected == 0.0 {
            return;
        }
        let moved: Vec<f64> = (0..n).map(|i| dot(&self.inverse[i * n..][..n], change)).collect();
        let slope = dot(step, &moved);
        if slope.abs() < LEAST_SLOPE * expected {
            return;
        }
        let row: Vec<f64> = (0..n).map(|j| (0..n).map(|i| step[i] * self.inverse[i * n + j]).sum()).collect();
        for i in 0..n {
            let by = (step[i] - moved[i]) / slope;
            self.inverse[i * n..][..n].iter_mut().zip(&row).for_each(|(h, r)| *h += by * r);
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Brings normalised numbers to what an image could have.
fn possible(normalised: &mut [f64], task: &Task) {
    for (property, first) in task.placed() {
        let numbers = &mut normalised[first..first + property.columns().len()];
        let mut units = property.invariance().in_units(numbers);
        let mut changed = false;
        for (value, column) in units.iter_mut().zip(property.columns()) {
            // A turn is all that there is of an angle.
            let (low, high) = column.possible;
            if column.turn.is_none() && !(low..=high).contains(&f64::from(*value)) && !value.is_nan() {
                *value = f64::from(*value).clamp(low, high) as f32;
                changed = true;
            }
        }
        if changed {
            numbers.copy_from_slice(&property.invariance().normalised(&units));
        }
        property.invariance().nearest_possible(numbers);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::train::Config;

    fn task() -> Task {
        let task = Task::of(&Config::preset("polycrystal").unwrap(), "test").unwrap();
        let rows: Vec<f32> = [[1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.25, 0.25, 0.25, 0.25]].concat();
        task.with_table(&rows).unwrap()
    }

    #[test]
    fn what_a_linear_generator_misses_is_found() {
        let task = task();
        let target = [0.1, 0.3, 0.2, 0.25, 0.15];
        let mut search = Search::new(&target, &[1e-6; 5], &[1.0; 5]);
        // Too little of the first, two that are confused, and a bias.
        let makes = |a: &[f64]| {
            let first = 0.8 * a[0] + 0.01;
            let rest = (1.0 - first) / (1.0 - a[0]);
            vec![first, a[1] * rest * 0.9, a[2] * rest + a[1] * rest * 0.1, a[3] * rest, a[4] * rest]
        };
        let error = |m: &[f64]| m.iter().zip(&target).map(|(m, t)| (m - t).abs()).fold(0.0, f64::max);
        let before = error(&makes(search.asked()));
        for _ in 0..8 {
            search.step(&makes(search.asked()), &task);
            let asked = search.asked();
            assert!(asked.iter().all(|&a| a >= 0.0) && (asked.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        }
        let after = error(&makes(search.asked()));
        assert!(before > 0.02 && after < 1e-5, "{before} {after}");
    }

    #[test]
    fn what_cannot_be_ends_at_what_can() {
        let task = task();
        let mut search = Search::new(&[1.0, 0.0, 0.0, 0.0, 0.0], &[1e-6; 5], &[1.0; 5]);
        for _ in 0..8 {
            search.step(&[0.6, 0.1, 0.1, 0.1, 0.1], &task);
        }
        assert_eq!(search.asked(), [1.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
