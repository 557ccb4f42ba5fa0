//! Launches of `kernels/index.cu`.

use super::launch::{Launcher, Span};
use super::params::{Augment, Elementwise, Table};
use super::{Gpu, blocks_for, word};
use crate::device::Place;
use crate::error::Result;
use crate::op::Symmetry;

impl<L: Launcher> Gpu<L> {
    pub(super) fn one_hot(&mut self, maps: &Place, rows: &Place, y: &Place) -> Result<()> {
        let [n, width] = [y.shape[0], y.shape[1] * y.shape[2]];
        let params = Table { n: word(n), width: word(width), rows: 0, channels: word(y.shape[3]) };
        let spans = [Span::read(maps), Span::read(rows), Span::write(y)];
        self.launch("one_hot", blocks_for(word(n * width) as usize, 256), &spans, &params)
    }

    /// Class maps, rows and random words to moved maps.
    pub(super) fn augment(&mut self, x: [&Place; 3], symmetry: Symmetry, y: &Place) -> Result<()> {
        let [n, height, width] = [y.shape[0], y.shape[1], y.shape[2]].map(word);
        let ways = symmetry.orientations();
        let packed = ways.iter().enumerate().map(|(i, &way)| u32::from(way) << (4 * i)).sum();
        let shift = u32::from(symmetry.shifts);
        let params = Augment { n, height, width, shift, ways: word(ways.len()), packed };
        let spans = [Span::read(x[0]), Span::read(x[1]), Span::read(x[2]), Span::write(y)];
        self.launch("augment", blocks_for(word(y.shape.numel()) as usize, 256), &spans, &params)
    }

    pub(super) fn gather(&mut self, table: &Place, rows: &Place, y: &Place) -> Result<()> {
        let params = Table { n: word(y.shape[0]), width: word(y.shape[1]), rows: 0, channels: 0 };
        let spans = [Span::read(table), Span::read(rows), Span::write(y)];
        self.launch("gather", blocks_for(word(y.shape.numel()) as usize, 256), &spans, &params)
    }

    pub(super) fn scatter_add(&mut self, values: &Place, rows: &Place, y: &Place) -> Result<()> {
        let n = word(values.shape[0]);
        let params = Table { n, width: word(y.shape[1]), rows: word(y.shape[0]), channels: 0 };
        let spans = [Span::read(values), Span::read(rows), Span::write(y)];
        self.launch("scatter_add", blocks_for(word(y.shape.numel()) as usize, 256), &spans, &params)
    }

    pub(super) fn argmax(&mut self, x: &Place, y: &Place) -> Result<()> {
        let n = y.shape.numel();
        let params = Elementwise { n: word(n), channels: word(x.shape.channels()), a: 0.0, b: 0.0 };
        self.launch("argmax", blocks_for(n, 256), &[Span::read(x), Span::write(y)], &params)
    }
}
