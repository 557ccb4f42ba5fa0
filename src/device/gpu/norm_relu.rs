//! Launches of `kernels/norm_relu.cu`.

use super::launch::{Launcher, Span};
use super::params::{Norm, NormRelu};
use super::{Gpu, blocks_for, word};
use crate::device::Place;
use crate::error::Result;
use crate::op::{DType, Over};

/// Of inputs x, statistics, gamma, beta and so on, all as kernels read them.
pub(super) fn spans(x: &[Place]) -> Vec<Span> {
    x.iter().map(Span::read).collect()
}

/// The parameters: those of normalisation, the slope, numbers from one row of the sums to the other, and the type
/// of the result.
pub(super) fn params(p: &Norm, x: &[Place], slope: f64, row: usize, y: &Place) -> NormRelu {
    let Norm { rows, columns, pieces, piece, width, eps } = *p;
    let channels = word(x[2].shape.numel());
    let bf16 = u32::from(y.dtype == DType::Bf16);
    let (slope, row) = (slope as f32, word(row));
    NormRelu { rows, columns, pieces, piece, width, channels, row, eps, slope, bf16, factor: 1, line: 0 }
}

impl<L: Launcher> Gpu<L> {
    pub(super) fn norm_relu(
        &mut self,
        over: Over,
        eps: f64,
        slope: f64,
        x: &[Place],
        y: &Place,
    ) -> Result<()> {
        let p = self.norm_params(over, &x[0], eps);
        let kernel = match over {
            Over::Batch => "norm_relu_batch",
            Over::Layer => "norm_relu_layer",
        };
        let mut spans = spans(x);
        spans.push(Span::write(y));
        self.launch(kernel, Self::element_grid(over, &p), &spans, &params(&p, x, slope, 0, y))
    }

    pub(super) fn norm_relu_sums(&mut self, eps: f64, slope: f64, x: &[Place], y: &Place) -> Result<()> {
        let p = self.norm_params(Over::Batch, &x[0], eps);
        let params = params(&p, x, slope, y.shape[1], y);
        let partial = self.scratch([p.pieces as usize, 2, p.columns as usize])?;
        self.group_sums(Over::Batch, "norm_relu_sums", &spans(x), (&p, &params), Span::write(&partial))?;
        let finish = [Span::read(&partial), Span::write(y)];
        self.launch("norm_relu_sums_finish", blocks_for(p.columns as usize, 256), &finish, &params)
    }

    pub(super) fn norm_relu_grad(&mut self, eps: f64, slope: f64, x: &[Place], y: &Place) -> Result<()> {
        let p = self.norm_params(Over::Batch, &x[0], eps);
        let mut params = params(&p, x, slope, x[5].shape[1], y);
        let mut spans = spans(&x[..6]);
        spans.push(add(&mut params, x.get(6), y));
        spans.push(Span::write(y));
        self.launch("norm_relu_grad", Self::element_grid(Over::Batch, &p), &spans, &params)
    }
}

/// What is added to y, if anything is: parameters say how its pixels are repeated.
pub(super) fn add(params: &mut NormRelu, more: Option<&Place>, y: &Place) -> Span {
    let Some(more) = more else { return Span::NONE };
    let axis = y.shape.rank() - 2;
    (params.factor, params.line) = (word(y.shape[axis] / more.shape[axis]), word(y.shape[axis]));
    Span::read(more)
}
