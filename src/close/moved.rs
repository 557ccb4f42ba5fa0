//! Figures moved and scaled as they are.
//!
//! A figure that is a little off its place, or a little too large, keeps its shape if it is moved and scaled as a
//! whole: of its class, what a pixel p gets is the log odds at m + (p - t) / s, where m is the figure's centre, t is
//! where it is to be and s the root of what its area is to be over what it is. As pixels are whole, centre and area
//! are measured again, and what is missing is added, a few times. Stray pixels stay behind.

use std::collections::BTreeMap;

use super::goal::Goal;
use crate::data::lattice::Lattice;
use crate::invariance::Images;
use crate::op::Border;
use crate::train::Task;

/// Rounds of drawing, measuring and adding what is missing.
const ROUNDS: usize = 6;
/// Farthest that a figure is moved, in pixels, and most that its sides are stretched: farther off the generator
/// would have drawn another figure.
const FARTHEST: f64 = 2.0;
const STRETCHED: f64 = 1.25;
/// Least share of a class's pixels in its largest piece: what is scattered is no figure.
const MAIN: f64 = 0.8;
/// How near centre (in pixels) and area (in square pixels) are to come.
const NEAR: [f64; 2] = [0.05, 0.5];
/// Added to probabilities before their odds are taken.
const LEAST: f64 = 1e-9;

/// A figure as it is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figure {
    class: u8,
    /// Column and row of its centre.
    centre: [f64; 2],
    /// Pixels; none if it may have any number.
    area: Option<f64>,
}

/// The figures whose centres a sample is held to, of images that do not go round.
pub(super) fn figures(goal: &Goal, task: &Task) -> Vec<Figure> {
    let images = task.images();
    let mut found: BTreeMap<usize, ([Option<f64>; 2], Option<f64>)> = BTreeMap::new();
    for (property, first) in task.placed() {
        let held = (0..property.columns().len()).filter(|i| goal.tolerance[first + i].is_finite());
        for i in held {
            if let Some((class, axis)) = property.invariance().place(i) {
                found.entry(class).or_default().0[axis] = Some(f64::from(goal.asked[first + i]));
            }
            if let Some(class) = property.invariance().share(i) {
                found.entry(class).or_default().1 = Some(goal.target[first + i] * images.pixels() as f64);
            }
        }
    }
    let whole = |(class, ([x, y], area)): (usize, ([Option<f64>; 2], Option<f64>))| {
        Some(Figure { class: class as u8, centre: [x?, y?], area })
    };
    if images.border == Border::Open { found.into_iter().filter_map(whole).collect() } else { Vec::new() }
}

/// Centre and pixels of a class in a map with rows of `w`; none if there is none.
fn measured(map: &[u8], w: usize, class: u8) -> Option<([f64; 2], f64)> {
    let (mut area, mut x, mut y) = (0.0, 0.0, 0.0);
    for (i, _) in map.iter().enumerate().filter(|(_, c)| **c == class) {
        area += 1.0;
        x += (i % w) as f64;
        y += (i / w) as f64;
    }
    (area > 0.0).then(|| ([x / area, y / area], area))
}

/// A figure on its way.
struct Moving {
    asked: Figure,
    /// Its log odds `[H, W]`.
    odds: Vec<f64>,
    from: [f64; 2],
    to: [f64; 2],
    stretch: f64,
}

