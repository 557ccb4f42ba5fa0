//! Gradients against central differences, first and second order, in f64.
//!
//! For a function f of several tensors and a random cotangent c, phi = <f, c>. First order: every
//! component of grad phi against (phi(x + h e) - phi(x - h e)) / 2h. Second order: for random
//! directions t, the gradient of <grad phi, t> recorded on the tape against
//! (grad phi(x + h t) - grad phi(x - h t)) / 2h, which is the same Hessian-vector product.

use crate::device::{Cpu, Device};
use crate::error::Result;
use crate::op::{DType, LeafId};
use crate::plan::Plan;
use crate::shape::Shape;
use crate::store::Store;
use crate::tape::{Tape, Var};

/// An input of a check.
#[derive(Clone, Debug)]
pub struct Input {
    /// Extents.
    pub shape: Shape,
    /// What it holds.
    pub values: Values,
}

/// The contents of an input.
#[derive(Clone, Debug)]
pub enum Values {
    /// Numbers to differentiate by.
    Real(Vec<f64>),
    /// Numbers that stay fixed.
    Constant(Vec<f64>),
    /// Class labels.
    Labels(Vec<u8>),
    /// Words.
    Words(Vec<u32>),
}

/// What a check found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The operation or composite.
    pub name: String,
    /// Order of the derivative; 0 for the value itself.
    pub order: u8,
    /// Largest error, relative to the largest entry of the tensor it is in.
    pub error: f64,
    /// What is allowed.
    pub tolerance: f64,
}

impl Outcome {
    /// True if the error is within the tolerance; never for a NaN.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.error <= self.tolerance
    }
}

/// What a derivative of the given order may differ by from a central difference in f64.
///
/// With h = 1e-5 truncation is about h^2 = 1e-10 and rounding about 1e-16 / h = 1e-11, both times
/// the size of higher derivatives; two orders of magnitude are left for those.
#[must_use]
pub fn tolerance(order: u8) -> f64 {
    match order {
        0 => 1e-12,
        1 => 1e-8,
        _ => 1e-7,
    }
}

const STEP: f64 = 1e-5;

/// The largest of some errors, 0 of none, and NaN if one of them is: `f64::max` would drop it.
#[must_use]
pub fn largest(errors: impl IntoIterator<Item = f64>) -> f64 {
    errors.into_iter().fold(0.0, |most, error| if error > most || error.is_nan() { error } else { most })
}

/// Largest difference relative to the largest expected entry (absolute where that is tiny).
#[must_use]
pub fn relative_error(got: &[f64], want: &[f64]) -> f64 {
    if got.len() != want.len() {
        return f64::INFINITY;
    }
    let scale = want.iter().fold(1e-3f64, |m, v| m.max(v.abs()));
    largest(got.iter().zip(want).map(|(g, w)| (g - w).abs())) / scale
}

/// Deterministic numbers on [-1, 1), for cotangents and directions.
#[must_use]
pub fn numbers(seed: u64, count: usize) -> Vec<f64> {
    let state = crate::rng::state(seed);
    (0..count)
        .map(|i| 2.0 * crate::rng::unit(crate::rng::philox(&state, 0, (i / 4) as u64)[i % 4]) - 1.0)
        .collect()
}

/// Inputs in the memory of a device, and a step to evaluate there.
pub(crate) struct Bench {
    pub(crate) store: Store,
    pub(crate) leaves: Vec<LeafId>,
}

impl Bench {
    pub(crate) fn on(device: Box<dyn Device>, inputs: &[Input]) -> Result<Self> {
        let mut store = Store::on(device);
        let mut leaves = Vec::new();
        for (i, input) in inputs.iter().enumerate() {
            let name = format!("in{i}");
            leaves.push(match &input.values {
                Values::Real(v) | Values::Constant(v) => store.add_real(&name, input.shape, v)?,
                Values::Labels(v) => store.add_u8(&name, input.shape, v)?,
                Values::Words(v) => store.add_u32(&name, input.shape, v)?,
            });
        }
        Ok(Self { store, leaves })
    }

    pub(crate) fn vars<'t>(&self, tape: &'t Tape) -> Vec<Var<'t>> {
        self.leaves.iter().map(|&id| self.store.var(tape, id)).collect()
    }

    pub(crate) fn leaf(&mut self, name: &str, shape: Shape, values: &[f64]) -> Result<LeafId> {
        self.store.add_real(name, shape, values)
    }

    /// Runs a plan and reads all its outputs.
    pub(crate) fn evaluate(&mut self, plan: &Plan, outputs: usize) -> Result<Vec<Vec<f64>>> {
        plan.run(&mut self.store)?;
        (0..outputs).map(|i| plan.read(&mut self.store, i)).collect()
    }
}

