//! Launches of `kernels/elementwise.cu`.

use super::launch::{Launcher, Span};
use super::params::{Elementwise, RANK, Strided};
use super::{Gpu, blocks_for, word};
use crate::device::Place;
use crate::error::Result;
use crate::op::{Binary, DType, Unary};
use crate::shape::{MAX_RANK, Shape};

/// The kernel of a function of two numbers.
pub(super) fn binary_name(f: Binary) -> &'static str {
    match f {
        Binary::Add => "add",
        Binary::Sub => "sub",
        Binary::Mul => "mul",
        Binary::Div => "div",
        Binary::Gate(_) => "gate",
    }
}

/// A walk over a result: merged extents, and the steps of two inputs along them.
///
/// Neighbouring axes along which both inputs advance as one are merged, and axes of extent 1 are
/// dropped: most walks need one division or none. The last axis comes first.
pub(super) fn walk(shape: &Shape, a: &[usize; MAX_RANK], b: &[usize; MAX_RANK]) -> Strided {
    let mut merged: Vec<[usize; 3]> = Vec::new();
    for axis in (0..shape.rank()).filter(|&axis| shape[axis] > 1) {
        let next = [shape[axis], a[axis], b[axis]];
        match merged.last_mut() {
            Some(last) if last[1] == next[1] * next[0] && last[2] == next[2] * next[0] => {
                *last = [last[0] * next[0], next[1], next[2]];
            }
            _ => merged.push(next),
        }
    }
    let mut walk = Strided {
        n: word(shape.numel()),
        rank: merged.len() as u32,
        dims: [1; RANK],
        a: [0; RANK],
        b: [0; RANK],
        offset: 0,
        width: 1,
        slope: 0.0,
    };
    for (axis, [extent, step_a, step_b]) in merged.into_iter().rev().enumerate() {
        (walk.dims[axis], walk.a[axis], walk.b[axis]) = (word(extent), word(step_a), word(step_b));
    }
    walk
}

impl<L: Launcher> Gpu<L> {
    pub(super) fn fill(&mut self, value: f64, y: &Place) -> Result<()> {
        let n = y.shape.numel();
        let params = Elementwise { n: word(n), channels: 1, a: value as f32, b: 0.0 };
        self.launch("fill", blocks_for(n, 256), &[Span::write(y)], &params)
    }

    pub(super) fn unary(&mut self, f: Unary, x: &Place, y: &Place) -> Result<()> {
        let (kernel, a) = match f {
            Unary::Neg => ("neg", 0.0),
            Unary::Exp => ("exp_", 0.0),
            Unary::Ln => ("ln", 0.0),
            Unary::Sqrt => ("sqrt_", 0.0),
            Unary::Recip => ("recip", 0.0),
            Unary::Square => ("square", 0.0),
            Unary::Tanh => ("tanh_", 0.0),
            Unary::Sigmoid => ("sigmoid", 0.0),
            Unary::LeakyRelu(slope) => ("leaky_relu", slope),
            Unary::LeakyMask(slope) => ("leaky_mask", slope),
            Unary::Scale(by) => ("scale", by),
            Unary::Shift(by) => ("shift", by),
            Unary::Pow(power) => ("pow_", power),
        };
        let n = y.shape.numel();
        let params = Elementwise { n: word(n), channels: 1, a: a as f32, b: 0.0 };
        self.launch(kernel, blocks_for(n, 4 * 256), &[Span::read(x), Span::write(y)], &params)
    }

    pub(super) fn binary(
        &mut self,
        name: &'static str,
        slope: f64,
        a: &Place,
        b: &Place,
        y: &Place,
    ) -> Result<()> {
        let n = y.shape.numel();
        let spans = [Span::read(a), Span::read(b), Span::write(y)];
        if a.shape.numel() == n && b.shape.numel() == n {
            let kernel = match name {
                "div" => "div_",
                "gate" if y.dtype == DType::Bf16 => "gate_bf16",
                _ => name,
            };
            let params = Elementwise { n: word(n), channels: 1, a: slope as f32, b: 0.0 };
            return self.launch(kernel, blocks_for(n, 4 * 256), &spans, &params);
        }
        let kernel = match name {
            "add" => "add_strided",
            "sub" => "sub_strided",
            "mul" => "mul_strided",
            "div" => "div_strided",
            _ => "gate_strided",
        };
        let steps = [a, b].map(|place| place.shape.broadcast_strides(&y.shape));
        let mut params = Strided { slope: slope as f32, ..walk(&y.shape, &steps[0], &steps[1]) };
        // Rows of a whole number of fours that both operands have as they lie, or as one number.
        if params.dims[0].is_multiple_of(4) && params.a[0] <= 1 && params.b[0] <= 1 {
            params.width = 4;
        }
        self.launch(kernel, blocks_for(n, 256 * params.width as usize), &spans, &params)
    }
}
