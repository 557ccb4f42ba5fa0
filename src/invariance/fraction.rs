//! Volume fractions of all channels (paper Eq. 9).

use super::Invariance;
use crate::tape::Var;

/// Mean of each channel: `[N, H, W, C]` to `[N, C]`.
pub fn fractions(x: Var<'_>) -> Var<'_> {
    let s = x.shape();
    x.sum_to([s[0], 1, 1, s[3]]).reshape([s[0], s[3]]).scale(1.0 / (s[1] * s[2]) as f64)
}

/// The share of the image that each class fills.
pub struct Fractions;

impl Invariance for Fractions {
    fn name(&self) -> &'static str {
        "fractions"
    }

    fn dimension(&self, classes: usize) -> usize {
        classes
    }

    fn unit(&self) -> &'static str {
        "of the image"
    }

    fn measure<'t>(&self, x: Var<'t>) -> Var<'t> {
        fractions(x)
    }
}
