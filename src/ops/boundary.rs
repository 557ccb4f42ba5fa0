//! The length of the boundaries of soft sets.

use crate::op::{Border, DType, Op};
use crate::shape::Shape;
use crate::steps::steps;
use crate::tape::Var;

impl<'t> Var<'t> {
    /// Length of boundary per area, in 1/px, of every channel of x `[N, H, W, K]`: `[N, K]`. A step
    /// between pixels that differ by less than `soft` hardly counts; see [`Op::Boundary`].
    ///
    /// # Panics
    /// Unless `soft` is positive.
    #[track_caller]
    pub fn boundary(self, border: Border, soft: f64) -> Self {
        let s = self.shape();
        assert!(s.rank() == 4 && soft > 0.0, "boundary: {s:?}, soft {soft}");
        self.tape().push(Op::Boundary(border, soft), &[self], Shape::from([s[0], s[3]]), DType::Real)
    }

    /// The gradient of <g, [`Var::boundary`]> by x (this), of a cotangent g `[N, K]`.
    #[track_caller]
    pub fn boundary_grad(self, g: Self, border: Border, soft: f64) -> Self {
        let (s, c) = (self.shape(), g.shape());
        assert!(s.rank() == 4 && *c == [s[0], s[3]], "boundary_grad: {s:?} by {c:?}");
        self.tape().push(Op::BoundaryGrad(border, soft), &[self, g], s, DType::Real)
    }

    /// Derivatives of <h, [`Var::boundary_grad`]> by x (this) and by g.
    ///
    /// With the difference d of a step and e that of h, it is the sum over the steps of
    /// w g e d / sqrt(d^2 + soft^2): by g without the factor g, by d with the slope
    /// soft^2 / (d^2 + soft^2)^(3/2), carried back to the pixels that d is of.
    pub(crate) fn boundary_grad_by(self, g: Self, h: Self, border: Border, soft: f64) -> [Self; 2] {
        let (tape, s) = (self.tape(), self.shape());
        let per_channel = Shape::from([s[0], 1, 1, s[3]]);
        let factor = g.reshape(per_channel);
        let mut by = [tape.fill(0.0, s), tape.fill(0.0, per_channel)];
        let weights = steps([s[1], s[2]], border, soft).map(|step| step.weight);
        let differences = self.differences(border).into_iter().zip(h.differences(border));
        for ((d, e), weight) in differences.zip(weights).filter(|(_, weight)| *weight > 0.0) {
            let root = d.square().shift(soft * soft).sqrt();
            let slope = (factor * e * root.pow(-3.0)).scale(weight * soft * soft);
            by[0] = by[0] + tape.pullback(d, slope, &[self])[0];
            by[1] = by[1] + (e * d / root).sum_to(per_channel).scale(weight);
        }
        [by[0], by[1].reshape(g.shape())]
    }

    /// Differences between the pixels that each kind of step joins.
    fn differences(self, border: Border) -> [Self; 4] {
        let s = self.shape();
        let whole = match border {
            Border::Open => self,
            Border::Periodic => self.wrapped(1).wrapped(2),
        };
        // The weights, and so the softness, are of no account here.
        steps([s[1], s[2]], border, 1.0).map(|step| {
            let [down, right] = if border == Border::Open { step.reach() } else { [0; 2] };
            let shape = [s[0], s[1] - down, s[2] - right, s[3]];
            let [from, to] =
                [step.from, step.to].map(|[row, column]| whole.slice(&[0, row, column, 0], shape));
            from - to
        })
    }

    /// An image and, beyond the end of an axis, its first line again.
    fn wrapped(self, axis: usize) -> Self {
        let mut first = self.shape().to_vec();
        first[axis] = 1;
        self.tape().concat(&[self, self.slice(&[0; 4], first.as_slice())], axis)
    }
}
