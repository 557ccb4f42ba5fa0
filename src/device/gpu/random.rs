//! Launches of `kernels/random.cu`.

use super::launch::{Launcher, Span};
use super::params::Random;
use super::{Gpu, blocks_for, word};
use crate::device::Place;
use crate::error::Result;

impl<L: Launcher> Gpu<L> {
    pub(super) fn random(
        &mut self,
        kernel: &'static str,
        stream: u32,
        below: u32,
        state: &Place,
        y: &Place,
    ) -> Result<()> {
        let n = y.shape.numel();
        let params = Random { n: word(n), stream, below };
        self.launch(kernel, blocks_for(n, 4 * 256), &[Span::read(state), Span::write(y)], &params)
    }
}
