//! What a critic is told of images side by side.
//!
//! A critic of single images tells samples that could not be real; that they are too much alike it can tell only
//! by what is too frequent among them. How much they differ is a number that it can learn to ask for.

use crate::tape::Var;

/// Added to a variance within a group before its root is taken.
const EPS: f64 = 1e-8;

/// Images of a group: as many as divide the batch, at most `wanted`; all of the batch if only one would. 0 for 0.
#[must_use]
pub fn minibatch_group(batch: usize, wanted: usize) -> usize {
    if wanted == 0 {
        return 0;
    }
    (2..=wanted).rev().find(|&group| batch.is_multiple_of(group)).unwrap_or(batch)
}

/// How much the images of a group differ as wholes: standard deviations `[N, C]` of the means over pixels of
/// features x `[N, H, W, C]` within every `group` images that follow each other, the same for all of a group
/// (after Karras et al. 2018, section 3, who average deviations at pixels instead). A critic that
/// sees it can tell samples that are too alike, though each of them might be a real image.
pub(super) fn minibatch_std(x: Var<'_>, group: usize) -> Var<'_> {
    let ([n, h, w], channels) = ([x.shape()[0], x.shape()[1], x.shape()[2]], x.shape().channels());
    let groups = [n / group, 1, channels];
    let means =
        x.sum_to([n, 1, 1, channels]).scale(1.0 / (h * w) as f64).reshape([n / group, group, channels]);
    let all = [n / group, group, channels];
    let off = means - means.sum_to(groups).scale(1.0 / group as f64).broadcast(all);
    let deviation = off.square().sum_to(groups).scale(1.0 / group as f64).shift(EPS).sqrt();
    deviation.broadcast(all).reshape([n, channels])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_divide_the_batch() {
        for (batch, wanted, found) in [
            (32, 8, 8),
            (32, 0, 0),
            (4, 8, 4),
            (12, 8, 6),
            (20, 8, 5),
            (13, 8, 13),
            (2, 8, 2),
            (32, 4096, 32),
        ] {
            assert_eq!(minibatch_group(batch, wanted), found, "{batch} in groups of {wanted}");
        }
    }
}
