//! Volume fractions: of one phase (p1, paper Eq. 8), or of all channels (paper Eq. 9).

use super::Invariance;
use crate::tape::Var;

/// Mean of each channel: `[N, H, W, C]` to `[N, C]`.
pub fn fractions(x: Var<'_>) -> Var<'_> {
    let s = x.shape();
    x.sum_to([s[0], 1, 1, s[3]]).reshape([s[0], s[3]]).scale(1.0 / (s[1] * s[2]) as f64)
}

/// Mean of channel `phase`: `[N, H, W, C]` to `[N, 1]`.
///
/// # Panics
/// If there is no such channel.
#[track_caller]
pub fn volume_fraction(x: Var<'_>, phase: usize) -> Var<'_> {
    fractions(x).slice(&[0, phase], [x.shape()[0], 1])
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

/// The share of the image that one phase fills: the first moment p1 of paper Eq. 8.
pub struct VolumeFraction {
    /// Its channel.
    pub phase: usize,
}

impl Invariance for VolumeFraction {
    fn name(&self) -> &'static str {
        "volume_fraction"
    }

    fn dimension(&self, _classes: usize) -> usize {
        1
    }

    fn unit(&self) -> &'static str {
        "of the image"
    }

    fn measure<'t>(&self, x: Var<'t>) -> Var<'t> {
        volume_fraction(x, self.phase)
    }
}