impl Moving {
    /// None if it is not there, is scattered, or is too far off.
    fn new(asked: &Figure, images: &Images, map: &[u8], probabilities: &[f32]) -> Option<Self> {
        let [h, w] = images.size;
        let class = usize::from(asked.class);
        let pieces = Lattice { height: h, width: w, periodic: false }.pieces(map);
        let mut areas: BTreeMap<u32, usize> = BTreeMap::new();
        let of_class =
            || map.iter().zip(&pieces).filter(|(c, _)| **c == asked.class).map(|(_, piece)| *piece);
        of_class().for_each(|piece| *areas.entry(piece).or_default() += 1);
        let (&main, &area) = areas.iter().max_by_key(|(_, area)| **area)?;
        if (area as f64) < MAIN * of_class().count() as f64 {
            return None;
        }
        let odds =
            probabilities.chunks_exact(images.classes).zip(map).zip(&pieces).map(|((p, &c), &piece)| {
                let p = f64::from(p[class]);
                let odds = ((p + LEAST) / (1.0 - p + LEAST)).ln();
                if c == asked.class && piece != main { -odds.abs() } else { odds }
            });
        let alone: Vec<u8> = pieces.iter().map(|&piece| u8::from(piece == main)).collect();
        let (from, area) = measured(&alone, w, 1)?;
        let stretch = asked.area.map_or(1.0, |wanted| (wanted / area).sqrt());
        let near = (0..2).all(|i| (asked.centre[i] - from[i]).abs() <= FARTHEST);
        let moving = Self { asked: asked.clone(), odds: odds.collect(), from, to: asked.centre, stretch };
        (near && (1.0 / STRETCHED..=STRETCHED).contains(&stretch)).then_some(moving)
    }

    /// Its log odds at a pixel once it is moved, interpolated; none beyond the image.
    fn at(&self, [h, w]: [usize; 2], x: usize, y: usize) -> Option<f64> {
        let side = |p: usize, i: usize, extent: usize| {
            let v = self.from[i] + (p as f64 - self.to[i]) / self.stretch;
            let last = extent as f64 - 1.0;
            (-0.5..=last + 0.5).contains(&v).then(|| {
                let v = v.clamp(0.0, last);
                let first = (v as usize).min(extent - 2);
                (first, v - first as f64)
            })
        };
        let ((x, right), (y, down)) = (side(x, 0, w)?, side(y, 1, h)?);
        let row = |y: usize| (1.0 - right) * self.odds[y * w + x] + right * self.odds[y * w + x + 1];
        Some((1.0 - down) * row(y) + down * row(y + 1))
    }

    /// Adds what is missing of centre and area to where it is to be; returns by how much that is.
    fn aim(&mut self, map: &[u8], w: usize) -> f64 {
        let Some((centre, area)) = measured(map, w, self.asked.class) else { return f64::INFINITY };
        let mut miss = 0.0;
        for i in 0..2 {
            let missing = self.asked.centre[i] - centre[i];
            self.to[i] += missing;
            miss += (missing / NEAR[0]).powi(2);
        }
        if let Some(wanted) = self.asked.area {
            self.stretch *= (wanted / area).sqrt();
            miss += ((wanted - area) / NEAR[1]).powi(2);
        }
        miss
    }
}

