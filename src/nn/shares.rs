//! Shares of classes that are met as asked, without learning to.
//!
//! Adding one number to all logits of a class moves the outlines of its pieces a little, most where they
//! are least certain. The numbers that make the shares of classes what is asked are found by Newton's method.
//! Shares of class maps are meant, which change by whole pixels; so means of p = softmax(k logits) stand for
//! them, probabilities with sharpened edges, of which d mean(p) / d b = k mean(p (1 - p)). What one class's
//! number does to the share of another is left out (Jacobi's iteration), so that steps are damped where
//! more than one class is asked for.

use crate::tape::Var;

/// How much sharper edges are than the network draws them, k.
const SHARPNESS: f64 = 4.0;
/// Steps before the last. A network that is off by .02 is left off by less than 1e-4.
const STEPS: usize = 7;
/// Longest step: where a class is hardly there its slope says little.
const LONGEST: f64 = 2.0;
/// Share of a step that is taken where classes take from each other.
const DAMPED: f64 = 0.7;
/// Added to slopes.
const LEAST_SLOPE: f64 = 1e-6;

/// The shares asked of a batch.
pub struct Shares<'t> {
    /// Of every class, `[N, C]`.
    pub asked: Var<'t>,
    /// 1 for each class that is asked for, else 0: `[C]`.
    pub which: Var<'t>,
    /// How many are asked for.
    pub count: usize,
}

/// Logits `[N, H, W, C]` with one number for each image and class added, so that the classes fill what is
/// asked. The gradient is that of the exact solution where one class is asked for, else nearly.
pub fn with_shares<'t>(logits: Var<'t>, shares: &Shares<'t>) -> Var<'t> {
    let s = logits.shape();
    let (n, classes, pixels) = (s[0], s[3], (s[1] * s[2]) as f64);
    let asked = shares.asked.reshape([n, 1, 1, classes]);
    let step = |by: Var<'t>| {
        let p = (logits + by).scale(SHARPNESS).softmax();
        let mean = |x: Var<'t>| x.sum_to([n, 1, 1, classes]).scale(1.0 / pixels);
        let share = mean(p);
        let slope = (share - mean(p.square())).scale(SHARPNESS).shift(LEAST_SLOPE);
        ((asked - share) * shares.which / slope).scale(1.0 / LONGEST).tanh().scale(LONGEST)
    };
    let taken = if shares.count > 1 { DAMPED } else { 1.0 };
    let mut by = logits.tape().fill(0.0, [n, 1, 1, classes]);
    for _ in 0..STEPS {
        by = by + step(by).scale(taken);
    }
    // At the solution the derivative of one more step is that of the solution.
    let by = by.detach();
    logits + (by + step(by))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::device::Cpu;
    use crate::gradcheck::numbers;
    use crate::plan::Plan;
    use crate::store::Store;
    use crate::tape::Tape;

    const PIXELS: usize = 8 * 8;

    /// Mean sharpened probabilities `[2, C]` of two images after the shift, a weighted sum of them all, and
    /// its slope by the share asked of class 1 of the first image.
    fn shifted(asked: &[f64], which: &[f64]) -> (Vec<f64>, f64, f64) {
        let classes = which.len();
        let count = which.iter().filter(|w| **w > 0.0).count();
        let mut store = Store::new(Cpu::<f64>::new());
        let values: Vec<f64> = numbers(3, 2 * PIXELS * classes).iter().map(|v| 1.5 * v).collect();
        let logits = store.add_real("logits", [2, 8, 8, classes], &values).unwrap();
        let weights = store.add_real("weights", [2, 8, 8, classes], &numbers(4, values.len())).unwrap();
        let asked = store.add_real("asked", [2, classes], asked).unwrap();
        let which = store.add_real("which", [classes], which).unwrap();
        let tape = Tape::new();
        let [logits, weights, asked, which] = [logits, weights, asked, which].map(|l| store.var(&tape, l));
        let p = with_shares(logits, &Shares { asked, which, count }).scale(SHARPNESS).softmax();
        let mean = p.sum_to([2, 1, 1, classes]).scale(1.0 / PIXELS as f64);
        let sum = (p * weights).sum();
        let slope = tape.grad(sum, &[asked])[0];
        let plan = Plan::new(&tape, &[mean, slope, sum], &store);
        plan.run(&mut store).unwrap();
        let [mean, slope, sum] = [0, 1, 2].map(|i| plan.read(&mut store, i).unwrap());
        (mean, sum[0], slope[1])
    }

    #[test]
    fn classes_fill_the_shares_asked_for() {
        let (found, ..) = shifted(&[0.0, 0.3, 0.0, 0.62], &[0.0, 1.0]);
        assert!((found[1] - 0.3).abs() < 1e-6 && (found[3] - 0.62).abs() < 1e-6, "{found:?}");
        // All of them, and some of them, far from what the network draws; the rest is shared by those that
        // nobody asked for.
        let all = [0.1, 0.2, 0.3, 0.4, 0.4, 0.3, 0.05, 0.25];
        let (found, ..) = shifted(&all, &[1.0; 4]);
        assert!(found.iter().zip(&all).all(|(a, b)| (a - b).abs() < 1e-3), "{found:?}");
        let (found, ..) = shifted(&all, &[0.0, 1.0, 1.0, 0.0]);
        assert!([1, 2, 5, 6].iter().all(|&i| (found[i] - all[i]).abs() < 1e-3), "{found:?}");
        // What no image has leaves numbers that are numbers.
        let (found, ..) = shifted(&[0.0, -0.1, 0.0, 1.3], &[0.0, 1.0]);
        assert!(found.iter().all(|v| (0.0..=1.0).contains(v)), "{found:?}");
    }

    #[test]
    fn the_slope_by_what_is_asked_is_that_of_the_solution() {
        let at = |p: f64| shifted(&[0.0, p, 0.0, 0.5], &[0.0, 1.0]);
        let difference = (at(0.301).1 - at(0.299).1) / 0.002;
        let slope = at(0.3).2;
        assert!((slope - difference).abs() < 1e-3 * difference.abs(), "{slope} {difference}");
    }
}
