//! Launches of `kernels/norm_layer.cu`.

use super::launch::{Launcher, Span};
use super::norm_relu::{add, params, spans};
use super::params::{Norm, NormRelu};
use super::{Gpu, blocks_for, word};
use crate::device::{LayerSums, Place};
use crate::error::Result;
use crate::op::{Over, Second};

impl<L: Launcher> Gpu<L> {
    /// Sums of every sample's channels, of two terms or of three, which `kernels` add up, join, and add over samples.
    fn sample_sums(
        &mut self,
        terms: usize,
        [add, finish, totals]: [&'static str; 3],
        inputs: &[Span],
        (gamma, stats_and_first): (&Place, &[Span]),
        mut params: NormRelu,
        y: &Place,
    ) -> Result<()> {
        let (samples, channels) = (params.rows as usize, params.channels as usize);
        let groups = channels.div_ceil(32);
        let pixels = params.columns as usize / channels;
        (params.pieces, params.piece) = self.pieces(samples * groups, pixels, 256);
        let partial = self.scratch([samples, params.pieces as usize, terms, channels])?;
        let mut given = inputs.to_vec();
        given.push(Span::write(&partial));
        self.launch(add, [params.rows, params.pieces, word(groups)], &given, &params)?;
        let joined = [Span::read(gamma), Span::read(&partial), Span::write(y)];
        self.launch(finish, [params.rows, 1, 1], &joined, &params)?;
        let mut given = stats_and_first.to_vec();
        given.push(Span::update(y));
        self.launch(totals, blocks_for(channels, 256), &given, &params)
    }

    fn layer_params(&self, eps: f64, slope: f64, x: &[Place], y: &Place) -> NormRelu {
        let p = self.norm_params(Over::Layer, &x[0], eps);
        params(&p, x, slope, LayerSums::of(&x[0].shape).row(), y)
    }

    pub(super) fn norm_layer_sums(&mut self, eps: f64, slope: f64, x: &[Place], y: &Place) -> Result<()> {
        let params = self.layer_params(eps, slope, x, y);
        let kernels = ["norm_layer_sums", "norm_layer_sums_finish", "norm_layer_totals"];
        self.sample_sums(2, kernels, &spans(x), (&x[2], &[]), params, y)
    }

    pub(super) fn norm_layer_grad(&mut self, eps: f64, slope: f64, x: &[Place], y: &Place) -> Result<()> {
        let mut params = self.layer_params(eps, slope, x, y);
        let more = add(&mut params, x.get(6), y);
        self.layer_field("norm_layer_grad", params, &x[..6], &[more], y)
    }

    /// A kernel that makes a field of these inputs, and adds `more` if it takes any.
    fn layer_field(
        &mut self,
        kernel: &'static str,
        mut params: NormRelu,
        x: &[Place],
        more: &[Span],
        y: &Place,
    ) -> Result<()> {
        if params.factor > 1 && !params.channels.is_multiple_of(4) {
            params.width = 1; // numbers of one pixel
        }
        let mut spans = spans(x);
        spans.extend(more);
        spans.push(Span::write(y));
        let NormRelu { rows, columns, pieces, piece, width, eps, .. } = params;
        let norm = Norm { rows, columns, pieces, piece, width, eps };
        self.launch(kernel, Self::element_grid(Over::Layer, &norm), &spans, &params)
    }

    pub(super) fn norm_layer_second(
        &mut self,
        what: Second,
        eps: f64,
        slope: f64,
        x: &[Place],
        y: &Place,
    ) -> Result<()> {
        let mut params = self.layer_params(eps, slope, x, y);
        match what {
            Second::Sums => {
                let kernels =
                    ["norm_layer_second_sums", "norm_layer_second_sums_finish", "norm_layer_by_gamma"];
                let [stats, first] = [&x[1], &x[5]].map(Span::read);
                let mut inputs = spans(&x[..5]);
                inputs.push(Span::read(&x[6]));
                self.sample_sums(3, kernels, &inputs, (&x[2], &[stats, first]), params, y)
            }
            Second::ByG => self.layer_field("norm_layer_by_g", params, x, &[], y),
            Second::ByX => {
                let more = add(&mut params, x.get(8), y);
                self.layer_field("norm_layer_by_x", params, &x[..8], &[more], y)
            }
        }
    }
}
