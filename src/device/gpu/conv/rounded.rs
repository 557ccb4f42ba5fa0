//! Operands of a leg that lie in single precision, rounded to bf16 in one pass over memory before it: warpgroups read
//! their slices as they are, and one pass costs less than rounding each number anew for every tile that reads it.

use super::Form;
use super::tiles::Operands;
use crate::device::Place;
use crate::device::gpu::Gpu;
use crate::device::gpu::launch::{Launcher, Span};
use crate::error::Result;
use crate::op::{DType, Leg};

/// Operations of a product for each number to be rounded, from which on the pass is made up for. An H100 rounds at 2.7
/// TB/s, 2.2 ps a number, and multiplies at 104 to 165 TFLOP/s where products round, at 240 to 500 what is rounded
/// already: 3 to 5 fs less an operation.
const WORTH: usize = 768;

impl<L: Launcher> Gpu<L> {
    /// Whether a leg by bf16 in tiles, of tensors of these types, has what is single of them rounded first: where that
    /// pays, and for a leg w of which one is in bf16 already.
    pub(super) fn rounds_first(&self, form: &Form, [a, b]: [DType; 2]) -> bool {
        let [x, _, y] = form.numels();
        let single = |dtype: DType, numbers: usize| if dtype == DType::Real { numbers } else { 0 };
        let numbers = match form.leg {
            Leg::Y => single(a, x),
            Leg::X => single(a, y),
            Leg::W => single(a, x) + single(b, y),
        };
        let [m, n, k] = form.extents();
        let pays = 2 * m * n * k * form.classes() >= WORTH * numbers || form.leg == Leg::W && a != b;
        numbers > 0 && pays && self.launcher.warpgroups() && self.in_tiles(form, Operands::Stored)
    }

    /// The tensors of such a leg (of legs y and x the first alone, as filters are rounded elsewhere) as they lie in bf16;
    /// valid until the next call.
    pub(super) fn rounded(&mut self, form: &Form, places: [&Place; 2]) -> Result<[Place; 2]> {
        let mut rounded = places.map(|place| *place);
        let count = if form.leg == Leg::W { 2 } else { 1 };
        for (i, place) in rounded.iter_mut().enumerate().take(count) {
            if place.dtype == DType::Real {
                let bytes = place.shape.numel() * size_of::<u16>();
                let buffer = self.rounded[i].hold(&mut self.launcher, bytes, self.capturing)?;
                let to = Place { buffer, offset: 0, dtype: DType::Bf16, ..*place };
                self.narrow(place, Span::write(&to))?;
                *place = to;
            }
        }
        Ok(rounded)
    }
}
