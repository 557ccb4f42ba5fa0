//! Outlines of figures, once all else is right: shorter by pairs of flips that change nothing else.

use super::{Pixels, TRIED};
use crate::invariance::Flip;

/// Most surveys of all pixels for pairs of flips.
const SMOOTHED: usize = 12;

impl Pixels<'_> {
    /// Shortens the outlines of figures by pairs of flips, at most `most` flips, that leave all within its
    /// tolerance, once it is; returns how many.
    pub(super) fn smooth(&mut self, most: usize, hurry: &dyn Fn() -> bool) -> usize {
        let mut flips = 0;
        for _ in 0..SMOOTHED {
            if !self.settled() || hurry() {
                break;
            }
            let all: Vec<_> = self.candidates().into_iter().map(|c| (self.outline(c.flip), c)).collect();
            let mut found: Vec<(i32, f64, usize, usize)> = Vec::new();
            for (i, (shorter, a)) in all.iter().enumerate().filter(|(_, (outline, _))| *outline < 0) {
                let others = all.iter().enumerate().filter(|&(j, (outline, _))| *outline >= 0 || j < i);
                for (j, (longer, b)) in others.filter(|(_, (longer, _))| shorter + longer < 0) {
                    let steps = a.step.iter().zip(&b.step);
                    if self.errors.iter().zip(steps).all(|(e, (a, b))| (e + f64::from(a + b)).abs() <= 1.0) {
                        found.push((shorter + longer, a.price + b.price, i, j));
                    }
                }
            }
            found.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
            let before = flips;
            for &(_, _, i, j) in found.iter().take(TRIED) {
                let pair = [i, j].map(|k| all[k].1.flip);
                // Those made before may have changed what lies about it.
                let outline = pair.map(|flip| self.outline(flip));
                if flips + 2 <= most && outline[0] + outline[1] < 0 && self.made(&pair, Self::settled) {
                    flips += 2;
                }
            }
            if flips == before {
                break;
            }
        }
        flips
    }

    /// By how much a flip lengthens the outline: pairs of pixels of different classes, beside each other and
    /// across a corner, weighted so that a straight line is as long in all eight directions (A. L. Cauchy,
    /// M. W. Crofton; Y. Boykov and V. Kolmogorov, Computing geodesics and minimal surfaces via graph cuts, ICCV
    /// 2003), 18 for a pixel's side.
    fn outline(&self, flip: Flip) -> i32 {
        let around = self.around(flip.at);
        let by = |&class: &u8| i32::from(class != flip.to) - i32::from(class != flip.from);
        let [beside, across] = [0, 1].map(|first| around.iter().skip(first).step_by(2).map(by).sum::<i32>());
        7 * beside + 5 * across
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::close::Tolerances;
    use crate::close::goal::{Goal, follow};
    use crate::invariance::{Ask, Images};
    use crate::op::Border;
    use crate::train::Task;
    use crate::train::dataset::measured;

    #[test]
    fn outlines_of_figures_become_shorter_and_corners_stay() {
        let images = Images { size: [32, 32], classes: 2, border: Border::Open };
        let asks = ["area", "centroid"].map(|name| Ask::new(name).unwrap());
        let task = Task::asked(&asks, images, "test").unwrap();
        let smooth = |map: &[u8]| {
            let soft: Vec<f32> = map.iter().flat_map(|&c| [1.0 - f32::from(c), f32::from(c)]).collect();
            let asked = measured(&task, map).unwrap();
            let goal = Goal::new(&asked, Tolerances::usual(&task).of(&asked, &task), &follow(&task), &task);
            let mut pixels =
                Pixels::new(task.properties(), &images, map, &soft, &goal.target, &goal.reach).unwrap();
            let flips = pixels.settle(100, &|| false);
            let after = pixels.into_map();
            assert!(goal.miss(&measured(&task, &after).unwrap(), &task).within());
            (flips, after)
        };
        let drawn = |inside: &dyn Fn(f64, f64) -> bool| -> Vec<u8> {
            (0..1024_usize).map(|i| u8::from(inside((i % 32) as f64, (i / 32) as f64))).collect()
        };
        // Pixels of different classes beside each other, and across corners, 7 and 5.
        let length = |map: &[u8]| {
            let pairs = [(1, 7), (32, 7), (33, 5), (31, 5)]
                .map(|(by, weight)| weight * (33..990).filter(|&i| map[i] != map[i + by]).count());
            pairs.iter().sum::<usize>() as i64
        };
        let disc = drawn(&|x, y| (x - 15.3).hypot(y - 16.2) < 9.0);
        let ragged = drawn(&|x, y| {
            let (dx, dy) = (x - 15.3, y - 16.2);
            dx.hypot(dy) < 9.0 + 0.9 * (11.0 * dy.atan2(dx)).sin()
        });
        let (flips, after) = smooth(&ragged);
        let [disc, ragged, after] = [&disc, &ragged, &after].map(|map| length(map));
        assert!(flips > 6 && 2 * (after - disc) < ragged - disc, "{flips}: {disc} {ragged} {after}");
        assert_eq!(smooth(&drawn(&|x, y| (8.0..22.0).contains(&x) && (9.0..23.0).contains(&y))).0, 0);
    }
}
