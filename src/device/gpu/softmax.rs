//! Launches of `kernels/softmax.cu`.

use super::launch::{Launcher, Span};
use super::params::Elementwise;
use super::{Gpu, blocks_for, word};
use crate::device::Place;
use crate::error::Result;
use crate::op::SOFTMAX_REACH;

impl<L: Launcher> Gpu<L> {
    pub(super) fn softmax(&mut self, x: &Place, y: &Place) -> Result<()> {
        let kernel = match y.shape.channels() {
            2 => "softmax_2",
            3 => "softmax_3",
            4 => "softmax_4",
            6 => "softmax_6",
            _ => "softmax_any",
        };
        self.pixelwise(kernel, &[Span::read(x), Span::write(y)], y)
    }

    pub(super) fn softmax_grad(&mut self, y: &Place, g: &Place, out: &Place) -> Result<()> {
        let kernel = match out.shape.channels() {
            2 => "softmax_grad_2",
            3 => "softmax_grad_3",
            4 => "softmax_grad_4",
            6 => "softmax_grad_6",
            _ => "softmax_grad_any",
        };
        self.pixelwise(kernel, &[Span::read(y), Span::read(g), Span::write(out)], out)
    }

    fn pixelwise(&mut self, kernel: &'static str, spans: &[Span], like: &Place) -> Result<()> {
        let channels = like.shape.channels();
        let pixels = like.shape.numel() / channels;
        let threads = if kernel.ends_with("any") { pixels * 32 } else { pixels };
        let a = SOFTMAX_REACH as f32;
        let params = Elementwise { n: word(pixels), channels: word(channels), a, b: 0.0 };
        self.launch(kernel, blocks_for(threads, 256), spans, &params)
    }
}