/// The class map `[H, W]` with its figures moved to where they are to be, as near as that comes; none if there is
/// none to move, or one is not there or too far off. `probabilities`, `[H, W, C]`, are those of the map.
pub(super) fn moved(
    images: &Images,
    map: &[u8],
    probabilities: &[f32],
    figures: &[Figure],
) -> Option<Vec<u8>> {
    let moving = figures.iter().map(|figure| Moving::new(figure, images, map, probabilities));
    let mut moving = moving.collect::<Option<Vec<_>>>().filter(|all| !all.is_empty())?;
    let w = images.size[1];
    // What is there where no figure is.
    let moves = |class: usize| figures.iter().any(|f| usize::from(f.class) == class);
    let behind: Vec<u8> = probabilities
        .chunks_exact(images.classes)
        .map(|p| {
            let others = (0..images.classes).filter(|&c| !moves(c));
            others.reduce(|best, c| if p[c] > p[best] { c } else { best }).map_or(0, |c| c as u8)
        })
        .collect();
    let mut best = (f64::INFINITY, Vec::new());
    for _ in 0..ROUNDS {
        let drawn: Vec<u8> = (0..map.len())
            .map(|i| {
                let odds =
                    moving.iter().map(|m| (m.at(images.size, i % w, i / w).unwrap_or(-1.0), m.asked.class));
                odds.fold((0.0, behind[i]), |best, of| if of.0 > best.0 { of } else { best }).1
            })
            .collect();
        let miss: f64 = moving.iter_mut().map(|m| m.aim(&drawn, w)).sum();
        if miss < best.0 {
            best = (miss, drawn);
        }
    }
    Some(best.1).filter(|map| !map.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const IMAGES: Images = Images { size: [40, 48], classes: 3, border: Border::Open };

    /// Probabilities and class map of a disc of class 1 at (17, 20) with a radius of 9, one of class 2 at (36, 14)
    /// with 6, edges a pixel wide, and a stray pixel of class 1.
    fn discs() -> (Vec<f32>, Vec<u8>) {
        let probabilities: Vec<f32> = (0..40 * 48_usize)
            .flat_map(|i| {
                let from = |x: f64, y: f64| ((i % 48) as f64 - x).hypot((i / 48) as f64 - y);
                let odds = |distance: f64| 1.0 / (1.0 + (4.0 * distance).exp());
                let p = [
                    odds(from(17.0, 20.0) - 9.0).max(odds(from(45.0, 37.0) - 0.4)),
                    odds(from(36.0, 14.0) - 6.0),
                ];
                [1.0 - p[0] - p[1], p[0], p[1]].map(|p| p as f32)
            })
            .collect();
        let map =
            probabilities.chunks(3).map(|p| (0..3).fold(0, |b, c| if p[c] > p[b] { c } else { b }) as u8);
        let map = map.collect();
        (probabilities, map)
    }

    #[test]
    fn figures_come_to_their_places_and_keep_their_shapes() {
        let (probabilities, map) = discs();
        let asked = [
            Figure { class: 1, centre: [17.37, 19.1], area: Some(268.0) },
            Figure { class: 2, centre: [35.2, 14.6], area: None },
        ];
        let found = moved(&IMAGES, &map, &probabilities, &asked).unwrap();
        let before = [1, 2].map(|class| measured(&map, 48, class).unwrap().1);
        for (figure, wanted) in asked.iter().zip([268.0, before[1]]) {
            let (centre, area) = measured(&found, 48, figure.class).unwrap();
            let off = (0..2).map(|i| (centre[i] - figure.centre[i]).abs()).fold(0.0, f64::max);
            assert!(off < 0.1 && (area - wanted).abs() < 5.0, "{figure:?}: {centre:?} {area}");
            // Still a disc, and in one piece.
            let radius = (area / std::f64::consts::PI).sqrt();
            for (i, &class) in found.iter().enumerate() {
                let out = ((i % 48) as f64 - centre[0]).hypot((i / 48) as f64 - centre[1]) - radius;
                assert!(out.abs() < 0.8 || (class == figure.class) == (out < 0.0), "{figure:?}: {i} {out}");
            }
        }
    }

    #[test]
    fn what_is_no_figure_or_too_far_off_is_left_alone() {
        let (probabilities, map) = discs();
        let figure = Figure { class: 2, centre: [36.0, 14.0], area: None };
        let moved = |map: &[u8], figure: Figure| moved(&IMAGES, map, &probabilities, &[figure]);
        assert!(moved(&map, figure.clone()).is_some());
        assert_eq!(moved(&map, Figure { centre: [39.0, 14.0], ..figure.clone() }), None);
        assert_eq!(moved(&map, Figure { area: Some(20.0), ..figure.clone() }), None);
        assert_eq!(moved(&map, Figure { class: 7, ..figure.clone() }), None);
        let halves: Vec<u8> =
            map.iter().enumerate().map(|(i, &c)| if i % 48 == 36 { 0 } else { c }).collect();
        assert_eq!(moved(&halves, figure), None);
    }
}
