//! Interfaces made smoother, all of them at once.
//!
//! A generator's interfaces are a little rougher than those it learned from, and pixels that are flipped one by one
//! cannot straighten what is wavy over many. The class probabilities are averaged with their neighbours, once and
//! again, by the binomial weights 1, 2, 1 along both axes, and cut so that each class keeps its pixels.

use super::fields::{argmax, shared};
use crate::invariance::Images;
use crate::op::Border;

/// Most rounds: a Gaussian of two pixels.
pub(super) const ROUNDS: usize = 8;

/// The class maps `[H, W]` after 1, 2, ... rounds over the class probabilities `[H, W, C]` of a map.
pub(super) fn smoothed(images: &Images, map: &[u8], probabilities: &[f32]) -> Vec<Vec<u8>> {
    let classes = images.classes;
    let of_class = |class| probabilities.iter().skip(class).step_by(classes).map(|&p| f64::from(p)).collect();
    let mut fields: Vec<Vec<f64>> = (0..classes).map(of_class).collect();
    let mut shares = vec![0.0; classes];
    map.iter().for_each(|&class| shares[usize::from(class)] += 1.0 / map.len() as f64);
    (0..ROUNDS)
        .map(|_| {
            fields.iter_mut().for_each(|field| *field = averaged(field, images));
            argmax(&shared(&fields, &shares), classes)
        })
        .collect()
}

/// A field `[H, W]` averaged along both axes.
fn averaged(field: &[f64], images: &Images) -> Vec<f64> {
    let [mut h, mut w] = images.size;
    let mut field = field.to_vec();
    for _ in 0..2 {
        let mut turned = vec![0.0; h * w];
        for (y, row) in field.chunks_exact(w).enumerate() {
            // An edge that does not go round is its own neighbour.
            let (before, after) = match images.border {
                Border::Periodic => (row[w - 1], row[0]),
                Border::Open => (row[0], row[w - 1]),
            };
            for x in 0..w {
                let left = if x > 0 { row[x - 1] } else { before };
                let right = if x + 1 < w { row[x + 1] } else { after };
                turned[x * h + y] = 0.25 * (left + right) + 0.5 * row[x];
            }
        }
        field = turned;
        [h, w] = [w, h];
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rough_edge_becomes_straight_and_classes_keep_their_pixels() {
        for border in [Border::Periodic, Border::Open] {
            let images = Images { size: [16, 12], classes: 2, border };
            // Teeth of one pixel on both sides of a band.
            let map: Vec<u8> = (0..192)
                .map(|i| u8::from((4 + (i % 12) % 2..11 + (i % 12) % 2).contains(&(i / 12))))
                .collect();
            // No two pixels are alike, so that a cut can be anywhere.
            let soft = |(i, &c): (usize, &u8)| [1 - c, c].map(|p| f32::from(p) * (1.0 + i as f32 * 1e-5));
            let soft: Vec<f32> = map.iter().enumerate().flat_map(soft).collect();
            let maps = smoothed(&images, &map, &soft);
            assert_eq!(maps.len(), ROUNDS);
            let rough = |map: &[u8]| (0..192).filter(|i| i % 12 > 0 && map[*i] != map[i - 1]).count();
            for smooth in &maps[1..] {
                let count = |map: &[u8]| map.iter().map(|&c| u32::from(c)).sum::<u32>();
                assert_eq!(count(smooth), count(&map));
                assert!(rough(smooth) * 5 < rough(&map), "{border:?} {}", rough(smooth));
            }
        }
    }
}
