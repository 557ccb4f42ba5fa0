//! Area and centroid of every figure, from one pass of moments.

use super::Invariance;
use crate::tape::Var;

/// Added to an area, in pixels, before it divides a moment: an empty channel has its centroid at
/// the origin and no gradient blows up.
const EMPTY: f64 = 1e-6;

/// Column k of the moments of channels 1.., `[N, C - 1]`.
fn moment<'t>(moments: Var<'t>, k: usize) -> Var<'t> {
    let [n, c] = [moments.shape()[0], moments.shape()[1]];
    moments.slice(&[0, 1, k], [n, c - 1, 1]).reshape([n, c - 1])
}

/// Area of each figure over the pixels of the image (paper Eq. 3): `[N, H, W, C]` to `[N, C - 1]`.
pub fn area(x: Var<'_>) -> Var<'_> {
    let s = x.shape();
    moment(x.moments(), 0).scale(1.0 / (s[1] * s[2]) as f64)
}

/// Centre of mass of each figure (paper Eq. 4): cx1, cy1, cx2, cy2, ... over W and H, `[N, 2 (C - 1)]`.
pub fn centroid(x: Var<'_>) -> Var<'_> {
    let s = x.shape();
    let (n, figures) = (s[0], s[3] - 1);
    let moments = x.moments();
    let mass = moment(moments, 0).shift(EMPTY);
    let cx = (moment(moments, 1) / mass).scale(1.0 / s[2] as f64);
    let cy = (moment(moments, 2) / mass).scale(1.0 / s[1] as f64);
    // Interleaved figure by figure.
    let pair = x.tape().concat(&[cx.reshape([n, figures, 1]), cy.reshape([n, figures, 1])], 2);
    pair.reshape([n, 2 * figures])
}

/// Area of every figure, as a fraction of the image.
pub struct Area;

impl Invariance for Area {
    fn name(&self) -> &'static str {
        "area"
    }

    fn dimension(&self, classes: usize) -> usize {
        classes - 1
    }

    fn unit(&self) -> &'static str {
        "of the image"
    }

    fn measure<'t>(&self, x: Var<'t>) -> Var<'t> {
        area(x)
    }
}

/// Centroid of every figure, as a fraction of the image's width and height.
pub struct Centroid;

impl Invariance for Centroid {
    fn name(&self) -> &'static str {
        "centroid"
    }

    fn dimension(&self, classes: usize) -> usize {
        2 * (classes - 1)
    }

    fn unit(&self) -> &'static str {
        "of the side"
    }

    fn measure<'t>(&self, x: Var<'t>) -> Var<'t> {
        centroid(x)
    }
}
