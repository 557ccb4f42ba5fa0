//! Images that formulas are tried on.

use crate::gradcheck::numbers;

/// A kind of image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Image {
    /// Every class a little everywhere.
    Soft,
    /// One class a pixel, every class somewhere.
    Crisp,
    /// Soft, and without a class.
    Without(usize),
}

impl Image {
    /// Class probabilities `[H, W, C]`.
    pub(super) fn image(self, seed: u64, [h, w]: [usize; 2], classes: usize) -> Vec<f64> {
        let logits = numbers(1000 + seed, h * w * classes);
        let mut image = Vec::with_capacity(logits.len());
        for (pixel, logits) in logits.chunks_exact(classes).enumerate() {
            let weight = |class: usize| match self {
                Self::Without(empty) if class == empty => 0.0,
                _ => (2.0 * logits[class]).exp(),
            };
            let sum: f64 = (0..classes).map(weight).sum();
            // Each class in turn, so that none is missing, then by chance.
            let drawn = || (0..classes).max_by(|&a, &b| weight(a).total_cmp(&weight(b))).unwrap_or(0);
            let one = if pixel < classes { pixel } else { drawn() };
            image.extend((0..classes).map(|class| match self {
                Self::Crisp => f64::from(u8::from(class == one)),
                _ => weight(class) / sum,
            }));
        }
        image
    }
}
