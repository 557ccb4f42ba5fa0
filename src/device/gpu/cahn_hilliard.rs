//! Launches of `kernels/cahn_hilliard.cu`.

use super::launch::{Launcher, Span};
use super::params::Stepping;
use super::{Gpu, word};
use crate::device::Place;
use crate::error::Result;
use crate::op::CahnHilliard;

impl<L: Launcher> Gpu<L> {
    pub(super) fn cahn_hilliard(&mut self, stepping: &CahnHilliard, u: &Place, out: &Place) -> Result<()> {
        let [n, h, w] = [u.shape[0], u.shape[1], u.shape[2]];
        let planes = self.planes(n, [h, w], h + w)?;
        let params = Stepping {
            h: word(h),
            w: word(w),
            steps: stepping.steps,
            tables: planes.tables,
            dt: stepping.dt as f32,
            kappa: stepping.kappa as f32,
            stabiliser: stepping.stabiliser as f32,
        };
        let spans = [Span::read(u), Span::write(out), planes.far];
        self.launch_shared("cahn_hilliard", [word(n), 1, 1], planes.shared, &spans, &params)
    }
}
