//! Which operations take and make tensors in bf16: what tensor cores multiply, and what passes over memory make for
//! them.

use super::conv::Form;
use super::launch::Launcher;
use super::reduce::sums_columns;
use super::{Gpu, Precision};
use crate::device::Typed;
use crate::op::{Binary, DType, Leg, Op, Second, Window};

/// Numbers that what makes a tensor in bf16 writes at a time, along its last axis.
const FOUR: usize = 4;

impl<L: Launcher> Gpu<L> {
    pub(super) fn takes_bf16(&self, op: &Op, inputs: &[Typed], output: Typed) -> bool {
        if self.precision != Precision::Bf16 || !self.launcher.tensor_cores() {
            return false;
        }
        let conv = |leg: Leg, window: &Window| {
            let form = Form::new(leg, window, [&inputs[0].0, &inputs[1].0], &output.0);
            self.conv_in_bf16(&form, inputs, output)
        };
        let real = inputs.iter().all(|(_, dtype)| *dtype == DType::Real);
        let fours = output.0.rank() > 0 && output.0.channels().is_multiple_of(FOUR);
        match op {
            Op::Conv(leg, window) | Op::ConvBias(leg, window, _) | Op::ConvGate(leg, window, _) => {
                conv(*leg, window)
            }
            // Of what was rounded, as the gradient of a bias below.
            Op::MeanPool(_) => fours,
            Op::NormRelu(..) | Op::NormReluGrad(..) => real && fours,
            Op::NormReluSecond(Second::ByG | Second::ByX, ..) => real && fours,
            Op::Binary(Binary::Gate(_)) => {
                real && fours && inputs.iter().all(|(shape, _)| *shape == output.0)
            }
            // The gradient of a bias: of what was rounded.
            Op::SumTo => sums_columns(&inputs[0].0, &output.0) && output.1 == DType::Real,
            _ => false,
        }
    }
}