/// Checks the first and second derivatives of `build` by every real input.
///
/// # Errors
/// If the device fails.
pub fn check(
    name: &str,
    inputs: &[Input],
    build: impl for<'t> Fn(&'t Tape, &[Var<'t>]) -> Var<'t>,
) -> Result<Vec<Outcome>> {
    let mut bench = Bench::on(Box::new(Cpu::<f64>::new()), inputs)?;
    let tape = Tape::new();
    let vars = bench.vars(&tape);
    let y = build(&tape, &vars);
    assert!(y.dtype() == DType::Real, "{name}: only a real result has derivatives");
    let wrt: Vec<usize> =
        (0..inputs.len()).filter(|&i| matches!(inputs[i].values, Values::Real(_))).collect();
    let x: Vec<Vec<f64>> = wrt
        .iter()
        .map(|&i| match &inputs[i].values {
            Values::Real(v) => v.clone(),
            _ => unreachable!("filtered above"),
        })
        .collect();
    let real: Vec<Var<'_>> = wrt.iter().map(|&i| vars[i]).collect();

    let cotangent = bench.leaf("cotangent", y.shape(), &numbers(1, y.shape().numel()))?;
    let directions: Vec<Vec<f64>> =
        x.iter().enumerate().map(|(i, v)| numbers(2 + i as u64, v.len())).collect();
    let mut tangents = Vec::new();
    for (i, (direction, var)) in directions.iter().zip(&real).enumerate() {
        tangents.push(bench.leaf(&format!("tangent{i}"), var.shape(), direction)?);
    }

    let phi = (y * bench.store.var(&tape, cotangent)).sum();
    let gradients = tape.grad(phi, &real);
    let mut psi = tape.fill(0.0, []);
    for (gradient, &tangent) in gradients.iter().zip(&tangents) {
        psi = psi + (*gradient * bench.store.var(&tape, tangent)).sum();
    }
    let second = tape.grad(psi, &real);

    let value = Plan::new(&tape, &[phi], &bench.store);
    let first_plan = Plan::new(&tape, &gradients, &bench.store);
    let second_plan = Plan::new(&tape, &second, &bench.store);
    let first = bench.evaluate(&first_plan, wrt.len())?;
    let second = bench.evaluate(&second_plan, wrt.len())?;

    let mut errors = [0.0f64; 2];
    let worse = |slot: &mut f64, error: f64| *slot = largest([*slot, error]);
    for (k, &i) in wrt.iter().enumerate() {
        let mut difference = Vec::with_capacity(x[k].len());
        for element in 0..x[k].len() {
            let mut at = |offset: f64| -> Result<f64> {
                let mut moved = x[k].clone();
                moved[element] += offset;
                bench.store.write(bench.leaves[i], &moved)?;
                Ok(bench.evaluate(&value, 1)?[0][0])
            };
            difference.push((at(STEP)? - at(-STEP)?) / (2.0 * STEP));
        }
        bench.store.write(bench.leaves[i], &x[k])?;
        worse(&mut errors[0], relative_error(&first[k], &difference));
    }
    let mut along = |offset: f64| -> Result<Vec<Vec<f64>>> {
        for (k, &i) in wrt.iter().enumerate() {
            let moved: Vec<f64> = x[k].iter().zip(&directions[k]).map(|(x, t)| x + offset * t).collect();
            bench.store.write(bench.leaves[i], &moved)?;
        }
        bench.evaluate(&first_plan, wrt.len())
    };
    let (ahead, behind) = (along(STEP)?, along(-STEP)?);
    for k in 0..wrt.len() {
        let difference: Vec<f64> =
            ahead[k].iter().zip(&behind[k]).map(|(a, b)| (a - b) / (2.0 * STEP)).collect();
        worse(&mut errors[1], relative_error(&second[k], &difference));
    }
    Ok((1..=2)
        .map(|order| Outcome {
            name: name.to_owned(),
            order,
            error: errors[usize::from(order) - 1],
            tolerance: tolerance(order),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_nan_is_dropped() {
        assert_eq!(largest([]), 0.0);
        assert_eq!(largest([1.0, 3.0, 2.0]), 3.0);
        for i in 0..3 {
            let mut errors = [1.0, 3.0, 2.0];
            errors[i] = f64::NAN;
            assert!(largest(errors).is_nan());
            assert!(relative_error(&errors, &[1.0, 3.0, 2.0]).is_nan());
        }
        assert_eq!(relative_error(&[1.0], &[1.0, 2.0]), f64::INFINITY);
    }
}
