//! The element of a CPU tensor: `f32` or `f64`.

use num_traits::{Float, NumAssign};
use realfft::FftNum;

use super::Cpu;
use super::block::Whole;
use super::matmul::Factors;
use super::pairs::Pairs;
use super::vector::Vectors;
use crate::device::Place;
use crate::op::Op;

/// A floating-point number the CPU device can compute with.
pub trait Real: Float + NumAssign + FftNum + Vectors + std::iter::Sum {
    /// The nearest number to an `f64`.
    fn of(value: f64) -> Self;

    /// What a product multiplies that rounds to bf16; of double precision, which is never rounded, the numbers.
    #[doc(hidden)]
    type Rounded: Factors<Number = Self>;

    /// e^x within two units in the last place, written so that a loop over it vectorises.
    fn exponential(self) -> Self;

    /// Runs an op on a device of these numbers. Each writes it out: the loops of all ops are then compiled once, here, and
    /// not again by every program that makes a device.
    #[doc(hidden)]
    fn run(cpu: &mut Cpu<Self>, op: &Op, inputs: &[Place], output: &Place);
}

impl Real for f32 {
    type Rounded = Pairs;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value as Self
    }

    #[inline(always)]
    fn exponential(self) -> Self {
        // x = n ln 2 + r, |r| <= ln 2 / 2; e^r by its Taylor series, whose first dropped term is
        // r^8 / 8! < 6e-9; ln 2 in two parts keeps r exact (Cody and Waite 1980).
        const LN2_HIGH: f32 = 0.693_359_4;
        const LN2_LOW: f32 = -2.121_944_4e-4;
        // Adding and subtracting 1.5 2^23 rounds to the nearest integer without a library call.
        const ROUND: f32 = 12_582_912.0;
        let x = self.clamp(-87.0, 88.0);
        let shifted = x * std::f32::consts::LOG2_E + ROUND;
        let n = shifted - ROUND;
        let r = (x - n * LN2_HIGH) - n * LN2_LOW;
        let mut p = 1.0 / 5040.0;
        for c in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
            p = p * r + c;
        }
        // The integer n is in the last bits of the shifted number: a cast, which must saturate,
        // would not vectorise everywhere.
        let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127);
        let scaled = p * Self::from_bits(exponent << 23);
        // The clamp would turn a NaN into a number and hide a diverged loss.
        if self.is_nan() { self } else { scaled }
    }

    #[inline(never)]
    fn run(cpu: &mut Cpu<Self>, op: &Op, inputs: &[Place], output: &Place) {
        cpu.run_op(op, inputs, output);
    }
}

impl Real for f64 {
    type Rounded = Whole<f64>;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn exponential(self) -> Self {
        self.exp()
    }

    #[inline(never)]
    fn run(cpu: &mut Cpu<Self>, op: &Op, inputs: &[Place], output: &Place) {
        cpu.run_op(op, inputs, output);
    }
}

/// Runs a loop with the widest vector instructions this machine has; the crate itself is compiled
/// for the oldest machine of its target.
#[inline(always)]
pub(super) fn simd<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}

/// Elements one task handles: small enough to share, large enough to be worth sharing.
pub(super) const CHUNK: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_is_exact_to_two_units() {
        for i in -8700..8800 {
            let x = i as f32 * 0.01;
            let (got, want) = (x.exponential(), f64::from(x).exp());
            assert!((f64::from(got) - want).abs() <= 2.4e-7 * want, "exp {x}: {got} {want}");
        }
        assert!(f32::NAN.exponential().is_nan());
        assert_eq!(0f32.exponential(), 1.0);
    }
}
