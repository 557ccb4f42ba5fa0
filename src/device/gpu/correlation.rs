//! Launches of `kernels/correlation.cu`.

use super::fft::{Planes, THREADS};
use super::launch::{Launcher, Span};
use super::params::Correlation;
use super::{Gpu, word};
use crate::device::Place;
use crate::error::Result;
use crate::op::{Border, Direction};
use crate::shape::Shape;

impl<L: Launcher> Gpu<L> {
    /// <x, A_r y> `[N, R]`.
    pub(super) fn correlation(
        &mut self,
        along: Direction,
        border: Border,
        x: &Place,
        y: &Place,
        out: &Place,
    ) -> Result<()> {
        // Of a field with itself, a plane holds two images.
        let together = if x == y { 2 } else { 1 };
        let blocks = x.shape[0].div_ceil(together);
        let (mut params, planes) = self.torus(along, border, &x.shape, out.shape[1], blocks, 0)?;
        params.together = word(together);
        let spans = [Span::read(x), Span::read(y), Span::write(out), planes.far];
        self.launch_shared("correlation_curve", [word(blocks), 1, 1], planes.shared, &spans, &params)
    }

    /// sum_r g_r A_r y `[N, H, W]`.
    pub(super) fn correlation_field(
        &mut self,
        along: Direction,
        border: Border,
        y: &Place,
        g: &Place,
        out: &Place,
    ) -> Result<()> {
        let (blocks, bins) = (y.shape[0], g.shape[1]);
        let (params, planes) = self.torus(along, border, &y.shape, bins, blocks, bins)?;
        let spans = [Span::read(y), Span::read(g), Span::write(out), planes.far];
        self.launch_shared("correlation_field", [word(blocks), 1, 1], planes.shared, &spans, &params)
    }

    /// The parameters of a correlation of fields of that shape, and room for its planes, with
    /// `reals` numbers a block beside those that it adds squares in.
    fn torus(
        &mut self,
        along: Direction,
        border: Border,
        shape: &Shape,
        bins: usize,
        blocks: usize,
        reals: usize,
    ) -> Result<(Correlation, Planes)> {
        // Beyond, the kernels' square roots are no longer exact.
        assert!(bins < 4096, "a correlation of {bins} bins: a GPU computes up to 4,095");
        let (h, w) = (shape[1], shape[2]);
        let [rows, columns] = match border {
            Border::Periodic => [h, w],
            // So many zeros that no vector of an image meets a copy of it.
            Border::Open => [h, w].map(|extent| (2 * extent - 1).next_power_of_two()),
        };
        let planes = self.planes(blocks, [rows, columns], reals + THREADS / 32)?;
        let params = Correlation {
            n: word(shape[0]),
            h: word(h),
            w: word(w),
            bins: word(bins),
            along: match along {
                Direction::Every => 0,
                Direction::Row => 1,
                Direction::Column => 2,
                Direction::Falling => 3,
                Direction::Rising => 4,
            },
            open: u32::from(border == Border::Open),
            rows: word(rows),
            columns: word(columns),
            together: 1,
            tables: planes.tables,
        };
        Ok((params, planes))
    }
}
